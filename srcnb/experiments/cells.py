"""A cell is one condition of an experiment with one seed: a pure function of its arguments.

It sets its own limit of one BLAS and one numba thread, so that on one kind of processor its result
depends neither on the number of cores nor on what runs beside it.
"""

import pickle
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from srcnb.datasets import Dataset
from srcnb.methods.base import Checkpoint
from srcnb.mlp import MLP
from srcnb.protocol import Protocol
from srcnb.tasks import Task

# The values of an experiment's own columns, and one measurement.
Condition: TypeAlias = Mapping[str, Any]
Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """Where the data come from: the folder of datasets.load, and a file of features."""

    data_dir: str | None = None
    features_file: str | None = None


@dataclass(frozen=True)
class Cell:
    """One condition and one seed, and the networks that it is asked to keep.

    Attributes
    ----------
    condition : values of the experiment's own columns
    seed : int >= 0
    networks : dict or None
        Gets (stage, phase) → MLP; None: none are kept.
    """

    condition: Condition
    seed: int
    networks: dict[tuple[int, str], MLP] | None = None

    def __str__(self) -> str:
        return ", ".join(f"{k} {v}" for k, v in {**self.condition, "seed": self.seed}.items())

    def measurements(
        self, checkpoints: Iterable[Checkpoint], sequence: Sequence[Task], first_stage: int = 1
    ) -> Iterator[Row]:
        """Rows stage, phase, task, accuracy of what a method yields, from ``first_stage`` on."""
        for checkpoint in checkpoints:
            self.keep(checkpoint)
            stage, phase, model = checkpoint
            if stage < first_stage:
                continue
            for task, accuracy in accuracies(model, sequence).items():
                yield {"stage": stage, "phase": phase, "task": task, "accuracy": accuracy}

    def keep(self, checkpoint: Checkpoint) -> None:
        """Keep the weights of a checkpoint's network, if networks are asked for and it has one."""
        if self.networks is not None:
            model = checkpoint.model
            net = getattr(model, "net", getattr(model, "head", model))
            if isinstance(net, MLP):
                self.networks[checkpoint.stage, checkpoint.phase] = weights_only(net)


@dataclass(frozen=True)
class Experiment:
    """An experiment: a grid of conditions, and how a cell of it is measured.

    Attributes
    ----------
    name : str
    summary : one line on what it shows
    conditions : list of dicts with the same keys, which become columns
    protocol : ``protocol(condition)`` gives the Protocol that a condition is measured with
    data : ``data(source)`` gives the Datasets that it is about
    sequence : ``sequence(cell, data, protocol)`` gives the tasks of a cell
    measure : ``measure(cell, sequence, protocol)`` gives the measurements, as dicts of columns
    table : ``table(results)`` gives a DataFrame of strings
    seeds : how many are run by default
    needs_features : whether the data are a file of features
    on : ``on(dataset)`` gives the same experiment on another data set, where that makes sense
    """

    name: str
    summary: str
    conditions: Sequence[Condition]
    protocol: Callable[[Condition], Protocol]
    data: Callable[[Source], Sequence[Dataset]]
    sequence: Callable[[Cell, Sequence[Dataset], Protocol], list[Task]]
    measure: Callable[[Cell, list[Task], Protocol], Iterable[Row]]
    table: Callable[[pd.DataFrame], pd.DataFrame]
    seeds: int = 5
    needs_features: bool = False
    on: "Callable[[str], Experiment] | None" = None


@dataclass(frozen=True)
class Finished:
    """What a cell gave: its rows, how long it took in seconds, and perhaps networks."""

    cell: Cell
    rows: list[Row]
    seconds: float
    networks: dict[tuple[int, str], MLP] = field(default_factory=dict)


def run_cell(
    experiment: Experiment,
    condition: Condition,
    seed: int,
    source: Source,
    save_networks: bool = False,
) -> Finished:
    """Measure one cell, on one thread.

    Raises ValueError or OverflowError, which name condition and seed, for bad values and for
    numbers that overflow.
    """
    cell = Cell(condition, seed, {} if save_networks else None)
    start = time.perf_counter()
    with one_thread(), naming(str(cell)):
        protocol = experiment.protocol(condition)
        data = load(experiment.data, source)
        sequence = experiment.sequence(cell, data, protocol)
        rows = list(experiment.measure(cell, sequence, protocol))
    seconds = round(time.perf_counter() - start, 2)
    networks = {
        (stage, phase): net
        for (stage, phase), net in (cell.networks or {}).items()
        if (stage, "sleep") in (cell.networks or {})
    }
    return Finished(Cell(condition, seed), rows, seconds, networks)


# The data of the last cell in this process: (what it was loaded with, pickled; the data).
_loaded: tuple[bytes, Sequence[Dataset]] = (b"", ())


def forget_data() -> None:
    """Read data anew, as their files may have changed since."""
    global _loaded
    _loaded = (b"", ())


def load(data: Callable[[Source], Sequence[Dataset]], source: Source) -> Sequence[Dataset]:
    """The data of an experiment; read once for all cells in a row, also where each is unpickled."""
    global _loaded
    try:
        key = pickle.dumps((data, source))
    except (pickle.PicklingError, AttributeError, TypeError):  # a function of a notebook, say
        return data(source)
    if _loaded[0] != key:
        _loaded = (key, data(source))
    return _loaded[1]


@contextmanager
def one_thread() -> Iterator[None]:
    """One BLAS and one numba thread, as two give other sums, and so other spikes."""
    from numba import get_num_threads, set_num_threads
    from threadpoolctl import threadpool_limits

    before = get_num_threads()
    set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        set_num_threads(before)


@contextmanager
def naming(what: str) -> Iterator[None]:
    """Errors of bad values or of numbers that overflow say what was being run."""
    try:
        yield
    except (ValueError, OverflowError) as error:
        # Not type(error): UnicodeDecodeError, for one, takes other arguments.
        kind: type[Exception] = OverflowError if isinstance(error, OverflowError) else ValueError
        raise kind(f"{what}: {error}") from error


def accuracies(model: Any, tasks: Sequence[Task]) -> dict[str, float]:
    """Accuracy in percent on all test samples together ("all") and on each task's ("1", "2", …).

    An oracle that has ``predict_task(X, task)`` is told the task; others ``predict(X)``.
    """
    predict = getattr(model, "predict_task", lambda X, task: model.predict(X))
    right = [predict(task.X_test, task) == task.y_test for task in tasks]
    accuracy = {"all": 100 * float(np.mean(np.concatenate(right)))}
    accuracy.update({str(i): 100 * float(np.mean(r)) for i, r in enumerate(right, 1)})
    return accuracy


def weights_only(net: MLP) -> MLP:
    """A copy without momentum and random state."""
    return type(net).from_arrays(
        getattr(net, "factors", net.weights), net.biases, **net.options, random_state=0
    )
