"""Times that can be compared on a noisy machine."""

import time

import numpy as np


def timed(call):
    """Wall time of ``call()``, in seconds."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def in_turn(measurements, rounds):
    """Take each of ``measurements``, a dict of functions that return seconds, once per round.

    What slows the machine down for a while slows all of a round, so ratios within a round can be
    trusted more than times. A first round is not counted. Returns {name: (rounds,) seconds}.
    """
    seconds = {name: [] for name in measurements}
    for _ in range(rounds + 1):
        for name, measurement in measurements.items():
            seconds[name].append(measurement())
    return {name: np.array(s[1:]) for name, s in seconds.items()}
