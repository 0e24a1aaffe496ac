"""The benchmarks run, with tiny networks; no test asserts a time."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def run(script, *arguments, cwd=None):
    """What a benchmark prints, on digits; no test asserts a time."""
    environment = {k: v for k, v in os.environ.items() if k != "SRCNB_DATA"}
    done = subprocess.run(
        [sys.executable, BENCHMARKS / script, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=cwd,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.long
def test_bench_sleep(tmp_path):
    arguments = ["--hidden", "30", "--widths", "20", "60", "--rounds", "1", "--out", tmp_path]
    printed = run("bench_sleep.py", *arguments)
    assert "of roofline" in printed and "log-log slope" in printed
    table = pd.read_csv(tmp_path / "bench_sleep.csv")
    assert set(table["sweep"]) == {"size", "gate", "rate", "width"}
    assert set(table.loc[table["sweep"] == "gate", "gate"]) == {"logistic", "negative", "additive"}
    assert (table[["ms/step", "speed-up", "gathers/step", "of roofline"]] > 0).all(axis=None)
    assert (tmp_path / "bench_sleep.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.long
def test_bench_peers():
    """Where cc is installed, its sleep is the kernel's: the script checks that itself."""
    printed = run("bench_peers.py", "--hidden", "30", "--rounds", "1")
    assert ("784-" not in printed) and ("C " in printed or "cc is not installed" in printed)


@pytest.mark.long
def test_bench_peers_without_a_compiler(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert "cc is not installed: left out" in run("bench_peers.py", "--hidden", "30")


@pytest.mark.long
def test_bench_training():
    printed = run("bench_training.py", "--hidden", "20", "--rounds", "1")
    assert "scikit-learn / ours" in printed


@pytest.mark.long
def test_bench_progress():
    printed = run("bench_progress.py", "--rounds", "1", "--hidden", "20")
    assert printed.count("times off") == 4


@pytest.mark.long
def test_bench_footprint():
    printed = run("bench_footprint.py", "--rounds", "1", "--hidden", "50")
    assert "first sleep" in printed and "peak memory of 10,000 steps" in printed
    assert "comparing networks, peak memory" in printed


@pytest.mark.long
def test_choose_controls(tmp_path):
    """Every point of a grid with every seed is in the table."""
    out = tmp_path / "controls.csv"
    arguments = ["--methods", "offset", "ridge", "--hidden", "10", "--seeds", "2", "--out", out]
    printed = run("choose_controls.py", *arguments)
    table = pd.read_csv(out)
    assert set(table["method"]) == {"offset", "ridge"} and set(table["seed"]) == {100, 101}
    assert table.groupby(["method", "options"])["seed"].nunique().eq(2).all()
    assert table["accuracy"].between(0, 100).all() and "{'by': 0.9}" in printed


@pytest.mark.long
def test_bench_runner():
    printed = run("bench_runner.py", "--rounds", "1", "--seeds", "1", "--hidden", "10")
    assert "cells/min" in printed and "1 × 1 thread" in printed


@pytest.mark.long
def test_bench_estimator(tmp_path):
    """Each learner on a stream, after each stage; then calls in a row."""
    arguments = ["--streams", "wine", "--seeds", "2", "--calls", "3", "--out", tmp_path]
    printed = run("bench_estimator.py", *arguments)
    results = pd.read_csv(tmp_path / "bench_estimator.csv")
    assert {"sleep", "no sleep", "naive Bayes", "LDA"} <= {*results["learner"]}
    assert (
        results.groupby(["learner", "seed"])["stage"].agg(list).map(lambda s: s == [1, 2, 3]).all()
    )
    assert results["accuracy"].between(0, 100).all()
    assert (tmp_path / "bench_estimator.md").read_text(encoding="utf-8") in printed
    assert "| 3 | 9 |" in printed  # sleeps of three calls after the first


@pytest.mark.long
def test_kill_and_resume():
    """It checks itself that nothing is lost or twice."""
    assert "srcnb experiment: killed 1 times" in run("kill_and_resume.py", "--kills", "1")


@pytest.mark.long
@pytest.mark.parametrize("arguments", [[], ["--lazy"]])
def test_search_targets(tmp_path, monkeypatch, capsys, arguments):
    """Some trials with tiny networks; the first is what there is."""
    pytest.importorskip("optuna")
    monkeypatch.syspath_prepend(BENCHMARKS)
    import search_targets

    tiny = ((("digits", (10,), 2, 0, 1.0), 0.0), (("digits", (8, 8), 5, 1, 3.0), 0.0))
    monkeypatch.setattr(search_targets, "NETWORKS", tiny)
    digits = search_targets.datasets.load("digits")
    monkeypatch.setattr(search_targets.datasets, "load", lambda name, folder: digits)
    study = str(tmp_path / "study.log")
    monkeypatch.setattr(sys, "argv", ["x", "--trials", "2", "--study", study, *arguments])
    search_targets.main()
    printed = capsys.readouterr().out
    name, value = ("gain", 3.0) if arguments else ("rho", 0.12)
    assert f"'{name}': {value}" in printed and printed.count(f"'{name}'") == 2


@pytest.mark.long
def test_bench_guests(tmp_path):
    """The smallest classifier, once; and a choice."""
    guest = ["--guests", "100, Adam, 20 calls", "--seeds", "1", "--out", tmp_path]
    printed = run("bench_guests.py", *guest)
    assert "one line, old / new" in printed
    results = pd.read_csv(tmp_path / "bench_guests.csv").set_index("condition")
    before, after = results.loc["before"], results.loc["one line"]
    assert after["old"] > before["old"] + 40 and after["new"] > before["new"] - 15
    assert "30 lowered" in run("bench_guests.py", "--choose", *guest)
