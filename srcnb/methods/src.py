"""src: sleep replay consolidation (Tadros et al. 2022), sequential training with sleep between."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.random import SeedSequence

from srcnb.methods.base import Checkpoint, Sleep, sleep_as_scheduled, train_and_sleep
from srcnb.methods.controls import AT, with_homeostasis
from srcnb.mlp import MLP
from srcnb.protocol import Protocol, SleepState
from srcnb.tasks import Task
from srcnb.validation import Array, check_choice, check_real

# How often the held-out samples are predicted during a sleep, for save_best.
MOMENTS = 10


def src(
    tasks: Sequence[Task],
    protocol: Protocol,
    seed: int,
    step_back: float | Sequence[float] = 0.0,
    save_best: float = 0.0,
    homeostasis: float | None = None,
    at: str = "prediction",
    first: MLP | None = None,
) -> Iterator[Checkpoint]:
    """Yield the network after each task and after its last sleep; see srcnb.methods.

    Parameters
    ----------
    tasks, protocol, seed : see srcnb.methods
    step_back : float in [0, 1], or one for each layer of weights
        λ of W = (1 - λ)·W_slept + λ·W_before, after each sleep.
    save_best : float in [0, 1)
        A share of each class's training samples that is held out of the training. Of the weights
        before a sleep and at ten moments during it, those are kept that are right most often on
        what was held out of all tasks so far, the mean of the tasks. Test data are not touched,
        but samples of earlier tasks are kept, which plain src does without. 0: the last weights.
    homeostasis : float in (0, 1], or None
        The outputs of all classes seen are brought to one scale by :func:`srcnb.homeostasis`, with
        this probability that a feature of the current task's samples is kept. None: as the
        protocol says, so that they are not unless it has a number of its own.
    at : "prediction" | "weights"
        Whether this is done to a copy that is measured, and the network goes on as it is; or to the
        network itself, once per task, after its sleep where one is due.
    first : a network that has learnt the first task with this seed, or None
        See srcnb.methods.base.train_and_sleep. Not with ``save_best``, as it has seen all samples.

    Raises
    ------
    ValueError, TypeError
        For options outside their ranges, or a share that leaves a class without samples.
    """
    n_layers = len(protocol.hidden) + 1
    shares = [check_real("step_back", share, 0, 1) for share in _each(step_back, n_layers)]
    check_real("save_best", save_best, 0, 1, high_open=True)
    check_choice("at", at, AT)
    if homeostasis is None:
        homeostasis = protocol.homeostasis
    learner = with_homeostasis("homeostasis", homeostasis, at)
    sleep: Sleep = sleep_as_scheduled
    if save_best and first is not None:
        raise ValueError(f"first must be None with save_best, got {first!r}")
    if save_best:
        rng = np.random.default_rng([seed, 1])
        learnt, held_out = zip(*(_hold_out(task, save_best, rng) for task in tasks), strict=True)
        tasks, sleep = learnt, _best_moment(held_out)
    if any(shares):
        sleep = _step_back(sleep, shares)
    return train_and_sleep(tasks, protocol, seed, learner, sleep=sleep, first=first)


def _each(step_back: float | Sequence[float], n_layers: int) -> list[float]:
    """One number for each layer of weights."""
    if isinstance(step_back, str) or not isinstance(step_back, Sequence):
        return [step_back] * n_layers
    if len(step_back) != n_layers:
        raise ValueError(
            f"step_back must be a number, or {n_layers} of them, one per layer; got"
            f" {len(step_back)}"
        )
    return list(step_back)


def _step_back(sleep: Sleep, shares: Sequence[float]) -> Sleep:
    """A sleep after which the weights of each layer go back by this share of the way."""

    def sleep_and_step_back(
        state: SleepState, net: MLP, stage: int, random_state: SeedSequence
    ) -> MLP:
        slept = sleep(state, net, stage, random_state)
        mixed = [
            (1 - share) * after + share * before
            for share, after, before in zip(shares, slept.weights, net.weights, strict=True)
        ]
        return slept.with_weights([w.astype(net.dtype, copy=False) for w in mixed])

    return sleep_and_step_back


def _hold_out(
    task: Task, share: float, rng: np.random.Generator
) -> tuple[Task, tuple[Array, Array]]:
    """(the task without a share of each class's training samples, these samples as (X, y))."""
    out: list[int] = []
    for c in np.unique(task.y):
        rows = rng.permutation(np.flatnonzero(task.y == c))
        n = round(share * len(rows))
        if not 0 < n < len(rows):
            raise ValueError(
                f"save_best must hold out some of the {len(rows)} samples of class {c} and leave"
                f" some, got {share}"
            )
        out.extend(rows[:n])
    kept = np.delete(np.arange(len(task.X)), out)
    # X holds the first samples of X_all.
    all_but_out = np.delete(np.arange(len(task.X_all)), out)
    learnt = replace(
        task,
        X=task.X[kept],
        y=task.y[kept],
        X_all=task.X_all[all_but_out],
        y_all=task.y_all[all_but_out],
    )
    return learnt, (task.X[out], task.y[out])


def _best_moment(held_out: Sequence[tuple[Array, Array]]) -> Sleep:
    """A sleep that returns the network of its best moment on the ``held_out`` samples so far."""

    def sleep_and_keep_best(
        state: SleepState, net: MLP, stage: int, random_state: SeedSequence
    ) -> MLP:
        def score(net: MLP) -> float:
            return float(np.mean([np.mean(net.predict(X) == y) for X, y in held_out[:stage]]))

        best, most = net, score(net)

        def keep_best(step: int, net: MLP) -> None:
            nonlocal best, most
            right = score(net)
            if right > most:
                best, most = net, right

        n_steps = state.schedule.n_steps(stage)
        if n_steps:
            every = -(-n_steps // MOMENTS)
            state.sleep(net, stage, random_state, callback=keep_best, every=every)
        return best

    return sleep_and_keep_best
