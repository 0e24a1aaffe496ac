"""Controls: what can be had without a sleep, by methods that keep no more than SRC.

Each keeps the network and the list of the classes seen, no sample and no statistic of earlier
tasks. What SRC adds is what it has above these.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng

from srcnb import output
from srcnb.methods.base import Checkpoint, Learner, Slept, train_and_sleep
from srcnb.mlp import MLP
from srcnb.protocol import Protocol
from srcnb.tasks import Task
from srcnb.validation import (
    Array,
    ArrayLike,
    check_bool,
    check_choice,
    check_instance,
    check_int,
    check_real,
)

AT = ("prediction", "weights")
# Chosen by benchmarks/choose_controls.py on validation splits of the training sets of digits (three
# seeds) and MNIST (one), by the sum of both accuracies, in the calibrated protocol: 0.2 and 0.3
# are equally good. The second was chosen in the protocol "own".
KEEP = 0.25
KEEP_IN_SLEPT_WEIGHTS = 0.75
# The same. In units of the output layer's root mean square.
OFFSET = 1.0


class Corrected:
    """A network whose predictions are those of a corrected copy.

    Attributes
    ----------
    net : MLP, as it is: what trains and sleeps on, and what is kept in files
    corrected : MLP, the copy
    """

    def __init__(self, net: MLP, corrected: MLP) -> None:
        self.net = net
        self.corrected = corrected

    def predict(self, X: ArrayLike) -> Array:
        """The corrected network's prediction for each row of ``X`` (n, n_0): (n,) int64."""
        return self.corrected.predict(X)


class Homeostatic(Learner):
    """Trains as Learner does; the outputs of all classes seen are brought to the same scale.

    See :func:`srcnb.homeostasis`, which gets the samples of the current task (capped). Outputs stay
    as they are after a task that :func:`has_all` earlier classes.

    Parameters
    ----------
    rng : as for Learner
    keep : float in (0, 1], the probability that a feature is kept
    at : "prediction" | "weights", see :func:`homeostasis`

    Attributes
    ----------
    classes : int array, the classes seen
    X : (n, n_0) array, the current task's samples
    """

    def __init__(self, rng: Generator, keep: float, at: str) -> None:
        super().__init__(rng)
        self.keep = check_keep("keep", keep)
        self.at = check_choice("at", at, AT)
        self.classes = np.empty(0, np.int64)
        self.X: Array = np.empty((0, 0))
        self._even = False

    def learn(self, net: MLP, task: Task, training: Mapping[str, Any]) -> None:
        """Train ``net`` on ``task``, in place."""
        super().learn(net, task, training)
        self._even = has_all(self.classes, task)
        self.classes = np.union1d(self.classes, task.y)
        self.X = task.X

    def after_task(self, net: MLP) -> MLP:
        """The corrected network where the correction is kept, else ``net`` itself."""
        return self._corrected(net) if self.at == "weights" else net

    def model(self, net: MLP) -> MLP | Corrected:
        """``net`` with the predictions of a corrected copy, unless the correction is kept."""
        return Corrected(net, self._corrected(net)) if self.at == "prediction" else net

    def _corrected(self, net: MLP) -> MLP:
        if self._even:
            return net
        return output.homeostasis(net, self.X, self.classes, self.keep, random_state=self.rng)


def has_all(earlier: Array, task: Task) -> bool:
    """Whether a task has all classes of earlier ones (and is not the first).

    Its training has brought their outputs to one scale already, and homeostasis would cost a
    network that slept 5 points (benchmarks/choose_where.py, twenty permutations of digits).
    """
    return bool(len(earlier)) and bool(np.isin(earlier, task.y).all())


def evened(
    checkpoints: Iterator[Checkpoint], tasks: Sequence[Task], protocol: Protocol, seed: int
) -> Iterator[Checkpoint]:
    """Checkpoints of networks, with their outputs brought to one scale if ``protocol`` says so.

    For methods with a sleep and a learner of their own: as ``src`` is measured in that protocol.
    """
    check_instance("protocol", protocol, Protocol, "a Protocol")
    check_int("seed", seed)
    if protocol.homeostasis is None:
        yield from checkpoints
        return
    rng = default_rng(SeedSequence(seed, spawn_key=(1,)))
    for checkpoint in checkpoints:
        *earlier, task = tasks[: checkpoint.stage]
        seen = np.unique(np.concatenate([task.y for task in earlier] or [task.y[:0]]))
        if has_all(seen, task):
            yield checkpoint
            continue
        net, classes = checkpoint.model, np.union1d(seen, task.y)
        corrected = output.homeostasis(net, task.X, classes, protocol.homeostasis, random_state=rng)
        even = checkpoint._replace(model=Corrected(net, corrected))
        if isinstance(even, Slept) and isinstance(checkpoint, Slept):
            even.record = checkpoint.record
        yield even


def with_homeostasis(
    name: str, keep: float | None, at: str = "prediction"
) -> Callable[[Generator], Learner]:
    """What makes the learner of a run: a :class:`Homeostatic`, or a Learner where ``keep`` is None.

    ``name`` is what the caller calls ``keep``, for the ValueError where it is outside (0, 1].
    """
    if keep is None:
        return Learner
    return partial(Homeostatic, keep=check_keep(name, keep), at=at)


def check_keep(name: str, value: float) -> float:
    """Return ``value`` as a probability that a feature is kept, in (0, 1]."""
    return check_real(name, value, 0, 1, low_open=True)


def homeostasis(
    tasks: Sequence[Task],
    protocol: Protocol,
    seed: int,
    at: str = "prediction",
    keep: float = KEEP,
) -> Iterator[Checkpoint]:
    """Sequential training, no sleep, the outputs brought to one scale by :func:`srcnb.homeostasis`.

    Keeps nothing but the network and the list of the classes seen.

    Parameters
    ----------
    tasks, protocol, seed : see srcnb.methods
    at : "prediction" | "weights"
        "prediction": the network of "sequential", and what is measured is a corrected copy of it.
        "weights": the correction is written into the weights after each task, and training goes on
        from there.
    keep : float in (0, 1]
        Probability that a feature of the current task's samples is kept.

    Raises
    ------
    ValueError, TypeError
        For another ``at``, or a ``keep`` outside (0, 1], before any training.
    """
    check_choice("at", at, AT)
    learner = partial(Homeostatic, keep=check_keep("keep", keep), at=at)
    return train_and_sleep(tasks, protocol, seed, learner, sleeps=False)


class Offset(Learner):
    """Trains as Learner does, then takes a constant off the output weights of the task's classes.

    Attributes
    ----------
    by : float >= 0, the constant in units of the root mean square of the output layer's weights
    classes : int array, the current task's
    """

    def __init__(self, rng: Generator, by: float) -> None:
        super().__init__(rng)
        self.by = check_real("by", by, 0)
        self.classes = np.empty(0, np.int64)

    def learn(self, net: MLP, task: Task, training: Mapping[str, Any]) -> None:
        """Train ``net`` on ``task``, in place, and remember its classes."""
        super().learn(net, task, training)
        self.classes = np.unique(task.y)

    def after_task(self, net: MLP) -> MLP:
        """A copy with lower weights to the outputs of the current classes."""
        W = np.array(net.weights[-1])
        W[self.classes] -= W.dtype.type(self.by * np.sqrt((W**2).mean(dtype=np.float64)))
        return net.with_weights([*(np.asarray(w) for w in net.weights[:-1]), W])


def offset(
    tasks: Sequence[Task], protocol: Protocol, seed: int, by: float = OFFSET
) -> Iterator[Checkpoint]:
    """Sequential training; after each task its classes' output weights are lowered by a constant.

    Hidden activations are never negative, so that these classes' outputs are lower for every
    sample. The change is kept, and training goes on from there. Keeps nothing but the network.

    ``by`` is the constant in units of the root mean square of the output layer's weights at that
    time; 0 is "sequential", to the last bit. Raises ValueError if it is negative.
    """
    learner = partial(Offset, by=check_real("by", by, 0))
    return train_and_sleep(tasks, protocol, seed, learner, sleeps=False)


class OwnClasses(Learner):
    """Trains with the loss over the outputs of the task's own classes only."""

    def learn(self, net: MLP, task: Task, training: Mapping[str, Any]) -> None:
        """Train ``net`` on ``task``, in place; other classes' output weights stay as they are."""
        classes = np.unique(task.y)
        self.train(net, training, lambda part: fit_classes(net, task.X, task.y, classes, part))


def fit_classes(net: MLP, X: Array, y: Array, classes: Array, training: Mapping[str, Any]) -> None:
    """Train ``net`` in place as ``net.fit`` does, as if it had no outputs but those of ``classes``.

    The other outputs are left out of the softmax and of the loss; their weights and biases stay as
    they are, to the last bit, whatever the weight decay and the momentum.

    Parameters
    ----------
    net : MLP, not of low rank
    X, y : (n, n_0) samples and their (n,) labels, all of them in ``classes``
    classes : int array, sorted
    training : keyword arguments of MLP.fit

    Raises
    ------
    TypeError
        For a network of low rank, whose output weights are not rows of their own.
    """
    if not isinstance(net.weights[-1], np.ndarray):
        raise TypeError(f"net must be a dense MLP for a loss over some classes, got {net!r}")
    n_layers = len(net.weights)
    before = net._parameters()
    # Of the output layer's weights, and of its biases, the rows of these classes.
    part = [classes if (i + 1) % n_layers == 0 else slice(None) for i in range(len(before))]
    rows = [p[where] for p, where in zip(before, part, strict=True)]
    smaller = net.with_weights(rows[:n_layers])
    smaller._rng = net._rng
    if net.biases is not None:
        smaller.biases = rows[n_layers:]
    if net._velocity is not None:
        smaller._velocity = [v[where] for v, where in zip(net._velocity, part, strict=True)]
    smaller.fit(X, np.searchsorted(classes, y), **training)
    net._velocity = [np.zeros_like(p) for p in before]
    for p, v, where, trained, velocity in zip(
        before, net._velocity, part, smaller._parameters(), smaller._velocity or [], strict=True
    ):
        p[where], v[where] = trained, velocity


def own_classes(
    tasks: Sequence[Task], protocol: Protocol, seed: int, sleeps: bool = False
) -> Iterator[Checkpoint]:
    """Sequential training with the loss over the current task's classes only ("labels trick").

    So that a task does not teach the network that the classes of the others are never right. As
    a softmax over one class is always 1, tasks of one class each teach it nothing. Keeps nothing
    but the network. With ``sleeps`` it sleeps after each task.
    Source: Zeno, Golan, Hoffer, Soudry, "Task agnostic continual learning using online variational
    Bayes", 2018, arXiv 1803.10123.
    """
    return train_and_sleep(tasks, protocol, seed, OwnClasses, sleeps=check_bool("sleeps", sleeps))
