"""Minibatch SGD with momentum, on arrays: what MLP.fit does with each batch's gradients."""

from collections.abc import Iterator
from math import ceil
from typing import Any, Protocol

import numpy as np

from srcnb.validation import Array, check_in_dtype, check_int, check_real

# A weight matrix above this many elements is updated a block of rows at a time, so that the
# gradient is still in cache when the momentum needs it (30 against 36 ms at 4000 x 4000).
BLOCK_ELEMENTS = 1 << 21


class Regularizer(Protocol):
    """Keeps weights near where they were (EWC, SI): what MLP.fit calls in each batch."""

    def pull(self, layer: int, rows: slice, w: Array) -> Array:
        """What is added to the loss's gradient of ``weights[layer][rows]``, which is ``w``."""

    def moved(self, layer: int, rows: slice, gradient: Array, change: Array) -> None:
        """Told after each batch the loss's own gradient of these rows, and their change."""


class Update:
    """One learning rate, momentum, weight decay and regularizer, applied to layer after layer.

    v = momentum·v + learning_rate·gradient, W -= v, a block of rows at a time.

    Parameters
    ----------
    weights : list over layers 1 … L of the (n_l, n_{l-1}) arrays that will be updated
    learning_rate : float > 0
    momentum : float in [0, 1)
    l2 : float
    regularizer : Regularizer or None
    block_elements : int
        Weights that are updated at once.
    """

    def __init__(
        self,
        weights: list[Array],
        learning_rate: float,
        momentum: float,
        l2: float,
        regularizer: Regularizer | None,
        block_elements: int = BLOCK_ELEMENTS,
    ) -> None:
        self.dtype = weights[0].dtype
        learning_rate = check_real("learning_rate", learning_rate, 0, low_open=True)
        self.learning_rate = check_in_dtype("learning_rate", learning_rate, self.dtype)
        self.momentum = self.dtype.type(check_real("momentum", momentum, 0, 1, high_open=True))
        self.shrink = self.dtype.type(self.learning_rate * l2)
        self.regularizer = regularizer
        self.block_elements = block_elements
        rows = [self._block_rows(W) * W.shape[1] for W in weights]
        self._buffer = np.empty(max(rows), self.dtype)

    def weights(self, layer: int, W: Array, V: Array, delta: Array, a_pre: Array) -> None:
        """Update one layer's W and its velocity V in place.

        The gradient is deltaᵀ·a_pre, ``delta`` (n, n_l) with the learning rate in it, as that is
        smaller than the gradient, ``a_pre`` (n, n_{l-1}).
        """
        step = self._block_rows(W)
        for start in range(0, len(W), step):
            rows = slice(start, start + step)
            w, v = W[rows], V[rows]
            gradient = self._buffer[: w.size].reshape(w.shape)
            np.matmul(delta[:, rows].T, a_pre, out=gradient)
            v *= self.momentum
            v += gradient
            if self.shrink:
                v += self.shrink * w
            if self.regularizer is not None:
                rate = self.dtype.type(self.learning_rate)
                v += rate * self.regularizer.pull(layer, rows, w)
            w -= v
            if self.regularizer is not None:
                self.regularizer.moved(layer, rows, gradient / rate, -v)

    def parameter(self, p: Array, v: Array, gradient: Array) -> None:
        """Update any other parameter and its velocity in place; the rate is in ``gradient``."""
        v *= self.momentum
        v += gradient
        p -= v

    def _block_rows(self, W: Array) -> int:
        """Rows of W that are updated at once: all of them, unless W is too large for the cache."""
        return int(min(len(W), max(1, self.block_elements // W.shape[1])))


def check_batch_size(batch_size: Any, n: int) -> int:
    """Return ``batch_size`` as a number of samples; a float in (0, 1) is a share of ``n``."""
    if isinstance(batch_size, (float, np.floating)):
        share = check_real("batch_size", batch_size, 0, 1, low_open=True, high_open=True)
        return ceil(round(n * share, 9)) or 1  # 0.07 of 100 is 7.000000000000001
    return check_int("batch_size", batch_size, low=1)


def batches(n: int, epochs: int, batch_size: int, rng: np.random.Generator) -> Iterator[Array]:
    """Yield the samples of each batch, (batch_size,) int64: a new random order in every epoch.

    A last partial batch is used.
    """
    for _ in range(epochs):
        order = rng.permutation(n)
        for start in range(0, n, batch_size):
            yield order[start : start + batch_size]
