"""The metrics of continual learning, by hand."""

import itertools
from pathlib import Path

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
    """Results of two methods with two seeds, three stages, with a sleep after each."""
    rows = []
    for method in ("src", "ewc"):
        for seed in (0, 1):
            stages = {
                (1, "train"): [90, 0, 0],
                (1, "sleep"): [90, 0, 0],
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
            *((1, "train"), (1, "sleep"), (2, "train"), (2, "sleep"), (3, "train"), (3, "sleep"))
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
        (
            lambda r: r.assign(phase="nap"),
            "phase of results must be one of 'train', 'sleep'; got 'nap'",
        ),
        (
            lambda r: pd.concat([r, r[10:11]]),
            "once; twice there is method src, seed 0, stage 2, phase train, task 2$",
        ),
        (
            lambda r: r[~((r["method"] == "ewc") & (r["stage"] == 2))],
            r"results of ewc must be measured .* 1 … 3, or at 3 only, .* got stages \[1, 3\]$",
        ),
        (lambda r: r[r["task"] != "all"], "must have the tasks 'all' .* they lack 'all', and have"),
        (
            lambda r: r.drop(index=17),
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


def only(method, **values):
    """A change: the rows of the method with these values are left out, in all seeds."""

    def change(results):
        out = results["method"] == method
        for column, value in values.items():
            out &= results[column] == value
        return results[~out]

    return change


def replaced(column, value, row=3):
    """A change: one value is another."""

    def change(results):
        results = results.astype({column: object})
        results.loc[row, column] = value
        return results

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (only("src", stage=1), r"results of src must be .* got stages \[2, 3\]$"),
        (only("src", stage=3), r"results of src must be .* got stages \[1, 2\]$"),
        (only("src", stage=2, phase="train"), r"results of src must be .* got stages \[1, 3\]$"),
        (
            only("src", stage=3, phase="sleep"),
            r"results of src must have a sleep after every k-th of the stages \[1, 2, 3\], or only"
            r" after the last; got sleeps after \[1, 2\]$",
        ),
        (only("src", stage=1, phase="sleep"), r"results of src .* got sleeps after \[2, 3\]$"),
        (only("src", stage=2, phase="sleep"), r"results of src .* got sleeps after \[1, 3\]$"),
        (only("src", task="2"), "results of src, seed 0, stage 1, phase train lack task 2$"),
        (
            lambda r: r[r["task"] != "1"],
            r"they lack '1', and have \['2', '3', 'all'\]$",
        ),
        (lambda r: r[r["task"] != "3"], r"1 … 2, .* as there are 2 tasks; got stages \[1, 2, 3\]$"),
        (lambda r: r[r["task"] == "all"], r"they lack '1', and have \['all'\]$"),
        (lambda r: r[:0], "results must hold at least one row"),
        (
            replaced("accuracy", np.nan),
            "accuracy of results must be a number .* got nan for method",
        ),
        (
            replaced("accuracy", 5000.0),
            r"accuracy of results must be a number in \[0, 100\], got 5000.0 for method src,"
            " seed 0, stage 1, phase train, task 3$",
        ),
        (replaced("accuracy", -0.1), "accuracy of results .* got -0.1"),
        (replaced("accuracy", "half"), "accuracy of results .* got half"),
        (replaced("stage", 1.5), "stage of results must be a whole number from 1 on, got 1.5"),
        (replaced("stage", 0), "stage of results .* got 0"),
        (replaced("stage", "two"), "stage of results .* got two"),
        (replaced("seed", np.nan), "seed of results must be a number, got nan"),
        (replaced("method", None), "method of results must be a name, got"),
        (replaced("task", None), "task of results must be 'all' or a number, got"),
        (replaced("task", "x"), r"they lack '4', and have \['1', '2', '3', 'all', 'x'\]$"),
        (lambda r: pd.concat([r, r[6:7]]), "must hold each measurement once"),
    ],
)
@pytest.mark.parametrize("function", [metrics.continual_metrics, metrics.stage_table])
def test_what_no_run_can_give(change, message, function):
    """Rows that are missing in all seeds, and values that are no accuracies."""
    with pytest.raises(ValueError, match=message):
        function(change(whole()))


def test_no_table():
    for value in (None, [], {"method": ["src"]}):
        with pytest.raises(TypeError, match="results must be a DataFrame of compare_methods, got"):
            metrics.stage_table(value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_tasks", "right"),
    [
        (1, [[], [1]]),
        (2, [[], [2], [1, 2]]),
        (5, [[], [1, 2, 3, 4, 5], [2, 4], [3], [4], [5]]),
        (6, [[], [1, 2, 3, 4, 5, 6], [2, 4, 6], [3, 6], [4], [5], [6]]),
    ],
)
def test_sleeps_are_what_some_schedule_gives(n_tasks, right):
    """Of all sets of stages, those that SleepSchedule.is_due gives for some ``every``."""
    stages = range(1, n_tasks + 1)
    for chosen in itertools.product((False, True), repeat=n_tasks):
        slept = [stage for stage, yes in zip(stages, chosen, strict=True) if yes]
        runs = {(stage, "train"): [50] * n_tasks for stage in stages}
        runs |= {(stage, "sleep"): [60] * n_tasks for stage in slept}
        results = pd.DataFrame(table_of(runs), columns=COLUMNS)
        if slept in right:
            assert len(metrics.in_time(results)) == len(results)
        else:
            with pytest.raises(ValueError, match="must have a sleep"):
                metrics.in_time(results)


def test_a_method_that_is_measured_once():
    """After all tasks, with a sleep or without, or after the first alone."""
    once = [50, 40, 30]
    for runs in (
        {(3, "train"): once},
        {(3, "train"): once, (3, "sleep"): once},
        {(1, "train"): once},
    ):
        [row] = metrics.continual_metrics(pd.DataFrame(table_of(runs), columns=COLUMNS)).to_numpy()
        assert row[:2].tolist() == [40, 40] and np.isnan(row[2:]).all()
    for runs in (
        {(2, "train"): once},
        {(1, "train"): once, (1, "sleep"): once},
        {(3, "train"): once, (2, "sleep"): once},
        {(3, "sleep"): once},
        {(4, "train"): once},
    ):
        with pytest.raises(ValueError, match="results of src must"):
            metrics.continual_metrics(pd.DataFrame(table_of(runs), columns=COLUMNS))


PUBLISHED = [
    path
    for path in sorted((Path(__file__).parent.parent / "docs/results").glob("*.csv"))
    if {*COLUMNS[1:]} <= {*pd.read_csv(path, nrows=0)}
]


@pytest.mark.slow
@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_published_results_are_whole(path):
    """A condition of other columns than "method" is a method too."""
    assert len(PUBLISHED) >= 7
    results = pd.read_csv(path)
    own = [c for c in results if c not in (*COLUMNS[1:], "experiment", "seconds")]
    results = results.assign(method=results[own].astype(str).agg(" ".join, axis=1))
    assert len(metrics.in_time(results)) == len(results)
    assert metrics.continual_metrics(results)["average_accuracy"].between(0, 100).all()
    assert metrics.stage_table(results).notna().any(axis=None)


def test_one_task():
    """Nothing can be forgotten."""
    results = pd.DataFrame(table_of({(1, "train"): [70]}), columns=COLUMNS)
    [row] = metrics.continual_metrics(results).to_dict("records")
    assert (row["accuracy"], row["average_accuracy"]) == (70, 70)
    assert np.isnan(row["forgetting"]) and np.isnan(row["backward_transfer"])


def test_stage_table():
    table = metrics.stage_table(whole())
    assert table.columns.tolist() == [1, 2, 3]
    # In the order of the results: a sleep is after its training.
    phases = [(method, phase) for method in ("src", "ewc") for phase in ("train", "sleep")]
    assert table.index.tolist() == phases
    assert table.loc[("src", "train"), 1] == 30 and table.loc[("ewc", "sleep"), 3] == 60
    last_only = only("ewc", stage=1, phase="sleep")(only("ewc", stage=2, phase="sleep")(whole()))
    table = metrics.stage_table(last_only)
    assert table.loc[("ewc", "sleep")].isna().tolist() == [True, True, False]


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


def test_the_interval_of_a_mean():
    """Student's t with 2 degrees of freedom has 4.3027 at 97.5 %."""
    low, high = metrics.interval([1.0, 2.0, 3.0])
    assert (low, high) == pytest.approx((2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), rel=1e-4)
    wide = metrics.interval([1.0, 2.0, 3.0], level=0.99)
    assert wide[0] < low and high < wide[1]
    assert metrics.interval([5, 5]) == (5, 5)
    for bad, message in (([1.0], "differences must be at least two"), ([1, np.nan], "differences")):
        with pytest.raises(ValueError, match=message):
            metrics.interval(bad)
    with pytest.raises(ValueError, match="level must be"):
        metrics.interval([1, 2], level=1)


P = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.5, 0.3, 0.2]])


def test_brier_score_by_hand():
    rows = (0.3**2 + 0.2**2 + 0.1**2, 0.1**2 + 0.2**2 + 0.1**2, 0.5**2 + 0.7**2 + 0.2**2)
    kept = P.copy()
    assert metrics.brier_score(P, [0, 1, 1]) == pytest.approx(np.mean(rows))
    assert np.array_equal(P, kept)
    assert metrics.brier_score(np.eye(3), [0, 1, 2]) == 0
    assert metrics.brier_score(np.eye(3), [1, 2, 0]) == 2


def test_brier_score_of_two_classes_is_twice_scikit_learns():
    from sklearn.metrics import brier_score_loss

    rng = np.random.default_rng(0)
    p, y = rng.random(50), rng.integers(2, size=50)
    expected = 2 * brier_score_loss(y, p)
    assert metrics.brier_score(np.c_[1 - p, p], y) == pytest.approx(expected)


def test_calibration_error_by_hand():
    # Bins of 0.5: none in the first (0.5 is its upper edge: the third sample), two in the second.
    first, second = abs(0 - 0.5) / 3, abs(2 - 1.5) / 3
    assert metrics.calibration_error(P, [0, 1, 1], n_bins=2) == pytest.approx(first + second)
    # In one bin what is too sure makes up for what is not sure enough.
    one = abs(2 - 2.0) / 3
    assert metrics.calibration_error(P, [0, 1, 1], n_bins=1) == pytest.approx(one)
    assert metrics.calibration_error(np.eye(3), [0, 1, 2]) == 0
    assert metrics.calibration_error(np.eye(3), [1, 2, 0]) == 1
    # 15 bins: 0.7 and 0.71 share one, 0.8 has its own.
    p = np.array([[0.7, 0.3], [0.71, 0.29], [0.8, 0.2]])
    expected = (abs(1 - 1.41) + abs(0 - 0.8)) / 3
    assert metrics.calibration_error(p, [0, 1, 1]) == pytest.approx(expected)


def test_entropy_in_bits():
    assert metrics.entropy(np.eye(4)) == 0
    assert metrics.entropy(np.full((2, 8), 1 / 8)) == pytest.approx(3)
    assert metrics.entropy([[0.5, 0.5, 0], [1, 0, 0]]) == pytest.approx(0.5)


def test_temperature_is_found():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((20000, 3))
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    y = (p.cumsum(axis=1) < rng.random((len(z), 1))).sum(axis=1)
    for factor in (0.1, 1, 50):
        assert metrics.fit_temperature(factor * z, y) == pytest.approx(factor, rel=0.05)


@pytest.mark.parametrize(
    ("p", "y", "message"),
    [
        (np.empty((0, 3)), [], "at least one sample"),
        ([[0.5, 0.6]], [0], "whose sum is 1, got 1.1"),
        ([[-0.5, 1.5]], [0], "at least 0, got -0.5"),
        ([[0.5, np.nan]], [0], "finite"),
        ([[0.5, 0.5]], [2], "labels in 0 … 1"),
        ([[0.5, 0.5]], [0, 1], r"shape \(1,\)"),
    ],
)
def test_probabilities_are_checked(p, y, message):
    for measure in (metrics.brier_score, metrics.calibration_error):
        with pytest.raises(ValueError, match=message):
            measure(p, y)
