"""The machine's limits for a sleep, measured: the gate on a row in L1, and gathers from such a row.

A step's floor is its events at these rates, divided by the threads. Nothing else is counted: no
membranes, no event lists, no memory.
"""

import time

import numpy as np
from numba import njit

from srcnb.spiking import kernel

ROW = 4000  # float32: 16 kB, half of a common L1
EVENTS = 2048
WINDOW = 40_000_000  # events of a measurement: some 20 ms


@njit(error_model="numpy")
def _gate_many(row, n, gate):
    for _ in range(n):
        kernel._add_gated(row, row.dtype.type(1e-9), gate, 0.001)


# fastmath: the sum may be taken in any order, with as many accumulators as the machine likes.
@njit(fastmath=True, error_model="numpy")
def _gather_many(row, events, n):
    total = row.dtype.type(0)
    for i in range(n):
        row[0] = i  # or the loop over n would be taken apart
        for k in range(events.size):
            total += row[events[k]]
    return total


class Roofline:
    """Two microbenchmarks, each a function that returns seconds per event."""

    def __init__(self, gate="logistic"):
        rng = np.random.default_rng(0)
        self._row = (0.05 * rng.standard_normal(ROW)).astype(np.float32)
        self._events = rng.integers(1, ROW, EVENTS).astype(np.uint16)
        self._gate = kernel.GATE_CODES[gate]

    def gather(self):
        """Seconds per weight gathered."""
        start = time.perf_counter()
        _gather_many(self._row, self._events, WINDOW // EVENTS)
        return (time.perf_counter() - start) / WINDOW

    def gate(self):
        """Seconds per gate evaluated."""
        start = time.perf_counter()
        _gate_many(self._row, WINDOW // ROW, self._gate)
        return (time.perf_counter() - start) / WINDOW
