"""How far the weights of a layer moved, compiled: the same as ``reference.sum_changes``, fast."""

import numpy as np
from numba import njit, prange

from srcnb.spiking.threads import compiled, using_threads
from srcnb.validation import Array


# A sum may be taken in any order, so that the loops vectorize. Unlike all of fastmath, these assume
# nothing of the weights: if some have overflowed, so have the sums.
@njit(fastmath={"reassoc", "contract", "nsz"}, error_model="numpy")
def _sum_row(w, after, fired, sums):
    """The six sums of one row; that of a neuron which never fired has not changed."""
    squares, moves, up, down, n_up, n_down = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    if fired:
        for j in range(w.size):
            d = np.float64(after[j]) - np.float64(w[j])
            squares += np.float64(w[j]) * np.float64(w[j])
            moves += d * d
            up += d if d > 0 else 0.0
            down += d if d < 0 else 0.0
            n_up += 1.0 if d > 0 else 0.0
            n_down += 1.0 if d < 0 else 0.0
    else:
        for j in range(w.size):
            squares += np.float64(w[j]) * np.float64(w[j])
    sums[0], sums[1], sums[2], sums[3], sums[4], sums[5] = squares, moves, up, down, n_up, n_down


@compiled
def _sum_rows(before: Array, after: Array, counts: Array, sums: Array) -> None:
    """sums[i], (6,) float64, becomes that of row i."""
    for i in prange(len(before)):
        _sum_row(before[i], after[i], counts[i] > 0, sums[i])


def sum_changes(before: Array, after: Array, counts: Array) -> Array:
    """Σw², Σd², Σ of d > 0, Σ of d < 0, and how many d are > 0 and < 0; (6,) float64.

    ``before`` and ``after``, both (n_post, n_pre), are w and w + d; ``counts`` (n_post,) says how
    often each neuron fired. Both are read once, and nothing as large as they are is made.
    """
    sums = np.empty((len(before), 6))
    with using_threads():
        _sum_rows(before, after, counts, sums)
    return np.asarray(sums.sum(axis=0))
