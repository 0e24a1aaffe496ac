import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.mark.slow
def test_bench_sleep_runs(monkeypatch):
    """Only that it runs and prints its columns: no test asserts a time."""
    monkeypatch.delenv("SRCNB_DATA", raising=False)
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "bench_sleep.py", "--hidden", "30"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "64-30-30-10" in done.stdout and "of roofline" in done.stdout


@pytest.mark.slow
def test_search_constants_runs(tmp_path):
    out = tmp_path / "search.csv"
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "search_constants.py", "--trials", "50", "--out", out],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert len(out.read_text().splitlines()) == 51
