"""All methods by name: what they yield, what they may see, and that seeds matter."""

from dataclasses import replace

import numpy as np
import pytest

from srcnb import presets
from srcnb.experiments.cells import accuracies
from srcnb.methods import KEEPS, METHODS, SLEEPING


@pytest.fixture
def protocol(protocol):
    return replace(protocol, training={**protocol.training, "epochs": 5})


def outputs(name, tasks, protocol, seed):
    """(stage, phase) and predictions for the tasks' training samples, at each checkpoint."""
    X = np.concatenate([task.X_all for task in tasks])
    return [
        (c.stage, c.phase, c.model.predict(X).tolist())
        for c in METHODS[name](tasks, protocol, seed)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_the_same_seed_the_same_network_another_another(name, sequence, protocol):
    one, same, other = (outputs(name, sequence, protocol, seed) for seed in (0, 0, 1))
    assert one == same
    # Nothing is drawn where nothing is trained.
    assert (one == other) == (name in ("nearest-mean", "streaming-lda"))


@pytest.mark.parametrize("name", METHODS)
def test_checkpoints(name, sequence, protocol):
    at = [(c.stage, c.phase) for c in METHODS[name](sequence, protocol, 0)]
    if "parallel" in name:
        assert at == [(3, "train")]
    elif name in SLEEPING:
        assert at == [(stage, phase) for stage in (1, 2, 3) for phase in ("train", "sleep")]
    else:
        assert at == [(1, "train"), (2, "train"), (3, "train")]


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_no_method_sees_test_data_or_changes_its_tasks(name, sequence, protocol):
    arrays = [a for t in sequence for a in (t.X, t.y, t.X_all, t.y_all)]
    before = [a.copy() for a in arrays]
    blind = [replace(task, X_test=None, y_test=None) for task in sequence]
    assert outputs(name, blind, protocol, 0) == outputs(name, sequence, protocol, 0)
    for a, b in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", METHODS)
def test_each_learns_and_some_remember(name, sequence, protocol):
    """The first task when it is trained, and at the end more or less of all six classes."""
    protocol = replace(protocol, training={**protocol.training, "epochs": 20})
    measured = [accuracies(c.model, sequence) for c in METHODS[name](sequence, protocol, 0)]
    first, last = measured[0], measured[-1]
    # Twenty epochs are few for the thin factors of a network of low rank.
    assert first["1"] > (90 if "low-rank" not in name else 45)
    remembered = {"parallel": 95, "icarl": 95, "icarl+src": 95, "low-rank-parallel": 80}
    remembered |= {"rehearsal": 55, "rehearsal+src": 55, "cheat": 60, "merging": 40}
    remembered |= {"homeostasis": 40, "homeostasis-weights": 50, "lwf": 40, "own-classes": 25}
    remembered |= {"src+homeostasis": 40, "src+homeostasis-weights": 40, "ridge": 90}
    remembered |= {"nearest-mean": 90, "nearest-mean-frozen": 50}
    remembered |= {"streaming-lda": 90, "streaming-lda-frozen": 80}
    assert last["all"] > remembered.get(name, 16)
    if name == "sequential":
        assert (last["1"], last["2"], last["3"]) == (0, 0, 100)


def test_which_methods_sleep():
    assert {
        *("src", "src-step-back", "src-save-best"),
        *("rehearsal+src", "icarl+src", "ewc+src", "si+src"),
        *("src+homeostasis", "src+homeostasis-weights"),
    } == SLEEPING


def test_what_each_method_keeps():
    assert [*KEEPS] == [*METHODS]
    kinds = {"nothing", "samples", "statistics", "the old network"}
    assert {*KEEPS.values()} == kinds | {"the tasks' networks", "two numbers per weight"}
    samples = {name for name in KEEPS if KEEPS[name] == "samples"}
    assert samples == {
        *("parallel", "low-rank-parallel", "src-save-best"),
        *("rehearsal", "rehearsal+src", "icarl", "icarl+src"),
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::srcnb.SilentLayerWarning")
@pytest.mark.filterwarnings("ignore::srcnb.NoChangeWarning")
@pytest.mark.parametrize("name", METHODS)
def test_every_method_runs_with_the_protocol_that_is_the_default(name, sequence):
    protocol = replace(presets.calibrated(), hidden=(12, 12))
    *_, last = METHODS[name](sequence, protocol, 0)
    assert last.stage == 3 and last.phase == ("sleep" if name in SLEEPING else "train")
    assert set(last.model.predict(sequence[0].X_test)) <= set(range(6))
