"""CIFAR10 and CUB200: features of another network, and what the source does with them."""

import numpy as np
import pytest
from conftest import changes

from srcnb import presets
from srcnb.experiments import EXPERIMENTS
from srcnb.spiking.inputs import MeanInput, SegmentInput


def test_cifar10s_protocol():
    base = presets.paper("cifar10")
    found = changes(EXPERIMENTS["cifar10"].protocol(dict(method="src")), base)
    segment = found.pop("sleep_input")
    assert (segment.func, segment.args) == (SegmentInput, (2048,))
    assert base.schedule.first_steps == 15000
    assert found == {
        "hidden": (1028, 256),
        "cap": None,
        "more_steps": 0,
        "data": "first",
        "network": {**base.network, "init": 0.05, "dropout": 0.2},
        "training": {**base.training, "epochs": 4},
        "parallel_epochs": None,
    }


def test_cifar10(record):
    seen = record("cifar10", method="src")
    # Divided by the largest training feature; the pairs of classes in a random order.
    assert max(fit.X.max() for fit in seen.fits) == 1
    orders = [[fit.classes for fit in record("cifar10", s, method="src").fits] for s in (0, 1)]
    assert orders[0] != orders[1] and sorted(orders[0]) == [[c, c + 1] for c in (0, 2, 4, 6, 8)]
    assert [got.n for got in seen.configs] == [4] * 5  # α from the first task's only
    # Of twelve features a segment of 2048 is all.
    assert seen.inputs[0].size == 12


@pytest.mark.parametrize("method", ["sequential", "src", "parallel"])
def test_cub200s_protocol(method):
    base = presets.paper("cub200")
    found = changes(EXPERIMENTS["cub200"].protocol(dict(method=method)), base)
    assert found.pop("sleep_input") is MeanInput
    # Task 2 of src is learnt at another rate; the source's baseline goes on at the first one.
    slower = {"later_training": {"learning_rate": 0.01}} if method == "src" else {}
    assert found == {
        "hidden": (350, 300),
        "cap": 2900,
        "first_steps": 5000,
        "more_steps": 0,
        "every": 0,
        "training": {**base.training, "epochs": 50},
        "parallel_epochs": None,
        **slower,
    }


def test_cub200(record, tiny_source):
    """Features as they are; one sleep, at the end, with the input of the mean feature."""
    seen = record("cub200", method="src")
    assert [fit.classes for fit in seen.fits] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert [fit.learning_rate for fit in seen.fits] == [0.1, 0.01]
    assert max(fit.X.max() for fit in seen.fits) > 3
    [got], [sleep_input] = seen.configs, seen.inputs
    assert got.n == 20  # not capped
    # Spikes come with probability 2·dt·max_rate·x, with x the mean feature.
    data = np.load(tiny_source(EXPERIMENTS["cub200"]).features_file)
    rate = sleep_input.draw(1, np.random.default_rng(0))[0] * got.config.max_rate
    np.testing.assert_allclose(rate, 32 * data["train_x"].mean(axis=0), rtol=1e-5)


def test_cub200_takes_random_samples_of_a_task(record):
    a, b = (record("cub200", seed, method="src").fits[0].X for seed in (0, 1))
    assert len(a) == 8 and not np.array_equal(np.sort(a, axis=0), np.sort(b, axis=0))
