"""What srcnb costs besides time per step: import, first sleep, memory, and its share of a run.

    python benchmarks/bench_footprint.py [--data-dir DIR]
    python benchmarks/bench_footprint.py --figures RUN [--data-dir DIR]

Each line is measured in fresh processes, several of them, and gives the median:

  import srcnb           over what `import numpy` takes
  first sleep            `srcnb.sleep` with numba's cache on disk warm, its import of numba included
  peak memory            of sleeps of 1,000 and 10,000 steps at 784-4000-4000-10, beyond what the
                         process had before (numba loaded), beside 1.2 × the weights + 64 MB
                         (only on Linux, which can reset a process's peak)
  comparing networks     peak memory of a process that compares two networks of that size on 10,000
                         inputs: means per class, changes, principal components (not on Windows)
  share of sleep         of one seed of src with the paper preset, 125,000 steps of sleep: wall
                         time of the sleeps / all of it, data loaded (only with MNIST)

With --figures, only that is measured, once: peak memory, processor and wall time of
`srcnb figures RUN`, where RUN is a folder of `srcnb run --save-networks`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
import pandas as pd
from networks import to_text

IMPORT = """
import time
start = time.perf_counter()
import {}
print(time.perf_counter() - start)
"""

FIRST_SLEEP = """
import time, numpy, srcnb
net = srcnb.MLP((784, 1200, 1200, 10), random_state=0)
config = srcnb.SleepConfig(n_steps=100, alpha=(15, 250, 8), beta=(14, 44, 38), inc=1e-3, dec=1e-4)
start = time.perf_counter()
srcnb.sleep(net, numpy.full(784, 0.1), config, random_state=0)
print(time.perf_counter() - start)
"""

MEMORY = """
import warnings, numpy, srcnb
warnings.simplefilter("ignore", srcnb.SilentLayerWarning)

def config(steps):
    return srcnb.SleepConfig(
        n_steps=steps, alpha=(15, 250, 8), beta=(14, 44, 38), inc=1e-3, dec=1e-4
    )

def status(key):
    with open("/proc/self/status") as file:
        return 1024 * int(next(line for line in file if line.startswith(key)).split()[1])

tiny = srcnb.MLP((8, 8, 8, 2), random_state=0)
srcnb.sleep(tiny, numpy.full(8, 0.1), config(10), random_state=0)
net = srcnb.MLP((784, {hidden}, {hidden}, 10), random_state=0)
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
before = status("VmRSS")
srcnb.sleep(net, numpy.full(784, 0.2), config({steps}), random_state=0)
peak = status("VmHWM")
print((peak - before) / 1e6, sum(w.nbytes for w in net.weights) / 1e6)
"""

COMPARE = """
import resource, sys, numpy, srcnb
from srcnb import before_after

nets = [srcnb.MLP((784, {hidden}, {hidden}, 10), random_state=i) for i in range(2)]
X = numpy.random.default_rng(0).random((10000, 784), dtype=numpy.float32)
y = numpy.arange(10000) % 10
before_after.class_means(nets[0], X, y)
before_after.class_changes(*nets, X, y)
before_after.joint_scores(nets, X)
unit = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)
"""

SHARE = """
import sys, time
from srcnb import datasets, presets, tasks
from srcnb.methods.base import sleep_as_scheduled, train_and_sleep
slept = 0

def timed(*arguments):
    global slept
    start = time.perf_counter()
    net = sleep_as_scheduled(*arguments)
    slept += time.perf_counter() - start
    return net

protocol = presets.paper()
sequence = tasks.class_incremental(datasets.load("mnist", sys.argv[1]), 2, cap=protocol.cap)
start = time.perf_counter()
for _ in train_and_sleep(sequence, protocol, 0, sleep=timed):
    pass
print(slept, time.perf_counter() - start)
"""


def outputs(code, processes, *arguments):
    """Numbers that a program prints, as an array (processes, numbers)."""
    command = [sys.executable, "-c", code, *arguments]
    lines = [
        subprocess.run(command, check=True, capture_output=True, text=True)
        for _ in range(processes)
    ]
    return np.array([[float(x) for x in line.stdout.split()] for line in lines])


def figures(folder):
    """Rows of what drawing all pictures of a run takes, in a process of its own."""
    import resource  # not on Windows

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "srcnb", "figures", folder, "--out", out]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    values = {
        "peak memory (MB)": (usage.ru_maxrss * unit / 1e6, "1000"),
        "processor time (s)": (usage.ru_utime + usage.ru_stime, ""),
        "wall time (s)": (wall, "120"),
    }
    return [
        {"what": f"srcnb figures, {what}", "measured": value, "target": target}
        for what, (value, target) in values.items()
    ]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", default=os.environ.get("SRCNB_DATA"))
    parser.add_argument("--hidden", type=int, default=4000, help="of the sleeps for peak memory")
    parser.add_argument("--rounds", type=int, default=7, help="processes of each measurement")
    parser.add_argument("--figures", metavar="RUN", help="measure srcnb figures of this folder")
    args = parser.parse_args()
    if args.figures:
        if args.data_dir:
            os.environ["SRCNB_DATA"] = args.data_dir
        print(to_text(pd.DataFrame(figures(args.figures))))
        return
    few = min(args.rounds, 3)  # of those that take long
    rows = []

    def row(what, value, target):
        rows.append({"what": what, "measured": value, "target": target})

    both, alone = zip(
        *(
            [outputs(IMPORT.format(what), 1) for what in ("numpy, srcnb", "numpy")]
            for _ in range(args.rounds)
        ),
        strict=True,
    )
    row("import srcnb, over numpy (s)", float(np.median(np.subtract(both, alone))), "0.3")
    outputs(FIRST_SLEEP, 1)  # warms numba's cache
    first = outputs(FIRST_SLEEP, args.rounds)
    row("first sleep, warm cache (s)", float(np.median(first)), "1.5")
    for steps in (1000, 10000) if sys.platform == "linux" else ():
        code = MEMORY.format(steps=steps, hidden=args.hidden)
        peak, weights = np.median(outputs(code, few), axis=0)
        target = f"{1.2 * weights + 64:.0f} (weights: {weights:.0f})"
        row(f"peak memory of {steps:,} steps (MB)", float(peak), target)
    if sys.platform != "win32":
        peak = np.median(outputs(COMPARE.format(hidden=args.hidden), few))
        row("comparing networks, peak memory (MB)", float(peak), "1000")
    if args.data_dir:
        slept, everything = outputs(SHARE, few, args.data_dir).T
        what = f"share of sleep in a run of {np.median(everything):.0f} s"
        row(what, float(np.median(slept / everything)), "0.5")
    print(to_text(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
