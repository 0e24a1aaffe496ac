import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from conftest import heed_sigint

from srcnb import cli, metrics


def srcnb(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "srcnb", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=900,
        **options,
    )


def test_run(tmp_path):
    done = srcnb("run", "--seeds", 2, "--hidden", 30, 30, "--out", tmp_path / "new" / "folder")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "new" / "folder"
    assert sorted(p.name for p in out.iterdir()) == ["results.csv", "results.png"]
    results = pd.read_csv(out / "results.csv", dtype={"task": str})
    assert set(results["method"]) == {"sequential", "src", "parallel"}
    assert set(results["seed"]) == {0, 1} and set(results["task"]) == {"all", *"12345"}
    # The printed table is the one of the file.
    text = metrics.format_summary(metrics.summary(results)).to_string()
    assert text in done.stdout
    assert (out / "results.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    # No progress bar in a pipe.
    assert "stage/s" not in done.stderr and "\r" not in done.stderr


def test_import_is_light():
    script = """
import sys, srcnb
heavy = {"torch", "matplotlib", "pandas", "sklearn", "scipy", "numba", "llvmlite", "tqdm"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_help_and_version():
    done = srcnb("run", "--help")
    assert done.returncode == 0
    for option in ("--dataset", "--data-dir", "--preset", "--hidden", "--methods", "--out"):
        assert option in done.stdout
    assert srcnb("--version").stdout.startswith("srcnb 0.")
    assert srcnb().returncode == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "cifar"], "cifar"),
        (["--preset", "matlab"], "28×28 images.*digits"),
        (["--methods", "magic"], "magic"),
        (["--seeds", "0"], "seeds.*0"),
        (["--seeds", "x"], "x"),
        (["--hidden", "0", "10"], "hidden.*0"),
        (["--hidden", "10"], "hidden.*2 arguments"),
        (["--sleep-every", "0"], "sleep-every.*0"),
        (["--dataset", "mnist", "--data-dir", "/nowhere"], "data_dir.*/nowhere"),
        (["--out", "/proc/here"], "--out.*/proc/here"),
    ],
)
def test_bad_arguments(capsys, tmp_path, monkeypatch, arguments, message):
    import re

    monkeypatch.chdir(tmp_path)
    try:
        status = cli.main(["run", *arguments])
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    error = capsys.readouterr().err
    assert re.search(message, error) and "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_found_out_before_training(tmp_path, capsys):
    (tmp_path / "file").write_text("not a folder")
    start = time.perf_counter()
    assert cli.main(["run", "--out", str(tmp_path / "file")]) == 2
    assert time.perf_counter() - start < 5
    assert "--out" in capsys.readouterr().err


def test_a_folder_in_the_way_is_found_out_before_training(tmp_path, capsys):
    (tmp_path / "results.png").mkdir()
    assert cli.main(["run", "--out", str(tmp_path)]) == 2
    assert "room for results.png" in capsys.readouterr().err
    assert not (tmp_path / "results.csv").exists()


def test_no_cache_folder_no_matter():
    """numba compiles in memory where it finds no folder that it can write."""
    script = """
import tempfile
def no_folder(*args, **kwargs):
    raise OSError("read-only")
tempfile.TemporaryFile = no_folder
import numpy as np, srcnb
config = srcnb.SleepConfig(3, alpha=[1], beta=[1], inc=0.1, dec=0.1)
print(srcnb.simulate([np.ones((2, 2))], np.ones((3, 2)), config).spike_counts[1])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[3 3]", done.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals as on POSIX")
def test_ctrl_c_leaves_finished_seeds(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "srcnb", "run", "--methods", "sequential", "--seeds", "500"]
        + ["--hidden", "20", "20", "--out", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_sigint,
    )
    csv = tmp_path / "results.csv"
    for _ in range(600):
        if csv.exists() and pd.read_csv(csv)["seed"].max() >= 1:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in error
    results = pd.read_csv(csv)
    assert (results.groupby("seed").size() == 30).all() and results["seed"].nunique() >= 2
    assert [p.name for p in tmp_path.iterdir()] == ["results.csv"]


@pytest.mark.slow
def test_the_main_job(tmp_path):
    """srcnb run without arguments: SRC remembers what sequential training forgets."""
    done = srcnb("run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    results = pd.read_csv(tmp_path / "results.csv", dtype={"task": str})
    accuracy = metrics.summary(results)["accuracy", "mean"]
    assert accuracy["src"] - accuracy["sequential"] >= 50
    assert accuracy["parallel"] > 90


@pytest.mark.slow
def test_the_paper_on_mnist(tmp_path, mnist_dir):
    """matlab's protocol, one seed: sequential near 20, SRC well above it, as published."""
    done = srcnb(
        *("run", "--dataset", "mnist", "--preset", "matlab", "--methods", "sequential", "src"),
        *("--seeds", 1, "--out", tmp_path, "--data-dir", mnist_dir),
    )
    assert done.returncode == 0, done.stderr
    results = pd.read_csv(tmp_path / "results.csv", dtype={"task": str})
    accuracy = metrics.summary(results)["accuracy", "mean"]
    assert 18 < accuracy["sequential"] < 21
    assert accuracy["src"] > 30
