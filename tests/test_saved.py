"""A results folder opened: its networks, tasks and sleeps."""

import json
import shutil

import numpy as np
import pytest

from srcnb import datasets, load, output
from srcnb.experiments.saved import SavedRun, data_name


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


def test_what_is_saved(saved_run, digits):
    run = SavedRun(saved_run, digits)
    assert data_name(saved_run) == "digits"
    assert run.methods == ["sequential", "src", "parallel"] and run.slept() == ["src"]
    assert run.seeds("src") == [0, 1] and run.stages("src", 1) == [1, 2]
    # Of a method that never sleeps, the network after each task.
    assert run.saved("sequential", 0) == [(1, "train"), (2, "train")]
    assert run.saved("parallel", 0) == [(2, "train")] and run.stages("sequential", 0) == []
    assert run.classes(2) == [5, 6, 7, 8, 9] and set(run.results["task"]) == {"all", "1", "2"}
    path = saved_run / "results.cells" / "method=src,seed=1,stage=2,sleep.npz"
    np.testing.assert_array_equal(run.net("src", 1, 2, "sleep").weights[0], load(path).weights[0])
    slept = run.sleep("src", 1, 2)(record=True)
    np.testing.assert_array_equal(slept.net.weights[0], load(path).weights[0])
    assert slept.spikes is not None


def test_predictions_as_measured(saved_run, digits):
    run = SavedRun(saved_run, digits)
    net = run.net("src", 0, 1, "sleep")
    shown = run.as_measured(net, 1)
    X = run.tasks[0].X
    even = output.homeostasis(net, X, range(5), 0.3, random_state=0)  # as the protocol says
    np.testing.assert_array_equal(shown.weights[-1], even.weights[-1])
    run._protocol["homeostasis"] = None
    assert run.as_measured(net, 1) is net


def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_other_folders_are_refused(saved_run, digits, tmp_path):
    with pytest.raises(FileNotFoundError, match="folder must be one that srcnb run wrote"):
        data_name(tmp_path)
    with pytest.raises(ValueError, match="data must be those of .*fashion"):
        SavedRun(saved_run, datasets.Dataset("fashion", *[digits.X, digits.y] * 2, n_classes=10))
    with pytest.raises(TypeError, match="data must be a Dataset"):
        SavedRun(saved_run, None)
    copy = copied(saved_run, tmp_path)
    for path in (copy / "results.cells").glob("*sleep.npz"):
        path.unlink()
    with pytest.raises(ValueError, match="folder must have networks before and after a sleep"):
        SavedRun(copy, digits)
    manifest = copy / "results.cells" / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "sequence": "something else"}))
    with pytest.raises(ValueError, match="is no manifest of srcnb run"):
        data_name(copy)
    (copy / "results.csv").unlink()
    manifest.write_text(json.dumps(content))
    with pytest.raises(FileNotFoundError, match="results.csv"):
        SavedRun(copy, digits)


def test_another_method_is_refused(saved_run, digits):
    with pytest.raises(ValueError, match="method must be one of"):
        SavedRun(saved_run, digits).seeds("magic")


@pytest.mark.parametrize("text", ["", 'method,seed\n"src', "a,b\n1,2\n"])
def test_damaged_results_are_named(saved_run, digits, tmp_path, text):
    copy = copied(saved_run, tmp_path)
    (copy / "results.csv").write_text(text)
    with pytest.raises(ValueError, match=r"copy/results\.csv is damaged"):
        SavedRun(copy, digits)


@pytest.mark.parametrize(
    ("at", "message"),
    [
        (("magic", 0, 1, "train"), "method must be one of"),
        (("src", 7, 1, "train"), "seed must be one of 0, 1; got 7"),
        (("src", 0, 3, "train"), "stage must be one of 1, 2; got 3"),
        (("parallel", 0, 1, "train"), "stage must be one of 2; got 1"),
        (("src", 0, 1, "awake"), "phase must be one of 'train', 'sleep'; got 'awake'"),
    ],
)
def test_a_network_that_is_not_saved(saved_run, digits, at, message):
    with pytest.raises(ValueError, match=message):
        SavedRun(saved_run, digits).net(*at)


@pytest.mark.parametrize("stage", [0, 3])
def test_classes_of_no_stage(saved_run, digits, stage):
    with pytest.raises(ValueError, match="stage must be at"):
        SavedRun(saved_run, digits).classes(stage)
