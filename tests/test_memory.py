"""Rehearsal and iCaRL on MNIST: constants, what is learnt, and the tables."""

import pandas as pd
import pytest
from conftest import changes

from srcnb import presets
from srcnb.experiments import EXPERIMENTS
from srcnb.methods import icarl

REHEARSAL, ICARL = EXPERIMENTS["rehearsal"], EXPERIMENTS["icarl"]


def icarl_condition(memory=100, exemplars="herding", epochs=1, sleeps=True):
    return dict(memory=memory, exemplars=exemplars, epochs=epochs, sleeps=sleeps)


def test_rehearsals_protocol():
    """Constants of its own at 10 % only."""
    for condition in REHEARSAL.conditions:
        ten = condition["share"] == 0.1
        base = presets.paper("rehearsal-10-percent" if ten else "mnist")
        assert changes(REHEARSAL.protocol(condition), base) == {}
    assert [c["share"] for c in REHEARSAL.conditions[::2]] == [
        *(0.0, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
    ]


@pytest.mark.parametrize(
    ("share", "sizes"), [(0.0, [8] * 5), (0.5, [8, 14, 20, 26, 32]), (1.0, [8, 20, 32, 44, 56])]
)
def test_rehearsal(record, share, sizes):
    """A share of all earlier samples, also of those that were not trained on."""
    for sleeps in (False, True):
        seen = record("rehearsal", share=share, sleeps=sleeps)
        assert [fit.n for fit in seen.fits] == sizes
        assert len(seen.configs) == (5 if sleeps else 0)
        assert {row["stage"] for row in seen.rows} == {5}


@pytest.mark.parametrize("epochs", [1, 10])
@pytest.mark.parametrize(
    ("memory", "name"),
    [
        *((50, "50"), (51, "to-500"), (100, "to-500"), (500, "to-500")),
        *((501, "above-500"), (1000, "above-500"), (2000, "above-500")),
    ],
)
def test_icarls_protocol(memory, name, epochs):
    base = presets.paper(f"icarl-{name}")
    condition = icarl_condition(memory=memory, epochs=epochs)
    assert changes(ICARL.protocol(condition), base) == {
        "network": {**base.network, "output": "softmax"},
        "training": {**base.training, "epochs": epochs},
    }


def test_icarl_learns_the_pairs_in_a_random_order(record):
    orders = []
    for seed in range(3):
        known, new = set(), []
        for fit in record("icarl", seed, **icarl_condition()).fits:  # earlier classes as well
            new.append(sorted({*fit.classes} - known))
            known.update(fit.classes)
        assert sorted(new) == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
        orders.append(new)
    assert orders[0] != orders[1] and orders[1] != orders[2]


def test_icarl_measures_both_classifiers(record):
    rows = record("icarl", **icarl_condition(sleeps=False)).rows
    assert [(row["classifier"], row["phase"], row["task"]) for row in rows] == [
        (classifier, "train", task)
        for classifier in ("nearest_mean", "head")
        for task in ("all", *"12345")
    ]
    assert {row["stage"] for row in rows} == {5}


@pytest.mark.parametrize(("exemplars", "calls"), [("herding", True), ("random", False)])
def test_exemplars(record, monkeypatch, exemplars, calls):
    called = []
    herding = icarl.herding
    monkeypatch.setattr(icarl, "herding", lambda *args: called.append(1) or herding(*args))
    record("icarl", **icarl_condition(exemplars=exemplars))
    assert bool(called) == calls


def test_tables():
    rows = [
        (share, sleeps, seed, "all", 50 + 10 * seed + sleeps)
        for share in (0.0, 0.025)
        for sleeps in (False, True)
        for seed in (0, 1)
    ]
    results = pd.DataFrame(rows, columns=["share", "sleeps", "seed", "task", "accuracy"])
    table = REHEARSAL.table(results)
    assert table.columns.tolist() == ["rehearsed", "rehearsal", "rehearsal + src"]
    assert table.loc[1].tolist() == ["2.5 %", "55.0 ± 7.1", "56.0 ± 7.1"]
    results = pd.DataFrame(
        [
            {**icarl_condition(sleeps=sleeps), "classifier": c, "seed": 0, "task": "all"}
            | {"accuracy": accuracy}
            for sleeps, c, accuracy in (
                (False, "head", 1.0),
                (False, "nearest_mean", 2.0),
                (True, "head", 3.0),
                (True, "nearest_mean", 4.0),
            )
        ]
    )
    [row] = ICARL.table(results).to_dict("records")
    assert row["iCaRL, softmax head"] == "1.0" and row["iCaRL + src, nearest mean"] == "4.0"
