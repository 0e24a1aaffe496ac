"""`srcnb experiment`: the runner, and each experiment on data and networks small enough."""

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
from conftest import features_file, heed_sigint, images

from srcnb import cli, datasets, protocols, sleep
from srcnb.experiments import EXPERIMENTS, runner
from srcnb.methods import src

TOY = """
import sys, time
import numpy as np
from srcnb.experiments import runner

def run(condition, seed, source):
    rng = np.random.default_rng([seed, condition["a"]])
    for step in range(3):
        time.sleep({pause})
        yield dict(step=step, task="all", accuracy=100 * rng.random())

def table(results):
    return runner.mean_sd(results[results["step"] == 2], ["a"], [])

toy = runner.Experiment(
    "toy", "a toy", [dict(a=a, b="x, y") for a in range(4)], run, table, seeds=3
)
"""


# A kill falls into the middle of a write, unless it is a rename that makes it seen.
SLOW_CSV = """
import pandas as pd
to_csv = pd.DataFrame.to_csv

def slow(results, path, **options):
    text = to_csv(results, None, **options)
    with open(path, "w") as file:
        file.write(text[:-20])
        file.flush()
        time.sleep(0.05)
        file.write(text[-20:])

pd.DataFrame.to_csv = slow
"""


def toy(pause=0.0):
    namespace = {}
    exec(TOY.format(pause=pause), namespace)
    return namespace["toy"]


def without_time(results):
    return results.drop(columns="seconds")


def test_results_and_table(tmp_path):
    results, path, table = runner.run(toy(), runner.Source(), out=tmp_path)
    assert list(results.columns) == [
        *("experiment", "a", "b", "seed", "step", "task", "accuracy", "seconds")
    ]
    assert len(results) == 4 * 3 * 3
    pd.testing.assert_frame_equal(pd.read_csv(path), results)
    last = results[(results["step"] == 2) & (results["a"] == 1)]["accuracy"]
    assert f"| 1 | {last.mean():.1f} ± {last.std():.1f} |" in table.read_text(encoding="utf-8")
    assert runner.total_seconds(toy(), results) >= 0


def test_resume_runs_only_what_is_missing(tmp_path):
    whole, *_ = runner.run(toy(), runner.Source(), out=tmp_path / "whole")
    runner.run(toy(), runner.Source(), seeds=1, out=tmp_path)
    ran = []

    def counting(condition, seed, source):
        ran.append((condition["a"], seed))
        return toy().run(condition, seed, source)

    resumed, *_ = runner.run(
        replace(toy(), run=counting), runner.Source(), out=tmp_path, resume=True
    )
    assert ran == [(a, seed) for seed in (1, 2) for a in range(4)]
    pd.testing.assert_frame_equal(without_time(resumed), without_time(whole))


def test_resume_fills_holes_in_order(tmp_path):
    """Conditions that came later stand where they would have, and more seeds stay."""
    whole, path, _ = runner.run(toy(), runner.Source(), out=tmp_path)
    whole[whole["a"] != 1].to_csv(path, index=False)
    resumed, *_ = runner.run(toy(), runner.Source(), seeds=2, out=tmp_path, resume=True)
    assert resumed["seed"].tolist() == [0] * 12 + [1] * 12 + [2] * 9
    expected = whole[(whole["seed"] < 2) | (whole["a"] != 1)].reset_index(drop=True)
    pd.testing.assert_frame_equal(without_time(resumed), without_time(expected))


def test_killed_in_the_middle(tmp_path):
    """kill -9, three times: no torn row, no duplicate, and at last the same results."""
    code = (
        TOY.format(pause=0.02)
        + SLOW_CSV
        + ("runner.run(toy, runner.Source(), out=sys.argv[1], resume=len(sys.argv) > 2)")
    )
    path = tmp_path / "toy.csv"
    n_before = 0
    for _ in range(3):
        arguments = ["resume"] if path.exists() else []
        process = subprocess.Popen([sys.executable, "-c", code, tmp_path, *arguments])
        deadline = time.time() + 60
        while process.poll() is None and time.time() < deadline:
            if path.exists() and len(pd.read_csv(path)) > n_before:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.005)
        assert process.wait() == -signal.SIGKILL
        part = pd.read_csv(path)
        assert len(part) > n_before
        assert (part.groupby(["a", "seed"]).size() == 3).all()
        n_before = len(part)
    resumed, *_ = runner.run(toy(), runner.Source(), out=tmp_path, resume=True)
    whole, *_ = runner.run(toy(), runner.Source(), out=tmp_path / "whole")
    pd.testing.assert_frame_equal(without_time(resumed), without_time(whole))


def test_bad_input(tmp_path, capsys):
    runner.run(toy(), runner.Source(), seeds=1, out=tmp_path)
    with pytest.raises(ValueError, match=r"toy.csv is there already; --resume"):
        runner.run(toy(), runner.Source(), seeds=1, out=tmp_path)
    with pytest.raises(ValueError, match="--seeds must be at least 1, got 0"):
        runner.run(toy(), runner.Source(), seeds=0, out=tmp_path / "other")
    assert cli.main(["experiment", "nothing"]) == 2
    assert "NAME must be one of 'mnist'" in capsys.readouterr().err
    assert cli.main(["experiment", "cifar10", "--out", str(tmp_path)]) == 2
    assert "--features must name" in capsys.readouterr().err
    assert cli.main(["experiment", "patches", "--features", "x.npz", "--out", str(tmp_path)]) == 2
    assert "--features has no use in patches, got 'x.npz'" in capsys.readouterr().err


def damaged(tmp_path, change):
    """The message with which a CSV is refused after ``change(text)``."""
    _, path, _ = runner.run(toy(), runner.Source(), seeds=1, out=tmp_path)
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match="toy.csv") as error:
        runner.run(toy(), runner.Source(), out=tmp_path, resume=True)
    return str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "method,seed\nsrc,0\n", "must have columns"),
        (lambda text: "", "can't be resumed"),
        (lambda text: text.replace("toy", "other"), "it is of experiment 'other', not 'toy'"),
        (lambda text: text[: text.rindex(",")], "its line 13 is not whole"),
        (lambda text: text + text.splitlines()[-1] + "\n", "its line 14 is there twice"),
        (lambda text: re.sub(r",[0-9.]+,[0-9.]+\n$", ",5000,1\n", text), "line 13 has no accuracy"),
        (lambda text: re.sub(r",[0-9.]+,[0-9.]+\n$", ",abc,1\n", text), "line 13 has no accuracy"),
        (
            lambda text: text.replace('toy,3,"x, y",0', 'toy,3,"x, y",-4'),
            "line 11 has no whole seed",
        ),
        (lambda text: text.replace("toy,3,", "toy,8,"), "line 11 is of an unknown condition"),
        (
            lambda text: text + text.splitlines()[-1].replace('"x, y",0', '"x, y",1') + "\n",
            "rows are missing of a 3, b x, y, seed 1",
        ),
    ],
)
def test_damaged_results_are_not_resumed(tmp_path, change, message):
    assert message in damaged(tmp_path, change)


def test_list(capsys):
    assert cli.main(["experiment"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in EXPERIMENTS)


def save_mat(path, **arrays):
    from scipy.io import savemat

    savemat(path, arrays)


@pytest.mark.filterwarnings("ignore::srcnb.SilentLayerWarning")
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment(name, tmp_path, monkeypatch):
    """One seed, with tiny networks and data: whole runs, finite figures, and a table."""
    protocol_classes = protocols.torch_protocol, protocols.matlab_protocol

    def small(original):
        def make(*arguments):
            made = original(*arguments)
            slowly = {**made.training, "learning_rate": 0.01}
            return replace(made, hidden=(12, 12), cap=12, training=slowly)

        return make

    def nap(net, dream, config, *arguments, **options):
        return sleep(net, dream, replace(config, n_steps=30), *arguments, **options)

    monkeypatch.setattr(datasets, "load", lambda name, data_dir: images(name))
    for original in protocol_classes:
        monkeypatch.setattr(protocols, original.__name__, small(original))
    monkeypatch.setattr(protocols, "sleep", nap)
    monkeypatch.setattr(src, "fall_asleep", nap)
    experiment = EXPERIMENTS[name]
    features = features_file(tmp_path / "features.npz") if experiment.needs_features else None
    source = runner.Source(str(tmp_path), features)
    # Of the long lists the first, so that it stays quick.
    experiment = replace(experiment, conditions=experiment.conditions[:8])
    results, *_ = runner.run(experiment, source, seeds=1, out=tmp_path / "out")
    assert len(results.groupby([*experiment.conditions[0], "seed"])) == len(experiment.conditions)
    assert results["accuracy"].between(0, 100).all()
    table = experiment.table(results)
    assert len(table) and not table.isna().to_numpy().all()


@pytest.mark.parametrize(
    ("suffix", "save", "one_hot"),
    [(".npz", np.savez, False), (".mat", save_mat, False), (".mat", save_mat, True)],
)
def test_features(tmp_path, suffix, save, one_hot):
    data = datasets.load_features(
        features_file(tmp_path / f"few{suffix}", save=save, one_hot=one_hot)
    )
    assert (data.name, data.n_classes, data.X.dtype) == ("few", 10, np.float32)
    assert data.X.max() == 1 and data.X_test.max() == 1  # test features are cut
    assert 3 < data.scale < 8
    np.testing.assert_array_equal(data.y, np.repeat(np.arange(10), 2))
    np.testing.assert_array_equal(data.y, data.y_test)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(train_x=None), r"lacks \['train_x'\]"),
        (dict(train_x=-np.ones((20, 12))), "train_x of .* must not be negative, got -1"),
        (dict(train_x=np.zeros((20, 12))), "must hold a positive feature"),
        (dict(train_x=np.full((20, 12), np.nan)), "must be finite"),
        (dict(train_y=np.full(20, 7), test_y=np.full(20, 7)), "must start at 0 or 1, got 7"),
        (dict(train_y=np.full(20, 0.5)), "must be whole numbers, got 0.5"),
        (dict(train_y=np.ones((20, 10)), test_y=np.ones((20, 10))), "one-hot"),
        (dict(test_x=np.ones((20, 11))), "12 columns"),
        (dict(test_x=np.ones((0, 12))), r"test_x of .* must not be empty, got shape \(0, 12\)"),
        (dict(train_y=np.ones(5)), "train_y of .* a label for each of the 20 samples, got 5"),
        (dict(train_y=np.eye(10)[np.arange(20) % 10]), "both be numbers or both one-hot"),
    ],
)
def test_bad_features(tmp_path, change, message):
    path = features_file(tmp_path / "few.npz")
    arrays = {**dict(np.load(path)), **change}
    np.savez(path, **{name: a for name, a in arrays.items() if a is not None})
    with pytest.raises(ValueError, match=message):
        datasets.load_features(path)


def test_bad_features_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        datasets.load_features(tmp_path / "nowhere.npz")
    for name in ("torn.npz", "torn.mat", "few.csv"):
        (tmp_path / name).write_bytes(b"no features")
        with pytest.raises(ValueError, match=name):
            datasets.load_features(tmp_path / name)


@pytest.mark.skipif(os.name == "nt", reason="needs SIGINT")
def test_interrupted(tmp_path):
    """Ctrl-C: what is finished stays, and the program says how to go on."""
    code = TOY.format(pause=0.05) + (
        "from srcnb import cli, experiments\n"
        "experiments.EXPERIMENTS['toy'] = toy\n"
        "sys.exit(cli.main(['experiment', 'toy', '--out', sys.argv[1]]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_sigint,
    )
    while not (tmp_path / "toy.csv").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert "--resume" in process.communicate()[1]
    assert process.returncode == 130
