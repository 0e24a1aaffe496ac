"""CIFAR10 and CUB200: features of a network trained elsewhere, from a file of the user's."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from srcnb import own_data, presets
from srcnb.datasets import Dataset
from srcnb.experiments.cells import Cell, Condition, Experiment, Row, Source
from srcnb.experiments.class_incremental import shuffled_pairs
from srcnb.experiments.tables import at_the_end, mean_sd
from srcnb.methods import METHODS
from srcnb.protocol import Protocol, SleepConstants, SleepSchedule
from srcnb.spiking.inputs import MeanInput, SegmentInput
from srcnb.tasks import Task, class_incremental
from srcnb.validation import ArrayLike

SEGMENT = 2048  # of the 2048 features of CIFAR10
CUB200_CAP = 2900
# The source's second task of CUB200 is learnt at this rate, in src.
CUB200_SECOND_RATE = 0.01


def load_features(source: Source) -> tuple[Dataset, ...]:
    """The file of features that the user names."""
    return (own_data.load_features(source.features_file or ""),)


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


def sequence_cifar10(cell: Cell, data: Sequence[Dataset], protocol: Protocol) -> list[Task]:
    """The pairs of classes in a random order; features divided by the largest."""
    largest = data[0].X.max()
    scaled = replace(data[0], X=data[0].X / largest, X_test=np.minimum(data[0].X_test / largest, 1))
    order = shuffled_pairs(scaled.n_classes, cell.seed)
    return class_incremental(scaled, groups=2, order=order, cap=protocol.cap)


def measure_cifar10(cell: Cell, sequence: list[Task], protocol: Protocol) -> Iterator[Row]:
    """Measurements after each task and each sleep."""
    n_features = sequence[0].X.shape[1]
    if n_features < SEGMENT:
        segment = partial(SegmentInput, n_features)
        protocol = replace(protocol, schedule=replace(protocol.schedule, sleep_input=segment))
    method = METHODS[cell.condition["method"]]
    return cell.measurements(method(sequence, protocol, cell.seed), sequence)


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


def sequence_cub200(cell: Cell, data: Sequence[Dataset], protocol: Protocol) -> list[Task]:
    """The two halves of the classes; random samples of each, the features as they are."""
    shuffled = np.random.default_rng([cell.seed, 2]).permutation(len(data[0].X))
    mixed = replace(data[0], X=data[0].X[shuffled], y=data[0].y[shuffled])
    return class_incremental(mixed, groups=-(-mixed.n_classes // 2), cap=protocol.cap)


def measure_cub200(cell: Cell, sequence: list[Task], protocol: Protocol) -> Iterator[Row]:
    """Measurements after each half of the classes, and after the one sleep, at the end.

    A mean feature above 1 is no sleep input: so it is divided by the largest feature and
    ``max_rate`` is multiplied by it, which gives the same spikes.
    """
    largest = float(max(task.X_all.max() for task in sequence))
    constants = protocol.schedule.constants
    assert isinstance(constants, SleepConstants)  # the paper's
    schedule = replace(
        protocol.schedule,
        constants=replace(constants, max_rate=constants.max_rate * largest),
        sleep_input=partial(_MeanOfRaw, largest),
    )
    protocol = replace(protocol, schedule=schedule)
    method = METHODS[cell.condition["method"]]
    return cell.measurements(method(sequence, protocol, cell.seed), sequence)


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
        load_features,
        sequence_cifar10,
        measure_cifar10,
        table_cifar10,
        needs_features=True,
    ),
    Experiment(
        "cub200",
        "CUB200's features, from a file: two tasks, one sleep",
        [{"method": method} for method in ("sequential", "src", "parallel")],
        protocol_cub200,
        load_features,
        sequence_cub200,
        measure_cub200,
        table_cub200,
        needs_features=True,
    ),
)
