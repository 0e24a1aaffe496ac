"""Merging against sleep: what each condition's network is."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from srcnb import presets
from srcnb.experiments.cells import Cell
from srcnb.experiments.studies.merging_or_sleep import (
    EXPERIMENT,
    KEEPS,
    measure,
    network_at_end,
    slept,
)
from srcnb.methods import METHODS
from srcnb.methods.excitability import less_excitable
from srcnb.methods.merging import merging
from srcnb.protocol import SleepState

# Sleeps of tiny networks are too short for all layers to fire.
pytestmark = pytest.mark.filterwarnings("ignore::srcnb.SilentLayerWarning")


@pytest.fixture
def protocol():
    return replace(presets.calibrated(), hidden=(12, 12), homeostasis=None)


def same(one, other):
    return all(np.array_equal(w, v) for w, v in zip(one.weights, other.weights, strict=True))


@pytest.mark.slow
def test_the_network_of_each_method(sequence, protocol, monkeypatch):
    slept_on = []
    sleep = SleepState.sleep

    def recording(state, net, *args, **options):
        slept_on.append(len(state.sleep_input._X))
        return sleep(state, net, *args, **options)

    monkeypatch.setattr(SleepState, "sleep", recording)
    nets, sizes = {}, {}
    for method in KEEPS:
        slept_on.clear()
        nets[method] = network_at_end(method, sequence, protocol, 3)
        sizes[method] = [*slept_on]
    n, per_task = len(sequence[0].X), protocol.schedule.per_task
    nine = [n] * per_task * len(sequence)
    assert sizes == {
        "sequential": [],
        "lazy": [],
        "less-excitable": [],
        "src": nine,
        "merging": [],
        "merging, then sleep": [n] * per_task,
        "merging, then sleep on all tasks": [3 * n] * per_task,
        "sleep, then merging": nine,
    }
    for name in ("sequential", "src", "merging"):
        *_, last = METHODS[name](sequence, protocol, 3)
        assert same(nets[name], last.model)
    *_, last = less_excitable(sequence, protocol, 3, keep=None)
    assert same(nets["less-excitable"], last.model)
    *_, last = merging(sequence, protocol, 3, sleeps=True)
    assert same(nets["sleep, then merging"], last.model)
    merged = nets["merging"]
    assert same(nets["merging, then sleep"], slept(merged, sequence[-1].X, protocol, 3))
    assert not same(nets["merging, then sleep"], merged)


@pytest.mark.slow
def test_measured_and_in_a_table(sequence, protocol):
    rows = [
        {"method": method, "seed": seed, **row}
        for method in ("merging", "src")
        for seed in (0, 1)
        for row in measure(Cell({"method": method}, seed), sequence, protocol)
    ]
    results = pd.DataFrame(rows)
    merged, src = EXPERIMENT.table(results).to_dict("records")
    assert merged["homeostasis over merging"] == src["own outputs over src"] == "–"
    assert merged["own outputs over src"][0] in "+-"
    assert "sum" in merged["keeps of earlier tasks"] and src["keeps of earlier tasks"] == "nothing"
    axes = EXPERIMENT.picture(results).axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["merging", "src"]


def test_data_sets():
    for dataset, width in (("digits", 400), ("mnist", 1200), ("fashion-mnist", 1200)):
        experiment = EXPERIMENT.on(dataset)
        assert experiment.protocol({"method": "src"}).hidden == (width, width)
        missing = {c["method"] for c in EXPERIMENT.conditions} - {
            c["method"] for c in experiment.conditions
        }
        left_out = {"sequential", "merging, then sleep on all tasks"}
        assert missing == (set() if dataset == "digits" else left_out)
    with pytest.raises(ValueError, match="dataset must be one of"):
        EXPERIMENT.on("mine.csv")
