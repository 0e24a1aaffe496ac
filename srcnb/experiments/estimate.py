"""How long cells will take, before they are run: from a batch and some steps of sleep, timed."""

import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from srcnb.experiments.cells import Cell, Experiment, Finished, Source, load, one_thread
from srcnb.methods import SLEEPING
from srcnb.methods.base import all_samples
from srcnb.protocol import Protocol, SleepState
from srcnb.sgd import check_batch_size
from srcnb.spiking.calibrate import SleepTargets
from srcnb.spiking.sleeping import sleep
from srcnb.tasks import Task

BATCHES, STEPS = 4, 100  # that are timed
# Of a network that is timed: a larger one is timed with smaller layers.
MAX_WEIGHTS = 25_000_000


def estimate(
    experiment: Experiment,
    cells: Sequence[Cell],
    source: Source,
    finished: Sequence[Finished] = (),
) -> list[float]:
    """Seconds that each cell will take about, on one thread of this machine.

    As long as the finished ones of its condition took. Where there are none: the batches of
    sequential training (or joint training, for a parallel method) and the steps of its sleeps,
    at the speed of a few of them, timed here. What a method does besides is not counted, and an
    untrained network fires less or more than a trained one: so it is a rough figure.
    """
    seconds: dict[str, float] = {}
    for cell in cells:
        key = repr(dict(cell.condition))
        if key in seconds:
            continue
        taken = [f.seconds for f in finished if dict(f.cell.condition) == dict(cell.condition)]
        if taken:
            seconds[key] = float(np.mean(taken))
            continue
        protocol = experiment.protocol(cell.condition)
        sequence = experiment.sequence(cell, load(experiment.data, source), protocol)
        protocol, times = _smaller(protocol, sequence)
        with one_thread():
            timed = _training(cell, sequence, protocol) + _sleeps(cell, sequence, protocol)
        seconds[key] = times * timed
    return [seconds[repr(dict(cell.condition))] for cell in cells]


def n_weights(protocol: Protocol, tasks: Sequence[Task]) -> int:
    """Weights of the network that a protocol has for these tasks."""
    sizes = (tasks[0].X.shape[1], *protocol.hidden, tasks[0].n_classes)
    pairs = zip(sizes[:-1], sizes[1:], strict=True)
    if protocol.rank is not None:
        return sum(protocol.rank * (n + m) for n, m in pairs)
    return sum(n * m for n, m in pairs)


def _smaller(protocol: Protocol, tasks: Sequence[Task]) -> tuple[Protocol, float]:
    """A protocol whose network has at most MAX_WEIGHTS, and how many times more its own has."""
    n, small = n_weights(protocol, tasks), protocol
    while n_weights(small, tasks) > MAX_WEIGHTS and max(small.hidden, default=1) > 1:
        small = replace(small, hidden=tuple(max(1, width // 2) for width in small.hidden))
    return small, n / n_weights(small, tasks)


def _training(cell: Cell, sequence: list[Task], protocol: Protocol) -> float:
    options = dict(protocol.training_at(1))
    epochs = options.pop("epochs", 2)
    if "parallel" in str(cell.condition.get("method")):
        epochs = epochs if protocol.parallel_epochs is None else protocol.parallel_epochs
        X, y = all_samples(sequence)
        sizes = [len(X)]
    else:
        X, y = sequence[0].X, sequence[0].y
        sizes = [len(task.X) for task in sequence]
    # So many samples a batch as in the whole training, though a part of it is timed.
    options["batch_size"] = size = check_batch_size(options.get("batch_size", 100), len(X))
    X, y = X[: BATCHES * size], y[: BATCHES * size]
    net = protocol.new_network(sequence, 0)
    start = time.perf_counter()
    net.fit(X, y, epochs=1, **options)
    per_batch = (time.perf_counter() - start) / -(-len(X) // size)
    return float(per_batch * sum(epochs * -(-n // size) for n in sizes))


def _sleeps(cell: Cell, sequence: list[Task], protocol: Protocol) -> float:
    condition: dict[str, Any] = dict(cell.condition)
    if not condition.get("sleeps", condition.get("method", "src") in SLEEPING):
        return 0.0
    stages = [k for k in range(1, len(sequence) + 1) if protocol.schedule.is_due(k, len(sequence))]
    schedule = protocol.schedule
    n_steps = schedule.per_task * sum(map(schedule.n_steps, stages))
    net = protocol.new_network(sequence, 0)
    state = SleepState(schedule)
    state.update(sequence[0])
    config = replace(state.config(net, 1), n_steps=STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nothing may fire in so short a sleep
        sleep(net, state.sleep_input, replace(config, n_steps=1), 0)
        start = time.perf_counter()
        sleep(net, state.sleep_input, config, 0)
    seconds = n_steps * (time.perf_counter() - start) / STEPS
    if isinstance(schedule.constants, SleepTargets):
        start = time.perf_counter()
        state.config(net, 1)
        seconds += schedule.per_task * len(stages) * (time.perf_counter() - start)
    return seconds
