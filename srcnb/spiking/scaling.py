"""Features on any scale: a network trained on them sleeps on intensities in [0, 1].

A sleep needs intensities x̃ in [0, 1]. With lo and hi the smallest and largest value of each
feature over the data given, x̃ = (x - lo)/(hi - lo), and

    W₁ x + b₁ = W̃₁ x̃ + b̃₁   with   W̃₁ = W₁·diag(hi - lo),   b̃₁ = b₁ + W₁·lo:

the network with W̃₁ and b̃₁ on x̃ is the one with W₁ and b₁ on x. It sleeps, which changes W̃₁ and
not b̃₁, and is brought back: W₁ = W̃₁/(hi - lo), b₁ = b̃₁ - W₁·lo. In full::

    scale = FeatureScale.of(X)
    sleep_input.update(scale.transform(X))
    slept = srcnb.sleep(scale.into(net), sleep_input, config).net
    net = scale.back(slept, net)
"""

import logging
from dataclasses import dataclass

import numpy as np

from srcnb.mlp import BATCH_ROWS, MLP
from srcnb.validation import Array, ArrayLike, check_array, check_instance, check_weights

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class FeatureScale:
    """The range of each feature, and the way from features to intensities in [0, 1] and back.

    A constant feature (hi = lo) has intensity 0, never fires and has weights 0 in W̃₁. Its weights
    in W₁ are those before the sleep, and what it contributes, W₁·lo, is in b̃₁.

    Parameters
    ----------
    lo, hi : array-like of shape (n_0,), lo <= hi
        Kept as read-only float64 arrays.

    Raises
    ------
    ValueError, TypeError
        For values that are not finite, other shapes, hi < lo, or a range hi - lo that overflows.
    """

    lo: Array
    hi: Array

    def __post_init__(self) -> None:
        for name in ("lo", "hi"):
            values = check_array(name, getattr(self, name), 1, np.float64).copy()
            values.setflags(write=False)
            object.__setattr__(self, name, values)
        if self.hi.shape != self.lo.shape:
            raise ValueError(f"hi must have shape {self.lo.shape}, as lo, got {self.hi.shape}")
        with np.errstate(over="ignore"):
            bad = ~((self.hi >= self.lo) & np.isfinite(self.span))
        if bad.any():
            i = int(np.argmax(bad))
            raise ValueError(
                f"hi must be lo or more, with a finite range hi - lo, got hi[{i}] = {self.hi[i]}"
                f" with lo[{i}] = {self.lo[i]}"
            )

    @classmethod
    def of(cls, X: ArrayLike) -> "FeatureScale":
        """The scale of the samples ``X``, (n, n_0): the smallest and largest value of each feature.

        Raises ValueError or TypeError for X without samples, of another number of dimensions, or
        not finite.
        """
        X = check_array("X", X, 2)
        if not len(X):
            raise ValueError(f"X must hold at least one sample, got shape {X.shape}")
        scale = cls(X.min(axis=0), X.max(axis=0))
        logger.info(
            "scale of %d samples: %d features with values in %.4g … %.4g, %d of them constant",
            *(*X.shape, X.min(initial=np.inf), X.max(initial=-np.inf)),
            np.count_nonzero(scale.span == 0),
        )
        return scale

    @property
    def span(self) -> Array:
        """hi - lo, (n_0,) float64: 0 for constant features."""
        return np.asarray(self.hi - self.lo)

    def transform(self, X: ArrayLike) -> Array:
        """Intensities (x - lo)/(hi - lo) of ``X``, array-like of shape (n, n_0).

        Returns an (n, n_0) array in [0, 1], float32 for a float32 ``X``. Values outside lo … hi, as
        other data than those of the scale may have, are clipped to 0 and 1; a constant feature is
        0, whatever its value. Raises ValueError or TypeError for X of another width or not finite.
        """
        X = check_array("X", X, 2)
        if X.shape[1] != len(self.lo):
            raise ValueError(
                f"X must have {len(self.lo)} columns, as the data of the scale, got shape {X.shape}"
            )
        intensities = np.zeros_like(X)
        varies = self.span > 0
        lo, span = self.lo[varies], self.span[varies]
        for start in range(0, len(X), BATCH_ROWS):  # bounds the memory for float64
            rows = slice(start, start + BATCH_ROWS)
            with np.errstate(over="ignore"):  # inf, far outside, is clipped as well
                intensities[rows, varies] = np.clip((X[rows, varies] - lo) / span, 0, 1)
        if logger.isEnabledFor(logging.DEBUG):  # it takes as long as the rest
            outside = np.mean((self.lo > X) | (self.hi < X)) if X.size else 0.0
            logger.debug("%.1f %% of the values are outside the scale, and clipped", 100 * outside)
        return intensities

    def into(self, net: MLP) -> MLP:
        """The network on intensities that does what ``net``, left unchanged, does on features.

        On ``transform(X)`` it has the activations that ``net`` has on X, for X within lo … hi.
        It is for a sleep, not for training: momentum is not taken over.

        Its biases are b̃₁, b₂, …, which act in a sleep as currents if at all. A ``net`` without
        biases gives one with W₁·lo, 0, …, unless all of lo is 0; :meth:`back` drops them.

        Raises
        ------
        ValueError, TypeError
            For a net of another width, or whose weights or biases overflow its dtype in the unit
            of the intensities.
        """
        self._check_net("net", net)
        W, *weights = (np.array(w) for w in check_weights("net.weights", net.weights))
        scaled = net.with_weights([self._scaled(W), *weights])
        scaled._velocity = None
        if scaled.biases is None and self.lo.any():
            scaled.biases = [np.zeros(n, net.dtype) for n in net.layer_sizes[1:]]
        if scaled.biases is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                first = scaled.biases[0] + W @ self.lo
                scaled.biases[0] = first.astype(net.dtype)
        if not all(np.isfinite(p).all() for p in scaled._parameters()):
            raise ValueError(
                f"net overflows {net.dtype} on intensities: its features have values up to"
                f" {max(abs(self.lo).max(), abs(self.hi).max()):.3g}"
            )
        return scaled

    def back(self, slept: MLP, net: MLP) -> MLP:
        """``net`` with what the sleep of ``into(net)`` has changed; both are left unchanged.

        Parameters
        ----------
        slept : MLP
            The network after the sleep, on intensities.
        net : MLP
            The one that :meth:`into` was given.

        Returns
        -------
        MLP
            W₁ = W̃₁/(hi - lo), computed as W₁ of ``net`` plus ΔW₁, the change of W̃₁ over hi - lo:
            what did not change in the sleep is what it was, to the last bit. Constant features keep
            their weights. The weights of the other layers are those of ``slept``; biases, momentum
            and options are those of ``net``, with b₁ - ΔW₁·lo in place of b₁. So it does on X what
            ``slept`` does on ``transform(X)``. A net without biases has no place for ΔW₁·lo: its
            first layer is off by that constant, which is 0 where lo is 0.

        Raises
        ------
        ValueError, TypeError
            For networks of other sizes or dtypes.
        OverflowError
            If a weight or bias overflows, as the range of a feature is very small.
        """
        self._check_net("net", net)
        self._check_net("slept", slept)
        if (slept.layer_sizes, slept.dtype) != (net.layer_sizes, net.dtype):
            raise ValueError(
                f"slept must have the sizes and dtype of net, {net.layer_sizes} and {net.dtype},"
                f" got {slept.layer_sizes} and {slept.dtype}"
            )
        weights = [np.array(w) for w in check_weights("slept.weights", slept.weights)]
        before = check_weights("net.weights", net.weights)[0]
        span = np.where(self.span > 0, self.span, np.inf)
        back = net.with_weights(weights)
        with np.errstate(over="ignore", invalid="ignore"):
            change = (weights[0] - self._scaled(before)) / span
            back.weights[0] = (before + change).astype(net.dtype)
            if back.biases is not None:
                back.biases[0] = (back.biases[0] - change @ self.lo).astype(net.dtype)
        if not all(np.isfinite(p).all() for p in back._parameters()):
            raise OverflowError(
                f"slept overflows {net.dtype} on features: one has the range hi - lo ="
                f" {span.min():.3g}, by which the change of its weights is divided"
            )
        return back

    def _scaled(self, W: Array) -> Array:
        """W̃₁ in the dtype of W₁; inf where it overflows."""
        with np.errstate(over="ignore"):
            return np.asarray((W * self.span).astype(W.dtype))

    def _check_net(self, name: str, net: MLP) -> None:
        check_instance(name, net, MLP, "an srcnb.MLP")
        if net.layer_sizes[0] != len(self.lo):
            raise ValueError(
                f"{name} must have {len(self.lo)} inputs, as the data of the scale,"
                f" got {net.layer_sizes[0]}"
            )
