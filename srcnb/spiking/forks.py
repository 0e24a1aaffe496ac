"""A lock for work that no fork may interrupt: imports, and what is compiled.

A forked child has only the thread that forked it. If another thread was importing or compiling at
that moment, the locks of this work stay locked in the child, which then waits for them for ever.
"""

# The last functions registered are called first before a fork. Those of these two modules take
# locks that an import may need: they must come after ours, which waits for imports.
import concurrent.futures.thread  # noqa: F401
import logging  # noqa: F401
import os
import threading

# Seconds that a fork waits at most: other libraries may hold a lock by then that the work needs.
LONGEST_WAIT = 300.0

# Whoever holds it makes a fork wait. The same thread may take it again.
no_fork = threading.RLock()
_taken = threading.local()


def _before_fork() -> None:
    _taken.here = no_fork.acquire(timeout=LONGEST_WAIT)


def _after_fork() -> None:
    if _taken.here:
        no_fork.release()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )
