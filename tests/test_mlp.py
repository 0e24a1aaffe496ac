"""The network awake: gradients, training, forward passes, copies, bad input."""

import itertools
import os

import numpy as np
import pytest
from conftest import assert_gradients

import srcnb
from srcnb import MLP, mlp


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


def test_fit_is_momentum_sgd():
    """fit() does what its docstring says."""
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


@pytest.mark.parametrize(
    ("share", "size"), [(0.1, 3), (0.34, 11), (0.001, 1), (0.999, 30), (0.7, 21)]
)
def test_a_batch_may_be_a_share_of_the_samples(share, size):
    X, y = toy_batch(n=30)
    a, b, c = (
        srcnb.MLP((6, 8, 4), random_state=3).fit(X, y, epochs=2, batch_size=rows)
        for rows in (share, size, size + 1)
    )
    np.testing.assert_array_equal(a.weights[0], b.weights[0])
    assert size == 30 or not np.array_equal(a.weights[0], c.weights[0])


def test_samples_that_are_its_own_weights_do_not_change_while_it_learns():
    nets = [srcnb.MLP((6, 8, 4), random_state=3) for _ in range(2)]
    for net, X in zip(nets, (nets[0].weights[0], nets[1].weights[0].copy()), strict=True):
        net.fit(X, np.arange(8) % 4, epochs=3, batch_size=2)
    np.testing.assert_array_equal(*(net.weights[0] for net in nets))


def test_another_output_set_by_hand_is_refused():
    net = srcnb.MLP((6, 8, 4), random_state=3)
    net.output = "tanh"
    for call in (net.predict, lambda X: net.fit(X, np.zeros(5, int))):
        with pytest.raises(ValueError, match="output must be one of .* got 'tanh'"):
            call(np.zeros((5, 6)))


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
def test_learns(easy_data, output, dtype):
    net = srcnb.MLP((20, 30, 3), output=output, dtype=dtype, bias=True, random_state=0)
    net.fit(easy_data.X, easy_data.y, epochs=30, batch_size=10)
    assert np.mean(net.predict(easy_data.X_test) == easy_data.y_test) > 0.95
    assert all(a.dtype == dtype for a in net.activations(easy_data.X))


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


@pytest.mark.parametrize("option", [dict(bias=True), dict(dtype="float32"), dict(init=1.0)])
def test_what_follows_from_arrays_is_no_option(option):
    [(name, value)] = option.items()
    with pytest.raises(TypeError, match=f"^{name} follows from the arrays, got {value!r}$"):
        srcnb.MLP.from_arrays([np.zeros((3, 2))], **option)


def test_bad_masks():
    net = srcnb.MLP(NET, dropout=0.5, random_state=0)
    X, y = toy_batch()
    with pytest.raises(ValueError, match="masks"):
        net.gradients(X, y, [np.ones((7, 9))])


def batch(rng, n=30, n_classes=4):
    return rng.random((n, 7)), rng.integers(n_classes, size=n)


def network(rng, **options):
    return MLP((7, 6, 5, 4), dtype="float64", random_state=rng, **options)


@pytest.mark.parametrize("output", ["softmax", "relu"])
@pytest.mark.parametrize("bias", [False, True])
def test_squared_gradients_sample_by_sample(output, bias):
    rng = np.random.default_rng(0)
    net = network(rng, output=output, bias=bias, dropout=0.3, l2=0.0)
    X, y = batch(rng)
    naive = [np.zeros_like(w) for w in net.weights]
    for i in range(len(X)):
        for total, g in zip(naive, net.gradients(X[i : i + 1], y[i : i + 1]).weights, strict=True):
            total += g**2 / len(X)
    for fast, slow in zip(net.squared_gradients(X, y), naive, strict=True):
        np.testing.assert_allclose(fast, slow, rtol=1e-10, atol=1e-14)


def test_squared_gradients_at_test_scale():
    # Without inverted dropout the tested network is the one with W_2 and W_3 scaled by 0.7.
    rng = np.random.default_rng(1)
    net = network(rng, output="relu", dropout=0.3, inverted_dropout=False)
    X, y = batch(rng)
    scaled = MLP.from_arrays([net.weights[0], *(0.7 * w for w in net.weights[1:])], output="relu")
    factors = (1, 0.49, 0.49)
    expected = scaled.squared_gradients(X, y)
    for fast, slow, factor in zip(net.squared_gradients(X, y), expected, factors, strict=True):
        np.testing.assert_allclose(fast, factor * slow, rtol=1e-10)


@pytest.mark.parametrize("output", ["softmax", "relu"])
@pytest.mark.parametrize("batch_rows", [1, 7, 23, 1000])
def test_batches_are_the_activations_some_rows_at_a_time(output, batch_rows):
    options = dict(dropout=0.3, inverted_dropout=False, output=output, random_state=0)
    net = srcnb.MLP((6, 8, 4), bias=True, **options)
    X = np.random.default_rng(0).random((23, 6))
    whole, logits = net.activations(X), net.logits(X)
    seen = []
    for rows, activations, z in net.batches(X, batch_rows):
        assert len(z) <= batch_rows and [len(a) for a in activations] == [len(z)] * 2
        for a, all_of_it in zip(activations, whole, strict=True):
            np.testing.assert_allclose(a, all_of_it[rows], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(z, logits[rows], rtol=1e-5, atol=1e-7)
        seen += range(23)[rows]
    assert seen == list(range(23))


@pytest.mark.parametrize(
    ("batch_rows", "error"),
    [(0, ValueError), (-5, ValueError), (2.0, TypeError), (None, TypeError)],
)
def test_bad_batch_rows(batch_rows, error):
    net = srcnb.MLP(NET, random_state=0)
    with pytest.raises(error, match=f"batch_rows must be .*, got {batch_rows}"):
        net.batches(np.zeros((5, 6)), batch_rows)  # when it is called, not when it is iterated
    with pytest.raises(ValueError, match="X must have 6 columns"):
        net.batches(np.zeros((5, 7)))


@pytest.mark.parametrize("output", ["softmax", "relu"])
def test_logits_are_what_the_output_function_gets(output):
    net = srcnb.MLP((6, 8, 4), bias=True, output=output, dtype="float64", random_state=0)
    X = np.random.default_rng(0).random((2 * mlp.BATCH_ROWS + 3, 6))
    z = net.logits(X)
    e = np.exp(z)
    expected = e / e.sum(axis=1, keepdims=True) if output == "softmax" else np.maximum(z, 0)
    np.testing.assert_allclose(net.activations(X)[-1], expected, rtol=1e-12)
    np.testing.assert_array_equal(net.predict(X), expected.argmax(axis=1))


def test_squared_gradients_over_more_samples_than_a_batch():
    rng = np.random.default_rng(0)
    net = network(rng)
    X, y = batch(rng, n=mlp.BATCH_ROWS + 3)
    parts = slice(0, 1000), slice(1000, None)
    expected = [
        sum(len(X[p]) / len(X) * net.squared_gradients(X[p], y[p])[layer] for p in parts)
        for layer in range(3)
    ]
    for fast, slow in zip(net.squared_gradients(X, y), expected, strict=True):
        np.testing.assert_allclose(fast, slow, rtol=1e-10)


@pytest.mark.parametrize("hidden", [(), (7,), (7, 6), (7, 6, 5)])
@pytest.mark.parametrize("output", ["softmax", "relu"])
def test_predict_is_the_largest_output(hidden, output):
    net = srcnb.MLP((6, *hidden, 4), bias=True, output=output, init=0.7, random_state=1)
    X = np.random.default_rng(0).random((50, 6))
    np.testing.assert_array_equal(net.predict(X), net.activations(X)[-1].argmax(axis=1))
    np.testing.assert_array_equal(net.activations(X)[-1].argmax(axis=1)[:5], net.predict(X[:5]))


@pytest.mark.parametrize("output", ["softmax", "relu"])
def test_targets_in_place_of_labels(output):
    """One-hot targets are labels; a mean of targets gives the mean of their gradients."""
    net = srcnb.MLP((6, 5, 4), dtype="float64", output=output, random_state=0)
    X, y = np.random.default_rng(0).random((7, 6)), np.arange(7) % 4
    labels, one_hot = net.gradients(X, y), net.gradients(X, np.eye(4)[y])
    np.testing.assert_allclose(labels.weights[0], one_hot.weights[0])
    other = (y + 1) % 4
    mixed = net.gradients(X, (np.eye(4)[y] + np.eye(4)[other]) / 2).weights
    for a, b, c in zip(mixed, labels.weights, net.gradients(X, other).weights, strict=True):
        np.testing.assert_allclose(a, (b + c) / 2, atol=1e-12)
    a = net.copy().fit(X, y, epochs=1).weights[0]
    np.testing.assert_allclose(a, net.copy().fit(X, np.eye(4)[y], epochs=1).weights[0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_masks_keep_the_networks_dtype(dtype):
    net = srcnb.MLP((6, 5, 4), dropout=0.5, dtype=dtype, random_state=0)
    masks = [np.ones((7, 5), bool)]
    gradients = net.gradients(np.ones((7, 6)), np.arange(7) % 4, masks)
    assert all(g.dtype == dtype for g in gradients.weights)


@pytest.mark.parametrize("trained", [False, True])
def test_training_that_needs_more_memory_than_there_is_is_refused_first(trained):
    """Weights without memory of their own stand for ones that are just small enough themselves."""
    net = MLP((2, 3), random_state=0)
    if trained:
        net.fit(*toy_batch(n_in=2, n_out=3))
    velocity = net._velocity
    copies = 4 if trained else 3
    n = int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (4 * (copies - 0.5)))
    net.weights = [np.broadcast_to(np.float32(0), (n, 1))]
    with pytest.raises(ValueError, match=r"training layer_sizes \(1, [0-9]+\) takes [0-9]+ GB"):
        net.fit([[0.5]], [0])
    assert net._velocity is velocity


def test_infinities_that_become_zeros_are_noticed():
    net = MLP.from_arrays([np.full((2, 2), 3e38, np.float32), np.full((2, 2), -1, np.float32)])
    assert (net.predict([[0.5, 0.0]]) == 0).all()
    for method in (net.predict, net.logits, net.activations):
        with pytest.raises(OverflowError, match=r"weights of layers 1 … 1 or X .* in float32$"):
            method([[1.0, 1.0]])
