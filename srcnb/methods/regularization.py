"""ewc and si: a quadratic penalty holds each weight, the more important the tighter.

Elastic weight consolidation (Kirkpatrick et al. 2017, doi 10.1073/pnas.1611835114) and synaptic
intelligence (Zenke, Poole, Ganguli, ICML 2017, arXiv 1703.04200). The penalty on the next task is
½·Σ c·(w - w*)² with a curvature c = strength·importance and an anchor w* per weight; the methods
differ in what makes a weight important.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator

from srcnb.methods.base import Checkpoint, Learner, train_and_sleep
from srcnb.methods.controls import evened
from srcnb.mlp import MLP
from srcnb.protocol import Protocol
from srcnb.tasks import Task
from srcnb.validation import Array, ArrayLike, check_bool, check_int, check_real

# Samples of a task that the Fisher information is estimated on, at most.
FISHER_SAMPLES = 1000
# Without and with sleep: the best of the powers of ten from 0.1 to 10⁶ by accuracy over all classes
# on a validation split of digits' training set (own protocol, ten seeds); of those that are equal
# within the spread over seeds, the smallest. Without sleep none beats sequential training; with
# that protocol's sleep, both beat src alone.
EWC_STRENGTHS = {False: 0.1, True: 1000.0}
SI_STRENGTHS = {False: 0.1, True: 100.0}


class QuadraticLearner(Learner, ABC):
    """A Learner that is its own ``regularizer`` of MLP.fit.

    Subclasses define ``importance(net, task)``: how much each weight matters to the task just
    learnt, as arrays like ``net.weights``.

    There is one penalty for all tasks so far, not one per task: the importances add up, and the
    anchor is the weight when the next task begins (SI's own form, and that of online EWC with
    γ = 1: Schwarz et al., ICML 2018). Where the network sleeps between tasks, the anchor is the
    slept weight: one from before the sleep would undo it. Biases, if any, are not held.

    The penalty's part of an SGD step is taken implicitly, as its proximal step: with the derivative
    where the step ends, not where it starts. That is c/(1 + rate·c)·(w - w*), the same as
    c·(w - w*) as long as rate·c is small; but where that would overshoot and diverge, from
    rate·c = 2·(1 + momentum) on, here the weight is just held. So every strength is stable.

    Parameters
    ----------
    rng : as for Learner
    strength : float >= 0
        0 is sequential training, to the last bit.

    Attributes
    ----------
    curvature, anchors : lists over layers 1 … L of arrays like ``net.weights``; empty before the
        first task
    """

    def __init__(self, rng: Generator, strength: float) -> None:
        super().__init__(rng)
        self.strength = check_real("strength", strength, 0)
        self.curvature: list[Array] = []
        self.anchors: list[Array] = []
        self._implicit: list[Array] = []

    def learn(self, net: MLP, task: Task, training: Mapping[str, Any]) -> None:
        """Train ``net`` on ``task`` under the earlier tasks' penalty, then add this task's."""
        # Named here, as the penalty depends on it: fit's own default unless the protocol has one.
        training = {"learning_rate": 0.1, **training}
        if not self.curvature:
            self.curvature = [np.zeros_like(w) for w in net.weights]
        self.anchors = [w.copy() for w in net.weights]
        self._implicit = [c / (1 + training["learning_rate"] * c) for c in self.curvature]
        self.fit(net, task.X, task.y, training, regularizer=self)
        for c, importance in zip(self.curvature, self.importance(net, task), strict=True):
            c += self.strength * importance

    @abstractmethod
    def importance(self, net: MLP, task: Task) -> list[Array]:
        """How much each weight matters to ``task``, just learnt: arrays like ``net.weights``."""

    def penalty(self, net: MLP) -> float:
        """½·Σ c·(w - w*)² over all weights."""
        terms = zip(self.curvature, net.weights, self.anchors, strict=True)
        return float(sum(0.5 * (c * (w - anchor) ** 2).sum() for c, w, anchor in terms))

    def pull(self, layer: int, rows: slice, w: Array) -> Array:
        """The penalty's derivative at the end of the proximal step from ``w``, some rows' weights.

        Returns an array of the shape and dtype of ``w``.
        """
        return np.asarray(self._implicit[layer][rows] * (w - self.anchors[layer][rows]))

    def moved(self, layer: int, rows: slice, gradient: Array, change: Array) -> None:
        """Told of each batch by MLP.fit: nothing is done here."""


def fisher_information(net: MLP, X: ArrayLike, rng: Generator) -> list[Array]:
    """The diagonal of the Fisher information of the weights: how sharply they fix the outputs.

    The mean over the samples of (∂ log p(y | x) / ∂w)², with one y per sample drawn from the
    network's own p(y | x). (With the samples' labels it would be the "empirical Fisher", which is
    no measure of curvature.) Dropout is off.

    For a "softmax" output p is its probabilities. The loss of a "relu" output a, Σ ½·a² - y·z, is
    that of y ~ N(a, 1) where a > 0; a silent output is taken as certain, y = 0. So outputs that
    are on count alike, however sure the network is.

    Parameters
    ----------
    net : MLP
    X : array-like of shape (n, n_0)
    rng : Generator

    Returns
    -------
    list over layers 1 … L of (n_l, n_{l-1}) arrays in the network's dtype
    """
    a = net.activations(X)[-1]
    if net.output == "softmax":
        # The class in whose share of [0, 1) a uniform number falls; the shares' sum is rounded.
        y = (a.cumsum(axis=1) <= rng.random((len(a), 1))).sum(axis=1)
        y = np.minimum(y, a.shape[1] - 1)
    else:
        y = a + (a > 0) * rng.standard_normal(a.shape)
    return net.squared_gradients(X, y)


class EWCLearner(QuadraticLearner):
    """Importance is Fisher information: the penalty is strength/2 · Σ F·(w - w*)² (eq. 3).

    F is the sum of all tasks' Fisher informations. Each is estimated right after its task's
    training, where that task's loss is about minimal; so before the sleep, if there is one.

    Parameters
    ----------
    rng, strength : as for QuadraticLearner
    fisher_samples : int >= 1
        Samples of a task that the Fisher information is estimated on, at most.
    """

    def __init__(
        self, rng: Generator, strength: float, fisher_samples: int = FISHER_SAMPLES
    ) -> None:
        super().__init__(rng, strength)
        self.fisher_samples = check_int("fisher_samples", fisher_samples, low=1)

    def importance(self, net: MLP, task: Task) -> list[Array]:
        """The Fisher information on at most ``fisher_samples`` of the task's training samples."""
        chosen = self.rng.permutation(len(task.X))[: self.fisher_samples]
        return fisher_information(net, task.X[chosen], self.rng)


def ewc(
    tasks: Sequence[Task],
    protocol: Protocol,
    seed: int,
    sleeps: bool = False,
    strength: float | None = None,
) -> Iterator[Checkpoint]:
    """Yield the network after each task (and each sleep, with ``sleeps``); see srcnb.methods.

    With ``sleeps`` its outputs are brought to one scale if the protocol says so, as those of src.
    ``strength`` multiplies the Fisher information; None: the one of EWC_STRENGTHS. Raises
    ValueError if it is negative.
    """
    strength = EWC_STRENGTHS[check_bool("sleeps", sleeps)] if strength is None else strength
    learner = partial(EWCLearner, strength=check_real("strength", strength, 0))
    checkpoints = train_and_sleep(tasks, protocol, seed, learner, sleeps=sleeps)
    return evened(checkpoints, tasks, protocol, seed) if sleeps else checkpoints


class SILearner(QuadraticLearner):
    """Importance is a weight's share in the tasks' loss decrease, per squared distance moved.

    While a task is trained, ω = -Σ gradient·change over the batches (eq. 3): what a weight's moves
    took off the loss. After it Ω += ω / ((w_end - w_start)² + damping) (eq. 5), and the penalty
    is strength·Σ Ω·(w - w*)² (eq. 4). It has no ½, so that the importance is 2·Ω.

    Parameters
    ----------
    rng, strength : as for QuadraticLearner
    damping : float > 0
        ξ of the paper: keeps Ω finite where a weight ends near its start.

    Attributes
    ----------
    omega : list over layers 1 … L of arrays like ``net.weights``: ω of the last task
    """

    def __init__(self, rng: Generator, strength: float, damping: float) -> None:
        super().__init__(rng, strength)
        self.damping = check_real("damping", damping, 0, low_open=True)
        self.omega: list[Array] = []

    def learn(self, net: MLP, task: Task, training: Mapping[str, Any]) -> None:
        """Train ``net`` on ``task``, following ω; see QuadraticLearner."""
        self.omega = [np.zeros_like(w) for w in net.weights]
        super().learn(net, task, training)

    def moved(self, layer: int, rows: slice, gradient: Array, change: Array) -> None:
        """Add a batch's part of the path integral."""
        self.omega[layer][rows] -= gradient * change

    def importance(self, net: MLP, task: Task) -> list[Array]:
        """2·Ω of the task just learnt.

        A negative ω, of a weight whose moves raised the loss, counts as 0: a negative curvature
        would push the weight away from its anchor without bound.
        """
        paths = zip(self.omega, net.weights, self.anchors, strict=True)
        return [
            2 * np.maximum(omega, 0) / ((w - start) ** 2 + self.damping)
            for omega, w, start in paths
        ]


def si(
    tasks: Sequence[Task],
    protocol: Protocol,
    seed: int,
    sleeps: bool = False,
    strength: float | None = None,
    damping: float = 0.1,
) -> Iterator[Checkpoint]:
    """Yield the network after each task (and each sleep, with ``sleeps``); see srcnb.methods.

    With ``sleeps`` its outputs are brought to one scale if the protocol says so, as those of src.
    ``strength`` is the paper's c (None: the one of SI_STRENGTHS), ``damping`` its ξ. Raises
    ValueError for a negative ``strength`` or a ``damping`` that is not above 0.
    """
    strength = SI_STRENGTHS[check_bool("sleeps", sleeps)] if strength is None else strength
    learner = partial(
        SILearner,
        strength=check_real("strength", strength, 0),
        damping=check_real("damping", damping, 0, low_open=True),
    )
    checkpoints = train_and_sleep(tasks, protocol, seed, learner, sleeps=sleeps)
    return evened(checkpoints, tasks, protocol, seed) if sleeps else checkpoints
