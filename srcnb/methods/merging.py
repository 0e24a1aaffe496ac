"""Networks of their own for each task, put together: their weights averaged, or their factors side
by side; and what low-rank networks reach with all data at once.

Counterparts of the replica's methods of these names.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from numpy.random import SeedSequence, default_rng

from srcnb.methods.base import Checkpoint, train_and_sleep
from srcnb.methods.baselines import parallel
from srcnb.mlp import MLP
from srcnb.protocol import Protocol
from srcnb.tasks import Task
from srcnb.validation import check_bool

RANK = 10  # the replica's


def merging(
    tasks: Sequence[Task], protocol: Protocol, seed: int, sleeps: bool = False
) -> Iterator[Checkpoint]:
    """Yield the mean of the networks of the tasks so far, all from the same start.

    With ``sleeps`` each task's network sleeps as scheduled, before the mean is taken.
    """
    check_bool("sleeps", sleeps)
    return _merged(_taught(_same_start(tasks, protocol, seed), tasks, protocol, seed, sleeps), True)


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
    return _merged(_taught(starts, tasks, protocol, seed), mean=False)


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


def _taught(
    starts: Iterable[MLP],
    tasks: Sequence[Task],
    protocol: Protocol,
    seed: int,
    sleeps: bool = False,
) -> Iterator[MLP]:
    """Yield the untrained networks ``starts``, each taught one task, and perhaps slept over it."""
    for stage, (net, task) in enumerate(zip(starts, tasks, strict=True), 1):
        own_seed = int(SeedSequence([seed, stage]).generate_state(1)[0])
        *_, taught = train_and_sleep([task], protocol, own_seed, sleeps=sleeps, new=net)
        yield taught.model


def _merged(networks: Iterable[MLP], mean: bool) -> Iterator[Checkpoint]:
    """Yield a checkpoint after each network: the ``mean`` of the weights so far, or their sum."""
    weights: list[Any] | None = None
    biases: list[Any] | None = None
    for stage, net in enumerate(networks, 1):
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
