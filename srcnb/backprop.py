"""Forward pass and backprop of a multi-layer perceptron, written by hand: pure functions on arrays.

Layers 1 … L with weights W_l (n_l, n_{l-1}), relu on the hidden ones; z are inputs of an activation
function, a what comes out of it, both (n, n_l), with a_0 = X. The losses, summed over a sample's
outputs, are the cross-entropy for "softmax" and Σ ½·relu(z)² - y·z for "relu" (the paper). Both
have the gradient a_L - y at z_L.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from srcnb.validation import Array, check_choice

OUTPUTS = ("softmax", "relu")


class Gradients(NamedTuple):
    """Gradients of one batch: lists over layers 1 … L, shaped like ``net.weights``, ``net.biases``.

    ``biases`` is None for a network without biases.
    """

    weights: list[Any]
    biases: list[Array] | None


def softmax(z: Array) -> Array:
    """e^z over its sum in each row, (n, n_L)."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    e /= e.sum(axis=1, keepdims=True)
    return np.asarray(e)


def forward(
    X: Array,
    weights: Sequence[Any],
    biases: Sequence[Array] | None,
    scales: Sequence[Any] | None,
    output: str,
) -> tuple[list[Array], Array]:
    """([X, a_1, …, a_L], logits); the hidden a_l are multiplied by scales[l - 1].

    ``scales`` are dropout masks, (n, n_l), or numbers. The logits are z_L.
    """
    a = [X]
    z = X
    for layer, W in enumerate(weights):
        z = a[-1] @ W.T
        if biases is not None:
            z += biases[layer]
        if layer == len(weights) - 1:
            break
        np.maximum(z, 0, out=z)
        if scales is not None:
            z *= scales[layer]
        a.append(z)
    check_choice("output", output, OUTPUTS)
    a.append(softmax(z) if output == "softmax" else np.maximum(z, 0))
    return a, z


def losses(out: Array, z: Array, y: Array, output: str) -> Array:
    """The loss of each sample, (n,), from a_L, z_L and y: labels (n,) or targets (n, n_L)."""
    z_true = z[np.arange(len(y)), y] if y.ndim == 1 else (y * z).sum(axis=1)
    if output == "softmax":
        top = z.max(axis=1)
        return np.asarray(top + np.log(np.exp(z - top[:, None]).sum(axis=1)) - z_true)
    return np.asarray(0.5 * (out**2).sum(axis=1) - z_true)


def backward(
    a: list[Array], weights: Sequence[Any], y: Array, scale: float, kept_scale: Any = None
) -> Iterator[tuple[int, Array, Array]]:
    """Yield (layer, scale · ∂loss/∂z, activations below) from the last layer to the first.

    ``a`` is the list of :func:`forward`, which is used up and changed; ``kept_scale`` what inverted
    dropout multiplied the kept hidden units by, or None. ``layer`` counts from 0. The caller may
    change a layer's weights as soon as it gets them: the delta of the layer below is known by then.
    """
    delta = a.pop()
    if y.ndim == 1:
        delta[np.arange(len(y)), y] -= 1
    else:
        delta -= y
    delta *= delta.dtype.type(scale)
    for layer in range(len(weights) - 1, -1, -1):
        a_pre = a.pop()
        below = delta
        if layer:
            below = delta @ weights[layer]
            # The relu's derivative; where dropout cut a unit its activation is 0 as well.
            below *= a_pre > 0
            if kept_scale is not None:
                below *= kept_scale
        yield layer, delta, a_pre
        delta = below


def gradients(
    layers: Iterable[tuple[int, Array, Array]], weights: Sequence[Array], bias: bool, l2: float
) -> Gradients:
    """The gradients of a batch from ``layers``, as of :func:`backward`, with l2·W in them."""
    d_weights: list[Any] = [None] * len(weights)
    d_biases: list[Any] = [None] * len(weights)
    for layer, delta, a_pre in layers:
        d_weights[layer] = delta.T @ a_pre
        if l2:
            d_weights[layer] += delta.dtype.type(l2) * weights[layer]
        d_biases[layer] = delta.sum(axis=0)
    return Gradients(d_weights, d_biases if bias else None)


def add_squares(
    squares: list[Array],
    layers: Iterable[tuple[int, Array, Array]],
    factor: float,
    scales: Sequence[Any] | None,
) -> None:
    """Add ``factor`` · Σ over samples of each one's squared gradient to ``squares``, in place.

    ``squares`` are arrays like the weights, ``layers`` comes from :func:`backward` with scale 1,
    and ``scales`` are the numbers that :func:`forward` multiplied the hidden activations by.
    """
    for layer, delta, a_pre in layers:
        squares[layer] += (factor * delta**2).T @ a_pre**2
        if scales is not None and layer:
            # backward leaves a scale without inverted dropout out of the deltas below.
            factor *= scales[layer - 1] ** 2
