from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from srcnb import experiment, metrics, protocols, tasks
from srcnb.protocols import OwnConstants, own_protocol


def test_tidy_results(sequence, protocol):
    saved = []
    results = experiment.run_experiment(
        sequence, protocol, ["src", "sequential", "parallel"], 2, saved.append
    )
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
    # Saved after each (method, seed), each time all of it.
    assert [len(df) for df in saved] == [24, 36, 40, 64, 76, 80]
    pd.testing.assert_frame_equal(saved[-1], results)
    # All tasks have ten test samples here, so that "all" is the mean of the tasks.
    wide = results.pivot(
        index=["method", "seed", "stage", "phase"], columns="task", values="accuracy"
    )
    np.testing.assert_allclose(wide["all"], wide[["1", "2", "3"]].mean(axis=1))


def test_runs_are_reproducible_and_seeds_differ(sequence, protocol):
    a = experiment.run_experiment(sequence, protocol, ["src"], [3, 4])
    b = experiment.run_experiment(sequence, protocol, ["src"], [4])
    pd.testing.assert_frame_equal(a[a["seed"] == 4].reset_index(drop=True), b)


def test_src_trains_as_sequential_until_the_first_sleep(sequence, protocol):
    results = experiment.run_experiment(sequence, protocol, ["sequential", "src"], 1)
    first = results[(results["stage"] == 1) & (results["phase"] == "train")]
    a, b = (first[first["method"] == m]["accuracy"].to_numpy() for m in ("sequential", "src"))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("every", "sleeps"), [(1, [1, 2, 3]), (2, [2]), (3, [3]), (0, [3])])
def test_sleep_schedule(sequence, protocol, every, sleeps):
    results = experiment.run_experiment(sequence, replace(protocol, sleep_every=every), ["src"], 1)
    assert list(results[results["phase"] == "sleep"]["stage"].unique()) == sleeps


def test_learning_forgetting_and_the_upper_bound(sequence, protocol):
    training = dict(epochs=20, batch_size=10, learning_rate=0.2, momentum=0.5)
    results = experiment.run_experiment(
        sequence, replace(protocol, training=training), ["sequential", "parallel"], 2
    )
    table = metrics.summary(results)["accuracy", "mean"]
    assert table["sequential"] == pytest.approx(100 / 3)
    assert table["parallel"] > 95


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(methods=["dream"]), "methods.*'dream'"),
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
        experiment.run_experiment(**arguments)


def test_an_error_on_the_way_names_method_and_seed(sequence, protocol):
    constants = OwnConstants(theta=(0.1, 0.1, 0.1), inc=1e38)
    protocol = replace(protocol, new_night=lambda: protocols.OwnNight(constants))
    with pytest.raises(OverflowError, match="src, seed 7: .*overflow"):
        experiment.run_experiment(sequence, protocol, ["src"], [7])


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
    results = pd.DataFrame(rows, columns=experiment.COLUMNS)
    src = metrics.continual_metrics(results).loc[("src", 0)]
    assert src["accuracy"] == src["average_accuracy"] == 65
    assert src["forgetting"] == ((90 - 50) + (80 - 85)) / 2
    assert src["backward_transfer"] == ((50 - 90) + (85 - 80)) / 2
    parallel = metrics.continual_metrics(results).loc[("parallel", 0)]
    assert parallel["accuracy"] == 95 and np.isnan(parallel["forgetting"])


def test_forgetting_counts_from_the_best_stage():
    rows = table_of({(1, "train"): [70, 0, 0], (2, "train"): [80, 90, 0], (3, "train"): [20, 5, 9]})
    results = pd.DataFrame(rows, columns=experiment.COLUMNS)
    values = metrics.continual_metrics(results).loc[("src", 0)]
    assert values["forgetting"] == ((80 - 20) + (90 - 5)) / 2
    assert values["backward_transfer"] == ((20 - 70) + (5 - 90)) / 2


def test_summary_over_seeds():
    rows = []
    for seed, accuracy in enumerate((50, 60, 73)):
        rows += table_of({(1, "train"): [90, 0], (2, "train"): [accuracy] * 2}, seed=seed)
    table = metrics.summary(pd.DataFrame(rows, columns=experiment.COLUMNS))
    assert table.loc["src", ("accuracy", "mean")] == 61
    assert table.loc["src", ("accuracy", "sd")] == pytest.approx(np.std([50, 60, 73], ddof=1))
    assert table.loc["src", ("seeds", "")] == 3
    text = metrics.format_summary(table)
    assert text.loc["src", "accuracy"] == "61.0 ± 11.5"
    one = pd.DataFrame(rows[:6], columns=experiment.COLUMNS)
    assert metrics.format_summary(metrics.summary(one)).loc["src", "accuracy"] == "50.0"


def test_presets_are_the_published_ones(toy_data):
    for name, dataset in (("torch", "mnist"), ("matlab", "mnist"), ("matlab", "fashion-mnist")):
        protocol = protocols.get(name, dataset)
        assert protocol.name == name and protocol.cap == 5000
    torch, matlab = protocols.torch_protocol(), protocols.matlab_protocol("mnist")
    assert torch.hidden == (4000, 4000) and matlab.hidden == (1200, 1200)
    rng = np.random.default_rng(0)
    X, y = rng.random((30, 784)), np.arange(30) % 10
    data = tasks.Dataset("images", X, y, X, y, n_classes=10, shape=(28, 28))
    sequence = tasks.class_incremental(data)
    for protocol, first, more in ((torch, 500, 166), (matlab, 15000, 5000)):
        net = replace(protocol, hidden=(20, 20)).new_network(sequence, 0)
        night = protocol.new_night()
        for stage, task in enumerate(sequence, 1):
            night.learn(task)
            config = night.config(net, stage)
            assert config.n_steps == first + more * (stage - 1)
    assert config.gate == "negative" and config.inc == 0.032064 and config.decay == 0.999
    np.testing.assert_allclose(night.dream.mean, X.mean(axis=0), rtol=1e-5)


def test_a_protocol_has_two_hidden_layers():
    with pytest.raises(ValueError, match=r"hidden must be two .*\(30,\)"):
        replace(own_protocol(), hidden=(30,))


def test_presets_refuse_other_images():
    for preset in ("torch", "matlab"):
        with pytest.raises(ValueError, match=f"{preset} is a protocol for 28×28.*digits"):
            protocols.get(preset, "digits")
