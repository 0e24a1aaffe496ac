"""What hidden layers know, and what a sleep changes in them: what is measured, and the tables."""

import numpy as np
import pandas as pd
import pytest
from conftest import tiny_experiment

from srcnb import analysis
from srcnb.experiments import EXPERIMENTS
from srcnb.experiments.cells import Cell, accuracies
from srcnb.experiments.runner import run_experiment
from srcnb.experiments.studies import recover_probes
from srcnb.experiments.studies.recover import run
from srcnb.experiments.studies.recover_probes import MEASURES, table_of_measures, table_probes


def cell(change, protocol="own"):
    return Cell({"protocol": protocol, "change": change}, 3)


def test_probes_before_and_after_the_last_sleep(sequence, protocol):
    rows = pd.DataFrame(recover_probes.measure_probes(cell("sleep"), sequence, protocol))
    assert len(rows) == 2 * 2 * 3 * 3
    *_, before, after = run("sleep", sequence, protocol, 3)
    for moment, net in (("before", before.model), ("after", after.model)):
        for layer, probe, classifier in analysis.probes(net, sequence):
            chosen = rows[
                (rows["moment"] == moment) & (rows["layer"] == layer) & (rows["probe"] == probe)
            ].set_index("classes")["accuracy"]
            assert chosen["all"] == accuracies(classifier, sequence)["all"]
            assert chosen["old"] == accuracies(classifier, sequence[:2])["all"]
            assert chosen["new"] == accuracies(classifier, sequence[2:])["all"]
    untrained = pd.DataFrame(recover_probes.measure_probes(cell("untrained"), sequence, protocol))
    assert {*untrained["moment"]} == {"before"}


def test_what_is_measured_of_hidden_layers(sequence, protocol):
    rows = pd.DataFrame(recover_probes.measure_hidden(cell("sleep"), sequence, protocol))
    assert [*rows["stage"].unique()] == [2, 3] and {*rows["phase"]} == {"train", "sleep"}
    # Copies, as they train on.
    run_again = run("sleep", sequence, protocol, 3)
    nets = {(stage, phase): net.copy() for stage, phase, net in run_again}
    net = nets[3, "sleep"]

    def mean(net, c):
        task = sequence[c // 2]
        return net.activations(task.X_test[task.y_test == c])[0].mean(axis=0)

    last = rows[(rows["stage"] == 3) & (rows["phase"] == "sleep")].set_index("layer")
    pairs = [analysis.cosine(mean(net, a), mean(net, b)) for a in range(4) for b in (4, 5)]
    assert last.loc["1", "overlap"] == pytest.approx(100 * np.mean(pairs))
    kept = [analysis.cosine(mean(net, c), mean(nets[c // 2 + 1, "sleep"], c)) for c in range(4)]
    assert last.loc["1", "kept"] == pytest.approx(100 * np.mean(kept))
    a = net.activations(np.concatenate([t.X_test for t in sequence[:2]]))[0]
    assert last.loc["1", "active_old"] == pytest.approx(100 * (a > 0).mean())
    a = net.activations(sequence[2].X_test)[0]
    assert last.loc["1", "active_current"] == pytest.approx(100 * (a > 0).mean())
    ranks = 100 * analysis.ranking(net, sequence)
    assert last.loc["outputs", "ranking_old"] == pytest.approx(ranks[:4].mean())
    assert last.loc["outputs", "ranking_current"] == pytest.approx(ranks[4:].mean())


def test_the_table_of_measures():
    values = {  # before and after, of two seeds
        "none": ((50, 50), (60, 60)),
        "lazy": ((70, None), (72, None)),
        "sleep": ((40, 45), (42, 49)),
    }
    made = [
        {"protocol": "own", "change": change, "seed": seed, "stage": stage, "phase": phase}
        | {"layer": "1", "overlap": value + (0 if stage == 5 else 7)}
        for change, of_seeds in values.items()
        for seed, pair in enumerate(of_seeds)
        for phase, value in zip(("train", "sleep"), pair, strict=True)
        for stage in (4, 5)
        if value is not None
    ]
    results = pd.DataFrame(made).assign(**{m: np.nan for m in MEASURES if m != "overlap"})
    [row] = table_of_measures(MEASURES, results).to_dict("records")
    assert row["measure"] == MEASURES["overlap"]
    assert (row["none"], row["lazy"], row["sleep"]) == ("55.0 ± 7.1", "71.0 ± 1.4", "47.0 ± 2.8")
    assert row["last sleep, after – before"].startswith("+6.0 [")
    assert row["sleep – none"].startswith("-8.0 [")
    assert "sleep – shuffled" not in row


def test_the_table_of_probes():
    made = [
        {"protocol": "own", "change": change, "seed": seed, "moment": moment, "layer": 1}
        | {"probe": "ridge", "classes": classes, "accuracy": accuracy + seed * (moment == "after")}
        for change, moment, accuracy in (
            ("untrained", "before", 80),
            ("sleep", "before", 70),
            ("sleep", "after", 75),
        )
        for classes in ("all", "old", "new")
        for seed in (0, 1)
    ]
    table = table_probes(pd.DataFrame(made)).set_index("change")
    assert table.loc["untrained", ["before", "after", "after – before, old"]].tolist() == [
        "80.0 ± 0.0",
        "–",
        "–",
    ]
    assert table.loc["sleep", "after"] == "75.5 ± 0.7"
    assert table.loc["sleep", "after – before, new"].startswith("+5.5 [")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::srcnb.SilentLayerWarning")
@pytest.mark.filterwarnings("ignore::srcnb.RateWarning")
@pytest.mark.parametrize("name", ["recover-probes", "recover-hidden"])
def test_tiny_runs(name, tmp_path, tiny_source):
    on_mnist = EXPERIMENTS[name].on("mnist")
    digits = EXPERIMENTS[name].conditions
    assert on_mnist.name == name
    assert on_mnist.conditions == [c for c in digits if c["protocol"] == "calibrated"]
    assert len(on_mnist.conditions) < len(digits)
    experiment = tiny_experiment(name, slice(0, 3))
    results = run_experiment(experiment, tiny_source(experiment), tmp_path, seeds=1)
    assert len(results.groupby("change")) == 3
