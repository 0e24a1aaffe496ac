"""Changes in place of a sleep: that they are what they say, and when they are made."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import tiny_experiment

import srcnb
from srcnb import MLP
from srcnb.experiments import EXPERIMENTS
from srcnb.experiments.runner import run_experiment
from srcnb.experiments.studies import recover
from srcnb.experiments.studies.recover import CHANGES, CONDITIONS, FEW, run
from srcnb.methods.baselines import sequential
from srcnb.methods.controls import offset
from srcnb.methods.excitability import BY, POWER
from srcnb.methods.lazy import lazy
from srcnb.methods.src import src
from srcnb.protocol import SleepState
from srcnb.spiking.calibrate import SleepTargets


@pytest.fixture
def changes():
    rng = np.random.default_rng(1)
    return [rng.normal(size=shape) for shape in ((5, 8), (4, 5), (3, 4))]


def made(name, changes):
    return CHANGES[name](changes, np.random.default_rng(0))


def test_noise_has_the_norm_of_each_layer(changes):
    drawn = made("noise", [*changes, np.zeros((2, 3))])
    for n, d in zip(drawn, changes, strict=False):
        assert np.linalg.norm(n) == pytest.approx(np.linalg.norm(d))
        assert abs(np.corrcoef(n.ravel(), d.ravel())[0, 1]) < 0.7
    assert not drawn[-1].any()


def test_shuffled_keeps_the_entries_of_each_row(changes):
    for s, d in zip(made("shuffled", changes), changes, strict=True):
        np.testing.assert_array_equal(np.sort(s, axis=1), np.sort(d, axis=1))
        assert (s != d).any()
    # Each row in an order of its own.
    [s] = made("shuffled", [np.tile(np.arange(8.0), (5, 1))])
    assert len({tuple(row) for row in s}) > 1


def test_means_and_signs(changes):
    for m, d in zip(made("row means", changes), changes, strict=True):
        np.testing.assert_allclose(m, np.repeat(d.mean(axis=1)[:, None], d.shape[1], axis=1))
    for m, d in zip(made("layer means", changes), changes, strict=True):
        np.testing.assert_allclose(m, np.full(d.shape, d.mean()))
    down, up = made("only lower", changes), made("only higher", changes)
    for low, high, d in zip(down, up, changes, strict=True):
        assert (low <= 0).all() and (high >= 0).all()
        np.testing.assert_array_equal(low + high, d)


@pytest.mark.parametrize(
    ("name", "kept"),
    [("only layer 1", [0]), ("only layer 2", [1]), ("only hidden", [0, 1]), ("only output", [2])],
)
def test_only_some_layers(changes, name, kept):
    for i, (m, d) in enumerate(zip(made(name, changes), changes, strict=True)):
        np.testing.assert_array_equal(m, d if i in kept else 0 * d)


def final(name, sequence, protocol):
    *_, checkpoint = run(name, sequence, protocol, 3)
    return checkpoint.model


def assert_same(one, other):
    for w, v in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(w, v)


@pytest.fixture
def several(protocol):
    """The tiny protocol with three sleeps a task."""
    return replace(protocol, schedule=replace(protocol.schedule, per_task=4))


def test_conditions_that_are_methods(sequence, several):
    for name, method in (
        ("none", sequential),
        ("sleep", src),
        ("lazy", lambda *a: lazy(*a, keep=None)),
        ("constant, once a task", offset),
    ):
        *_, checkpoint = method(sequence, several, 3)
        assert_same(final(name, sequence, several), checkpoint.model)


def moments(monkeypatch, name, sequence, protocol):
    """The stages at which a real sleep is looked at."""
    seen = []
    sleep = SleepState.sleep

    def counted(state, net, stage, *args, **options):
        seen.append(stage)
        return sleep(state, net, stage, *args, **options)

    monkeypatch.setattr(SleepState, "sleep", counted)
    final(name, sequence, protocol)
    return seen


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("noise", [1] * 4 + [2] * 4 + [3] * 4),
        ("shuffled", [1] * 4 + [2] * 4 + [3] * 4),
        ("sleep after the last task", [3] * 4),
        ("sleep before the last task", [1] * 4 + [2] * 4),
        ("constant", []),
        ("less excitable", []),
    ],
)
def test_a_change_is_made_wherever_it_would_have_slept(
    monkeypatch, sequence, several, name, stages
):
    assert moments(monkeypatch, name, sequence, several) == stages


def test_a_change_in_place_of_a_sleep_is_that_of_this_network(sequence, protocol):
    """All changes together are the sleep; some of them are those of the same sleep."""
    everything = recover.instead(lambda changes, rng: changes)
    state = SleepState(protocol.schedule)
    state.update(sequence[0])
    net = protocol.new_network(sequence, 0).fit(sequence[0].X, sequence[0].y, epochs=3)
    seeds = [np.random.SeedSequence([3, 1]) for _ in range(3)]
    slept = state.sleep(net, 1, seeds[0]).net
    for w, v in zip(everything(state, net, 1, seeds[1]).weights, slept.weights, strict=True):
        np.testing.assert_allclose(w, v, atol=1e-6)
    mixed = recover.sleep_of("shuffled", sequence)(state, net, 1, seeds[2])
    for before, after, other in zip(net.weights, slept.weights, mixed.weights, strict=True):
        assert other.dtype == before.dtype
        got, real = np.sort(other - before, axis=1), np.sort(after - before, axis=1)
        np.testing.assert_allclose(got, real, atol=1e-6)
        assert real.any()


def changed_by(name, sequence, stage=2):
    """(network before, network after) one change of a condition without sleep."""
    net = MLP((20, 12, 12, 6), random_state=0)
    net.fit(sequence[0].X, sequence[0].y)
    sleep = recover.sleep_of(name, sequence)
    return net, sleep(None, net, stage, np.random.SeedSequence(5))


def test_the_constant_is_off_the_current_outputs(sequence):
    before, after = changed_by("constant", sequence)
    assert_same(MLP.from_arrays(after.weights[:-1]), MLP.from_arrays(before.weights[:-1]))
    off = before.weights[-1] - after.weights[-1]
    rms = np.sqrt((before.weights[-1] ** 2).mean())
    np.testing.assert_allclose(off[[2, 3]], recover.CONSTANT * rms, rtol=1e-4)
    assert not off[[0, 1, 4, 5]].any()


def test_homeostasis_of_the_classes_seen_so_far(sequence):
    before, after = changed_by("homeostasis", sequence)
    seed = np.random.SeedSequence(5)
    assert_same(
        after, srcnb.homeostasis(before, sequence[1].X, [0, 1, 2, 3], 0.25, random_state=seed)
    )


def test_active_units_become_less_excitable(sequence):
    before, after = changed_by("less excitable", sequence)
    np.testing.assert_array_equal(before.weights[-1], after.weights[-1])
    for layer in (0, 1):
        off = before.weights[layer] - after.weights[layer]
        np.testing.assert_allclose(off, np.repeat(off[:, :1], off.shape[1], axis=1), atol=1e-6)
        m = before.activations(sequence[1].X)[layer].mean(axis=0)
        expected = BY * np.median(abs(before.weights[layer]))
        np.testing.assert_allclose(off[:, 0], expected * m**POWER / (m**POWER).mean(), atol=1e-6)


def test_registered():
    experiment = EXPERIMENTS["recover"]
    assert len(experiment.conditions) == sum(map(len, CONDITIONS.values()))
    for condition in experiment.conditions:
        protocol = recover.protocol_of(condition)
        assert protocol.name == condition["protocol"]
        assert isinstance(protocol.schedule.constants, SleepTargets) == (
            protocol.name == "calibrated"
        )
    mnist = experiment.on("mnist")
    assert mnist.conditions == recover.grid(FEW) and mnist.data != experiment.data
    # Those are conditions of digits too, with the sleep that all others are compared with.
    assert all(condition in experiment.conditions for condition in mnist.conditions)
    assert {"protocol": "calibrated", "change": "sleep"} in mnist.conditions


def rows(values):
    """Results of two seeds: {(change, readout, classes): (a, b)}."""
    return pd.DataFrame(
        [
            {
                "protocol": "calibrated",
                "change": change,
                "seed": seed,
                "readout": readout,
                "classes": classes,
                "accuracy": accuracy,
            }
            for (change, readout, classes), pair in values.items()
            for seed, accuracy in enumerate(pair)
        ]
    )


def test_the_table_gives_controls_their_best_share_and_sleep_its_own():
    values = {}
    for change, shares in (("none", (60, 70, 50)), ("sleep", (99, 80, 85))):
        values[change, "own", "all"] = (20, 22) if change == "none" else (61, 62)
        for keep, accuracy in zip(("0.1", "0.2", "0.3"), shares, strict=True):
            values[change, f"homeostasis {keep}", "all"] = (accuracy, accuracy + 2)
            values[change, f"homeostasis {keep}", "old"] = (accuracy - 1, accuracy - 1)
        values[change, "bias and scale", "all"] = (75, 75)
    table = recover.table(rows(values)).set_index("change")
    assert table.loc["none", "homeostasis"] == "71.0 ± 1.4"
    assert table.loc["none", "homeostasis, old classes"] == "69.0 ± 0.0"
    assert table.loc["sleep", "homeostasis"] == "86.0 ± 1.4"
    assert table.loc["none", "sleep over this, homeostasis"] == "+15.0 [+15.0, +15.0]"
    assert table.loc["none", "sleep over this, own outputs"].startswith("+40.5 [")
    assert table.loc["sleep", "sleep over this, homeostasis"] == "–"
    figure = recover.picture(rows(values))
    assert [a.get_title() for a in figure.axes][0] == "own outputs"
    assert figure.axes[0].get_yticklabels()[1].get_text() == "calibrated: sleep"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::srcnb.SilentLayerWarning")
@pytest.mark.filterwarnings("ignore::srcnb.RateWarning")
def test_a_tiny_run(tmp_path, tiny_source):
    experiment = tiny_experiment("recover", slice(0, None, 7))
    results = run_experiment(experiment, tiny_source(experiment), tmp_path, seeds=1)
    assert results["accuracy"].between(0, 100).all()
    assert {*results["classes"]} == {"all", "old", "new"}
    assert (tmp_path / "recover.png").is_file()
