"""Does it matter which classes come when, how often a task comes, and when the network sleeps?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from srcnb import presets
from srcnb.datasets import NAMES, Dataset
from srcnb.experiments.any_network import bare_run, read_outs
from srcnb.experiments.cells import Cell, Condition, Experiment, Row
from srcnb.experiments.class_incremental import load_set
from srcnb.experiments.studies.reading import read, table_row
from srcnb.plotting import draw_conditions, new_figure
from srcnb.protocol import Protocol
from srcnb.tasks import Task, class_incremental, permuted_pixels
from srcnb.validation import check_choice

ORDERS, ALL_ORDERS = 5, "all random orders"
AGAIN, SINGLE, PERMUTED = "the first task again at the end", "one class a task", "20 permutations"
SEQUENCES = (
    "in order",
    *(f"random order {i}" for i in range(1, ORDERS + 1)),
    AGAIN,
    SINGLE,
    PERMUTED,
)
# Samples a task, for training and for testing at most: there are 20 copies of them.
N_PERMUTATIONS, N_SAMPLES, N_TEST = 20, 1000, 2000
METHODS = ("sequential", "lazy", "less-excitable", "src")
# One sleep after all tasks, as long as one of src, or as long as all of them together with as large
# a budget: the same number of steps.
AT_END = ("one sleep at the end", "one sleep at the end, as long as all")
# Of other data sets than digits, whose runs are longer.
FEW: Mapping[str, tuple[str, ...]] = {
    "in order": (*METHODS[1:], AT_END[1]),
    **{name: METHODS[1:] for name in SEQUENCES[1:4]},
    SINGLE: (*METHODS[1:], AT_END[1]),
    PERMUTED: (*METHODS, AT_END[1]),
}


def conditions_on(dataset: str) -> list[Condition]:
    """Each sequence with each method; one sleep at the end where time is what is asked about.

    All of them on digits; where runs are longer fewer orders, and of the controls the best ones.
    """
    grid = FEW
    if dataset == "digits":
        at_end = {name: () if "random" in name or name == AGAIN else AT_END for name in SEQUENCES}
        grid = {name: (*METHODS, *at_end[name]) for name in SEQUENCES}
    return [{"sequence": name, "method": method} for name in grid for method in grid[name]]


def protocol_of(condition: Condition) -> Protocol:
    """The calibrated protocol; for a sleep at the end, with that one only."""
    protocol = replace(presets.calibrated(), homeostasis=None)
    if condition["sequence"] == PERMUTED:
        protocol = replace(protocol, cap=N_SAMPLES)
    if condition["method"] not in AT_END:
        return protocol
    schedule = replace(protocol.schedule, every=0, per_task=1)
    if condition["method"] == AT_END[1]:
        n_tasks = {SINGLE: 10, PERMUTED: N_PERMUTATIONS}.get(condition["sequence"], 5)
        n_sleeps = n_tasks * protocol.schedule.per_task
        schedule = replace(schedule, first_steps=n_sleeps * schedule.first_steps)
    return replace(protocol, schedule=schedule)


def tasks_of(cell: Cell, data: Sequence[Dataset], protocol: Protocol) -> list[Task]:
    """The tasks of a sequence. Orders are the same for all seeds, permutations the seed's own."""
    name = cell.condition["sequence"]
    if name == PERMUTED:
        few = replace(
            data[0],
            X=data[0].X[: protocol.cap],
            y=data[0].y[: protocol.cap],
            X_test=data[0].X_test[:N_TEST],
            y_test=data[0].y_test[:N_TEST],
        )
        rng = np.random.default_rng([cell.seed, 3])
        return permuted_pixels(few, N_PERMUTATIONS, random_state=rng)
    order = range(data[0].n_classes)
    if name.startswith("random order"):
        order = np.random.default_rng(int(name.split()[-1])).permutation(len(order)).tolist()
    groups = 1 if name == SINGLE else 2
    tasks = class_incremental(data[0], groups, order, protocol.cap)
    return [*tasks, tasks[0]] if name == AGAIN else tasks


def measure(cell: Cell, sequence: list[Task], protocol: Protocol) -> Iterator[Row]:
    """Accuracy over all tasks at the end, in percent, for each way to read the outputs."""
    for checkpoint in bare_run(cell.condition["method"], sequence, protocol, cell.seed):
        cell.keep(checkpoint)
    # A task that comes twice is tested once.
    tested = sequence[:-1] if cell.condition["sequence"] == AGAIN else sequence
    return read_outs(checkpoint.model, sequence[-1], tested, cell.seed)


def figures(results: pd.DataFrame) -> dict[tuple[Any, ...], pd.DataFrame]:
    """{(sequence, method): accuracy (%), a row per seed, columns "own" and "homeostasis"}.

    With "all random orders", the mean of these for each seed.
    """
    found = read(
        results, ["sequence", "method"], lambda _, method: method == "src" or "sleep" in method
    )
    for method in METHODS:
        orders = [v for (name, m), v in found.items() if "random" in name and m == method]
        if orders:
            mean = pd.concat(orders).groupby(level="seed").mean()
            found[ALL_ORDERS, method] = mean
    return found


def table(results: pd.DataFrame) -> pd.DataFrame:
    """A row per sequence and method; differences are paired by seed, see :func:`head_of`."""
    found = figures(results)
    rows = []
    for (name, method), values in found.items():
        others = {other: found.get((name, other)) for other in METHODS}
        row = table_row(values, others, [head_of(name)])
        rows.append({"tasks": name, "method": method, **row})
    return pd.DataFrame(rows)


def head_of(sequence: str) -> str:
    """Which way to read the outputs is compared: "homeostasis", but "own" for permuted pixels.

    With all classes in each task there is nothing that homeostasis has to bring to one scale.
    """
    return "own" if sequence == PERMUTED else "homeostasis"


def picture(results: pd.DataFrame) -> Any:
    """The orders at the left; when and how often at the right."""
    found = {
        key: values[head_of(key[0])]
        for key, values in figures(results).items()
        if key[0] != ALL_ORDERS
    }
    left = {k: v for k, v in found.items() if k[1] in METHODS and "order" in k[0]}
    right = {k: v for k, v in found.items() if "random" not in k[0]}
    figure = new_figure((14, 6.5))
    for axes, part in zip(figure.subplots(1, 2), (left, right), strict=True):
        values = pd.DataFrame({": ".join(key): v for key, v in part.items()})
        draw_conditions(values, axes, "accuracy over all tasks (%)")
    return figure


def order_and_time(dataset: str) -> Experiment:
    """The experiment on a data set."""
    check_choice("dataset", dataset, NAMES)
    return Experiment(
        "order-and-time",
        "orders of classes, a task that comes again, one sleep at the end, many tasks",
        conditions_on(dataset),
        protocol_of,
        partial(load_set, dataset),
        tasks_of,
        measure,
        table,
        seeds=10,
        on=order_and_time,
        picture=picture,
    )


EXPERIMENT = order_and_time("digits")
