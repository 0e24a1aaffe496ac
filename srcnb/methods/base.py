"""The one loop that trains and sleeps: a task is learnt, measured, and perhaps slept over."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng

from srcnb.mlp import MLP
from srcnb.protocol import Protocol, SleepState
from srcnb.tasks import Task


class Checkpoint(NamedTuple):
    """A point at which a method is measured.

    Attributes
    ----------
    stage : number of tasks trained so far
    phase : "train" | "sleep", what was done last
    model : an object with ``predict(X)``, to be measured before the method goes on
    """

    stage: int
    phase: str
    model: Any


Method: TypeAlias = Callable[[Sequence[Task], Protocol, int], Iterator[Checkpoint]]
# How a network sleeps: from the state of the run, the network, the stage and its random state.
Sleep: TypeAlias = Callable[[SleepState, MLP, int, SeedSequence], MLP]


class Learner:
    """How a network learns the next task. This one trains and does nothing else.

    Methods derive from it and override what they do differently. Each run has a learner of its own.

    Attributes
    ----------
    rng : Generator of its own, so that the network's random numbers stay those of "sequential"
    """

    def __init__(self, rng: Generator) -> None:
        self.rng = rng

    def learn(self, net: MLP, task: Task, training: Mapping[str, Any]) -> None:
        """Train ``net`` on ``task``, in place; ``training`` are keyword arguments of MLP.fit."""
        net.fit(task.X, task.y, **training)

    def after_task(self, net: MLP) -> MLP:
        """The network to go on with, once a task is learnt and, where a sleep is due, slept over.

        ``net`` may be changed, or another be returned.
        """
        return net

    def model(self, net: MLP) -> Any:
        """What is measured: an object with ``predict(X)``."""
        return net


def sleep_as_scheduled(state: SleepState, net: MLP, stage: int, random_state: SeedSequence) -> MLP:
    """The sleep of a protocol as it is; returns the slept network."""
    slept = state.sleep(net, stage, random_state).net
    assert slept is not None
    return slept


def train_and_sleep(
    tasks: Sequence[Task],
    protocol: Protocol,
    seed: int,
    learner: Callable[[Generator], Learner] = Learner,
    *,
    sleeps: bool = True,
    sleep: Sleep = sleep_as_scheduled,
    aside: bool = False,
    first: MLP | None = None,
) -> Iterator[Checkpoint]:
    """Yield a checkpoint after each task and, with ``sleeps``, after each sleep.

    The network starts and trains with the same random numbers for every method and whether it
    sleeps or not.

    Parameters
    ----------
    tasks, protocol : the tasks in order, and how to learn them
    seed : int; the network's own, and what all other random numbers follow from
    learner : gets a Generator, gives the run's Learner
    sleeps : whether the network sleeps, when the protocol's schedule says so
    sleep : gives the slept network
    aside : whether each slept network is measured and dropped: training goes on from the awake one
    first : a network that a Learner has taught the first task of this protocol with this seed
        It is copied, and learns no more of that task. None: a new one.

    Raises
    ------
    ValueError
        Before any training, if the constants of the sleep do not fit the number of layers.
    """
    if sleeps:
        protocol.check_sleeps()
    net = protocol.new_network(tasks, seed) if first is None else first.copy()
    state = SleepState(protocol.schedule)
    learns = learner(default_rng(SeedSequence(seed, spawn_key=(0,))))
    for stage, task in enumerate(tasks, 1):
        training = protocol.training_at(stage)
        if stage == 1 and first is not None:
            training |= {"epochs": 0, "reset_momentum": False}
        learns.learn(net, task, training)
        due = sleeps and protocol.schedule.is_due(stage, len(tasks))
        if not due:
            net = learns.after_task(net)
        yield Checkpoint(stage, "train", learns.model(net))
        if not sleeps:
            continue
        state.update(task)
        if due:
            slept = learns.after_task(sleep(state, net, stage, SeedSequence([seed, stage])))
            yield Checkpoint(stage, "sleep", learns.model(slept))
            net = net if aside else slept


def all_samples(tasks: Sequence[Task]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """X and y of all training samples of all tasks, not capped."""
    return np.concatenate([t.X_all for t in tasks]), np.concatenate([t.y_all for t in tasks])
