"""trace: the same sleep as srcnb.sleep, and tables that are exact, to the last bit."""

from unittest import mock

import numpy as np
import pytest
from conftest import random_config, random_network, small_config, small_net
from hypothesis import given, settings
from hypothesis import strategies as st
from test_kernel import GATES, draw_currents

import srcnb
from srcnb import MLP
from srcnb.spiking import replay, trace
from srcnb.spiking.reference import GATE_FUNCTIONS

TABLE = np.random.default_rng(0).random((200, 20))


def rebuilt(traced, weights, layer):
    """The rows of a layer's watched neurons after the sleep, from the table of changes alone."""
    W = weights[layer - 1].copy()
    for c in traced.changes(layer).itertuples():
        assert W[c.neuron, c.pre] == c.before and c.after != c.before
        W[c.neuron, c.pre] = c.after
    return W


@pytest.mark.filterwarnings("ignore::srcnb.SilentLayerWarning", "ignore::srcnb.NoChangeWarning")
@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 30), min_size=2, max_size=4),
    dtype=st.sampled_from(["float32", "float64"]),
    n_steps=st.integers(0, 60),
    gate=st.sampled_from(GATES),
    inhibition=st.sampled_from([0.0, 0.0, 0.3]),
    decay=st.sampled_from([0.0, 0.5, 0.999, 1.0]),
    beta=st.sampled_from([0.0, 0.3, 2.0]),
    currents=st.sampled_from([None, "last", "numbers", "arrays", "mixed"]),
    block=st.sampled_from([1, 7, 256]),
    seed=st.integers(0, 2**32 - 1),
)
def test_exact(sizes, dtype, n_steps, gate, inhibition, decay, beta, currents, block, seed):
    """Whatever the network, its constants, and the blocks in which the kernel runs."""
    rng = np.random.default_rng(seed)
    net = MLP.from_arrays(random_network(sizes, seed, dtype))
    n_layers = len(net.weights)
    config = random_config(
        n_steps,
        n_layers,
        alpha=list(rng.uniform(0.5, 2, n_layers)),
        beta=[beta] * n_layers,
        inc=[0.03, 0.0, 0.02][:n_layers],
        dec=[0.002, 0.001, 0.0][:n_layers],
        decay=decay,
        gate=gate,
        inhibition=inhibition,
        currents=draw_currents(currents, sizes, rng),
    )
    x = rng.random((n_steps, sizes[0]))
    neurons = {
        layer: rng.permutation(n)[: rng.integers(1, n + 1)].tolist()
        for layer, n in enumerate(sizes[1:], 1)
    }
    slept = srcnb.sleep(net, x, config, seed, record=True, block_steps=block)
    with mock.patch.object(replay, "BLOCK_STEPS", block):
        traced = srcnb.trace(net, x, config, seed, neurons=neurons)
        membranes = traced.membranes()
        for layer, indices in neurons.items():
            of_layer = membranes[membranes["layer"] == layer]
            fired = of_layer["spike"].to_numpy().reshape(n_steps, len(indices))
            np.testing.assert_array_equal(fired, slept.spikes[layer][:, indices])
            W = rebuilt(traced, net.weights, layer)
            np.testing.assert_array_equal(W[indices], slept.weights[layer - 1][indices])
    assert membranes["membrane"].dtype == dtype
    reached = membranes["membrane"] >= membranes["threshold"]
    assert reached.equals(membranes["spike"].rename(None))


class TestTheSameSleep:
    def same(self, net, *arguments, **options):
        slept = srcnb.sleep(net, *arguments, **options)
        traced = srcnb.trace(net, *arguments, **options)
        for a, b in zip(slept.weights, traced.result.weights, strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(slept.net.weights, traced.result.net.weights, strict=True):
            np.testing.assert_array_equal(a, b)
        assert traced.result.config == slept.config and slept.spike_counts[1].any()
        assert str(traced.result) == str(slept)
        return traced

    def test_with_constants(self):
        sleep_input = srcnb.SampleInput(2, 0.5)
        sleep_input.update(TABLE)
        net = small_net(bias=True)
        before = net.copy()
        # More steps than a block has.
        self.same(net, sleep_input, small_config(1500), 3)
        np.testing.assert_array_equal(net.weights[0], before.weights[0])

    def test_calibrated_on_scaled_features(self):
        X = 7 * TABLE - 3
        scale = srcnb.FeatureScale.of(X)
        traced = self.same(small_net(bias=True), scale.transform(X), None, 3, scale=scale)
        assert traced.membranes(1)["spike"].any()
        # Weights are those on intensities.
        W = rebuilt(traced, scale.into(small_net(bias=True)).weights, 1)
        rows = [*traced.neurons[1]]
        np.testing.assert_array_equal(W[rows], traced.result.weights[0][rows])

    def test_calibrated_to_targets(self):
        self.same(small_net(), TABLE, srcnb.SleepTargets(n_steps=50, rate=0.02), 3)


@pytest.fixture(scope="module")
def observed():
    """(net, config, what sleep recorded, what trace did) of one sleep."""
    net, config = small_net(), small_config(200, decay=0.9, currents=[0.02, 0.0])
    slept = srcnb.sleep(net, TABLE, config, 5, record=True)
    return net, config, slept, srcnb.trace(net, TABLE, config, 5)


def test_those_that_fired_most_are_watched(observed):
    _, _, slept, traced = observed
    assert {layer: len(chosen) for layer, chosen in traced.neurons.items()} == {1: 3, 2: 3}
    for layer, chosen in traced.neurons.items():
        counts = slept.spike_counts[layer]
        assert counts[[*chosen]].tolist() == sorted(counts)[::-1][:3]
    with pytest.raises(TypeError):
        traced.neurons[1] = (0,)


def test_membranes(observed):
    """Step by step by the equations, from the table itself."""
    net, config, slept, traced = observed
    table = traced.membranes()
    assert [*table.columns] == [
        "step",
        "layer",
        "neuron",
        "impulse",
        "membrane",
        "threshold",
        "spike",
    ]
    assert len(table) == 200 * 6 and table["step"].is_monotonic_increasing
    neuron = traced.neurons[1][1]
    one = traced.membranes(1, neuron)
    same = table[(table["layer"] == 1) & (table["neuron"] == neuron)]
    assert one.equals(same.reset_index(drop=True))
    v, fired_yet = 0.0, False
    for row in one.itertuples():
        if not fired_yet:  # its weights are still those before the sleep
            impulse = net.weights[0][neuron] @ slept.spikes[0][row.step]
            assert row.impulse == pytest.approx(impulse, abs=1e-12)
        assert row.membrane == pytest.approx(0.9 * v + row.impulse + 0.02, abs=1e-12)
        assert row.threshold == 0.7
        assert row.spike == (row.membrane >= 0.7) == slept.spikes[1][row.step, neuron]
        v = 0.0 if row.spike else row.membrane
        fired_yet |= row.spike
    assert fired_yet


def test_spikes(observed):
    """Of the inputs and of layer 1, which is below layer 2, all; of layer 2 the watched ones."""
    _, _, slept, traced = observed
    table = traced.spikes()
    assert [*table.columns] == ["step", "layer", "neuron"]
    for layer in range(3):
        expected = np.argwhere(slept.spikes[layer])
        if layer == 2:
            expected = expected[np.isin(expected[:, 1], traced.neurons[2])]
        got = table[table["layer"] == layer][["step", "neuron"]].to_numpy()
        np.testing.assert_array_equal(got, expected)
    net, config = small_net(), small_config(200)
    few = srcnb.trace(net, TABLE, config, 5, neurons={2: [4, 1]}).spikes()
    assert set(few["layer"]) == {1, 2} and set(few["neuron"][few["layer"] == 2]) <= {1, 4}


@pytest.mark.parametrize("gate", GATES)
def test_changes(gate):
    config = small_config(200, gate=gate, gate_width=0.05)
    slept = srcnb.sleep(small_net(), TABLE, config, 5, record=True)
    traced = srcnb.trace(small_net(), TABLE, config, 5)
    table = traced.changes()
    columns = ["step", "layer", "neuron", "pre", "cause", "gate", "before", "after", "change"]
    assert [*table.columns] == columns and len(table) and table["step"].is_monotonic_increasing
    assert set(table["cause"]) == {"inc", "dec"}
    for layer, of_layer in table.groupby("layer"):
        pre_fired = slept.spikes[layer - 1][of_layer["step"], of_layer["pre"]]
        np.testing.assert_array_equal(of_layer["cause"] == "inc", pre_fired)
        assert slept.spikes[layer][of_layer["step"], of_layer["neuron"]].all()
    before = table["before"].to_numpy()
    np.testing.assert_array_equal(table["gate"], GATE_FUNCTIONS[gate](before, 0.05))
    step = np.where(table["cause"] == "inc", config.inc, -config.dec) * table["gate"]
    np.testing.assert_allclose(table["change"], step, rtol=1e-9, atol=1e-15)
    np.testing.assert_array_equal(table["change"], table["after"] - table["before"])
    neuron = traced.neurons[2][0]
    one = traced.changes(2, neuron)
    assert one["neuron"].eq(neuron).all() and one["layer"].eq(2).all()
    assert len(one) == ((table["layer"] == 2) & (table["neuron"] == neuron)).sum()


def test_without_plasticity_there_are_no_changes():
    config = small_config(50, inc=0.0, dec=0.0)
    traced = srcnb.trace(small_net(), TABLE[:50], config, 5)
    assert traced.membranes()["spike"].any() and not len(traced.changes())


def test_no_steps():
    traced = srcnb.trace(small_net(), np.full(20, 0.5), small_config(0), 5)
    assert not len(traced.membranes()) and not len(traced.spikes()) and not len(traced.changes())
    assert len(traced.plot().axes) == 3


def test_only_bits_are_kept():
    """A sixteenth of a byte per step and neuron would be too little: they hold the spikes."""
    config = small_config(200)
    traced = srcnb.trace(small_net(), TABLE, config, 5, neurons={1: [0]})
    [found] = traced._replays.values()
    assert found.below.nbytes == 200 * 3 and found.own.nbytes == 200 * 4
    assert found.before.shape == (1, 20)


def test_changes_that_are_too_many(monkeypatch):
    def check_memory(name, n_bytes):
        raise ValueError(f"{name} takes {n_bytes}")

    traced = srcnb.trace(small_net(), TABLE, small_config(200), 5)
    n_spikes = traced.membranes(1)["spike"].sum()
    monkeypatch.setattr(trace, "check_memory", check_memory)
    with pytest.raises(ValueError, match=f"changes of layer 1 takes {80 * 20 * n_spikes}"):
        traced.changes(1)


def test_the_picture(observed):
    *_, traced = observed
    layer, neuron = 2, traced.neurons[2][1]
    top, middle, _ = traced.plot(layer, neuron).axes
    one = traced.membranes(layer, neuron)
    assert f"layer {layer}, neuron {neuron}" in top.get_title("left")
    np.testing.assert_array_equal(top.lines[0].get_ydata(), one["membrane"])
    spikes = traced.spikes()
    n_dots = sum(len(line.get_xdata()) for line in middle.lines[:3])
    assert n_dots == (spikes["layer"] == layer - 1).sum()
    first = traced.plot().axes[0].get_title("left")
    assert f"layer 1, neuron {traced.neurons[1][0]}:" in first
    top, middle, _ = traced.plot(layer, neuron, steps=(50, 80)).axes
    np.testing.assert_array_equal(top.lines[0].get_xdata(), range(50, 80))
    x = np.concatenate([line.get_xdata() for line in middle.lines[:3]])
    assert len(x) == ((spikes["layer"] == 1) & spikes["step"].between(50, 79)).sum()


def test_neuron_without_layer(observed):
    with pytest.raises(ValueError, match="neuron goes with layer"):
        observed[-1].changes(neuron=3)
