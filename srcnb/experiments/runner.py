"""The runner of experiments: conditions × seeds → one CSV, written after each run, and a table."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np

from srcnb.checks import check_int
from srcnb.experiment import measure, naming
from srcnb.files import check_folder, replacing


@dataclass(frozen=True)
class Source:
    """Where the data come from: the folder of datasets.load, and a file of features."""

    data_dir: str | None = None
    features: str | None = None


@dataclass(frozen=True)
class Experiment:
    """An experiment that can be run, stopped and resumed.

    Attributes
    ----------
    name : str
    summary : one line on what it shows
    conditions : list of dicts with the same keys, which become columns
    run : ``run(condition, seed, source)`` yields the measurements of a run, as dicts of columns
    table : ``table(results)`` gives a DataFrame of strings
    seeds : how many are run by default
    needs_features : whether the data are a file of features
    """

    name: str
    summary: str
    conditions: list
    run: Callable
    table: Callable
    seeds: int = 5
    needs_features: bool = False


def run(experiment, source, seeds=None, out=".", resume=False):
    """Run all conditions with seeds 0 … seeds - 1; returns (results, CSV's path, table's path).

    After each run (one condition, one seed) the CSV is written anew under a temporary name and
    renamed, so that it holds whole runs only, whenever the program ends. With ``resume``, runs that
    are in it already are not run again. Its order does not depend on where it was interrupted.

    Raises ValueError if the CSV is there and ``resume`` is not set, or if it is damaged, or of
    another experiment or file of features; and if an experiment that needs a file of features gets
    none, or another one gets one.
    """
    import pandas as pd
    from tqdm import tqdm

    if experiment.needs_features and source.features is None:
        raise ValueError(
            f"--features must name a .mat or .npz file for {experiment.name}, got none"
        )
    if source.features is not None and not experiment.needs_features:
        raise ValueError(f"--features has no use in {experiment.name}, got {source.features!r}")
    seeds = check_int("--seeds", experiment.seeds if seeds is None else seeds, low=1)
    names = [f"{experiment.name}.csv", f"{experiment.name}.md"]
    folder = check_folder("--out", out, names)
    path, table_path = (folder / name for name in names)
    if path.exists() and not resume:
        raise ValueError(
            f"{path} is there already; --resume goes on where it stopped, or choose another --out"
        )
    keys = [*experiment.conditions[0], "seed"]
    # Every row says what it is of, so that nothing else can be resumed by mistake.
    identity = {"experiment": experiment.name}
    if experiment.needs_features:
        features = Path(source.features)
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
                rows = list(experiment.run(condition, seed, source))
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


def total_seconds(experiment, results):
    """What all runs took together, in seconds."""
    return results.groupby([*experiment.conditions[0], "seed"])["seconds"].first().sum()


def _read(path, identity, conditions):
    """The finished runs in the CSV; a file that is damaged or of something else is refused."""
    import pandas as pd

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
        run = ", ".join(
            f"{key} {value}" for key, value in zip(rows.index.names, short.index[0], strict=True)
        )
        raise ValueError(f"{path} can't be resumed: rows are missing of {run}")
    return finished


def _in_order(results, keys, runs):
    """Seed by seed, and in the order of the conditions; seeds that are not asked for come last."""
    rank = {(*condition.values(), seed): i for i, (condition, seed) in enumerate(runs)}
    ranks = [rank.get(tuple(row), len(rank)) for row in results[keys].to_numpy()]
    return results.iloc[np.argsort(ranks, kind="stable")]


def mean_sd(results, rows, columns):
    """Accuracy, mean ± sd over the seeds (n - 1), as a DataFrame of strings.

    Where fewer seeds have been run than elsewhere their number is added.

    ``rows`` and ``columns`` are lists of columns of ``results``, each combination of which must
    have one measurement per seed.
    """
    keys = [*rows, *columns]
    if results.duplicated([*keys, "seed"]).any():
        raise ValueError(f"rows and columns must tell measurements apart, got {keys}")
    groups = results.groupby(keys, sort=False)["accuracy"].agg(["mean", "std", "size"])
    most = groups["size"].max()

    def cell(group):
        text = f"{group['mean']:.1f}" + (f" ± {group['std']:.1f}" if group["size"] > 1 else "")
        return text if group["size"] == most else f"{text} (n = {group['size']:.0f})"

    text = groups.apply(cell, axis=1)
    if not columns:
        return text.to_frame("accuracy").reset_index()
    wide = text.unstack(columns)
    order = list(dict.fromkeys(map(tuple, results[columns].to_numpy())))
    wide = wide[[key if len(columns) > 1 else key[0] for key in order]]
    wide.columns = [", ".join(map(str, np.atleast_1d(key))) for key in wide.columns]
    return wide.reindex(list(dict.fromkeys(groups.index.droplevel(columns)))).reset_index()


def to_markdown(table):
    """A DataFrame of strings as a Markdown table."""
    lines = [list(map(str, table.columns)), ["---"] * table.shape[1]]
    lines += [["–" if cell != cell else str(cell) for cell in row] for row in table.to_numpy()]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def measurements(steps, sequence, first_stage=1):
    """Rows stage, phase, task, accuracy of what a method yields, (stage, phase, model)."""
    for stage, phase, model in steps:
        if stage < first_stage:
            continue
        for task, accuracy in measure(model, sequence).items():
            yield {"stage": stage, "phase": phase, "task": task, "accuracy": accuracy}


def at_the_end(results, keys):
    """The rows on all tasks together that each run's last measurement gave."""
    overall = results[results["task"] == "all"]
    return overall.groupby([*keys, "seed"], sort=False).tail(1)
