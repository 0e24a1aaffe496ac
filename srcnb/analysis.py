"""A network's inside as arrays and tidy tables: how its activations are spread, what can be read.

Nothing here trains or changes the network. Activations are those of test time, dropout off.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from srcnb.methods.icarl import features
from srcnb.methods.rivals import (
    PENALTY,
    SHRINKAGE,
    ClassStatistics,
    Discriminant,
    LinearClassifier,
    Ridge,
)
from srcnb.mlp import MLP
from srcnb.tasks import Task
from srcnb.validation import Array

if TYPE_CHECKING:
    import pandas as pd

# The share of the variance that a layer's components are counted for.
SHARE = 0.9
# Of so many components together the share of the variance is given.
COUNTS = (1, 2, 5, 10, 20, 40)
# Of larger matrices the largest singular value alone is computed, which is many times faster.
DENSE = 300


def spectrum(a: Array) -> Array:
    """The shares of the variance of ``a`` (n, n_units) along its principal components.

    (n_units,) float64, largest first; their sum is 1, or 0 where nothing varies.
    """
    return principal_components(a)[0]


def principal_components(a: Array) -> tuple[Array, Array]:
    """(shares, components): :func:`spectrum`, and its orthonormal directions, (n_units, n_units).

    A column of the second is a component.
    """
    a = a.astype(np.float64)
    a -= a.mean(axis=0)
    variances, vectors = np.linalg.eigh(a.T @ a)
    variances, vectors = variances[::-1], vectors[:, ::-1]
    # What rounding alone leaves counts as 0.
    variances = np.where(variances > variances.max(initial=0) * 1e-12, variances, 0.0)
    total = variances.sum()
    return (variances / total if total else variances), vectors


def n_components(shares: Array, share: float = SHARE) -> int:
    """How many of the largest ``shares`` of :func:`spectrum` make up this share together."""
    reached = np.cumsum(shares)
    # Rounding must not ask for one more.
    return int(np.searchsorted(reached, share - 1e-9) + 1) if reached[-1] else 0


def participation_ratio(shares: Array) -> float:
    """(Σλ)²/Σλ² of the variances λ: how many components share the variance, as if equally.

    From 1 to their number; 0 where nothing varies. Source: Gao, Trautmann, Yu et al., "A theory of
    multineuronal dimensionality, dynamics and measurement", bioRxiv 2017, doi 10.1101/214262.
    """
    squares = float((shares**2).sum())
    return float(shares.sum()) ** 2 / squares if squares else 0.0


def subspace(shares: Array, components: Array, share: float = SHARE) -> Array:
    """Those :func:`principal_components` that have this share of the variance: (n_units, k)."""
    return components[:, : n_components(shares, share)]


def principal_angles(U: Array, V: Array) -> Array:
    """The principal angles between the spans of two orthonormal bases, in degrees, smallest first.

    ``U`` is (n_units, k), ``V`` (n_units, m); returns (min(k, m),) float64. Source: Björck & Golub,
    "Numerical methods for computing angles between linear subspaces", Math. Comp. 27, 1973.
    """
    cosines = np.linalg.svd(U.T @ V, compute_uv=False)
    return np.asarray(np.degrees(np.arccos(np.clip(cosines, 0, 1))))


def stable_rank(W: Array) -> float:
    """(‖W‖_F/‖W‖_2)², at most the rank of ``W``: how many directions a layer uses; 0 for zeros.

    Source: Rudelson & Vershynin, "Sampling from large matrices", J. ACM 54, 2007.
    """
    # By rows, so that no second matrix is made.
    squares = sum(float(row @ row) for row in (row.astype(np.float64) for row in W))
    if not squares:
        return 0.0
    if min(W.shape) <= DENSE:
        largest = float(np.linalg.svd(W.astype(np.float64), compute_uv=False)[0])
    else:
        from scipy.sparse.linalg import svds

        start = np.ones(min(W.shape), W.dtype)  # the same each time
        [largest] = svds(W, k=1, v0=start, return_singular_vectors=False)
    return squares / float(largest) ** 2


def cosine(a: Array, b: Array) -> float:
    """Cosine of the angle between two vectors; NaN where one is 0."""
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / lengths if lengths else float("nan")


def angle_between(U: Array, V: Array) -> float:
    """The mean of the principal angles, in degrees; NaN where one of the spans is empty."""
    angles = principal_angles(U, V)
    return float(angles.mean()) if len(angles) else float("nan")


def capacity(net: MLP, tasks: Sequence[Task]) -> "pd.DataFrame":
    """How much of each hidden layer each task uses, on its training samples.

    Returns
    -------
    DataFrame with a row per layer (from 1) and task (from 1): components (for 90 % of the
    variance), participation (ratio), angle (degrees: the mean of the principal angles between its
    subspace and that of the last task; NaN for that itself), and share_1, share_2, … of COUNTS (of
    the variance along so many components).
    """
    import pandas as pd

    activations = [net.activations(task.X)[:-1] for task in tasks]
    rows = []
    for layer, of_layer in enumerate(zip(*activations, strict=True), 1):
        found = [principal_components(a) for a in of_layer]
        last = subspace(*found[-1])
        for task, (shares, components) in enumerate(found, 1):
            angle = (
                np.nan if task == len(tasks) else angle_between(subspace(shares, components), last)
            )
            row = {
                "layer": layer,
                "task": task,
                "components": n_components(shares),
                "participation": participation_ratio(shares),
                "angle": angle,
            }
            rows.append(row | {f"share_{n}": shares[:n].sum() for n in COUNTS})
    return pd.DataFrame(rows)


class _RidgeProbe(Ridge):
    """Ridge regression on what a network's last hidden layer says, in place of random features."""

    def __init__(self, net: MLP) -> None:
        super().__init__(np.random.default_rng(0), net.layer_sizes[-2], PENALTY)
        self.net = net

    def features(self, X: Array) -> Array:
        """φ of samples (n, n_0): (n, n_features) float64."""
        return features(self.net, X).astype(np.float64)


def probes(net: MLP, tasks: Sequence[Task]) -> Iterator[tuple[int, str, LinearClassifier]]:
    """Yield (hidden layer from 1, probe, classifier), refitted on the tasks' training samples.

    The probes are "nearest mean", "streaming LDA" and "ridge", with the constants that the rivals
    of srcnb.methods have. They are oracles: they are fitted on samples of all these tasks at once.
    """
    X, y = (np.concatenate([getattr(task, name) for task in tasks]) for name in ("X", "y"))
    for layer in range(1, len(net.weights)):
        below = up_to(net, layer)
        for name, shrinkage in (("nearest mean", None), ("streaming LDA", SHRINKAGE["hidden"])):
            lda = Discriminant(np.random.default_rng(0), "hidden", shrinkage)
            lda.statistics = ClassStatistics(
                tasks[0].n_classes, below.layer_sizes[-2], shrinkage is not None
            )
            lda.statistics.update(features(below, X), y)
            yield layer, name, lda.model(below)
        ridge = _RidgeProbe(below)
        for task in tasks:
            ridge.learn(below, task, {})
        yield layer, "ridge", ridge.model(below)


def up_to(net: MLP, layer: int) -> MLP:
    """A network whose last hidden layer is hidden layer ``layer`` (from 1) of ``net``."""
    biases = None if net.biases is None else net.biases[: layer + 1]
    return MLP.from_arrays(net.weights[: layer + 1], biases, **net.options)


def best_scale(z: Array, y: Array, scales: bool = True) -> tuple[Array, Array]:
    """(s, b), each (n_classes,): the best scale and bias per class, by the cross-entropy.

    Of softmax(s·z + b) on logits ``z`` (n, n_classes) of labels ``y`` (n,). Without ``scales`` all
    classes have the same scale. An oracle where ``y`` has classes of earlier tasks. "Vector
    scaling": Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017.
    """
    from scipy.optimize import minimize

    z = z.astype(np.float64)
    n, k = z.shape
    unit = z.std() or 1.0
    one_hot = np.eye(k)[y]

    def loss(p: Array) -> tuple[float, Array]:
        s, b = p[:-k], p[-k:]
        scores = s * z / unit + b
        scores -= scores.max(axis=1, keepdims=True)
        exp = np.exp(scores)
        total = exp.sum(axis=1, keepdims=True)
        delta = (exp / total - one_hot) / n
        slope = (delta * z / unit).sum(axis=0)
        slope = slope if scales else slope.sum(keepdims=True)
        # The penalty only keeps classes that can be told apart without error from growing forever.
        value = (np.log(total[:, 0]) - (scores * one_hot).sum(axis=1)).mean() + 1e-6 * (p @ p)
        return float(value), np.concatenate([slope, delta.sum(axis=0)]) + 2e-6 * p

    start = np.concatenate([np.ones(k if scales else 1), np.zeros(k)])
    found: Any = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    return np.broadcast_to(found[:-k], k) / unit, found[-k:]


def rescaled(net: MLP, tasks: Sequence[Task], scales: bool = True) -> LinearClassifier:
    """An oracle: ``net`` with the best bias (and scale) per class, fitted on all these tasks.

    See :func:`best_scale`; it predicts one of the tasks' classes.
    """
    X, y = (np.concatenate([getattr(task, name) for task in tasks]) for name in ("X", "y"))
    classes, labels = np.unique(y, return_inverse=True)
    s, b = best_scale(net.logits(X)[:, classes], labels, scales)
    W = np.zeros((len(classes), net.layer_sizes[-1]))
    W[np.arange(len(classes)), classes] = s
    return LinearClassifier(partial(MLP.logits, net), W, b, classes)


def ranking(net: MLP, tasks: Sequence[Task]) -> Array:
    """Of each class of these tasks: how often its output is larger for a test sample of its own.

    Than for one of another class: the area under the ROC curve, 0.5 by chance, which no bias and no
    positive scale of an output changes. (n_classes of the tasks,) float64, classes in their order.
    """
    from sklearn.metrics import roc_auc_score

    X, y = (np.concatenate([getattr(t, name) for t in tasks]) for name in ("X_test", "y_test"))
    z = net.logits(X)
    return np.array([float(roc_auc_score(y == c, z[:, c])) for c in np.unique(y)])
