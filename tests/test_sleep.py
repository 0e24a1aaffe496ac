import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest

import srcnb
from srcnb.asleep import night, simulate


def small_net(dtype="float64", **options):
    return srcnb.MLP((20, 30, 5), dtype=dtype, init=0.4, random_state=0, **options)


def small_config(n_steps=600, **change):
    constants = dict(alpha=[1, 1], beta=[0.7, 0.7], inc=0.02, dec=0.004, max_rate=200)
    return srcnb.SleepConfig(n_steps=n_steps, **(constants | change))


def dreams():
    X = np.random.default_rng(0).random((40, 20))
    square, run, mean = srcnb.SquareDream(2, (4, 5)), srcnb.RunDream(6), srcnb.MeanDream()
    sample = srcnb.SampleDream(3, 0.5)
    for dream in (square, run, mean, sample):
        dream.learn(X)
    return [square, run, mean, sample, X[0], np.resize(X, (600, 20))]


@pytest.mark.parametrize("dream", dreams(), ids=lambda d: type(d).__name__)
def test_blocks_and_engines_do_not_matter(monkeypatch, dream):
    results = []
    for engine, block in (("reference", 256), ("numba", 256), ("numba", 7), ("numba", 5000)):
        monkeypatch.setattr(simulate, "BLOCK_STEPS", block)
        monkeypatch.setattr(night, "BLOCK_STEPS", block)
        results.append(
            srcnb.sleep(
                small_net(), dream, small_config(), random_state=1, engine=engine, record=True
            )
        )
    slept, report = results[0]
    assert all(count.any() for count in report.spike_counts)
    for other, other_report in results[1:]:
        for a, b in zip(report.spikes, other_report.spikes, strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(slept.weights, other.weights, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    for a, b in zip(results[1][0].weights, results[2][0].weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_iterables_of_blocks():
    rates = np.random.default_rng(0).random((600, 20))
    net, config = small_net(), small_config()
    whole, _ = srcnb.sleep(net, rates, config, random_state=1)
    for blocks in (
        [rates[:1], rates[1:400], rates[400:]],
        [rates[:599], np.vstack([rates[599:], rates])],  # more than is needed
    ):
        for form in (iter, list, tuple):
            slept, _ = srcnb.sleep(net, form(blocks), config, random_state=1)
            np.testing.assert_array_equal(slept.weights[0], whole.weights[0])
    with pytest.raises(ValueError, match="n_steps = 600 steps, got only 300"):
        srcnb.sleep(net, iter([rates[:300]]), config)


def test_net_is_unchanged_and_report_is_right():
    net = small_net(bias=True)
    before = net.copy()
    slept, report = srcnb.sleep(net, dreams()[0], small_config(), random_state=1, record=True)
    for a, b in zip(net.weights + net.biases, before.weights + before.biases, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(slept.weights[0], net.weights[0])
    np.testing.assert_array_equal(slept.biases[0], net.biases[0])
    for rate, count, spikes in zip(report.rates, report.spike_counts, report.spikes, strict=True):
        np.testing.assert_array_equal(count, spikes.sum(axis=0))
        assert rate == pytest.approx(spikes.mean() / 0.001)
    # Seeded alike it sleeps alike; else not.
    again, _ = srcnb.sleep(net, dreams()[0], small_config(), random_state=1)
    other, _ = srcnb.sleep(net, dreams()[0], small_config(), random_state=2)
    np.testing.assert_array_equal(slept.weights[0], again.weights[0])
    assert not np.array_equal(slept.weights[0], other.weights[0])


def test_tables_and_lists_are_dreams():
    import pandas as pd

    rates = np.random.default_rng(0).random((600, 20))
    net, config = small_net(), small_config()
    whole, _ = srcnb.sleep(net, rates, config, random_state=1)
    for same in (pd.DataFrame(rates), rates.tolist()):
        slept, _ = srcnb.sleep(net, same, config, random_state=1)
        np.testing.assert_array_equal(slept.weights[0], whole.weights[0])
    one, _ = srcnb.sleep(net, rates[0], config, random_state=1)
    same, _ = srcnb.sleep(net, list(rates[0]), config, random_state=1)
    np.testing.assert_array_equal(one.weights[0], same.weights[0])


def test_a_seed_sequence_can_be_used_twice():
    seed = np.random.SeedSequence(3)
    a, b = (srcnb.sleep(small_net(), dreams()[0], small_config(), seed)[0] for _ in range(2))
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
        slept, _ = srcnb.sleep(net, np.full(20, 0.5), small_config(n_steps=0), random_state=0)
    np.testing.assert_array_equal(slept.weights[0], net.weights[0])


def test_overflow_leaves_the_network_as_it_was():
    net = small_net("float32")
    before = net.copy()
    with pytest.raises(OverflowError, match=r"inc=1e\+38"):
        srcnb.sleep(net, np.full(20, 0.5), small_config(inc=1e38), random_state=0)
    np.testing.assert_array_equal(net.weights[0], before.weights[0])


@pytest.mark.parametrize(
    ("dream", "error", "message"),
    [
        (np.full(20, 1.5), ValueError, r"dream.*\[0, 1\].*1.5"),
        (np.full(20, -0.1), ValueError, "dream.*-0.1"),
        (np.full(20, np.nan), ValueError, "dream.*nan"),
        (np.full(19, 0.5), ValueError, r"dream.*20.*\(600, 19\)"),
        (np.full((10, 20), 0.5), ValueError, r"dream.*n_steps = 600.*\(10, 20\)"),
        (np.float64(0.5), TypeError, "dream"),
        (np.array(0.5), TypeError, "dream"),
        (srcnb.MeanDream(), ValueError, "MeanDream.*learn"),
        (srcnb.SampleDream(), ValueError, "SampleDream.*learn"),
        (3, TypeError, "dream.*3"),
    ],
)
def test_bad_dreams(dream, error, message):
    with pytest.raises(error, match=message):
        srcnb.sleep(small_net(), dream, small_config())


def test_bad_random_state_and_layers():
    with pytest.raises(ValueError, match="random_state.*-1"):
        srcnb.sleep(small_net(), np.zeros(20), small_config(), random_state=-1)
    with pytest.raises(ValueError, match="alpha"):
        srcnb.sleep(small_net(), np.zeros(20), small_config(alpha=[1] * 3, beta=[1] * 3))


def test_memory_does_not_grow_with_the_number_of_steps():
    """20,000 steps of 2000 inputs are 40 MB as bools, 160 MB as float32 rates."""
    script = """
import resource, sys
import numpy as np
import srcnb
net = srcnb.MLP((2000, 50, 10), random_state=0)
dream = srcnb.SampleDream(1, 0.25)
dream.learn(np.random.default_rng(0).random((10, 2000), dtype=np.float32))
def sleep(n_steps):
    config = srcnb.SleepConfig(n_steps, alpha=[1, 1], beta=[1, 1], inc=0.001, dec=0.0001)
    srcnb.sleep(net, dream, config, random_state=0)
sleep(1000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sleep(20000)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    pytest.importorskip("resource")
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(out.stdout) < 20  # MB


# ------------------------------------------------------------------ dreams


def test_square_dream_keeps_one_random_square_of_the_mean():
    X = np.random.default_rng(0).uniform(0.1, 1, (30, 784))
    dream = srcnb.SquareDream(mask_size=10, shape=(28, 28))
    dream.learn(X[:10])
    dream.learn(X[10:])
    rates = dream.rates(4000, np.random.default_rng(1)).reshape(-1, 28, 28)
    mean = X.mean(axis=0).reshape(28, 28)
    corners = set()
    for x in rates:
        rows, columns = np.nonzero(x.any(axis=1))[0], np.nonzero(x.any(axis=0))[0]
        assert len(rows) == len(columns) == 11
        inside = np.ix_(rows, columns)
        np.testing.assert_allclose(x[inside], mean[inside], rtol=1e-6)
        assert np.count_nonzero(x) == 121
        corners.add((rows[0], columns[0]))
    assert {r for r, _ in corners} == {c for _, c in corners} == set(range(18))


def test_run_dream_keeps_a_run_of_the_mean():
    X = np.random.default_rng(0).uniform(0.1, 1, (30, 12))
    dream = srcnb.RunDream(mask_size=4)
    dream.learn(X)
    starts = set()
    for x in dream.rates(500, np.random.default_rng(1)):
        (kept,) = np.nonzero(x)
        np.testing.assert_array_equal(kept, kept[0] + np.arange(5))
        np.testing.assert_allclose(x[kept], X.mean(axis=0)[kept], rtol=1e-6)
        starts.add(kept[0])
    assert starts == set(range(8))


def test_mean_dreams_keep_sums_not_samples():
    for dream in (srcnb.MeanDream(), srcnb.SquareDream(1, (4, 5)), srcnb.RunDream(3)):
        for n in (3, 500):
            dream.learn(np.random.default_rng(n).random((n, 20)))
        kept = [np.size(value) for value in vars(dream).values()]
        assert max(kept) == 20
    np.testing.assert_allclose(
        dream.mean * 503,
        sum(np.random.default_rng(n).random((n, 20)).sum(axis=0) for n in (3, 500)),
        rtol=1e-6,
    )


def test_sample_dream():
    """Means of k samples of the latest task only, a Bernoulli mask per pixel and step."""
    dream = srcnb.SampleDream(samples_per_iter=2, mask_fraction=0.25)
    dream.learn(np.ones((5, 50)))
    X = np.repeat([[0.2], [0.4], [0.8]], 50, axis=1)
    dream.learn(X)
    rates = dream.rates(4000, np.random.default_rng(0))
    assert abs((rates > 0).mean() - 0.25) < 0.01
    values, counts = np.unique(np.round(rates.max(axis=1), 6), return_counts=True)
    np.testing.assert_allclose(values, [0.2, 0.3, 0.4, 0.5, 0.6, 0.8], rtol=1e-5)
    np.testing.assert_allclose(counts / 4000, np.array([1, 2, 1, 2, 2, 1]) / 9, atol=0.03)


def test_poisson_spikes():
    config = small_config(max_rate=100)
    x = np.array([0.0, 0.3, 1.0])
    u = np.random.default_rng(0).random((100_000, 3), dtype=np.float32)
    rate = srcnb.poisson_spikes(np.broadcast_to(x, u.shape), u, config).mean(axis=0)
    assert rate[0] == 0
    np.testing.assert_allclose(rate, 0.2 * x, atol=0.005)
    always = srcnb.poisson_spikes(np.ones_like(u), u, small_config(max_rate=500))
    assert always.all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: srcnb.SquareDream(28, (28, 28)), "mask_size.*28"),
        (lambda: srcnb.SquareDream(-1), "mask_size.*-1"),
        (lambda: srcnb.SquareDream(2, (28,)), "shape"),
        (lambda: srcnb.SquareDream(2, (4, 4)).learn(np.zeros((3, 20))), r"X.*\(4, 4\).*20"),
        (lambda: srcnb.RunDream(20).learn(np.zeros((3, 20))), "mask_size.*20"),
        (lambda: srcnb.SampleDream(0), "samples_per_iter.*0"),
        (lambda: srcnb.SampleDream(mask_fraction=1.1), "mask_fraction.*1.1"),
        (lambda: srcnb.SampleDream().learn(np.zeros((0, 20))), "X.*at least one"),
        (lambda: srcnb.MeanDream().learn(np.full((3, 20), 2.0)), r"X.*\[0, 1\].*2.0"),
        (lambda: srcnb.MeanDream().learn(np.full((3, 20), np.nan)), "X.*nan"),
    ],
)
def test_bad_dream_parameters(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ------------------------------------------------------------------ scaling


def test_alpha_factors_by_hand():
    W = [np.array([[0.5, -1.0], [2.0, 0.0]]), np.array([[0.25, 0.5]])]
    net = srcnb.MLP.from_arrays(W, output="relu")
    X = np.array([[1.0, 0.0], [0.5, 0.5]])
    # Activations: layer 1 [[0.5, 2], [0, 1]], layer 2 [[1.125], [0.5]]; largest weights 2, 0.5.
    np.testing.assert_allclose(srcnb.alpha_factors(net, X, "diehl"), [1 / 2, 2 / 1.125])
    np.testing.assert_allclose(srcnb.alpha_factors(net, X, "matlab"), [1 / 2, 2 / 1.125])
    np.testing.assert_allclose(
        srcnb.alpha_factors(net, X, "percentile", percentile=50), [1 / 0.75, 0.75 / 0.8125]
    )


def test_forms_differ_from_the_third_layer_on():
    net = srcnb.MLP((6, 5, 4, 3), init=0.9, output="relu", dtype="float64", random_state=3)
    X = np.random.default_rng(0).random((50, 6))
    scales = [max(w.max(), a.max()) for w, a in zip(net.weights, net.activations(X), strict=True)]
    s1, s2, s3 = scales
    np.testing.assert_allclose(srcnb.alpha_factors(net, X, "diehl"), [1 / s1, s1 / s2, s2 / s3])
    np.testing.assert_allclose(
        srcnb.alpha_factors(net, X, "matlab"), [1 / s1, s1 / s2, s2 / s1 / s3]
    )


@pytest.mark.parametrize("percentile", [0.5, 50, 99, 99.9, 100])
def test_percentile_form_is_numpys_percentile(monkeypatch, percentile):
    from srcnb.asleep import scaling

    monkeypatch.setattr(scaling, "CHUNK", 17)
    net = srcnb.MLP((6, 50, 40, 3), init=0.9, dtype="float64", random_state=3, output="softmax")
    X = np.random.default_rng(0).random((103, 6))
    # Softplus-like data without zeros at low percentiles: shift by a bias.
    net.biases = [np.full(len(w), 2.0) for w in net.weights]
    scales = [1.0] + [np.percentile(a, percentile) for a in net.activations(X)]
    if min(scales) <= 0:
        with pytest.raises(ValueError, match="percentile scale of layer"):
            srcnb.alpha_factors(net, X, "percentile", percentile)
        return
    expected = [a / b for a, b in zip(scales[:-1], scales[1:], strict=True)]
    np.testing.assert_allclose(srcnb.alpha_factors(net, X, "percentile", percentile), expected)


def test_bad_alpha_factors():
    net = srcnb.MLP((6, 5, 3), random_state=0)
    X = np.zeros((4, 6))
    for arguments, message in (
        ((X, "max"), "form.*'max'"),
        ((X[:, :5],), r"X.*6.*\(4, 5\)"),
        ((X * np.nan,), "X.*nan"),
        ((X[:0],), "X.*at least one"),
        ((X, "percentile", 101), "percentile.*101"),
        ((X, "percentile"), "layer 1"),
    ):
        with pytest.raises(ValueError, match=message):
            srcnb.alpha_factors(net, *arguments)


@pytest.mark.parametrize("every", [1, 7, 300, 5000])
def test_callback_sees_the_sleep_and_changes_nothing(every):
    net = srcnb.MLP((20, 15, 5), random_state=0)
    config = srcnb.SleepConfig(
        n_steps=700, alpha=(30, 30), beta=(5, 5), inc=0.01, dec=0.002, max_rate=100
    )
    rates = np.random.default_rng(0).random(20)
    plain, _ = srcnb.sleep(net, rates, config, random_state=1)
    seen = {}
    slept, _ = srcnb.sleep(
        net, rates, config, 1, callback=lambda step, net: seen.update({step: net}), every=every
    )
    assert list(seen) == [*range(every, 700, every), 700]
    for a, b, c in zip(plain.weights, slept.weights, seen[700].weights, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    # Each call has weights of its own: those of a sleep that ends there.
    step = min(seen)
    short, _ = srcnb.sleep(net, rates, replace(config, n_steps=step), 1)
    for a, b in zip(short.weights, seen[step].weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(every=10), "callback and every go together"),
        (dict(callback=print), "callback and every go together"),
        (dict(callback=print, every=0), "every must be at least 1, got 0"),
    ],
)
def test_bad_callback(options, message):
    net = srcnb.MLP((4, 3), random_state=0)
    config = srcnb.SleepConfig(n_steps=5, alpha=(1,), beta=(1,), inc=0.1, dec=0.1)
    with pytest.raises(ValueError, match=message):
        srcnb.sleep(net, np.full(4, 0.5), config, **options)
