"""A cell is one condition of an experiment with one seed: a pure function of its arguments.

It sets its own limit of one BLAS and one numba thread, so that on one kind of processor its result
depends neither on the number of cores nor on what runs beside it.
"""

import os
import pickle
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from srcnb.datasets import Dataset
from srcnb.experiments.sleeps import SavedSleep
from srcnb.methods.base import Checkpoint
from srcnb.mlp import MLP
from srcnb.protocol import Protocol
from srcnb.tasks import Task
from srcnb.validation import check_path

# The values of an experiment's own columns, and one measurement.
Condition: TypeAlias = Mapping[str, Any]
Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """Where the data come from: the folder of datasets.load, and a file of features."""

    data_dir: str | None = None
    features_file: str | None = None

    def absolute(self) -> "Source":
        """The same with absolute paths, for processes that are in other folders."""
        paths = (("data_dir", self.data_dir), ("features_file", self.features_file))
        return Source(
            *(None if p is None else os.path.abspath(check_path(name, p)) for name, p in paths)
        )


@dataclass(frozen=True)
class Cell:
    """One condition and one seed, and the networks that it is asked to keep.

    Attributes
    ----------
    condition : values of the experiment's own columns
    seed : int >= 0
    networks : dict or None
        Gets (stage, phase) → MLP; None: none are kept.
    sleeps : dict
        Gets stage → SavedSleep, for the networks that are kept.
    """

    condition: Condition
    seed: int
    networks: dict[tuple[int, str], MLP] | None = None
    sleeps: dict[int, SavedSleep] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        return ", ".join(f"{k} {v}" for k, v in {**self.condition, "seed": self.seed}.items())

    @property
    def file_name(self) -> str:
        """A file name, without ending, that says condition and seed."""
        values = {**self.condition, "seed": self.seed}
        name = ",".join(f"{key}={value}" for key, value in values.items())
        plain = re.sub(r"[^\w.,=+-]+", "_", name)
        # What was replaced must not make two conditions one.
        return plain if plain == name else f"{plain},{sha256(name.encode()).hexdigest()[:8]}"

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
        """Keep the weights of a checkpoint's network, and its sleep, if networks are asked for.

        A model that has no network keeps none.
        """
        if self.networks is None:
            return
        model = checkpoint.model
        net = getattr(model, "net", getattr(model, "head", model))
        if not isinstance(net, MLP):
            return
        self.networks[checkpoint.stage, checkpoint.phase] = weights_only(net)
        record = getattr(checkpoint, "record", None)
        if record is not None:
            self.sleeps[checkpoint.stage] = SavedSleep.of(record)


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
    check : ``check(data)`` raises ValueError, before anything is run, for data that do not fit
    picture : ``picture(results)`` gives a matplotlib Figure, to be NAME.png; None: none is made
    one_protocol : whether all conditions have one protocol, also those that are added by a resume
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
    check: Callable[[Sequence[Dataset]], object] | None = None
    picture: Callable[[pd.DataFrame], Any] | None = None
    one_protocol: bool = False


@dataclass(frozen=True)
class Finished:
    """What a cell gave: its rows, how long it took in seconds, and perhaps networks.

    ``networks`` is None where they were not asked for; ``sleeps`` has the sleeps between them.
    """

    cell: Cell
    rows: list[Row]
    seconds: float
    networks: dict[tuple[int, str], MLP] | None = None
    sleeps: dict[int, SavedSleep] = field(default_factory=dict)


def run_cell(
    experiment: Experiment,
    condition: Condition,
    seed: int,
    source: Source,
    save_networks: bool = False,
    fingerprints: Sequence[str] | None = None,
) -> Finished:
    """Measure one cell, on one thread.

    Raises ValueError or OverflowError, which name condition and seed, for bad values, for numbers
    that overflow, and for data that have other ``fingerprints`` than these.
    """
    cell = Cell(condition, seed, {} if save_networks else None)
    start = time.perf_counter()
    with one_thread(), naming(str(cell)):
        protocol = experiment.protocol(condition)
        data = load(experiment.data, source, fingerprints)
        sequence = experiment.sequence(cell, data, protocol)
        rows = list(experiment.measure(cell, sequence, protocol))
    seconds = round(time.perf_counter() - start, 2)
    networks = cell.networks
    if networks is not None:
        slept = {stage for stage, phase in networks if phase == "sleep"}
        # Those of a method that never sleeps are what its pictures are compared with.
        networks = {at: net for at, net in networks.items() if at[0] in slept or not slept}
    return Finished(Cell(condition, seed), rows, seconds, networks, cell.sleeps)


@dataclass
class _Loaded:
    """The data of the last cell in this process.

    ``key`` is what they were loaded with, pickled; ``fingerprints`` None where not yet computed.
    """

    key: bytes = b""
    data: Sequence[Dataset] = ()
    fingerprints: list[str] | None = None


_loaded = _Loaded()


def forget_data() -> None:
    """Read data anew in this process, as their files may have changed since."""
    global _loaded
    _loaded = _Loaded()


def load(
    data: Callable[[Source], Sequence[Dataset]],
    source: Source,
    fingerprints: Sequence[str] | None = None,
) -> Sequence[Dataset]:
    """The data of an experiment; read once for all cells in a row, also where each is unpickled.

    With ``fingerprints``, those of the Datasets that are asked for, they are read anew if what this
    process has is other; ValueError if what it reads is other as well.
    """
    global _loaded
    try:
        key = pickle.dumps((data, source))
    except (pickle.PicklingError, AttributeError, TypeError):  # a function of a notebook, say
        loaded = _Loaded(b"", data(source))
        _check_fingerprints(loaded, fingerprints)
        return loaded.data
    if _loaded.key != key or not _has(_loaded, fingerprints):
        _loaded = _Loaded(key, data(source))
        try:
            _check_fingerprints(_loaded, fingerprints)
        except ValueError:
            forget_data()
            raise
    return _loaded.data


def _has(loaded: _Loaded, fingerprints: Sequence[str] | None) -> bool:
    if fingerprints is None:
        return True
    if loaded.fingerprints is None:
        loaded.fingerprints = [d.fingerprint() for d in loaded.data]
    return loaded.fingerprints == list(fingerprints)


def _check_fingerprints(loaded: _Loaded, fingerprints: Sequence[str] | None) -> None:
    """ValueError that names the first Dataset that is not the one asked for."""
    if fingerprints is None or _has(loaded, fingerprints):
        return
    found = loaded.fingerprints or []
    if len(found) != len(fingerprints):
        raise ValueError(f"data must be {len(fingerprints)} data sets here, got {len(found)}")
    name, got, asked = next(
        (d.name, got, asked)
        for d, got, asked in zip(loaded.data, found, fingerprints, strict=True)
        if got != asked
    )
    raise ValueError(
        f"data '{name}' have sha256 {got} in this process, and not {asked} as in the manifest:"
        " the files differ, or have changed since"
    )


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
    """Errors of bad values, of numbers that overflow or of memory say what was being run."""
    try:
        yield
    except MemoryError as error:  # NumPy's repr is that of a shape only
        raise MemoryError(f"{what}: out of memory: {error}") from error
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
