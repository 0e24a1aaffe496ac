"""The networks, spikes and counts that the benchmarks share."""

import argparse
import os
import time
from dataclasses import dataclass, replace

import numba
import numpy as np

import srcnb
from srcnb import datasets, presets, tasks
from srcnb.methods.base import train_and_sleep
from srcnb.spiking.inputs import poisson_spikes
from srcnb.spiking.simulate import Simulation

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
class Case:
    """A sleep to be timed: where the timing starts, and the spikes that come in.

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
        simulation = Simulation(self.weights, self.config, engine, membranes=self.membranes)
        start = time.perf_counter()
        simulation.advance(self.spikes[:n_steps])
        return (time.perf_counter() - start) / n_steps

    def events(self):
        """(weights gathered, gates evaluated) per step."""
        simulation = Simulation(self.weights, self.config, membranes=self.membranes)
        simulation.advance(self.spikes)
        spikes = [int(count.sum()) / len(self.spikes) for count in simulation.spike_counts]
        gathers = sum(n * n_post for n, n_post in zip(spikes[:-1], self.sizes[1:], strict=True))
        gates = sum(n * n_pre for n, n_pre in zip(spikes[1:], self.sizes[:-1], strict=True))
        return gathers, gates


def cases_of(data, hidden, cap=None):
    """Train a network on two tasks, with the replica's protocol (on digits: our own).

    Returns a function of a factor for max_rate and changes to the SleepConfig, that gives a Case.
    ``cap``: training samples per task (default: the protocol's).
    """
    protocol = presets.get("own" if data.name == "digits" else "replica", data.name)
    # Its one sleep, after both tasks, is not run but handed out.
    protocol = replace(
        protocol, hidden=(hidden, hidden), schedule=replace(protocol.schedule, every=0)
    )
    first_two = tasks.class_incremental(data, cap=cap or protocol.cap)[:2]
    due = []

    def hand_out(state, net, stage, random_state):
        due.append((net, state.sleep_input, state.config(net, stage)))
        return net

    for _ in train_and_sleep(first_two, protocol, 0, sleep=hand_out):
        pass
    [(net, sleep_input, config)] = due

    def case(rate=1.0, **changes):
        changed = replace(config, max_rate=rate * config.max_rate, **changes)
        rng = np.random.default_rng(0)
        intensities = sleep_input.draw(WARM_UP + STEPS, rng)
        uniforms = rng.random(intensities.shape, dtype=np.float32)
        spikes = poisson_spikes(intensities, uniforms, changed)
        warm = Simulation(net.weights, changed)
        warm.advance(spikes[:WARM_UP])
        return Case(net.layer_sizes, changed, warm.weights, warm.membranes, spikes[WARM_UP:])

    return case
