"""Tasks that need biases, and what may become of biases in a sleep."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.random import SeedSequence

from srcnb import MLP, presets
from srcnb.experiments.cells import Cell
from srcnb.experiments.studies import bias
from srcnb.methods.base import sleep_as_scheduled, train_and_sleep
from srcnb.metrics import interval
from srcnb.protocol import SleepState


@pytest.fixture
def small():
    """The calibrated protocol with small hidden layers with biases, in which all layers fire."""
    base = presets.calibrated()
    targets = replace(
        base.schedule.constants, rate=0.1, rate_factor=1.0, output_rate=0.1, budget=0.2
    )
    schedule = replace(base.schedule, constants=targets, first_steps=300)
    network = {**base.network, "bias": True, "init": "fan_in"}
    return replace(base, hidden=(20, 20), schedule=schedule, network=network)


@pytest.fixture
def ready(sequence, small):
    """A state that may sleep, and a network with biases; SeedSequences are used up."""
    state = SleepState(small.schedule)
    state.update(sequence[0])
    return state, small.new_network(sequence, 0).fit(sequence[0].X, sequence[0].y, epochs=3)


def seed():
    return SeedSequence([3, 1])


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_conditions():
    digits, mnist = bias.bias("digits").conditions, bias.bias("mnist").conditions
    assert len(digits) == 2 * 11 + 7 and len(mnist) == 2 * 9
    assert all(condition in digits for condition in mnist)
    assert {c["levels"] for c in mnist} == {*bias.GROUPS}


def test_levels(toy_data):
    """Each image twice, dim and bright, which a network without biases cannot tell apart."""
    made = bias.levels(toy_data)
    assert made.n_classes == 10 and len(made.X) == 2 * (toy_data.y < 5).sum()
    for X, y in ((made.X, made.y), (made.X_test, made.y_test)):
        dim, bright = X[y % 2 == 0], X[y % 2 == 1]
        np.testing.assert_array_equal(dim, bias.DIM * bright)
        assert X.min() >= 0 and X.max() <= 1
        net = MLP((20, 30, 30, 10), random_state=0)
        assert (net.predict(dim) == net.predict(bright)).all()
        assert (net.predict(X) == y).mean() <= 0.5
    target = np.median(toy_data.X.mean(axis=1))
    assert made.X[1::2].mean(axis=1).max() == pytest.approx(target)


def test_tasks(toy_data, small):
    for kind, classes in bias.GROUPS.items():
        made = bias.tasks_of(Cell({"levels": kind}, 0), [toy_data], small)
        assert [sorted(set(t.y.tolist())) for t in made] == classes
    usual = bias.tasks_of(Cell({"levels": bias.ORDINARY}, 0), [toy_data], small)
    assert [len(set(t.y.tolist())) for t in usual] == [2, 2, 2]
    assert not bias.protocol_of({"biases": "none"}).network["bias"]
    assert bias.protocol_of({"biases": "frozen"}).network["bias"]


def test_frozen_biases_do_not_matter_in_the_sleep(ready):
    state, net = ready
    slept = bias.frozen(state, net, 1, seed())
    assert same(slept.biases, net.biases)
    other = net.copy()
    other.biases = [b + 5 for b in net.biases]
    again = bias.frozen(state, other, 1, seed())
    assert same(again.weights, slept.weights) and same(again.biases, other.biases)
    scaled = sleep_as_scheduled(state, net, 1, seed())
    assert not same(scaled.weights, slept.weights) and same(scaled.biases, net.biases)


@pytest.mark.parametrize("every_step", [False, True])
def test_plastic_biases(ready, every_step):
    state, net = ready
    slept = bias.plastic(every_step, state, net, 1, seed())
    changed = [~np.isclose(b, old) for b, old in zip(slept.biases, net.biases, strict=True)]
    assert all(c.any() for c in changed)
    # Of units that did not fire neither weights nor bias change.
    moved = [(w != old).any(axis=1) for w, old in zip(slept.weights, net.weights, strict=True)]
    assert not any((c & ~m).any() for c, m in zip(changed, moved, strict=True))
    if every_step:  # its unit fires at each spike, so that they grow
        for b, old in zip(slept.biases, net.biases, strict=True):
            assert (b >= old - 1e-6).all()
    assert slept.weights[0].shape == net.weights[0].shape


def test_plastic_without_biases_is_the_sleep_itself(ready):
    """Layers one after the other give what layers together give, on the same sleep input."""
    state, net = ready
    net.biases = [0 * b for b in net.biases]
    slept = bias.plastic(False, state, net, 1, seed())
    bare = MLP.from_arrays(net.weights, **net.options)
    assert same(slept.weights, sleep_as_scheduled(state, bare, 1, seed()).weights)
    assert same(slept.biases, net.biases)


def test_estimated_again(ready):
    state, net = ready
    slept = bias.re_estimated(state, net, 1, seed())
    assert same(slept.weights, sleep_as_scheduled(state, net, 1, seed()).weights)
    X = state.sleep_input.draw(bias.N_SAMPLES, np.random.default_rng(seed().spawn(1)[0]))
    for now, before in zip(slept.activations(X)[:-1], net.activations(X)[:-1], strict=True):
        np.testing.assert_allclose(now.mean(axis=0), before.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(slept.logits(X).mean(axis=0), net.logits(X).mean(axis=0), atol=1e-3)


def test_the_oracle_changes_biases_only(sequence, ready):
    _, net = ready
    fitted = bias.with_best_biases(net, sequence, 0)
    assert same(fitted.weights, net.weights)
    X, y = (np.concatenate([getattr(t, n) for t in sequence]) for n in ("X", "y"))
    assert fitted.loss(X, y) < net.loss(X, y)


@pytest.mark.slow
def test_measured(sequence, small):
    for biases, sleep in bias.SLEEPS.items():
        if biases == "none":
            continue
        rows = [*bias.measure(Cell({"method": "src", "biases": biases}, 2), sequence, small)]
        *_, last = train_and_sleep(sequence, small, 2, sleep=sleep)
        X, y = (np.concatenate([getattr(t, n) for t in sequence]) for n in ("X_test", "y_test"))
        assert rows[0] == {"head": "own", "accuracy": 100 * np.mean(last.model.predict(X) == y)}
        assert [r["head"] for r in rows[1:]] == [*(f"{s:g}" for s in bias.SHARES), "oracle"]
    [joint] = bias.measure(Cell({"method": "joint", "biases": "trained"}, 2), sequence, small)
    assert joint["head"] == "own" and joint["accuracy"] > 30


def test_table_and_picture():
    values = {
        ("joint", "trained"): {"own": (97, 97)},
        ("sequential", "trained"): {
            "own": (20, 20),
            "0.3": (30, 30),
            "1": (31, 33),
            "oracle": (40, 40),
        },
        ("lazy", "trained"): {"own": (20, 20), "0.3": (50, 50), "1": (10, 10), "oracle": (70, 70)},
        ("src", "scaled"): {"own": (40, 40), "0.3": (60, 70), "1": (1, 1), "oracle": (90, 90)},
        ("src", "plastic"): {"own": (45, 45), "0.3": (2, 2), "1": (80, 86), "oracle": (90, 90)},
    }
    results = pd.DataFrame(
        [
            {"levels": "within tasks", "method": method, "biases": biases, "seed": seed}
            | {"head": head, "accuracy": accuracy}
            for (method, biases), heads in values.items()
            for head, accuracies in heads.items()
            for seed, accuracy in enumerate(accuracies)
        ]
    )
    joint, sequential, lazy, scaled, plastic = bias.table(results).to_dict("records")
    assert (joint["own outputs"], joint["best share"], joint["over control"]) == (
        *("97.0 ± 0.0", "–", "–"),
    )
    assert (sequential["best share"], lazy["best share"]) == ("32.0 ± 1.4", "50.0 ± 0.0")
    low, high = interval([10, 20])
    assert scaled["over control"] == f"+15.0 [{low:+.1f}, {high:+.1f}]"
    low, high = interval([20, 16])
    assert plastic["over scaled"] == f"+18.0 [{low:+.1f}, {high:+.1f}]"
    assert (scaled["over scaled"], lazy["over control"]) == ("–", "–")
    [axes] = bias.picture(results).axes
    labels = [t.get_text() for t in axes.get_yticklabels()]
    assert labels[0] == "joint, none" and labels[-1] == "src, re-estimated"  # measured or not
