"""Methods compared: tidy results, and what is the same for all of them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from srcnb import metrics, tasks
from srcnb.experiments.comparison import compare_methods, comparison


def test_tidy_results(sequence, protocol):
    results = compare_methods(sequence, protocol, ["src", "sequential", "parallel"], 2)
    assert list(results.columns) == ["method", "seed", "stage", "phase", "task", "accuracy"]
    # 3 stages with sleep, 3 without, 1; of "all" and 3 tasks; with 2 seeds.
    assert len(results) == (6 + 3 + 1) * 4 * 2
    assert list(dict.fromkeys(results["method"])) == ["src", "sequential", "parallel"]
    src = results[(results["method"] == "src") & (results["seed"] == 1)]
    assert list(zip(src["stage"], src["phase"], src["task"], strict=True)) == [
        (stage, phase, task)
        for stage in (1, 2, 3)
        for phase in ("train", "sleep")
        for task in ("all", "1", "2", "3")
    ]
    assert set(results[results["method"] == "parallel"]["stage"]) == {3}
    assert results["accuracy"].between(0, 100).all()
    # All tasks have ten test samples here, so that "all" is the mean of the tasks.
    wide = results.pivot(
        index=["method", "seed", "stage", "phase"], columns="task", values="accuracy"
    )
    np.testing.assert_allclose(wide["all"], wide[["1", "2", "3"]].mean(axis=1))


def test_runs_are_reproducible_and_seeds_differ(sequence, protocol):
    a = compare_methods(sequence, protocol, ["src"], [3, 4])
    b = compare_methods(sequence, protocol, ["src"], [4])
    one, other = (a[a["seed"] == seed].reset_index(drop=True) for seed in (3, 4))
    pd.testing.assert_frame_equal(other, b)
    assert not np.array_equal(one["accuracy"], other["accuracy"])


def test_methods_see_the_same_seeds(sequence, protocol):
    """Until its first sleep, src is sequential."""
    results = compare_methods(sequence, protocol, ["sequential", "src"], 1)
    first = results[(results["stage"] == 1) & (results["phase"] == "train")]
    a, b = (first[first["method"] == m]["accuracy"].to_numpy() for m in ("sequential", "src"))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("every", "sleeps"), [(1, [1, 2, 3]), (2, [2]), (3, [3]), (0, [3])])
def test_sleep_schedule(sequence, protocol, every, sleeps):
    results = compare_methods(
        sequence, replace(protocol, schedule=replace(protocol.schedule, every=every)), ["src"], 1
    )
    assert list(results[results["phase"] == "sleep"]["stage"].unique()) == sleeps


def test_learning_forgetting_and_the_upper_bound(easy_data, protocol):
    sequence = tasks.class_incremental(easy_data, groups=1)
    training = dict(epochs=20, batch_size=10, learning_rate=0.2, momentum=0.5)
    results = compare_methods(
        sequence, replace(protocol, training=training), ["sequential", "parallel"], 2
    )
    table = metrics.summary(results)["accuracy", "mean"]
    assert table["sequential"] == pytest.approx(100 / 3)
    assert table["parallel"] > 95


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(methods=["magic"]), "methods.*'magic'"),
        (dict(methods=[]), "methods"),
        (dict(methods="src"), "methods.*'src'"),
        (dict(seeds=1.5), "seeds.*1.5"),
        (dict(methods=["src", "src"]), "methods.*once"),
        (dict(seeds=0), "seeds.*0"),
        (dict(seeds=[1, 1]), "seeds.*once"),
        (dict(seeds=[-1]), "seeds.*-1"),
        (dict(tasks=[]), "tasks.*empty"),
    ],
)
def test_bad_experiments(sequence, protocol, arguments, message):
    arguments = dict(tasks=sequence, protocol=protocol) | arguments
    with pytest.raises((ValueError, TypeError), match=message):
        compare_methods(**arguments)


def test_an_error_on_the_way_names_method_and_seed(sequence, protocol):
    constants = replace(protocol.schedule.constants, inc=1e38, dec=0.0)
    protocol = replace(protocol, schedule=replace(protocol.schedule, constants=constants))
    with pytest.raises(OverflowError, match="src, seed 7: .*overflow"):
        compare_methods(sequence, protocol, ["src"], [7])


@pytest.mark.slow
def test_any_number_of_processes_gives_the_same_bits(sequence, protocol):
    one, two = (
        compare_methods(sequence, protocol, ["src", "parallel"], 2, jobs=jobs) for jobs in (1, 2)
    )
    pd.testing.assert_frame_equal(one, two, check_exact=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: replace(p, hidden=(10**6, 10**6)), r"hidden \(1000000, 1000000\) takes 12,"),
        (
            lambda p: replace(p, schedule=replace(p.schedule, every=4)),
            "every must be at most 3, the number of tasks, as src would never sleep; got 4",
        ),
    ],
)
def test_what_the_tasks_and_the_memory_refuse(toy_data, sequence, protocol, change, message):
    changed = change(protocol)
    experiment = comparison(["sequential", "src"], changed, lambda source: [toy_data])
    with pytest.raises(ValueError, match=message):
        experiment.check([toy_data])
    with pytest.raises(ValueError, match=message):
        compare_methods(sequence, changed, ["src"], 1)
    # Networks of low rank are small, and do not sleep.
    comparison(["low-rank-merging"], changed, lambda source: [toy_data]).check([toy_data])


def test_a_class_without_samples_is_refused_first(toy_data, protocol):
    few = replace(toy_data, n_classes=8)
    experiment = comparison(["sequential"], protocol, lambda source: [few])
    with pytest.raises(ValueError, match="task 'classes 6, 7' of toy is empty"):
        experiment.check([few])
