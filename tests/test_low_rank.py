"""Networks whose weights are products of thin factors."""

import itertools

import numpy as np
import pytest
from conftest import assert_gradients

from srcnb import MLP, MeanInput, SleepConfig, sleep
from srcnb.low_rank import LowRankMatrix, LowRankMLP


def toy_batch(n=7, n_in=6, n_out=4):
    rng = np.random.default_rng(0)
    return rng.random((n, n_in)), rng.integers(0, n_out, n)


def dense(net):
    return [np.asarray(w) for w in net.weights]


@pytest.mark.parametrize(
    ("output", "bias", "inverted", "l2"),
    list(itertools.product(["softmax", "relu"], [False, True], [None, True, False], [0.0, 0.1])),
)
def test_gradients_against_central_differences(output, bias, inverted, l2):
    dropout = 0.3 if inverted is not None else 0
    net = LowRankMLP(
        (6, 8, 5, 4),
        rank=3,
        output=output,
        bias=bias,
        l2=l2,
        dropout=dropout,
        inverted_dropout=bool(inverted),
        dtype="float64",
        random_state=1,
    )
    X, y = toy_batch()
    rng = np.random.default_rng(2)
    # At 0, a sample whose hidden units are all silent would sit on the kink of the output relu.
    for b in net.biases or []:
        b += rng.uniform(-0.5, 0.5, b.shape)
    masks = [rng.random((7, n)) >= dropout for n in (8, 5)] if dropout else None
    gradients = net.gradients(X, y, masks)
    assert (gradients.biases is not None) == bias
    assert_gradients(
        [*itertools.chain(*net.factors), *(net.biases or [])],
        [*itertools.chain(*gradients.weights), *(gradients.biases or [])],
        lambda: net.loss(X, y, masks),
    )


def test_low_rank_fit_is_momentum_sgd_on_the_factors():
    X, y = toy_batch(n=10)
    net = LowRankMLP((6, 8, 4), 3, bias=True, l2=0.01, dtype="float64", random_state=0)
    twin = net.copy()
    net.fit(X, y, epochs=2, batch_size=10, learning_rate=0.2, momentum=0.7)
    velocity = None
    for _ in range(2):
        g = twin.gradients(X, y)
        flat = [d for pair in g.weights for d in pair] + g.biases
        velocity = [0.2 * d + (0.7 * velocity[i] if velocity else 0) for i, d in enumerate(flat)]
        parameters = [f for pair in twin.factors for f in pair] + twin.biases
        for p, v in zip(parameters, velocity, strict=True):
            p -= v
    for a, b in zip(dense(net) + net.biases, dense(twin) + twin.biases, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("options", [{}, dict(output="relu", dropout=0.2, inverted_dropout=False)])
def test_low_rank_is_the_mlp_of_its_products(easy_data, options):
    net = LowRankMLP((20, 15, 12, 3), 4, bias=True, random_state=0, **options)
    net.fit(easy_data.X, easy_data.y, epochs=40, batch_size=10, learning_rate=0.1)
    assert np.mean(net.predict(easy_data.X_test) == easy_data.y_test) > 0.9
    assert net.layer_sizes == (20, 15, 12, 3) and net.dtype == "float32"
    mlp = net.to_mlp()
    assert type(mlp) is MLP
    for (A, B), W in zip(net.factors, mlp.weights, strict=True):
        np.testing.assert_allclose(W, B @ A, rtol=1e-5)
        assert np.linalg.matrix_rank(W, tol=1e-4) <= 4
    for a, b in zip(net.activations(easy_data.X), mlp.activations(easy_data.X), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_low_rank_sleeps_into_a_dense_network(easy_data):
    net = LowRankMLP((20, 15, 3), 4, random_state=0)
    config = SleepConfig(n_steps=50, alpha=(5, 5), beta=(1, 1), inc=0.01, dec=0.001)
    sleep_input = MeanInput()
    sleep_input.update(easy_data.X)
    slept = sleep(net, sleep_input, config, random_state=0).net
    same = sleep(net.to_mlp(), sleep_input, config, random_state=0).net
    assert type(slept) is MLP
    for a, b in zip(slept.weights, same.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_low_rank_from_arrays():
    net = LowRankMLP((6, 8, 4), 3, bias=True, random_state=0)
    twin = LowRankMLP.from_arrays(net.factors, net.biases)
    X, y = toy_batch()
    np.testing.assert_array_equal(net.activations(X)[-1], twin.activations(X)[-1])
    twin.fit(X, y)
    assert not np.array_equal(net.factors[0][0], twin.factors[0][0])
    assert repr(twin).startswith("LowRankMLP((6, 8, 4), bias=True") and "rank=3" in repr(twin)


def test_momentum_is_kept_as_long_as_the_ranks_are():
    X, y = toy_batch(n=20)
    training = dict(epochs=1, batch_size=5, momentum=0.9, reset_momentum=False)
    net = LowRankMLP((6, 8, 4), 3, random_state=0).fit(X, y, **training)

    def trained(weights, **change):
        twin = net.with_weights([w.copy() for w in weights])
        return dense(twin.fit(X, y, **{**training, **change}))

    kept, reset = trained(net.weights), trained(net.weights, reset_momentum=True)
    assert not np.array_equal(kept[0], reset[0])
    # A step on other ranks: velocities of the old shapes would not fit.
    wider = [w + w for w in net.weights]
    for a, b in zip(trained(wider), trained(wider, reset_momentum=True), strict=True):
        np.testing.assert_array_equal(a, b)


def factors(*shapes, dtype="float32"):
    return [np.ones(shape, dtype) for shape in shapes]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LowRankMLP((6,)), "layer_sizes"),
        (lambda: LowRankMLP((6, 0, 4)), "layer_sizes.*0"),
        (lambda: LowRankMLP((6, 4), rank=0), "rank.*0"),
        (lambda: LowRankMLP((6, 4), rank=2.5), "rank.*2.5"),
        (lambda: LowRankMLP((6, 4), dropout=1), "dropout.*1"),
        (lambda: LowRankMLP.from_arrays([factors((2, 6))]), r"factors\[0\].*pair.*1"),
        (lambda: LowRankMLP.from_arrays([factors((2, 6), (4, 3))]), r"factors\[0\] must chain"),
        (lambda: LowRankMLP.from_arrays([factors((2, 6), (4, 2))] * 2), "weights must chain"),
        (
            lambda: LowRankMLP.from_arrays([factors((2, 6), (4, 2), dtype=int)]),
            r"factors\[0\].*int",
        ),
        (lambda: LowRankMLP((6, 4)).fit(*toy_batch(n_in=5)), "X must have 6 columns"),
        (lambda: LowRankMLP((6, 4)).fit(*toy_batch(), regularizer=1), "regularizer.*1"),
    ],
)
def test_bad_low_rank_networks(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_a_diverging_low_rank_training_is_taken_back():
    X, y = toy_batch(n=50)
    net = LowRankMLP((6, 8, 4), output="relu", random_state=0)
    before = dense(net)
    with pytest.raises(OverflowError, match="diverged"):
        net.fit(X, y, epochs=20, learning_rate=1e4)
    for a, b in zip(before, dense(net), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("init", "bound"),
    [("fan_in", (50**-0.5, 0.05)), ("large_hidden", (2 * 50**-0.5, 0.01)), (0.02, (0.02, 0.02))],
)
def test_start(init, bound):
    """A as a layer of its own starts, B uniform in ±1/√rank."""
    net = LowRankMLP((50, 400, 3), rank=16, init=init, random_state=0)
    for (A, _), most in zip(net.factors, bound, strict=True):
        assert 0.95 * most < abs(A).max() <= most * (1 + 1e-6)
    _, B = net.factors[0]
    assert 0.95 / 4 < abs(B).max() <= 1 / 4


def test_a_matrix_of_low_rank_divided_or_added_is_that_of_its_product():
    A, B = np.arange(6.0).reshape(2, 3), np.arange(8.0).reshape(4, 2)
    matrix = LowRankMatrix(A, B)
    np.testing.assert_allclose(np.asarray(matrix / 4), B @ A / 4)
    np.testing.assert_allclose(np.asarray(matrix + matrix), 2 * B @ A)
