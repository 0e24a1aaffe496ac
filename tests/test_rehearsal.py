"""rehearsal: what is mixed in."""

from dataclasses import replace

import numpy as np
import pytest

from srcnb import tasks
from srcnb.methods.baselines import sequential
from srcnb.methods.rehearsal import n_rehearsed, rehearsal
from srcnb.methods.src import src
from srcnb.mlp import MLP


@pytest.fixture
def sequence(easy_data):
    return tasks.class_incremental(easy_data, groups=1, cap=20)


@pytest.fixture
def batches(monkeypatch):
    """What fit() is given, call by call."""
    seen, fit = [], MLP.fit

    def spy(self, X, y, **options):
        seen.append((X, y))
        return fit(self, X, y, **options)

    monkeypatch.setattr(MLP, "fit", spy)
    return seen


def weights_of(stages):
    return [(stage, phase, [w.copy() for w in net.weights]) for stage, phase, net in stages]


def assert_same(a, b):
    assert [x[:2] for x in a] == [x[:2] for x in b]
    for (*_, v), (*_, w) in zip(a, b, strict=True):
        for v_l, w_l in zip(v, w, strict=True):
            np.testing.assert_array_equal(v_l, w_l)


def test_share_0_is_sequential_or_src(sequence, protocol):
    for sleeps, other in ((False, sequential), (True, src)):
        a = weights_of(rehearsal(sequence, protocol, 1, sleeps, share=0))
        assert_same(a, weights_of(other(sequence, protocol, 1)))


def test_the_network_starts_and_learns_the_first_task_as_in_sequential(sequence, protocol):
    a, b = (weights_of(m(sequence, protocol, 1)) for m in (rehearsal, sequential))
    assert_same(a[:1], b[:1])
    assert any((v != w).any() for v, w in zip(a[1][2], b[1][2], strict=True))


@pytest.mark.parametrize(
    ("share", "sizes"), [(0.1, [20, 23, 26]), (0.5, [20, 35, 50]), (1, [20, 50, 80])]
)
def test_what_is_mixed_in(sequence, protocol, batches, share, sizes):
    list(rehearsal(sequence, protocol, 0, share=share))
    assert [len(X) for X, _ in batches] == [len(y) for _, y in batches] == sizes
    earlier = np.concatenate([t.X_all for t in sequence])
    labels = np.concatenate([t.y_all for t in sequence])
    for task, (X, y) in zip(sequence, batches, strict=True):
        np.testing.assert_array_equal(X[:20], task.X)
        np.testing.assert_array_equal(y[:20], task.y)
        where = [int(np.flatnonzero((earlier == x).all(axis=1))[0]) for x in X[20:]]
        assert len(set(where)) == len(where)
        np.testing.assert_array_equal(y[20:], labels[where])
        assert (y[20:] < task.y[0]).all()


@pytest.mark.parametrize(
    ("share", "n_old", "n"),
    [(0, 500, 0), (0.1, 0, 0), (0.1, 30, 3), (0.1, 999, 100), (0.1, 12665, 1300)]
    + [(1, 12665, 12665), (1, 12649, 12600), (0.99, 130, 100)]
    + [(0.25, 48200, 12100), (0.5, 5, 3)],  # halves go up
)
def test_whole_hundreds_and_never_more_than_there_is(share, n_old, n):
    assert n_rehearsed(share, n_old) == n


def test_rehearsal_sleeps_and_is_reproducible(sequence, protocol):
    a, b = (weights_of(rehearsal(sequence, protocol, 3, sleeps=True)) for _ in range(2))
    assert [x[:2] for x in a] == [(k, phase) for k in (1, 2, 3) for phase in ("train", "sleep")]
    assert_same(a, b)


def test_another_seed_draws_others(sequence, protocol, batches):
    for seed in (0, 1):
        list(rehearsal(sequence, protocol, seed, share=0.1))
    (a, _), (b, _) = batches[2], batches[5]
    assert not np.array_equal(a[20:], b[20:])


def test_rehearsal_remembers(sequence, protocol, easy_data):
    protocol = replace(protocol, training=dict(epochs=30, batch_size=10, learning_rate=0.2))
    *_, (_, _, net) = rehearsal(sequence, protocol, 0, share=0.5)
    assert np.mean(net.predict(easy_data.X_test) == easy_data.y_test) > 0.95


@pytest.mark.parametrize(
    ("share", "error"), [(-0.1, ValueError), (1.01, ValueError), ("half", TypeError)]
)
def test_bad_share(sequence, protocol, share, error):
    with pytest.raises(error, match=f"share.*{share}"):
        rehearsal(sequence, protocol, 0, share=share)
