"""One sleep alone: after some tasks, followed step by step, and after little training."""

import numpy as np
import pandas as pd
import pytest
from conftest import changes, tiny_experiment

from srcnb import presets
from srcnb.experiments import EXPERIMENTS
from srcnb.experiments.cells import Cell, accuracies
from srcnb.experiments.one_sleep import is_measured
from srcnb.methods.baselines import sequential

SRC = dict(method="src")


def test_protocols():
    assert changes(EXPERIMENTS["single-sleep"].protocol(SRC), presets.paper()) == {}
    assert changes(EXPERIMENTS["during-sleep"].protocol(SRC), presets.paper()) == {
        "first_steps": 35000,
        "more_steps": 0,
        "every": 0,
    }
    for epochs in (10, 20, 40):
        base = presets.paper(f"little-training-{epochs}")
        assert changes(EXPERIMENTS["little-training"].protocol(dict(epochs=epochs)), base) == {
            "first_steps": 20000,
            "training": {**base.training, "epochs": epochs, "learning_rate": 0.01},
        }


@pytest.mark.parametrize("name", ["single-sleep", "during-sleep"])
def test_on_fashion_mnist(name, tiny_source):
    experiment = EXPERIMENTS[name].on("fashion-mnist")
    constants = experiment.protocol(SRC).schedule.constants
    assert constants is presets.PAPER["fashion-mnist"]
    assert [d.name for d in experiment.data(tiny_source(experiment))] == ["fashion-mnist"]
    assert [d.name for d in EXPERIMENTS[name].data(tiny_source(experiment))] == ["mnist"]


def test_single_sleep_is_after_sequential_training(record, tiny_source):
    """Each sleep is measured and dropped: the next task is learnt by the awake network."""
    seen = record("single-sleep", **SRC)
    experiment = tiny_experiment("single-sleep")
    protocol = experiment.protocol(SRC)
    data = experiment.data(tiny_source(experiment))
    sequence = experiment.sequence(Cell(SRC, 0), data, protocol)
    awake = [
        accuracy
        for checkpoint in sequential(sequence, protocol, 0)
        for accuracy in accuracies(checkpoint.model, sequence).values()
    ]
    assert [row["accuracy"] for row in seen.rows if row["phase"] == "train"] == awake
    assert [got.n for got in seen.configs] == [12, 24, 36, 48, 60]
    assert [got.config.n_steps for got in seen.configs] == [30, 40, 50, 60, 70]


def test_during_sleep_measures_before_it_as_well(record):
    seen = record("during-sleep", **SRC)
    assert {row["step"] for row in seen.rows} == {0, 20, 40, 60, 70}
    [got] = seen.configs  # one sleep, after all five tasks
    assert got.n == 60


def test_when_it_is_measured():
    steps = [step for step in range(0, 35001, 20) if is_measured(step)]
    assert steps[:7] == [0, 20, 40, 60, 80, 100, 200]
    assert np.diff(steps)[6:29].tolist() == [100] * 23 and steps[29:31] == [2500, 5000]
    assert steps[-1] == 35000 and len(steps) == 30 + 13


@pytest.mark.parametrize("epochs", [10, 20, 40])
def test_little_training(record, epochs):
    seen = record("little-training", epochs=epochs)
    [fit], [got] = seen.fits, seen.configs
    assert (fit.n, fit.epochs, fit.learning_rate) == (8, epochs, 0.01)
    assert got.n == 60  # α of all images
    assert [(row["phase"], row["images"]) for row in seen.rows] == [
        (phase, images) for phase in ("train", "sleep") for images in ("test", "training")
    ]


def test_tables(record):
    rows = [{**SRC, "seed": 0, **row} for row in record("single-sleep", **SRC).rows]
    table = EXPERIMENTS["single-sleep"].table(pd.DataFrame(rows))
    assert table.columns.tolist() == ["stage", "sleep", "all", *"12345"]
    assert table["sleep"].tolist() == ["before", "after"] * 5
    rows = [
        {**SRC, "seed": 0, "step": step, "task": "all", "accuracy": 50.0}
        for step in range(0, 5001, 20)
        if is_measured(step)
    ]
    table = EXPERIMENTS["during-sleep"].table(pd.DataFrame(rows))
    shown = [0, 20, 40, 60, 80, 100, 200, 300, 500, 1000, 1500, 2000, 2500, 5000]
    assert table["step"].tolist() == shown
    rows = [{"epochs": 10, "seed": 0, **r} for r in record("little-training", epochs=10).rows]
    table = EXPERIMENTS["little-training"].table(pd.DataFrame(rows))
    assert table.columns.tolist() == ["epochs", "images", "before sleep", "after sleep"]
