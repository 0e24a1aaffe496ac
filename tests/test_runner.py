"""The runner: what is run, resumed, killed and interrupted; over processes and over a cluster."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from conftest import heed_sigint, tiny_experiment
from matplotlib.image import imread

from srcnb.experiments import runner
from srcnb.experiments.cells import Source
from srcnb.experiments.workers import check_workers
from srcnb.io import locked
from srcnb.plotting import draw_conditions

TOY = """
import os, sys, time
import numpy as np
from srcnb.experiments import tables, runner
from srcnb.experiments.cells import Experiment

def measure(cell, sequence, protocol):
    rng = np.random.default_rng([cell.seed, cell.condition["a"]])
    if cell.condition["a"] == {dies_at}:
        os._exit(7)
    for step in range(3):
        time.sleep({pause})
        yield dict(step=step, task="all", accuracy=100 * rng.random())

def table(results):
    return tables.mean_sd(results[results["step"] == 2], ["a"], [])

toy = Experiment(
    "toy",
    "a toy",
    [dict(a=a, b="x, y") for a in range(4)],
    lambda condition: None,
    lambda source: [],
    lambda cell, data, protocol: [],
    measure,
    table,
    3,
)
"""


def toy(pause=0.0, dies_at=None, **changes):
    # As of a script: what is defined there goes to other processes as it is.
    namespace = {"__name__": "__main__"}
    exec(TOY.format(pause=pause, dies_at=dies_at), namespace)
    return replace(namespace["toy"], **changes)


def run(experiment, out, **options):
    return runner.run_experiment(experiment, Source(), out, **options)


def same_name(measure):
    """Another measurement is refused on resume; it is known by its name."""
    measure.__module__, measure.__qualname__ = "__main__", "measure"


def without_time(results):
    return results.drop(columns="seconds")


def test_picture(tmp_path):
    def picture(results):
        wide = results[results["step"] == 2].pivot(index="seed", columns="a", values="accuracy")
        return draw_conditions(wide).figure

    run(toy(), tmp_path / "without", seeds=1)
    assert not (tmp_path / "without" / "toy.png").exists()
    run(toy(picture=picture), tmp_path, seeds=2)
    assert imread(tmp_path / "toy.png").shape[1:] == (1050, 4)  # 7 inches wide


def test_results_and_table(tmp_path):
    results = run(toy(), tmp_path)
    assert list(results.columns) == ["a", "b", "seed", "step", "task", "accuracy", "seconds"]
    assert results["a"].tolist() == sorted(results["a"]) and len(results) == 4 * 3 * 3
    # pandas 2 may else be one bit off.
    exported = pd.read_csv(tmp_path / "toy.csv", float_precision="round_trip")
    pd.testing.assert_frame_equal(exported, results, check_exact=True)
    last = results[(results["step"] == 2) & (results["a"] == 1)]["accuracy"]
    table = (tmp_path / "toy.md").read_text(encoding="utf-8")
    assert f"| 1 | {last.mean():.1f} ± {last.std():.1f} |" in table
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["toy.cells", "toy.csv", "toy.md"]
    assert len(list((tmp_path / "toy.cells").glob("a=*,seed=*.json"))) == 12


def test_seconds_are_those_of_each_cell(tmp_path):
    pause = 0.02
    results = run(toy(pause), tmp_path, seeds=1)
    assert (results.groupby("a")["seconds"].nunique() == 1).all()
    assert (results["seconds"] >= 3 * pause).all()  # three rows, each after a pause
    cells = [(a, "x, y", seed, 1.5 + a + 10 * seed) for a in (0, 1) for seed in (0, 1)]
    rows = [cell for cell in cells for _ in range(3)]
    results = pd.DataFrame(rows, columns=["a", "b", "seed", "seconds"])
    assert runner.total_seconds(toy(), results) == 1.5 + 2.5 + 11.5 + 12.5


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [(2, [0, 1]), (range(10, 12), [10, 11]), ([7, 3], [7, 3]), (None, [0, 1, 2])],
)
def test_seeds(seeds, expected):
    cells = runner.cells_of(toy(), seeds)
    assert [(c.seed, c.condition["a"]) for c in cells] == [
        (seed, a) for seed in expected for a in range(4)
    ]


def test_resume_runs_only_what_is_missing(tmp_path):
    whole = run(toy(), tmp_path / "whole")
    run(toy(), tmp_path, seeds=1)
    ran = []

    def counting(cell, sequence, protocol):
        ran.append((cell.condition["a"], cell.seed))
        return toy().measure(cell, sequence, protocol)

    same_name(counting)
    resumed = run(toy(measure=counting), tmp_path, resume=True)
    assert ran == [(a, seed) for seed in (1, 2) for a in range(4)]
    pd.testing.assert_frame_equal(without_time(resumed), without_time(whole))


def test_what_is_finished_in_a_folder(tmp_path):
    assert runner.finished_cells(toy(), tmp_path) == []
    results = run(toy(), tmp_path, seeds=1)
    finished = runner.finished_cells(toy(), tmp_path)
    found = {(done.cell.condition["a"], done.cell.seed): done.seconds for done in finished}
    assert found == results.groupby(["a", "seed"])["seconds"].first().to_dict()
    assert len(finished) == 4 and all(done.networks is None for done in finished)


def test_resume_fills_holes_and_keeps_more_seeds(tmp_path):
    whole = run(toy(), tmp_path)
    for path in (tmp_path / "toy.cells").glob("a=1,*.json"):
        path.unlink()
    resumed = run(toy(), tmp_path, seeds=2, resume=True)
    expected = whole[(whole["seed"] < 2) | (whole["a"] != 1)].reset_index(drop=True)
    pd.testing.assert_frame_equal(without_time(resumed), without_time(expected))


def test_resume_with_more_conditions(tmp_path):
    whole = run(toy(), tmp_path / "whole", seeds=1)
    few = toy()
    run(replace(few, conditions=few.conditions[:2]), tmp_path, seeds=1)
    resumed = run(toy(), tmp_path, seeds=1, resume=True)
    pd.testing.assert_frame_equal(without_time(resumed), without_time(whole))


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [2, pytest.param(-1, marks=pytest.mark.long)])
def test_jobs_give_the_same_bits(tmp_path, jobs):
    one = run(toy(), tmp_path / "one", seeds=2)
    more = run(toy(), tmp_path / "more", seeds=2, jobs=jobs)
    pd.testing.assert_frame_equal(without_time(one), without_time(more), check_exact=True)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_cell_that_fails_fails_alone_and_is_named(tmp_path, jobs):
    experiment = toy()
    measure = experiment.measure

    def failing(cell, sequence, protocol):
        if cell.condition["a"] == 1:
            time.sleep(0.5 * (cell.seed == 0))  # with two processes the other one ends first
            raise ZeroDivisionError("oh")
        return measure(cell, sequence, protocol)

    same_name(failing)
    with pytest.raises(
        runner.CellsFailed, match="a 1, b x, y, seed 0: .*oh.*1 more.*seed 1"
    ) as info:
        run(replace(experiment, measure=failing), tmp_path, seeds=2, jobs=jobs)
    assert [(cell.condition["a"], cell.seed) for cell, _ in info.value.failed] == [(1, 0), (1, 1)]
    kept = pd.read_csv(tmp_path / "toy.csv")
    assert len(kept) == 3 * 2 * 3 and 1 not in set(kept["a"])
    whole = run(toy(), tmp_path / "whole", seeds=2)
    resumed = run(toy(), tmp_path, seeds=2, resume=True)
    pd.testing.assert_frame_equal(without_time(resumed), without_time(whole))


@pytest.mark.slow
def test_a_cell_that_ends_its_process_fails_alone(tmp_path):
    with pytest.raises(runner.CellsFailed, match="a 2, b x, y, seed 0") as info:
        run(toy(dies_at=2), tmp_path, seeds=1, jobs=2)
    assert [cell.condition["a"] for cell, _ in info.value.failed] == [2]
    assert sorted(set(pd.read_csv(tmp_path / "toy.csv")["a"])) == [0, 1, 3]


RUN = "runner.run_experiment(toy, out=sys.argv[1], resume=True, jobs=int(sys.argv[2]))"


JOBS = [1, pytest.param(2, marks=pytest.mark.long)]


@pytest.mark.slow
@pytest.mark.parametrize("jobs", JOBS)
def test_killed_in_the_middle(tmp_path, jobs):
    """kill -9, three times: no torn cell, none twice, and at last the same results."""
    code = TOY.format(pause=0.05, dies_at=None) + RUN
    cells = tmp_path / "toy.cells"
    n_before = 0
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", code, tmp_path, str(jobs)])
        deadline = time.time() + 60
        while process.poll() is None and time.time() < deadline:
            if len(list(cells.glob("a=*.json"))) > n_before:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.005)
        assert process.wait() == -signal.SIGKILL
        part = runner.finished_results(toy(), tmp_path)
        assert (part.groupby(["a", "seed"]).size() == 3).all()
        n_before = len(part) // 3
    resumed = run(toy(), tmp_path, resume=True)
    whole = run(toy(), tmp_path / "whole")
    pd.testing.assert_frame_equal(without_time(resumed), without_time(whole))


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs SIGINT")
@pytest.mark.parametrize("jobs", JOBS)
def test_interrupted(tmp_path, jobs):
    """Ctrl-C: what is finished is kept and exported."""
    code = TOY.format(pause=0.2, dies_at=None) + RUN
    process = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path, str(jobs)],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_sigint,
    )
    while not list(tmp_path.glob("toy.cells/a=*.json")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate(timeout=30)[1]
    assert 1 <= pd.read_csv(tmp_path / "toy.csv").groupby(["a", "seed"]).ngroups < 12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(seeds=0), "seeds must be at least 1, got 0"),
        (dict(seeds=[]), "seeds must name at least one seed"),
        (dict(seeds=[1, 1]), "seeds must name at least one seed, each once"),
        (dict(seeds=[-1]), "seeds must be at least 0, got -1"),
        (dict(seeds=10**9), "seeds must make at most 1,000,000 cells, got 4,000,000,000"),
        (dict(jobs=0), "jobs must be at least 1, or -1 for all cores, got 0"),
        (dict(jobs=-2), "jobs must be at least -1, got -2"),
        (dict(), "resume must be set to go on with .*toy.cells"),
    ],
)
def test_bad_arguments(tmp_path, options, message):
    run(toy(), tmp_path, seeds=1)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.name != "lock"}
    with pytest.raises(ValueError, match=message):
        run(toy(), tmp_path, **options)
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.name != "lock"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(resume="no"), "resume must be True or False, got 'no'"),
        (dict(save_networks="no"), "save_networks must be True or False, got 'no'"),
        (dict(source="x"), "source must be a Source.*, got 'x'"),
        (dict(experiment="mnist"), "experiment must be an Experiment.*, got 'mnist'"),
        (dict(client=5), "client must be a dask.distributed.Client, got 5"),
    ],
)
def test_arguments_of_other_types(tmp_path, options, message):
    with pytest.raises(TypeError, match=message):
        runner.run_cells(**dict(experiment=toy(), out=tmp_path / "out") | options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seeds", [10**23, range(10**23), range(0, -(10**23), -1)])
def test_more_seeds_than_len_can_say(seeds):
    with pytest.raises(ValueError, match="seeds must make at most 1,000,000 cells, got 400,000,0"):
        runner.cells_of(toy(), seeds)


def test_data_are_checked_before_anything_is_written(tmp_path):
    def check(data):
        raise ValueError(f"data must be others, got {data}")

    with pytest.raises(ValueError, match=r"data must be others, got \[\]"):
        run(toy(check=check), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def of_file(source):
    """A Dataset of the number in a file."""
    import numpy as np

    from srcnb.datasets import Dataset

    X = np.full((2, 1), float(Path(source.features_file).read_text()))
    return [Dataset("number", X, [0, 1], X, [0, 1], 2)]


def number(cell, data, protocol):
    """What the cell is about."""
    return data


def measure_number(cell, sequence, protocol):
    """The number."""
    return [dict(step=2, task="all", accuracy=sequence[0].X[0, 0])]


def numbers():
    return toy(data=of_file, sequence=number, measure=measure_number, needs_features=True)


@pytest.mark.slow
def test_workers_that_live_on_read_data_anew(tmp_path, monkeypatch):
    """A file that changes between two runs of one process; its path may be relative."""
    monkeypatch.chdir(tmp_path)
    for value in (1.5, 2.5):
        (tmp_path / "x").write_text(str(value))
        results = runner.run_cells(numbers(), Source(features_file="x"), 2, f"out {value}", jobs=2)
        assert set(results["accuracy"]) == {value}


def test_data_that_change_during_a_run(tmp_path):
    """No result of other data than the manifest's is written."""
    path = tmp_path / "x"
    path.write_text("1")

    def changes_it(cell, sequence, protocol):
        path.write_text("2")
        return measure_number(cell, sequence, protocol)

    def unpicklable(source):  # so that each cell reads anew
        return of_file(source)

    experiment = replace(numbers(), measure=changes_it, data=unpicklable)
    with pytest.raises(runner.CellsFailed, match="data 'number' have sha256 .* in this process"):
        run_with = Source(features_file=str(path))
        runner.run_experiment(experiment, run_with, tmp_path, seeds=1)
    assert set(pd.read_csv(tmp_path / "toy.csv")["accuracy"]) == {1}


def test_numpys_numbers_and_rows_that_no_file_can_hold(tmp_path):
    import numpy as np

    def measure(cell, sequence, protocol):
        bad = cell.condition["a"] == 2
        return [dict(step=np.int64(2), task="all", accuracy=1j if bad else np.float32(0.5))]

    conditions = [dict(a=np.int64(a), b="x, y") for a in range(4)]
    experiment = toy(measure=measure, conditions=conditions)
    with pytest.raises(runner.CellsFailed, match="a 2, b x, y, seed 0: .*can't hold 1j") as info:
        run(experiment, tmp_path, seeds=1)
    assert len(info.value.failed) == 1
    assert pd.read_csv(tmp_path / "toy.csv")["accuracy"].tolist() == [0.5] * 3
    with pytest.raises(runner.CellsFailed):
        run(experiment, tmp_path, seeds=1, resume=True)


def test_resume_saves_networks_that_were_not_saved(tmp_path):
    experiment = tiny_experiment("patches", slice(0, 2))
    whole = run(experiment, tmp_path, seeds=1)
    ran = []

    def counting(cell, sequence, protocol):
        ran.append(cell)
        return experiment.measure(cell, sequence, protocol)

    counting.__module__, counting.__qualname__ = "srcnb.experiments.patches", "measure"
    counted = replace(experiment, measure=counting)
    for n in (2, 2):  # the second time all is there
        again = run(counted, tmp_path, seeds=1, resume=True, save_networks=True)
        assert len(ran) == n
        pd.testing.assert_frame_equal(without_time(again), without_time(whole))
    assert len(list((tmp_path / "patches.cells").glob("*.npz"))) == 2 * 3


def test_a_plan_writes_nothing(tmp_path):
    out = tmp_path / "out"
    plan = runner.prepared(toy(), seeds=2, out=out)
    assert len(plan.cells) == len(plan.to_do) == 8 and not list(tmp_path.iterdir())
    run(toy(), out, seeds=1)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(ValueError, match="resume must be set"):
        runner.prepared(toy(), seeds=2, out=out)
    with pytest.raises(ValueError, match="can't be resumed: its sequence"):
        runner.prepared(toy(sequence=number), seeds=2, out=out, resume=True)
    assert len(runner.prepared(toy(), seeds=2, out=out, resume=True).to_do) == 4
    with locked(out / "toy.cells" / "lock"), pytest.raises(ValueError, match="another process"):
        runner.prepared(toy(), seeds=2, out=out, resume=True)
    (out / "toy.md").unlink()
    (out / "toy.md").mkdir()
    with pytest.raises(ValueError, match="out must have room for toy.md"):
        runner.prepared(toy(), seeds=2, out=out, resume=True)
    (out / "toy.md").rmdir()
    after = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert after == {p: t for p, t in before.items() if p in after}


def test_an_experiment_that_needs_features(tmp_path):
    needy = toy(needs_features=True)
    with pytest.raises(ValueError, match="features_file must name a file for toy, got none"):
        run(needy, tmp_path)
    with pytest.raises(ValueError, match="features_file has no use in toy, got 'x.npz'"):
        runner.run_experiment(toy(), Source(features_file="x.npz"), tmp_path)
    assert not list(tmp_path.iterdir())


def free_port():
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def cluster(tmp_path):
    """For ``cluster(n_threads, …)``: a client of a scheduler, and its workers, on loopback."""
    pytest.importorskip("distributed")
    from distributed import Client

    processes, clients = [], []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def start(*arguments):
        command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
        processes.append(
            subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment, cwd=tmp_path)
        )
        return processes[-1]

    def make(*n_threads):
        address = f"tcp://127.0.0.1:{free_port()}"
        make.schedulers.append(start("scheduler", "--host", address))
        workers = [
            start(
                *("worker", address, "--nthreads", str(n), "--host", "127.0.0.1"),
                *("--death-timeout", "20", "--local-directory", str(tmp_path / "dask")),
            )
            for n in n_threads
        ]
        clients.append(Client(address, timeout=60))
        if n_threads:
            clients[-1].wait_for_workers(len(n_threads), timeout=60)
        return clients[-1], workers

    make.schedulers = []
    yield make
    for client in clients:
        client.close()
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.long
def test_a_cluster_of_which_a_worker_is_killed(tmp_path, cluster):
    """Nothing lost, nothing twice, the same table; and a cell that kills its worker fails alone."""
    client, workers = cluster(1, 1)
    whole = run(toy(), tmp_path / "whole")

    import threading

    def kill_one():
        while len(list((tmp_path / "out" / "toy.cells").glob("a=*.json"))) < 3:
            time.sleep(0.01)
        workers[0].kill()

    killer = threading.Thread(target=kill_one)
    killer.start()
    results = run(toy(pause=0.05), tmp_path / "out", client=client)
    killer.join()
    assert workers[0].wait(timeout=10) < 0
    pd.testing.assert_frame_equal(without_time(results), without_time(whole), check_exact=True)
    assert (tmp_path / "out/toy.md").read_text() == (tmp_path / "whole/toy.md").read_text()


@pytest.mark.long
def test_a_cell_that_always_kills_its_worker_of_a_cluster_fails_alone(tmp_path, cluster):
    client, _ = cluster(1, 1)
    with pytest.raises(runner.CellsFailed, match="a 2, b x, y, seed 0.*KilledWorker") as info:
        run(toy(dies_at=2), tmp_path, seeds=1, client=client)
    assert [cell.condition["a"] for cell, _ in info.value.failed] == [2]
    assert sorted(set(pd.read_csv(tmp_path / "toy.csv")["a"])) == [0, 1, 3]


@pytest.mark.long
def test_a_worker_with_more_threads_is_refused_by_name(tmp_path, cluster):
    client, _ = cluster(2)
    with pytest.raises(ValueError, match=r"client must .* got tcp://127.0.0.1:\d+ with 2"):
        run(toy(), tmp_path, client=client)
    assert not list(tmp_path.glob("toy*"))


@pytest.mark.long
def test_a_scheduler_without_workers_and_one_that_ends(tmp_path, cluster):
    client, _ = cluster()
    with pytest.raises(ValueError, match="client must have workers, but its scheduler had none"):
        check_workers(client, timeout=1)
    client, _ = cluster(1)

    import threading

    def end_it():
        while len(list((tmp_path / "toy.cells").glob("a=*.json"))) < 2:
            time.sleep(0.01)
        cluster.schedulers[-1].kill()

    killer = threading.Thread(target=end_it)
    killer.start()
    with pytest.raises(runner.CellsFailed, match="it was not run, as the scheduler of the cluster"):
        run(toy(pause=0.1), tmp_path, client=client)
    killer.join()
    assert 2 <= pd.read_csv(tmp_path / "toy.csv").groupby(["a", "seed"]).ngroups < 12


@pytest.mark.long
def test_a_worker_of_a_cluster_in_another_folder_finds_the_data(tmp_path, cluster, monkeypatch):
    """And one that has read them before, and whose file has changed, reads them anew."""
    client, _ = cluster(1)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for value in (1.5, 2.5):
        (tmp_path / "here" / "x").write_text(str(value))
        results = runner.run_cells(
            numbers(), Source(features_file="x"), 1, tmp_path / str(value), client=client
        )
        assert set(results["accuracy"]) == {value}
