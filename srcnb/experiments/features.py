"""CIFAR10 and CUB200: features of a network trained elsewhere, from a file of the user's."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd

from srcnb import datasets, presets, tasks
from srcnb.experiments.class_incremental import shuffled_pairs
from srcnb.experiments.runner import (
    Condition,
    Experiment,
    Source,
    at_the_end,
    mean_sd,
    measurements,
)
from srcnb.methods import METHODS
from srcnb.protocol import Protocol, SleepSchedule
from srcnb.spiking.inputs import MeanInput, SegmentInput
from srcnb.validation import ArrayLike

SEGMENT = 2048  # of the 2048 features of CIFAR10
CUB200_CAP = 2900
# The source's second task of CUB200 is learnt at this rate, in src.
CUB200_SECOND_RATE = 0.01


_load = cache(datasets.load_features)


def protocol_cifar10(condition: Condition) -> Protocol:
    """The paper's for features of CIFAR10."""
    protocol = presets.paper("cifar10")
    return replace(
        protocol,
        hidden=(1028, 256),
        cap=None,
        schedule=SleepSchedule(
            protocol.schedule.constants, partial(SegmentInput, SEGMENT), 15000, data="first"
        ),
        network={**protocol.network, "init": 0.05, "dropout": 0.2},
        training={**protocol.training, "epochs": 4},
        parallel_epochs=None,
    )


def measure_cifar10(
    condition: Condition, seed: int, source: Source, protocol: Protocol
) -> Iterator[dict[str, Any]]:
    """Measurements after each task and each sleep; the pairs of classes in a random order."""
    data = _load(source.features_file)
    largest = data.X.max()
    data = replace(data, X=data.X / largest, X_test=np.minimum(data.X_test / largest, 1))
    if data.X.shape[1] < SEGMENT:
        segment = partial(SegmentInput, data.X.shape[1])
        protocol = replace(protocol, schedule=replace(protocol.schedule, sleep_input=segment))
    order = shuffled_pairs(data.n_classes, seed)
    sequence = tasks.class_incremental(data, groups=2, order=order)
    return measurements(METHODS[condition["method"]](sequence, protocol, seed), sequence)


class _MeanOfRaw(MeanInput):
    """The mean of features that are not in [0, 1], but are when divided by ``largest``."""

    def __init__(self, largest: float) -> None:
        super().__init__()
        self.largest = largest

    def update(self, X: ArrayLike) -> None:
        super().update(np.minimum(np.asarray(X) / self.largest, 1))


def protocol_cub200(condition: Condition) -> Protocol:
    """The paper's for features of CUB200: one sleep, at the end, with the mean feature as input.

    The source sleeps after task 1 as well, and drops what comes of it.
    """
    protocol = presets.paper("cub200")
    return replace(
        protocol,
        hidden=(350, 300),
        cap=CUB200_CAP,
        schedule=SleepSchedule(
            protocol.schedule.constants, MeanInput, first_steps=5000, data="seen", every=0
        ),
        training={**protocol.training, "epochs": 50},
        # The source's baseline goes on at the first task's rate.
        later_training=(
            {"learning_rate": CUB200_SECOND_RATE} if condition["method"] == "src" else {}
        ),
        parallel_epochs=None,
    )


def measure_cub200(
    condition: Condition, seed: int, source: Source, protocol: Protocol
) -> Iterator[dict[str, Any]]:
    """Measurements after each half of the classes, and after the one sleep, at the end.

    The source takes the features as they are, not divided by the largest, and random samples of
    each task. A mean feature above 1 is no sleep input: so it is divided by the largest feature
    and ``max_rate`` is multiplied by it, which gives the same spikes.
    """
    data = _load(source.features_file)
    largest = float(data.X.max())
    shuffled = np.random.default_rng([seed, 2]).permutation(len(data.X))
    data = replace(data, X=data.X[shuffled], y=data.y[shuffled])
    constants = protocol.schedule.constants
    schedule = replace(
        protocol.schedule,
        constants=replace(constants, max_rate=constants.max_rate * largest),
        sleep_input=partial(_MeanOfRaw, largest),
    )
    protocol = replace(protocol, schedule=schedule)
    sequence = tasks.class_incremental(data, groups=-(-data.n_classes // 2), cap=protocol.cap)
    return measurements(METHODS[condition["method"]](sequence, protocol, seed), sequence)


def table_cifar10(results: pd.DataFrame) -> pd.DataFrame:
    """Accuracy over all classes at the end."""
    return mean_sd(at_the_end(results, ["method"]), ["method"], [])


def table_cub200(results: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on both tasks at each stage."""
    results = results.assign(after=results["stage"].astype(str) + ", " + results["phase"])
    return mean_sd(results, ["method", "after"], ["task"])


EXPERIMENTS = (
    Experiment(
        "cifar10",
        "CIFAR10's features, from a file: five tasks",
        [{"method": method} for method in ("sequential", "src", "parallel")],
        protocol_cifar10,
        measure_cifar10,
        table_cifar10,
        needs_features=True,
    ),
    Experiment(
        "cub200",
        "CUB200's features, from a file: two tasks, one sleep",
        [{"method": method} for method in ("sequential", "src", "parallel")],
        protocol_cub200,
        measure_cub200,
        table_cub200,
        needs_features=True,
    ),
)
