"""The bar of a long sleep: when it is shown, where, and that it changes nothing."""

import io
import re
import subprocess
import sys
import threading
from contextlib import redirect_stderr

import numpy as np
import pytest
from conftest import small_config, small_net

import srcnb
from srcnb.spiking import progress

X_ROW = np.full(20, 0.5)


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """A terminal, and every sleep is a long one."""
    monkeypatch.setattr(progress, "DELAY", 0.0)
    return Terminal()


def slept(stderr, **options):
    with redirect_stderr(stderr):
        return srcnb.sleep(small_net(), X_ROW, small_config(), 1, block_steps=100, **options)


def test_a_long_sleep_shows_steps_and_steps_per_second_in_a_terminal(terminal):
    slept(terminal)
    last = terminal.getvalue().split("\r")[-1]
    assert last.startswith("sleep: 100%") and "600/600" in last
    assert " steps/s]" in last and last.endswith("\n")


def test_it_moves_on_after_each_block(terminal, monkeypatch):
    from tqdm.auto import tqdm

    updates = []
    update = tqdm.update
    monkeypatch.setattr(tqdm, "update", lambda bar, n=1: updates.append(n) or update(bar, n))
    slept(terminal, progress=True, callback=lambda step, net: None, every=250)
    assert updates == [100, 100, 50, 50, 100, 100, 100]


def test_a_bar_that_comes_late_counts_from_the_beginning(terminal):
    with redirect_stderr(terminal):
        bar = progress._new_bar(600, done=200, seconds=5.0, always=True)
        bar.update(100)
        bar.close()
    assert 5 <= bar.format_dict["elapsed"] < 10
    last = terminal.getvalue().split("\r")[-1]
    assert "300/600 [00:05" in last and 30 < float(re.search(r"([\d.]+) steps/s", last)[1]) <= 60


def test_a_short_sleep_shows_nothing(terminal, monkeypatch):
    monkeypatch.setattr(progress, "DELAY", 100.0)
    slept(terminal)
    assert terminal.getvalue() == ""


def test_true_shows_it_at_once_and_false_never(terminal, monkeypatch):
    slept(terminal, progress=False)
    assert terminal.getvalue() == ""
    monkeypatch.setattr(progress, "DELAY", 100.0)
    slept(terminal, progress=np.True_)
    assert "600/600" in terminal.getvalue()


def test_no_terminal_no_bar_unless_asked_for(monkeypatch):
    monkeypatch.setattr(progress, "DELAY", 0.0)
    file = io.StringIO()
    slept(file)
    assert file.getvalue() == ""
    slept(file, progress=True)
    assert "600/600" in file.getvalue()


@pytest.mark.parametrize("stop", [{}, dict(callback=lambda step, net: step >= 300, every=150)])
def test_on_or_off_the_sleep_is_the_same_bit_for_bit(terminal, stop):
    quiet, shown = (slept(terminal, progress=p, record=True, **stop) for p in (False, None))
    assert "600" in terminal.getvalue()
    assert quiet.n_steps == shown.n_steps == (300 if stop else 600)
    for name in ("weights", "membranes", "spike_counts", "spikes"):
        for a, b in zip(getattr(quiet, name), getattr(shown, name), strict=True):
            assert a.tobytes() == b.tobytes() and len(a)


def test_a_sleep_that_ends_early_closes_its_bar(terminal):
    def fail(step, net):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        slept(terminal, callback=fail, every=300)
    last = terminal.getvalue().split("\r")[-1]
    assert "300/600" in last and last.endswith("\n")


def test_a_screen_that_cannot_be_written_does_not_end_a_sleep(terminal, monkeypatch):
    def full(text):
        raise BrokenPipeError

    expected = slept(terminal, progress=False)
    monkeypatch.setattr(terminal, "write", full)
    np.testing.assert_array_equal(slept(terminal, progress=True).weights[0], expected.weights[0])
    # Nor does it stop the bars of others, or the end of the program, which wait for tqdm's lock.
    other = threading.Thread(target=slept, args=(Terminal(),), kwargs=dict(progress=True))
    other.daemon = True
    other.start()
    other.join(60)
    assert not other.is_alive()
    closed = Terminal()
    closed.close()
    for stream in (None, object(), closed):
        slept(stream)
    slept(None, progress=True)


def test_it_is_quiet_in_threads_and_in_worker_processes(terminal, monkeypatch):
    with redirect_stderr(terminal):
        assert progress.is_watched()
    thread = threading.Thread(target=slept, args=(terminal,))
    thread.start()
    thread.join()
    assert terminal.getvalue() == ""
    monkeypatch.setattr("multiprocessing.parent_process", lambda: object())
    slept(terminal)
    assert terminal.getvalue() == ""


def test_a_notebook_is_a_screen(monkeypatch):
    """Which tqdm decides on, as ipykernel may be imported outside of one."""
    monkeypatch.setattr(progress, "DELAY", 0.0)
    file = io.StringIO()
    with redirect_stderr(file):
        assert not progress.is_watched()
        monkeypatch.setitem(sys.modules, "ipykernel", object())
        assert progress.is_watched()
    slept(file)
    assert file.getvalue() == ""


def test_runs_of_methods_have_no_bar_of_each_sleep(terminal, sequence, protocol):
    from srcnb.methods import METHODS

    with redirect_stderr(terminal):
        assert len([*METHODS["src"](sequence, protocol, 0)]) == 6
    assert terminal.getvalue() == ""


def test_tqdm_is_imported_only_to_show_a_bar():
    script = """
import sys, numpy as np, srcnb
config = srcnb.SleepConfig(5, alpha=[1], beta=[0.1], inc=0.1, dec=0.1, max_rate=200)
srcnb.sleep(srcnb.MLP((4, 3), random_state=0), np.full(4, 0.5), config, 0, engine="reference")
print([m for m in sys.modules if m.startswith("tqdm")])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
