"""One sleep alone: how late it may come, how accuracy changes in it, and after little training."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import pandas as pd
from numpy.random import SeedSequence

from srcnb import presets
from srcnb.datasets import Dataset
from srcnb.experiments.cells import Cell, Condition, Experiment, Row, accuracies
from srcnb.experiments.class_incremental import load_set, pairs_of_classes
from srcnb.experiments.tables import mean_sd
from srcnb.methods.base import train_and_sleep
from srcnb.mlp import MLP
from srcnb.protocol import Protocol, SleepState
from srcnb.tasks import Task, domain_incremental
from srcnb.validation import check_choice

# One sleep is followed through 35,000 steps. Nearly all of it happens in its beginning, so that the
# measurements are the further apart the later they come.
STEPS, EVERY = 35000, 20
# Little training: the source's images, epochs and steps.
LITTLE_IMAGES, LITTLE_EPOCHS, LITTLE_STEPS = 5000, (10, 20, 40), 20000


def protocol_single(dataset: str, condition: Condition) -> Protocol:
    """The paper's for this data set."""
    return presets.paper(dataset)


def measure_single(cell: Cell, sequence: list[Task], protocol: Protocol) -> Iterator[Row]:
    """Measurements before and after one sleep, the only one, after each number of tasks.

    It is as long as the sleep after that task is in src: 5000 steps more for each task.
    """
    return cell.measurements(train_and_sleep(sequence, protocol, cell.seed, aside=True), sequence)


def is_measured(step: int) -> bool:
    """Every 20 steps up to 100, every 100 up to 2500, every 2500 to the end."""
    return step <= 100 or (step <= 2500 and step % 100 == 0) or step % 2500 == 0


def protocol_during(dataset: str, condition: Condition) -> Protocol:
    """The paper's for this data set, with one long sleep at the end."""
    protocol = presets.paper(dataset)
    schedule = replace(protocol.schedule, first_steps=STEPS, more_steps=0, every=0)
    return replace(protocol, schedule=schedule)


def measure_during(cell: Cell, sequence: list[Task], protocol: Protocol) -> list[Row]:
    """Measurements at many moments of the first sleep of a network that has learnt it all."""
    rows: list[Row] = []

    def measure(step: int, net: MLP) -> None:
        if is_measured(step):
            for task, accuracy in accuracies(net, sequence).items():
                rows.append({"step": step, "task": task, "accuracy": accuracy})

    def sleep(state: SleepState, net: MLP, stage: int, random_state: SeedSequence) -> MLP:
        measure(0, net)
        slept = state.sleep(net, stage, random_state, callback=measure, every=EVERY).net
        assert slept is not None
        return slept

    for checkpoint in train_and_sleep(sequence, protocol, cell.seed, sleep=sleep):
        cell.keep(checkpoint)
    return rows


def everything(cell: Cell, data: Sequence[Dataset], protocol: Protocol) -> list[Task]:
    """All classes as one task, whose capped part is its first images."""
    return domain_incremental(data, cap=protocol.cap)


def protocol_little(condition: Condition) -> Protocol:
    """The paper's for little training on the first 5000 images."""
    protocol = presets.paper(f"little-training-{condition['epochs']}")
    return replace(
        protocol,
        cap=LITTLE_IMAGES,
        schedule=replace(protocol.schedule, first_steps=LITTLE_STEPS),
        training={**protocol.training, "epochs": condition["epochs"], "learning_rate": 0.01},
    )


def measure_little(cell: Cell, sequence: list[Task], protocol: Protocol) -> Iterator[Row]:
    """Accuracy on the test images and on all training images, before and after the sleep.

    As in the source the sleep input and α are of all images, not only of the 5000.
    """
    [task] = sequence
    for checkpoint in train_and_sleep(sequence, protocol, cell.seed):
        cell.keep(checkpoint)
        _, phase, model = checkpoint
        for images, X, y in (
            ("test", task.X_test, task.y_test),
            ("training", task.X_all, task.y_all),
        ):
            accuracy = 100 * float((model.predict(X) == y).mean())
            yield {"phase": phase, "images": images, "accuracy": accuracy}


def table_single(results: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on each task before and after the sleep, against the tasks learnt in a row."""
    names = {"train": "before", "sleep": "after"}
    results = results.assign(sleep=results["phase"].map(names))
    return mean_sd(results, ["stage", "sleep"], ["task"])


def table_during(results: pd.DataFrame) -> pd.DataFrame:
    """Accuracy against steps of sleep; of the first 2500, some."""
    shown = [*range(0, 101, EVERY), 200, 300, 500, 1000, 1500, 2000]
    chosen = results["step"].isin(shown) | (results["step"] % 2500 == 0)
    return mean_sd(results[chosen], ["step"], ["task"])


def table_little(results: pd.DataFrame) -> pd.DataFrame:
    """Accuracy before and after the sleep."""
    names = {"train": "before sleep", "sleep": "after sleep"}
    results = results.assign(phase=results["phase"].map(names))
    return mean_sd(results, ["epochs", "images"], ["phase"])


def single_sleep(dataset: str) -> Experiment:
    """One sleep only, after each number of tasks of a data set of 28×28 images."""
    return Experiment(
        "single-sleep",
        "one sleep only, after 1 … 5 tasks in a row",
        [{"method": "src"}],
        partial(protocol_single, check_choice("dataset", dataset, presets.IMAGES)),
        partial(load_set, dataset),
        pairs_of_classes,
        measure_single,
        table_single,
        on=single_sleep,
    )


def during_sleep(dataset: str) -> Experiment:
    """One sleep after all tasks of a data set of 28×28 images, step by step."""
    return Experiment(
        "during-sleep",
        "accuracy every 20, 100 and 2500 steps of one sleep after five tasks in a row",
        [{"method": "src"}],
        partial(protocol_during, check_choice("dataset", dataset, presets.IMAGES)),
        partial(load_set, dataset),
        pairs_of_classes,
        measure_during,
        table_during,
        on=during_sleep,
    )


EXPERIMENTS = (
    Experiment(
        "little-training",
        "10, 20 or 40 epochs on 5000 images of all classes, before and after a sleep",
        [{"epochs": epochs} for epochs in LITTLE_EPOCHS],
        protocol_little,
        partial(load_set, "mnist"),
        everything,
        measure_little,
        table_little,
    ),
    single_sleep("mnist"),
    during_sleep("mnist"),
)
