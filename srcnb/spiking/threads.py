"""Compiled functions that may use several threads, and where they must not.

GNU OpenMP ends a forked child whose parent has run a parallel function: so a child of a process
that has slept uses serial twins, with the same result to the last bit. A fork waits for what
another thread compiles, as the child could compile nothing. And numba's workqueue aborts a process
in which two Python threads run parallel functions at once: so they take turns.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import FunctionType
from typing import Any

import numpy as np
from numba import get_num_threads, njit, set_num_threads
from numba.np.ufunc import threading_layer

from srcnb.spiking.forks import no_fork

logger = logging.getLogger(__name__)

_lock = threading.Lock()
_forked = False


def _after_fork_in_child() -> None:
    global _forked
    _forked = True  # so that it never waits for the lock, which a thread of the parent may hold


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork_in_child)


class Compiled:
    """A function compiled by numba, with prange over threads or, in a forked child, without."""

    def __init__(self, function: FunctionType) -> None:
        self.parallel = _compile(function, parallel=True)
        # numba's cache does not tell parallel from serial code of one name.
        name = f"{function.__name__}_serial"
        twin = FunctionType(function.__code__, function.__globals__, name, function.__defaults__)
        twin.__qualname__ = f"{function.__qualname__}_serial"
        twin.__module__ = function.__module__
        self.serial = _compile(twin, parallel=False)
        self._called: set[Any] = set()

    def __call__(self, *arguments: Any) -> Any:
        """Call the one of the two that this process may run."""
        function = self.serial if _forked else self.parallel
        # All that numba's types of the arguments depend on, at a fraction of what typeof takes.
        kinds = (
            (a.dtype, a.flags.num) if isinstance(a, np.ndarray) else type(a) for a in arguments
        )
        call = (_forked, *kinds)
        if call in self._called:
            return function(*arguments)
        with no_fork:  # numba compiles here, or loads what it has compiled
            result = function(*arguments)
        how = "1 thread, as in all forked processes" if _forked else f"{get_num_threads()} threads"
        logger.debug("compiled %s, or loaded it: %s at most", function.__name__, how)
        self._called.add(call)
        return result


def compiled(function: Any) -> Compiled:
    """As a decorator: compile a function that has loops over ``prange``, when it is first called.

    It must not be called by other compiled functions, only from Python.
    """
    return Compiled(function)


@contextmanager
def using_threads(most: int | None = None) -> Iterator[int]:
    """Yield the number of threads for this block: numba's, at most ``most``, or 1 after a fork.

    Under numba's workqueue other Python threads wait until the block ends.
    """
    if _forked:
        yield 1
        return
    with no_fork:  # the first call chooses the threading layer, under locks of LLVM
        available = get_num_threads()
    with _lock if threading_layer() == "workqueue" else nullcontext():
        n_threads = available if most is None else min(most, available)
        set_num_threads(n_threads)
        try:
            yield n_threads
        finally:
            set_num_threads(available)


def _compile(function: Callable[..., Any], parallel: bool) -> Any:
    """njit, cached on disk where there is a folder that can be written."""
    try:
        return njit(parallel=parallel, cache=True, error_model="numpy")(function)
    except RuntimeError:  # no such folder: compile anew in each process
        return njit(parallel=parallel, error_model="numpy")(function)
