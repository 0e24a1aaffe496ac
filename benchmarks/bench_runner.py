"""Cells per minute: one process with all threads, one with one thread, and a process per core.

    python benchmarks/bench_runner.py [--data-dir DIR] [--rounds 3] [--epochs 1]

The cells are those of ``srcnb run --dataset mnist --preset paper``, sequential and src, cut to one
epoch a task (without MNIST: of digits, our own protocol). In turn, round after round, new folders
each time; a row gives the median over the rounds, and of the ratio within a round to one process
with one thread. Cells have one thread each in the runner; "1 × all threads" runs the same cells one
after the other without that limit.
"""

import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np
import pandas as pd
from networks import add_data_arguments, positive, to_text
from timing import in_turn, timed

CELLS = """
import sys
from dataclasses import replace
from functools import partial
from srcnb import presets
from srcnb.experiments import cells
from srcnb.experiments.class_incremental import load_set
from srcnb.experiments.comparison import comparison
from srcnb.experiments.runner import run_cells

out, jobs, epochs, seeds, hidden, data_dir = sys.argv[1:]
dataset = "mnist" if data_dir else "digits"
protocol = presets.get("paper" if data_dir else "own", dataset)
protocol = replace(protocol, training={**protocol.training, "epochs": int(epochs)})
if int(hidden):
    protocol = replace(protocol, hidden=(int(hidden), int(hidden)))
experiment = comparison(["sequential", "src"], protocol, partial(load_set, dataset))
source = cells.Source(data_dir or None)
if jobs == "all threads":
    from contextlib import nullcontext
    cells.one_thread = nullcontext
    jobs = "1"
run_cells(experiment, source, int(seeds), out, jobs=int(jobs))
"""


def seconds(jobs, args):
    """Wall time of all cells in a new process, without its start."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-W", "ignore", "-c", CELLS, out, jobs]
        command += [args.epochs, args.seeds, args.hidden, args.data_dir or ""]
        return timed(lambda: subprocess.run([*map(str, command)], check=True))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data_arguments(parser)
    parser.set_defaults(rounds=3)
    parser.add_argument("--epochs", type=positive, default=1, help="a task")
    parser.add_argument("--seeds", type=positive, default=3, help="two cells each")
    parser.add_argument("--hidden", type=int, default=0, help="units a layer; 0: the protocol's")
    args = parser.parse_args()
    cores = os.cpu_count() or 1
    ways = {
        "1 × 1 thread": "1",
        f"1 × {cores} threads": "all threads",
        f"{cores} × 1 thread": str(cores),
    }
    times = in_turn(
        {name: lambda jobs=jobs: seconds(jobs, args) for name, jobs in ways.items()}, args.rounds
    )
    first = times["1 × 1 thread"]
    rows = [
        {
            "processes × threads": name,
            "seconds": np.median(s),
            "cells/min": 60 * 2 * args.seeds / np.median(s),
            "of 1 × 1": np.median(first / s),
        }
        for name, s in times.items()
    ]
    print(f"{'mnist' if args.data_dir else 'digits'}, {2 * args.seeds} cells, {cores} cores")
    print(to_text(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
