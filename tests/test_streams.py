"""What is printed to streams that are there, full or closed. The program's tests have the rest."""

import os
import subprocess
import sys

import pytest

from srcnb import streams


def test_they_print_at_once(capfd):
    streams.say("± a table")
    streams.complain("an error")
    assert capfd.readouterr() == ("± a table\n", "an error\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full():
    script = """
from srcnb import streams
streams.complain("lost")
try:
    streams.say("lost as well")
except OSError as error:
    open({0!r}, "w").write(str(error))
"""
    read, write = os.pipe()
    with open("/dev/full", "w") as full:
        code = script.format(f"/dev/fd/{write}")
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, stdout=full, stderr=full, pass_fds=[write])
    os.close(write)
    with open(read) as said:
        assert said.read() == "stdout can't be written: No space left on device"
    assert done.returncode == 0  # nothing is left that fails at the end


def test_no_reader():
    script = """
from srcnb import streams
try:
    streams.say("lost")
except BrokenPipeError:
    streams.complain("no reader")
"""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "no reader\n")


@pytest.mark.slow
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed(closed):
    """What is printed there is lost; a process that is started has these streams, too."""
    script = (
        "import subprocess, sys; from srcnb import streams; streams.open_streams();"
        " streams.say('out'); streams.complain('error');"
        " subprocess.run([sys.executable, '-c', 'print(1)'], check=True)"
    )
    command = ["sh", "-c", f'"$0" -c "$1" {closed}', sys.executable, script]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout == ("" if closed.startswith(">") else "out\n1\n")
    assert done.stderr == ("" if "2>" in closed else "error\n")
