"""A cell: measured alone, on one thread, from its arguments only."""

import pickle
from dataclasses import replace
from types import SimpleNamespace

import numba
import numpy as np
import pytest
from conftest import tiny_experiment
from threadpoolctl import threadpool_info

from srcnb import MLP
from srcnb.experiments import EXPERIMENTS, cells
from srcnb.experiments.cells import Cell, Source, accuracies, run_cell
from srcnb.experiments.studies import STUDIES as ALL_STUDIES
from srcnb.methods.base import Checkpoint

# They do other things in place of a sleep.
STUDIES = [study.name for study in ALL_STUDIES]


class Constant:
    """A model that always says the same class."""

    def __init__(self, label):
        self.label = label

    def predict(self, X):
        return np.full(len(X), self.label)


def test_accuracies(sequence):
    """In percent of all samples, and of each task's: a class is half of its task here."""
    assert accuracies(Constant(2), sequence) == {
        "all": pytest.approx(100 / 6),
        "1": 0,
        "2": 50,
        "3": 0,
    }
    # Tasks count by their samples in "all".
    fewer = [replace(sequence[0], X_test=sequence[0].X_test[:10], y_test=sequence[0].y_test[:10])]
    assert accuracies(Constant(2), [*fewer, sequence[1]])["all"] == 40


def test_an_oracle_is_told_the_task(sequence):
    class Told(Constant):
        def predict_task(self, X, task):
            return task.y_test

    assert set(accuracies(Told(0), sequence).values()) == {100.0}


def test_measurements_from_a_stage_on(sequence):
    checkpoints = [(1, "train", Constant(0)), (2, "train", Constant(1)), (2, "sleep", Constant(2))]
    rows = list(Cell({}, 0).measurements(checkpoints, sequence, first_stage=2))
    assert [(r["stage"], r["phase"], r["task"]) for r in rows] == [
        (2, phase, task) for phase in ("train", "sleep") for task in ("all", "1", "2", "3")
    ]
    assert rows[1]["accuracy"] == 50 and rows[6]["accuracy"] == 50 and rows[2]["accuracy"] == 0


def test_one_thread_inside_as_many_as_before_outside():
    before = numba.get_num_threads(), [pool["num_threads"] for pool in threadpool_info()]
    with cells.one_thread():
        assert numba.get_num_threads() == 1
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}
    assert before == (numba.get_num_threads(), [pool["num_threads"] for pool in threadpool_info()])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::srcnb.SilentLayerWarning")
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_cell_is_a_function_of_its_arguments(name, tiny_source):
    """The same from arguments that went through pickle, whatever ran before it."""
    experiment = tiny_experiment(name)
    source, condition = tiny_source(experiment), experiment.conditions[-1]
    one = run_cell(experiment, condition, 0, source)
    run_cell(experiment, experiment.conditions[0], 1, source)
    again = run_cell(*pickle.loads(pickle.dumps((experiment, condition, 0, source))))
    assert one.rows == again.rows and one.cell == again.cell
    assert one.seconds >= 0 and not one.networks


def test_data_are_read_once_in_a_row():
    read = []
    experiment = replace(EXPERIMENTS["patches"], data=lambda source: read.append(source) or [])
    assert cells.load(experiment.data, Source()) == []
    assert len(read) == 1  # what can't be pickled is read each time
    one, same = (cells.load(digits, Source()) for _ in range(2))
    assert one is same
    assert cells.load(digits, Source("elsewhere")) is not one


def changing(source):
    """The data of an experiment, from a file that may change."""
    from srcnb.datasets import Dataset

    X, y = np.loadtxt(source.features_file, ndmin=2), [0, 1]
    return [Dataset("changing", X, y, X, y, 2)]


def test_data_are_those_of_the_manifest(tmp_path):
    """What this process has read before is not used for other data; nor is what the file has."""
    source = Source(features_file=str(tmp_path / "x.txt"))
    hashes = []
    for value in (1, 2):
        np.savetxt(source.features_file, [[value], [value]])
        hashes.append([changing(source)[0].fingerprint()])
        assert cells.load(changing, source, hashes[-1])[0].X[0, 0] == value
    assert cells.load(changing, source, hashes[1]) is cells.load(changing, source, hashes[1])
    unpicklable = lambda source: changing(source)  # noqa: E731
    for data in (changing, unpicklable):
        with pytest.raises(ValueError, match=f"data 'changing' have sha256 {hashes[1][0]} in this"):
            cells.load(data, source, hashes[0])
        with pytest.raises(ValueError, match="data must be 0 data sets here, got 1"):
            cells.load(data, source, [])
    # A cell says so of itself.
    experiment = replace(EXPERIMENTS["patches"], data=changing)
    with pytest.raises(ValueError, match="overlap 1, seed 7: data 'changing' have sha256"):
        run_cell(experiment, dict(epochs=2, overlap=1), 7, source, False, hashes[0])


def test_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Source("a", "b/c.npz").absolute() == Source(f"{tmp_path}/a", f"{tmp_path}/b/c.npz")
    assert Source().absolute() == Source()


def digits(source):
    """The data of an experiment."""
    from srcnb import datasets

    return [datasets.load("digits")]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::srcnb.SilentLayerWarning")
@pytest.mark.parametrize("name", [n for n in EXPERIMENTS if n not in STUDIES])
def test_networks_and_sleeps_are_kept(name, tiny_source):
    """Before and after each sleep of any experiment; what was measured is as without.

    Studies do other things in place of a sleep.
    """
    experiment = tiny_experiment(name)
    condition = sleeping(experiment)
    source, protocol = tiny_source(experiment), experiment.protocol(condition)
    cell = Cell(condition, 3)
    sequence = experiment.sequence(cell, experiment.data(source), protocol)
    done = run_cell(experiment, condition, 3, source, save_networks=True)
    due = [k for k in range(1, len(sequence) + 1) if protocol.schedule.is_due(k, len(sequence))]
    assert sorted(done.networks) == [(k, phase) for k in due for phase in ("sleep", "train")]
    assert sorted(done.sleeps) == due
    assert done.rows == run_cell(experiment, condition, 3, source).rows


def test_networks_of_a_method_without_sleep_are_kept(tiny_source):
    """After each task; what a picture compares those with sleep with."""
    experiment = tiny_experiment("mnist")
    done = run_cell(
        experiment, {"method": "sequential"}, 3, tiny_source(experiment), save_networks=True
    )
    assert sorted(done.networks) == [(k, "train") for k in range(1, 6)]


def sleeping(experiment):
    """The first condition with a sleep."""
    return next(
        c for c in experiment.conditions if c.get("method", "src") == "src" and c.get("sleeps", 1)
    )


def test_a_model_without_a_network_keeps_none():
    net = MLP((4, 3, 2), random_state=0)
    cell = Cell({}, 0, {})
    for stage, model in enumerate([net, SimpleNamespace(net=net), SimpleNamespace(W=1)], 1):
        cell.keep(Checkpoint(stage, "train", model))
    assert [*cell.networks] == [(1, "train"), (2, "train")]


def test_networks_are_kept_without_momentum():
    net = MLP((40, 30, 2), bias=True, random_state=0)
    net.fit(np.ones((4, 40)), [0, 1, 0, 1], batch_size=2)
    kept = cells.weights_only(net)
    np.testing.assert_array_equal(kept.weights[0], net.weights[0])
    assert net.biases[0].any()
    np.testing.assert_array_equal(kept.biases[0], net.biases[0])
    assert kept.weights[0] is not net.weights[0]
    assert len(pickle.dumps(kept)) < 0.7 * len(pickle.dumps(net))


@pytest.mark.parametrize(
    ("error", "kind"),
    [(OverflowError, OverflowError), (UnicodeError, ValueError), (MemoryError, MemoryError)],
)
def test_errors_name_condition_and_seed(error, kind):
    def measure(cell, sequence, protocol):
        raise error("too bad")

    experiment = replace(EXPERIMENTS["patches"], measure=measure)
    with pytest.raises(kind, match="epochs 2, overlap 1, seed 7: (out of memory: )?too bad"):
        run_cell(experiment, dict(epochs=2, overlap=1), 7, Source())
