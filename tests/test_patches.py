"""Patches: the images, the training, and the one sleep."""

import numpy as np
import pandas as pd
import pytest

from srcnb import presets
from srcnb.experiments import EXPERIMENTS, patches
from srcnb.spiking.inputs import MeanInput

EXPERIMENT = EXPERIMENTS["patches"]


@pytest.mark.parametrize("overlap", [1, 17, 25])
def test_images(overlap):
    X = patches.images(overlap, np.random.default_rng(0))
    assert X.shape == (4, 100) and X.sum(axis=1).tolist() == [25] * 4
    for i in range(4):
        for j in range(i):
            assert X[i] @ X[j] == overlap
    assert not np.array_equal(X, patches.images(overlap, np.random.default_rng(1)))


def test_protocol():
    for condition in EXPERIMENT.conditions:
        protocol = EXPERIMENT.protocol(condition)
        assert protocol.hidden == () and protocol.cap is None and protocol.rank is None
        assert protocol.network == dict(output="softmax", init=0.01)
        assert protocol.training_at(1) == dict(
            epochs=4, batch_size=2, learning_rate=0.05, momentum=0.5, reset_momentum=False
        )
        assert protocol.training_at(2) == {**protocol.training, "epochs": condition["epochs"]}
        schedule = protocol.schedule
        assert schedule.constants is presets.PAPER["patches"]
        assert schedule.sleep_input is MeanInput
        with pytest.raises(TypeError):
            protocol.training["epochs"] = 77
        assert (schedule.n_steps(1), schedule.data, schedule.every) == (30000, "seen", 0)
    assert {c["epochs"] for c in EXPERIMENT.conditions} == {2, 4, 20}
    assert sorted({c["overlap"] for c in EXPERIMENT.conditions}) == list(range(1, 26, 2))


def test_one_sleep_of_all_four_images(record):
    seen = record("patches", epochs=20, overlap=17)
    assert [(fit.n, fit.epochs, fit.batch_size) for fit in seen.fits] == [(2, 4, 2), (2, 20, 2)]
    assert [fit.classes for fit in seen.fits] == [[0, 1], [2, 3]]
    [got] = seen.configs
    assert (got.n, got.config.n_steps) == (4, 30)
    assert [(row["after"], row["task"]) for row in seen.rows] == [
        (after, task) for after in ("task 1", "task 2", "sleep") for task in ("all", "1", "2")
    ]
    both = {(row["after"], row["task"]): row["accuracy"] for row in seen.rows}
    for after in ("task 1", "task 2", "sleep"):
        assert both[after, "all"] == (both[after, "1"] + both[after, "2"]) / 2


def test_seeds_differ(record):
    """Each seed has its own images and weights."""
    a, b = (record("patches", seed, epochs=2, overlap=5).fits[0] for seed in (0, 1))
    assert not np.array_equal(a.X, b.X)
    assert not np.array_equal(a.net.weights[0], b.net.weights[0])


def test_table(record):
    condition = dict(epochs=20, overlap=17)
    rows = [{**condition, "seed": 0, **row} for row in record("patches", **condition).rows]
    table = EXPERIMENT.table(pd.DataFrame(rows))
    assert table.columns.tolist() == ["epochs of task 2", "overlap", "task 1", "task 2", "sleep"]
