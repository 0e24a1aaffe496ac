"""Rivals that keep statistics, gathered from each task while it is current, and no sample.

Nearest class mean and streaming linear discriminant analysis, on the input features or on the
network's last hidden layer, and ridge regression on random features.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator

from srcnb.methods.base import Checkpoint, Learner, train_and_sleep
from srcnb.methods.icarl import features
from srcnb.mlp import BATCH_ROWS, MLP
from srcnb.protocol import Protocol
from srcnb.tasks import Task
from srcnb.validation import (
    Array,
    ArrayLike,
    check_array,
    check_choice,
    check_int,
    check_memory,
    check_real,
)

# What φ, the features of a classifier, may be: see nearest_mean.
ON = ("input", "hidden", "frozen")
# Chosen by benchmarks/choose_controls.py on validation splits of the training sets of digits (five
# seeds) and MNIST (two), by the sum of both accuracies. On "hidden" it is all the same.
SHRINKAGE = {"input": 0.3, "hidden": 0.001, "frozen": 0.001}
PENALTY = 0.01
N_FEATURES = 1200  # as many as each hidden layer of the paper's network


class LinearClassifier:
    """Predicts the class whose score w_c·φ + b_c is largest.

    On the features of a network it is to be used before that trains on.

    Parameters
    ----------
    features : ``features(X)`` gives φ, (n, n_features), of samples (n, n_0)
    W, b : (n_seen, n_features) and (n_seen,) arrays
    classes : (n_seen,) int array, what their rows stand for
    """

    def __init__(
        self, features: Callable[[Array], Array], W: Array, b: Array, classes: Array
    ) -> None:
        self.features = features
        self.W, self.b, self.classes = W, b, classes

    def predict(self, X: ArrayLike) -> Array:
        """The class of the largest score for each row of ``X`` (n, n_0): (n,) int64."""
        X = check_array("X", X, 2)
        labels = np.empty(len(X), dtype=np.int64)
        for start in range(0, len(X), BATCH_ROWS):
            rows = slice(start, start + BATCH_ROWS)
            scores = self.features(X[rows]) @ self.W.T + self.b
            labels[rows] = self.classes[scores.argmax(axis=1)]
        return labels


class ClassStatistics:
    """Counts and means of the classes and, if asked for, the scatter within them.

    The numbers do not depend, but for rounding, on how the samples come in batches: they are those
    of all samples at once.

    Parameters
    ----------
    n_classes, n_features : int
    scatter : bool

    Attributes
    ----------
    counts : (n_classes,) int array
    means : (n_classes, n_features) array
    scatter : (n_features, n_features) array or None
        Σ (φ - μ)(φ - μ)ᵀ over all samples, μ the mean of a sample's own class.
    """

    def __init__(self, n_classes: int, n_features: int, scatter: bool) -> None:
        self.counts = np.zeros(n_classes, np.int64)
        self.means = np.zeros((n_classes, n_features))
        self.scatter = np.zeros((n_features, n_features)) if scatter else None

    @property
    def classes(self) -> Array:
        """The classes seen so far, int64."""
        return np.flatnonzero(self.counts)

    def update(self, phi: Array, y: Array) -> None:
        """Add samples: features (n, n_features) and labels (n,)."""
        for c in np.unique(y):
            new = phi[y == c].astype(np.float64)
            mean = new.mean(axis=0)
            moved = mean - self.means[c]
            before, n = self.counts[c], len(new)
            if self.scatter is not None:
                new -= mean
                self.scatter += new.T @ new
                if before:
                    self.scatter += before * n / (before + n) * np.outer(moved, moved)
            self.means[c] += n / (before + n) * moved
            self.counts[c] += n

    def covariance(self, shrinkage: float) -> Array:
        """(1 - ε)·Σ + ε·s·I: Σ the mean scatter of a sample, s the mean variance of a feature.

        (n_features, n_features), ε = ``shrinkage``. Without any scatter, as with one sample a
        class: I.
        """
        assert self.scatter is not None
        covariance = (1 - shrinkage) / self.counts.sum() * self.scatter
        s = np.trace(self.scatter) / self.counts.sum() / len(self.scatter)
        covariance[np.diag_indices_from(covariance)] += shrinkage * s if s else 1
        return np.asarray(covariance)


class Discriminant(Learner):
    """Gathers ClassStatistics; what is measured is a LinearClassifier made from them.

    Parameters
    ----------
    rng : as for Learner
    on : "input" | "hidden" | "frozen", what φ is: see :func:`nearest_mean`
    shrinkage : float in (0, 1], or None
        ε of the covariance. None: no covariance, the nearest class mean.

    Attributes
    ----------
    statistics : ClassStatistics, or None before the first task
    """

    def __init__(self, rng: Generator, on: str, shrinkage: float | None = None) -> None:
        super().__init__(rng)
        self.on = check_choice("on", on, ON)
        self.shrinkage = shrinkage
        self.statistics: ClassStatistics | None = None

    def learn(self, net: MLP, task: Task, training: Mapping[str, Any]) -> None:
        """Train ``net`` on ``task``, in place, where it is needed; take the task's statistics."""
        if self.on == "hidden" or (self.on == "frozen" and self.statistics is None):
            super().learn(net, task, training)
        phi = task.X if self.on == "input" else features(net, task.X)
        if self.statistics is None:
            scatter = self.shrinkage is not None
            self.statistics = ClassStatistics(task.n_classes, phi.shape[1], scatter)
        self.statistics.update(phi, task.y)

    def model(self, net: MLP) -> LinearClassifier:
        """Nearest mean, or the linear discriminant of the classes seen, all equally likely.

        w_c = Λμ_c and b_c = -½·μ_c·Λμ_c with Λ the inverse covariance, or I.
        """
        assert self.statistics is not None
        classes = self.statistics.classes
        means = self.statistics.means[classes]
        W: Array = means
        if self.shrinkage is not None:
            W = np.linalg.solve(self.statistics.covariance(self.shrinkage), means.T).T
        phi = _as_they_are if self.on == "input" else partial(features, net)
        return LinearClassifier(phi, W, -0.5 * (W * means).sum(axis=1), classes)


def _as_they_are(X: Array) -> Array:
    return X


def nearest_mean(
    tasks: Sequence[Task], protocol: Protocol, seed: int, on: str = "input"
) -> Iterator[Checkpoint]:
    """Classify by the nearest class mean, Euclidean. Keeps a mean and a count per class.

    Parameters
    ----------
    tasks, protocol, seed : see srcnb.methods
    on : "input" | "hidden" | "frozen"
        Of what the mean is. "input": the input features; nothing is trained, and nothing depends on
        the seed. "hidden": the last hidden layer's activations, of the network as it is right after
        a task was learnt. It moves on with the next tasks, and those means do not.
        "frozen": the same, of a network that learns the first task only.

    Raises
    ------
    ValueError
        For another ``on``, before any training.
    """
    learner = partial(Discriminant, on=check_choice("on", on, ON))
    return train_and_sleep(tasks, protocol, seed, learner, sleeps=False)


def streaming_lda(
    tasks: Sequence[Task],
    protocol: Protocol,
    seed: int,
    on: str = "input",
    shrinkage: float | None = None,
) -> Iterator[Checkpoint]:
    """Linear discriminant analysis with running statistics (Hayes & Kanan 2020).

    Keeps a mean and a count per class and one covariance within classes, shared by all.
    Source: "Lifelong machine learning with deep streaming linear discriminant analysis", CVPR
    Workshops 2020, arXiv 1909.01520. Two things are other here: the covariance is that of all
    samples at once, exactly, and shrinks towards the mean variance of a feature, not towards 1, so
    that it does not depend on the features' scale.

    Parameters
    ----------
    tasks, protocol, seed : see srcnb.methods
    on : "input" | "hidden" | "frozen"
        See :func:`nearest_mean`; "frozen" is what the source does.
    shrinkage : float in (0, 1], or None
        How far the covariance shrinks; see ClassStatistics. None: the one of SHRINKAGE.

    Raises
    ------
    ValueError, TypeError
        For another ``on``, or a ``shrinkage`` outside (0, 1], before any training.
    """
    shrinkage = SHRINKAGE[check_choice("on", on, ON)] if shrinkage is None else shrinkage
    shrinkage = check_real("shrinkage", shrinkage, 0, 1, low_open=True)
    learner = partial(Discriminant, on=on, shrinkage=shrinkage)
    return train_and_sleep(tasks, protocol, seed, learner, sleeps=False)


class Ridge(Learner):
    """Gathers A = Σ φφᵀ and B = Σ φyᵀ of random features φ; the network is never trained.

    Parameters
    ----------
    rng : as for Learner; draws the features' weights
    n_features : int >= 1
    penalty : float > 0

    Attributes
    ----------
    R : (n_features, n_0 + 1) array, the features' weights and, last, their biases
    A, B : (n_features, n_features) and (n_features, n_classes) arrays
    seen : (n_classes,) bool array
    """

    def __init__(self, rng: Generator, n_features: int, penalty: float) -> None:
        super().__init__(rng)
        self.n_features = n_features
        self.penalty = penalty
        self.R: Array | None = None

    def learn(self, net: MLP, task: Task, training: Mapping[str, Any]) -> None:
        """Add the task's samples to A and B."""
        if self.R is None:
            self.R = self.rng.standard_normal((self.n_features, task.X.shape[1] + 1))
            self.A = np.zeros((self.n_features, self.n_features))
            self.B = np.zeros((self.n_features, task.n_classes))
            self.seen = np.zeros(task.n_classes, np.bool_)
        phi = self.features(task.X)
        self.A += phi.T @ phi
        self.B += phi.T @ np.eye(task.n_classes)[task.y]
        self.seen[task.y] = True

    def features(self, X: Array) -> Array:
        """φ = relu(R·(x, 1)) of samples (n, n_0): (n, n_features) float64."""
        assert self.R is not None
        return np.asarray(np.maximum(X @ self.R[:, :-1].T + self.R[:, -1], 0))

    def model(self, net: MLP) -> LinearClassifier:
        """The ridge regression of one-hot labels on φ: W = Bᵀ·(A + penalty·a·I)⁻¹.

        a is the mean of A's diagonal.
        """
        A = self.A.copy()
        A[np.diag_indices_from(A)] += self.penalty * (np.trace(A) / len(A) or 1)
        classes = np.flatnonzero(self.seen)
        W = np.linalg.solve(A, self.B[:, classes]).T
        return LinearClassifier(self.features, W, np.zeros(len(classes)), classes)


def ridge(
    tasks: Sequence[Task],
    protocol: Protocol,
    seed: int,
    n_features: int = N_FEATURES,
    penalty: float = PENALTY,
) -> Iterator[Checkpoint]:
    """Ridge regression on random relu features, solved anew after each task from running sums.

    Keeps the random weights, n_features² + n_features·n_classes sums, and no sample. What it
    predicts is what all samples at once would give. Only the random weights depend on the seed.

    Parameters
    ----------
    tasks, protocol, seed : see srcnb.methods
    n_features : int >= 1
    penalty : float > 0
        In units of the mean square of a feature, times the number of samples.

    Raises
    ------
    ValueError, TypeError
        For numbers outside their ranges.
    """
    n_features = check_int("n_features", n_features, low=1)
    check_memory(f"n_features = {n_features}", 16 * n_features**2)  # the sums, and what is added
    learner = partial(
        Ridge,
        n_features=n_features,
        penalty=check_real("penalty", penalty, 0, low_open=True),
    )
    return train_and_sleep(tasks, protocol, seed, learner, sleeps=False)
