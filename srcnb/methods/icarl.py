"""icarl: a small memory of exemplars, and a nearest-mean classifier on top of the features.

Rebuffi, Kolesnikov, Sperl, Lampert, "iCaRL: Incremental classifier and representation learning",
CVPR 2017; in the form that the authors of SRC gave it in their script, which differs from it in
three ways that are kept:

- features φ, the last hidden layer's activations, are not scaled to unit length;
- the first exemplar of a class is the one with the smallest φ·μ, not the one nearest to the mean μ
  (so that with a single exemplar per class, a class is represented by an outlier);
- all samples are trained on with the protocol's loss, and distillation is optional.

Not kept: the source leaves dropout on while it computes features and distillation targets, and
rounds a class's share of the memory to the nearest whole number, which can overfill it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator

from srcnb.backprop import softmax
from srcnb.methods.base import Checkpoint, Learner, train_and_sleep
from srcnb.mlp import MLP
from srcnb.protocol import Protocol
from srcnb.tasks import Task
from srcnb.validation import (
    Array,
    ArrayLike,
    check_array,
    check_bool,
    check_choice,
    check_int,
    check_list,
)

CLASSIFIERS = ("nearest_mean", "head")
SELECTIONS = ("herding", "random")


def features(net: MLP, X: ArrayLike) -> Array:
    """φ of ``X`` (n, n_0): activations of the last hidden layer, (n, n_{L-1}), dropout off."""
    return net.activations(X)[-2]


def herding(phi: ArrayLike, n: int) -> Array:
    """Choose samples whose mean stays near the mean of all, in order of importance.

    Raises TypeError or ValueError for features that are not finite or not 2-D, and for n < 0.

    Parameters
    ----------
    phi : array-like of shape (n_samples, n_features), features of one class
    n : int
        How many to choose; all of them, if there are fewer.

    Returns
    -------
    (min(n, n_samples),) int64 array: rows of ``phi`` in order, each at most once. The first has the
    smallest φ·μ; each next one brings the mean of those chosen nearest to μ, the mean of all rows.
    """
    phi = check_array("phi", phi, 2)
    n = min(check_int("n", n), len(phi))
    chosen = np.empty(n, dtype=np.int64)
    if not n:
        return chosen
    mu = phi.mean(axis=0, dtype=np.float64)
    squares = np.einsum("ij,ij->i", phi, phi)
    total = np.zeros_like(mu)
    distance = phi @ mu.astype(phi.dtype)
    for k in range(n):
        if k:
            # |μ - (total + φ)/(k + 1)|² times (k + 1)², less what is the same for every φ.
            missing = (k + 1) * mu - total
            distance = squares - 2 * (phi @ missing.astype(phi.dtype))
        distance[chosen[:k]] = np.inf
        chosen[k] = distance.argmin()
        total += phi[chosen[k]]
    return chosen


class NearestMean:
    """Classifies by the nearest mean, Euclidean, of the exemplars' features.

    Parameters
    ----------
    net : MLP
    exemplars : dict from class to its (n, n_0) samples

    Attributes
    ----------
    classes : (n_seen,) int64 array
    means : (n_seen, n_{L-1}) array, each class's mean feature as ``net`` has it now
    """

    def __init__(self, net: MLP, exemplars: Mapping[int, Array]) -> None:
        self.net = net
        self.classes = np.array(list(exemplars), dtype=np.int64)
        self.means = np.stack([features(net, X).mean(axis=0) for X in exemplars.values()])

    def predict(self, X: Array) -> Array:
        """The class of the nearest mean for each row of ``X`` (n, n_0): (n,) int64."""
        labels = np.empty(len(X), dtype=np.int64)
        squares = (self.means**2).sum(axis=1)
        for rows, activations, _ in self.net.batches(X):
            # |φ - μ|², less the |φ|² that is the same for every mean.
            distance = squares - 2 * (activations[-2] @ self.means.T)
            labels[rows] = self.classes[distance.argmin(axis=1)]
        return labels


class IcarlModel:
    """What is measured: one network with both of its classifiers.

    To be used before the network trains on: the next stage changes it in place.

    Attributes
    ----------
    head : the MLP; its ``predict(X)`` takes the largest output
    nearest_mean : NearestMean, whose means are those of ``net`` when this model was made
    classifier : "nearest_mean" | "head", the one that ``predict`` stands for
    """

    def __init__(
        self, net: MLP, exemplars: Mapping[int, Array], classifier: str = "nearest_mean"
    ) -> None:
        self.head = net
        self.nearest_mean = NearestMean(net, exemplars)
        self.classifier = check_choice("classifier", classifier, CLASSIFIERS)

    def predict(self, X: Array) -> Array:
        """The class of each row of ``X`` (n, n_0) by the chosen classifier: (n,) int64."""
        return (self.head if self.classifier == "head" else self.nearest_mean).predict(X)


class Icarl(Learner):
    """Trains on the task and all exemplars, then chooses exemplars of the new classes.

    Attributes
    ----------
    memory : int, samples kept at most, shared alike by the classes seen
    distill, selection, classifier : see :func:`icarl`
    exemplars : dict from class to its (n, n_0) samples, in the order in which they were selected
    """

    def __init__(
        self, rng: Generator, memory: int, distill: bool, selection: str, classifier: str
    ) -> None:
        super().__init__(rng)
        self.memory = memory
        self.distill = distill
        self.selection = selection
        self.classifier = classifier
        self.exemplars: dict[int, Array] = {}

    def learn(self, net: MLP, task: Task, training: Mapping[str, Any]) -> None:
        """Train ``net`` in place on ``task`` and the exemplars; then renew the exemplars."""
        self.fit(net, *self.training_data(net, task), training)
        self.remember(net, task)

    def training_data(self, net: MLP, task: Task) -> tuple[Array, Array]:
        """The task's samples and all exemplars: X (n, n_0) and y, (n,) labels.

        With distillation and exemplars y are (n, n_L) targets in the network's dtype.
        """
        if not self.exemplars:
            return task.X, task.y
        old = np.concatenate(list(self.exemplars.values()))
        X = np.concatenate([task.X, old])
        if self.distill:
            one_hot = np.eye(task.n_classes, dtype=net.dtype)[task.y]
            return X, np.concatenate([one_hot, distillation_targets(net, old, [*self.exemplars])])
        labels = np.repeat(list(self.exemplars), [len(e) for e in self.exemplars.values()])
        return X, np.concatenate([task.y, labels])

    def remember(self, net: MLP, task: Task) -> None:
        """Choose exemplars of the task's classes; shorten the lists of the earlier ones."""
        new = np.unique(task.y_all)
        share = self.memory // (len(self.exemplars) + len(new))
        # Herding puts the most important first, so that the end of a list can go.
        self.exemplars = {c: X[:share].copy() for c, X in self.exemplars.items()}
        for c in new:
            X = task.X_all[task.y_all == c]
            if self.selection == "herding":
                chosen = herding(features(net, X), share)
            else:
                chosen = self.rng.permutation(len(X))[:share]
            self.exemplars[int(c)] = X[chosen]

    def model(self, net: MLP) -> IcarlModel:
        """Both classifiers; class means are those of ``net``'s features, also after a sleep."""
        return IcarlModel(net, self.exemplars, self.classifier)


def distillation_targets(
    net: MLP, X: ArrayLike, classes: Iterable[int], temperature: float = 1.0
) -> Array:
    """What ``net`` says about ``X`` (n, n_0) among the ``classes`` it has learnt: (n, n_L).

    The targets of all other classes are 0. For a softmax output the softmax is taken over
    ``classes`` alone, of the logits over ``temperature``, so that each row sums to 1; a relu
    output's values are taken as they are.
    """
    classes = check_list("classes", classes)
    # Not from the outputs: those of these classes may all have underflowed.
    z = net.logits(X)
    known = z[:, classes]
    targets = np.zeros_like(z)
    if net.output == "softmax":
        targets[:, classes] = softmax(known / net.dtype.type(temperature))
    else:
        targets[:, classes] = np.maximum(known, 0)
    return targets


def icarl(
    tasks: Sequence[Task],
    protocol: Protocol,
    seed: int,
    sleeps: bool = False,
    memory: int = 100,
    distill: bool = False,
    selection: str = "herding",
    classifier: str = "nearest_mean",
) -> Iterator[Checkpoint]:
    """Yield a model after each task and, with ``sleeps``, each sleep; see srcnb.methods.

    A stage trains on the task's samples (capped) and all exemplars. Then memory // (classes seen)
    exemplars of each new class are chosen, by :func:`herding` or at random, from all its training
    samples (not capped), and the earlier classes' lists are cut to the same length. A sleep changes
    features and so the class means, but not the exemplars.

    Parameters
    ----------
    tasks, protocol, seed, sleeps : as for every method
    memory : int
        Exemplars kept at most, at least one for each class of the tasks.
    distill : bool
        Whether an exemplar's target is what the network said of it before the task, among the
        classes seen (see :func:`distillation_targets`), and not its label. The paper has the former
        for its sigmoid outputs, on the new samples as well; beside their labels a softmax has no
        room for that.
    selection : "herding" | "random"
        How exemplars are chosen. The source's sweep has both.
    classifier : "nearest_mean" | "head"
        What the model's ``predict`` does. It holds both, as ``model.nearest_mean`` and
        ``model.head``, so that one run can measure both (:class:`IcarlModel`).

    Raises
    ------
    ValueError, TypeError
        For a memory below the number of classes, an unknown selection or classifier, or tasks that
        share a class, before any training.
    """
    memory = check_int("memory", memory, low=1)
    check_bool("sleeps", sleeps)
    check_bool("distill", distill)
    check_choice("selection", selection, SELECTIONS)
    check_choice("classifier", classifier, CLASSIFIERS)
    classes = np.concatenate([np.unique(task.y_all) for task in tasks]).tolist()
    if len(set(classes)) != len(classes):
        raise ValueError(f"tasks must bring new classes each for iCaRL, got classes {classes}")
    if memory < len(classes):
        raise ValueError(
            f"memory must be at least {len(classes)}, one exemplar for each class, got {memory}"
        )
    learner = partial(
        Icarl, memory=memory, distill=distill, selection=selection, classifier=classifier
    )
    return train_and_sleep(tasks, protocol, seed, learner, sleeps=sleeps)
