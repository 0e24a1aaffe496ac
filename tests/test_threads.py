"""Forked processes and Python threads that sleep: they work, and give the same bits.

Each case runs in a process of its own with a time limit, so that what hangs fails.
"""

import os
import subprocess
import sys

import numpy as np
import pytest

import srcnb
from srcnb.spiking import events, kernel, threads

SLEEP = """
import os, sys, multiprocessing, threading
import numpy as np
import srcnb

def sleep(seed, inhibition=0.0):
    rng = np.random.default_rng(seed)
    weights = [rng.normal(0, 0.3, (n, m)).astype(np.float32) for m, n in ((40, 700), (700, 90))]
    config = srcnb.SleepConfig(
        400, alpha=[1, 1], beta=[0.7, 0.7], inc=0.02, dec=0.004, decay=0.95, inhibition=inhibition
    )
    result = srcnb.simulate(weights, rng.random((400, 40)) < 0.1, config)
    assert all(count.any() for count in result.spike_counts)
    return b"".join(w.tobytes() for w in result.weights)
"""


def run(code, limit=120, **environment):
    """What a program prints; TimeoutExpired if it hangs."""
    done = subprocess.run(
        [sys.executable, "-c", SLEEP + code],
        capture_output=True,
        text=True,
        timeout=limit,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.mark.slow
@needs_fork
@pytest.mark.parametrize("inhibition", [0.0, 0.2])
def test_a_forked_pool_after_a_sleep(inhibition):
    code = f"""
expected = [sleep(seed, {inhibition}) for seed in range(4)]
with multiprocessing.get_context("fork").Pool(2) as pool:
    got = pool.starmap(sleep, [(seed, {inhibition}) for seed in range(4)])
print(got == expected, len(set(got)))
"""
    assert run(code, NUMBA_NUM_THREADS="2") == ["True", "4"]


@pytest.mark.slow
@needs_fork
def test_a_forked_pool_of_a_process_that_never_slept():
    code = """
with multiprocessing.get_context("fork").Pool(2) as pool:
    got = pool.map(sleep, range(2))
print(got == [sleep(seed) for seed in range(2)])
"""
    assert run(code, NUMBA_NUM_THREADS="2") == ["True"]


@pytest.mark.slow
@needs_fork
def test_a_fork_while_another_thread_sleeps():
    """The lock that the other thread holds is not the child's."""
    code = """
expected = sleep(0)
thread = threading.Thread(target=lambda: [sleep(1) for _ in range(20)])
thread.start()
for _ in range(5):
    child = os.fork()
    if not child:
        os._exit(0 if sleep(0) == expected else 3)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
thread.join()
"""
    assert run(code, NUMBA_NUM_THREADS="2") == 5 * ["0"]


@pytest.mark.slow
@needs_fork
def test_a_fork_while_another_thread_compiles():
    """The compiler's locks, which the other thread holds, are not held in the child."""
    code = """
import time
from srcnb.spiking.threads import compiled
from numba import prange

@compiled
def double(x):
    for i in prange(x.size):
        x[i] *= 2

def doubled():
    x = np.ones(3)
    double(x)
    return x.sum() == 6

thread = threading.Thread(target=doubled)
thread.start()
for _ in range(2):
    time.sleep(0.1)
    child = os.fork()
    if not child:
        os._exit(0 if doubled() else 3)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
thread.join()
print(doubled())
"""
    assert run(code, limit=60, NUMBA_NUM_THREADS="2") == ["0", "0", "True"]


@pytest.mark.long
@needs_fork
def test_a_forked_pool_during_the_first_sleep_of_another_thread(tmp_path):
    """Nothing is compiled yet: the other thread imports the kernel, or compiles it."""
    code = """
import time
thread = threading.Thread(target=sleep, args=(0,))
thread.start()
time.sleep(1)
with multiprocessing.get_context("fork").Pool(2) as pool:
    got = pool.map(sleep, range(2))
thread.join()
print(got == [sleep(seed) for seed in range(2)])
"""
    assert run(code, NUMBA_NUM_THREADS="2", NUMBA_CACHE_DIR=str(tmp_path)) == ["True"]


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_python_threads_that_sleep_at_once(layer):
    code = """
expected = [sleep(seed) for seed in range(4)]
got = [None] * 4
def work(seed):
    for _ in range(5):
        got[seed] = sleep(seed)
workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
for worker in workers: worker.start()
for worker in workers: worker.join()
print(got == expected)
"""
    assert run(code, NUMBA_NUM_THREADS="2", NUMBA_THREADING_LAYER=layer) == ["True"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("inhibition", [0.0, 0.3])
def test_the_serial_twins_give_the_same_bits(monkeypatch, dtype, inhibition):
    rng = np.random.default_rng(0)
    weights = [rng.normal(0, 0.3, (n, m)).astype(dtype) for m, n in ((30, 150), (150, 20))]
    spikes = rng.random((300, 30)) < 0.1
    config = srcnb.SleepConfig(
        300, alpha=[1, 1], beta=[0.7, 0.7], inc=0.02, dec=0.004, inhibition=inhibition
    )
    parallel = srcnb.simulate(weights, spikes, config, record=True)
    called = []
    for module, name in ((kernel, "_run_layer"), (kernel, "_run_layer_inhibited")):
        both = getattr(module, name)
        monkeypatch.setattr(both, "parallel", lambda *arguments: pytest.fail("not serial"))
        serial = both.serial
        monkeypatch.setattr(
            both, "serial", lambda *a, serial=serial: called.append(1) or serial(*a)
        )
    monkeypatch.setattr(threads, "_forked", True)
    serial = srcnb.simulate(weights, spikes, config, record=True)
    assert called
    for a, b in zip(
        parallel.weights + parallel.spikes, serial.weights + serial.spikes, strict=True
    ):
        assert a.tobytes() == b.tobytes()


def test_twins_have_names_of_their_own_in_the_cache():
    for both in (kernel._run_layer, kernel._run_layer_inhibited, events._fill_events):
        assert both.serial.py_func.__qualname__ == f"{both.parallel.py_func.__qualname__}_serial"


@pytest.mark.parametrize(("most", "expected"), [(None, "all"), (1, 1), (10**6, "all")])
def test_threads_are_as_many_as_before_after_the_block(most, expected):
    import numba

    available = numba.get_num_threads()
    with threads.using_threads(most) as n:
        assert n == (available if expected == "all" else expected) == numba.get_num_threads()
    assert numba.get_num_threads() == available
