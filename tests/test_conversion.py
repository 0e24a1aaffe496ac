"""From activations to gains α."""

import numpy as np
import pytest

import srcnb
from srcnb.mlp import BATCH_ROWS


def test_alpha_factors_by_hand():
    W = [np.array([[0.5, -1.0], [2.0, 0.0]]), np.array([[0.25, 0.5]])]
    net = srcnb.MLP.from_arrays(W, output="relu")
    X = np.array([[1.0, 0.0], [0.5, 0.5]])
    # Activations: layer 1 [[0.5, 2], [0, 1]], layer 2 [[1.125], [0.5]]; largest weights 2, 0.5.
    np.testing.assert_allclose(srcnb.alpha_factors(net, X, "diehl"), [1 / 2, 2 / 1.125])
    np.testing.assert_allclose(srcnb.alpha_factors(net, X, "paper"), [1 / 2, 2 / 1.125])
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
        srcnb.alpha_factors(net, X, "paper"), [1 / s1, s1 / s2, s2 / s1 / s3]
    )


@pytest.mark.parametrize("percentile", [0.5, 50, 99, 99.9, 100])
def test_percentile_form_is_numpys_percentile(percentile):
    """Also over more samples than go through the network at once."""
    net = srcnb.MLP((6, 20, 15, 3), init=0.9, dtype="float64", random_state=3, output="softmax")
    X = np.random.default_rng(0).random((2 * BATCH_ROWS + 103, 6))
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
