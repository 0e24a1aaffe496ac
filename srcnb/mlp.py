"""The network awake: a multi-layer perceptron with hand-written backprop and momentum SGD.

Sizes n_0 … n_L; weights W_l of shape (n_l, n_{l-1}) = (post, pre), as in both earlier
implementations: the paper's (its authors' MATLAB code) and the replica (in PyTorch).
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from srcnb import sgd
from srcnb.backprop import OUTPUTS, Gradients, add_squares, backward, forward, gradients, losses
from srcnb.initial import check_layer_sizes, initial_layers
from srcnb.io import PathLike, generator_state, write_network
from srcnb.validation import (
    Array,
    ArrayLike,
    RandomState,
    check_activations,
    check_bool,
    check_choice,
    check_dtype,
    check_in_dtype,
    check_inputs,
    check_int,
    check_labels_or_targets,
    check_list,
    check_masks,
    check_memory,
    check_methods,
    check_real,
    check_rng,
    check_samples,
    check_vectors,
    check_weights,
)

# Samples of one batch when a whole data set goes through the network: bounds the memory needed.
BATCH_ROWS = 2048

Network = TypeVar("Network", bound="MLP")


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
        "softmax" is trained on the cross-entropy (the replica). "relu" is trained as in the paper,
        with the gradient (a - y) at the output *without* the relu's derivative: the exact gradient
        of Σ ½·relu(z)² - y·z, which pulls a silent output of the right class up.
    dtype : "float32" | "float64"
    init : "fan_in" | "large_hidden" | float >= 0
        "fan_in" (the replica): weights and biases uniform in ±1/sqrt(n_{l-1}). "large_hidden":
        twice that, in the output layer 0.2 times. A number (paper: 0.01): weights in ± it, b = 0.
    inverted_dropout : bool
        True (the replica): kept units are scaled by 1/(1 - dropout) in training. False (the paper):
        they are not, and hidden activations are scaled by (1 - dropout) at test time instead.
    l2 : float >= 0
        Weight decay: adds l2·W to the gradient of each weight matrix (not of the biases).
    random_state : None, int, SeedSequence or Generator
        Source of the initial weights, the order of the samples and the dropout masks.

    Attributes
    ----------
    weights : list of (n_l, n_{l-1}) arrays, layers 1 … L
    biases : list of (n_l,) arrays, or None
    """

    _kind = "MLP"  # what files call it: each class that can be saved has its own

    def __init__(
        self,
        layer_sizes: Sequence[int],
        *,
        bias: bool = False,
        dropout: float = 0.0,
        output: str = "softmax",
        dtype: Any = "float32",
        init: str | float = "fan_in",
        inverted_dropout: bool = True,
        l2: float = 0.0,
        random_state: RandomState = None,
    ) -> None:
        dtype = check_dtype("dtype", dtype)
        sizes = check_layer_sizes("layer_sizes", layer_sizes, dtype)
        self.dropout = check_real("dropout", dropout, 0, 1, high_open=True)
        self.output = check_choice("output", output, OUTPUTS)
        self.inverted_dropout = check_bool("inverted_dropout", inverted_dropout)
        bias = check_bool("bias", bias)
        self.l2 = check_in_dtype("l2", check_real("l2", l2, 0), dtype)
        self._rng = check_rng("random_state", random_state)
        self.weights, self.biases = initial_layers(sizes, bias, init, dtype, self._rng)
        self._velocity: list[Array] | None = None

    @classmethod
    def from_arrays(
        cls: type[Network], weights: Any, biases: Any = None, **options: Any
    ) -> Network:
        """A network with the given weights, copied: from PyTorch or anywhere.

        ``weights`` is a list of (n_l, n_{l-1}) arrays, all float32 or all float64 (scikit-learn's
        go through srcnb.from_sklearn), ``biases`` a list of (n_l,) arrays or None; ``options`` are
        those of the constructor (output, dropout, …) that do not follow from the arrays.
        Raises TypeError for mixed dtypes and ValueError for shapes that do not chain or values
        that are not finite.
        """
        weights = check_weights("weights", weights)
        for taken in ("bias", "dtype", "init"):
            if taken in options:
                raise TypeError(f"{taken} follows from the arrays, got {options[taken]!r}")
        net = cls((weights[0].shape[1], len(weights[0])), dtype=weights[0].dtype, **options)
        net.weights = [w.copy() for w in weights]
        if biases is not None:
            vectors = check_vectors("biases", biases, [len(w) for w in weights], net.dtype)
            net.biases = [b.copy() for b in vectors]
        return net

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """(n_0, …, n_L)."""
        return (self.weights[0].shape[1], *(len(w) for w in self.weights))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of weights and activations."""
        dtype: np.dtype[Any] = self.weights[0].dtype
        return dtype

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of the constructor that do not follow from the arrays."""
        names = ("dropout", "output", "inverted_dropout", "l2")
        return {name: getattr(self, name) for name in names}

    def copy(self) -> "MLP":
        """An independent copy, momentum and random state included."""
        return self.with_weights([w.copy() for w in self.weights])

    def with_weights(self, weights: Sequence[Any]) -> "MLP":
        """A copy of this network with other weights, which it takes over without copying them.

        Everything else, momentum and random state included, is as here.
        """
        weights = check_list("weights", weights)
        if len(weights) != len(self.weights):
            raise ValueError(f"weights must be of {len(self.weights)} layers, got {len(weights)}")
        net = copy.copy(self)
        net._rng = copy.deepcopy(self._rng)
        net.weights = weights
        if self.biases is not None:
            net.biases = [b.copy() for b in self.biases]
        return net  # fit() never writes to a velocity that it finds, so that may be shared

    def __repr__(self) -> str:
        return (
            f"MLP({self.layer_sizes}, bias={self.biases is not None}, dropout={self.dropout},"
            f" output={self.output!r}, dtype='{self.dtype}')"
        )

    def save(self, path: PathLike, state: bool = False) -> None:
        """Write the network to a file of NumPy's .npz format, which ``srcnb.load`` reads.

        Raises TypeError for a subclass of your own, which ``load`` could not make again.

        Parameters
        ----------
        path : written to a temporary name first, then renamed, so that it is whole or as it was;
            its name must not end with ".safetensors", which ``load`` takes for another format
        state : bool
            Whether momentum and random state are kept as well: then the loaded network trains on as
            this one would have, to the last bit.
        """
        if "_kind" not in vars(type(self)):
            arrays = "weights" if self._kind == "MLP" else "factors"
            raise TypeError(
                f"only an MLP or a LowRankMLP can be saved, got {type(self).__name__}: make one by"
                f" {self._kind}.from_arrays(net.{arrays}, net.biases, **net.options)"
            )
        header: dict[str, Any] = {
            "kind": self._kind,
            "n_layers": len(self.weights),
            "bias": self.biases is not None,
            "options": self.options,
        }
        if check_bool("state", state):
            header["random_state"] = generator_state("random_state", self._rng)
        write_network(path, header, self._parameters(), (self._velocity or ()) if state else ())

    def activations(self, X: ArrayLike) -> list[Array]:
        """Activations of layers 1 … L at test time (dropout off), after the activation function.

        ``X`` is array-like of shape (n, n_0); returns a list of (n, n_l) arrays. Without inverted
        dropout hidden activations are scaled by (1 - dropout), as in the paper.
        """
        return self._answer(self._check_X(X), self._test_scales())[0]

    def predict(self, X: ArrayLike) -> Array:
        """The class with the largest output for each row of ``X`` (n, n_0): (n,) int64."""
        X = self._check_X(X)
        labels = np.empty(len(X), dtype=np.int64)
        for rows, a, _ in self._batches(X):
            labels[rows] = a[-1].argmax(axis=1)
        return labels

    def logits(self, X: ArrayLike) -> Array:
        """The input of the output function for each row of ``X`` (n, n_0): (n, n_L), dropout off.

        They tell classes apart where the outputs cannot: of a sure network all but one softmax
        output may be exactly 0, and all relu outputs of a sample.
        """
        X = self._check_X(X)
        z = np.empty((len(X), len(self.weights[-1])), self.dtype)
        for rows, _, batch in self._batches(X):
            z[rows] = batch
        return z

    def batches(
        self, X: ArrayLike, batch_rows: int = BATCH_ROWS
    ) -> Iterator[tuple[slice, list[Array], Array]]:
        """Yield (rows, activations, logits) for ``batch_rows`` rows of ``X`` (n, n_0) at a time.

        ``rows`` is their slice, ``activations`` the list of (n_batch, n_l) arrays over layers
        1 … L that :meth:`activations` gives, ``logits`` (n_batch, n_L): what takes a large
        data set through the network without keeping all of its activations.
        """
        X = self._check_X(X)
        return self._batches(X, check_int("batch_rows", batch_rows, low=1))

    def _batches(
        self, X: Array, batch_rows: int = BATCH_ROWS
    ) -> Iterator[tuple[slice, list[Array], Array]]:
        for start in range(0, len(X), batch_rows):
            rows = slice(start, start + batch_rows)
            yield rows, *self._answer(X[rows], self._test_scales())

    def loss(self, X: ArrayLike, y: ArrayLike, masks: Any = None) -> float:
        """The mean over a batch of the loss that ``gradients`` differentiates, L2 term included.

        Cross-entropy for "softmax"; Σ ½·relu(z)² - y·z for "relu". With ``masks`` as in
        :meth:`gradients`.
        """
        X, y, masks = self._check_batch(X, y, masks)
        a, z = self._answer(X, masks)
        per_sample = losses(a[-1], z, y, self.output)
        penalty = sum(0.5 * self.l2 * (w**2).sum() for w in self.weights)
        return float(per_sample.mean() + penalty)

    def _answer(self, X: Array, scales: Sequence[Any] | None) -> tuple[list[Array], Array]:
        """(activations, logits), all of them finite."""
        with np.errstate(over="ignore", invalid="ignore"):
            a, z = self._forward(X, scales)
        check_activations([*a[1:-1], z])
        return a[1:], z

    def _test_scales(self) -> list[Any] | None:
        """What the hidden layers are multiplied by at test time."""
        if self.dropout and not self.inverted_dropout:
            return [self.dtype.type(1 - self.dropout)] * (len(self.weights) - 1)
        return None

    def _forward(self, X: Array, scales: Sequence[Any] | None) -> tuple[list[Array], Array]:
        return forward(X, self.weights, self.biases, scales, self.output)

    def gradients(self, X: ArrayLike, y: ArrayLike, masks: Any = None) -> Gradients:
        """Gradients of one batch by backprop: ``Gradients(weights, biases)``.

        Mean over the batch, L2 term included. See ``output`` in the class for the loss.

        Parameters
        ----------
        X : array-like of shape (n, n_0)
        y : array-like of shape (n,), labels in 0 … n_L - 1; or targets of shape (n, n_L), which
            for "softmax" must sum to 1 in each row
        masks : list over the hidden layers of bool (n, n_l) arrays, or None
            The units that dropout keeps. None: dropout off, and no scaling either.
        """
        X, y, masks = self._check_batch(X, y, masks)
        layers = self._backward(X, y, masks, 1 / len(X))
        return gradients(layers, self.weights, self.biases is not None, self.l2)

    def squared_gradients(self, X: ArrayLike, y: ArrayLike) -> list[Array]:
        """The mean over the samples of each one's own gradient, squared element by element.

        ``X`` and ``y`` as in :meth:`gradients`; returns a list of arrays like ``weights``. Taken at
        test time (dropout off, activations scaled as in :meth:`activations`), without the L2 term.
        No sample's gradient is ever formed: squared, it is δ² times the squared activations below.
        """
        X, y, _ = self._check_batch(X, y, None)
        squares = [np.zeros_like(w) for w in self.weights]
        for rows, a, _ in self._batches(X):
            layers = backward([X[rows], *a], self.weights, y[rows], 1)
            add_squares(squares, layers, 1 / len(X), self._test_scales())
        return squares

    def _backward(
        self, X: Array, y: Array, masks: Sequence[Any] | None, scale: float
    ) -> Iterator[tuple[int, Array, Array]]:
        a, _ = self._forward(X, masks)
        inverted = self.dropout and masks is not None and self.inverted_dropout
        return backward(a, self.weights, y, scale, self._kept_scale if inverted else None)

    def fit(
        self: Network,
        X: ArrayLike,
        y: ArrayLike,
        epochs: int = 2,
        batch_size: int | float = 100,
        learning_rate: float = 0.1,
        momentum: float = 0.5,
        reset_momentum: bool = True,
        regularizer: sgd.Regularizer | None = None,
    ) -> Network:
        """Train by minibatch SGD; a second call goes on where the first stopped.

        v = momentum·v + learning_rate·gradient, W -= v. Samples are visited in a new random order
        in every epoch; a last partial batch is used.

        Parameters
        ----------
        X : array-like of shape (n, n_0)
        y : array-like of shape (n,), labels in 0 … n_L - 1; or targets of shape (n, n_L)
        epochs, batch_size : int; a batch_size in (0, 1) is a share of the samples, rounded up
        learning_rate : float > 0
        momentum : float in [0, 1)
        reset_momentum : bool
            Start with v = 0 (the replica: a new optimizer for each task) or with the v that the
            last call left (the paper).
        regularizer : object with the methods of srcnb.sgd.Regularizer, or None
            Keeps weights near where they were (EWC, SI): ``pull`` is added to their gradients.

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
        # Beside the parameters their velocity and, in case they diverge, what both were before.
        needed = (3 + bool(self._velocity)) * sum(np.asarray(p).nbytes for p in self._parameters())
        check_memory(f"training layer_sizes {self.layer_sizes}", needed)
        check_weights("weights", self.weights)
        if self.biases is not None:
            check_vectors("biases", self.biases, [len(w) for w in self.weights], self.dtype)
        X, y, _ = self._check_batch(X, y, None)
        if regularizer is not None:
            check_methods("regularizer", regularizer, ("pull", "moved"))
        check_bool("reset_momentum", reset_momentum)
        epochs = check_int("epochs", epochs)
        batch_size = sgd.check_batch_size(batch_size, len(X))
        update = sgd.Update(self.weights, learning_rate, momentum, self.l2, regularizer)
        kept_velocity = self._velocity  # never written to: see below
        before = [p.copy() for p in self._parameters()]
        old = None if reset_momentum else self._velocity
        self._velocity = [v.copy() for v in old] if old else [np.zeros_like(p) for p in before]
        if any(np.may_share_memory(X, p) for p in self._parameters()):
            X = X.copy()  # else it would change while it is learnt
        # A diverging run is reported once, below, not by NumPy at every batch.
        with np.errstate(over="ignore", invalid="ignore"):
            for batch in sgd.batches(len(X), epochs, batch_size, self._rng):
                self._sgd_step(X[batch], y[batch], update, self._velocity)
        if not all(np.isfinite(p).all() for p in self._parameters()):
            for parameter, kept in zip(self._parameters(), before, strict=True):
                parameter[:] = kept
            self._velocity = kept_velocity
            raise OverflowError(
                f"training diverged at learning_rate={update.learning_rate}; weights and momentum"
                " are as before it"
            )
        return self

    def _sgd_step(self, X: Array, y: Array, update: sgd.Update, velocity: list[Array]) -> None:
        masks = self._draw_masks(len(X)) if self.dropout else None
        # The learning rate goes into the small deltas, not into the large gradients.
        for layer, delta, a_pre in self._backward(X, y, masks, update.learning_rate / len(X)):
            update.weights(layer, self.weights[layer], velocity[layer], delta, a_pre)
            if self.biases is not None:
                v = velocity[len(self.weights) + layer]
                update.parameter(self.biases[layer], v, delta.sum(axis=0))

    def _draw_masks(self, n: int) -> list[Array]:
        """Dropout masks of the hidden layers, scaled where dropout is inverted."""
        return [
            (self._rng.random((n, len(w)), dtype=np.float32) >= self.dropout) * self._kept_scale
            for w in self.weights[:-1]
        ]

    @property
    def _kept_scale(self) -> Any:
        """What a unit that dropout keeps is multiplied by in training."""
        return self.dtype.type(1 / (1 - self.dropout) if self.inverted_dropout else 1)

    def _parameters(self) -> list[Array]:
        """All arrays that are trained, weights first; velocities are in the same order."""
        return self.weights + (self.biases or [])

    def _check_X(self, X: ArrayLike) -> Array:
        return check_inputs("X", X, self.weights[0].shape[1], self.dtype)

    def _check_batch(self, X: Any, y: Any, masks: Any) -> tuple[Array, Array, Any]:
        X = check_samples("X", X, self.weights[0].shape[1], self.dtype)
        shape = len(X), len(self.weights[-1])
        y = check_labels_or_targets("y", y, shape, self.dtype, self.output == "softmax")
        if masks is not None:
            masks = check_masks("masks", masks, [(len(X), len(w)) for w in self.weights[:-1]])
            masks = [m.astype(self.dtype) * self._kept_scale for m in masks]
        return X, y, masks
