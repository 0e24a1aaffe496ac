"""Where cells are run: what is refused first. test_runner.py runs cells everywhere."""

import os
import subprocess
import sys

import pytest
from conftest import tiny_experiment

from srcnb.experiments.cells import Cell, Source
from srcnb.experiments.workers import check_jobs, check_workers, outcomes


class Client:
    """Of a cluster whose workers have these numbers of threads."""

    def __init__(self, *n_threads, error=None):
        self.n_threads = n_threads
        self.error = error

    def map(self, function, calls):
        raise AssertionError

    def wait_for_workers(self, n_workers, timeout):
        if self.error is not None:
            raise self.error
        if len(self.n_threads) < n_workers:
            raise TimeoutError(f"waited {timeout}")

    def scheduler_info(self, n_workers):
        return {"workers": {f"tcp://w{i}": {"nthreads": n} for i, n in enumerate(self.n_threads)}}


@pytest.mark.parametrize(
    ("client", "message"),
    [
        (Client(), "client must have workers, but its scheduler had none within 0.5 s"),
        (Client(1, 2), r"client must have workers of one thread .* got tcp://w1 with 2"),
        (Client(error=OSError("no")), "client must be connected to its scheduler: no"),
        (Client(error=RuntimeError("closed")), "client must be connected .*: closed"),
    ],
)
def test_clusters_that_are_refused(client, message):
    with pytest.raises(ValueError, match=message):
        check_workers(client, 0.5)


def test_a_cluster_that_is_not():
    check_workers(Client(1, 1))
    with pytest.raises(TypeError, match="client must be a dask.distributed.Client, got 5"):
        check_workers(5)


def test_a_cluster_gives_each_cell_what_it_gives_here():
    """One within this process; test_runner.py has others, whose workers are killed."""
    distributed = pytest.importorskip("distributed")
    experiment = tiny_experiment("patches", slice(3))
    cells = [Cell(condition, 3) for condition in experiment.conditions]
    calls = [(experiment, cell.condition, cell.seed, Source()) for cell in cells]
    calls[1] = (*calls[1][:2], -1, Source())  # which is no seed

    def content(found):
        return {cells.index(cell): getattr(done, "rows", repr(done)) for cell, done in found}

    with distributed.Client(
        processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None
    ) as client:
        there = content(outcomes(cells, calls, 1, client))
    assert len(there) == 3 and "non-negative" in there[1]
    assert there == content(outcomes(cells, calls, 1))


def test_jobs():
    assert check_jobs(3) == 3
    with pytest.raises(TypeError, match="jobs must be an integer, got 'all'"):
        check_jobs("all")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs sched_setaffinity")
def test_all_cores_are_those_that_it_may_use():
    code = (
        "import os\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from srcnb.experiments.workers import check_jobs\nprint(check_jobs(-1))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "1\n"
