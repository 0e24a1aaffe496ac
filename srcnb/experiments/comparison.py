"""Methods compared on one sequence of tasks: what ``srcnb run`` runs, and the same in memory."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import pandas as pd

from srcnb.datasets import Dataset
from srcnb.experiments.cells import Cell, Condition, Experiment, Source
from srcnb.experiments.class_incremental import measure
from srcnb.experiments.estimate import n_weights
from srcnb.experiments.runner import cells_of
from srcnb.experiments.workers import check_jobs, outcomes
from srcnb.methods import DEFAULT, METHODS, SLEEPING
from srcnb.metrics import format_summary, summary
from srcnb.protocol import Protocol
from srcnb.tasks import Task, class_incremental
from srcnb.validation import check_choice, check_instance, check_int, check_list, check_memory

COLUMNS = ["method", "seed", "stage", "phase", "task", "accuracy"]


def comparison(
    methods: Sequence[str],
    protocol: Protocol,
    data: Callable[[Source], Sequence[Dataset]],
    classes_per_task: int = 2,
) -> Experiment:
    """The Experiment "results": each method on a data set in tasks of some classes each.

    Raises TypeError or ValueError for unknown methods, and for constants of the sleep that do not
    fit the network of ``protocol``. Its ``check`` refuses data that do not make such tasks, a
    schedule that never sleeps, and a network larger than the memory.
    """
    groups = check_int("classes_per_task", classes_per_task, low=1)
    if not callable(data):
        raise TypeError(f"data must be a function of a Source, got {data!r:.60}")
    sequence = partial(_tasks, classes_per_task=groups)
    experiment = _experiment(methods, protocol, data, sequence)
    return replace(experiment, check=partial(_check_data, tuple(methods), protocol, groups))


def compare_methods(
    tasks: Sequence[Task],
    protocol: Protocol,
    methods: Sequence[str] = DEFAULT,
    seeds: int | Sequence[int] = 5,
    jobs: int = 1,
) -> pd.DataFrame:
    """Run each method with each seed and measure the accuracy at every stage; nothing is written.

    Parameters
    ----------
    tasks : list of Task
    protocol : Protocol
    methods : sequence of names, of srcnb.methods.METHODS
    seeds : int or sequence of ints
        An int n stands for seeds 0 … n - 1.
    jobs : int
        Processes; see run_experiment.

    Returns
    -------
    DataFrame with one row per measurement: method, seed, stage (tasks trained so far), phase
    ("train" or "sleep"), task ("all", or a task's number from 1, as a string), accuracy in percent
    of that task's test samples, over all classes. Ordered by these, methods as they were asked
    for and phases in time.
    """
    tasks = check_list("tasks", tasks)
    if not tasks:
        raise ValueError("tasks must hold at least one task, got an empty list")
    for task in tasks:
        check_instance("tasks", task, Task, "a list of Task")
        if not len(task.X_test):
            raise ValueError(f"tasks must have test samples each, got none for {task.name!r}")
    sizes = {(task.X.shape[1], task.n_classes) for task in tasks}
    if len(sizes) > 1:
        raise ValueError(f"tasks must have the same features and classes, got {sorted(sizes)}")
    experiment = _experiment(methods, protocol, _no_data, partial(_given, list(tasks)))
    _check(methods, protocol, tasks)
    cells = cells_of(experiment, seeds)
    calls = [(experiment, cell.condition, cell.seed, Source(), False) for cell in cells]
    rows = {}
    for cell, outcome in outcomes(cells, calls, check_jobs(jobs)):
        if isinstance(outcome, BaseException):
            raise outcome
        rows[cell.condition["method"], cell.seed] = outcome.rows
    table = [
        {"method": method, "seed": seed, **row}
        for method in methods
        for seed in sorted({seed for _, seed in rows})
        for row in rows[method, seed]
    ]
    return pd.DataFrame(table, columns=COLUMNS)


def _experiment(
    methods: Sequence[str],
    protocol: Protocol,
    data: Callable[[Source], Sequence[Dataset]],
    sequence: Callable[[Cell, Sequence[Dataset], Protocol], list[Task]],
) -> Experiment:
    check_instance("protocol", protocol, Protocol, "a Protocol")
    methods = check_list("methods", methods)
    for name in methods:
        check_choice("methods", name, METHODS)
    if not methods or len(set(methods)) != len(methods):
        raise ValueError(f"methods must name at least one method, each once; got {methods}")
    if SLEEPING & set(methods):
        protocol.check_sleeps()
    return Experiment(
        "results",
        "methods compared",
        [{"method": method} for method in methods],
        partial(_same, protocol),
        data,
        sequence,
        measure,
        _table,
        one_protocol=True,
    )


def _check_data(
    methods: Sequence[str], protocol: Protocol, groups: int, data: Sequence[Dataset]
) -> None:
    _check(methods, protocol, class_incremental(data[0], groups=groups, cap=protocol.cap))


def _check(methods: Sequence[str], protocol: Protocol, tasks: Sequence[Task]) -> None:
    """ValueError for a schedule that never sleeps, and a network that the memory can't hold."""
    sleeping = [name for name in methods if name in SLEEPING]
    every = protocol.schedule.every
    if sleeping and every > len(tasks):
        raise ValueError(
            f"every must be at most {len(tasks)}, the number of tasks, as {sleeping[0]} would"
            f" never sleep; got {every}"
        )
    # The methods of low rank make networks of their own, which are small.
    if not all(name.startswith("low-rank") for name in methods):
        # float32: the weights, their momentum, and the copy that a divergence goes back to.
        n_bytes = 3 * 4 * n_weights(protocol, tasks)
        check_memory(f"hidden {protocol.hidden}", n_bytes)


def _same(protocol: Protocol, condition: Condition) -> Protocol:
    return protocol


def _tasks(
    cell: Cell, data: Sequence[Dataset], protocol: Protocol, classes_per_task: int
) -> list[Task]:
    return class_incremental(data[0], groups=classes_per_task, cap=protocol.cap)


def _given(
    tasks: list[Task], cell: Cell, data: Sequence[Dataset], protocol: Protocol
) -> list[Task]:
    return tasks


def _no_data(source: Source) -> list[Dataset]:
    return []


def _table(results: pd.DataFrame) -> pd.DataFrame:
    return format_summary(summary(results)).reset_index()
