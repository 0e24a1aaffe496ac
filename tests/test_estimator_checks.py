"""What SleepReplayClassifier is given: parameters, classes, held-out data and random states.

tests/test_bad_input.py and tests/test_estimator.py have what it refuses.
"""

import numpy as np
import pytest

import srcnb
from srcnb import SleepReplayClassifier, SleepTargets, presets
from srcnb.estimator_checks import (
    can_fire,
    check_classes,
    check_held_out,
    check_known,
    check_parameters,
    check_seed,
)


def test_the_protocol_of_the_parameters():
    """The calibrated one, but for what the parameters say; a sleep follows each part by hand."""
    own = presets.calibrated()
    protocol = check_parameters(SleepReplayClassifier(), 7)
    assert protocol.hidden == (400, 400) and protocol.training["epochs"] == 7
    assert protocol.network == {**own.network, "bias": True, "dropout": 0.25}
    assert protocol.training == {**own.training, "epochs": 7}
    assert protocol.schedule.constants == SleepTargets() and protocol.schedule.per_task == 1
    targets = SleepTargets(n_steps=50)
    given = SleepReplayClassifier(
        [5], epochs=4, batch_size=3, learning_rate=0.5, bias=False, dropout=0, sleep_targets=targets
    )
    protocol = check_parameters(given, 7)
    assert protocol.hidden == (5,) and protocol.schedule.first_steps == 50
    assert (protocol.network["bias"], protocol.network["dropout"]) == (False, 0)
    training = {"epochs": 4, "batch_size": 3, "learning_rate": 0.5}
    assert protocol.training == {**own.training, **training}
    assert protocol.schedule.constants is targets


def test_classes_are_sorted_and_labels_must_be_among_them():
    known = check_classes(("b", "a", "b"))
    assert known.tolist() == ["a", "b"]
    check_known(np.array(["b", "b"]), known)
    with pytest.raises(ValueError, match=r"y must hold classes of the first call, .*got .*'c'"):
        check_known(np.array(["b", "c"]), known)
    for mixed in (["a", 1], [["a"], ["b"]], []):
        with pytest.raises(ValueError, match="classes must be a list of labels, got"):
            check_classes(mixed)


def test_held_out_data_are_scaled_and_labels_are_places():
    """By the first task, whatever the held-out data are; the estimator does not change."""
    X = np.array([[-4.0, 10], [0, 20], [4, 30], [8, 60]])
    estimator = SleepReplayClassifier((4,), random_state=0).fit(X, ["x", "y", "x", "z"])
    before = vars(estimator).copy()
    inputs, places = check_held_out(estimator, [[[100, 30], [2, -100]], ["z", "x"]])
    np.testing.assert_array_equal(inputs, estimator.scale_.transform([[100, 30], [2, -100]]))
    assert inputs.shape == (2, 4) and inputs.max() == 1
    assert places.tolist() == [2, 0]
    assert vars(estimator) == before


def test_seeds():
    assert check_seed(5) == check_seed(np.int64(5)) == 5
    drawn = [check_seed(np.random.RandomState(s)) for s in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    with pytest.raises(ValueError, match="random_state must be .*, got True"):
        check_seed(True)


def test_a_sleep_needs_an_intensity_above_0():
    assert can_fire(np.array([[0, -1], [0, 0.1]]), stacklevel=2)
    with pytest.warns(srcnb.NoChangeWarning, match="no sleep"):
        assert not can_fire(np.array([[0, -1]]), stacklevel=2)
