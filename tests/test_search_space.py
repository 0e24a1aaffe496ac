"""The space of a search: its points are protocols, and the nearest to a protocol is the start."""

from dataclasses import replace
from functools import partial

import pytest

from srcnb import MeanInput, SampleInput, SleepTargets, presets
from srcnb.search_space import SPACE, parameters, protocol_of, start, with_targets

POINT = dict(
    n_steps=300,
    growth=0.1,
    input_rate=0.05,
    rate=0.004,
    rate_factor=2.0,
    budget=3.0,
    budget_factor=0.5,
    rho=0.2,
    gate_width=0.1,
    n_samples=3,
    keep=0.4,
    homeostasis=0.3,
)
BASE = replace(presets.own(), homeostasis=0.5)


def test_a_point_is_a_protocol():
    protocol = protocol_of(replace(BASE, hidden=(10, 10, 10)), POINT)
    targets = SleepTargets(300, 0.05, 0.004, 2.0, None, 3.0, 0.5, 0.2, "negative", 0.1)
    schedule = protocol.schedule
    assert schedule.constants == targets and protocol.homeostasis == 0.3
    assert [schedule.n_steps(k) for k in (1, 2, 3)] == [300, 330, 360]
    assert vars(schedule.sleep_input()) == vars(SampleInput(3, 0.4))
    assert protocol.training == BASE.training and protocol.hidden == (10, 10, 10)
    assert set(POINT) == set(SPACE)


def test_the_start_is_what_the_protocol_does():
    """Also where its budget is for sleeps of another length than the first."""
    protocol = protocol_of(BASE, POINT)
    assert start(protocol) == pytest.approx(POINT)
    schedule = replace(protocol.schedule, first_steps=600, more_steps=60)
    longer = start(replace(protocol, schedule=schedule))
    assert longer == pytest.approx(POINT | {"n_steps": 600, "budget": 6.0})
    again = protocol_of(protocol, longer).schedule
    assert again.constants == schedule.constants.lasting(600) and again.more_steps == 60


def test_the_start_is_within_the_space():
    targets = SleepTargets(n_steps=9, rate=0.4, budget=900.0, rho=0.0, input_rate=0.9)
    schedule = replace(BASE.schedule, constants=targets, first_steps=9, more_steps=90)
    schedule = replace(schedule, sleep_input=partial(SampleInput, n_samples=99, keep=0.01))
    for name, value in start(replace(BASE, schedule=schedule)).items():
        assert SPACE[name][0] <= value <= SPACE[name][1]
        assert isinstance(value, type(SPACE[name][0]))


def test_constants_are_replaced_by_the_default_targets():
    """With their length, and later sleeps longer by the same share."""
    made = with_targets(BASE).schedule
    assert made.constants == SleepTargets() and made.first_steps == SleepTargets().n_steps
    assert made.more_steps == round(257 / 770 * made.first_steps)
    assert start(BASE)["n_steps"] == made.first_steps
    protocol = protocol_of(BASE, POINT)
    assert with_targets(protocol) is protocol


def test_another_sleep_input_is_replaced():
    other = replace(BASE, schedule=replace(BASE.schedule, sleep_input=MeanInput))
    assert (start(other)["n_samples"], start(other)["keep"]) == (1, 0.25)
    assert vars(protocol_of(other, POINT).schedule.sleep_input()) == vars(SampleInput(3, 0.4))


def test_only_what_matters_is_searched():
    every = replace(BASE.schedule, every=0)
    logistic = replace(BASE.schedule, constants=SleepTargets(gate="logistic"))
    for base, left_out in (
        (BASE, set()),
        (replace(BASE, hidden=(10,)), {"rate_factor", "budget_factor"}),
        (replace(BASE, homeostasis=None), {"homeostasis"}),
        (replace(BASE, schedule=every), {"growth"}),
        (replace(BASE, schedule=logistic), {"gate_width"}),
    ):
        assert set(SPACE) - set(parameters(base)) == left_out
        point = {name: POINT[name] for name in parameters(base)}
        assert set(start(base)) == set(point)
        made = protocol_of(base, point)
        assert (made.homeostasis is None) == (base.homeostasis is None)
        assert made.schedule.constants.gate == (
            "logistic" if left_out == {"gate_width"} else "negative"
        )
