"""srcnb tune: from the command line to a preset that srcnb run takes."""

import re
import shlex
import sys

import numpy as np
import pandas as pd
import pytest

from srcnb import cli
from srcnb.preset_files import load_preset

pytest.importorskip("optuna")


@pytest.fixture
def tune(toy_data, tmp_path):
    """Runs the command on toy data in a file; ``tune.out`` is its folder."""
    file = tmp_path / "toy.npz"
    parts = dict(X=toy_data.X, y=toy_data.y, X_test=toy_data.X_test, y_test=toy_data.y_test)
    np.savez(file, **parts)

    def run(*arguments):
        case = ["--dataset", file, "--hidden", 12, 12, "--out", run.out, "--jobs", 1]
        small = ["--trials", 1, "--seeds", 1, "--finalists", 1]
        return cli.main([*map(str, ["tune", *case, *small, *arguments])])

    run.file, run.out = file, tmp_path / "out"
    return run


@pytest.mark.slow
def test_tune_and_run(tune, tmp_path, capsys):
    """What it prints at the end is a command that runs the preset."""
    assert tune("--trials", 4, "--seeds", "3-5") == 0
    printed = capsys.readouterr().out
    trials = pd.read_csv(tune.out / "search.csv")
    assert len(trials) == 4 and set(trials["seeds"]) == {3}
    assert "toy: accuracy on held-out training data, in percent" in printed
    assert f"{trials['fresh'].max():.1f}" in printed
    assert re.search(r"what mattered: \w+ \d+%, ", printed)
    for name in ("preset.json", "search.csv", "search.png"):
        assert f"wrote {tune.out / name}" in printed
    assert (tune.out / "search.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    preset = load_preset(tune.out / "preset.json")
    assert preset.hidden == (12, 12) and preset.homeostasis is not None
    command = shlex.split(printed.splitlines()[-1])
    assert command[:2] == ["srcnb", "run"]
    results = tmp_path / "results"
    more = ["--methods", "src", "--seeds", "1", "--jobs", "1", "--out", str(results)]
    assert cli.main([*command[1:], *more]) == 0
    assert "toy, tuned protocol, 3 tasks" in capsys.readouterr().out
    assert set(pd.read_csv(results / "results.csv")["phase"]) == {"train", "sleep"}


@pytest.mark.filterwarnings("ignore::srcnb.SilentLayerWarning")
def test_the_command_has_the_column_the_tasks_and_the_folder(tune, toy_data, tmp_path, capsys):
    """Of a table, whose column of labels has a space in its name."""
    table = pd.DataFrame(toy_data.X).assign(**{"the kind": toy_data.y})
    table.to_csv(tmp_path / "toy.csv", index=False)
    case = ["--dataset", tmp_path / "toy.csv", "--target", "the kind", "--classes-per-task", 3]
    assert tune(*case, "--data-dir", tmp_path) == 0
    command = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert command[-2:] == ["--data-dir", str(tmp_path)]
    more = ["--methods", "src", "--seeds", "1", "--jobs", "1", "--out", str(tmp_path / "results")]
    assert cli.main([*command[1:], *more]) == 0
    assert "toy, tuned protocol, 2 tasks" in capsys.readouterr().out


@pytest.mark.slow
def test_resume(tune, capsys):
    assert tune() == 0
    assert tune("--trials", 2) == 2
    assert "--resume must be set to go on with the search in" in capsys.readouterr().err
    assert tune("--trials", 2, "--resume") == 0
    assert len(pd.read_csv(tune.out / "search.csv")) == 2
    assert tune("--resume", "--hidden", "13") == 2
    assert "can't be resumed: its protocol" in capsys.readouterr().err


@pytest.mark.slow
def test_without_homeostasis_and_from_a_preset(tune):
    """And a search may start from a preset file, which keeps its own."""
    assert tune("--no-homeostasis") == 0
    first = load_preset(tune.out / "preset.json")
    assert first.homeostasis is None
    tuned, tune.out = tune.out / "preset.json", tune.out.parent / "second"
    assert tune("--preset", tuned, "--no-homeostasis") == 0
    assert load_preset(tune.out / "preset.json").schedule == first.schedule


def test_interrupted(tune, capsys, monkeypatch):
    from srcnb import search_trials

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(search_trials, "_score", interrupt)
    assert tune() == 130
    assert "--resume goes on with what is finished" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trials", 0], "--trials must be at least 1, got 0"),
        (["--finalists", 0], "--finalists must be at least 1, got 0"),
        (["--jobs", 0], "--jobs must be at least 1, or -1"),
        (
            ["--preset", "matlab"],
            "--preset must be one of 'calibrated', 'own', 'replica', 'paper', or a .json file",
        ),
        (["--preset", "/nowhere.json"], "no such preset file: /nowhere.json"),
        (["--dataset", "x"], "--dataset must be one of"),
        (["--classes-per-task", 0], "--classes-per-task must be at least 1, got 0"),
    ],
)
def test_bad_arguments(tune, capsys, arguments, message):
    assert tune(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert not tune.out.exists()


def test_without_optuna(tune, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)  # as if it were not installed
    assert tune() == 2
    assert "needs Optuna: pip install 'srcnb[tune]'" in capsys.readouterr().err
    assert not tune.out.exists()
