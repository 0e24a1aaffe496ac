"""A bar that shows how far a long sleep is: in a terminal and in Jupyter, and quiet elsewhere."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

from srcnb.spiking.forks import no_fork

# Seconds before the bar is shown, unless it is asked for: shorter sleeps show nothing.
DELAY = 2.0

# Is told the number of steps that were just run.
Advance: TypeAlias = Callable[[int], object]


def is_watched() -> bool:
    """Whether a user may see a bar: in the main thread of the main process, with a screen.

    Not in a worker process or thread of joblib, multiprocessing or Dask. A screen is a notebook, or
    stderr where it is a terminal.
    """
    import multiprocessing  # here, as srcnb is imported for less

    if multiprocessing.parent_process() is not None:
        return False
    if threading.current_thread() is not threading.main_thread():
        return False
    if "ipykernel" in sys.modules:  # tqdm finds out whether it really is a notebook
        return True
    with suppress(AttributeError, OSError, ValueError):  # no stderr, or one that is closed
        return sys.stderr.isatty()
    return False


@contextmanager
def progress_bar(n_steps: int, progress: bool | None) -> Iterator[Advance]:
    """Yield what shows the steps that are done of ``n_steps``, and how many there are a second.

    The bar is made when it is first shown, as making one takes as long as a tenth of a short sleep.

    Parameters
    ----------
    n_steps : int
    progress : bool or None
        None: where :func:`is_watched`, from two seconds on. True: always, and at once.
    """
    wanted = is_watched() if progress is None else progress
    if not wanted or sys.stderr is None:
        yield lambda n: None
        return
    bar: Any = None
    started, done = time.monotonic(), 0

    def advance(n: int) -> None:
        nonlocal bar, done
        done += n
        seconds = time.monotonic() - started
        if bar is not None:
            bar.update(n)
        elif progress or seconds >= DELAY:
            # A screen that can't even be flushed must not end a sleep.
            with suppress(OSError):
                bar = _new_bar(n_steps, done, seconds, bool(progress))

    try:
        if progress:
            advance(0)
        yield advance
    finally:
        if bar is not None:
            bar.close()


def _new_bar(n_steps: int, done: int, seconds: float, always: bool) -> Any:
    """A bar that counts from the beginning of the sleep, ``done`` steps and ``seconds`` ago."""
    with no_fork:
        from srcnb.bars import Bar
    bar = Bar(
        total=n_steps,
        initial=done,
        desc="sleep",
        unit=" steps",
        unit_scale=True,
        disable=False if always else None,
    )
    if not bar.disable:
        bar.initial, bar.start_t = 0, bar.start_t - seconds
    return bar
