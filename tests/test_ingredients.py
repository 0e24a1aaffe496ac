"""Two protocols, each with ingredients of the other: what is exchanged, and nothing else."""

import numpy as np
import pandas as pd
import pytest
from conftest import changes, tiny

from srcnb import datasets, presets
from srcnb.experiments.cells import Cell, Source
from srcnb.experiments.studies import ingredients
from srcnb.experiments.studies.ingredients import (
    EXPERIMENT,
    INGREDIENTS,
    enlarged,
    protocol_of,
    take,
)
from srcnb.mlp import MLP

PAPER = protocol_of({"from": "paper", "exchanged": "nothing"})
REPLICA = protocol_of({"from": "replica", "exchanged": "nothing"})


def test_the_two_protocols_are_the_published_ones_but_for_width_and_batch():
    for mine, published in ((PAPER, presets.paper()), (REPLICA, presets.replica())):
        assert changes(mine, published).keys() == {"hidden", "training"}
        assert [4 * n for n in mine.hidden] == [*published.hidden]
        assert {**mine.training, "batch_size": 100} == {**published.training}


@pytest.mark.parametrize(("mine", "other"), [(PAPER, REPLICA), (REPLICA, PAPER)])
def test_each_ingredient_is_exchanged_and_all_of_them_make_the_other(mine, other):
    fields = {
        "gate": {"constants"},
        "sleep input": {"sleep_input", "data"},
        "constants": {"constants", "first_steps", "more_steps"},
        "loss": {"network"},
        "width": {"hidden"},
        "training": {"network", "training"},
    }
    assert [*fields] == [*INGREDIENTS]
    taken = mine
    for name, expected in fields.items():
        assert changes(take(mine, other, name), mine).keys() == expected
        taken = take(taken, other, name)
    left = changes(taken, other)
    assert left.keys() <= {"name", "parallel_epochs"}
    gate = take(mine, other, "gate").schedule.constants
    assert changes(gate, mine.schedule.constants) == {"gate": other.schedule.constants.gate}
    constants = take(mine, other, "constants").schedule.constants
    assert changes(constants, other.schedule.constants) == {"gate": mine.schedule.constants.gate}
    loss = take(mine, other, "loss").network
    assert loss == {**mine.network, "output": other.network["output"]}
    training = take(mine, other, "training").network
    assert training == {**other.network, "output": mine.network["output"]}


def test_conditions():
    digits, mnist = EXPERIMENT.conditions, EXPERIMENT.on("mnist").conditions
    assert len(digits) == 2 * (1 + 6 + 15 + 1) and len(mnist) == 2 * (1 + 6 + 1)
    two = protocol_of({"from": "paper", "exchanged": "gate + width"})
    assert two == take(take(PAPER, REPLICA, "gate"), REPLICA, "width")
    assert protocol_of({"from": "replica", "exchanged": "sleep left out"}) == REPLICA
    with pytest.raises(ValueError, match="ingredient must be one of"):
        take(PAPER, REPLICA, "salt")


def test_digits_are_enlarged():
    """Flat images stay flat, ramps stay ramps, and brightness stays where it is."""
    flat = enlarged(np.full((2, 64), 0.7, np.float32), (8, 8))
    assert flat.shape == (2, 784) and flat.dtype == np.float32
    np.testing.assert_allclose(flat, 0.7, rtol=1e-6)
    ramp = np.tile(np.arange(8) / 7, (8, 1))
    row = enlarged(ramp.reshape(1, -1), (8, 8)).reshape(28, 28)
    np.testing.assert_allclose(row, row[:1].repeat(28, 0), atol=1e-12)
    np.testing.assert_allclose(row[0], np.clip((np.arange(28) + 0.5) * 8 / 28 - 0.5, 0, 7) / 7)
    [data] = EXPERIMENT.data(Source())
    digits = datasets.load("digits")
    assert data.X.shape == (len(digits.X), 784) and data.shape == (28, 28)
    np.testing.assert_allclose(data.X.mean(axis=1), digits.X.mean(axis=1), atol=0.01)
    np.testing.assert_array_equal(data.y_test, digits.y_test)


def test_a_run_that_diverges_ends_with_the_network_before(sequence, monkeypatch):
    fit, calls = MLP.fit, []

    def diverging(net, *args, **options):
        calls.append(1)
        if len(calls) == 3:
            raise OverflowError("training diverged")
        return fit(net, *args, **options)

    monkeypatch.setattr(ingredients, "KEEP", 0.5)
    cell = Cell({"from": "replica", "exchanged": "sleep left out"}, 0)
    protocol = tiny(REPLICA)
    assert {row["tasks"] for row in ingredients.measure(cell, sequence, protocol)} == {3}
    monkeypatch.setattr(MLP, "fit", diverging)
    rows = [*ingredients.measure(cell, sequence, protocol)]
    assert [row["head"] for row in rows] == ["own", "0.5"]
    assert {row["tasks"] for row in rows} == {2}


def test_the_table_and_the_picture():
    values = {"nothing": (50, 60), "gate": (40, 70), "gate + width": (30, 30)}
    results = pd.DataFrame(
        {"from": "paper", "exchanged": what, "seed": s, "head": head, "accuracy": a + s, "tasks": 5}
        for what, both in values.items()
        for s in (0, 1)
        for head, a in zip(("own", "0.25"), both, strict=True)
    )
    nothing, gate = EXPERIMENT.table(results).to_dict("records")
    assert nothing["own outputs"] == "50.5 ± 0.7" and nothing["own outputs, change"] == "–"
    assert gate["own outputs, change"] == "-10.0 [-10.0, -10.0]"
    assert gate["homeostasis, change"] == "+10.0 [+10.0, +10.0]"
    matrix = ingredients.exchanged_by_two(results, "paper")
    assert matrix.loc["gate", "gate"] == 40.5
    assert matrix.loc["gate", "width"] == matrix.loc["width", "gate"] == 30.5
    assert matrix.notna().to_numpy().sum() == 3
    assert "50 %" in EXPERIMENT.picture(results).axes[0].get_title()
