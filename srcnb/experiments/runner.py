"""The runner: cells over processes or a cluster (workers.py), and their export.

Only the runner writes: each finished cell at once as a file of its own (folder.py), and CSV and
table from these files when all is done.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from srcnb.bars import Bar
from srcnb.experiments.cells import Cell, Experiment, Finished, Source, forget_data, load
from srcnb.experiments.folder import Folder, manifest_of, opened
from srcnb.experiments.tables import to_markdown
from srcnb.experiments.workers import check_jobs, check_workers, outcomes
from srcnb.io import replacing
from srcnb.plotting import save
from srcnb.validation import check_bool, check_instance, check_int, check_list, check_path

logger = logging.getLogger(__name__)

# More are a slip of the finger: they would take years.
MAX_CELLS = 1_000_000


class CellsFailed(RuntimeError):
    """Some cells failed; all others are finished, and are kept.

    Attributes
    ----------
    failed : list of (Cell, exception)
    """

    def __init__(self, failed: list[tuple[Cell, BaseException]]) -> None:
        self.failed = failed
        cell, error = failed[0]
        first = str(error) if str(cell) in str(error) else f"{cell}: {error!r}"
        others = ", ".join(str(cell) for cell, _ in failed[1:4])
        more = f"; as did {len(failed) - 1} more: {others}" if others else ""
        super().__init__(f"{first}{more}{' …' if len(failed) > 4 else ''}")


def run_cells(
    experiment: Experiment,
    source: Source | None = None,
    seeds: int | Sequence[int] | None = None,
    out: str | Path = ".",
    *,
    resume: bool = False,
    jobs: int = 1,
    client: Any = None,
    save_networks: bool = False,
) -> pd.DataFrame:
    """Run all conditions with all seeds; returns the results of all finished cells.

    Each finished cell is written at once as a file of its own in ``out``/NAME.cells, beside a
    manifest.

    Parameters
    ----------
    experiment : Experiment
    source : Source or None
        Where its data come from; None: where datasets.load finds them.
    seeds : int, sequence of ints, or None
        An int n stands for seeds 0 … n - 1; None: the experiment's own number.
    out : folder
    resume : bool
        Go on with what is in the folder: cells whose file is there are not run again (with
        ``save_networks``: unless their networks were not saved).
    jobs : int
        Processes of this machine, with one thread each; -1: as many as there are cores that it may
        use. The results are the same for any number, bit for bit.
    client : dask.distributed.Client or None
        Its workers run the cells in place of this machine's. Each must have one thread.
    save_networks : bool
        Keep the network before and after the last sleep of each task, as
        NAME.cells/CELL,stage=K,train.npz and …,sleep.npz, and in …,input.npz what ``sleep_again``
        needs to repeat it; of methods that never sleep, the network after each task.

    Returns
    -------
    DataFrame with one row per measurement: the conditions' columns, seed, the measurement's own
    columns, accuracy in percent, seconds (of the whole cell). Ordered by condition, then seed.

    Raises
    ------
    ValueError, TypeError
        Before anything is run or written: for parameters that are out of range, a folder that
        can't be written, is in use, or holds something else; an experiment that needs a file of
        features and gets none, or the other way round; data that do not fit; a cluster without
        workers, or with one of several threads.
    CellsFailed
        After all other cells are finished, if some raised an error or ended their process.
    """
    plan = prepared(experiment, source, seeds, out, resume, jobs, client, save_networks)
    failed: list[tuple[Cell, BaseException]] = []
    with opened(experiment, out, plan.manifest, resume) as folder:
        to_do = [c for c in plan.cells if not folder.is_finished(c, save_networks)]
        hashes = [entry["sha256"] for entry in plan.manifest["data"]]
        calls = [
            (experiment, c.condition, c.seed, plan.source, save_networks, hashes) for c in to_do
        ]
        done = len(plan.cells) - len(to_do)
        where = "a Dask cluster" if client is not None else f"{plan.jobs} process(es)"
        logger.info(
            "%s: %d of %d cells are finished in %s; the others run on %s",
            *(experiment.name, done, len(plan.cells), out, where),
        )
        with Bar(total=len(plan.cells), initial=done, unit="cell", disable=None) as bar:
            for cell, outcome in outcomes(to_do, calls, plan.jobs, client):
                if isinstance(outcome, BaseException):
                    failed.append((cell, outcome))
                else:
                    try:
                        folder.write(outcome)
                    except (TypeError, ValueError, OverflowError) as error:  # not a full disk
                        failed.append((cell, error))
                bar.set_description(str(cell))
                bar.update()
        results = folder.results()
    if failed:
        # In the order of the plan, not in that in which processes ended.
        places = {id(cell): i for i, cell in enumerate(to_do)}
        failed.sort(key=lambda one: places[id(one[0])])
        raise CellsFailed(failed) from failed[0][1]
    return results


@dataclass(frozen=True)
class Plan:
    """What :func:`run_cells` will run, checked.

    Attributes
    ----------
    source : Source, its paths absolute
    cells : list of all Cells that are asked for
    to_do : those of them that are not finished
    jobs : number of processes
    manifest : what the cells are of
    """

    source: Source
    cells: list[Cell]
    to_do: list[Cell]
    jobs: int
    manifest: dict[str, Any]


def prepared(
    experiment: Experiment,
    source: Source | None = None,
    seeds: int | Sequence[int] | None = None,
    out: str | Path = ".",
    resume: bool = False,
    jobs: int = 1,
    client: Any = None,
    save_networks: bool = False,
) -> Plan:
    """All the checks of :func:`run_cells`, which see, and none of its work: nothing is written."""
    check_instance("experiment", experiment, Experiment, "an Experiment, such as EXPERIMENTS has")
    source = Source() if source is None else source
    check_instance("source", source, Source, "a Source(data_dir, features_file)")
    resume, save_networks = check_bool("resume", resume), check_bool("save_networks", save_networks)
    _check_features(experiment, source)
    cells = cells_of(experiment, seeds)
    jobs = check_jobs(jobs)
    out = check_path("out", out)
    if client is not None:
        check_workers(client)
    source = source.absolute()
    forget_data()
    data = load(experiment.data, source)
    if experiment.check is not None:
        experiment.check(data)
    manifest = manifest_of(experiment, data)
    folder = Folder(experiment, out)
    folder.check(manifest, resume)
    to_do = [cell for cell in cells if not folder.is_finished(cell, save_networks)]
    return Plan(source, cells, to_do, jobs, manifest)


def run_experiment(
    experiment: Experiment, source: Source | None = None, out: str | Path = ".", **options: Any
) -> pd.DataFrame:
    """:func:`run_cells`, whose ``options`` it takes, and then :func:`export` to ``out``.

    What is finished is exported as well where some cells fail or the user interrupts.
    """
    try:
        results = run_cells(experiment, source, out=out, **options)
    except (KeyboardInterrupt, CellsFailed):
        results = finished_results(experiment, out)
        if len(results):  # a picture of a part might fail, and hide why
            export(replace(experiment, picture=None), results, out)
        raise
    export(experiment, results, out)
    return results


def cells_of(experiment: Experiment, seeds: int | Sequence[int] | None = None) -> list[Cell]:
    """The cells of an experiment, seed by seed; parameters as in :func:`run_experiment`."""
    if not experiment.conditions:
        raise ValueError(f"conditions of {experiment.name} must hold at least one, got none")
    chosen = check_seeds(experiment.seeds if seeds is None else seeds, len(experiment.conditions))
    return [Cell(condition, seed) for seed in chosen for condition in experiment.conditions]


def check_seeds(seeds: Any, n_conditions: int = 1) -> list[int]:
    """Return ``seeds`` as a list of seeds, each once; an int n stands for 0 … n - 1."""
    if not isinstance(seeds, (range, list, tuple)):
        seeds = range(check_int("seeds", seeds, low=1))
    # Not len(): a range may have more than it can say.
    n = -(-(seeds.stop - seeds.start) // seeds.step) if isinstance(seeds, range) else len(seeds)
    n = max(n, 0) * n_conditions
    if n > MAX_CELLS:
        raise ValueError(f"seeds must make at most {MAX_CELLS:,} cells, got {n:,}")
    chosen = [check_int("seeds", seed) for seed in check_list("seeds", seeds)]
    if not chosen or len(set(chosen)) != len(chosen):
        raise ValueError(f"seeds must name at least one seed, each once; got {chosen}")
    return chosen


def finished_results(experiment: Experiment, out: str | Path) -> pd.DataFrame:
    """What is finished in a folder, as :func:`run_cells` returns it; empty where nothing is."""
    folder = Folder(experiment, check_path("out", out))
    return folder.results() if folder.manifest.exists() else pd.DataFrame()


def finished_cells(experiment: Experiment, out: str | Path) -> list[Finished]:
    """The finished cells in a folder, without their networks."""
    folder = Folder(experiment, check_path("out", out))
    return folder.finished() if folder.manifest.exists() else []


def export(experiment: Experiment, results: pd.DataFrame, out: str | Path) -> tuple[Path, Path]:
    """Write ``results`` as NAME.csv, their table as NAME.md and perhaps their picture as NAME.png.

    Returns the paths of the first two.
    """
    folder = Folder(experiment, Path(out))
    with replacing(folder.csv) as temporary:
        results.to_csv(temporary, index=False)
    with replacing(folder.table) as temporary:
        text = to_markdown(experiment.table(results))
        Path(temporary).write_text(text, encoding="utf-8")
    if experiment.picture is not None:
        save(experiment.picture(results), folder.csv.with_suffix(".png"))
    return folder.csv, folder.table


def total_seconds(experiment: Experiment, results: pd.DataFrame) -> float:
    """What all cells took together, in seconds."""
    return float(results.groupby([*experiment.conditions[0], "seed"])["seconds"].first().sum())


def _check_features(experiment: Experiment, source: Source) -> None:
    if experiment.needs_features and source.features_file is None:
        raise ValueError(f"features_file must name a file for {experiment.name}, got none")
    if source.features_file is not None and not experiment.needs_features:
        raise ValueError(
            f"features_file has no use in {experiment.name}, got {source.features_file!r}"
        )
