"""Orders, repeated tasks and late sleeps: which tasks and sleeps each condition has."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import changes, tiny

from srcnb import presets
from srcnb.experiments.any_network import KEEPS
from srcnb.experiments.cells import Cell
from srcnb.experiments.studies.order_and_time import (
    AGAIN,
    AT_END,
    EXPERIMENT,
    PERMUTED,
    SEQUENCES,
    SINGLE,
    measure,
    protocol_of,
    tasks_of,
)
from srcnb.methods.base import train_and_sleep
from srcnb.protocol import SleepState

# Sleeps of tiny networks are too short for all layers to fire.
pytestmark = pytest.mark.filterwarnings("ignore::srcnb.SilentLayerWarning")


def made(toy_data, name, seed=3, cap=40):
    protocol = replace(presets.calibrated(), cap=cap)
    return tasks_of(Cell({"sequence": name, "method": "src"}, seed), [toy_data], protocol)


def classes(tasks):
    return [sorted(set(task.y.tolist())) for task in tasks]


def test_sequences(toy_data):
    in_order = [[0, 1], [2, 3], [4, 5]]
    assert classes(made(toy_data, "in order")) == in_order
    assert classes(made(toy_data, AGAIN)) == [*in_order, [0, 1]]
    assert classes(made(toy_data, SINGLE)) == [[c] for c in range(6)]
    random = [classes(made(toy_data, name)) for name in SEQUENCES if "random" in name]
    assert len(random) == 5 and len({str(order) for order in random}) > 1
    for order in random:
        assert sorted(sum(order, [])) == [*range(6)]
    assert random[0] == classes(made(toy_data, "random order 1", seed=4))
    permuted = made(toy_data, PERMUTED)
    assert len(permuted) == 20 and classes(permuted) == [[*range(6)]] * 20
    assert {len(task.X) for task in permuted} == {40}
    other = made(toy_data, PERMUTED, seed=4)
    assert (permuted[0].X == other[0].X).all() and (permuted[1].X != other[1].X).any()


def test_conditions():
    assert len(EXPERIMENT.conditions) == 9 * 4 + 3 * 2
    few = EXPERIMENT.on("mnist").conditions
    assert all(condition in EXPERIMENT.conditions for condition in few)
    of = {name: [c["method"] for c in few if c["sequence"] == name] for name in SEQUENCES}
    best = ["lazy", "less-excitable", "src"]
    assert of["in order"] == of[SINGLE] == [*best, AT_END[1]]
    assert of[PERMUTED] == ["sequential", *best, AT_END[1]] and of["random order 3"] == best
    assert not of["random order 4"] and not of[AGAIN]


def test_protocols():
    base = replace(presets.calibrated(), homeostasis=None)
    first = base.schedule.first_steps
    for condition in EXPERIMENT.conditions:
        name, method = condition["sequence"], condition["method"]
        expected = {"cap": 1000} if name == PERMUTED else {}
        if method in AT_END:
            expected |= {"every": 0, "per_task": 1}
        if method == AT_END[1]:
            expected["first_steps"] = {SINGLE: 30, PERMUTED: 60}.get(name, 15) * first
        assert changes(protocol_of(condition), base) == expected


@pytest.mark.slow
@pytest.mark.parametrize(("name", "n_sleeps"), [("in order", 9), (AGAIN, 12)])
@pytest.mark.parametrize("method", ["sequential", "lazy", "less-excitable", "src", AT_END[0]])
def test_sleeps_are_when_they_should_be(toy_data, name, n_sleeps, method, monkeypatch):
    when = []
    sleep = SleepState.sleep
    monkeypatch.setattr(
        SleepState, "sleep", lambda s, net, k, *a, **o: when.append(k) or sleep(s, net, k, *a, **o)
    )
    condition = {"sequence": name, "method": method}
    protocol = replace(tiny(protocol_of(condition)), cap=40)
    cell = Cell(condition, 3)
    rows = [*measure(cell, tasks_of(cell, [toy_data], protocol), protocol)]
    assert len(rows) == 1 + len(KEEPS)
    n_tasks = n_sleeps // 3
    sleeps = {"src": [k for k in range(1, n_tasks + 1) for _ in range(3)], AT_END[0]: [n_tasks]}
    assert when == sleeps.get(method, [])


def test_a_task_that_comes_twice_is_tested_once(toy_data):
    condition = {"sequence": AGAIN, "method": "sequential"}
    protocol = replace(tiny(protocol_of(condition)), cap=40)
    cell = Cell(condition, 3)
    sequence = tasks_of(cell, [toy_data], protocol)
    own = next(iter(measure(cell, sequence, protocol)))["accuracy"]
    *_, last = train_and_sleep(sequence, protocol, 3, sleeps=False)
    assert own == 100 * np.mean(last.model.predict(toy_data.X_test) == toy_data.y_test)


def test_the_table_and_the_picture():
    results = pd.DataFrame(
        {"sequence": name, "method": method, "seed": s, "head": head, "accuracy": a + i + s}
        for i, name in enumerate(("in order", "random order 1", "random order 2", PERMUTED))
        for method, of_method in (("sequential", (10, 60, 61)), ("src", (50, 80, 90)))
        for s in (0, 1)
        for head, a in zip(("own", "0.3", "0.1"), of_method, strict=True)
    )
    table = EXPERIMENT.table(results).set_index(["tasks", "method"])
    assert table.loc[("in order", "src"), "over sequential"] == "+19.0 [+19.0, +19.0]"
    assert table.loc[(PERMUTED, "src"), "over sequential"] == "+40.0 [+40.0, +40.0]"
    assert table.loc[("all random orders", "src"), "homeostasis"] == "82.0 ± 0.7"
    left, right = EXPERIMENT.picture(results).axes
    assert len(left.get_yticks()) == 6 and len(right.get_yticks()) == 4
    np.testing.assert_array_equal(left.lines[0].get_xdata(), [61, 62])
