"""Networks of their own for each task, put together: their weights averaged, or their factors side
by side; and what low-rank networks reach with all data at once.

Counterparts of the replica's methods of these names.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from numpy.random import SeedSequence, default_rng

from srcnb.methods.base import Checkpoint
from srcnb.methods.baselines import parallel
from srcnb.mlp import MLP
from srcnb.protocol import Protocol
from srcnb.tasks import Task

RANK = 10  # the replica's


def merging(tasks: Sequence[Task], protocol: Protocol, seed: int) -> Iterator[Checkpoint]:
    """Yield the mean of the networks of the tasks so far, all from the same start."""
    return _merged(_same_start(tasks, protocol, seed), tasks, protocol, mean=True)


def low_rank_merging(tasks: Sequence[Task], protocol: Protocol, seed: int) -> Iterator[Checkpoint]:
    """The same with low-rank networks. The products B·A are averaged, not the factors."""
    return merging(tasks, _of_low_rank(protocol), seed)


def low_rank_concat(tasks: Sequence[Task], protocol: Protocol, seed: int) -> Iterator[Checkpoint]:
    """Yield low-rank networks of the tasks so far, from different starts, side by side.

    Along the rank, that is: A = [A_1; A_2; …], B = [B_1, B_2, …]. So each layer's linear map is the
    sum of the maps of the tasks' networks, exactly.
    """
    protocol = _of_low_rank(protocol)
    # Drawn when their turn comes from one generator: the first as "low-rank-merging" starts.
    rng = default_rng(seed)
    starts = (protocol.new_network(tasks, rng) for _ in tasks)
    return _merged(starts, tasks, protocol, mean=False)


def low_rank_parallel(tasks: Sequence[Task], protocol: Protocol, seed: int) -> Iterator[Checkpoint]:
    """All tasks' data at once, in a low-rank network: its upper bound."""
    return parallel(tasks, _of_low_rank(protocol), seed)


def _of_low_rank(protocol: Protocol) -> Protocol:
    """The protocol with networks of low rank, which do not sleep."""
    return replace(protocol, rank=RANK, schedule=replace(protocol.schedule, per_task=1))


def _same_start(tasks: Sequence[Task], protocol: Protocol, seed: int) -> Iterator[MLP]:
    """Yield for each task a network with the same weights, but random numbers of its own."""
    start = protocol.new_network(tasks, seed)
    yield start.copy()  # task 1 is learnt as in "sequential"
    for k in range(1, len(tasks)):
        net = protocol.new_network(tasks, SeedSequence(seed, spawn_key=(k,)))
        same = start.copy()
        net.weights, net.biases = same.weights, same.biases
        yield net


def _merged(
    starts: Iterable[MLP], tasks: Sequence[Task], protocol: Protocol, mean: bool
) -> Iterator[Checkpoint]:
    """Yield a checkpoint after each task; no network learns a second one, and none sleeps.

    Parameters
    ----------
    starts : untrained networks, one for each task; they are trained in place
    tasks, protocol : see srcnb.methods
    mean : whether the model has the mean of the trained networks' weights and biases, or their sum
    """
    weights: list[Any] | None = None
    biases: list[Any] | None = None
    for stage, (net, task) in enumerate(zip(starts, tasks, strict=True), 1):
        net.fit(task.X, task.y, **protocol.training)
        weights = _sum(weights, net.weights)
        biases = _sum(biases, net.biases)
        share = stage if mean else 1
        model = net.with_weights([w / share for w in weights or []])
        if biases is not None:
            model.biases = [b / share for b in biases]
        yield Checkpoint(stage, "train", model)


def _sum(total: list[Any] | None, arrays: list[Any] | None) -> list[Any] | None:
    """Layer by layer, without changing either; None is nothing."""
    if total is None or arrays is None:
        return arrays
    return [t + a for t, a in zip(total, arrays, strict=True)]
