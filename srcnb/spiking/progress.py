"""A bar that shows how far a long sleep is: in a terminal and in Jupyter, and quiet elsewhere."""

import multiprocessing
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeAlias

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
    with no_fork:
        from tqdm.auto import tqdm

    bar = None
    # A screen that can't be written must not end a sleep.
    with suppress(OSError):
        bar = tqdm(
            total=n_steps,
            desc="sleep",
            unit=" steps",
            unit_scale=True,
            delay=0 if progress else DELAY,
            disable=None if progress is None else False,
        )

    def advance(n: int) -> None:
        if bar is not None:
            with suppress(OSError):
                bar.update(n)

    try:
        yield advance
    finally:
        if bar is not None:
            with suppress(OSError):
                bar.close()
