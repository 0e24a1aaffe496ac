"""Forward pass, losses and backprop as pure functions; gradients are in test_mlp.py as well."""

import numpy as np
import pytest

from srcnb import backprop


def test_softmax_of_large_numbers():
    z = np.array([[1000.0, 1000.0, -1000.0], [0.0, np.log(3), -np.inf]])
    np.testing.assert_allclose(backprop.softmax(z), [[0.5, 0.5, 0], [0.25, 0.75, 0]])


def test_losses_by_hand():
    z = np.array([[0.0, np.log(3)], [2.0, -1.0]])
    cross_entropy = backprop.losses(backprop.softmax(z), z, np.array([1, 0]), "softmax")
    np.testing.assert_allclose(cross_entropy, [np.log(4 / 3), np.log1p(np.exp(-3))])
    soft = backprop.losses(backprop.softmax(z), z, np.array([[0.5, 0.5], [1, 0]]), "softmax")
    np.testing.assert_allclose(soft[0], np.log(4) - 0.5 * np.log(3))
    relu = backprop.losses(np.maximum(z, 0), z, np.array([0, 0]), "relu")
    np.testing.assert_allclose(relu, [0.5 * np.log(3) ** 2, 2 - 2])


@pytest.mark.parametrize("output", ["softmax", "relu"])
@pytest.mark.parametrize("targets", [False, True])
def test_backward_against_central_differences_of_z(output, targets):
    """The first delta is the loss's derivative by the logits, for labels and for targets."""
    rng = np.random.default_rng(0)
    W, X, y = [rng.normal(size=(3, 4))], rng.normal(size=(5, 4)), rng.integers(3, size=5)
    if targets:
        y = rng.dirichlet(np.ones(3), size=5)
    a, z = backprop.forward(X, W, None, None, output)
    ((layer, delta, below),) = backprop.backward(a, W, y, 0.5)
    assert layer == 0
    np.testing.assert_array_equal(below, X)
    h = 1e-6
    for i in np.ndindex(z.shape):
        up, down = z.copy(), z.copy()
        up[i] += h
        down[i] -= h
        out = backprop.softmax if output == "softmax" else lambda z: np.maximum(z, 0)
        slope = (
            backprop.losses(out(up), up, y, output) - backprop.losses(out(down), down, y, output)
        ).sum() / (2 * h)
        assert delta[i] == pytest.approx(0.5 * slope, abs=1e-8)


@pytest.mark.parametrize("bias", [False, True])
def test_gradients_of_a_batch_are_sums_over_its_samples(bias):
    rng = np.random.default_rng(0)
    W = [rng.normal(size=(4, 3)), rng.normal(size=(2, 4))]
    X, y = rng.random((5, 3)), rng.integers(2, size=5)

    def layers(rows):
        a, _ = backprop.forward(X[rows], W, None, None, "softmax")
        return backprop.backward(a, W, y[rows], 1)

    whole = backprop.gradients(layers(slice(None)), W, bias, 0.1)
    single = [backprop.gradients(layers([i]), W, True, 0.0) for i in range(5)]
    squares = [np.ones_like(w) for w in W]
    backprop.add_squares(squares, layers(slice(None)), 0.5, None)
    assert (whole.biases is None) != bias
    for i, w in enumerate(W):
        np.testing.assert_allclose(whole.weights[i], sum(g.weights[i] for g in single) + 0.1 * w)
        if bias:
            np.testing.assert_allclose(whole.biases[i], sum(g.biases[i] for g in single))
        np.testing.assert_allclose(squares[i], 1 + 0.5 * sum(g.weights[i] ** 2 for g in single))


def test_squares_where_activations_are_scaled():
    """As of the same network with the scale of each layer in the weights above it."""
    rng = np.random.default_rng(0)
    W = [rng.normal(size=shape) for shape in ((6, 3), (5, 6), (2, 5))]
    X, y, scales = rng.random((4, 3)), rng.integers(2, size=4), [0.5, 0.25]
    into = [1.0, *scales]
    scaled = [scale * w for scale, w in zip(into, W, strict=True)]
    expected = [np.zeros_like(w) for w in W]
    for i in range(4):
        a, _ = backprop.forward(X[[i]], scaled, None, None, "softmax")
        single = backprop.gradients(backprop.backward(a, scaled, y[[i]], 1), scaled, False, 0.0)
        for total, scale, g in zip(expected, into, single.weights, strict=True):
            total += 0.5 * (scale * g) ** 2
    squares = [np.zeros_like(w) for w in W]
    a, _ = backprop.forward(X, W, None, scales, "softmax")
    backprop.add_squares(squares, backprop.backward(a, W, y, 1), 0.5, scales)
    for square, total in zip(squares, expected, strict=True):
        assert total.any()
        np.testing.assert_allclose(square, total)


def test_scales_and_biases():
    W = [np.array([[1.0], [-1.0]]), np.array([[1.0, 1.0]])]
    b = [np.array([0.5, 0.25]), np.array([-1.0])]
    a, z = backprop.forward(np.array([[2.0]]), W, b, [0.5], "relu")
    np.testing.assert_allclose(a[1], [[1.25, 0.0]])
    np.testing.assert_allclose(z, [[0.25]])


def test_backward_through_inverted_dropout():
    """What scaled the kept units scales their deltas as well; a unit that was cut has none."""
    rng = np.random.default_rng(1)
    W = [rng.random((4, 3)), rng.random((2, 4))]
    masks = [np.array([[2.0, 0.0, 2.0, 2.0]])]  # one of two kept
    a, _ = backprop.forward(np.ones((1, 3)), W, None, masks, "relu")
    y = np.array([[0.5, 0.25]])
    deltas = {layer: d for layer, d, _ in backprop.backward(a, W, y, 1.0, kept_scale=2.0)}
    np.testing.assert_allclose(deltas[0], (deltas[1] @ W[1]) * masks[0])
