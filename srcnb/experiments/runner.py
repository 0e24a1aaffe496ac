"""The runner: cells over the cores of this machine or the workers of a cluster, and their export.

Only the runner writes: each finished cell at once as a file of its own (folder.py), and CSV and
table from these files when all is done.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from srcnb.experiments.cells import Cell, Experiment, Finished, Source, forget_data, load, run_cell
from srcnb.experiments.folder import Folder, opened
from srcnb.experiments.tables import to_markdown
from srcnb.io import replacing
from srcnb.validation import check_int, check_list

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
        Go on with what is in the folder: cells whose file is there are not run again.
    jobs : int
        Processes of this machine, with one thread each; -1: as many as it has cores. The results
        are the same for any number, bit for bit.
    client : dask.distributed.Client or None
        Its workers run the cells in place of this machine's. Each must have one thread.
    save_networks : bool
        Keep the network before and after each sleep, as NAME.cells/CELL,stage=K,train.npz and
        …,sleep.npz.

    Returns
    -------
    DataFrame with one row per measurement: the conditions' columns, seed, the measurement's own
    columns, accuracy in percent, seconds (of the whole cell). Ordered by condition, then seed.

    Raises
    ------
    ValueError
        Before anything is run: for parameters that are out of range, a folder that can't be
        written, is in use, or holds something else; an experiment that needs a file of features
        and gets none, or the other way round.
    CellsFailed
        After all other cells are finished, if some raised an error or ended their process.
    """
    source = Source() if source is None else source
    _check_features(experiment, source)
    cells = cells_of(experiment, seeds)
    jobs = check_jobs(jobs)
    forget_data()
    data = load(experiment.data, source)
    failed = []
    with opened(experiment, out, data, resume) as folder:
        to_do = [cell for cell in cells if not folder.file(cell).exists()]
        calls = [(experiment, c.condition, c.seed, source, save_networks) for c in to_do]
        with tqdm(
            total=len(cells), initial=len(cells) - len(to_do), unit="cell", disable=None
        ) as bar:
            for cell, outcome in outcomes(to_do, calls, jobs, client):
                if isinstance(outcome, BaseException):
                    failed.append((cell, outcome))
                else:
                    folder.write(outcome)
                bar.set_description(str(cell))
                bar.update()
        results = folder.results()
    if failed:
        raise CellsFailed(failed) from failed[0][1]
    return results


def run_experiment(
    experiment: Experiment, source: Source | None = None, out: str | Path = ".", **options: Any
) -> pd.DataFrame:
    """:func:`run_cells`, and then NAME.csv and NAME.md in ``out``; ``options`` are its own.

    What is finished is exported as well where some cells fail or the user interrupts.
    """
    try:
        results = run_cells(experiment, source, out=out, **options)
    except (KeyboardInterrupt, CellsFailed):
        results = finished_results(experiment, out)
        if len(results):
            export(experiment, results, out)
        raise
    export(experiment, results, out)
    return results


def cells_of(experiment: Experiment, seeds: int | Sequence[int] | None = None) -> list[Cell]:
    """The cells of an experiment, seed by seed; parameters as in :func:`run_experiment`."""
    chosen = check_seeds(experiment.seeds if seeds is None else seeds, len(experiment.conditions))
    return [Cell(condition, seed) for seed in chosen for condition in experiment.conditions]


def check_seeds(seeds: Any, n_conditions: int = 1) -> list[int]:
    """Return ``seeds`` as a list of seeds, each once; an int n stands for 0 … n - 1."""
    if not isinstance(seeds, (range, list, tuple)):
        seeds = range(check_int("seeds", seeds, low=1))
    n = len(seeds) * n_conditions
    if n > MAX_CELLS:
        raise ValueError(f"seeds must make at most {MAX_CELLS:,} cells, got {n:,}")
    chosen = [check_int("seeds", seed) for seed in check_list("seeds", seeds)]
    if not chosen or len(set(chosen)) != len(chosen):
        raise ValueError(f"seeds must name at least one seed, each once; got {chosen}")
    return chosen


def check_jobs(jobs: Any) -> int:
    """Return ``jobs`` as a number of processes, from 1; -1 stands for the number of cores."""
    jobs = check_int("jobs", jobs, low=-1)
    if not jobs:
        raise ValueError("jobs must be at least 1, or -1 for all cores, got 0")
    return (os.cpu_count() or 1) if jobs == -1 else jobs


def finished_results(experiment: Experiment, out: str | Path) -> pd.DataFrame:
    """What is finished in a folder, as :func:`run_cells` returns it; empty where nothing is."""
    folder = Folder(experiment, Path(out))
    return folder.results() if folder.manifest.exists() else pd.DataFrame()


def export(experiment: Experiment, results: pd.DataFrame, out: str | Path) -> tuple[Path, Path]:
    """Write ``results`` as NAME.csv and their table as NAME.md; returns the two paths."""
    folder = Folder(experiment, Path(out))
    with replacing(folder.csv) as temporary:
        results.to_csv(temporary, index=False)
    with replacing(folder.table) as temporary:
        text = to_markdown(experiment.table(results))
        Path(temporary).write_text(text, encoding="utf-8")
    return folder.csv, folder.table


def total_seconds(experiment: Experiment, results: pd.DataFrame) -> float:
    """What all cells took together, in seconds."""
    return float(results.groupby([*experiment.conditions[0], "seed"])["seconds"].first().sum())


Outcome = tuple[Cell, Finished | BaseException]


def outcomes(
    cells: Sequence[Cell], calls: Sequence[tuple[Any, ...]], jobs: int, client: Any = None
) -> Iterator[Outcome]:
    """Yield each cell with what ``run_cell`` gave for its call, as it is done; or its error."""
    if client is not None:
        yield from _on_dask(cells, calls, client)
    elif jobs == 1 or len(calls) < 2:
        for cell, call in zip(cells, calls, strict=True):
            yield cell, _attempt(*call)
    else:
        yield from _on_processes(cells, calls, min(jobs, len(calls)))


def _attempt(*call: Any) -> Finished | Exception:
    """What a cell gives, or the error that it raises."""
    try:
        return run_cell(*call)
    except Exception as error:
        return error


def _attempt_call(call: tuple[Any, ...]) -> Finished | Exception:
    return _attempt(*call)


def _numbered(number: int, call: tuple[Any, ...]) -> tuple[int, Finished | Exception]:
    return number, _attempt(*call)


def _on_processes(
    cells: Sequence[Cell], calls: Sequence[tuple[Any, ...]], jobs: int
) -> Iterator[Outcome]:
    """Cells over processes of this machine, by joblib."""
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    compile_kernel()  # once, not in every process
    waiting = dict(enumerate(cells))
    # Workers whose parent was killed have nothing to do: they end after this time, in seconds.
    with parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1, idle_worker_timeout=30):
        try:
            for i, outcome in Parallel(return_as="generator_unordered", batch_size=1)(
                delayed(_numbered)(i, call) for i, call in enumerate(calls)
            ):
                yield waiting.pop(i), outcome
        except TerminatedWorkerError as error:
            # Which cell it was is not known: those that are left run one by one.
            yield from _one_by_one(waiting, calls, error)


def _one_by_one(
    waiting: dict[int, Cell], calls: Sequence[tuple[Any, ...]], error: BaseException
) -> Iterator[Outcome]:
    """The cells that were left when a process ended, each in a process of its own."""
    from joblib.externals.loky import ProcessPoolExecutor

    for i, cell in waiting.items():
        with ProcessPoolExecutor(max_workers=1) as executor:
            try:
                yield cell, executor.submit(_attempt, *calls[i]).result()
            except RuntimeError as ended:
                yield cell, ended


def _on_dask(
    cells: Sequence[Cell], calls: Sequence[tuple[Any, ...]], client: Any
) -> Iterator[Outcome]:
    """Cells over the workers of a cluster; one that always ends its worker fails alone."""
    from distributed import as_completed

    check_workers(client)
    # pure=False: a cell is run, not looked up by its arguments.
    futures = client.map(_attempt_call, calls, pure=False)
    cell_of = {future.key: cell for future, cell in zip(futures, cells, strict=True)}
    # With results, as one may be lost together with the worker that has it, and is then run again.
    done = as_completed(  # type: ignore[no-untyped-call]
        futures, with_results=True, raise_errors=False
    )
    del futures  # those that are done are released one by one
    for future, outcome in done:
        if future.status == "error":
            outcome = future.exception()
        elif not isinstance(outcome, (Finished, BaseException)):
            outcome = RuntimeError(f"the cluster gave it up: its future is {future.status}")
        yield cell_of[future.key], outcome
        future.release()


def check_workers(client: Any) -> None:
    """ValueError that names the first of a client's workers that has not exactly one thread."""
    for address, worker in client.scheduler_info(n_workers=-1)["workers"].items():
        if worker["nthreads"] != 1:
            raise ValueError(
                "client must have workers of one thread (nthreads = 1), got"
                f" {address} with {worker['nthreads']}"
            )


def compile_kernel() -> None:
    """Compile the kernel for float32, into the cache that new processes read."""
    import numpy as np

    from srcnb.spiking.config import SleepConfig
    from srcnb.spiking.simulate import simulate

    config = SleepConfig(2, alpha=[1], beta=[1], inc=0.1, dec=0.1)
    simulate([np.ones((2, 2), np.float32)], np.ones((2, 2)), config)


def _check_features(experiment: Experiment, source: Source) -> None:
    if experiment.needs_features and source.features_file is None:
        raise ValueError(f"features_file must name a file for {experiment.name}, got none")
    if source.features_file is not None and not experiment.needs_features:
        raise ValueError(
            f"features_file has no use in {experiment.name}, got {source.features_file!r}"
        )
