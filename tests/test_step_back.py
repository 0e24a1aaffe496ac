"""A step back after each sleep: what each condition does to which layer."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import changes, tiny

from srcnb import presets
from srcnb.experiments.any_network import KEEPS, read_outs
from srcnb.experiments.cells import Cell
from srcnb.experiments.studies.step_back import EXPERIMENT, LAYERS, measure, protocol_of
from srcnb.methods import src as module
from srcnb.methods.base import train_and_sleep

# Sleeps of tiny networks are too short for all layers to fire.
pytestmark = pytest.mark.filterwarnings("ignore::srcnb.SilentLayerWarning")


def test_conditions():
    seen = [(c["layers"], c["share"]) for c in EXPERIMENT.conditions]
    assert len(seen) == len(set(seen)) == 16
    assert {which for which, _ in seen} == {*LAYERS}
    on_mnist = [(c["layers"], c["share"]) for c in EXPERIMENT.on("mnist").conditions]
    assert on_mnist == [
        pair for pair in seen if pair[0] in ("both", "weaker sleep") and pair[1] != 0.75
    ]


def test_protocols():
    base = replace(presets.calibrated(), homeostasis=None)
    for condition in EXPERIMENT.conditions:
        got = changes(protocol_of("digits", condition), base)
        if condition["layers"] != "weaker sleep":
            assert got == {}
            continue
        budget = base.schedule.constants.budget
        assert [*got] == ["constants"]
        assert changes(got["constants"], base.schedule.constants) == {
            "budget": (1 - condition["share"]) * budget
        }


@pytest.mark.slow
@pytest.mark.parametrize("which", LAYERS)
def test_the_layers_that_step_back(which, sequence, monkeypatch):
    protocol = replace(tiny(presets.calibrated()), homeostasis=None)
    shares = []
    step = module._step_back
    monkeypatch.setattr(module, "_step_back", lambda s, by: shares.append(by) or step(s, by))
    cell = Cell({"layers": which, "share": 0.5}, 3)
    assert len([*measure(cell, sequence, protocol)]) == 1 + len(KEEPS)
    expected = {"both": [0.5] * 3, "first": [0.5, 0, 0], "second": [0, 0.5, 0]}
    assert shares == ([expected[which]] if which in expected else [])


def test_a_whole_step_back_is_no_sleep(sequence):
    protocol = replace(tiny(presets.calibrated()), homeostasis=None)
    got = [*measure(Cell({"layers": "both", "share": 1.0}, 3), sequence, protocol)]
    *_, last = train_and_sleep(sequence, protocol, 3, sleeps=False)
    assert got == [*read_outs(last.model, sequence[-1], sequence, 3)]


def test_the_table_and_the_picture():
    values = {("both", 0.0): (60, 80, 82), ("first", 0.5): (64, 70, 92), ("both", 1.0): (19, 9, 5)}
    results = pd.DataFrame(
        {"layers": which, "share": share, "seed": seed, "head": head, "accuracy": accuracy + seed}
        for (which, share), accuracies in values.items()
        for seed in (0, 1)
        for head, accuracy in zip(("own", "0.3", "0.1"), accuracies, strict=True)
    )
    rows = EXPERIMENT.table(results).to_dict("records")
    assert [row["λ"] for row in rows] == ["0", "0.5", "1"]
    # The sleep is read at the protocol's share, no sleep at the best one.
    assert [row["homeostasis"][:4] for row in rows] == ["80.5", "70.5", "9.5 "]
    assert [row["homeostasis over sleep"].split()[0] for row in rows] == ["–", "-10.0", "-71.0"]
    assert [row["own outputs over sleep"].split()[0] for row in rows] == ["–", "+4.0", "-41.0"]
    left, right = EXPERIMENT.picture(results).axes
    np.testing.assert_array_equal(left.lines[0].get_xdata(), [60, 61])
    np.testing.assert_array_equal(right.lines[0].get_xdata(), [80, 81])
