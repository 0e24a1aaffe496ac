"""sleep: in blocks, calibrated, on features of any scale, silent, overflowing, with bad input."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from conftest import small_config, small_net

import srcnb


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


@pytest.mark.slow
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


TARGETS = srcnb.SleepTargets(n_steps=300, input_rate=0.1, rate=0.02)


@pytest.mark.parametrize("bias", [False, True])
def test_without_a_config_it_is_calibrated(bias):
    """As calibrate does with the third of the sleep's random states."""
    net = small_net(bias=bias)
    sleep_input = sleep_inputs()[3]
    slept = srcnb.sleep(net, sleep_input, TARGETS, random_state=1)
    third = np.random.default_rng(1).spawn(3)[2]
    config = srcnb.calibrate(net, sleep_input, TARGETS, third)
    assert slept.config == config
    again = srcnb.sleep(net, sleep_input, config, random_state=1)
    for a, b in zip(slept.weights, again.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(slept.weights[0], net.weights[0])
    default = srcnb.sleep(net, sleep_input, random_state=1).config
    assert default.n_steps == srcnb.SleepTargets().n_steps


def test_a_calibrated_sleep_is_as_long_as_its_table():
    X = np.random.default_rng(0).random((450, 20))
    slept = srcnb.sleep(small_net(), X, TARGETS, random_state=0)
    assert slept.config.n_steps == slept.n_steps == 450
    # A row for all steps says nothing about their number.
    assert srcnb.sleep(small_net(), X[0], TARGETS, random_state=0).n_steps == 300
    assert srcnb.sleep(small_net(), X.tolist(), TARGETS, random_state=0).n_steps == 450


@pytest.mark.parametrize("config", [None, TARGETS])
def test_what_can_be_read_once_cannot_be_calibrated_to(config):
    blocks = iter([np.ones((2000, 20))])
    with pytest.raises(TypeError, match="config must be a SleepConfig where sleep_input is an it"):
        srcnb.sleep(small_net(), blocks, config)
    assert len(list(blocks)) == 1
    with pytest.raises(TypeError, match="config must be a SleepConfig, a SleepTargets or None"):
        srcnb.sleep(small_net(), np.ones(20), {"n_steps": 5})


@pytest.mark.parametrize("config", [small_config(), TARGETS])
def test_features_on_another_scale_sleep_as_intensities(config):
    """Of x·span + lo the network with weights over span does what the other does of x."""
    rng = np.random.default_rng(0)
    X = rng.random((40, 20))
    X[0], X[1] = 0, 1
    lo, span = rng.normal(size=20), rng.uniform(0.5, 4, 20)
    inside = small_net(bias=True)
    outside = inside.with_weights([inside.weights[0] / span, inside.weights[1]])
    outside.biases[0] = inside.biases[0] - outside.weights[0] @ lo
    scale = srcnb.FeatureScale.of(X * span + lo)
    sleep_input = srcnb.SampleInput(1, 0.5)
    sleep_input.update(X)
    seen = []
    options = dict(every=100, callback=lambda step, net: seen.append(net))
    a = srcnb.sleep(inside, sleep_input, config, random_state=1)
    b = srcnb.sleep(outside, sleep_input, config, random_state=1, scale=scale, **options)
    np.testing.assert_array_equal(a.spike_counts[1], b.spike_counts[1])
    np.testing.assert_allclose(a.net.logits(X), b.net.logits(X * span + lo), atol=1e-9)
    np.testing.assert_allclose(b.net.weights[0] * span, a.net.weights[0], atol=1e-9)
    assert not np.allclose(b.net.weights[0], outside.weights[0])
    np.testing.assert_array_equal(seen[-1].weights[0], b.net.weights[0])
    np.testing.assert_array_equal(seen[-1].biases[0], b.net.biases[0])


def test_what_it_must_keep_is_on_the_scale_of_the_features():
    """A network that is right on its features, and on nothing else, is not stopped at once."""
    X = np.random.default_rng(0).random((40, 20)) * 100 - 50
    net = small_net(bias=True)
    y = net.predict(X)
    scale = srcnb.FeatureScale.of(X)
    still = small_config(inc=0, dec=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", srcnb.NoChangeWarning)
        slept = srcnb.sleep(net, np.full(20, 0.5), still, validate=(X, y), max_drop=0, scale=scale)
    assert slept.stopped is None
    with pytest.raises(ValueError, match="scale must have 20|net must have 19 inputs"):
        srcnb.sleep(net, np.full(20, 0.5), still, scale=srcnb.FeatureScale.of(X[:, :19]))
    with pytest.raises(TypeError, match="scale must be a FeatureScale"):
        srcnb.sleep(net, np.full(20, 0.5), still, scale=2)


@pytest.mark.parametrize("shape", [(0, 20), (5, 7, 20), (9, 19), ()])
def test_tables_of_other_shapes_are_not_calibrated_to(shape):
    with pytest.raises((ValueError, TypeError), match="sleep_input must"):
        srcnb.sleep(small_net(), np.zeros(shape))
    for none in (None, "abc", 3, []):
        with pytest.raises((ValueError, TypeError), match="sleep_input must"):
            srcnb.sleep(small_net(), none)
