"""Where cells are run: in this process, in others on this machine, or on a Dask cluster."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from srcnb.experiments.cells import Cell, Finished, run_cell
from srcnb.validation import check_int

Outcome = tuple[Cell, Finished | BaseException]
# A cluster may start its workers after its scheduler; in seconds.
WAIT_FOR_WORKERS = 30.0


def check_jobs(jobs: Any) -> int:
    """Return ``jobs`` as a number of processes, from 1; -1 stands for the cores it may use."""
    from joblib import cpu_count

    jobs = check_int("jobs", jobs, low=-1)
    if not jobs:
        raise ValueError("jobs must be at least 1, or -1 for all cores, got 0")
    return int(cpu_count()) if jobs == -1 else jobs


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

    # pure=False: a cell is run, not looked up by its arguments.
    futures = client.map(_attempt_call, calls, pure=False)
    cell_of = {future.key: cell for future, cell in zip(futures, cells, strict=True)}
    # With results, as one may be lost together with the worker that has it, and is then run again.
    done = as_completed(  # type: ignore[no-untyped-call]
        futures, with_results=True, raise_errors=False
    )
    del futures  # those that are done are released one by one
    for future, outcome in done:
        cell = cell_of[future.key]
        if future.status == "error":
            outcome = future.exception()
        elif not isinstance(outcome, (Finished, BaseException)) or future.status == "cancelled":
            outcome = RuntimeError(
                f"{cell}: it was not run, as the scheduler of the cluster ended, or cancelled it"
            )
        yield cell, outcome
        future.release()


def check_workers(client: Any, timeout: float = WAIT_FOR_WORKERS) -> None:
    """Refuse a cluster that can't run cells.

    TypeError for what is no ``client``; ValueError that names the first worker that has not exactly
    one thread, or if there is none within ``timeout`` seconds.
    """
    if not (hasattr(client, "map") and hasattr(client, "scheduler_info")):
        raise TypeError(f"client must be a dask.distributed.Client, got {client!r}")
    try:
        client.wait_for_workers(1, timeout=timeout)
    except (TimeoutError, asyncio.TimeoutError):  # two classes until Python 3.11
        raise ValueError(
            f"client must have workers, but its scheduler had none within {timeout:g} s"
        ) from None
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"client must be connected to its scheduler: {error}") from None
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
