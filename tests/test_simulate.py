"""simulate: by hand, overflowing, and with bad input."""

import numpy as np
import pytest
from conftest import random_config, random_network

import srcnb


@pytest.mark.parametrize("engine", ["numba", "reference"])
def test_arguments_are_left_unchanged(engine):
    weights = random_network((20, 30, 5), 0, np.float64)
    membranes = [np.zeros(30), np.zeros(5)]
    spikes = np.random.default_rng(1).random((100, 20)) < 0.2
    kept = [w.copy() for w in weights]
    result = srcnb.simulate(weights, spikes, random_config(100, 2), engine, membranes=membranes)
    assert not np.array_equal(result.weights[0], kept[0])
    assert not any(v.any() for v in membranes)
    for a, b in zip(weights, kept, strict=True):
        np.testing.assert_array_equal(a, b)
    assert result.spikes is None


def test_layouts_and_number_types_of_the_input():
    weights = [np.asfortranarray(w) for w in random_network((20, 30, 5), 0, np.float64)]
    spikes = np.random.default_rng(1).random((100, 20)) < 0.2
    config = random_config(100, 2)
    a = srcnb.simulate(weights, spikes, config)
    for same in (spikes.astype(int), spikes.astype(float), np.asfortranarray(spikes)):
        b = srcnb.simulate(weights, same, config)
        np.testing.assert_array_equal(a.weights[0], b.weights[0])


def test_only_theta_matters():
    """Scaling α_l and β_l together changes no spike (without currents)."""
    weights = random_network((20, 30, 5), 0, np.float64)
    spikes = np.random.default_rng(1).random((200, 20)) < 0.2
    a = srcnb.simulate(weights, spikes, random_config(200, 2), record=True)
    scaled = random_config(200, 2, alpha=[8.0, 0.25], beta=[5.6, 0.175])
    b = srcnb.simulate(weights, spikes, scaled, record=True)
    for s, t in zip(a.spikes, b.spikes, strict=True):
        np.testing.assert_array_equal(s, t)


@pytest.mark.parametrize("engine", ["numba", "reference"])
def test_one_step_by_hand(engine):
    """Two inputs, one neuron: fires at the second step; its active synapse grows."""
    weights = [np.array([[0.4, -0.1]])]
    config = srcnb.SleepConfig(
        n_steps=2, alpha=[2.0], beta=[1.0], inc=0.1, dec=0.01, decay=0.5, gate="additive"
    )
    result = srcnb.simulate(weights, [[1, 0], [1, 0]], config, engine=engine, record=True)
    # v = 0.8 < 1; then v = 0.5·0.8 + 0.8 = 1.2: a spike, and the membrane returns to 0.
    np.testing.assert_array_equal(result.spikes[1], [[False], [True]])
    np.testing.assert_allclose(result.weights[0], [[0.5, -0.11]], rtol=1e-15)
    np.testing.assert_array_equal(result.membranes[0], [0])


@pytest.mark.parametrize("engine", ["numba", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("inhibition", [0.0, 0.5])
def test_overflow_is_an_error(engine, dtype, inhibition):
    weights = [np.ones((3, 4), dtype), np.ones((2, 3), dtype)]
    config = random_config(
        50, 2, inc=float(np.finfo(dtype).max) / 4, gate="additive", inhibition=inhibition
    )
    spikes = np.random.default_rng(0).random((50, 4)) < 0.7
    with pytest.raises(OverflowError, match="layer"):
        srcnb.simulate(weights, spikes, config, engine=engine)
    assert all((w == 1).all() for w in weights)


WEIGHTS = [np.zeros((3, 4)), np.zeros((2, 3))]
NAN = [np.full((3, 4), np.nan), np.zeros((2, 3))]
SPIKES = np.zeros((5, 4), bool)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(weights=NAN), ValueError, r"weights\[0\].*nan at index"),
        (dict(weights=[NAN[0] * np.inf, NAN[1]]), ValueError, r"weights\[0\]"),
        (dict(weights=[np.zeros((3, 4)), np.zeros((2, 5))]), ValueError, r"chain.*\(2, 5\)"),
        (dict(weights=[np.zeros((3, 4)), np.zeros((2, 3), "f4")]), TypeError, "float64, float32"),
        (dict(weights=[]), ValueError, "weights.*empty"),
        (dict(input_spikes=np.zeros((5, 3), bool)), ValueError, r"input_spikes.*4.*\(5, 3\)"),
        (dict(input_spikes=np.zeros((6, 4), bool)), ValueError, "input_spikes.*n_steps = 5.*6"),
        (dict(input_spikes=np.full((5, 4), 2)), ValueError, "input_spikes.*0 or 1.*2"),
        (dict(input_spikes=np.full((5, 4), np.nan)), ValueError, "input_spikes.*nan"),
        (dict(input_spikes=np.full((5, 4), "x")), TypeError, "input_spikes"),
        (dict(engine="cuda"), ValueError, "engine.*'cuda'"),
        (dict(config={"alpha": 1}), TypeError, "config.*SleepConfig"),
        (dict(config=random_config(5, 3)), ValueError, "alpha.*2.*1.0, 1.0, 1.0"),
        (dict(membranes=[np.zeros(3)]), ValueError, r"membranes.*\[3, 2\].*\[3\]"),
        (dict(membranes=[np.zeros(3), np.full(2, np.nan)]), ValueError, r"membranes\[1\].*nan"),
    ],
)
def test_bad_input(change, error, message):
    arguments = dict(weights=WEIGHTS, input_spikes=SPIKES, config=random_config(5, 2)) | change
    with pytest.raises(error, match=message):
        srcnb.simulate(**arguments)


def test_simulate_has_no_network_and_gives_rates():
    weights = random_network((20, 30, 5), 0, np.float64)
    spikes = np.zeros((200, 20))
    spikes[::4, :10] = 1
    result = srcnb.simulate(weights, spikes, random_config(200, 2, dt=0.002))
    assert result.net is None
    # Half of the inputs fire in every fourth step of 2 ms: 125 Hz, 62.5 on average.
    assert result.rates[0] == pytest.approx(62.5)
    for layer, count in enumerate(result.spike_counts):
        assert result.rates[layer] == pytest.approx(count.mean() / 0.4)


@pytest.mark.parametrize("engine", ["numba", "reference"])
def test_a_current_alone_makes_a_neuron_fire(engine):
    """By hand: 0.4 a step reaches 1 at every third step; the other neuron has none."""
    config = srcnb.SleepConfig(7, alpha=[1], beta=[1], inc=0, dec=0, decay=1, currents=[[0.4, 0.0]])
    result = srcnb.simulate([np.zeros((2, 1))], np.zeros((7, 1)), config, engine, record=True)
    np.testing.assert_array_equal(np.flatnonzero(result.spikes[1][:, 0]), [2, 5])
    assert not result.spikes[1][:, 1].any()
    np.testing.assert_allclose(result.membranes[0], [0.4, 0])


def test_currents_of_another_network_are_refused():
    config = random_config(5, 2, currents=[np.zeros(4), 0])
    with pytest.raises(ValueError, match=r"currents\[0\].*\(3,\).*\(4,\)"):
        srcnb.simulate(WEIGHTS, SPIKES, config)


@pytest.mark.parametrize("n_steps", [255, 256, 1023, 2500])
def test_spike_counts_are_the_recorded_spikes(n_steps):
    """Also of neurons that fire at every step, more often than a byte can count or in one block."""
    config = random_config(n_steps, 1, beta=[0.0], alpha=[1.0])
    result = srcnb.simulate([np.ones((5, 3))], np.ones((n_steps, 3)), config, record=True)
    assert result.n_steps == n_steps and (result.spike_counts[1] == n_steps).all()
    assert all(count.dtype == np.int64 for count in result.spike_counts)
    for count, spikes in zip(result.spike_counts, result.spikes, strict=True):
        np.testing.assert_array_equal(count, spikes.sum(axis=0))
