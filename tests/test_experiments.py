"""The published experiments together: each whole, with tiny networks and data."""

import pytest
from conftest import tiny_experiment

from srcnb.experiments import EXPERIMENTS
from srcnb.experiments.runner import run_experiment
from srcnb.experiments.studies import STUDIES


def test_names():
    """The names that docs/results has, and that users type."""
    assert set(EXPERIMENTS) == {
        *("mnist", "fashion-mnist", "mnist-replica", "cross-modal", "patches", "rehearsal"),
        *("icarl", "little-training", "single-sleep", "during-sleep", "cifar10", "cub200"),
        "any-network",
        "wide-network",
        *(study.name for study in STUDIES),
    }
    for name, experiment in EXPERIMENTS.items():
        assert experiment.name == name and experiment.summary
        assert len({tuple(c) for c in experiment.conditions}) == 1
        ten = name == "any-network" or experiment in STUDIES
        assert experiment.seeds == (10 if ten else 3 if name == "mnist-replica" else 5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::srcnb.SilentLayerWarning")
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment(name, tmp_path, tiny_source):
    """One seed: whole runs, finite figures, and a table."""
    # Of the long lists the first and the last, so that it stays quick.
    few = slice(None, None, max(1, len(EXPERIMENTS[name].conditions) - 1))
    experiment = tiny_experiment(name, few)
    source = tiny_source(experiment)
    results = run_experiment(experiment, source, tmp_path / "out", seeds=1)
    assert len(results.groupby([*experiment.conditions[0], "seed"])) == len(experiment.conditions)
    # Some studies have other measurements only.
    if "accuracy" in results or name not in [study.name for study in STUDIES]:
        assert results["accuracy"].between(0, 100).all()
    table = experiment.table(results)
    assert len(table) and not table.isna().all(axis=None)
