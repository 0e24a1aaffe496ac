"""The kernel against what else one could do: dense PyTorch steps, and time-major C.

    python benchmarks/bench_peers.py [--data-dir DIR] [--hidden 1200 4000] [--threads 2]

The same spikes into the same network (as in bench_sleep.py), each peer with as many threads:

  torch         the equations as they read, on dense tensors: outer products of the spikes for the
                increments and the decrements, all synapses at every step
  torch, lean   the same with as few passes over the weights as we found: one outer product, one
                sigmoid, one addcmul_
  C             time_major.c, compiled with cc -O3 -march=native -ffast-math -fopenmp

They run in turn; a row gives medians over the rounds. Kernel and C run the same 1024 steps; PyTorch
the first 4 to 16 of them, as a dense step takes as long whatever fires. Before they are timed the
peers must do for a few steps what the kernel does: PyTorch by its spikes, C by its membranes.
PyTorch and C are left out, with a line that says so, where torch or cc is missing.
"""

import argparse
import ctypes
import os
import shutil
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path

import numba
import numpy as np
import pandas as pd
from networks import (
    STEPS,
    add_data_arguments,
    cases_of,
    load_data,
    positive,
    threads,
    to_text,
)
from timing import in_turn

from srcnb.spiking.simulate import Simulation

try:
    import torch
except ImportError:
    torch = None

COMPILE = ["cc", "-O3", "-march=native", "-ffast-math", "-fopenmp", "-shared", "-fPIC"]
TORCH_STEPS = {True: 4, False: 16}  # in a round, for networks above and below 10 million synapses


def torch_steps(case, n_steps, lean):
    """Run steps with dense tensors: (seconds per step, spikes of layers 1 … L in all)."""
    c = case.config
    weights = [torch.from_numpy(W.copy()) for W in case.weights]
    membranes = [torch.from_numpy(v.copy()) for v in case.membranes]
    inputs = torch.from_numpy(case.spikes[:n_steps].astype(np.float32))
    counts = np.zeros(len(weights))
    start = time.perf_counter()
    with torch.no_grad():
        for pre in inputs:
            for layer, (W, v) in enumerate(zip(weights, membranes, strict=True)):
                v.mul_(c.decay).add_(W @ pre, alpha=c.alpha[layer])
                post = (v >= c.beta[layer]).float()
                if lean:
                    W.addcmul_(torch.outer(post, pre * (c.inc + c.dec) - c.dec), torch.sigmoid(W))
                else:
                    gate = torch.sigmoid(W)
                    grows, shrinks = torch.outer(post, pre), torch.outer(post, 1 - pre)
                    W += c.inc * grows * gate - c.dec * shrinks * gate
                v *= 1 - post
                counts[layer] += float(post.sum())
                pre = post
    return (time.perf_counter() - start) / n_steps, counts


def compile_c(folder):
    """The function ``run_steps`` of time_major.c, or None without a compiler."""
    if shutil.which("cc") is None:
        return None
    library = Path(folder) / "time_major.so"
    source = Path(__file__).with_name("time_major.c")
    subprocess.run([*COMPILE, source, "-o", library, "-lm"], check=True)
    return ctypes.CDLL(str(library)).run_steps


def c_steps(run_steps, case, n_steps):
    """Run steps in C: (seconds per step, membranes of layers 1 … L at the end)."""
    c = case.config
    n = len(case.weights)
    weights = [W.copy() for W in case.weights]
    membranes = [v.copy() for v in case.membranes]
    spikes = [np.zeros(size, np.uint8) for size in case.sizes]
    inputs = np.ascontiguousarray(case.spikes[:n_steps]).view(np.uint8)
    active = np.empty(max(case.sizes), np.int32)
    constants = [np.array(values, np.float32) for values in (c.alpha, c.beta)]

    def addresses(arrays):
        return (ctypes.c_void_p * len(arrays))(*[a.ctypes.data for a in arrays])

    def pointer(array):
        return ctypes.c_void_p(array.ctypes.data)

    sizes = np.array(case.sizes, np.int32)
    start = time.perf_counter()
    run_steps(
        n,
        pointer(sizes),
        addresses(weights),
        addresses(membranes),
        addresses(spikes),
        pointer(active),
        *map(pointer, constants),
        *(ctypes.c_float(x) for x in (c.decay, c.inc, c.dec)),
        n_steps,
        pointer(inputs),
    )
    return (time.perf_counter() - start) / n_steps, membranes


def check_peers(case, peers, n_steps):
    """AssertionError unless each peer does what the kernel does, for a few steps."""
    kernel = Simulation(case.weights, case.config, membranes=case.membranes)
    kernel.advance(case.spikes[:n_steps])
    counts = [count.sum() for count in kernel.spike_counts[1:]]
    for name, steps in peers.items():
        _, result = steps(n_steps)
        if name == "C":
            close = [
                np.isclose(a, b, rtol=1e-3, atol=1e-2).mean() > 0.999
                for a, b in zip(result, kernel.membranes, strict=True)
            ]
            assert all(close), f"{name} is not the same sleep"
        else:
            np.testing.assert_allclose(result, counts, rtol=1e-3, atol=1, err_msg=name)


def measure(case, run_c, threads, rounds):
    """Rows of the table, one for each peer."""
    few = TORCH_STEPS[sum(W.size for W in case.weights) > 10_000_000]
    peers, n_steps = {}, {}
    if torch is not None:
        torch.set_num_threads(threads)
        for name, lean in (("torch", False), ("torch, lean", True)):
            peers[name] = partial(torch_steps, case, lean=lean)
            n_steps[name] = few
    if run_c is not None:
        peers["C"] = partial(c_steps, run_c, case)
        n_steps["C"] = STEPS
    check_peers(case, peers, few)

    def settled(steps):
        # The threads of the last one (BLAS, OpenMP) spin for a while after their work.
        time.sleep(0.3)
        return steps()

    numba.set_num_threads(threads)
    seconds = in_turn(
        {
            "kernel": partial(settled, case.seconds_per_step),
            **{
                name: partial(settled, lambda p=p, n=n_steps[name]: p(n_steps=n)[0])
                for name, p in peers.items()
            },
        },
        rounds,
    )
    for name in peers:
        yield {
            "network": "-".join(map(str, case.sizes)),
            "threads": threads,
            "peer": name,
            "peer ms/step": 1e3 * np.median(seconds[name]),
            "kernel ms/step": 1e3 * np.median(seconds["kernel"]),
            "kernel is faster by": np.median(seconds[name] / seconds["kernel"]),
        }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data_arguments(parser)
    parser.add_argument("--hidden", type=positive, nargs="+", default=[1200, 4000])
    parser.add_argument("--threads", type=threads, default=numba.config.NUMBA_NUM_THREADS)
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        run_c = compile_c(folder)
        for name, missing in (("PyTorch", torch is None), ("cc", run_c is None)):
            if missing:
                print(f"{name} is not installed: left out")
        data = load_data(args.data_dir)
        rows = []
        for hidden in args.hidden:
            rows += measure(cases_of(data, hidden)(), run_c, args.threads, args.rounds)
    print(f"{data.name}, {args.threads} threads, numba {numba.__version__}")
    if rows:
        print(to_text(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
