"""Spikes as lists of events, which the kernel takes: made by compiled loops."""

import numpy as np
from numba import prange

from srcnb.spiking.threads import compiled
from srcnb.validation import Array


@compiled
def _count_events(spikes: Array, starts: Array) -> None:
    """starts[t + 1] = spikes up to and with step t; ``starts`` comes as zeros (n_steps + 1,)."""
    n_steps, n = spikes.shape
    for t in prange(n_steps):
        count = 0
        for j in range(n):
            count += spikes[t, j]
        starts[t + 1] = count
    for t in range(n_steps):
        starts[t + 1] += starts[t]


@compiled
def _fill_events(spikes: Array, starts: Array, events: Array) -> None:
    """events[starts[t]:starts[t + 1]] = the neurons that fired at step t, in order."""
    n_steps, n = spikes.shape
    for t in prange(n_steps):
        k = starts[t]
        for j in range(n):
            if spikes[t, j]:
                events[k] = j
                k += 1


def list_events(spikes: Array) -> tuple[Array, Array]:
    """Bool (n_steps, n) as (events, starts): step t's neurons are events[starts[t]:starts[t + 1]].

    Both are unsigned: a signed index may be negative to NumPy, and a test for that costs as much
    as the gather. Events are as narrow as they can be, so that a block's fit in the cache.
    """
    n_steps, n = spikes.shape
    starts = np.zeros(n_steps + 1, dtype=np.uint32)
    _count_events(spikes, starts)
    events = np.empty(starts[-1], dtype=np.uint16 if n <= 1 << 16 else np.uint32)
    _fill_events(spikes, starts, events)
    return events, starts
