"""lwf: learning without forgetting, distillation from the old network on the new task's samples.

Li & Hoiem, ECCV 2016, arXiv 1606.09282; in the form that is used with one head of outputs for all
classes (van de Ven & Tolias 2019, arXiv 1904.07734).
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator

from srcnb.methods.base import Checkpoint, Learner, train_and_sleep
from srcnb.methods.icarl import distillation_targets
from srcnb.mlp import MLP
from srcnb.protocol import Protocol
from srcnb.tasks import Task
from srcnb.validation import Array, check_real

# Chosen by benchmarks/choose_controls.py on validation splits of the training sets of digits (three
# seeds) and MNIST (one), by the sum of both accuracies, in the calibrated protocol. A constant
# strength is worse than the rule of one over the tasks (at best 62 for 78 on digits, 48 for 63 on
# MNIST).
TEMPERATURE = 2.0


class LwF(Learner):
    """Trains on a mixture of the labels and of what the old network says of the samples.

    Attributes
    ----------
    strength : float in [0, 1) or None, the share of the old network; see :func:`lwf`
    temperature : float > 0, by which the old network's logits are divided
    n_learnt : int, the tasks learnt so far
    classes : int array, the classes seen
    """

    def __init__(self, rng: Generator, strength: float | None, temperature: float) -> None:
        super().__init__(rng)
        self.strength = strength
        self.temperature = temperature
        self.n_learnt = 0
        self.classes = np.empty(0, np.int64)

    def learn(self, net: MLP, task: Task, training: Mapping[str, Any]) -> None:
        """Train ``net`` on ``task``, in place, towards the mixture; the first task as it is."""
        if self.n_learnt:
            self.fit(net, task.X, self.targets(net, task), training)
        else:
            super().learn(net, task, training)
        self.n_learnt += 1
        self.classes = np.union1d(self.classes, task.y)

    def targets(self, net: MLP, task: Task) -> Array:
        """(n, n_L) targets for the task's samples, from ``net`` as it is before the training.

        (1 - λ)·one-hot + λ·old: of a softmax the loss is the sum of two cross-entropies. Relu
        outputs have a loss each; those that the old network has not learnt get the label alone.
        """
        strength = self.strength
        if strength is None:
            strength = self.n_learnt / (self.n_learnt + 1)
        one_hot = np.eye(task.n_classes, dtype=net.dtype)[task.y]
        old = distillation_targets(net, task.X, self.classes, self.temperature)
        share = np.full(task.n_classes, strength, net.dtype)
        if net.output == "relu":
            share[np.setdiff1d(np.arange(task.n_classes), self.classes)] = 0
        return np.asarray((1 - share) * one_hot + share * old)


def lwf(
    tasks: Sequence[Task],
    protocol: Protocol,
    seed: int,
    strength: float | None = None,
    temperature: float = TEMPERATURE,
) -> Iterator[Checkpoint]:
    """Yield the network after each task; see srcnb.methods. Keeps the old network for a task.

    The loss is (1 - λ)·H(label, p) + λ·H(q, p): H the cross-entropy, p the network's softmax over
    all outputs, q the old network's over the classes seen before, its logits divided by the
    temperature (p has none; the paper has one there as well, and a softmax of their own for the
    old classes).

    Parameters
    ----------
    tasks, protocol, seed : see srcnb.methods
    strength : float in [0, 1), or None
        λ, the old network's share. None: 1 - 1/k in the k-th task, so that all tasks have the same
        weight (van de Ven & Tolias). 0 is "sequential", but for rounding.
    temperature : float > 0
        The higher, the more the old network's smaller outputs count. Of no effect on relu outputs.

    Raises
    ------
    ValueError, TypeError
        For numbers outside their ranges, before any training.
    """
    learner = partial(
        LwF,
        strength=None
        if strength is None
        else check_real("strength", strength, 0, 1, high_open=True),
        temperature=check_real("temperature", temperature, 0, low_open=True),
    )
    return train_and_sleep(tasks, protocol, seed, learner, sleeps=False)
