"""An error takes back what was set, and nothing else."""

from types import SimpleNamespace

import pytest

from srcnb.all_or_nothing import all_or_nothing


def changed(error):
    """An object after changes and perhaps an error."""
    thing = SimpleNamespace(a=1, b=2)
    with pytest.raises(error) if error else all_or_nothing(thing), all_or_nothing(thing):
        thing.a, thing.c = 3, 4
        del thing.b
        if error:
            raise error
    return vars(thing)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_takes_changes_back(error):
    assert changed(error) == {"a": 1, "b": 2}


def test_without_an_error_changes_stay():
    assert changed(None) == {"a": 3, "c": 4}
