"""A low-rank MLP: each layer's weights are a product of two thin factors, and so is what it learns.

W_l = B_l·A_l with A_l (rank, n_{l-1}) and B_l (n_l, rank): an input goes through A_l first.
``load`` is here because it makes networks of both kinds.
"""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from srcnb import sgd
from srcnb.backprop import Gradients
from srcnb.initial import SCALES, uniform
from srcnb.io import PathLike, generator, is_state_dict, read_network
from srcnb.mlp import MLP
from srcnb.state_dict import load_state_dict
from srcnb.validation import (
    Array,
    ArrayLike,
    check_bool,
    check_choice,
    check_int,
    check_like,
    check_list,
    check_weights,
)


class LowRankMatrix:
    """The (n_post, n_pre) matrix B·A, kept as its factors.

    Takes part in ``x @ M`` and ``x @ M.T`` without ever being formed, which is all that the
    forward and the backward pass of an MLP need. ``M + N`` is exact: the factors are put beside
    each other along the rank. ``np.asarray(M)`` is the dense matrix.

    Parameters
    ----------
    A : (rank, n_pre) array
    B : (n_post, rank) array
        Both are kept, not copied.
    """

    __array_ufunc__ = None  # so that NumPy leaves x @ M to __rmatmul__

    def __init__(self, A: Array, B: Array) -> None:
        self.A = A
        self.B = B

    @property
    def shape(self) -> tuple[int, int]:
        """(n_post, n_pre)."""
        return len(self.B), self.A.shape[1]

    @property
    def rank(self) -> int:
        """Width of the bottleneck; the rank of the matrix is at most this."""
        return len(self.A)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the factors."""
        return self.A.dtype

    @property
    def T(self) -> "LowRankMatrix":
        """The transpose, AᵀBᵀ."""
        return LowRankMatrix(self.B.T, self.A.T)

    def copy(self) -> "LowRankMatrix":
        """A matrix with factors of its own."""
        return LowRankMatrix(self.A.copy(), self.B.copy())

    def __len__(self) -> int:
        return len(self.B)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self.B @ self.A, dtype)

    def __rmatmul__(self, x: Array) -> Array:
        return np.asarray((x @ self.B) @ self.A)

    def __add__(self, other: "LowRankMatrix") -> "LowRankMatrix":
        return LowRankMatrix(np.vstack([self.A, other.A]), np.hstack([self.B, other.B]))

    def __truediv__(self, number: float) -> "LowRankMatrix":
        return LowRankMatrix(self.A, self.B / number)

    def __pow__(self, exponent: float) -> Array:
        return np.asarray(np.asarray(self) ** exponent)  # element by element: MLP.loss's L2 term


class LowRankMLP(MLP):
    """An MLP with W_l = B_l·A_l, trained by SGD with momentum on the factors.

    Nothing lies between A_l and B_l; relu, dropout, output and loss are those of
    :class:`srcnb.MLP`, as are ``activations``, ``predict``, ``loss`` and ``fit`` (which takes no
    ``regularizer`` here). A batch costs O(rank·(n_l + n_{l-1})) per sample and layer. Counterpart
    of the replica's low-rank network, which has rank 10.

    Parameters
    ----------
    layer_sizes : sequence of int
        n_0 … n_L.
    rank : int >= 1
        The same for every layer.
    bias : bool
        Biases b_l, which start at 0.
    **options
        dropout, output, dtype, init, inverted_dropout, l2 and random_state, as in MLP. ``init`` is
        for A_l, while B_l is always uniform in ±1/sqrt(rank): with "fan_in" each factor starts as a
        layer of its own does; "large_hidden" scales A_l as the weights of its layer. ``l2``
        penalizes B_l·A_l.

    Attributes
    ----------
    weights : list of LowRankMatrix, layers 1 … L
    biases : list of (n_l,) arrays, or None
    """

    _kind = "LowRankMLP"

    def __init__(
        self, layer_sizes: Sequence[int], rank: int = 10, *, bias: bool = False, **options: Any
    ) -> None:
        sizes = check_list("layer_sizes", layer_sizes)
        rank = check_int("rank", rank, low=1)
        bias = check_bool("bias", bias)
        # A_l starts as the weights of a layer from n_{l-1} to rank units.
        chain = [n for size in sizes for n in (size, rank)][:-1]
        super().__init__(chain, **options)
        if options.get("init") in SCALES:  # the last of the chain is not A_L
            hidden, output = SCALES[options["init"]]
            self.weights[-2] *= self.dtype.type(output / hidden)
        bound = 1 / np.sqrt(rank)
        self.weights = [
            LowRankMatrix(A, uniform(self._rng, bound, (n, rank), A.dtype))
            for A, n in zip(self.weights[::2], sizes[1:], strict=True)
        ]
        if bias:
            self.biases = [np.zeros(n, self.dtype) for n in sizes[1:]]

    @classmethod
    def from_arrays(  # type: ignore[override] # pairs of factors in place of weights
        cls, factors: Any, biases: Any = None, **options: Any
    ) -> "LowRankMLP":
        """A network with the given factors, copied.

        ``factors`` is a list of pairs (A_l, B_l) of shapes (rank_l, n_{l-1}) and (n_l, rank_l), all
        float32 or all float64; ``biases`` and ``options`` are as in ``MLP.from_arrays``. Raises
        TypeError for mixed dtypes and ValueError for shapes that do not chain or values that are
        not finite.
        """
        matrices = []
        for i, pair in enumerate(check_list("factors", factors)):
            pair = check_list(f"factors[{i}]", pair)
            if len(pair) != 2:
                raise ValueError(f"factors[{i}] must be a pair (A, B), got {len(pair)} items")
            matrices.append(LowRankMatrix(*check_weights(f"factors[{i}]", pair)).copy())
        net = super().from_arrays(matrices, biases, **options)
        net.weights = matrices
        return net

    @property
    def factors(self) -> list[tuple[Array, Array]]:
        """List over layers 1 … L of pairs (A_l, B_l): the arrays themselves, not copies."""
        return [(w.A, w.B) for w in self.weights]

    def to_mlp(self) -> MLP:
        """The dense MLP with the weights B_l·A_l, and the same biases, options and random state."""
        return MLP.from_arrays(
            self.weights,
            self.biases,
            random_state=copy.deepcopy(self._rng),
            **self.options,
        )

    def with_weights(self, weights: Sequence[Any]) -> MLP:
        """A copy of this network with other weights, which it takes over without copying them.

        Dense ``weights`` (of a slept network, say) make it a dense MLP. Momentum is kept as long
        as the ranks are.
        """
        weights = list(weights)
        if not all(isinstance(w, LowRankMatrix) for w in weights):
            return self.to_mlp().with_weights(weights)
        net = super().with_weights(weights)
        if [w.rank for w in weights] != [w.rank for w in self.weights]:
            net._velocity = None
        return net

    def __repr__(self) -> str:
        ranks = sorted({w.rank for w in self.weights})
        return f"LowRank{super().__repr__()[:-1]}, rank={', '.join(map(str, ranks))})"

    def gradients(self, X: ArrayLike, y: ArrayLike, masks: Any = None) -> Gradients:
        """Gradients of one batch: ``Gradients(weights, biases)``; parameters as in MLP.gradients.

        ``weights`` is a list of pairs (∂loss/∂A_l, ∂loss/∂B_l), shaped like ``factors``.
        """
        flat = self._gradients(*self._check_batch(X, y, masks), 1.0)
        n = 2 * len(self.weights)
        pairs = list(zip(flat[:n:2], flat[1:n:2], strict=True))
        return Gradients(pairs, None if self.biases is None else flat[n:])

    def _gradients(self, X: Array, y: Array, masks: Any, scale: float) -> list[Array]:
        """scale · gradients, in the order of _parameters()."""
        l2 = self.dtype.type(scale * self.l2)
        d_factors: list[Array] = []
        d_biases: list[Array] = []
        for layer, delta, a_pre in self._backward(X, y, masks, scale / len(X)):
            # Chain rule, with G = deltaᵀ·a_pre + l2·B·A the gradient of the dense weights:
            # ∂A = Bᵀ·G and ∂B = G·Aᵀ, multiplied in the order that never forms G.
            A, B = self.factors[layer]
            d_A = (delta @ B).T @ a_pre
            d_B = delta.T @ (a_pre @ A.T)
            if self.l2:
                d_A += l2 * (B.T @ B) @ A
                d_B += l2 * B @ (A @ A.T)
            d_factors = [d_A, d_B, *d_factors]
            d_biases = [delta.sum(axis=0), *d_biases]
        return d_factors + (d_biases if self.biases is not None else [])

    def _sgd_step(self, X: Array, y: Array, update: sgd.Update, velocity: list[Array]) -> None:
        if update.regularizer is not None:
            raise TypeError(
                f"regularizer must be None for a low-rank MLP, got {update.regularizer!r}"
            )
        masks = self._draw_masks(len(X)) if self.dropout else None
        gradients = self._gradients(X, y, masks, update.learning_rate)
        for p, v, gradient in zip(self._parameters(), velocity, gradients, strict=True):
            update.parameter(p, v, gradient)

    def _parameters(self) -> list[Array]:
        return [f for pair in self.factors for f in pair] + (self.biases or [])


def load(path: PathLike, **options: Any) -> MLP:
    """A network from a file: one that ``net.save`` wrote, or weights exported elsewhere.

    Parameters
    ----------
    path : file of ``MLP.save`` (or of a LowRankMLP, which comes back as one); or, if its name ends
        with ".safetensors", a state dict of linear layers, NAME.weight (n_l, n_{l-1}) and
        NAME.bias (n_l,), such as PyTorch's, in the natural order of their names; or of one layer,
        weight and bias
    **options
        For a state dict, which has none: those of ``MLP.from_arrays`` (output, dropout, …).

    Returns
    -------
    MLP or LowRankMLP
        With the momentum and the random state of the saved one, if these were saved.

    Raises
    ------
    ValueError
        That names the file: for one that is damaged, of another kind or of a later version.
    FileNotFoundError, ImportError
        If it is not there; if the package safetensors is needed and not installed.
    TypeError
        For options with a file that has its own.
    """
    if is_state_dict(path):
        return load_state_dict(path, **options)
    header, parameters, velocity = read_network(path)
    if options:
        raise TypeError(f"options of {path} are in the file, got {options}")
    try:
        return _network(header, parameters, velocity)
    except (KeyError, TypeError, ValueError) as error:
        what = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{path} can't be read as a network of srcnb: {what}") from error


def _network(header: dict[str, Any], parameters: list[Array], velocity: list[Array]) -> MLP:
    kinds = {kind._kind: kind for kind in (MLP, LowRankMLP)}
    kind = kinds[check_choice("kind", header["kind"], kinds)]
    n = check_int("n_layers", header["n_layers"], low=1)
    bias = check_bool("bias", header["bias"])
    n_weights = n if kind is MLP else 2 * n
    if len(parameters) != n_weights + n * bias:
        raise ValueError(
            f"it must have {n_weights + n * bias} parameters, as n_layers is {n} and bias {bias},"
            f" got {len(parameters)}"
        )
    weights: list[Any] = parameters[:n_weights]
    if kind is LowRankMLP:
        weights = list(zip(weights[::2], weights[1::2], strict=True))
    net = kind.from_arrays(weights, parameters[n_weights:] if bias else None, **header["options"])
    if velocity or "random_state" in header:
        net._rng = generator("random_state", header["random_state"])
    if velocity:
        net._velocity = check_like("velocity", velocity, net._parameters())
    return net
