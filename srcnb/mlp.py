"""The network awake: a multi-layer perceptron with hand-written backprop and momentum SGD.

Sizes n_0 … n_L; weights W_l of shape (n_l, n_{l-1}) = (post, pre), as in the paper and in both
earlier implementations (called *matlab* and *torch* throughout, see the README).
"""

import copy
from typing import NamedTuple

import numpy as np

from srcnb.checks import (
    check_array,
    check_choice,
    check_dtype,
    check_int,
    check_labels,
    check_list,
    check_real,
    check_rng,
    check_weights,
    check_width,
)

# Rows of one chunk when a whole data set goes through the network: bounds the memory of predict().
CHUNK = 2048
# A weight matrix above this many elements is updated a block of rows at a time, so that the
# gradient is still in cache when the momentum needs it (30 against 36 ms at 4000 x 4000).
BLOCK_ELEMENTS = 1 << 21


class Gradients(NamedTuple):
    """Gradients of one batch: lists over layers 1 … L, shaped like ``net.weights``, ``net.biases``.

    ``biases`` is None for a network without biases.
    """

    weights: list
    biases: list | None


class MLP:
    """A multi-layer perceptron with relu hidden layers, trained by minibatch SGD with momentum.

    Parameters
    ----------
    layer_sizes : sequence of int
        n_0 … n_L: inputs, hidden layers, classes.
    bias : bool
        Whether the layers have biases. Neither published protocol has them.
    dropout : float in [0, 1)
        Probability that a hidden unit is dropped in a training batch.
    output : "softmax" | "relu"
        "softmax" is trained on the cross-entropy (torch). "relu" is trained as matlab does it, with
        the gradient (a - y) at the output *without* the relu's derivative: the exact gradient of
        Σ ½·relu(z)² - y·z, which pulls a silent output of the right class up.
    dtype : "float32" | "float64"
    init : "torch" | "matlab" | float
        Initial weights are uniform in ±1/sqrt(fan_in) ("torch", biases alike), in ±0.01
        ("matlab"), or in ± the given number. With the last two biases start at 0.
    inverted_dropout : bool
        True (torch): kept units are scaled by 1/(1 - dropout) in training. False (matlab): they
        are not, and hidden activations are scaled by (1 - dropout) at test time instead.
    l2 : float >= 0
        Weight decay: adds l2·W to the gradient of each weight matrix (not of the biases).
    random_state : None, int, SeedSequence or Generator
        Source of the initial weights, the order of the samples and the dropout masks.

    Attributes
    ----------
    weights : list of (n_l, n_{l-1}) arrays, layers 1 … L
    biases : list of (n_l,) arrays, or None
    """

    def __init__(
        self,
        layer_sizes,
        *,
        bias=False,
        dropout=0.0,
        output="softmax",
        dtype="float32",
        init="torch",
        inverted_dropout=True,
        l2=0.0,
        random_state=None,
    ):
        sizes = tuple(
            check_int("layer_sizes", n, low=1) for n in check_list("layer_sizes", layer_sizes)
        )
        if len(sizes) < 2:
            raise ValueError(f"layer_sizes must name inputs and outputs, got {layer_sizes!r}")
        self.dropout = check_real("dropout", dropout, 0, 1, high_open=True)
        self.output = check_choice("output", output, ("softmax", "relu"))
        self.inverted_dropout = bool(inverted_dropout)
        self.l2 = check_real("l2", l2, 0)
        self._rng = check_rng("random_state", random_state)
        dtype = check_dtype("dtype", dtype)

        def uniform(bound, *shape):
            return self._rng.uniform(-bound, bound, shape).astype(dtype)

        if isinstance(init, str):
            check_choice("init", init, ("torch", "matlab"))
        else:
            check_real("init", init, 0)
        bounds = [
            1 / np.sqrt(n) if init == "torch" else 0.01 if init == "matlab" else float(init)
            for n in sizes[:-1]
        ]
        self.weights = [
            uniform(bound, n_post, n_pre)
            for bound, n_pre, n_post in zip(bounds, sizes[:-1], sizes[1:], strict=True)
        ]
        self.biases = None
        if bias:
            self.biases = [
                uniform(bound if init == "torch" else 0.0, n)
                for bound, n in zip(bounds, sizes[1:], strict=True)
            ]
        self._velocity = None

    @classmethod
    def from_arrays(cls, weights, biases=None, **options):
        """A network with the given weights, copied: from scikit-learn, PyTorch or anywhere.

        ``weights`` is a list of (n_l, n_{l-1}) arrays, all float32 or all float64 (scikit-learn's
        ``coefs_`` are the transposes), ``biases`` a list of (n_l,) arrays or None; ``options`` are
        those of the constructor (output, dropout, …) that do not follow from the arrays.
        Raises TypeError for mixed dtypes and ValueError for shapes that do not chain or values
        that are not finite.
        """
        weights = check_weights("weights", weights)
        for taken in ("bias", "dtype", "init"):
            if taken in options:
                raise TypeError(f"{taken} follows from the arrays, got {options[taken]!r}")
        if biases is not None:
            biases = [
                check_array(f"biases[{i}]", b, 1)
                for i, b in enumerate(check_list("biases", biases))
            ]
            if [len(b) for b in biases] != [len(w) for w in weights]:
                raise ValueError(
                    f"biases must have lengths {[len(w) for w in weights]},"
                    f" got {[len(b) for b in biases]}"
                )
        net = cls((weights[0].shape[1], len(weights[0])), dtype=weights[0].dtype, **options)
        net.weights = [w.copy() for w in weights]
        if biases is not None:
            net.biases = [b.astype(net.dtype) for b in biases]
        return net

    @property
    def layer_sizes(self):
        """(n_0, …, n_L)."""
        return (self.weights[0].shape[1], *(len(w) for w in self.weights))

    @property
    def dtype(self):
        """The dtype of weights and activations."""
        return self.weights[0].dtype

    def copy(self):
        """An independent copy, momentum and random state included."""
        return self.with_weights([w.copy() for w in self.weights])

    def with_weights(self, weights):
        """A copy of this network with other weights, which it takes over without copying them.

        Everything else, momentum and random state included, is as here.
        """
        net = copy.copy(self)
        net._rng = copy.deepcopy(self._rng)
        net.weights = list(weights)
        if self.biases is not None:
            net.biases = [b.copy() for b in self.biases]
        return net  # fit() never writes to a velocity that it finds, so that may be shared

    def __repr__(self):
        return (
            f"MLP({self.layer_sizes}, bias={self.biases is not None}, dropout={self.dropout},"
            f" output={self.output!r}, dtype='{self.dtype}')"
        )

    # ------------------------------------------------------------------ forward

    def activations(self, X):
        """Activations of layers 1 … L at test time (dropout off), after the activation function.

        ``X`` is array-like of shape (n, n_0); returns a list of (n, n_l) arrays. Without inverted
        dropout hidden activations are scaled by (1 - dropout), as matlab does.
        """
        return self._forward(self._check_X(X), self._test_scales())[1:]

    def predict(self, X):
        """The class with the largest output for each row of ``X`` (n, n_0): (n,) ints."""
        X = self._check_X(X)
        labels = np.empty(len(X), dtype=np.int64)
        for start in range(0, len(X), CHUNK):
            rows = slice(start, start + CHUNK)
            out = self._forward(X[rows], self._test_scales())[-1]
            labels[rows] = out.argmax(axis=1)
        return labels

    def loss(self, X, y, masks=None):
        """The mean over a batch of the loss that ``gradients`` differentiates, L2 term included.

        Cross-entropy for "softmax"; Σ ½·relu(z)² - y·z for "relu". With ``masks`` as in
        :meth:`gradients`.
        """
        X, y, masks = self._check_batch(X, y, masks)
        out, z = self._forward(X, masks, with_z=True)
        z_true = z[np.arange(len(y)), y] if y.ndim == 1 else (y * z).sum(axis=1)
        if self.output == "softmax":
            top = z.max(axis=1)
            per_sample = top + np.log(np.exp(z - top[:, None]).sum(axis=1)) - z_true
        else:
            per_sample = 0.5 * (out[-1] ** 2).sum(axis=1) - z_true
        penalty = sum(0.5 * self.l2 * (w**2).sum() for w in self.weights)
        return float(per_sample.mean() + penalty)

    def _test_scales(self):
        """What the hidden layers are multiplied by at test time."""
        if self.dropout and not self.inverted_dropout:
            return [self.dtype.type(1 - self.dropout)] * (len(self.weights) - 1)
        return None

    def _forward(self, X, scales, with_z=False):
        """[X, a_1, …, a_L]; hidden a_l times scales[l - 1]. With z also the last layer's input."""
        a = [X]
        last = len(self.weights) - 1
        for layer, W in enumerate(self.weights):
            z = a[-1] @ W.T
            if self.biases is not None:
                z += self.biases[layer]
            if layer == last:
                break
            np.maximum(z, 0, out=z)
            if scales is not None:
                z *= scales[layer]
            a.append(z)
        a.append(_softmax(z) if self.output == "softmax" else np.maximum(z, 0))
        return (a, z) if with_z else a

    # ------------------------------------------------------------------ backward

    def gradients(self, X, y, masks=None):
        """Gradients of one batch by backprop: ``Gradients(weights, biases)``.

        Parameters
        ----------
        X : array-like of shape (n, n_0)
        y : array-like of shape (n,), labels in 0 … n_L - 1; or targets of shape (n, n_L), which
            for "softmax" must sum to 1 in each row
        masks : list over the hidden layers of bool (n, n_l) arrays, or None
            The units that dropout keeps. None: dropout off, and no scaling either.

        Mean over the batch, L2 term included. See ``output`` in the class for the loss.
        """
        X, y, masks = self._check_batch(X, y, masks)
        d_weights = [None] * len(self.weights)
        d_biases = [None] * len(self.weights)
        for layer, delta, a_pre in self._backward(X, y, masks, 1 / len(X)):
            d_weights[layer] = delta.T @ a_pre
            if self.l2:
                d_weights[layer] += self.dtype.type(self.l2) * self.weights[layer]
            d_biases[layer] = delta.sum(axis=0)
        return Gradients(d_weights, None if self.biases is None else d_biases)

    def squared_gradients(self, X, y):
        """The mean over the samples of each one's own gradient, squared element by element.

        ``X`` and ``y`` as in :meth:`gradients`; returns a list of arrays like ``weights``. Taken at
        test time (dropout off, activations scaled as in :meth:`activations`), without the L2 term.
        No sample's gradient is ever formed: squared, it is δ² times the squared activations below.
        """
        X, y, _ = self._check_batch(X, y, None)
        scales = self._test_scales()
        squares = [np.zeros_like(w) for w in self.weights]
        for start in range(0, len(X), CHUNK):
            rows = slice(start, start + CHUNK)
            factor = 1 / len(X)
            for layer, delta, a_pre in self._backward(X[rows], y[rows], scales, 1):
                squares[layer] += (factor * delta**2).T @ a_pre**2
                if scales is not None and layer:
                    # _backward leaves a scale without inverted dropout out of the deltas below.
                    factor *= scales[layer - 1] ** 2
        return squares

    def _backward(self, X, y, masks, scale):
        """Yield (layer, scale · ∂loss/∂z, activations below) from the last layer to the first.

        The caller may change a layer's weights as soon as it gets them: the delta of the layer
        below is already known.
        """
        a = self._forward(X, masks)
        delta = a.pop()
        if y.ndim == 1:
            delta[np.arange(len(y)), y] -= 1
        else:
            delta -= y
        delta *= self.dtype.type(scale)
        for layer in range(len(self.weights) - 1, -1, -1):
            a_pre = a.pop()
            below = None
            if layer:
                below = delta @ self.weights[layer]
                # The relu's derivative; where dropout cut a unit its activation is 0 as well.
                below *= a_pre > 0
                if self.dropout and masks is not None and self.inverted_dropout:
                    below *= self.dtype.type(1 / (1 - self.dropout))
            yield layer, delta, a_pre
            delta = below

    # ------------------------------------------------------------------ training

    def fit(
        self,
        X,
        y,
        epochs=2,
        batch_size=100,
        learning_rate=0.1,
        momentum=0.5,
        reset_momentum=True,
        regularizer=None,
    ):
        """Train by minibatch SGD; a second call goes on where the first stopped.

        v = momentum·v + learning_rate·gradient, W -= v. Samples are visited in a new random order
        in every epoch; a last partial batch is used.

        Parameters
        ----------
        X : array-like of shape (n, n_0)
        y : array-like of shape (n,), labels in 0 … n_L - 1; or targets of shape (n, n_L)
        epochs, batch_size : int
        learning_rate : float > 0
        momentum : float in [0, 1)
        reset_momentum : bool
            Start with v = 0 (torch: a new optimizer for each task) or with the v that the last
            call left (matlab).
        regularizer : object or None
            Keeps weights near where they were (EWC, SI). ``pull(layer, rows, w)`` is added to the
            gradient of ``weights[layer][rows]``, which is w; ``moved(layer, rows, gradient,
            change)`` is told after each batch the loss's own gradient and the change of w.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For data that are not finite, of another width, or labelled outside the classes.
        OverflowError
            If the training diverges to weights that are not finite.
        """
        check_weights("weights", self.weights)
        X, y, _ = self._check_batch(X, y, None)
        epochs = check_int("epochs", epochs)
        batch_size = check_int("batch_size", batch_size, low=1)
        learning_rate = check_real("learning_rate", learning_rate, 0, low_open=True)
        momentum = check_real("momentum", momentum, 0, 1, high_open=True)
        if reset_momentum or self._velocity is None:
            self._velocity = [np.zeros_like(p) for p in self._parameters()]
        else:
            self._velocity = [v.copy() for v in self._velocity]
        before = [p.copy() for p in self._parameters()]
        buffer = np.empty(max(_block_rows(w) * w.shape[1] for w in self.weights), self.dtype)
        # A diverging run is reported once, below, not by NumPy at every batch.
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(epochs):
                order = self._rng.permutation(len(X))
                for start in range(0, len(X), batch_size):
                    batch = order[start : start + batch_size]
                    self._sgd_step(X[batch], y[batch], learning_rate, momentum, buffer, regularizer)
        if not all(np.isfinite(p).all() for p in self._parameters()):
            for parameter, kept in zip(self._parameters(), before, strict=True):
                parameter[:] = kept
            raise OverflowError(
                f"training diverged at {learning_rate=}; the weights are as they were before it"
            )
        return self

    def _sgd_step(self, X, y, rate, momentum, buffer, regularizer):
        masks = self._draw_masks(len(X)) if self.dropout else None
        momentum = self.dtype.type(momentum)
        shrink = self.dtype.type(rate * self.l2)
        n_layers = len(self.weights)
        # The learning rate goes into the small deltas, not into the large gradients.
        for layer, delta, a_pre in self._backward(X, y, masks, rate / len(X)):
            W, V = self.weights[layer], self._velocity[layer]
            step = _block_rows(W)
            for start in range(0, len(W), step):
                rows = slice(start, start + step)
                w, v = W[rows], V[rows]
                gradient = buffer[: w.size].reshape(w.shape)
                np.matmul(delta[:, rows].T, a_pre, out=gradient)
                v *= momentum
                v += gradient
                if self.l2:
                    v += shrink * w
                if regularizer is not None:
                    v += self.dtype.type(rate) * regularizer.pull(layer, rows, w)
                w -= v
                if regularizer is not None:
                    regularizer.moved(layer, rows, gradient / self.dtype.type(rate), -v)
            if self.biases is not None:
                v = self._velocity[n_layers + layer]
                v *= momentum
                v += delta.sum(axis=0)
                self.biases[layer] -= v

    def _draw_masks(self, n):
        """Dropout masks of the hidden layers, scaled where dropout is inverted."""
        keep = self.dtype.type(1 / (1 - self.dropout) if self.inverted_dropout else 1)
        return [
            (self._rng.random((n, len(w)), dtype=np.float32) >= self.dropout) * keep
            for w in self.weights[:-1]
        ]

    def _parameters(self):
        return self.weights + (self.biases or [])

    # ------------------------------------------------------------------ checks

    def _check_X(self, X):
        X = check_array("X", X, 2, self.dtype)
        check_width("X", X, self.weights[0].shape[1])
        return X

    def _check_batch(self, X, y, masks):
        X = self._check_X(X)
        if not len(X):
            raise ValueError(f"X must hold at least one sample, got shape {X.shape}")
        n_outputs = len(self.weights[-1])
        if np.ndim(y) == 2:
            y = check_array("y", y, 2, self.dtype)
            if y.shape != (len(X), n_outputs):
                raise ValueError(f"y must have shape {(len(X), n_outputs)}, got {y.shape}")
            if self.output == "softmax" and not np.allclose(y.sum(axis=1), 1, atol=1e-3):
                raise ValueError("y must sum to 1 in each row, as the output is a softmax")
        else:
            y = check_labels("y", y, len(X), n_outputs)
        if masks is not None:
            shapes = [(len(X), len(w)) for w in self.weights[:-1]]
            masks = [np.asarray(m) for m in check_list("masks", masks)]
            if [m.shape for m in masks] != shapes:
                raise ValueError(f"masks must have shapes {shapes}, got {[m.shape for m in masks]}")
            keep = 1 / (1 - self.dropout) if self.inverted_dropout else 1
            masks = [m.astype(self.dtype) * self.dtype.type(keep) for m in masks]
        return X, y, masks


def _softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    e /= e.sum(axis=1, keepdims=True)
    return e


def _block_rows(W):
    """Rows of W that are updated at once: all of them, unless W is too large for the cache."""
    return min(len(W), max(1, BLOCK_ELEMENTS // W.shape[1]))
