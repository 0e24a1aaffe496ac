"""Changes of an object that an error takes back."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def all_or_nothing(changed: object) -> Iterator[None]:
    """An error within, or an interrupt, leaves the attributes of an object as they were.

    Which attributes there are, and what they are; what is changed in place stays changed.
    """
    before = vars(changed).copy()
    try:
        yield
    except BaseException:
        vars(changed).clear()
        vars(changed).update(before)
        raise
