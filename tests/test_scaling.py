"""Features on any scale: the network on intensities is the one on features, and comes back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

import srcnb
from srcnb.low_rank import LowRankMLP
from srcnb.mlp import BATCH_ROWS
from srcnb.spiking.scaling import FeatureScale


def test_by_hand():
    """Three features: -1 … 3, 2 … 2.5, and one that is always 7."""
    X = np.array([[-1, 2.5, 7], [3, 2, 7], [1, 2.25, 7]])
    scale = FeatureScale.of(X)
    np.testing.assert_array_equal(scale.lo, [-1, 2, 7])
    np.testing.assert_array_equal(scale.hi, [3, 2.5, 7])
    np.testing.assert_array_equal(scale.span, [4, 0.5, 0])
    np.testing.assert_array_equal(scale.transform(X), [[0, 1, 0], [1, 0, 0], [0.5, 0.5, 0]])
    net = srcnb.MLP.from_arrays([np.array([[0.5, 2, -1]])], [np.array([10.0])])
    scaled = scale.into(net)
    np.testing.assert_array_equal(scaled.weights[0], [[2, 1, 0]])
    np.testing.assert_array_equal(scaled.biases[0], [10 - 0.5 + 4 - 7])
    scaled.weights[0] += [[0.2, 0.1, 9]]  # what a sleep might do
    back = scale.back(scaled, net)
    np.testing.assert_allclose(back.weights[0], [[0.55, 2.2, -1]], rtol=1e-15)
    np.testing.assert_allclose(back.biases[0], [10 + 0.05 - 0.4], rtol=1e-15)


def test_other_data_are_clipped():
    scale = FeatureScale([0, -1, 5], [2, 1, 5])
    X = [[-1, 0, 5], [3, 1e300, 6], [1, -1e308, -1e308]]
    np.testing.assert_array_equal(scale.transform(X), [[0, 0.5, 0], [1, 1, 0], [0.5, 0, 0]])
    wide = FeatureScale([-1e308], [0.5e308])
    np.testing.assert_array_equal(wide.transform([[1.5e308]]), [[1]])


def test_dtypes_and_many_rows():
    X = np.random.default_rng(0).normal(100, 3, (2 * BATCH_ROWS + 7, 3))
    scale = FeatureScale.of(X)
    whole = scale.transform(X)
    np.testing.assert_allclose(whole, (X - X.min(0)) / (X.max(0) - X.min(0)), rtol=1e-12)
    assert whole.dtype == np.float64 and (whole.min(), whole.max()) == (0, 1)
    # float32 features: rounded once, after the division.
    x = X.astype(np.float32)
    scale = FeatureScale.of(x)
    exact = scale.transform(x.astype(np.float64)).astype(np.float32)
    assert scale.transform(x).dtype == np.float32
    np.testing.assert_array_equal(scale.transform(x), exact)
    assert scale.transform(np.array([[100, 101, 99]])).dtype == np.float64  # of integers


numbers = st.floats(-100, 100)


@st.composite
def networks_and_data(draw):
    """A network and features for it, some of them constant."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=2, max_size=4))
    n = draw(st.integers(1, 8))
    X = draw(arrays(np.float64, (n, sizes[0]), elements=numbers))
    constant = draw(arrays(bool, sizes[0]))
    X[:, constant] = X[0, constant]
    options = dict(bias=draw(st.booleans()), output=draw(st.sampled_from(["relu", "softmax"])))
    if draw(st.booleans()):
        options |= dict(dropout=0.25, inverted_dropout=False)
    net = srcnb.MLP(sizes, dtype="float64", random_state=draw(st.integers(0, 99)), **options)
    return net, X


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(networks_and_data())
def test_the_scaled_network_is_the_same_function_and_comes_back(case):
    net, X = case
    kept = net.copy()
    scale = FeatureScale.of(X)
    x = scale.transform(X)
    assert x.min() >= 0 and x.max() <= 1
    scaled = scale.into(net)
    assert scaled.options == net.options and scaled.dtype == net.dtype
    for a, b in zip(net.activations(X), scaled.activations(x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)
    back = scale.back(scaled, net)
    assert (back.biases is None) == (net.biases is None)
    for a, b, c in zip(kept._parameters(), net._parameters(), back._parameters(), strict=True):
        assert a.tobytes() == b.tobytes() == c.tobytes()
    assert not np.shares_memory(net._parameters()[-1], scaled._parameters()[-1])
    assert not any(
        np.shares_memory(a, b) for a, b in zip(scaled.weights, back.weights, strict=True)
    )


@settings(max_examples=100, deadline=None)
@given(networks_and_data(), st.integers(0, 99))
def test_a_change_comes_back_divided_by_the_range(case, seed):
    net, X = case
    X = np.round(X)  # ranges of 1 or more
    scale = FeatureScale.of(X)
    scaled = scale.into(net)
    rng = np.random.default_rng(seed)
    slept = scaled.with_weights([w + rng.normal(size=w.shape) for w in scaled.weights])
    back = scale.back(slept, net)
    varies = scale.span > 0
    divided = slept.weights[0][:, varies] / scale.span[varies]
    np.testing.assert_allclose(back.weights[0][:, varies], divided, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(back.weights[0][:, ~varies], net.weights[0][:, ~varies])
    for a, b in zip(back.weights[1:], slept.weights[1:], strict=True):
        np.testing.assert_array_equal(a, b)
    if net.biases is not None:  # the same function still
        x = scale.transform(X)
        for a, b in zip(slept.activations(x), back.activations(X), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)
        for a, b in zip(net.biases[1:], back.biases[1:], strict=True):
            np.testing.assert_array_equal(a, b)


def test_where_the_features_zero_is_does_not_matter():
    """Features and network moved by 100: the same sleep, and the same function after it."""
    net, X, scale, result = sleeping()
    moved = net.copy()
    moved.biases[0] -= 100 * net.weights[0].sum(axis=1)
    other = FeatureScale.of(X + 100)
    np.testing.assert_allclose(other.into(moved).biases[0], scale.into(net).biases[0], rtol=1e-10)
    a = scale.back(result.net, net).activations(X)[-1]
    b = other.back(result.net, moved).activations(X + 100)[-1]
    np.testing.assert_allclose(a, b, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_classifier_behind_a_standard_scaler(dtype):
    """scikit-learn's digits, with three pixels that are always 0."""
    X, y = load_digits(return_X_y=True)
    X = StandardScaler().fit_transform(X).astype(dtype)
    clf = MLPClassifier((30, 20), max_iter=200, random_state=0).fit(X, y)
    net = srcnb.from_sklearn(clf)
    scale = FeatureScale.of(X)
    assert (scale.span == 0).sum() == 3 and scale.lo.min() < -2 and scale.hi.max() > 10
    x, scaled = scale.transform(X), scale.into(net)
    assert x.dtype == scaled.dtype == dtype and x.min() == 0 and x.max() == 1
    atol = 1e-10 if dtype == "float64" else 1e-4
    for a, b in zip(net.activations(X), scaled.activations(x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=atol)
    assert (scaled.predict(x) == clf.predict(X)).mean() > 0.999
    back = srcnb.to_sklearn(scale.back(scaled, net), like=clf)
    np.testing.assert_array_equal(back.predict_proba(X), clf.predict_proba(X))


def sleeping(bias=True, dtype="float64", lo=-3.0, hi=5.0, seed=0):
    """A network, features in lo … hi (the last one constant), and the sleep of it."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(lo, hi, (40, 20)).astype(dtype)
    X[0], X[1] = lo, hi
    X[:, -1] = lo
    net = srcnb.MLP((20, 30, 5), bias=bias, dtype=dtype, random_state=seed)
    net.fit(X, np.arange(40) % 5, learning_rate=0.01)
    constants = dict(alpha=[1, 1], beta=[4, 1], inc=0.002, dec=0.0004, max_rate=100)
    config = srcnb.SleepConfig(400, gate="additive", **constants)
    scale = FeatureScale.of(X)
    sleep_input = srcnb.SampleInput(2, 0.5)
    sleep_input.update(scale.transform(X))
    return net, X, scale, srcnb.sleep(scale.into(net), sleep_input, config, random_state=1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_sleep_changes_what_it_should(bias, dtype):
    net, X, scale, result = sleeping(bias, dtype)
    kept = net.copy()
    back = scale.back(result.net, net)
    fired = result.spike_counts[1] > 0
    assert 0 < fired.sum() < 30 and result.spike_counts[0][-1] == 0 < result.spike_counts[0][0]
    before, after = net.weights[0], back.weights[0]
    np.testing.assert_array_equal(before[~fired], after[~fired])
    np.testing.assert_array_equal(before[:, -1], after[:, -1])  # the constant feature
    assert (before[fired, :-1] != after[fired, :-1]).mean() > 0.99
    rtol = 1e-12 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(after[:, :-1] * 8, result.weights[0][:, :-1], rtol=rtol, atol=rtol)
    np.testing.assert_array_equal(back.weights[1], result.weights[1])
    if bias:  # it does on features what the slept network does on intensities
        x = scale.transform(X)
        for a, b in zip(back.activations(X), result.net.activations(x), strict=True):
            np.testing.assert_allclose(a, b, rtol=10 * rtol, atol=10 * rtol)
    assert back.dtype == dtype and (back.biases is None) == (not bias)
    if bias:
        np.testing.assert_array_equal(back.biases[1], net.biases[1])
    for a, b in zip(net._parameters(), kept._parameters(), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(net._parameters()[1:], back._parameters()[1:], strict=True):
        assert not np.shares_memory(a, b)
    back.fit(X, np.arange(40) % 5, reset_momentum=False)  # learns on


def test_features_that_are_intensities_already():
    """lo = 0 and hi = 1: the same sleep as without a scale, and no biases where there were none."""
    net, X, scale, result = sleeping(bias=False, lo=0, hi=1)
    scaled = scale.into(net)
    assert scaled.biases is None
    np.testing.assert_array_equal(scaled.weights[0][:, :-1], net.weights[0][:, :-1])
    sleep_input = srcnb.SampleInput(2, 0.5)
    sleep_input.update(X)
    plain = srcnb.sleep(net, sleep_input, result.config, random_state=1)
    back = scale.back(result.net, net)
    np.testing.assert_allclose(
        back.weights[0][:, :-1], plain.weights[0][:, :-1], rtol=1e-12, atol=1e-14
    )
    np.testing.assert_array_equal(back.weights[1], plain.weights[1])


def test_a_low_rank_network_becomes_dense_as_in_a_sleep():
    X = np.random.default_rng(0).normal(size=(20, 6))
    net = LowRankMLP((6, 5, 3), 2, dtype="float64", random_state=0)
    scale = FeatureScale.of(X)
    scaled = scale.into(net)
    assert type(scaled) is srcnb.MLP
    np.testing.assert_allclose(
        scaled.activations(scale.transform(X))[-1], net.activations(X)[-1], rtol=1e-12
    )
    back = scale.back(scaled, net)
    np.testing.assert_allclose(back.activations(X)[-1], net.activations(X)[-1], rtol=1e-12)


def test_momentum_stays_with_the_network():
    net = srcnb.MLP((2, 3), random_state=0).fit([[0, 1], [5, 9]], [0, 1])
    scale = FeatureScale([0, 1], [5, 9])
    scaled = scale.into(net)
    assert scaled._velocity is None
    assert scale.back(scaled, net)._velocity is net._velocity


def test_a_scale_can_not_be_changed():
    lo, hi = np.zeros(2), np.ones(2)
    scale = FeatureScale(lo, hi)
    lo[0] = 9
    assert scale.lo[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        scale.hi[0] = 9
    with pytest.raises(AttributeError):
        scale.lo = hi


@pytest.mark.parametrize(
    ("lo", "hi", "message"),
    [
        ([0, 1], [1], r"hi must have shape \(2,\), as lo, got \(1,\)"),
        ([0, 2], [1, 1], r"hi must be lo or more.*hi\[1\] = 1.0 with lo\[1\] = 2.0"),
        ([0, -1e308], [1, 1e308], r"finite range.*hi\[1\] = 1e\+308"),
        ([0, np.nan], [1, 1], "lo must be finite, got nan"),
    ],
)
def test_bad_ranges(lo, hi, message):
    with pytest.raises(ValueError, match=message):
        FeatureScale(lo, hi)


def test_bad_networks_and_data():
    scale = FeatureScale([0, 0], [1, 2])
    net = srcnb.MLP((2, 3), random_state=0)
    with pytest.raises(ValueError, match=r"X must have 2 columns.*\(1, 3\)"):
        scale.transform([[1, 2, 3]])
    with pytest.raises(ValueError, match="net must have 2 inputs.*got 4"):
        scale.into(srcnb.MLP((4, 3)))
    with pytest.raises(ValueError, match=r"slept .*\(2, 3\) and float32, got \(2, 4\)"):
        scale.back(srcnb.MLP((2, 4)), net)
    with pytest.raises(ValueError, match=r"slept .*float32, got \(2, 3\) and float64"):
        scale.back(srcnb.MLP((2, 3), dtype="float64"), net)
    broken = net.copy()
    broken.weights[0][0, 0] = np.nan
    with pytest.raises(ValueError, match=r"net.weights\[0\] must be finite"):
        scale.into(broken)
    with pytest.raises(ValueError, match=r"slept.weights\[0\] must be finite"):
        scale.back(broken, net)


def test_what_overflows_is_refused():
    net = srcnb.MLP((2, 3), init=100.0, random_state=0)
    for scale in (
        FeatureScale([0, 0], [1, 1e38]),  # the weights
        FeatureScale([0, 1e38], [1, 1e38]),  # the bias
    ):
        with pytest.raises(ValueError, match=r"net overflows float32.*values up to 1e\+38"):
            scale.into(net)
    scale = FeatureScale([0, 0], [1, 1e-40])
    slept = scale.into(net)
    slept.weights[0] += 1
    with pytest.raises(OverflowError, match="slept overflows float32.*hi - lo = 1e-40"):
        scale.back(slept, net)
