"""One set of numbers for any network: what is measured, and what its table compares."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

import srcnb
from srcnb import presets
from srcnb.experiments import EXPERIMENTS, any_network
from srcnb.experiments.any_network import KEEPS, METHODS, NETWORKS
from srcnb.experiments.cells import Cell
from srcnb.methods.base import train_and_sleep
from srcnb.methods.excitability import less_excitable
from srcnb.methods.lazy import lazy
from srcnb.metrics import interval


def cell(network, method):
    return Cell({"network": network, "method": method}, 3)


def measured(monkeypatch, sequence, network, method):
    """Accuracy by head of a tiny version of a network, on the toy data."""
    monkeypatch.setitem(NETWORKS, network, ((12, 12), *NETWORKS[network][1:]))
    one = cell(network, method)
    rows = [*any_network.measure(one, sequence, any_network.protocol_of(one.condition))]
    assert [row["head"] for row in rows] == ["own", *(f"{keep:g}" for keep in KEEPS)]
    return {row["head"]: row["accuracy"] for row in rows}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_network_is_measured_at_the_end(monkeypatch, sequence, method):
    got = measured(monkeypatch, sequence, "400-400", method)
    protocol = any_network.protocol_of({"network": "400-400"})
    run = {
        "sequential": partial(train_and_sleep, sleeps=False),
        "lazy": partial(lazy, keep=None),
        "less-excitable": partial(less_excitable, keep=None),
        "src": train_and_sleep,
    }[method]
    *_, checkpoint = run(sequence, protocol, 3)
    X, y = (np.concatenate([getattr(t, n) for t in sequence]) for n in ("X_test", "y_test"))
    assert got["own"] == 100 * np.mean(checkpoint.model.predict(X) == y)
    for keep in KEEPS:
        read = srcnb.homeostasis(
            checkpoint.model, sequence[-1].X, np.arange(6), keep, random_state=3
        )
        assert got[f"{keep:g}"] == 100 * np.mean(read.predict(X) == y)


@pytest.mark.slow
def test_a_classifier_of_scikit_learn_learns_and_sleeps(monkeypatch, sequence):
    name = "400-400, scikit-learn"
    awake = measured(monkeypatch, sequence, name, "sequential")
    slept = measured(monkeypatch, sequence, name, "src")
    again = measured(monkeypatch, sequence, name, "src")
    assert slept == again != awake
    assert max(awake.values()) > 100 / 6  # it learns


def test_protocols_and_tasks(toy_data):
    base = presets.calibrated()
    for name, (hidden, bias, classes, _) in NETWORKS.items():
        protocol = any_network.protocol_of({"network": name})
        assert (protocol.hidden, protocol.network["bias"]) == (hidden, bias)
        assert protocol.schedule == base.schedule and protocol.training == base.training
        made = any_network.tasks_of(cell(name, "src"), [toy_data], protocol)
        assert len(made) == 6 // classes
    for dataset in ("digits", "mnist", "fashion-mnist"):
        experiment = EXPERIMENTS["any-network"].on(dataset)
        assert {c["network"] for c in experiment.conditions} <= {*NETWORKS}
        assert {c["method"] for c in experiment.conditions} == {*METHODS}
    with pytest.raises(ValueError, match="dataset must be one of"):
        any_network.any_network("mine.csv")


def test_the_table_takes_the_best_share_for_controls_and_the_protocols_for_sleep():
    values = {
        "sequential": {"own": (19, 21), "0.1": (60, 64), "0.3": (50, 50)},
        "lazy": {"own": (1, 1), "0.1": (10, 10), "0.3": (70, 72)},
        "src": {"own": (1, 1), "0.1": (99, 99), "0.3": (80, 84)},
    }
    rows = [
        {"network": "100-100", "method": method, "head": head, "seed": seed, "accuracy": accuracy}
        for method, heads in values.items()
        for head, accuracies in heads.items()
        for seed, accuracy in enumerate(accuracies)
    ]
    assert presets.calibrated().homeostasis == 0.3
    [row] = any_network.table(pd.DataFrame(rows)).to_dict("records")
    low, high = interval([10, 12])
    assert row == {
        "network": "100-100",
        "seeds": "2",
        "sequential": "20.0 ± 1.4",
        "homeostasis": "62.0 ± 2.8",
        "lazy": "71.0 ± 1.4",
        "src, own outputs": "1.0 ± 0.0",
        "src": "82.0 ± 2.8",
        "src over homeostasis": "+20.0 [+20.0, +20.0]",
        "src over lazy": f"+11.0 [{low:+.1f}, {high:+.1f}]",
    }
    first = pd.DataFrame([r for r in rows if r["method"] == "sequential" and r["seed"] == 0])
    [row] = any_network.table(first).to_dict("records")
    assert (row["sequential"], row["homeostasis"]) == ("19.0", "60.0")
