"""homeostasis of the output layer: what it makes of each output, and what it leaves alone."""

import numpy as np
import pytest

import srcnb
from srcnb import MLP, homeostasis
from srcnb.low_rank import LowRankMLP


def network(sizes=(12, 9, 7, 5), seed=3, **options):
    return MLP(sizes, random_state=seed, **{"dtype": "float64", **options})


@pytest.fixture
def X():
    return np.random.default_rng(1).random((40, 12))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("dropout", [{}, dict(dropout=0.4, inverted_dropout=False)])
def test_the_outputs_seen_have_mean_0_and_spread_1(X, bias, dropout):
    """On the very samples, where all are kept and there is one only of each draw's."""
    net = network(bias=bias, init=1.0, **dropout)
    if bias:
        for b in net.biases:
            b += 0.3
    seen = [1, 4]
    got = homeostasis(net, X, seen, keep=1.0, n_samples=5000, random_state=0)
    rows = np.random.default_rng(0).integers(len(X), size=5000)
    z, before = got.logits(X[rows]), net.logits(X[rows])
    np.testing.assert_allclose(z[:, seen].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(z[:, seen].std(axis=0), 1, rtol=1e-12)
    others = [0, 2, 3]
    np.testing.assert_array_equal(z[:, others], before[:, others])
    # It is the weights that take the mean off, not the bias.
    if bias:
        np.testing.assert_array_equal(got.biases[-1][seen], 0)
        np.testing.assert_array_equal(got.biases[-1][others], net.biases[-1][others])


def test_by_hand():
    """m = (2, 1), u = m/5; w = (3, 1) becomes (3, 1) - 7·(2, 1)/5 = (0.2, -0.4), over its sd."""
    net = MLP.from_arrays([np.eye(2), np.array([[3.0, 1.0], [1.0, 1.0]])])
    X = np.array([[1.0, 1.0], [3.0, 1.0]])
    got = homeostasis(net, X, [0], keep=1.0, n_samples=4, random_state=6)
    n = np.bincount(np.random.default_rng(6).integers(2, size=4), minlength=2)
    assert n.tolist() == [2, 2]  # so that the mean is (2, 1)
    np.testing.assert_allclose(got.weights[-1], [[1.0, -2.0], [1.0, 1.0]])


def test_features_are_kept_with_the_given_probability(X):
    net = network(init=1.0)
    masked = []

    class Watched(MLP):
        def activations(self, X):
            masked.append(X)
            return super().activations(X)

    watched = Watched.from_arrays(net.weights)
    for keep in (0.1, 0.6, 1.0):
        homeostasis(watched, X, range(5), keep=keep, n_samples=3000, random_state=0)
    samples = {x.tobytes() for x in X}
    for keep, draws in zip((0.1, 0.6, 1.0), masked, strict=True):
        assert draws.shape == (3000, 12)
        assert abs(np.mean(draws > 0) - keep) < 0.01
        whole = [x for x in draws if (x > 0).all()]
        assert all(x.tobytes() in samples for x in whole)
    assert len({x.tobytes() for x in masked[2]}) == len(X)
    # Each feature is dropped by itself.
    together = np.mean((masked[1][:, 0] > 0) & (masked[1][:, 1] > 0))
    assert abs(together - 0.36) < 0.03


def test_the_network_is_unchanged_and_the_copy_its_own(X):
    net = network(bias=True, dtype="float32")
    before = [p.copy() for p in net.weights + net.biases]
    samples = X.copy()
    got = homeostasis(net, X, [0, 1, 2], random_state=0)
    assert got.dtype == net.dtype
    for p, q, kept in zip(net.weights + net.biases, got.weights + got.biases, before, strict=True):
        np.testing.assert_array_equal(p, kept)
        assert not np.shares_memory(p, q)
    np.testing.assert_array_equal(X, samples)
    for p, q in zip(net.weights[:-1], got.weights[:-1], strict=True):
        np.testing.assert_array_equal(p, q)


def test_the_random_state_matters(X):
    net = network()
    a, b, c = (homeostasis(net, X, [0], random_state=s).weights[-1] for s in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert (a[0] != c[0]).any()


def test_a_silent_hidden_layer_leaves_the_weights(X):
    net = network(bias=True)
    net.weights[1][:] = 0
    net.biases[1][:] = -1
    got = homeostasis(net, X, range(5), random_state=0)
    np.testing.assert_array_equal(got.weights[-1], net.weights[-1])
    np.testing.assert_array_equal(got.biases[-1], 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_response_that_does_not_vary_keeps_its_length(dtype):
    """Hidden activations that differ in their length only: nothing is left but rounding."""
    rng = np.random.default_rng(0)
    net = MLP((1, 50, 3), dtype=dtype, random_state=0)
    W = net.weights[-1]
    got = homeostasis(net, rng.random((30, 1)), [0, 2], keep=1.0, random_state=0).weights[-1]
    assert np.isfinite(got).all()
    assert (np.linalg.norm(got, axis=1) <= np.linalg.norm(W, axis=1) * (1 + 1e-6)).all()
    np.testing.assert_array_equal(got[1], W[1])


def test_tiny_activations_do_not_underflow():
    net = MLP.from_arrays([np.full((2, 2), 1e-170), np.array([[1.0, 2.0], [0.5, 0.1]])])
    got = homeostasis(net, np.eye(2), [0, 1], keep=1.0, random_state=0)
    assert all(np.isfinite(w).all() for w in got.weights)
    np.testing.assert_allclose(got.weights[-1] @ [1, 1], 0, atol=1e-15)


def test_a_network_without_hidden_layers(X):
    net = network((12, 3))
    got = homeostasis(net, X, [0, 1, 2], keep=0.5, random_state=0)
    rng = np.random.default_rng(0)
    draws = X[rng.integers(len(X), size=2000)] * (rng.random((2000, 12), dtype=np.float32) < 0.5)
    np.testing.assert_allclose(got.logits(draws).std(axis=0), 1)


def test_low_rank_comes_back_dense(X):
    net = LowRankMLP((12, 9, 5), rank=3, bias=True, random_state=0)
    got = homeostasis(net, X, [0, 3], keep=1.0, random_state=0)
    assert type(got) is MLP and type(net) is LowRankMLP
    np.testing.assert_allclose(got.weights[0], np.asarray(net.weights[0]), rtol=1e-6)
    np.testing.assert_allclose(got.logits(X)[:, [0, 3]].std(axis=0), 1, rtol=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(net="net"), "net must be an srcnb.MLP, got 'net'"),
        (dict(X=np.ones((3, 4))), "X must have 12 columns.*got shape"),
        (dict(X=np.ones((0, 12))), "X must hold at least one sample"),
        (dict(X=[[np.nan] * 12]), "X must be finite"),
        (dict(classes=[0, 5]), "classes must hold labels in 0 … 4, got 5"),
        (dict(classes=[0.5]), "classes must hold integer labels"),
        (dict(keep=0), r"keep must be a finite number in \(0, 1\], got 0"),
        (dict(n_samples=0), "n_samples must be at least 1, got 0"),
        (dict(random_state="a"), "random_state must be"),
    ],
)
def test_bad_input(X, change, message):
    arguments = dict(net=network(), X=X, classes=[0, 1]) | change
    with pytest.raises((ValueError, TypeError), match=message):
        srcnb.homeostasis(**arguments)
