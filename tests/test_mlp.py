import itertools

import numpy as np
import pytest
from conftest import assert_gradients

import srcnb
from srcnb import mlp


def toy_batch(n=7, n_in=6, n_out=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((n, n_in)), rng.integers(0, n_out, n)


@pytest.mark.parametrize(
    ("output", "bias", "dropout", "l2"),
    list(itertools.product(["softmax", "relu"], [False, True], [None, True, False], [0.0, 0.1])),
)
def test_gradients_against_central_differences(output, bias, dropout, l2):
    # dropout: None, inverted or not
    net = srcnb.MLP(
        (6, 8, 5, 4),
        output=output,
        bias=bias,
        l2=l2,
        dropout=0.3 if dropout is not None else 0,
        inverted_dropout=bool(dropout),
        dtype="float64",
        random_state=1,
    )
    X, y = toy_batch()
    rng = np.random.default_rng(2)
    masks = [rng.random((7, n)) >= 0.3 for n in (8, 5)] if dropout is not None else None
    gradients = net.gradients(X, y, masks)
    assert (gradients.biases is not None) == bias
    assert_gradients(
        net.weights + (net.biases or []),
        gradients.weights + (gradients.biases or []),
        lambda: net.loss(X, y, masks),
    )


@pytest.mark.parametrize("block", [1, 13, mlp.BLOCK_ELEMENTS])
def test_fit_is_momentum_sgd(monkeypatch, block):
    """fit() does what its docstring says, in whatever blocks the weights are updated."""
    monkeypatch.setattr(mlp, "BLOCK_ELEMENTS", block)
    X, y = toy_batch(n=10)
    net = srcnb.MLP((6, 8, 4), bias=True, l2=0.01, dtype="float64", random_state=0)
    twin = net.copy()
    net.fit(X, y, epochs=3, batch_size=4, learning_rate=0.2, momentum=0.7)

    velocity = [0.0] * 4
    for _ in range(3):
        order = twin._rng.permutation(10)
        for batch in (order[:4], order[4:8], order[8:]):  # the last one is partial
            g = twin.gradients(X[batch], y[batch])
            for i, (p, dp) in enumerate(
                zip(twin.weights + twin.biases, g.weights + g.biases, strict=True)
            ):
                velocity[i] = 0.7 * velocity[i] + 0.2 * dp
                p -= velocity[i]
    for a, b in zip(net.weights + net.biases, twin.weights + twin.biases, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_a_second_fit_goes_on():
    X, y = toy_batch(n=30)

    def net():
        return srcnb.MLP((6, 8, 4), dropout=0.2, random_state=3)

    at_once = net().fit(X, y, epochs=4, batch_size=7)
    kept = net().fit(X, y, epochs=2, batch_size=7)
    kept.fit(X, y, epochs=2, batch_size=7, reset_momentum=False)
    reset = net().fit(X, y, epochs=2, batch_size=7)
    reset.fit(X, y, epochs=2, batch_size=7, reset_momentum=True)
    for a, b, c in zip(at_once.weights, kept.weights, reset.weights, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


def test_a_copy_is_independent():
    X, y = toy_batch(n=30)
    net = srcnb.MLP((6, 8, 4), bias=True, dropout=0.2, random_state=3).fit(X, y)
    twin = net.copy()
    a = net.copy().fit(X, y, reset_momentum=False)
    b = net.copy().fit(X, y, reset_momentum=False)
    for name in ("weights", "biases", "_velocity"):
        for i, kept in enumerate(getattr(net, name)):
            np.testing.assert_array_equal(kept, getattr(twin, name)[i])
            np.testing.assert_array_equal(getattr(a, name)[i], getattr(b, name)[i])
    assert not np.array_equal(a.weights[0], net.weights[0])


def test_same_seed_same_network():
    X, y = toy_batch(n=30)
    a, b, c = (srcnb.MLP((6, 8, 4), dropout=0.2, random_state=seed).fit(X, y) for seed in (0, 0, 1))
    np.testing.assert_array_equal(a.weights[0], b.weights[0])
    assert not np.array_equal(a.weights[0], c.weights[0])


@pytest.mark.parametrize("output", ["softmax", "relu"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_learns(toy_data, output, dtype):
    net = srcnb.MLP((20, 30, 3), output=output, dtype=dtype, bias=True, random_state=0)
    net.fit(toy_data.X, toy_data.y, epochs=30, batch_size=10)
    assert np.mean(net.predict(toy_data.X_test) == toy_data.y_test) > 0.95
    assert all(a.dtype == dtype for a in net.activations(toy_data.X))


def test_activations_against_hand_computation():
    W = [np.array([[1.0, -1.0], [0.5, 0.5]]), np.array([[1.0, 2.0], [-1.0, 1.0]])]
    b = [np.array([0.0, 0.1]), np.array([0.2, -3.0])]
    X = np.array([[0.3, 0.1]])
    hidden = [0.2, 0.3]
    for inverted, scale in ((True, 1), (False, 0.5)):
        net = srcnb.MLP.from_arrays(W, b, output="relu", dropout=0.5, inverted_dropout=inverted)
        h, out = net.activations(X)
        np.testing.assert_allclose(h[0], np.multiply(hidden, scale))
        np.testing.assert_allclose(out[0], [0.8 * scale + 0.2, 0], rtol=1e-12)
        assert net.predict(X)[0] == 0


def test_initial_weights():
    for init, bounds in (("torch", [1 / 10, 1 / 20]), ("matlab", [0.01] * 2), (0.05, [0.05] * 2)):
        net = srcnb.MLP((100, 400, 10), init=init, random_state=0)
        for w, bound in zip(net.weights, bounds, strict=True):
            assert 0.97 * bound < abs(w).max() <= bound * (1 + 1e-6)
            assert abs(w.mean()) < 0.1 * bound


def test_inverted_dropout_keeps_the_mean():
    net = srcnb.MLP((4, 20000, 2), dropout=0.25, random_state=0)
    (mask,) = net._draw_masks(1)
    assert abs(mask.mean() - 1) < 0.02
    assert set(np.unique(mask)) == {0, np.float32(1 / 0.75)}


def test_from_arrays_copies_and_agrees_with_scikit_learn():
    from sklearn.neural_network import MLPClassifier

    X, y = toy_batch(n=40)
    theirs = MLPClassifier((8,), max_iter=20, random_state=0)
    with pytest.warns(UserWarning, match="converge"):
        theirs.fit(X, y)
    W, b = [w.T for w in theirs.coefs_], theirs.intercepts_
    net = srcnb.MLP.from_arrays(W, b)
    np.testing.assert_array_equal(net.predict(X), theirs.predict(X))
    np.testing.assert_allclose(net.activations(X)[-1], theirs.predict_proba(X), rtol=1e-9)
    before = W[0].copy()
    net.fit(X, y)
    np.testing.assert_array_equal(W[0], before)


def test_fit_leaves_its_arguments_alone():
    X, y = toy_batch(n=40)
    X32 = X.astype(np.float32)
    before = X32.copy(), y.copy()
    srcnb.MLP((6, 8, 4), dropout=0.3, random_state=0).fit(X32, y)
    np.testing.assert_array_equal(X32, before[0])
    np.testing.assert_array_equal(y, before[1])


NET = (6, 8, 4)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(layer_sizes=(6,)), ValueError, "layer_sizes"),
        (dict(layer_sizes=(6, 0, 4)), ValueError, "layer_sizes.*0"),
        (dict(layer_sizes=(6, 2.5)), TypeError, "layer_sizes.*2.5"),
        (dict(layer_sizes=6), TypeError, "layer_sizes.*6"),
        (dict(dropout=1.0), ValueError, "dropout.*1.0"),
        (dict(dropout=-0.1), ValueError, "dropout.*-0.1"),
        (dict(dropout=np.nan), ValueError, "dropout.*nan"),
        (dict(output="tanh"), ValueError, "output.*'tanh'"),
        (dict(dtype="float16"), ValueError, "dtype.*float16"),
        (dict(dtype="banana"), ValueError, "dtype.*banana"),
        (dict(dtype=None), ValueError, "dtype.*None"),
        (dict(init="xavier"), ValueError, "init.*'xavier'"),
        (dict(l2=-1), ValueError, "l2.*-1"),
        (dict(random_state="x"), ValueError, "random_state.*'x'"),
    ],
)
def test_bad_networks(change, error, message):
    arguments = dict(layer_sizes=NET) | change
    with pytest.raises(error, match=message):
        srcnb.MLP(**arguments)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(X=np.full((5, 6), np.nan)), ValueError, "X.*finite.*nan"),
        (dict(X=np.full((5, 6), np.inf)), ValueError, "X.*finite.*inf"),
        (dict(X=np.zeros((5, 7))), ValueError, r"X.*6 columns.*\(5, 7\)"),
        (dict(X=np.zeros(6)), ValueError, "X.*2 dimension"),
        (dict(X=np.zeros((0, 6)), y=[]), ValueError, "X.*at least one sample"),
        (dict(X=[["a"] * 6] * 5), TypeError, "X.*numbers"),
        (dict(y=[0, 1, 2, 3, 4]), ValueError, "y.*0 … 3.*4 at index 4"),
        (dict(y=[0, 1, 2, 3, -1]), ValueError, "y.*-1"),
        (dict(y=[0, 1, 2, 3, 0.5]), TypeError, "y.*integer"),
        (dict(y=[0, 1, 2, 3, np.inf]), ValueError, "y.*finite.*inf"),
        (dict(y=[0, 1]), ValueError, "y.*shape"),
        (dict(epochs=-1), ValueError, "epochs.*-1"),
        (dict(batch_size=0), ValueError, "batch_size.*0"),
        (dict(learning_rate=0), ValueError, "learning_rate.*0"),
        (dict(momentum=1), ValueError, "momentum.*1"),
    ],
)
def test_bad_training_changes_nothing(change, error, message):
    net = srcnb.MLP(NET, random_state=0)
    before = [w.copy() for w in net.weights]
    arguments = dict(X=np.zeros((5, 6)), y=[0, 1, 2, 3, 0]) | change
    with pytest.raises(error, match=message):
        net.fit(**arguments)
    for a, b in zip(net.weights, before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_diverging_training_is_an_error():
    X, y = toy_batch(n=40)
    net = srcnb.MLP(NET, l2=1.0, random_state=0)
    before = net.copy()
    with pytest.raises(OverflowError, match="learning_rate"):
        net.fit(X, y, epochs=50, learning_rate=1e4)
    np.testing.assert_array_equal(net.weights[0], before.weights[0])
    net.weights[0][0, 0] = np.nan
    with pytest.raises(ValueError, match=r"weights\[0\].*nan"):
        net.fit(X, y)


@pytest.mark.parametrize(
    ("weights", "biases", "error", "message"),
    [
        ([np.zeros((3, 2)), np.zeros((4, 2))], None, ValueError, r"chain.*\(4, 2\)"),
        ([np.zeros((3, 2)), np.zeros((4, 3), np.float32)], None, TypeError, "float64, float32"),
        ([np.zeros((3, 2), int)], None, TypeError, "int64"),
        ([np.full((3, 2), np.nan)], None, ValueError, r"weights\[0\].*nan"),
        ([np.zeros((3, 2))], [np.zeros(2)], ValueError, r"biases.*\[3\].*\[2\]"),
        ([], None, ValueError, "empty"),
        (None, None, TypeError, "weights.*None"),
        ([np.zeros((3, 2))], 3, TypeError, "biases.*3"),
    ],
)
def test_bad_arrays(weights, biases, error, message):
    with pytest.raises(error, match=message):
        srcnb.MLP.from_arrays(weights, biases)


def test_bad_masks():
    net = srcnb.MLP(NET, dropout=0.5, random_state=0)
    X, y = toy_batch()
    with pytest.raises(ValueError, match="masks"):
        net.gradients(X, y, [np.ones((7, 9))])
