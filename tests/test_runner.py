"""The runner: an experiment's CSV and table, resumed and killed; methods compared."""

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

from srcnb import metrics, tasks
from srcnb.experiments import runner

TOY = """
import sys, time
import numpy as np
from srcnb.experiments import runner

def measure(condition, seed, source, protocol):
    rng = np.random.default_rng([seed, condition["a"]])
    for step in range(3):
        time.sleep({pause})
        yield dict(step=step, task="all", accuracy=100 * rng.random())

def table(results):
    return runner.mean_sd(results[results["step"] == 2], ["a"], [])

toy = runner.Experiment(
    "toy", "a toy", [dict(a=a, b="x, y") for a in range(4)], lambda c: None, measure, table, 3
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
    results, path, table = runner.run_experiment(toy(), runner.Source(), out=tmp_path)
    assert list(results.columns) == [
        *("experiment", "a", "b", "seed", "step", "task", "accuracy", "seconds")
    ]
    assert len(results) == 4 * 3 * 3
    pd.testing.assert_frame_equal(pd.read_csv(path), results)
    last = results[(results["step"] == 2) & (results["a"] == 1)]["accuracy"]
    assert f"| 1 | {last.mean():.1f} ± {last.std():.1f} |" in table.read_text(encoding="utf-8")


def test_seconds_are_those_of_each_condition_and_seed(tmp_path):
    pause = 0.02
    results, *_ = runner.run_experiment(toy(pause), runner.Source(), seeds=1, out=tmp_path)
    assert (results.groupby("a")["seconds"].nunique() == 1).all()
    assert (results["seconds"] >= 3 * pause).all()  # three rows, each after a pause
    rows = [
        (a, "x, y", seed, 1.5 + a + 10 * seed) for a in (0, 1) for seed in (0, 1) for _ in "abc"
    ]
    results = pd.DataFrame(rows, columns=["a", "b", "seed", "seconds"])
    assert runner.total_seconds(toy(), results) == 1.5 + 2.5 + 11.5 + 12.5


def test_resume_runs_only_what_is_missing(tmp_path):
    whole, *_ = runner.run_experiment(toy(), runner.Source(), out=tmp_path / "whole")
    runner.run_experiment(toy(), runner.Source(), seeds=1, out=tmp_path)
    ran = []

    def counting(condition, seed, source, protocol):
        ran.append((condition["a"], seed))
        return toy().measure(condition, seed, source, protocol)

    resumed, *_ = runner.run_experiment(
        replace(toy(), measure=counting), runner.Source(), out=tmp_path, resume=True
    )
    assert ran == [(a, seed) for seed in (1, 2) for a in range(4)]
    pd.testing.assert_frame_equal(without_time(resumed), without_time(whole))


def test_resume_fills_holes_in_order(tmp_path):
    """Conditions that came later stand where they would have, and more seeds stay."""
    whole, path, _ = runner.run_experiment(toy(), runner.Source(), out=tmp_path)
    whole[whole["a"] != 1].to_csv(path, index=False)
    resumed, *_ = runner.run_experiment(toy(), runner.Source(), seeds=2, out=tmp_path, resume=True)
    assert resumed["seed"].tolist() == [0] * 12 + [1] * 12 + [2] * 9
    expected = whole[(whole["seed"] < 2) | (whole["a"] != 1)].reset_index(drop=True)
    pd.testing.assert_frame_equal(without_time(resumed), without_time(expected))


def test_killed_in_the_middle(tmp_path):
    """kill -9, three times: no torn row, no duplicate, and at last the same results."""
    code = (
        TOY.format(pause=0.02)
        + SLOW_CSV
        + ("runner.run_experiment(toy, runner.Source(), out=sys.argv[1], resume=len(sys.argv) > 2)")
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
    resumed, *_ = runner.run_experiment(toy(), runner.Source(), out=tmp_path, resume=True)
    whole, *_ = runner.run_experiment(toy(), runner.Source(), out=tmp_path / "whole")
    pd.testing.assert_frame_equal(without_time(resumed), without_time(whole))


def damaged(tmp_path, change):
    """The message with which a CSV is refused after ``change(text)``."""
    _, path, _ = runner.run_experiment(toy(), runner.Source(), seeds=1, out=tmp_path)
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match="toy.csv") as error:
        runner.run_experiment(toy(), runner.Source(), out=tmp_path, resume=True)
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


def test_tidy_results(sequence, protocol):
    saved = []
    results = runner.compare_methods(
        sequence, protocol, ["src", "sequential", "parallel"], 2, saved.append
    )
    assert list(results.columns) == ["method", "seed", "stage", "phase", "task", "accuracy"]
    # 3 stages with sleep, 3 without, 1; of "all" and 3 tasks; with 2 seeds.
    assert len(results) == (6 + 3 + 1) * 4 * 2
    assert list(dict.fromkeys(results["method"])) == ["src", "sequential", "parallel"]
    src = results[(results["method"] == "src") & (results["seed"] == 1)]
    assert list(zip(src["stage"], src["phase"], src["task"], strict=True)) == [
        (stage, phase, task)
        for stage in (1, 2, 3)
        for phase in ("train", "sleep")
        for task in ("all", "1", "2", "3")
    ]
    assert set(results[results["method"] == "parallel"]["stage"]) == {3}
    assert results["accuracy"].between(0, 100).all()
    # Saved after each (method, seed), each time all of it.
    assert [len(df) for df in saved] == [24, 36, 40, 64, 76, 80]
    pd.testing.assert_frame_equal(saved[-1], results)
    # All tasks have ten test samples here, so that "all" is the mean of the tasks.
    wide = results.pivot(
        index=["method", "seed", "stage", "phase"], columns="task", values="accuracy"
    )
    np.testing.assert_allclose(wide["all"], wide[["1", "2", "3"]].mean(axis=1))


def test_runs_are_reproducible_and_seeds_differ(sequence, protocol):
    a = runner.compare_methods(sequence, protocol, ["src"], [3, 4])
    b = runner.compare_methods(sequence, protocol, ["src"], [4])
    one, other = (a[a["seed"] == seed].reset_index(drop=True) for seed in (3, 4))
    pd.testing.assert_frame_equal(other, b)
    assert not np.array_equal(one["accuracy"], other["accuracy"])


def test_methods_see_the_same_seeds(sequence, protocol):
    """Until its first sleep, src is sequential."""
    results = runner.compare_methods(sequence, protocol, ["sequential", "src"], 1)
    first = results[(results["stage"] == 1) & (results["phase"] == "train")]
    a, b = (first[first["method"] == m]["accuracy"].to_numpy() for m in ("sequential", "src"))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("every", "sleeps"), [(1, [1, 2, 3]), (2, [2]), (3, [3]), (0, [3])])
def test_sleep_schedule(sequence, protocol, every, sleeps):
    results = runner.compare_methods(
        sequence, replace(protocol, schedule=replace(protocol.schedule, every=every)), ["src"], 1
    )
    assert list(results[results["phase"] == "sleep"]["stage"].unique()) == sleeps


def test_learning_forgetting_and_the_upper_bound(easy_data, protocol):
    sequence = tasks.class_incremental(easy_data, groups=1)
    training = dict(epochs=20, batch_size=10, learning_rate=0.2, momentum=0.5)
    results = runner.compare_methods(
        sequence, replace(protocol, training=training), ["sequential", "parallel"], 2
    )
    table = metrics.summary(results)["accuracy", "mean"]
    assert table["sequential"] == pytest.approx(100 / 3)
    assert table["parallel"] > 95


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(methods=["magic"]), "methods.*'magic'"),
        (dict(methods=[]), "methods"),
        (dict(methods="src"), "methods.*'src'"),
        (dict(seeds=1.5), "seeds.*1.5"),
        (dict(methods=["src", "src"]), "methods.*once"),
        (dict(seeds=0), "seeds.*0"),
        (dict(seeds=[1, 1]), "seeds.*once"),
        (dict(seeds=[-1]), "seeds.*-1"),
        (dict(tasks=[]), "tasks.*empty"),
    ],
)
def test_bad_experiments(sequence, protocol, arguments, message):
    arguments = dict(tasks=sequence, protocol=protocol) | arguments
    with pytest.raises((ValueError, TypeError), match=message):
        runner.compare_methods(**arguments)


def test_an_error_on_the_way_names_method_and_seed(sequence, protocol):
    constants = replace(protocol.schedule.constants, inc=1e38, dec=0.0)
    protocol = replace(protocol, schedule=replace(protocol.schedule, constants=constants))
    with pytest.raises(OverflowError, match="src, seed 7: .*overflow"):
        runner.compare_methods(sequence, protocol, ["src"], [7])


def test_an_error_of_an_experiment_names_condition_and_seed(tmp_path):
    def measure(condition, seed, source, protocol):
        raise ValueError("too bad")

    broken = replace(toy(), measure=measure)
    with pytest.raises(ValueError, match="a 0, b x, y, seed 0: too bad"):
        runner.run_experiment(broken, runner.Source(), out=tmp_path)
    assert not list(tmp_path.iterdir())


class Constant:
    """A model that always says the same class."""

    def __init__(self, label):
        self.label = label

    def predict(self, X):
        return np.full(len(X), self.label)


def test_accuracies(sequence):
    """In percent of all samples, and of each task's: a class is half of its task here."""
    assert runner.accuracies(Constant(2), sequence) == {
        "all": pytest.approx(100 / 6),
        "1": 0,
        "2": 50,
        "3": 0,
    }
    # Tasks count by their samples in "all".
    fewer = [replace(sequence[0], X_test=sequence[0].X_test[:10], y_test=sequence[0].y_test[:10])]
    assert runner.accuracies(Constant(2), [*fewer, sequence[1]])["all"] == 40


def test_an_oracle_is_told_the_task(sequence):
    class Told(Constant):
        def predict_task(self, X, task):
            return task.y_test

    assert set(runner.accuracies(Told(0), sequence).values()) == {100.0}


def test_measurements_from_a_stage_on(sequence):
    checkpoints = [(1, "train", Constant(0)), (2, "train", Constant(1)), (2, "sleep", Constant(2))]
    rows = list(runner.measurements(checkpoints, sequence, first_stage=2))
    assert [(r["stage"], r["phase"], r["task"]) for r in rows] == [
        (2, phase, task) for phase in ("train", "sleep") for task in ("all", "1", "2", "3")
    ]
    assert rows[1]["accuracy"] == 50 and rows[6]["accuracy"] == 50 and rows[2]["accuracy"] == 0


def table(values):
    return pd.DataFrame(values, columns=["a", "b", "seed", "accuracy"])


def test_mean_sd():
    results = table(
        [(1, "x", 0, 10.0), (1, "x", 1, 20.0), (1, "y", 0, 5.0), (2, "y", 0, 7.0), (2, "y", 1, 7.0)]
    )
    wide = runner.mean_sd(results, ["a"], ["b"])
    assert wide.columns.tolist() == ["a", "x", "y"]
    assert wide.loc[0].tolist() == [1, "15.0 ± 7.1", "5.0 (n = 1)"]
    assert wide.loc[1, "y"] == "7.0 ± 0.0" and wide["x"].isna()[1]
    long = runner.mean_sd(results, ["a", "b"], [])
    assert long.columns.tolist() == ["a", "b", "accuracy"] and len(long) == 3
    with pytest.raises(ValueError, match=r"rows and columns must tell .* got \['a'\]"):
        runner.mean_sd(results, ["a"], [])


def test_to_markdown():
    text = runner.to_markdown(pd.DataFrame({"a": [1, 2], "b": ["x", np.nan]}))
    assert text == "| a | b |\n| --- | --- |\n| 1 | x |\n| 2 | – |\n"


def test_at_the_end():
    rows = [
        ("m", seed, task, 10 * seed + i) for seed in (0, 1) for i in (0, 1) for task in ("all", "1")
    ]
    results = pd.DataFrame(rows, columns=["method", "seed", "task", "accuracy"])
    assert runner.at_the_end(results, ["method"])["accuracy"].tolist() == [1, 11]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(seeds=0), "seeds must be at least 1, got 0"),
        (dict(source=runner.Source(features_file="x.npz")), "no use in toy, got 'x.npz'"),
        (dict(), "resume must be set to go on with .*toy.csv"),
    ],
)
def test_bad_arguments_of_an_experiment(tmp_path, arguments, message):
    (tmp_path / "toy.csv").write_text("a,b\n")
    with pytest.raises(ValueError, match=message):
        runner.run_experiment(toy(), **{"source": runner.Source(), "out": tmp_path, **arguments})
    assert (tmp_path / "toy.csv").read_text() == "a,b\n"


def test_an_experiment_that_needs_features(tmp_path):
    needy = replace(toy(), needs_features=True)
    with pytest.raises(ValueError, match="features_file must name .* for toy, got none"):
        runner.run_experiment(needy, runner.Source(), out=tmp_path)
    (tmp_path / "f.npz").write_bytes(b"one")
    source = runner.Source(features_file=str(tmp_path / "f.npz"))
    results, *_ = runner.run_experiment(needy, source, seeds=1, out=tmp_path / "out")
    assert set(results["features"]) == {"f.npz, crc32 7a6c86f1"}
    # Another file is not taken for this one.
    (tmp_path / "f.npz").write_bytes(b"two")
    with pytest.raises(ValueError, match="it is of features 'f.npz, crc32 7a6c86f1'"):
        runner.run_experiment(needy, source, seeds=1, out=tmp_path / "out", resume=True)
