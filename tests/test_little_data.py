"""Little and unbalanced data: the samples, what sleeps and controls do, and what is compared."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import tiny

from srcnb import homeostasis, presets
from srcnb.experiments import EXPERIMENTS
from srcnb.experiments.cells import Cell
from srcnb.experiments.studies import little_data
from srcnb.experiments.studies.little_data import METHODS, NONE, Side, subset, with_noise
from srcnb.metrics import interval

CONDITION = {"network": "calibrated", "classes": "unbalanced", "share": 50}


def tiny_protocol(parallel_epochs=6):
    """The calibrated protocol with 12 units a layer."""
    protocol = tiny(replace(presets.calibrated(), cap=None))
    return replace(protocol, parallel_epochs=parallel_epochs)


@pytest.fixture
def few(toy_data):
    """The tasks of a cell on half of the toy data, unbalanced."""
    return little_data.tasks_of(Cell(CONDITION, 1), [toy_data], tiny_protocol())


def test_balanced_subset(toy_data):
    few = subset(toy_data, 0.2, "balanced", np.random.default_rng(0))
    assert np.bincount(few.y).tolist() == [6] * 6
    assert few.X_test is toy_data.X_test
    rows = {(tuple(x), c) for x, c in zip(toy_data.X, toy_data.y, strict=True)}
    mine = [(tuple(x), c) for x, c in zip(few.X, few.y, strict=True)]
    assert set(mine) <= rows and len(set(mine)) == len(mine)
    assert (np.diff(few.y) != 0).sum() > 6  # not class by class
    least = subset(toy_data, 0.001, "balanced", np.random.default_rng(0))
    assert np.bincount(least.y).tolist() == [3] * 6


def test_unbalanced_subset(toy_data):
    counts = [
        np.bincount(subset(toy_data, 0.4, "unbalanced", np.random.default_rng(s)).y) for s in (0, 1)
    ]
    expected = 10 ** -np.linspace(0, 1, 6)
    expected = np.minimum(np.maximum(np.round(72 * expected / expected.sum()), 3), 30)
    for count in counts:
        assert sorted(count, reverse=True) == expected.tolist()
    assert counts[0].tolist() != counts[1].tolist()


def test_a_third_is_held_out(toy_data, few):
    whole, split = few
    assert len(split.X) + len(split.X_test) == len(whole.X)
    assert len(split.X_test) == pytest.approx(len(whole.X) / 3, abs=1)
    assert len(whole.X_test) == len(toy_data.X_test)
    both = np.concatenate([split.X, split.X_test])
    assert {*map(tuple, both)} == {*map(tuple, whole.X)}


def test_noise_has_the_norm_of_the_change_in_each_layer(protocol, sequence):
    net = protocol.new_network(sequence, 0)
    after = net.copy()
    after.weights[0] += 0.1
    after.weights[2][0] -= 3
    noisy = with_noise(net, after, np.random.default_rng(0))
    for a, b, c in zip(net.weights, after.weights, noisy.weights, strict=True):
        assert np.linalg.norm(c - a) == pytest.approx(np.linalg.norm(b - a), rel=1e-4)
        assert c.dtype == a.dtype
    assert np.array_equal(noisy.weights[1], net.weights[1])
    assert not np.allclose(noisy.weights[0], after.weights[0])


def test_resampled_classes_are_as_large(few):
    whole = few[0]
    same = little_data.resampled(whole, np.random.default_rng(0))
    most = np.bincount(whole.y).max()
    assert np.bincount(same.y).tolist() == [most] * 6
    label = {tuple(x): c for x, c in zip(whole.X, whole.y, strict=True)}
    assert {*map(tuple, same.X)} == {*label}
    assert all(label[tuple(x)] == c for x, c in zip(same.X, same.y, strict=True))


def test_training_goes_on_as_if_it_had_not_stopped(few):
    protocol = tiny_protocol()
    side = Side(few[0], protocol, 2)
    early = side.trained(2)
    kept = [w.copy() for w in early.weights]
    in_parts = side.trained(5)
    net = protocol.new_network(few[:1], 2)
    net.fit(few[0].X, few[0].y, **{**protocol.training, "epochs": 5})
    for a, b, c, d in zip(early.weights, kept, in_parts.weights, net.weights, strict=True):
        assert np.array_equal(a, b) and np.array_equal(c, d)
    assert side.trained(2) is early
    assert side.trained(2, {"dropout": 0.5}).dropout == 0.5


@pytest.mark.slow
def test_methods_start_from_the_same_network_and_choose_by_what_is_held_out(few):
    protocol = tiny_protocol()
    rows = [*little_data.measure(Cell(CONDITION, 1), few, protocol)]
    got = {(row["epochs"], row["method"]): row["accuracy"] for row in rows}
    short = {method for epochs, method in got if epochs == 3}
    assert short == {*METHODS} - {"published sleep", "epochs, chosen", "regularised"}
    assert {method for epochs, method in got if epochs == 6} == {*METHODS} - {"published sleep"}
    assert {row["samples"] for row in rows} == {len(few[0].X)}
    side = Side(few[0], protocol, 1)

    def accuracy(net):
        return 100 * np.mean(net.predict(few[0].X_test) == few[0].y_test)

    for epochs in (3, 6):
        net = side.trained(epochs)
        assert got[epochs, NONE] == accuracy(net)
        slept = side.slept(epochs, 1)
        assert got[epochs, "sleep"] == accuracy(slept)
        assert got[epochs, "only training"] == accuracy(side.trained(epochs + 3))
        chosen = {row["method"]: row["chosen"] for row in rows if row["epochs"] == epochs}
        for method, start in (("homeostasis", net), ("sleep, homeostasis", slept)):
            keep = float(chosen[method].removeprefix("keep "))
            read = homeostasis(start, few[0].X, np.arange(6), keep, random_state=1)
            assert got[epochs, method] == accuracy(read)
    length = float(chosen["sleep, chosen"].removeprefix("length "))
    assert got[6, "sleep, chosen"] == accuracy(side.slept(6, length))
    n = int(chosen["epochs, chosen"].removeprefix("epochs "))
    assert n in (1, 6, 12) and got[6, "epochs, chosen"] == accuracy(side.trained(n))

    split = Side(few[1], protocol, 1)
    scores = [split.score(split.trained(n)) for n in (1, 6, 12)]
    [chosen] = [r["chosen"] for r in rows if r["method"] == "epochs, chosen"]
    assert chosen == f"epochs {(1, 6, 12)[int(np.argmax(scores))]}"
    [held_out] = [r["held_out"] for r in rows if r["method"] == "epochs, chosen"]
    assert held_out == 100 * max(scores)
    assert all(("held_out" in r) == (r["method"] != "noise") for r in rows)


def test_published_constants_are_for_images_only():
    protocol = little_data.protocol_of("mnist", {"network": "paper"})
    published = little_data.grids(protocol, 2, "mnist", "balanced")["published sleep"]
    assert [*published] == ["mnist", *little_data.LITTLE]
    assert {*published} <= {*presets.PAPER}
    assert protocol.hidden == presets.calibrated().hidden
    assert protocol.training == presets.paper().training
    assert "published sleep" not in little_data.grids(protocol, 2, "digits", "balanced")


def test_on_other_data_sets():
    for dataset in ("mnist", "fashion-mnist"):
        conditions = EXPERIMENTS["little-data"].on(dataset).conditions
        assert {c["share"] for c in conditions} == {0.5, 2, 10}
        assert {c["network"] for c in conditions} == {"calibrated", "paper"}
    assert {c["network"] for c in EXPERIMENTS["little-data"].conditions} == {"calibrated"}
    with pytest.raises(ValueError, match="dataset must be one of"):
        little_data.little_data("mine.csv")


def made_up():
    values = {
        NONE: (50, 60),
        "sleep": (51, 62),
        "sleep, homeostasis": (49, 64),
        "regularised": (50, 61),
        "noise": (90, 90),
    }
    rows = [
        {**CONDITION, "classes": "balanced", "seed": seed, "epochs": epochs, "method": method}
        | {"accuracy": accuracy + epochs, "held_out": None if method == "noise" else accuracy}
        for epochs in (3, 15)
        for method, accuracies in values.items()
        for seed, accuracy in enumerate(accuracies)
        if epochs == 15 or method != "regularised"
    ]
    return pd.DataFrame(rows)


def test_table_and_picture():
    results = made_up()
    short, long = little_data.table(results).to_dict("records")

    def text(*differences):
        low, high = interval(differences)
        return f"{np.mean(differences):+.1f} [{low:+.1f}, {high:+.1f}]"

    assert long == {
        "network": "calibrated",
        "classes": "balanced",
        "share": "50 %",
        "epochs": "15",
        NONE: "70.0 ± 7.1",
        "sleep": text(1, 2),
        "sleep, homeostasis": text(-1, 4),
        "regularised": text(0, 1),
        "noise": text(40, 30),
        "best sleep over best without": text(51 - 50, 64 - 61),
    }
    assert (short["epochs"], short["regularised"]) == ("3", "–")
    methods = ["sleep", "sleep, homeostasis"]
    top, bottom = little_data.picture(results).axes
    assert [t.get_text() for t in top.get_yticklabels()] == [*methods, "resampled", "noise"]
    assert [t.get_text() for t in bottom.get_yticklabels()] == [
        *(*methods, "regularised", "resampled", "noise")
    ]
    titles = [axes.get_title() for axes in (top, bottom)]
    assert titles == [f"50 %, balanced, {epochs} epochs" for epochs in (3, 15)]
