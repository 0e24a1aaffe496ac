"""α and β: what is exchanged and what is not, and what the table says."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from srcnb import presets, sleep
from srcnb.datasets import NAMES
from srcnb.experiments import EXPERIMENTS
from srcnb.experiments.any_network import KEEPS
from srcnb.experiments.cells import Cell
from srcnb.experiments.studies import alpha
from srcnb.metrics import interval
from srcnb.protocol import SleepState


@pytest.fixture
def small():
    """The calibrated protocol with small hidden layers, in which both fire now and then."""
    base = presets.calibrated()
    targets = replace(base.schedule.constants, rate=0.05, rate_factor=0.5, budget=0.2)
    schedule = replace(base.schedule, constants=targets, first_steps=300)
    return replace(base, hidden=(20, 20), schedule=schedule)


def measured(sequence, protocol, constants, scale=1.0):
    cell = Cell({"constants": constants, "scale": scale}, 1)
    return [*alpha.measure(cell, sequence, protocol)]


@pytest.fixture
def asked(monkeypatch):
    """The configs of all sleeps of a run, and the rates that they give."""
    configs = []

    def remember(net, sleep_input, config, random_state, **options):
        result = sleep(net, sleep_input, config, random_state, **options)
        configs.append((config, result.rates))
        return result

    monkeypatch.setattr(alpha, "sleep", remember)
    return configs


@pytest.mark.slow
def test_alpha_and_beta_together_change_no_spike(sequence, small):
    """Only θ = β/α matters: times a power of two, which rounds nothing, bit for bit."""
    base = measured(sequence, small, "θ")
    scaled = measured(sequence, small, "α and β", 8.0)
    assert {row["differing spikes"] for row in scaled} == {0}
    for one, other in zip(base, scaled, strict=True):
        assert one.items() <= other.items()
    assert base[0]["rate 2"] > 0


@pytest.mark.slow
def test_times_two_is_another_sleep(sequence, small):
    [own, read] = measured(sequence, small, "θ", 2.0)
    assert own["theta 1"] == pytest.approx(2) and own["theta 2"] == pytest.approx(2)
    assert own["drift 1"] == pytest.approx(1)
    assert own["rate 1"] < measured(sequence, small, "θ")[0]["rate 1"]
    assert (own["head"], read["head"]) == ("own", f"{presets.calibrated().homeostasis:g}")


def test_one_constant_for_all_sleeps(sequence, small):
    """A form of α has the calibrated θ in the first layer of the first sleep, and goes its way."""
    state = SleepState(small.schedule)
    state.update(sequence[0])
    net = small.new_network(sequence, 0)
    condition = {"constants": "diehl", "scale": 0.5}
    calibrated = state.config(net, 1)
    made = {}
    for form in ("diehl", "paper"):
        exchange = alpha.Exchange({**condition, "constants": form}, sequence)
        made[form] = exchange.exchanged(calibrated, net, sequence[0].X)
        assert made[form].theta[0] == pytest.approx(calibrated.theta[0] / 2)
        later = exchange.exchanged(replace(calibrated, beta=[9, 9, 9]), net, sequence[0].X)
        assert later == made[form]
    # The slip of the paper's form is in the third layer.
    assert made["paper"].alpha[:2] == made["diehl"].alpha[:2]
    assert made["paper"].alpha[2] != pytest.approx(made["diehl"].alpha[2])


@pytest.mark.slow
def test_the_budget_is_kept(sequence, small, asked):
    """A layer that fires n times as often changes 1/n as much at each spike."""
    products = {}
    for scale in (1.0, 0.5):
        measured(sequence, small, "θ", scale)
        (_, rates), _, (config, _) = asked[:3]  # of the first sleep, from the same network
        products[scale] = [np.array(getattr(config, n)[:2]) * rates[1:3] for n in ("inc", "dec")]
        assert (products[scale][0] > 0).all() and rates[1] > 0
        asked.clear()
    np.testing.assert_allclose(products[0.5], products[1.0], rtol=1e-6)


def test_sources_constants(sequence, small, asked):
    [own, _] = measured(sequence, small, "the replica's")
    [still, _, slept] = asked[:3]
    assert slept[0].alpha == presets.REPLICA.alpha and slept[0].beta == presets.REPLICA.beta
    assert slept[0].gate == small.schedule.constants.gate  # all else is calibrated
    assert own["theta 1"] > 0 and "differing spikes" not in own


def test_a_source_in_its_own_protocol(sequence, protocol, monkeypatch):
    """Its own sleeps; the calibrated θ is for as many input spikes as they have."""
    got = measured(sequence, protocol, "the paper's, own protocol")
    plain = [*EXPERIMENTS["mnist"].measure(Cell({"method": "src"}, 1), sequence, protocol)]
    last = [row["accuracy"] for row in plain if row["task"] == "all"][-1]
    assert got[0]["accuracy"] == last and got[0]["theta 1"] != pytest.approx(1)


def test_controls_do_not_sleep(sequence, small, asked):
    for name in alpha.CONTROLS:
        rows = measured(sequence, small, name)
        assert len(rows) == 1 + len(KEEPS) and {*rows[0]} == {"head", "accuracy"}
    assert not asked


def test_conditions():
    for dataset in NAMES:
        experiment = EXPERIMENTS["alpha"].on(dataset)
        names = {c["constants"] for c in experiment.conditions}
        assert (names >= {*alpha.OWN}) == (dataset == "mnist")
        for condition in experiment.conditions:
            protocol = experiment.protocol(condition)
            expected = alpha.OWN.get(condition["constants"], "calibrated")
            assert protocol.name == expected
    few = EXPERIMENTS["alpha"].on("mnist").conditions
    assert [c["scale"] for c in few if c["constants"] == "θ"] == [0.5, 1, 2]
    own = [{"constants": name, "scale": 1.0} for name in alpha.OWN]
    every = [*EXPERIMENTS["alpha"].conditions, *own]
    assert len(few) == 9 and all(condition in every for condition in few)


def made_up():
    rows = []
    for name, scale, accuracies in (("θ", 1.0, (80, 84)), ("θ", 2.0, (70, 72))):
        for seed, accuracy in enumerate(accuracies):
            seen = {"theta 1": scale * 2 ** (2 * seed - 1), "rate 1": 10.0 * seed}
            key = {"constants": name, "scale": scale, "seed": seed, **seen}
            rows += [{**key, "head": "own", "accuracy": 20}]
            rows += [{**key, "head": "0.3", "accuracy": accuracy}]
    for seed in (0, 1):
        key = {"constants": "lazy", "scale": 1.0, "seed": seed}
        rows += [{**key, "head": "own", "accuracy": 10}, {**key, "head": "0.1", "accuracy": 60}]
        rows += [{**key, "head": "0.3", "accuracy": 50}]
    return pd.DataFrame(rows)


def test_table_and_picture():
    first, second, lazy = alpha.table(made_up()).to_dict("records")
    low, high = interval([20, 24])
    assert first == {
        "constants": "θ",
        "scale": "1",
        "θ / calibrated θ": "1",
        "drift of θ": "–",
        "rates (Hz)": "5",
        "own outputs": "20.0 ± 0.0",
        "homeostasis": "82.0 ± 2.8",
        "own over calibrated": "–",
        "over calibrated": "–",
        "over control": f"+22.0 [{low:+.1f}, {high:+.1f}]",
        "differing spikes": "–",
    }
    low, high = interval([-10, -12])
    assert second["θ / calibrated θ"] == "2"
    assert second["over calibrated"] == f"-11.0 [{low:+.1f}, {high:+.1f}]"
    assert (lazy["homeostasis"], lazy["rates (Hz)"]) == ("60.0 ± 0.0", "–")
    assert lazy["own over calibrated"] == "-10.0 [-10.0, -10.0]"
    _, own, right = alpha.picture(made_up()).axes
    for axes, accuracies in ((own, (20, 20)), (right, (82, 71))):
        drawn = axes.containers[0].lines[0].get_xydata()
        np.testing.assert_array_equal(drawn, [*enumerate(accuracies, 1)])
