"""Networks put together: weights averaged, factors side by side."""

from dataclasses import replace

import numpy as np
import pytest

from srcnb import MLP, tasks
from srcnb.experiments.cells import accuracies
from srcnb.low_rank import LowRankMLP
from srcnb.methods import METHODS
from srcnb.methods.baselines import sequential
from srcnb.methods.merging import low_rank_concat, low_rank_parallel, merging
from srcnb.presets import own
from srcnb.protocol import SleepState


@pytest.fixture
def protocol():
    training = dict(epochs=20, batch_size=10, learning_rate=0.1, momentum=0.5)
    return replace(own(), hidden=(12, 12), training=training)


@pytest.fixture
def sequence(easy_data):
    return tasks.class_incremental(easy_data, groups=1)


NAMES = [
    "cheat",
    "cheat-slip",
    "merging",
    "low-rank-merging",
    "low-rank-concat",
    "low-rank-parallel",
]


def with_biases(protocol):
    return replace(protocol, network={**protocol.network} | dict(bias=True, dtype="float64"))


def dense(net):
    return [np.asarray(w) for w in net.weights]


@pytest.fixture
def trained(monkeypatch):
    """What fit got and made: a list of (the weights before, the network after)."""
    seen = []
    fit = MLP.fit

    def recording(net, *args, **kwargs):
        before = [w.copy() for w in dense(net)]
        fit(net, *args, **kwargs)
        seen.append((before, net.copy()))
        return net

    monkeypatch.setattr(MLP, "fit", recording)
    return seen


@pytest.mark.parametrize("form", ["merging", "low-rank-merging"])
def test_merging_is_the_mean_over_the_same_start(sequence, protocol, trained, form):
    protocol = with_biases(protocol)
    stages = list(METHODS[form](sequence, protocol, 5))
    assert [(stage, phase) for stage, phase, _ in stages] == [(k, "train") for k in (1, 2, 3)]
    starts, nets = zip(*trained, strict=True)
    for start in starts:
        for a, b in zip(start, starts[0], strict=True):
            np.testing.assert_array_equal(a, b)
    for stage, _, model in stages:
        for layer, W in enumerate(dense(model)):
            mean = np.mean([np.asarray(net.weights[layer]) for net in nets[:stage]], axis=0)
            np.testing.assert_allclose(W, mean, rtol=1e-9, atol=1e-12)
            mean = np.mean([net.biases[layer] for net in nets[:stage]], axis=0)
            np.testing.assert_allclose(model.biases[layer], mean, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("form", ["merging", "low-rank-merging"])
def test_merged_networks_have_random_numbers_of_their_own(sequence, protocol, trained, form):
    """Were the order of the samples the same, so were the networks of equal tasks."""
    list(METHODS[form]([sequence[0]] * 3, protocol, 5))
    first = [dense(net)[0] for _, net in trained]
    assert not np.array_equal(first[0], first[1]) and not np.array_equal(first[1], first[2])


@pytest.mark.parametrize("reset_momentum", [True, False])
def test_merging_starts_as_sequential(sequence, protocol, reset_momentum):
    training = {**protocol.training} | dict(reset_momentum=reset_momentum)
    protocol = replace(protocol, training=training)
    _, _, merged = next(merging(sequence, protocol, 3))
    _, _, net = next(sequential(sequence, protocol, 3))
    for a, b in zip(merged.weights, net.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_concat_is_the_sum_of_the_layers_maps(sequence, protocol):
    protocol = with_biases(protocol)
    rng = np.random.default_rng(5)
    starts = (LowRankMLP((20, 12, 12, 3), 10, random_state=rng, **protocol.network) for _ in "123")
    nets = [
        net.fit(task.X, task.y, **protocol.training)
        for net, task in zip(starts, sequence, strict=True)
    ]
    assert not np.array_equal(nets[0].factors[0][0], nets[1].factors[0][0])
    for stage, _, model in low_rank_concat(sequence, protocol, 5):
        for layer, (A, B) in enumerate(model.factors):
            parts = [net.factors[layer] for net in nets[:stage]]
            np.testing.assert_array_equal(A, np.vstack([a for a, _ in parts]))
            np.testing.assert_array_equal(B, np.hstack([b for _, b in parts]))
            x = np.random.default_rng(0).random((4, A.shape[1]))
            total = sum(x @ a.T @ b.T for a, b in parts)
            total += sum(net.biases[layer] for net in nets[:stage])
            np.testing.assert_allclose(x @ A.T @ B.T + model.biases[layer], total, rtol=1e-12)
        assert model.predict(sequence[0].X_test).shape == (10,)


def test_low_rank_methods_start_alike(sequence, protocol):
    first = [
        next(METHODS[name](sequence, protocol, 2))[2]
        for name in ("low-rank-merging", "low-rank-concat")
    ]
    np.testing.assert_array_equal(*(dense(model)[0] for model in first))


def test_low_rank_upper_bound(sequence, protocol):
    ((stage, phase, model),) = low_rank_parallel(sequence, protocol, 0)
    assert (stage, phase) == (3, "train")
    assert all(w.rank == 10 for w in model.weights)
    assert accuracies(model, sequence)["all"] > 90


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("output", ["softmax", "relu"])
def test_reproducible_per_seed(sequence, protocol, name, output):
    # As both published protocols train: inverted or not, momentum reset or kept.
    network = dict(dropout=0.25, output=output, inverted_dropout=output == "softmax")
    training = {**protocol.training} | dict(epochs=1, reset_momentum=output == "softmax")
    protocol = replace(protocol, network=network, training=training)

    def last(seed):
        *_, (stage, phase, model) = METHODS[name](sequence, protocol, seed)
        assert (stage, phase) == (3, "train")
        assert set(accuracies(model, sequence)) == {"all", "1", "2", "3"}
        return dense(getattr(model, "net", model))

    a, b, c = last(4), last(4), last(5)
    np.testing.assert_array_equal(np.concatenate(a, axis=None), np.concatenate(b, axis=None))
    assert not np.array_equal(a[0], c[0])


def test_each_network_sleeps_before_the_mean(sequence, protocol, monkeypatch):
    """A sleep after each training, the same networks without it, and the mean of what they gave."""
    made = []
    sleep = SleepState.sleep

    def recording(state, net, stage, random_state, **options):
        result = sleep(state, net, stage, random_state, **options)
        made.append((net.copy(), result.net, state.sleep_input, random_state))
        return result

    monkeypatch.setattr(SleepState, "sleep", recording)
    *_, last = merging(sequence, protocol, 0, sleeps=True)
    awake = [net for net, *_ in made]
    assert len(made) == len(sequence)
    assert len({random_state.generate_state(1)[0] for *_, random_state in made}) == len(sequence)
    for task, (_, _, sleep_input, _) in zip(sequence, made, strict=True):
        assert np.isin(sleep_input._X, task.X).all()
    for k, w in enumerate(last.model.weights):
        np.testing.assert_allclose(w, np.mean([net.weights[k] for _, net, *_ in made], 0), 1e-5)
    *_, without = merging(sequence, protocol, 0)
    assert len(made) == len(sequence)
    for k, w in enumerate(without.model.weights):
        np.testing.assert_allclose(w, np.mean([net.weights[k] for net in awake], 0), 1e-5, 1e-7)
