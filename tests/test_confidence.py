"""Confidence with and without sleep: what is trained, what is held out, and what is compared."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

import srcnb
from srcnb import metrics, presets
from srcnb.experiments import EXPERIMENTS
from srcnb.experiments.cells import Cell
from srcnb.experiments.studies import confidence
from srcnb.experiments.studies.confidence import FITS, TRAININGS, held_out
from srcnb.methods.base import train_and_sleep
from srcnb.metrics import interval

pytestmark = pytest.mark.filterwarnings("ignore::srcnb.SilentLayerWarning")


def tiny_protocol(training):
    """The protocol with 30 units a layer and fewer epochs; sleeps are as long as they are."""
    protocol = confidence.protocol_of("digits", {"training": training})
    return replace(protocol, hidden=(30, 30), parallel_epochs=3)


def measured(sequence, training):
    """{(sleep, fit): row} of a tiny cell."""
    cell = Cell({"training": training}, 4)
    rows = [*confidence.measure(cell, sequence, tiny_protocol(training))]
    return {(row["sleep"], row["fit"]): row for row in rows}


def test_protocols():
    base = presets.calibrated()
    joint, longer, continual = (
        confidence.protocol_of("mnist", {"training": training}) for training in TRAININGS
    )
    assert joint == continual == replace(base, cap=1000, homeostasis=None)
    assert longer.parallel_epochs == 4 * base.parallel_epochs
    assert longer.network["dropout"] == 0 != joint.network["dropout"]
    for dataset in ("mnist", "fashion-mnist"):
        assert EXPERIMENTS["confidence"].on(dataset).conditions == [
            {"training": training} for training in TRAININGS
        ]
    with pytest.raises(ValueError, match="dataset must be one of"):
        confidence.confidence("mine.csv")


def test_held_out_samples_follow_those_that_are_trained_on(sequence):
    X, y = held_out(sequence)
    assert len(X) == len(y) == 3 * 20  # of 60 samples 40 are trained on
    for i, task in enumerate(sequence):
        assert np.array_equal(X[20 * i : 20 * i + 20], task.X_all[40:60])
        assert np.array_equal(y[20 * i : 20 * i + 20], task.y_all[40:60])
    [task] = held_out([replace(sequence[0], X=sequence[0].X[:10])])[:1]
    assert np.array_equal(task, sequence[0].X_all[10:15])  # half as many


def test_joint_training_is_measured(sequence):
    got = measured(sequence, "joint")
    sleeps = ["no sleep", "sleep", "sleep, chosen", "noise"]
    assert [*got] == [(sleep, fit) for sleep in sleeps for fit in ("none", "all tasks")]
    for sleep in sleeps:  # a temperature changes no prediction
        one, fitted = got[sleep, "none"], got[sleep, "all tasks"]
        assert one["accuracy"] == fitted["accuracy"]
        assert one["temperature"] == 1 != fitted["temperature"]
    assert len({got[sleep, "none"]["brier"] for sleep in ("no sleep", "sleep", "noise")}) == 3


@pytest.mark.slow
def test_continual_training_by_hand(sequence):
    got = measured(sequence, "continual")
    names = [f"{s}{h}" for s in ("no sleep", "sleep") for h in ("", ", homeostasis")]
    assert [*got] == [(name, fit) for name in (*names, "lazy, homeostasis") for fit in FITS]
    assert got["no sleep", "none"]["brier"] != got["sleep", "none"]["brier"]
    protocol = tiny_protocol("continual")
    X, y = (np.concatenate([getattr(t, n) for t in sequence]) for n in ("X_test", "y_test"))
    for sleep in (False, True):
        *_, last = train_and_sleep(sequence, protocol, 4, sleeps=sleep)
        name = "sleep" if sleep else "no sleep"
        keep = presets.calibrated().homeostasis
        corrected = srcnb.homeostasis(
            last.model, sequence[-1].X, np.arange(6), keep, random_state=4
        )
        for net, what in ((last.model, name), (corrected, f"{name}, homeostasis")):
            for fit, tasks in (("last task", sequence[-1:]), ("all tasks", sequence)):
                X_out, y_out = held_out(tasks)
                t = metrics.fit_temperature(net.logits(X_out), y_out)
                p = softmax(net.logits(X).astype(float) / t, axis=1)
                row = got[what, fit]
                assert row["temperature"] == t
                assert row["accuracy"] == 100 * np.mean(net.predict(X) == y)
                assert row["brier"] == pytest.approx(metrics.brier_score(p, y))
                assert row["ece"] == pytest.approx(metrics.calibration_error(p, y))
                assert row["entropy"] == pytest.approx(metrics.entropy(p))


def test_joint_training_sees_no_sample_that_is_held_out(sequence):
    nets = dict(confidence.joint(sequence, tiny_protocol("joint"), 0))
    blank = [replace(t, X_all=np.concatenate([t.X, 0 * t.X_all[len(t.X) :]])) for t in sequence]
    again = dict(confidence.joint(blank, tiny_protocol("joint"), 0))
    for name in ("no sleep", "sleep", "noise"):
        for a, b in zip(nets[name].weights, again[name].weights, strict=True):
            assert np.array_equal(a, b)


def made_up():
    briers = {
        ("no sleep", "none"): (0.5, 0.52),
        ("sleep", "none"): (0.48, 0.5),
        ("no sleep, homeostasis", "none"): (0.3, 0.3),
        ("sleep, homeostasis", "none"): (0.2, 0.22),
        ("lazy, homeostasis", "none"): (0.24, 0.24),
        ("no sleep", "all tasks"): (0.4, 0.4),
    }
    rows = [
        {"training": "continual", "seed": seed, "sleep": sleep, "fit": fit, "brier": brier}
        | {"temperature": 1 + seed, "accuracy": 60 + seed, "ece": 0.1, "entropy": 1.5}
        for (sleep, fit), values in briers.items()
        for seed, brier in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_table_and_picture():
    results = made_up()
    table = confidence.table(results).set_index(["temperature fitted on", "sleep"])
    none = table.loc["none", "no sleep"]
    assert (none["Brier (×100)"], none["ECE (%)"]) == ("51.0 ± 1.4", "10.0 ± 0.0")
    assert (none["temperature"], none["entropy (bits)"]) == ("1.50", "1.50 ± 0.00")
    assert none["Brier, to no sleep"] == "–" == none["Brier, to lazy"]
    assert table.loc[("none", "sleep"), "Brier, to no sleep"] == "-2.0 [-2.0, -2.0]"
    slept = table.loc["none", "sleep, homeostasis"]
    for column, differences in (("no sleep", (-10, -8)), ("lazy", (-4, -2))):
        low, high = interval(differences)
        expected = f"{np.mean(differences):+.1f} [{low:+.1f}, {high:+.1f}]"
        assert slept[f"Brier, to {column}"] == expected
    assert results["brier"].max() < 1  # left as it was
    brier, ece = confidence.picture(results).axes
    assert (brier.get_xlabel(), ece.get_xlabel()) == ("Brier (×100)", "ECE (%)")
    assert brier.get_yticklabels()[-1].get_text() == "no sleep, T"
