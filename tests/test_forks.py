"""A fork waits for whoever holds the lock, and parent and child can take it afterwards."""

import os
import subprocess
import sys

import pytest

CODE = """
import os, threading, time
from srcnb.spiking.forks import no_fork

held, done = threading.Event(), []

def work():
    with no_fork, no_fork:
        held.set()
        time.sleep(0.3)
        done.append(True)

def can_be_taken():
    taken = []
    thread = threading.Thread(target=lambda: taken.append(no_fork.acquire(timeout=10)))
    thread.start()
    thread.join()
    return taken == [True]

thread = threading.Thread(target=work)
thread.start()
held.wait()
child = os.fork()
if not child:
    os._exit(0 if done and can_be_taken() else 3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), can_be_taken())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_waits():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["0", "True"], done.stderr
