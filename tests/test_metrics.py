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


def whole():
    """Results of two methods with two seeds, three stages, with a sleep after the last two."""
    rows = []
    for method in ("src", "ewc"):
        for seed in (0, 1):
            stages = {
                (1, "train"): [90, 0, 0],
                (2, "train"): [20, 80, 0],
                (2, "sleep"): [50, 70, 0],
            }
            stages |= {(3, "train"): [0, 5 + seed, 99], (3, "sleep"): [40, 60, 80]}
            rows += table_of(stages, method=method, seed=seed)
    return pd.DataFrame(rows, columns=COLUMNS)


def test_in_time_puts_rows_in_order():
    results = whole()
    shuffled = results.sample(frac=1, random_state=3)
    ordered = metrics.in_time(shuffled)
    assert list(dict.fromkeys(ordered["method"])) == list(dict.fromkeys(shuffled["method"]))
    for _, run in ordered.groupby(["method", "seed"]):
        assert list(dict.fromkeys(zip(run["stage"], run["phase"], strict=True))) == [
            *((1, "train"), (2, "train"), (2, "sleep"), (3, "train"), (3, "sleep"))
        ]
    assert ordered.columns.tolist() == results.columns.tolist()
    assert sorted(ordered.index) == sorted(results.index)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_rows_is_nothing(seed):
    shuffled = whole().sample(frac=1, random_state=seed)
    expected = metrics.continual_metrics(whole())
    got = metrics.continual_metrics(shuffled).loc[expected.index]
    pd.testing.assert_frame_equal(got, expected)
    assert expected.loc[("src", 0), "forgetting"] == ((90 - 40) + (70 - 60)) / 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.drop(columns=["task", "seed"]), r"they lack \['seed', 'task'\]$"),
        (lambda r: r.assign(phase="nap"), "phase must be one of 'train', 'sleep'; got 'nap'"),
        (
            lambda r: pd.concat([r, r[6:7]]),
            "once; twice there is method src, seed 0, stage 2, phase train, task 2$",
        ),
        (
            lambda r: r[~((r["method"] == "ewc") & (r["stage"] == 2))],
            "results of ewc lack a stage, or the accuracy on all tasks",
        ),
        (lambda r: r[r["task"] != "all"], "results of src lack a stage, or the accuracy on all"),
        (
            lambda r: r.drop(index=13),
            "results of src, seed 0, stage 3, phase train lack task 1$",
        ),
        (
            lambda r: r[~((r["seed"] == 1) & (r["phase"] == "sleep") & (r["stage"] == 2))],
            "results of src, seed 1, stage 2, phase sleep lack task 1$",
        ),
    ],
)
def test_rows_that_are_missing_or_there_twice(change, message):
    with pytest.raises(ValueError, match=message):
        metrics.continual_metrics(change(whole()))


def test_one_task():
    """Nothing can be forgotten."""
    results = pd.DataFrame(table_of({(1, "train"): [70]}), columns=COLUMNS)
    [row] = metrics.continual_metrics(results).to_dict("records")
    assert (row["accuracy"], row["average_accuracy"]) == (70, 70)
    assert np.isnan(row["forgetting"]) and np.isnan(row["backward_transfer"])


def test_stage_table():
    table = metrics.stage_table(whole())
    assert table.columns.tolist() == [1, 2, 3]
    assert table.loc[("src", "train"), 1] == 30 and table.loc[("ewc", "sleep"), 3] == 60
    assert np.isnan(table.loc[("src", "sleep"), 1])


def test_summary_has_its_columns_in_order():
    table = metrics.summary(whole())
    names = ["accuracy", "average_accuracy", "forgetting", "backward_transfer"]
    assert table.columns.tolist() == [(n, k) for n in names for k in ("mean", "sd")] + [
        ("seeds", "")
    ]
    assert table.index.name == "method" and table.index.tolist() == ["src", "ewc"]
    text = metrics.format_summary(table)
    assert text.columns.tolist() == [*(n.replace("_", " ") for n in names), "seeds"]
    assert text.loc["src"].tolist() == ["60.0 ± 0.0"] * 2 + ["30.0 ± 0.0", "-30.0 ± 0.0", "2"]
