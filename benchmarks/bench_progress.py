"""What the progress bar of a sleep costs: on beside off, in turn, in one process.

    python benchmarks/bench_progress.py [--hidden N] [--rounds N]

Each line is the median over the rounds of the ratio of a sleep with its bar to the same sleep
without, in seconds of the processor, and the quartiles; "off, twice" is how far two sleeps without
a bar differ. stderr is a terminal that goes nowhere.

  short sleep   600 steps, of which no bar is shown
  long sleep    20,000 steps, the bar is shown from the beginning
"""

import argparse
import io
import time
from contextlib import redirect_stderr

import numpy as np
from timing import in_turn

import srcnb


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self):
        """Always."""
        return True


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hidden", type=int, default=400, help="units of both hidden layers")
    parser.add_argument("--rounds", type=int, default=15, help="rounds that are counted")
    options = parser.parse_args()
    net = srcnb.MLP((784, options.hidden, options.hidden, 10), random_state=0)
    x = np.full(784, 0.1)
    for name, n_steps, shown in (("short sleep", 600, None), ("long sleep", 20_000, True)):
        config = srcnb.calibrate(net, x, srcnb.SleepTargets(n_steps), 0)

        def sleep(progress, config=config):
            start = time.process_time()
            with redirect_stderr(Terminal()):
                srcnb.sleep(net, x, config, 0, progress=progress)
            return time.process_time() - start

        ways = {"off": False, "off, twice": False, "on": shown}
        seconds = in_turn({k: (lambda v=v: sleep(v)) for k, v in ways.items()}, options.rounds)
        for way in ("on", "off, twice"):
            low, middle, high = np.percentile(seconds[way] / seconds["off"], [25, 50, 75])
            print(f"{name}, {way:10}: {middle:.3f} times off [{low:.3f}, {high:.3f}]")


if __name__ == "__main__":
    main()
