"""The networks, spikes and counts that the benchmarks share."""

import argparse
import os
import time
from dataclasses import dataclass, replace

import numba
import numpy as np

import srcnb
from srcnb import datasets, protocols, tasks
from srcnb.asleep.dreams import poisson_spikes
from srcnb.asleep.simulate import Simulation

WARM_UP = 512
STEPS = 1024


def add_data_arguments(parser):
    """The options that every benchmark has."""
    parser.add_argument(
        "--data-dir",
        default=os.environ.get("SRCNB_DATA"),
        help="folder that holds mnist/ (default: $SRCNB_DATA; without it: digits)",
    )
    parser.add_argument(
        "--rounds", type=positive, default=7, help="rounds of each timing (default: 7)"
    )


def positive(text):
    """An int from 1, for argparse."""
    n = int(text)
    if n < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {n}")
    return n


def threads(text):
    """A number of threads that numba has, for argparse."""
    n = positive(text)
    if n > numba.config.NUMBA_NUM_THREADS:
        raise argparse.ArgumentTypeError(
            f"must be at most {numba.config.NUMBA_NUM_THREADS}, got {n}"
        )
    return n


def load_data(data_dir):
    """MNIST where it is there, digits elsewhere."""
    return datasets.load("mnist" if data_dir else "digits", data_dir)


def round_figures(value):
    """Three digits, for tables."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def to_text(table):
    """A DataFrame as text, for the terminal."""
    return table.to_string(index=False, float_format=round_figures, na_rep="–")


@dataclass
class Sleeper:
    """A network fast asleep: where a timing starts, and the spikes that it gets.

    Attributes
    ----------
    sizes : layer sizes
    config : SleepConfig
    weights, membranes : as they are after WARM_UP steps
    spikes : input spikes of the STEPS steps that are timed, bool (STEPS, n_0)
    """

    sizes: tuple
    config: srcnb.SleepConfig
    weights: list
    membranes: list
    spikes: np.ndarray

    def seconds_per_step(self, engine="numba", n_steps=STEPS):
        """Run the first steps with ``engine`` and time them, without the copy of the weights."""
        sleep = Simulation(self.weights, self.config, engine, membranes=self.membranes)
        start = time.perf_counter()
        sleep.advance(self.spikes[:n_steps])
        return (time.perf_counter() - start) / n_steps

    def events(self):
        """(weights gathered, gates evaluated) per step."""
        sleep = Simulation(self.weights, self.config, membranes=self.membranes)
        sleep.advance(self.spikes)
        spikes = [int(count.sum()) / len(self.spikes) for count in sleep.spike_counts]
        gathers = sum(n * n_post for n, n_post in zip(spikes[:-1], self.sizes[1:], strict=True))
        gates = sum(n * n_pre for n, n_pre in zip(spikes[1:], self.sizes[:-1], strict=True))
        return gathers, gates


def fall_asleep(data, hidden, cap=None):
    """Train a network on two tasks, with the constants of the torch preset (on digits: our own).

    Returns a function of changes to its SleepConfig, and a factor for max_rate, that gives a
    Sleeper. ``cap``: training samples per task (default: the protocol's).
    """
    protocol = protocols.get(None if data.name == "digits" else "torch", data.name)
    protocol = replace(protocol, hidden=(hidden, hidden))
    first_two = tasks.class_incremental(data, cap=cap or protocol.cap)[:2]
    net = protocol.new_network(first_two, 0)
    night = protocol.new_night()
    for task in first_two:
        net.fit(task.X, task.y, **protocol.training)
        night.learn(task)

    def sleeper(rate=1.0, **changes):
        config = night.config(net, stage=2)
        config = replace(config, max_rate=rate * config.max_rate, **changes)
        rng = np.random.default_rng(0)
        rates = night.dream.rates(WARM_UP + STEPS, rng)
        spikes = poisson_spikes(rates, rng.random(rates.shape, dtype=np.float32), config)
        warm = Simulation(net.weights, config)
        warm.advance(spikes[:WARM_UP])
        return Sleeper(net.layer_sizes, config, warm.weights, warm.membranes, spikes[WARM_UP:])

    return sleeper
