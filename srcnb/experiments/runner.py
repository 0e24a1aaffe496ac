"""The runner: conditions × seeds of an experiment → one CSV, written after each, and a table;
and methods × seeds over a sequence of tasks → a tidy DataFrame."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from zlib import crc32

import numpy as np
import pandas as pd
from tqdm import tqdm

from srcnb.io import check_folder, replacing
from srcnb.methods import METHODS
from srcnb.methods.base import Checkpoint
from srcnb.protocol import Protocol
from srcnb.tasks import Task
from srcnb.validation import check_choice, check_int, check_list

COLUMNS = ["method", "seed", "stage", "phase", "task", "accuracy"]
# The values of an experiment's own columns.
Condition: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """Where the data come from: the folder of datasets.load, and a file of features."""

    data_dir: str | None = None
    features_file: str | None = None


@dataclass(frozen=True)
class Experiment:
    """An experiment that can be run, stopped and resumed.

    Attributes
    ----------
    name : str
    summary : one line on what it shows
    conditions : list of dicts with the same keys, which become columns
    protocol : ``protocol(condition)`` gives the Protocol that a condition is measured with
    measure : ``measure(condition, seed, source, protocol)`` gives the measurements, as dicts of
        columns
    table : ``table(results)`` gives a DataFrame of strings
    seeds : how many are run by default
    needs_features : whether the data are a file of features
    """

    name: str
    summary: str
    conditions: Sequence[Condition]
    protocol: Callable[[Condition], Protocol]
    measure: Callable[[Condition, int, Source, Protocol], Iterable[dict[str, Any]]]
    table: Callable[[pd.DataFrame], pd.DataFrame]
    seeds: int = 5
    needs_features: bool = False


def run_experiment(
    experiment: Experiment,
    source: Source,
    seeds: int | None = None,
    out: str | Path = ".",
    resume: bool = False,
) -> tuple[pd.DataFrame, Path, Path]:
    """Run all conditions with seeds 0 … seeds - 1; returns (results, CSV's path, table's path).

    Each time a condition has been run with a seed the CSV is written anew under a temporary name
    and renamed, so that it holds nothing unfinished, whenever the program ends. With ``resume``,
    what is in it already is not run again. Its order does not depend on where it was interrupted.

    Raises ValueError if the CSV is there and ``resume`` is not set, or if it is damaged, or of
    another experiment or file of features; and if an experiment that needs a file of features gets
    none, or another one gets one.
    """
    if experiment.needs_features and source.features_file is None:
        raise ValueError(
            f"features_file must name a .mat or .npz file for {experiment.name}, got none"
        )
    if source.features_file is not None and not experiment.needs_features:
        raise ValueError(
            f"features_file has no use in {experiment.name}, got {source.features_file!r}"
        )
    seeds = check_int("seeds", experiment.seeds if seeds is None else seeds, low=1)
    names = [f"{experiment.name}.csv", f"{experiment.name}.md"]
    folder = check_folder("out", out, names)
    path, table_path = (folder / name for name in names)
    if path.exists() and not resume:
        raise ValueError(
            f"resume must be set to go on with {path}, which is there already; or choose another"
            " folder"
        )
    keys = [*experiment.conditions[0], "seed"]
    # Every row says what it is of, so that nothing else can be resumed by mistake.
    identity = {"experiment": experiment.name}
    if experiment.needs_features:
        features = Path(source.features_file or "")
        identity["features"] = f"{features.name}, crc32 {crc32(features.read_bytes()):08x}"
    finished = _read(path, identity, experiment.conditions) if path.exists() else None
    done = set() if finished is None else set(map(tuple, finished[keys].to_numpy()))
    runs = [(condition, seed) for seed in range(seeds) for condition in experiment.conditions]
    to_do = [(c, seed) for c, seed in runs if (*c.values(), seed) not in done]
    parts = [] if finished is None else [finished]
    with tqdm(total=len(runs), initial=len(runs) - len(to_do), unit="run") as bar:
        for condition, seed in to_do:
            what = ", ".join(f"{key} {value}" for key, value in condition.items())
            bar.set_description(f"seed {seed}, {what}")
            start = time.perf_counter()
            with naming(f"{what}, seed {seed}"):
                protocol = experiment.protocol(condition)
                rows = list(experiment.measure(condition, seed, source, protocol))
            part = pd.DataFrame(rows)
            for i, (key, value) in enumerate({**identity, **condition, "seed": seed}.items()):
                part.insert(i, key, value)
            parts.append(part.assign(seconds=round(time.perf_counter() - start, 2)))
            with replacing(path) as temporary:
                _in_order(pd.concat(parts), keys, runs).to_csv(temporary, index=False)
            bar.update()
    # Read again, so that a resumed experiment gives the same types as a new one.
    results = pd.read_csv(path)
    with replacing(table_path) as temporary:
        Path(temporary).write_text(to_markdown(experiment.table(results)), encoding="utf-8")
    return results, path, table_path


def total_seconds(experiment: Experiment, results: pd.DataFrame) -> float:
    """What all conditions and seeds took together, in seconds."""
    return float(results.groupby([*experiment.conditions[0], "seed"])["seconds"].first().sum())


def _read(path: Path, identity: Condition, conditions: Sequence[Condition]) -> pd.DataFrame:
    """What is finished in the CSV; a file that is damaged or of something else is refused."""
    try:
        finished = pd.read_csv(path)
    except ValueError as error:  # empty, or no text
        raise ValueError(f"{path} can't be resumed: {error}") from error
    condition = [*conditions[0]]
    columns = [*identity, *condition, "seed", "accuracy", "seconds"]
    if not {*columns} <= set(finished.columns):
        raise ValueError(f"{path} must have columns {columns} to be resumed, got {[*finished]}")
    for column, value in identity.items():
        others = finished.loc[finished[column] != value, column]
        if len(others):
            raise ValueError(
                f"{path} can't be resumed: it is of {column} '{others.iloc[0]}', not '{value}'"
            )
    seed, accuracy, seconds = (
        pd.to_numeric(finished[name], errors="coerce") for name in ("seed", "accuracy", "seconds")
    )
    known = {tuple(c.values()) for c in conditions}
    what_is_measured = [name for name in finished if name not in ("accuracy", "seconds")]
    for what, wrong in (
        ("is not whole", finished.isna().any(axis=1) | seconds.isna()),
        ("has no accuracy from 0 to 100", ~accuracy.between(0, 100)),
        ("has no whole seed from 0", ~((seed >= 0) & (seed % 1 == 0))),
        (
            "is of an unknown condition",
            [tuple(c) not in known for c in finished[condition].to_numpy()],
        ),
        ("is there twice", finished.duplicated(what_is_measured)),
    ):
        if np.any(wrong):
            line = np.argmax(wrong) + 2  # from 1, after the header
            raise ValueError(f"{path} can't be resumed: its line {line} {what}")
    rows = finished.groupby([*condition, "seed"]).size()
    short = rows[rows < rows.groupby(condition).transform("max")]
    if len(short):
        which = ", ".join(
            f"{key} {value}" for key, value in zip(rows.index.names, short.index[0], strict=True)
        )
        raise ValueError(f"{path} can't be resumed: rows are missing of {which}")
    return finished


def _in_order(
    results: pd.DataFrame, keys: list[str], runs: list[tuple[Condition, int]]
) -> pd.DataFrame:
    """Seed by seed, and in the order of the conditions; seeds that are not asked for come last."""
    rank = {(*condition.values(), seed): i for i, (condition, seed) in enumerate(runs)}
    ranks = [rank.get(tuple(row), len(rank)) for row in results[keys].to_numpy()]
    return results.iloc[np.argsort(ranks, kind="stable")]


def mean_sd(results: pd.DataFrame, rows: list[str], columns: list[str]) -> pd.DataFrame:
    """Accuracy, mean ± sd over the seeds (n - 1), as a DataFrame of strings.

    Where fewer seeds have been run than elsewhere their number is added.

    ``rows`` and ``columns`` are lists of columns of ``results``, each combination of which must
    have one measurement per seed.
    """
    keys = [*rows, *columns]
    if results.duplicated([*keys, "seed"]).any():
        raise ValueError(f"rows and columns must tell measurements apart, got {keys}")
    groups: Any = results.groupby(keys, sort=False)["accuracy"].agg(["mean", "std", "size"])
    most = groups["size"].max()

    def cell(group: Any) -> str:
        text = f"{group['mean']:.1f}" + (f" ± {group['std']:.1f}" if group["size"] > 1 else "")
        return text if group["size"] == most else f"{text} (n = {group['size']:.0f})"

    text = groups.apply(cell, axis=1)
    if not columns:
        return pd.DataFrame(text.to_frame("accuracy").reset_index())
    wide = text.unstack(columns)
    order = list(dict.fromkeys(map(tuple, results[columns].to_numpy())))
    wide = wide[[key if len(columns) > 1 else key[0] for key in order]]
    wide.columns = [", ".join(map(str, np.atleast_1d(key))) for key in wide.columns]
    wide = wide.reindex(list(dict.fromkeys(text.index.droplevel(columns))))
    return pd.DataFrame(wide.reset_index())


def to_markdown(table: pd.DataFrame) -> str:
    """A DataFrame of strings as a Markdown table."""
    lines = [list(map(str, table.columns)), ["---"] * table.shape[1]]
    lines += [["–" if cell != cell else str(cell) for cell in row] for row in table.to_numpy()]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def accuracies(model: Any, tasks: Sequence[Task]) -> dict[str, float]:
    """Accuracy in percent on all test samples together ("all") and on each task's ("1", "2", …).

    An oracle that has ``predict_task(X, task)`` is told the task; others ``predict(X)``.
    """
    predict = getattr(model, "predict_task", lambda X, task: model.predict(X))
    right = [predict(task.X_test, task) == task.y_test for task in tasks]
    accuracy = {"all": 100 * float(np.mean(np.concatenate(right)))}
    accuracy.update({str(i): 100 * float(np.mean(r)) for i, r in enumerate(right, 1)})
    return accuracy


def measurements(
    checkpoints: Iterable[Checkpoint], sequence: Sequence[Task], first_stage: int = 1
) -> Iterator[dict[str, Any]]:
    """Rows stage, phase, task, accuracy of what a method yields, from ``first_stage`` on."""
    for stage, phase, model in checkpoints:
        if stage < first_stage:
            continue
        for task, accuracy in accuracies(model, sequence).items():
            yield {"stage": stage, "phase": phase, "task": task, "accuracy": accuracy}


def at_the_end(results: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The rows on all tasks together that each seed's last measurement gave."""
    overall = results[results["task"] == "all"]
    return overall.groupby([*keys, "seed"], sort=False).tail(1)


@contextmanager
def naming(what: str) -> Iterator[None]:
    """Errors of bad values or of numbers that overflow say what was being run."""
    try:
        yield
    except (ValueError, OverflowError) as error:
        # Not type(error): UnicodeDecodeError, for one, takes other arguments.
        kind: type[Exception] = OverflowError if isinstance(error, OverflowError) else ValueError
        raise kind(f"{what}: {error}") from error


def compare_methods(
    tasks: Sequence[Task],
    protocol: Protocol,
    methods: Sequence[str] = ("sequential", "src", "parallel"),
    seeds: int | Sequence[int] = 5,
    save: Callable[[pd.DataFrame], object] | None = None,
) -> pd.DataFrame:
    """Run each method with each seed and measure the accuracy at every stage.

    Parameters
    ----------
    tasks : list of Task
    protocol : Protocol
    methods : sequence of names, of srcnb.methods.METHODS
    seeds : int or sequence of ints
        An int n stands for seeds 0 … n - 1.
    save : callable or None
        Called with the DataFrame so far whenever a method has finished with a seed.

    Returns
    -------
    DataFrame with one row per measurement: method, seed, stage (tasks trained so far), phase
    ("train" or "sleep"), task ("all", or a task's number from 1, as a string), accuracy in percent
    of that task's test samples, over all classes. Ordered by these, methods as they were asked
    for and phases in time. A progress bar goes to a terminal's stderr.
    """
    methods = check_list("methods", methods)
    for name in methods:
        check_choice("methods", name, METHODS)
    if not methods or len(set(methods)) != len(methods):
        raise ValueError(f"methods must name at least one method, each once; got {methods}")
    if isinstance(seeds, (int, np.integer)):
        seeds = range(check_int("seeds", seeds, low=1))
    chosen = [check_int("seeds", seed) for seed in check_list("seeds", seeds)]
    if not chosen or len(set(chosen)) != len(chosen):
        raise ValueError(f"seeds must name at least one seed, each once; got {chosen}")
    if not tasks:
        raise ValueError("tasks must hold at least one task, got an empty list")

    rows = []
    runs = [(name, seed) for seed in chosen for name in methods]
    with tqdm(total=len(runs), unit="run", disable=None) as bar:
        for name, seed in runs:
            bar.set_description(f"seed {seed}, {name}")
            with naming(f"{name}, seed {seed}"):
                for row in measurements(METHODS[name](tasks, protocol, seed), tasks):
                    rows.append({"method": name, "seed": seed, **row})
                    bar.set_postfix(stage=row["stage"])
            bar.update()
            if save is not None:
                save(_tidy(rows, methods))
    return _tidy(rows, methods)


def _tidy(rows: list[dict[str, Any]], methods: Sequence[str]) -> pd.DataFrame:
    def rank(row: dict[str, Any]) -> tuple[int, ...]:
        return (
            methods.index(row["method"]),
            row["seed"],
            row["stage"],
            ("train", "sleep").index(row["phase"]),
            0 if row["task"] == "all" else int(row["task"]),
        )

    in_order: list[dict[str, Any]] = sorted(rows, key=rank)
    return pd.DataFrame(in_order, columns=COLUMNS)
