"""Patches: four tiny images, two tasks, one layer of weights; what overlap does to forgetting.

The source gives each image 100/6 - overlap pixels of its own, so that from an overlap of 16 on all
four are the same; here each has 25 pixels on, ``overlap`` of which are on in all four. Its two
epochs of task 2, a step of SGD each, can't undo the four of task 1: so there are more as well.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.random import SeedSequence

from srcnb import presets
from srcnb.datasets import Dataset
from srcnb.experiments.cells import Cell, Condition, Experiment, Row, Source
from srcnb.experiments.tables import mean_sd
from srcnb.methods.base import sleep_as_scheduled, train_and_sleep
from srcnb.mlp import MLP
from srcnb.protocol import Protocol, SleepSchedule, SleepState
from srcnb.spiking.inputs import MeanInput
from srcnb.tasks import Task, class_incremental
from srcnb.validation import Array

N_PIXELS, N_ON, N_IMAGES = 100, 25, 4
TRAINING = dict(epochs=4, batch_size=2, learning_rate=0.05, momentum=0.5, reset_momentum=False)
SECOND_EPOCHS = (2, 4, 20)
STEPS = 30000
OVERLAPS = (1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25)


def images(overlap: int, rng: np.random.Generator) -> Array:
    """The four images, float32 (4, 100), their pixels in a random order."""
    X = np.zeros((N_IMAGES, N_PIXELS), np.float32)
    X[:, :overlap] = 1
    own = N_ON - overlap
    for i in range(N_IMAGES):
        X[i, overlap + i * own : overlap + (i + 1) * own] = 1
    return X[:, rng.permutation(N_PIXELS)]


def protocol_of(condition: Condition) -> Protocol:
    """One layer of weights, one sleep at the end."""
    return Protocol(
        name="patches",
        hidden=(),
        schedule=SleepSchedule(presets.PAPER["patches"], MeanInput, STEPS, data="seen", every=0),
        network=dict(output="softmax", init=0.01),
        training=TRAINING,
        later_training=dict(epochs=condition["epochs"]),
    )


def no_data(source: Source) -> list[Dataset]:
    """The images are made by each cell."""
    return []


def two_tasks(cell: Cell, data: Sequence[Dataset], protocol: Protocol) -> list[Task]:
    """Two images each."""
    X = images(cell.condition["overlap"], np.random.default_rng([cell.seed, 2]))
    labels = np.arange(N_IMAGES)
    return class_incremental(Dataset("patches", X, labels, X, labels, N_IMAGES, (10, 10)))


def measure(cell: Cell, sequence: list[Task], protocol: Protocol) -> Iterator[Row]:
    """Accuracy over the four images after task 1, after task 2, and after sleep."""

    def sleep(state: SleepState, net: MLP, stage: int, random_state: SeedSequence) -> MLP:
        # It is the first sleep of this network, and has the random numbers of a first one.
        return sleep_as_scheduled(state, net, 1, SeedSequence([cell.seed, 1]))

    checkpoints = train_and_sleep(sequence, protocol, cell.seed, sleep=sleep)
    for row in cell.measurements(checkpoints, sequence):
        stage, phase = row.pop("stage"), row.pop("phase")
        yield {"after": f"task {stage}" if phase == "train" else "sleep", **row}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Accuracy over all images against the overlap."""
    results = results[results["task"] == "all"].rename(columns={"epochs": "epochs of task 2"})
    return mean_sd(results, ["epochs of task 2", "overlap"], ["after"])


EXPERIMENTS = (
    Experiment(
        "patches",
        "four tiny images: accuracy after task 1, task 2 and sleep, against their overlap",
        [{"epochs": e, "overlap": overlap} for e in SECOND_EPOCHS for overlap in OVERLAPS],
        protocol_of,
        no_data,
        two_tasks,
        measure,
        table,
    ),
)
