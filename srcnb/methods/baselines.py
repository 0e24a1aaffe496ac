"""What SRC is measured against: sequential and joint training, and an oracle that is told the task.

``parallel`` is what both sources call joint training, the upper bound; ``cheat`` is the replica's
name of the task oracle.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.random import Generator

from srcnb.methods.base import Checkpoint, Learner, all_samples, train_and_sleep
from srcnb.mlp import MLP
from srcnb.protocol import Protocol
from srcnb.tasks import Task
from srcnb.validation import Array, check_bool


def sequential(tasks: Sequence[Task], protocol: Protocol, seed: int) -> Iterator[Checkpoint]:
    """One task after the other, no sleep: the lower bound. Yields the network after each task."""
    return train_and_sleep(tasks, protocol, seed, sleeps=False)


def parallel(tasks: Sequence[Task], protocol: Protocol, seed: int) -> Iterator[Checkpoint]:
    """All tasks' data at once, not capped: the upper bound. Yields the network, as last stage."""
    net = protocol.new_network(tasks, seed)
    training = dict(protocol.training)
    if protocol.parallel_epochs is not None:
        training["epochs"] = protocol.parallel_epochs
    yield Checkpoint(len(tasks), "train", net.fit(*all_samples(tasks), **training))


def cheat(
    tasks: Sequence[Task], protocol: Protocol, seed: int, slip: bool = False
) -> Iterator[Checkpoint]:
    """Sequential training, measured by an :class:`Oracle` that is told the task of each sample.

    Parameters
    ----------
    tasks, protocol, seed : see srcnb.methods
    slip : bool
        False: the network of "sequential", its weights untouched; when another task than the
        last one trained is tested, the last one's classes cannot be chosen (their logits are -∞).
        True, as the replica has it: after a task, the *columns* of the last weight matrix with the
        numbers of the task's classes are set to 0 for good, and training goes on from there (an
        indexing slip: the classes are rows, columns are hidden units); and the logits of the last
        task's classes become 0, which can still be the largest.

    Raises
    ------
    ValueError
        If the slip finds fewer hidden units than classes.
    """
    learner = Slip if check_bool("slip", slip) else Cheat
    return train_and_sleep(tasks, protocol, seed, learner, sleeps=False)


class Oracle:
    """A network that is told the task, and then holds the classes of the last one back.

    Parameters
    ----------
    net : MLP
    classes : (n,) int array, the classes of the last task trained
    fill : float
        What their logits become when a task without them is tested.
    """

    def __init__(self, net: MLP, classes: Array, fill: float = -np.inf) -> None:
        self.net = net
        self.classes = classes
        self.fill = fill

    def predict(self, X: Array) -> Array:
        """The network's own prediction, without the oracle: (n,) int64."""
        return self.net.predict(X)

    def predict_task(self, X: Array, task: Task) -> Array:
        """The class of each row of ``X`` (n, n_0), known to be from ``task``: (n,) int64.

        Classes that both tasks have are left alone, so that nothing happens to the last task.
        """
        held_back = np.setdiff1d(self.classes, np.unique(task.y_all))
        if not len(held_back):
            return self.predict(X)
        # Not the outputs: next to the last task's certainty those of the other classes are mostly
        # all 0, a relu's as well as a softmax's, and the first class would win the tie.
        z = self.net.logits(X)
        z[:, held_back] = self.fill
        return np.asarray(z.argmax(axis=1))


class Cheat(Learner):
    """Trains as Learner does, and is measured as an Oracle."""

    fill = -np.inf

    def __init__(self, rng: Generator) -> None:
        super().__init__(rng)
        self.classes = np.empty(0, np.int64)

    def learn(self, net: MLP, task: Task, training: Mapping[str, Any]) -> None:
        """Train ``net`` on ``task``, in place, and remember its classes."""
        super().learn(net, task, training)
        self.classes = np.unique(task.y_all)

    def model(self, net: MLP) -> Oracle:
        """The Oracle that holds back the classes of the last task."""
        return Oracle(net, self.classes, self.fill)


class Slip(Cheat):
    """Cheat as the replica has it; see :func:`cheat`."""

    fill = 0.0

    def learn(self, net: MLP, task: Task, training: Mapping[str, Any]) -> None:
        """Train ``net`` on ``task``, in place, and zero the columns numbered like its classes."""
        super().learn(net, task, training)
        W = net.weights[-1]
        if self.classes.max() >= W.shape[1]:
            raise ValueError(
                "slip needs a hidden unit for the number of every class, got"
                f" {W.shape[1]} units and class {self.classes.max()}"
            )
        W[:, self.classes] = 0
