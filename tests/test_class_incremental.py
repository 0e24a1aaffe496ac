"""The experiments of five tasks: what is learnt, in which order, and with which protocol."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import changes

from srcnb import datasets, presets
from srcnb.experiments import EXPERIMENTS
from srcnb.experiments.cells import Cell
from srcnb.experiments.class_incremental import shuffled_pairs

SEEN = [12, 24, 36, 48, 60]  # six images of each class; 8 of each task are trained on


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_papers_protocol(record, tiny_source, name):
    experiment = EXPERIMENTS[name]
    for condition in experiment.conditions:
        protocol = experiment.protocol(condition)
        assert changes(protocol, presets.paper(name)) == {}
    seen = record(name, method="src")
    assert [fit.n for fit in seen.fits] == [8] * 5
    assert [fit.classes for fit in seen.fits] == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    # Sleep input and α are of all samples of all tasks so far, not only of those trained on.
    assert [got.n for got in seen.configs] == SEEN
    assert [got.config.n_steps for got in seen.configs] == [30, 40, 50, 60, 70]
    images = datasets.load(name, tiny_source(experiment).data_dir).X
    np.testing.assert_allclose(seen.inputs[-1].mean, images.mean(axis=0), rtol=1e-5)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_upper_bound_has_all_samples_and_ten_epochs(record, name):
    [fit] = record(name, method="parallel").fits
    assert (fit.n, fit.epochs) == (60, 10)


def test_the_replicas_protocol(record):
    experiment = EXPERIMENTS["mnist-replica"]
    for condition in experiment.conditions:
        assert changes(experiment.protocol(condition), presets.replica()) == {}
    [fit] = record("mnist-replica", method="parallel").fits
    assert (fit.n, fit.epochs) == (60, 2)


def test_the_methods_of_each_table():
    methods = {name: [c.get("method") for c in e.conditions] for name, e in EXPERIMENTS.items()}
    baselines = ["sequential", "src", "parallel"]
    assert methods["fashion-mnist"] == baselines
    assert methods["mnist"][:3] == methods["mnist-replica"][:3] == baselines
    assert {"ewc+src", "si+src", "merging", "cheat"} < set(methods["mnist"])
    assert {"cheat-slip", "low-rank-concat"} < set(methods["mnist-replica"])


def test_shuffled_pairs():
    orders = [shuffled_pairs(9, seed) for seed in range(5)]
    for order in orders:
        assert sorted(order) == list(range(9))
        assert all(order[order.index(c) + 1] == c + 1 for c in (0, 2, 4, 6))
    assert len(set(orders)) > 1 and orders[0] == shuffled_pairs(9, 0)


@pytest.mark.parametrize("name", ["mnist", "icarl"])
def test_the_order_of_the_pairs(name, tiny_source):
    """As they are, or in an order of the seed."""
    experiment = EXPERIMENTS[name]
    data = experiment.data(tiny_source(experiment))
    protocol = replace(presets.paper(), cap=7)
    orders = []
    for seed in (0, 1):
        sequence = experiment.sequence(Cell({}, seed), data, protocol)
        assert {len(task.X) for task in sequence} == {7}
        assert {len(task.X_all) for task in sequence} == {12}
        orders.append([sorted(set(task.y_all.tolist())) for task in sequence])
        assert sorted(orders[-1]) == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    assert (orders[0] == orders[1]) == (name == "mnist")
    if name == "mnist":
        assert orders[0] == sorted(orders[0])


def test_table():
    rows = [
        (method, seed, 5, phase, task, accuracy + seed, 10 * (seed + 1))
        for method, phase, accuracy in (
            ("src", "train", 1),
            ("src", "sleep", 40),
            ("parallel", "train", 90),
        )
        for seed in (0, 1)
        for task in ("all", "1", "2", "5")
    ]
    columns = ["method", "seed", "stage", "phase", "task", "accuracy", "seconds"]
    table = EXPERIMENTS["mnist"].table(pd.DataFrame(rows, columns=columns))
    assert table.columns.tolist() == ["method", "all classes", "task 1", "task 5", "seconds"]
    assert table.loc[0].tolist() == ["src", *3 * ["40.5 ± 0.7"], "15"]
    assert table.loc[1, "all classes"] == "90.5 ± 0.7"
