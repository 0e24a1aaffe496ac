"""Five tasks of two classes each: the published protocols on MNIST and Fashion-MNIST."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pandas as pd

from srcnb import datasets, own_data, presets
from srcnb.datasets import Dataset
from srcnb.experiments.cells import Cell, Condition, Experiment, Row, Source
from srcnb.experiments.tables import at_the_end, mean_sd
from srcnb.methods import METHODS
from srcnb.protocol import Protocol
from srcnb.tasks import Task, class_incremental


def load_set(dataset: str, source: Source) -> tuple[Dataset, ...]:
    """A data set by name."""
    return (datasets.load(dataset, source.data_dir),)


def load_own(path: str, target: str | None, source: Source) -> tuple[Dataset, ...]:
    """A data set from a file of the user's."""
    return (own_data.load_file(path, target),)


def pairs_of_classes(cell: Cell, data: Sequence[Dataset], protocol: Protocol) -> list[Task]:
    """The classes of a data set, two by two in their order."""
    return class_incremental(data[0], groups=2, cap=protocol.cap)


def shuffled_pairs_of_classes(
    cell: Cell, data: Sequence[Dataset], protocol: Protocol
) -> list[Task]:
    """The same pairs in an order of the seed."""
    order = shuffled_pairs(data[0].n_classes, cell.seed)
    return class_incremental(data[0], groups=2, order=order, cap=protocol.cap)


def shuffled_pairs(n_classes: int, seed: int) -> tuple[int, ...]:
    """An order of the classes in which the pairs 0 and 1, 2 and 3, … change places."""
    pairs = np.random.default_rng([seed, 2]).permutation(-(-n_classes // 2))
    order = (c for pair in pairs for c in (2 * pair, 2 * pair + 1))
    return tuple(int(c) for c in order if c < n_classes)


def protocol_of(preset: str, dataset: str, condition: Condition) -> Protocol:
    """The preset's protocol, whatever the method."""
    return presets.get(preset, dataset)


def measure(cell: Cell, sequence: list[Task], protocol: Protocol) -> Iterator[Row]:
    """Measurements after each task and each sleep of a method."""
    method = METHODS[cell.condition["method"]]
    return cell.measurements(method(sequence, protocol, cell.seed), sequence)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Accuracy over all classes at the end, and of the first and the last task."""
    last = results.groupby(["method", "seed", "task"], sort=False).tail(1)
    last = last[last["task"].isin(["all", "1", "5"])]
    names = {"all": "all classes", "1": "task 1", "5": "task 5"}
    text = mean_sd(last.assign(task=last["task"].map(names)), ["method"], ["task"])
    seconds = at_the_end(results, ["method"]).groupby("method", sort=False)["seconds"].mean()
    return text.assign(seconds=[f"{s:.0f}" for s in seconds[text["method"]]])


def _experiment(
    name: str, preset: str, dataset: str, methods: list[str], seeds: int, summary: str
) -> Experiment:
    return Experiment(
        name,
        summary,
        [{"method": method} for method in methods],
        partial(protocol_of, preset, dataset),
        partial(load_set, dataset),
        pairs_of_classes,
        measure,
        table,
        seeds,
    )


BASELINES = ["sequential", "src", "parallel"]
EXPERIMENTS = (
    _experiment(
        "mnist",
        "paper",
        "mnist",
        [
            *BASELINES,
            "src-step-back",
            "src-save-best",
            "ewc",
            "ewc+src",
            "si",
            "si+src",
            "merging",
            "cheat",
        ],
        5,
        "MNIST in five tasks, the paper's protocol: forgetting, SRC, baselines",
    ),
    _experiment(
        "fashion-mnist",
        "paper",
        "fashion-mnist",
        BASELINES,
        5,
        "the same on Fashion-MNIST",
    ),
    _experiment(
        "mnist-replica",
        "replica",
        "mnist",
        [
            *BASELINES,
            "cheat",
            "cheat-slip",
            "merging",
            "low-rank-merging",
            "low-rank-concat",
            "low-rank-parallel",
        ],
        3,
        "MNIST in five tasks, the replica's protocol and its other methods",
    ),
)
