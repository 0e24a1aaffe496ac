"""The one loop that trains and sleeps: a task is learnt, measured, and perhaps slept over."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng

from srcnb.mlp import MLP
from srcnb.protocol import Protocol, SleepState, in_parts
from srcnb.spiking.config import SleepConfig
from srcnb.spiking.inputs import SleepInput
from srcnb.spiking.report import SleepResult
from srcnb.tasks import Task
from srcnb.validation import Array, RandomState, check_instance, check_int, check_list


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


@dataclass(frozen=True, eq=False)
class SleepRecord:
    """What a sleep was done with: with it and the network before, it can be done again.

    Attributes
    ----------
    random_state : SeedSequence
    config : SleepConfig
    engine : as in :func:`srcnb.sleep`
    sleep_input : the run's own, which the next task changes
    alone : whether the network after the sleep is what the sleep gave, with nothing done to it
    """

    random_state: SeedSequence
    config: SleepConfig
    engine: str
    sleep_input: SleepInput
    alone: bool


class Slept(Checkpoint):
    """A Checkpoint after a sleep; ``record`` says how it was done, None where no step was."""

    record: SleepRecord | None = None


class _State(SleepState):
    """A SleepState that remembers its last sleep, whichever constants and numbers it had."""

    last: tuple[SleepResult, RandomState, str] | None = None

    def sleep(self, net: MLP, stage: int, random_state: RandomState, **options: Any) -> SleepResult:
        result = super().sleep(net, stage, random_state, **options)
        self.last = result, random_state, options.get("engine", "numba")
        return result

    def record(self, slept: MLP) -> SleepRecord | None:
        """Of the last sleep, after which the run goes on with ``slept``; forgets it."""
        if self.last is None:
            return None
        result, random_state, engine = self.last
        self.last = None
        if not isinstance(random_state, SeedSequence):
            return None
        alone = slept is result.net
        return SleepRecord(random_state, result.config, engine, self.sleep_input, alone)


Method: TypeAlias = Callable[[Sequence[Task], Protocol, int], Iterator[Checkpoint]]
# How a network sleeps: from the state of the run, the network, the stage and its random state.
Sleep: TypeAlias = Callable[[SleepState, MLP, int, SeedSequence], MLP]


# Trains on a task, or a part of it, in place, with keyword arguments of MLP.fit.
Fit: TypeAlias = Callable[[Mapping[str, Any]], object]
# Trains a network by calls of a Fit, from the training of the whole task.
Parts: TypeAlias = Callable[[MLP, Mapping[str, Any], Fit], None]


def whole(net: MLP, training: Mapping[str, Any], fit: Fit) -> None:
    """A task in one part."""
    fit(training)


class Learner:
    """How a network learns the next task. This one trains and does nothing else.

    Methods derive from it and override what they do differently. Each run has a learner of its own.

    Attributes
    ----------
    rng : Generator of its own, so that the network's random numbers stay those of "sequential"
    """

    def __init__(self, rng: Generator) -> None:
        self.rng = rng
        self._parts: Parts = whole

    def learn(self, net: MLP, task: Task, training: Mapping[str, Any]) -> None:
        """Train ``net`` on ``task``, in place; ``training`` are keyword arguments of MLP.fit.

        Those of the whole task. Where it has several sleeps, those but the last are within
        ``self.fit`` and ``self.train``; a learner that calls ``net.fit`` does without them.
        """
        self.fit(net, task.X, task.y, training)

    def fit(
        self, net: MLP, X: Array, y: Array, training: Mapping[str, Any], **options: Any
    ) -> None:
        """What ``net.fit`` does; where a task has several sleeps, with those in between."""
        self.train(net, training, lambda part: net.fit(X, y, **options, **part))

    def train(self, net: MLP, training: Mapping[str, Any], fit: Fit) -> None:
        """:meth:`fit` for other ways to train: ``fit`` gets the keyword arguments of a part."""
        self._parts(net, training, fit)

    def in_parts(self, parts: "Parts") -> None:
        """Train the tasks from here on in these parts."""
        self._parts = parts

    def after_task(self, net: MLP) -> MLP:
        """The network to go on with, once a task is learnt and, where a sleep is due, slept over.

        ``net`` is left as it is: where something is to change, another network is returned.
        """
        return net

    def model(self, net: MLP) -> Any:
        """What is measured: an object with ``predict(X)``."""
        return net


def sleep_as_scheduled(
    state: SleepState, net: MLP, stage: int, random_state: SeedSequence, **options: Any
) -> MLP:
    """The sleep of a protocol as it is, with ``options`` of srcnb.sleep; the slept network."""
    slept = state.sleep(net, stage, random_state, **options).net
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
    new: MLP | None = None,
) -> Iterator[Checkpoint]:
    """Yield a checkpoint after each task and, with ``sleeps``, a Slept after its last sleep.

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
        Not with several sleeps a task.
    first : a network that a Learner has taught the first task of this protocol with this seed
        Or the first part of it, where that task has several sleeps. It is copied, and learns no
        more of that. None: a new one.
    new : the new network, where it is not the protocol's own

    Raises
    ------
    ValueError
        Before any training, if the constants of the sleep do not fit the number of layers, or for
        no tasks, a seed that is none, or ``aside`` with several sleeps a task.
    """
    if not check_list("tasks", tasks):
        raise ValueError("tasks must hold at least one task, got none")
    check_instance("protocol", protocol, Protocol, "a Protocol")
    check_int("seed", seed)
    if sleeps:
        protocol.check_sleeps()
    if aside and protocol.schedule.per_task > 1:
        raise ValueError(f"per_task must be 1 with aside, got {protocol.schedule.per_task}")
    if first is not None:
        new = first.copy()
    net = protocol.new_network(tasks, seed) if new is None else new
    state = _State(protocol.schedule)
    learns = learner(default_rng(SeedSequence(seed, spawn_key=(0,))))
    for stage, task in enumerate(tasks, 1):
        due = sleeps and protocol.schedule.is_due(stage, len(tasks))
        if sleeps:
            state.update(task)
        parts = protocol.schedule.parts(stage, len(tasks)) if sleeps else 1
        skip = stage == 1 and first is not None
        learns.in_parts(partial(sleep_between, parts, skip, partial(sleep, state), [seed, stage]))
        learns.learn(net, task, protocol.training_at(stage))
        if not due:
            net = learns.after_task(net)
        yield Checkpoint(stage, "train", learns.model(net))
        if due:
            slept = learns.after_task(sleep(state, net, stage, SeedSequence([seed, stage])))
            checkpoint = Slept(stage, "sleep", learns.model(slept))
            checkpoint.record = state.record(slept)
            yield checkpoint
            net = net if aside else slept


def sleep_between(
    parts: int,
    skip: bool,
    sleep: Callable[[MLP, int, SeedSequence], MLP],
    key: list[int],
    net: MLP,
    training: Mapping[str, Any],
    fit: Fit,
) -> None:
    """Parts of a task's training, with a sleep after each but the last.

    ``skip`` leaves out the first part, which the network has learnt; ``key`` is (seed, stage).
    """
    training = in_parts(training, parts)
    for part in range(1, parts + 1):
        if part == 1 and skip:
            fit({**training, "epochs": 0, "reset_momentum": False})
        else:  # momentum goes on, as if the task were learnt in one
            fit(training if part == 1 else {**training, "reset_momentum": False})
        if part < parts:
            slept = sleep(net, key[1], SeedSequence([*key, part]))
            net.weights[:] = slept.weights
            if net.biases is not None and slept.biases is not None:
                net.biases[:] = slept.biases


def all_samples(tasks: Sequence[Task]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """X and y of all training samples of all tasks, not capped."""
    return np.concatenate([t.X_all for t in tasks]), np.concatenate([t.y_all for t in tasks])
