"""The program: what it prints and writes, and what it says of bad arguments."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import heed_sigint

from srcnb import MLP, cli, metrics
from srcnb.experiments import EXPERIMENTS
from srcnb.methods import DEFAULT


def srcnb(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "srcnb", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=900,
        **options,
    )


@pytest.mark.slow
def test_run(tmp_path):
    out = tmp_path / "new" / "folder"
    done = srcnb("run", "--seeds", 2, "--hidden", 30, 30, "--jobs", 1, "--out", out)
    assert done.returncode == 0, done.stderr
    names = sorted(p.name for p in out.iterdir())
    assert names == ["results.cells", "results.csv", "results.png"]
    results = pd.read_csv(out / "results.csv", dtype={"task": str})
    assert list(results["method"].unique()) == [*DEFAULT]
    assert set(results["seed"]) == {0, 1} and set(results["task"]) == {"all", *"12345"}
    # The printed table is the one of the file.
    text = metrics.format_summary(metrics.summary(results)).to_string()
    assert text in done.stdout
    assert (out / "results.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    # No progress bar in a pipe.
    assert "stage/s" not in done.stderr and "\r" not in done.stderr


def test_run_with_a_network_of_one_hidden_layer(tmp_path):
    """Methods without sleep take any number of layers."""
    out = tmp_path / "out"
    arguments = ["run", "--methods", "sequential", "--seeds", "1", "--hidden", "15"]
    assert cli.main([*arguments, "--out", str(out)]) == 0
    results = pd.read_csv(out / "results.csv")
    assert set(results["phase"]) == {"train"} and len(results) == 5 * 6


@pytest.mark.slow
@pytest.mark.parametrize(("every", "stages"), [("2", {2, 4}), ("end", {5})])
def test_sleep_every(tmp_path, every, stages):
    arguments = ["run", "--methods", "src", "--seeds", "1", "--hidden", "15", "15"]
    assert cli.main([*arguments, "--sleep-every", every, "--out", str(tmp_path)]) == 0
    results = pd.read_csv(tmp_path / "results.csv")
    assert set(results.loc[results["phase"] == "sleep", "stage"]) == stages


def test_help_and_version():
    done = srcnb("run", "--help")
    assert done.returncode == 0
    for option in ("--dataset", "--data-dir", "--preset", "--hidden", "--methods", "--out"):
        assert option in done.stdout
    assert srcnb("--version").stdout.startswith("srcnb 0.")
    assert srcnb().returncode == 2


def fails(capsys, *arguments):
    """What is said of arguments with which the program ends with status 2."""
    try:
        status = cli.main([*map(str, arguments)])
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "cifar"], "cifar"),
        (["--preset", "paper"], "28×28 images.*digits"),
        (["--preset", "matlab"], "--preset must be one of .* got 'matlab'"),
        (["--methods", "magic"], "magic"),
        (["--seeds", "0"], "--seeds must be at least 1, got 0"),
        (["--seeds", "x"], "x"),
        (["--hidden", "0", "10"], "--hidden must be at least 1, got 0"),
        (["--preset", "own", "--hidden", "10"], r"--hidden must be 2 layer sizes.*\(10,\)"),
        (["--sleep-every", "0"], "sleep-every.*0"),
        (["--dataset", "mnist", "--data-dir", "/nowhere"], "/nowhere"),
        (["--out", "/proc/here"], "--out.*/proc/here"),
    ],
)
def test_bad_arguments(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert re.search(message, fails(capsys, "run", *arguments))
    assert not list(tmp_path.iterdir())


@pytest.fixture
def no_training(monkeypatch):
    """Training fails the test."""

    def fit(*arguments, **options):
        pytest.fail("trained before the arguments were checked")

    monkeypatch.setattr(MLP, "fit", fit)


def test_a_folder_that_cannot_be_written_is_found_out_before_training(
    tmp_path, capsys, no_training
):
    (tmp_path / "file").write_text("not a folder")
    assert "--out" in fails(capsys, "run", "--out", tmp_path / "file")


def test_a_folder_in_the_way_is_found_out_before_training(tmp_path, capsys, no_training):
    (tmp_path / "results.png").mkdir()
    assert cli.main(["run", "--out", str(tmp_path)]) == 2
    assert "room for results.png" in capsys.readouterr().err
    assert not (tmp_path / "results.csv").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals as on POSIX")
def test_ctrl_c_leaves_finished_seeds(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "srcnb", "run", "--methods", "sequential", "--seeds", "500"]
        + ["--hidden", "20", "20", "--jobs", "1", "--out", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_sigint,
    )
    for _ in range(600):
        if len(list(tmp_path.glob("results.cells/method=*.json"))) > 1:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in error
    results = pd.read_csv(tmp_path / "results.csv")
    assert (results.groupby("seed").size() == 30).all() and 2 <= results["seed"].nunique() < 500


@pytest.mark.long
def test_the_main_job(tmp_path):
    """srcnb run without arguments: SRC remembers what sequential training forgets."""
    done = srcnb("run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    results = pd.read_csv(tmp_path / "results.csv", dtype={"task": str})
    accuracy = metrics.summary(results)["accuracy", "mean"]
    assert accuracy["src"] - accuracy["sequential"] >= 50
    assert accuracy["parallel"] > 90


@pytest.mark.long
def test_the_paper_on_mnist(tmp_path, mnist_dir):
    """The paper's protocol, one seed: sequential near 20, SRC well above it, as published."""
    done = srcnb(
        *("run", "--dataset", "mnist", "--preset", "paper", "--methods", "sequential", "src"),
        *("--seeds", 1, "--out", tmp_path, "--data-dir", mnist_dir),
    )
    assert done.returncode == 0, done.stderr
    results = pd.read_csv(tmp_path / "results.csv", dtype={"task": str})
    accuracy = metrics.summary(results)["accuracy", "mean"]
    assert 18 < accuracy["sequential"] < 21
    assert accuracy["src"] > 30


def test_list_of_experiments(capsys):
    assert cli.main(["experiment"]) == 0
    listed = capsys.readouterr().out
    for name, experiment in EXPERIMENTS.items():
        assert f"{name:16} {experiment.summary} ({experiment.seeds} seeds)" in listed


@pytest.mark.slow
def test_experiment(tmp_path, capsys, monkeypatch):
    """Four images are quick enough as they are; again it goes on, or says how."""
    patches = EXPERIMENTS["patches"]
    short = replace(patches, conditions=patches.conditions[::13])
    monkeypatch.setitem(EXPERIMENTS, "patches", short)
    arguments = ["experiment", "patches", "--seeds", "1", "--out", str(tmp_path)]
    assert cli.main(arguments) == 0
    printed = capsys.readouterr().out
    assert (tmp_path / "patches.md").read_text(encoding="utf-8") in printed
    first = pd.read_csv(tmp_path / "patches.csv")
    assert len(first) == 3 * 9
    error = fails(capsys, *arguments)
    assert "--resume must be set to go on with" in error and "patches.cells" in error
    assert cli.main([*arguments, "--seeds", "2", "--resume"]) == 0
    both = pd.read_csv(tmp_path / "patches.csv")
    pd.testing.assert_frame_equal(both[both["seed"] == 0].reset_index(drop=True), first)
    assert len(both) == 2 * len(first)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "NAME must be one of .*mnist.*got 'nothing'"),
        (["cifar10"], "--features must name"),
        (["patches", "--features", "x.npz"], "--features has no use in patches, got 'x.npz'"),
        (["patches", "--seeds", "0"], "--seeds must be at least 1, got 0"),
        (["patches", "--out", "/proc/here"], "--out.*/proc/here"),
    ],
)
def test_bad_arguments_of_an_experiment(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert re.search(message, fails(capsys, "experiment", *arguments))
    assert not list(tmp_path.iterdir())


SMALL = ["run", "--methods", "sequential", "src", "--hidden", "12", "12"]


@pytest.mark.slow
def test_run_goes_on_with_resume(tmp_path, capsys):
    """Also with other seeds and methods; the same file at the end as from one run."""
    assert cli.main([*SMALL, "--seeds", "2", "--out", str(tmp_path / "whole")]) == 0
    out = ["--out", str(tmp_path / "part")]
    assert cli.main([*SMALL[:3], *SMALL[4:], "--seeds", "1-1", *out]) == 0
    assert "--resume must be set to go on" in fails(capsys, *SMALL, *out)
    assert cli.main([*SMALL, "--seeds", "2", "--resume", *out]) == 0
    one, other = ((tmp_path / name / "results.csv").read_bytes() for name in ("whole", "part"))
    assert one == other
    # Another network is another job.
    changed = [*SMALL[:-1], "13", "--resume", *out]
    assert re.search(r"protocol of .*hidden\[1\] is 12, not 13", fails(capsys, *changed))


@pytest.mark.slow
def test_jobs_do_not_change_the_results(tmp_path):
    for jobs in ("1", "2"):
        out = str(tmp_path / jobs)
        assert cli.main([*SMALL, "--seeds", "1", "--jobs", jobs, "--out", out]) == 0
    assert (tmp_path / "1/results.csv").read_bytes() == (tmp_path / "2/results.csv").read_bytes()


def test_dry_run_lists_the_cells_and_runs_none(tmp_path, capsys, no_training_of_tasks):
    arguments = [*SMALL, "--seeds", "10-11", "--jobs", "2", "--out", str(tmp_path)]
    assert cli.main([*arguments, "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("s  ")[1] for line in lines[:-1]] == [
        f"method {method}, seed {seed}" for seed in (10, 11) for method in ("sequential", "src")
    ]
    assert re.search(r"4 of 4 cells are to be run: about \d+ s .* with --jobs 2", lines[-1])
    assert not list(tmp_path.iterdir())


@pytest.fixture
def no_training_of_tasks(monkeypatch):
    """A fit of more than a few batches fails the test."""
    fit = MLP.fit

    def short(self, X, y, **options):
        assert len(X) * options.get("epochs", 1) <= 100
        return fit(self, X, y, **options)

    monkeypatch.setattr(MLP, "fit", short)


@pytest.mark.slow
def test_classes_per_task_and_saved_networks(tmp_path):
    arguments = [*SMALL, "--seeds", "1", "--classes-per-task", "5", "--save-networks"]
    assert cli.main([*arguments, "--out", str(tmp_path)]) == 0
    assert set(pd.read_csv(tmp_path / "results.csv")["stage"]) == {1, 2}
    saved = sorted(p.name for p in (tmp_path / "results.cells").glob("*.npz"))
    assert saved == [
        *(f"method=sequential,seed=0,stage={k},train.npz" for k in (1, 2)),
        *(
            f"method=src,seed=0,stage={k},{what}.npz"
            for k in (1, 2)
            for what in ("input", "sleep", "train")
        ),
    ]


@pytest.mark.slow
def test_the_table_is_printed_before_the_files_are_written(tmp_path, capsys, monkeypatch):
    """So that a full disk does not cost it; and the error names the file."""
    from matplotlib.figure import Figure

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    assert cli.main([*SMALL, "--seeds", "1", "--out", str(tmp_path)]) == 2
    done = capsys.readouterr()
    assert "backward transfer" in done.out
    assert "No space left on device" in done.err and "results.png" in done.err
    assert (tmp_path / "results.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "3-1"], "must be a number, or a range such as 10-19, got '3-1'"),
        (["--seeds", "-1"], "--seeds must be at least 1, got -1"),
        (["--seeds", "1000000000"], "--seeds must make at most 1,000,000 cells"),
        (["--jobs", "0"], "--jobs must be at least 1, or -1 for all cores, got 0"),
        (["--classes-per-task", "0"], "--classes-per-task must be at least 1, got 0"),
    ],
)
def test_bad_arguments_of_the_runner(capsys, tmp_path, no_training, arguments, message):
    assert re.search(message, fails(capsys, "run", *arguments, "--out", tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_scheduler_that_is_none(capsys, tmp_path, no_training):
    pytest.importorskip("distributed")
    error = fails(capsys, "run", "--scheduler", "nowhere", "--out", tmp_path)
    assert "--scheduler must be a Dask scheduler, got 'nowhere'" in error
    assert not list(tmp_path.iterdir())


def test_a_scheduler_without_dask(capsys, tmp_path, no_training, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)  # as if it were not installed
    error = fails(capsys, "run", "--scheduler", "tcp://localhost:8786", "--out", tmp_path)
    assert "--scheduler needs Dask: pip install 'srcnb[dask]'" in error
    assert not list(tmp_path.iterdir())


def test_experiment_on_another_data_set(capsys, tmp_path):
    out = ["--out", str(tmp_path)]
    error = fails(capsys, "experiment", "patches", "--dataset", "mnist", *out)
    assert "--dataset has no use in patches, got 'mnist'" in error
    error = fails(capsys, "experiment", "single-sleep", "--dataset", "digits", *out)
    assert "--dataset must be one of 'mnist', 'fashion-mnist'; got 'digits'" in error


@pytest.mark.slow
def test_own_data(tmp_path, capsys):
    """From a CSV: tasks are named by the labels, and the test part is a quarter."""
    rng = np.random.default_rng(0)
    kinds = np.array(["ant", "bee", "cat", "dog"] * 30)
    table = pd.DataFrame(rng.normal(size=(120, 5)) + 2 * (kinds[:, None] > "b"))
    path = tmp_path / "animals.csv"
    table.assign(kind=kinds).to_csv(path, index=False)
    arguments = [*SMALL, "--seeds", "1", "--dataset", str(path), "--out", str(tmp_path / "out")]
    assert "--target must name the column" in fails(capsys, *arguments)
    assert cli.main([*arguments, "--target", "kind"]) == 0
    assert "animals, calibrated protocol, 2 tasks" in capsys.readouterr().out
    assert "--target is for a .csv file only" in fails(capsys, *SMALL, "--target", "kind")
    table.loc[0, 0] += 1
    table.assign(kind=kinds).to_csv(path, index=False)
    error = fails(capsys, *arguments, "--target", "kind", "--resume")
    assert re.search(r"its data\[0\]: sha256 is", error)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs POSIX")
@pytest.mark.parametrize(
    "closed", [*(pytest.param([one], marks=pytest.mark.long) for one in (1, 2)), [0, 1, 2]]
)
def test_a_closed_stream_does_not_end_the_program(tmp_path, closed):
    """Nor its workers, which inherit it."""

    def close():
        for descriptor in closed:
            os.close(descriptor)

    command = [*SMALL[:3], "--hidden", "12", "--seeds", "2", "--jobs", "2", "--out", tmp_path]
    done = subprocess.run([sys.executable, "-m", "srcnb", *command], preexec_fn=close)
    assert done.returncode == 0 and (tmp_path / "results.png").exists()


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_stdout_costs_no_file_and_is_named(tmp_path):
    command = [*SMALL[:3], "--hidden", "12", "--seeds", "1", "--jobs", "1", "--out", tmp_path]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "srcnb", *command],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr == "srcnb run: error: stdout can't be written: No space left on device\n"
    assert (tmp_path / "results.csv").exists() and (tmp_path / "results.png").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs POSIX")
def test_a_reader_that_leaves_costs_no_file(tmp_path):
    command = [*SMALL[:3], "--hidden", "12", "--seeds", "1", "--jobs", "1", "--out", tmp_path]
    process = subprocess.Popen(
        [sys.executable, "-m", "srcnb", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 1
    assert (tmp_path / "results.csv").exists()
    process.stderr.close()


@pytest.mark.slow
def test_resume_takes_no_other_tasks_or_protocol(tmp_path, capsys):
    out = ["--out", str(tmp_path), "--seeds", "1", "--resume"]
    assert cli.main([*SMALL[:3], *SMALL[4:], *out]) == 0  # sequential
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    src = ["run", "--methods", "src"]
    error = fails(capsys, *src, "--hidden", "12", "12", "--classes-per-task", "5", *out)
    assert "can't be resumed: its sequence: classes_per_task is 2, not 5" in error
    error = fails(capsys, "run", "--methods", "ewc", "--hidden", "13", "12", *out)
    assert "can't be resumed: its protocol: hidden[0] is 12, not 13" in error
    error = fails(capsys, *src, "--hidden", "12", "12", "--sleep-every", "2", *out)
    assert "its protocol: schedule: every is 1, not 2" in error
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    assert cli.main([*SMALL, *out]) == 0


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--dataset", "mnist", "--data-dir", "/nowhere"], "/nowhere"),
        (["run", "--dataset", "none.npz"], "no such file: .*none.npz"),
        (["run", "--out", "/proc/here"], "--out must be a folder .*/proc/here"),
        (["run", "--hidden", "200000", "200000"], r"--hidden \(200000, 200000\) takes 480 GB"),
        (["run", "--methods", "src", "--sleep-every", "99"], "--sleep-every must be at most 5"),
        (["run", "--seeds", "0-99999999999999999999999"], "--seeds must make at most 1,000,000"),
        (["experiment", "cifar10"], "--features must name a file"),
        (["experiment", "cifar10", "--features", "none.npz"], "no such file of features"),
    ],
)
def test_a_dry_run_refuses_what_a_run_refuses(
    capsys, tmp_path, monkeypatch, arguments, message, dry
):
    monkeypatch.chdir(tmp_path)
    assert re.search(message, fails(capsys, *arguments, *dry))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_dry_run_of_another_folder(tmp_path, capsys):
    out = ["--seeds", "1", "--out", str(tmp_path), "--dry-run"]
    assert cli.main([*SMALL, *out[:-1]]) == 0
    assert "--resume must be set" in fails(capsys, *SMALL, *out)
    assert "hidden[1] is 12, not 13" in fails(capsys, *SMALL[:-1], "13", "--resume", *out)
    assert cli.main([*SMALL, "--resume", *out]) == 0
    assert capsys.readouterr().out.startswith("0 of 2 cells are to be run")


def test_out_of_memory(tmp_path, capsys, monkeypatch):
    from srcnb.experiments import runner

    def run_cells(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr(runner, "run_cells", run_cells)
    error = fails(capsys, *SMALL, "--out", tmp_path)
    assert "error: out of memory" in error and "take a smaller network" in error
