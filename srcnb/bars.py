"""A bar of progress in a terminal or in Jupyter, which does no harm where it can't be shown.

A program must neither end nor wait because of its bar. tqdm's own raises when the screen can't be
written, and then keeps its lock, for which every other bar waits, and in older versions the end of
the program, too, as tqdm's thread waits for it.
"""

from contextlib import nullcontext, suppress
from typing import Any

from tqdm.auto import tqdm


class Bar(tqdm):  # type: ignore[type-arg]
    """tqdm's bar, with the same parameters; what can't be written is left out.

    It may be drawn at each update, ten times a second at most, so that it needs no thread that
    looks after slow ones.
    """

    monitor_interval = 0  # no thread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"miniters": 1, **kwargs})

    def refresh(self, nolock: bool = False, lock_args: Any = None) -> None:
        """Draw it; the lock is given back whatever happens, an interrupt from the keyboard, say."""
        lock: Any = self.get_lock()  # type: ignore[no-untyped-call]
        with nullcontext() if nolock else lock:
            super().refresh(nolock=True)

    def display(self, *args: Any, **kwargs: Any) -> None:
        """Write it, where that can be done."""
        with suppress(OSError):
            super().display(*args, **kwargs)

    def close(self) -> None:
        """Write it for the last time, and end the line."""
        with suppress(OSError):
            super().close()
