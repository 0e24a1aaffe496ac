"""What the program ``srcnb`` prints: to streams that may be full, or closed."""

import os
import sys
from contextlib import suppress


def say(text: str) -> None:
    """Print at once; OSError that names stdout if that can't be, BrokenPipeError as it is."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _discard_stdout()
        raise
    except OSError as error:
        _discard_stdout()
        raise OSError(f"stdout can't be written: {error.strerror}") from error


def _discard_stdout() -> None:
    """Point stdout nowhere, so that what is left in its buffer does not fail again at the end."""
    with suppress(OSError, ValueError):  # ValueError: no real file
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def complain(text: str) -> None:
    """Print to stderr, if that can be."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def open_streams() -> None:
    """What would be printed to a closed stdout or stderr is lost, but not the program.

    On the descriptors as well: processes that are started inherit these, and need them.
    """
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is not None:
            continue
        try:
            os.fstat(descriptor)
        except OSError:  # closed
            null = os.open(os.devnull, os.O_RDWR)
            if null == descriptor:
                os.set_inheritable(null, True)
            else:
                os.dup2(null, descriptor, inheritable=True)
                os.close(null)
        stream = open(descriptor, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
