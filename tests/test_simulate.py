"""simulate and sleep: by hand, in blocks, silent, overflowing, and with bad input."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from conftest import random_config, random_network, small_config, small_net

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


def sleep_inputs():
    X = np.random.default_rng(0).random((40, 20))
    patch, segment, mean = srcnb.PatchInput(2, (4, 5)), srcnb.SegmentInput(6), srcnb.MeanInput()
    sample = srcnb.SampleInput(3, 0.5)
    for sleep_input in (patch, segment, mean, sample):
        sleep_input.update(X)
    return [patch, segment, mean, sample, X[0], np.resize(X, (600, 20))]


@pytest.mark.parametrize("sleep_input", sleep_inputs(), ids=lambda d: type(d).__name__)
def test_blocks_and_engines_do_not_matter(sleep_input):
    results = [
        srcnb.sleep(
            small_net(),
            sleep_input,
            small_config(),
            random_state=1,
            engine=engine,
            record=True,
            block_steps=block,
        )
        for engine, block in (("reference", 256), ("numba", 256), ("numba", 7), ("numba", 5000))
    ]
    first = results[0]
    assert all(count.any() for count in first.spike_counts)
    for other in results[1:]:
        for a, b in zip(first.spikes, other.spikes, strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(first.weights, other.weights, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    for a, b in zip(results[1].weights, results[2].weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_iterables_of_blocks():
    intensities = np.random.default_rng(0).random((600, 20))
    net, config = small_net(), small_config()
    whole = srcnb.sleep(net, intensities, config, random_state=1)
    blocks = [intensities[:1], intensities[1:400], intensities[400:]]
    longer = [intensities[:599], np.vstack([intensities[599:], intensities])]
    for given in (iter(blocks), blocks, tuple(blocks), iter(longer)):
        slept = srcnb.sleep(net, given, config, random_state=1)
        np.testing.assert_array_equal(slept.weights[0], whole.weights[0])
    with pytest.raises(ValueError, match="n_steps = 600 rows, got 1200"):
        srcnb.sleep(net, longer, config)
    with pytest.raises(ValueError, match="n_steps = 600 steps, got only 300"):
        srcnb.sleep(net, iter([intensities[:300]]), config)


def test_net_is_unchanged_and_result_is_right():
    net = small_net(bias=True)
    before = net.copy()
    result = srcnb.sleep(net, sleep_inputs()[0], small_config(), random_state=1, record=True)
    for a, b in zip(net.weights + net.biases, before.weights + before.biases, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(result.weights[0], net.weights[0])
    for a, b in zip(result.net.weights, result.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(result.net.biases[0], net.biases[0])
    for rate, count, spikes in zip(result.rates, result.spike_counts, result.spikes, strict=True):
        np.testing.assert_array_equal(count, spikes.sum(axis=0))
        assert rate == pytest.approx(spikes.mean() / 0.001)
    # Seeded alike it sleeps alike; else not.
    again = srcnb.sleep(net, sleep_inputs()[0], small_config(), random_state=1)
    other = srcnb.sleep(net, sleep_inputs()[0], small_config(), random_state=2)
    np.testing.assert_array_equal(result.weights[0], again.weights[0])
    assert not np.array_equal(result.weights[0], other.weights[0])


def test_tables_and_lists_are_sleep_inputs():
    import pandas as pd

    intensities = np.random.default_rng(0).random((600, 20))
    net, config = small_net(), small_config()
    whole = srcnb.sleep(net, intensities, config, random_state=1)
    for same in (pd.DataFrame(intensities), intensities.tolist()):
        slept = srcnb.sleep(net, same, config, random_state=1)
        np.testing.assert_array_equal(slept.weights[0], whole.weights[0])
    one = srcnb.sleep(net, intensities[0], config, random_state=1)
    same = srcnb.sleep(net, list(intensities[0]), config, random_state=1)
    np.testing.assert_array_equal(one.weights[0], same.weights[0])


def test_a_seed_sequence_can_be_used_twice():
    seed = np.random.SeedSequence(3)
    a, b = (srcnb.sleep(small_net(), sleep_inputs()[0], small_config(), seed) for _ in range(2))
    np.testing.assert_array_equal(a.weights[0], b.weights[0])


def test_a_silent_layer_warns_once():
    config = small_config(beta=[0.7, 1e6])
    with pytest.warns(srcnb.SilentLayerWarning, match=r"layer 2 \(θ = 1e\+06\)") as caught:
        srcnb.sleep(small_net(), np.full(20, 0.5), config, random_state=0)
    assert len(caught) == 1 and "layer 1" not in str(caught[0].message)
    with pytest.warns(srcnb.SilentLayerWarning, match=r"layer 1 .*layer 2") as caught:
        srcnb.sleep(small_net(), np.zeros(20), config, random_state=0)
    assert len(caught) == 1


def test_no_steps_no_change_no_warning():
    net = small_net()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        slept = srcnb.sleep(net, np.full(20, 0.5), small_config(n_steps=0), random_state=0)
    np.testing.assert_array_equal(slept.weights[0], net.weights[0])


def test_overflow_leaves_the_network_as_it_was():
    net = small_net("float32")
    before = net.copy()
    with pytest.raises(OverflowError, match=r"inc=1e\+38"):
        srcnb.sleep(net, np.full(20, 0.5), small_config(inc=1e38), random_state=0)
    np.testing.assert_array_equal(net.weights[0], before.weights[0])


@pytest.mark.parametrize(
    ("sleep_input", "error", "message"),
    [
        (np.full(20, 1.5), ValueError, r"sleep_input.*\[0, 1\].*1.5"),
        (np.full(20, -0.1), ValueError, "sleep_input.*-0.1"),
        (np.full(20, np.nan), ValueError, "sleep_input.*nan"),
        (np.full(19, 0.5), ValueError, r"sleep_input.*20.*\(600, 19\)"),
        (np.full((10, 20), 0.5), ValueError, r"sleep_input.*n_steps = 600.*\(10, 20\)"),
        (np.float64(0.5), TypeError, "sleep_input"),
        (np.array(0.5), TypeError, "sleep_input"),
        (srcnb.MeanInput(), ValueError, "MeanInput.*update"),
        (srcnb.SampleInput(), ValueError, "SampleInput.*update"),
        (3, TypeError, "sleep_input.*3"),
    ],
)
def test_bad_sleep_inputs(sleep_input, error, message):
    with pytest.raises(error, match=message):
        srcnb.sleep(small_net(), sleep_input, small_config())


def test_a_classifier_of_scikit_learn_is_told_what_to_do():
    from sklearn.neural_network import MLPClassifier

    with pytest.raises(TypeError, match=r"net must be an srcnb.MLP \(srcnb.from_sklearn\(net\) .*"):
        srcnb.sleep(MLPClassifier(), np.zeros(20), small_config())


def test_bad_random_state_and_layers():
    with pytest.raises(ValueError, match="random_state.*-1"):
        srcnb.sleep(small_net(), np.zeros(20), small_config(), random_state=-1)
    with pytest.raises(ValueError, match="alpha"):
        srcnb.sleep(small_net(), np.zeros(20), small_config(alpha=[1] * 3, beta=[1] * 3))


def test_memory_does_not_grow_with_the_number_of_steps():
    """12,000 steps of 2000 inputs are 24 MB as bools, 96 MB as float32 intensities."""
    script = """
import resource, sys
import numpy as np
import srcnb
net = srcnb.MLP((2000, 50, 10), random_state=0)
sleep_input = srcnb.SampleInput(1, 0.25)
sleep_input.update(np.random.default_rng(0).random((10, 2000), dtype=np.float32))
def sleep(n_steps):
    config = srcnb.SleepConfig(n_steps, alpha=[1, 1], beta=[1, 1], inc=0.001, dec=0.0001)
    srcnb.sleep(net, sleep_input, config, random_state=0)
sleep(1000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sleep(12000)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    pytest.importorskip("resource")
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(out.stdout) < 20  # MB


def test_overflow_is_found_during_a_sleep():
    """Not only at its end: a sleep input that never ends is left after some blocks."""
    drawn = []

    class Endless:
        def draw(self, n_steps, rng):
            drawn.append(n_steps)
            assert sum(drawn) <= 100  # here, so that it does not go on for minutes
            return np.full((n_steps, 20), 0.5)

    config = small_config(n_steps=10**7, inc=1e38)
    with pytest.raises(OverflowError, match="overflowed float32"):
        srcnb.sleep(small_net("float32"), Endless(), config, random_state=0, block_steps=10)


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


@pytest.mark.parametrize("n_steps", [255, 256, 1023])
def test_spike_counts_are_the_recorded_spikes(n_steps):
    """Also of neurons that fire at every step, more often than a byte can count."""
    config = random_config(n_steps, 1, beta=[0.0], alpha=[1.0])
    result = srcnb.simulate([np.ones((5, 3))], np.ones((n_steps, 3)), config, record=True)
    assert (result.spike_counts[1] == n_steps).all()
    assert all(count.dtype == np.int64 for count in result.spike_counts)
    for count, spikes in zip(result.spike_counts, result.spikes, strict=True):
        np.testing.assert_array_equal(count, spikes.sum(axis=0))
