"""The machine's limits for a sleep, measured: the gate on a row in L1, and gathers from such a row.

A step's floor is its events at these rates, divided by the threads. Nothing else is counted: no
membranes, no event lists, no memory.
"""

import time

import numpy as np
from numba import njit

from srcnb.asleep import kernel

ROW = 4000  # float32: 16 kB, half of a common L1
EVENTS = 2048
REPEATS = 7


@njit(error_model="numpy")
def _gate_many(row, n, gate):
    for _ in range(n):
        kernel._add_gated(row, row.dtype.type(1e-9), gate)


@njit(error_model="numpy")
def _gather_many(row, events, n):
    total = row.dtype.type(0)
    for _ in range(n):
        total += kernel._gather(row, events, 0, events.size)
    return total


def nanoseconds_per_event(gate="logistic"):
    """(ns per weight gathered, ns per gate evaluated), each the best of several tries."""
    rng = np.random.default_rng(0)
    row = (0.05 * rng.standard_normal(ROW)).astype(np.float32)
    events = rng.integers(0, ROW, EVENTS).astype(np.uint16)
    code = kernel.GATE_CODES[gate]
    gather = _best(lambda n: _gather_many(row, events, n), 2000) / EVENTS
    gated = _best(lambda n: _gate_many(row, n, code), 1000) / ROW
    return gather, gated


def _best(call, n):
    call(1)
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call(n)
        times.append((time.perf_counter() - start) / n)
    return 1e9 * min(times)
