"""Capacity: what is measured before and after each sleep, its table and its picture."""

import pandas as pd
import pytest
from conftest import tiny_experiment

from srcnb import analysis
from srcnb.experiments import EXPERIMENTS
from srcnb.experiments.cells import Cell
from srcnb.experiments.runner import run_experiment
from srcnb.experiments.studies import capacity
from srcnb.experiments.studies.recover import run


def test_what_is_measured(sequence, protocol):
    cell = Cell({"protocol": "own", "change": "sleep"}, 3)
    rows = pd.DataFrame(capacity.measure(cell, sequence, protocol))
    assert [*zip(rows["stage"], rows["phase"], strict=True)][::3] == [
        (stage, phase) for stage in (1, 2, 3) for phase in ("train", "sleep")
    ]
    *_, (_, _, net) = run("sleep", sequence, protocol, 3)
    last = rows.iloc[-3:].set_index("layer")
    tidy = analysis.capacity(net, sequence)
    for layer, W in enumerate(net.weights, 1):
        assert last.loc[str(layer), "stable_rank"] == pytest.approx(
            analysis.stable_rank(W), abs=1e-3
        )
        of_layer = tidy[tidy["layer"] == layer].set_index("task")
        if layer < 3:
            old = of_layer.loc[[1, 2]]
            expected = {
                "components_current": of_layer.loc[3, "components"],
                "components_old": old["components"].mean(),
                "participation_old": old["participation"].mean(),
                "angle": old["angle"].mean(),
                "share_2_current": of_layer.loc[3, "share_2"],
            }
            for name, value in expected.items():
                assert last.loc[str(layer), name] == pytest.approx(value, abs=1e-3), name
    assert last.loc["3", "components_current":].isna().all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::srcnb.SilentLayerWarning")
@pytest.mark.filterwarnings("ignore::srcnb.RateWarning")
def test_a_tiny_run(tmp_path, tiny_source):
    assert EXPERIMENTS["capacity"].on("fashion-mnist").name == "capacity"
    experiment = tiny_experiment("capacity", slice(0, 2))
    results = run_experiment(experiment, tiny_source(experiment), tmp_path, seeds=2)
    table = experiment.table(results)
    assert {*table["measure"]} <= {*capacity.MEASURES.values()}
    figure = experiment.picture(results)
    assert len(figure.axes) == 6
    assert (tmp_path / "capacity.png").is_file()
