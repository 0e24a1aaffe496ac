"""Kill a run at random moments, resume it, and compare it with one that was left alone.

    python benchmarks/kill_and_resume.py [--kills 30] [--jobs 2]

Once for ``srcnb run`` and once for ``srcnb experiment``: kill -9 to the program (its workers are
left to find out), then the same command with --resume, until it has been killed so often and is
done. No figure: it ends with an error if anything is lost, twice, torn, or other than in one run.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

RUN = ["run", "--methods", "sequential", "src", "--hidden", "60", "60", "--seeds", "40"]
EXPERIMENT = ["experiment", "patches", "--seeds", "3"]


def start(arguments, out, jobs):
    """The program, with its output thrown away."""
    command = [sys.executable, "-W", "ignore", "-m", "srcnb", *arguments]
    command += ["--out", str(out), "--jobs", str(jobs), "--resume"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def check(name, arguments, kills, jobs, rng, folder):
    """Kill and resume; returns the numbers of kills and of cells."""
    whole, part = folder / f"{name}-whole", folder / f"{name}-part"
    assert start(arguments, whole, jobs).wait() == 0
    killed = 0
    cells = part / f"{name}.cells"
    while True:
        process = start(arguments, part, jobs)
        before = len(list(cells.glob("*.json")))
        if killed < kills:
            # Some time into its work: nothing is tried by killing an import.
            while process.poll() is None and len(list(cells.glob("*.json"))) < before + 1:
                pass
            try:
                process.wait(rng.uniform(0, 0.4))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                killed += process.wait() == -signal.SIGKILL
                continue
        assert process.wait() == 0, f"{name} can't be resumed"
        break
    one, other = (pd.read_csv(f / f"{name}.csv") for f in (whole, part))
    times = [c for c in one if c == "seconds"]
    pd.testing.assert_frame_equal(
        one.drop(columns=times), other.drop(columns=times), check_exact=True
    )
    names = [sorted(p.name for p in (f / f"{name}.cells").glob("*.json")) for f in (whole, part)]
    assert names[0] == names[1], "other cells"
    return killed, len(names[0]) - 1


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=30, help="of each of the two")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in (("results", RUN), ("patches", EXPERIMENT)):
            killed, cells = check(name, arguments, args.kills, args.jobs, rng, Path(folder))
            print(f"srcnb {arguments[0]}: killed {killed} times, {cells} cells, all as in one run")


if __name__ == "__main__":
    main()
