"""The metrics of continual learning, by hand."""

import numpy as np
import pandas as pd
import pytest

from srcnb import metrics
from srcnb.experiments.comparison import COLUMNS


def table_of(accuracies, method="src", seed=0, phases=("train", "sleep")):
    """Results from {(stage, phase): accuracies of the tasks}."""
    rows = []
    for (stage, phase), values in accuracies.items():
        rows.append((method, seed, stage, phase, "all", float(np.mean(values))))
        for task, value in enumerate(values, 1):
            rows.append((method, seed, stage, phase, str(task), float(value)))
    return rows


def test_metrics_by_hand():
    rows = table_of(
        {
            (1, "train"): [100, 0, 0],
            (1, "sleep"): [90, 0, 0],
            (2, "train"): [30, 100, 0],
            (2, "sleep"): [60, 80, 0],
            (3, "train"): [0, 10, 99],
            (3, "sleep"): [50, 85, 60],
        }
    )
    rows += table_of({(3, "train"): [90, 96, 99]}, method="parallel")
    results = pd.DataFrame(rows, columns=COLUMNS)
    src = metrics.continual_metrics(results).loc[("src", 0)]
    assert src["accuracy"] == src["average_accuracy"] == 65
    assert src["forgetting"] == ((90 - 50) + (80 - 85)) / 2
    assert src["backward_transfer"] == ((50 - 90) + (85 - 80)) / 2
    parallel = metrics.continual_metrics(results).loc[("parallel", 0)]
    assert parallel["accuracy"] == 95 and np.isnan(parallel["forgetting"])


def test_forgetting_counts_from_the_best_stage():
    rows = table_of({(1, "train"): [70, 0, 0], (2, "train"): [80, 90, 0], (3, "train"): [20, 5, 9]})
    results = pd.DataFrame(rows, columns=COLUMNS)
    values = metrics.continual_metrics(results).loc[("src", 0)]
    assert values["forgetting"] == ((80 - 20) + (90 - 5)) / 2
    assert values["backward_transfer"] == ((20 - 70) + (5 - 90)) / 2


def test_summary_over_seeds():
    rows = []
    for seed, accuracy in enumerate((50, 60, 73)):
        rows += table_of({(1, "train"): [90, 0], (2, "train"): [accuracy] * 2}, seed=seed)
    table = metrics.summary(pd.DataFrame(rows, columns=COLUMNS))
    assert table.loc["src", ("accuracy", "mean")] == 61
    assert table.loc["src", ("accuracy", "sd")] == pytest.approx(np.std([50, 60, 73], ddof=1))
    assert table.loc["src", ("seeds", "")] == 3
    text = metrics.format_summary(table)
    assert text.loc["src", "accuracy"] == "61.0 ± 11.5"
    one = pd.DataFrame(rows[:6], columns=COLUMNS)
    assert metrics.format_summary(metrics.summary(one)).loc["src", "accuracy"] == "50.0"
