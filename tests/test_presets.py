"""The published constants and protocols, written down once more."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from srcnb import MLP, SleepTargets, presets, tasks
from srcnb.datasets import Dataset
from srcnb.protocol import SleepState
from srcnb.spiking.inputs import PatchInput, SampleInput

# max_rate, inc, dec, β of each layer, alpha_scale
PAPER = {
    "mnist": (239.515363, 0.032064, 0.003344, 14.548273, 44.560317, 38.046326, 55.882454),
    "fashion-mnist": (181.047258, 0.041001, 0.003344, 40.446884, 27.596929, 33.109393, 31.592987),
    "cifar10": (453.020604, 0.078129, 0.003005, 8.070491, 0.907842, 1.728840, 4.131109),
    "cub200": (32, 0.01, 0.001, 1, 1, 1, 1),
    "cross-modal": (227.437205, 0.050052, 0.005592, 4.700579, 7.750487, 7.055086, 9.284002),
    "patches": (64, 0.0035, 0.0002, 1.045, 4.25),
    "little-training-10": (
        *(42.162268, 0.022175, 0.076886, 37.312702, 7.101362, 32.780841, 14.308178),
    ),
    "little-training-20": (
        *(56.274254, 0.089164, 0.094930, 39.355043, 18.459940, 35.408674, 2.683161),
    ),
    "little-training-40": (
        *(29.393650, 0.031111, 0.000001, 8.102056, 26.252258, 33.832234, 2.023822),
    ),
    "rehearsal-10-percent": (21.0, 0.1, 0.000001, 22.259158, 0.318765, 0, 0.1),
    "icarl-50": (95.654279, 0.058705, 0.009112, 27.477005, 21.155469, 22.567029, 19.001764),
    "icarl-to-500": (114.365720, 0.042289, 0.005498, 38.451454, 22.198208, 6.893450, 4.253433),
    "icarl-above-500": (27.393650, 0.019093, 0.060217, 9.625520, 34.737610, 31.296881, 2.023822),
}


@pytest.fixture
def image_sequence():
    rng = np.random.default_rng(0)
    X, y = rng.random((30, 784)), np.arange(30) % 10
    data = Dataset("images", X, y, X, y, n_classes=10, shape=(28, 28))
    return tasks.class_incremental(data)


def test_every_constant_of_the_paper():
    assert set(presets.PAPER) == set(PAPER)
    for name, (max_rate, inc, dec, *beta, alpha_scale) in PAPER.items():
        c = presets.PAPER[name]
        assert (c.max_rate, c.inc, c.dec) == (max_rate, inc, dec), name
        assert (c.beta, c.alpha_scale) == (tuple(beta), alpha_scale), name
        assert (c.gate, c.alpha, c.alpha_form) == ("negative", None, "paper"), name
        assert c.source.startswith("the paper's code, ")


def test_what_no_constants_name():
    """Decay 0.999, dt 0.001, no inhibition and no currents, in all of them."""
    net = MLP((4, 3, 3, 2), random_state=0)
    for constants in (*presets.PAPER.values(), presets.REPLICA, presets.OWN):
        beta = constants.beta if len(constants.beta) == 3 else 3 * constants.beta
        config = replace(constants, beta=beta).config(net, np.ones((2, 4)), 7)
        assert (config.n_steps, config.decay, config.dt) == (7, 0.999, 0.001)
        assert config.inhibition == 0 and config.currents is None


def test_the_replicas_constants():
    c = presets.REPLICA
    assert (c.max_rate, c.inc, c.dec, c.gate) == (239.515363, 0.001, 0.0001, "logistic")
    assert c.beta == (14.548273, 44.560317, 38.046326)
    assert c.alpha == (14.983829, 253.17746, 7.7707720)


def test_our_own_constants():
    c = presets.OWN
    assert (c.max_rate, c.inc, c.beta) == (170, 0.00073, (0.16, 0.09, 10))
    assert c.dec / (c.inc + c.dec) == pytest.approx(0.215)  # ρ
    assert (c.gate, c.alpha, c.alpha_form, c.alpha_scale) == ("logistic", None, "diehl", 1)


def test_the_papers_protocol(image_sequence):
    protocol = presets.paper()
    assert (protocol.name, protocol.hidden, protocol.cap) == ("paper", (1200, 1200), 5000)
    assert (protocol.parallel_epochs, protocol.rank) == (10, None)
    assert (
        protocol.training_at(1)
        == protocol.training_at(2)
        == dict(epochs=2, batch_size=100, learning_rate=0.1, momentum=0.5, reset_momentum=False)
    )
    net = replace(protocol, hidden=(20, 20)).new_network(image_sequence, 0)
    assert net.biases is None and net.output == "relu"
    assert net.dropout == 0.25 and not net.inverted_dropout
    assert 0.0099 < max(abs(w).max() for w in net.weights) <= 0.01
    schedule = protocol.schedule
    assert [schedule.n_steps(k) for k in range(1, 6)] == [15000, 20000, 25000, 30000, 35000]
    assert (schedule.data, schedule.every) == ("seen", 1)
    sleep_input = schedule.sleep_input()
    assert isinstance(sleep_input, PatchInput)
    assert (sleep_input.size, sleep_input.shape) == (11, (28, 28))
    assert schedule.constants is presets.PAPER["mnist"]
    assert presets.paper("cub200").schedule.constants is presets.PAPER["cub200"]


def test_the_replicas_protocol(image_sequence):
    protocol = presets.replica()
    assert (protocol.name, protocol.hidden, protocol.cap) == ("replica", (4000, 4000), 5000)
    assert (protocol.parallel_epochs, protocol.rank) == (None, None)
    assert (
        protocol.training_at(1)
        == protocol.training_at(2)
        == dict(epochs=2, batch_size=100, learning_rate=0.01, momentum=0.5, reset_momentum=True)
    )
    net = replace(protocol, hidden=(20, 20)).new_network(image_sequence, 0)
    assert net.biases is None and net.output == "softmax"
    assert net.dropout == 0.25 and net.inverted_dropout
    for w in net.weights:  # ±1/√fan_in
        bound = w.shape[1] ** -0.5
        assert 0.9 * bound < abs(w).max() <= bound
    schedule = protocol.schedule
    assert [schedule.n_steps(k) for k in range(1, 6)] == [500, 666, 832, 998, 1164]
    assert (schedule.data, schedule.every) == ("current", 1)
    sleep_input = schedule.sleep_input()
    assert isinstance(sleep_input, SampleInput)
    assert (sleep_input.n_samples, sleep_input.keep) == (10, 0.25)
    assert schedule.constants is presets.REPLICA


def test_our_own_protocol(image_sequence):
    protocol = presets.own()
    assert (protocol.name, protocol.hidden, protocol.cap) == ("own", (400, 400), 5000)
    assert protocol.training == dict(epochs=5, batch_size=20, learning_rate=0.05, momentum=0.5)
    net = protocol.new_network(image_sequence, 0)
    assert net.biases is None and (net.output, net.dropout) == ("softmax", 0.25)
    schedule = protocol.schedule
    assert [schedule.n_steps(k) for k in (1, 2)] == [770, 1027]
    assert (schedule.data, schedule.every) == ("current", 1)
    sleep_input = schedule.sleep_input()
    assert (sleep_input.n_samples, sleep_input.keep) == (1, 0.25)
    other = replace(presets.OWN, max_rate=50)
    changed = presets.own(other, 30, 4).schedule
    assert changed.constants is other and [changed.n_steps(k) for k in (1, 2)] == [30, 34]


def test_the_calibrated_protocol(image_sequence):
    protocol = presets.calibrated()
    assert (protocol.name, protocol.hidden, protocol.cap) == ("calibrated", (400, 400), 5000)
    assert protocol.training == dict(epochs=3, batch_size=0.01, learning_rate=0.0125, momentum=0.5)
    assert (protocol.homeostasis, protocol.parallel_epochs, protocol.rank) == (0.3, 15, None)
    targets = SleepTargets(600, 0.05, 0.004, 0.12, None, 0.9, 0.16, 0.12, "negative", 0.5)
    schedule = protocol.schedule
    assert schedule.constants == SleepTargets() == targets and schedule.per_task == 3
    assert [schedule.n_steps(k) for k in (1, 2)] == [SleepTargets().n_steps] * 2
    assert (schedule.data, schedule.every) == ("current", 1)
    assert vars(schedule.sleep_input()) == vars(SampleInput(1, 0.2))
    assert protocol.network["init"] == "large_hidden"
    net = protocol.new_network(image_sequence, 0)
    assert net.biases is None and (net.output, net.dropout) == ("softmax", 0.25)


def test_a_sleep_as_the_paper_has_it(image_sequence):
    """The mean of all images so far, and thresholds and gains of each layer."""
    protocol = replace(presets.paper(), hidden=(20, 20))
    net = protocol.new_network(image_sequence, 0)
    state = SleepState(protocol.schedule)
    for task in image_sequence[:2]:
        state.update(task)
    seen = np.concatenate([task.X_all for task in image_sequence[:2]])
    np.testing.assert_allclose(state.sleep_input.mean, seen.mean(axis=0), rtol=1e-5)
    config = state.config(net, 2)
    assert (config.n_steps, config.gate, config.inc) == (20000, "negative", 0.032064)


def test_get():
    assert presets.get(None, "digits").name == presets.get(None, "mnist").name == "calibrated"
    for dataset in ("mnist", "fashion-mnist"):
        assert presets.get("replica", dataset).name == "replica"
        constants = presets.get("paper", dataset).schedule.constants
        assert constants is presets.PAPER[dataset]
    assert set(presets.PRESETS) == {"calibrated", "own", "paper", "replica"}
    for dataset in ("digits", "mnist", "mine.csv"):
        assert presets.get("calibrated", dataset) == presets.calibrated()
        assert presets.get("own", dataset) == presets.own()
    with pytest.raises(FileNotFoundError, match="no such preset file: nowhere.json"):
        presets.get(Path("nowhere.json"), "digits")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: presets.get("matlab", "mnist"), "preset must be .* got 'matlab'"),
        (lambda: presets.get("paper", "digits"), "preset 'paper' is .* 28×28 .* got .*'digits'"),
        (lambda: presets.get("replica", "digits"), "preset 'replica' is .* got .*'digits'"),
        (lambda: presets.paper("torch"), "constants must be one of .* got 'torch'"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_constants_can_be_pickled_but_not_changed():
    for constants in (*presets.PAPER.values(), presets.REPLICA, presets.OWN):
        assert pickle.loads(pickle.dumps(constants)) == constants
        with pytest.raises(AttributeError):
            constants.inc = 1
    assert pickle.loads(pickle.dumps(presets.PAPER)) == presets.PAPER
    with pytest.raises(TypeError):
        presets.PAPER["mnist"] = presets.OWN
