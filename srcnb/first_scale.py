"""Features of any scale as intensities, by what the first task of a stream shows of them."""

import numpy as np
from sklearn.preprocessing import StandardScaler

from srcnb.validation import Array, ArrayLike, check_array, check_width

# Standard deviations from the mean at which an intensity is 1.
SPREAD = 3
# Features that are left as they are end here: far outside 0 … 1 one would outweigh all others.
LOW, HIGH = -1.0, 2.0
# A MinMaxScaler gives 1 + 2e-16, in float32 1 + 1e-7.
ROUNDING = 1e-6


class FirstScale:
    """How features become inputs of a network: by the first task's samples ``X`` (n, n_0).

    If all of these are in [0, 1], but for rounding, features are left as they are. Else each is two
    intensities: how far it is above its mean, and how far below, 0 at the mean and 1 from 3
    standard deviations on. So what is usual is silent, as in images, for which a sleep is made;
    where a usual value has half of the highest rate, a sleep may do harm (docs/ESTIMATOR.md). A
    feature that is constant in the first task has the largest standard deviation of the others, as
    later tasks may have other values of it; 1 if all are constant.

    Raises ValueError or TypeError for X without samples, of another number of dimensions, not
    finite, or whose variance overflows.

    Attributes
    ----------
    scaler : sklearn.preprocessing.StandardScaler, or None where features are left as they are
    """

    def __init__(self, X: ArrayLike) -> None:
        X = check_array("X", X, 2, np.float64)
        if not len(X):
            raise ValueError(f"X must hold at least one sample, got shape {X.shape}")
        self.n_features = X.shape[1]
        self.scaler: StandardScaler | None = None
        if X.min(initial=0) < -ROUNDING or X.max(initial=0) > 1 + ROUNDING:
            with np.errstate(over="ignore", invalid="ignore"):
                self.scaler = StandardScaler().fit(X)
            bad = ~np.isfinite(self.scaler.var_)  # then scale_ is 1, as if constant
            if bad.any():
                i = int(np.argmax(bad))
                raise ValueError(
                    f"X must have finite variances, got values up to {abs(X[:, i]).max():.3g} in"
                    f" column {i}"
                )
            constant = X.min(axis=0) == X.max(axis=0)
            largest = self.scaler.scale_[~constant].max(initial=0)
            self.scaler.scale_[constant] = largest or 1.0

    def transform(self, X: ArrayLike) -> Array:
        """The inputs of a network for ``X`` (n, n_0), float32.

        (n, 2·n_0) in [0, 1], above and then below the mean; or (n, n_0), as they are, but clipped
        to -1 … 2. Raises ValueError or TypeError for X of another width or not finite.
        """
        X = check_array("X", X, 2, np.float64)
        check_width("X", X, self.n_features)
        if self.scaler is None:
            return np.asarray(np.clip(X, LOW, HIGH).astype(np.float32))
        with np.errstate(over="ignore"):  # inf, far outside, is clipped as well
            z = self.scaler.transform(X) / SPREAD
        return np.asarray(np.clip(np.hstack([z, -z]), 0, 1).astype(np.float32))
