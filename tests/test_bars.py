"""Bars do no harm: to a program that can't show them, to each other, or to its end."""

import io
import threading
import time
from contextlib import redirect_stderr

import pytest
from tqdm.auto import tqdm

from srcnb.bars import Bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Broken(Terminal):
    def write(self, text):
        raise BlockingIOError(11, "cannot be written now")


class Interrupted(Terminal):
    """Ctrl-C comes while it is written for the second time."""

    writes = 0

    def write(self, text):
        self.writes += bool(text)
        if text and self.writes == 2:
            raise KeyboardInterrupt
        return super().write(text)


def lock_is_free(seconds=60):
    """Whether another thread gets tqdm's lock within so many seconds."""

    def take():
        with tqdm.get_lock():
            pass

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def test_it_is_a_bar_and_is_drawn_as_time_goes_by():
    file = Terminal()
    with Bar(total=3, file=file, mininterval=0, unit="cell", disable=None) as bar:
        for _ in range(3):
            bar.update()
    drawn = [line for line in file.getvalue().split("\r") if line]
    assert [line.split("/3")[0][-1] for line in drawn] == ["0", "1", "2", "3", "3"]
    assert "cell" in drawn[-1] and drawn[-1].endswith("\n")


def test_none_where_there_is_no_terminal():
    file = io.StringIO()
    with Bar(total=3, file=file, disable=None) as bar:
        bar.update()
    assert file.getvalue() == ""


def test_a_screen_that_cannot_be_written_is_left_alone():
    with redirect_stderr(Broken()), Bar(total=3, mininterval=0, disable=None) as bar:
        assert not bar.disable
        for _ in range(3):
            bar.update()
    assert bar.n == 3 and lock_is_free()


def test_an_interrupt_while_it_is_written_gives_the_lock_back():
    bar = Bar(total=3, file=Interrupted(), mininterval=0, disable=None)
    with pytest.raises(KeyboardInterrupt):
        bar.update()
    assert lock_is_free()


def test_no_thread_is_started():
    before = threading.active_count()
    bars = [Bar(total=3, file=Terminal()) for _ in range(3)]
    assert threading.active_count() == before and "monitor" not in vars(Bar)
    for bar in bars:
        bar.close()


def test_others_wait_while_it_is_drawn():
    free = []

    class Watched(Terminal):
        def write(self, text):
            free.append(lock_is_free(0.2))

    bar = Bar(total=3, file=Watched(), mininterval=0)
    free.clear()
    bar.refresh()
    assert free and not any(free)
    assert lock_is_free()


def test_a_slow_update_after_many_quick_ones_is_drawn():
    file = Terminal()
    with Bar(total=10**6, file=file, mininterval=0.02) as bar:
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            bar.update()
        for _ in range(2):
            time.sleep(0.03)
            before = file.getvalue()
            bar.update()
            assert file.getvalue() != before
