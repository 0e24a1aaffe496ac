"""Features of any scale, by what the first task of a stream shows of them."""

import numpy as np

from srcnb.spiking.scaling import FeatureScale
from srcnb.validation import Array, ArrayLike, check_array, check_width

# Scaled features end here: what is far outside the first task's range would outweigh all others.
LOW, HIGH = -1.0, 2.0


def first_scale(X: ArrayLike) -> FeatureScale:
    """The scale of the first task, ``X`` (n, n_0): that of its features, or none.

    Where all of them are in [0, 1] they are left as they are (lo = 0, hi = 1). A constant feature
    has the largest range of the others, as later tasks may have other values of it; 1 if all are
    constant. Raises ValueError or TypeError as ``FeatureScale.of``.
    """
    scale = FeatureScale.of(X)
    lo, hi = scale.lo, scale.hi
    if lo.min() >= 0 and hi.max() <= 1:
        return FeatureScale(np.zeros_like(lo), np.ones_like(hi))
    largest = scale.span.max() or 1.0
    return FeatureScale(lo, np.where(scale.span > 0, hi, lo + largest))


def scaled(scale: FeatureScale, X: ArrayLike) -> Array:
    """(x - lo)/(hi - lo) of ``X`` (n, n_0), clipped to LOW … HIGH: (n, n_0) float32.

    ``scale`` is one of :func:`first_scale`, which has no constant feature. Raises ValueError or
    TypeError for X of another width or not finite.
    """
    X = check_array("X", X, 2)
    check_width("X", X, len(scale.lo))
    with np.errstate(over="ignore"):  # inf, far outside, is clipped as well
        return np.clip((X - scale.lo) / scale.span, LOW, HIGH).astype(np.float32)
