"""sequential, parallel, and the oracle that is told the task."""

from dataclasses import replace

import numpy as np
import pytest

from srcnb import MLP, tasks
from srcnb.experiments.cells import accuracies
from srcnb.methods.baselines import Oracle, cheat, parallel, sequential
from srcnb.presets import own


@pytest.fixture
def protocol():
    training = dict(epochs=20, batch_size=10, learning_rate=0.1, momentum=0.5)
    return replace(own(), hidden=(12, 12), training=training)


@pytest.fixture
def sequence(easy_data):
    return tasks.class_incremental(easy_data, groups=1)


def test_the_oracle_holds_back_the_last_tasks_classes_only(easy_data, protocol):
    sequence = tasks.class_incremental(easy_data, groups=[[0, 2], [1]])
    plain = sequential(sequence, protocol, 1)
    for k, (_, _, model) in enumerate(cheat(sequence, protocol, 1)):
        _, _, net = next(plain)
        for a, b in zip(model.net.weights, net.weights, strict=True):
            np.testing.assert_array_equal(a, b)
        current, other = sequence[k], sequence[1 - k]
        X = easy_data.X_test
        np.testing.assert_array_equal(model.predict(X), net.predict(X))
        np.testing.assert_array_equal(model.predict_task(X, current), net.predict(X))
        assert not np.isin(model.predict_task(X, other), np.unique(current.y_all)).any()
    # Forgotten altogether, but not where only 0 or 2 may be the answer.
    assert np.mean(net.predict(sequence[0].X_test) == sequence[0].y_test) == 0
    assert accuracies(model, sequence)["1"] >= 50


def test_the_oracle_leaves_shared_classes_alone(easy_data, protocol):
    sequence = tasks.permuted_pixels(easy_data, 2)
    for (_, _, model), (_, _, net) in zip(
        cheat(sequence, protocol, 0), sequential(sequence, protocol, 0), strict=True
    ):
        assert accuracies(model, sequence) == accuracies(net, sequence)


def test_the_oracle_on_softmax_outputs_that_underflow(sequence):
    # Logits 300, 0 and 100 for every sample: the softmax is 1, 0 and 0 in float32.
    net = MLP.from_arrays([np.ones((1, 20), "f4"), np.array([[300], [0], [100]], "f4")])
    X = np.full((5, 20), 0.05)
    oracle = Oracle(net, np.array([0]))
    np.testing.assert_array_equal(oracle.predict(X), 0)
    np.testing.assert_array_equal(oracle.predict_task(X, sequence[1]), 2)


def test_the_oracle_on_relu_outputs_that_are_silent(sequence):
    # Inputs 3, -2 and -1 of the output layer: both classes that are left have an output of 0.
    net = MLP.from_arrays(
        [np.ones((1, 20), "f4"), np.array([[3], [-2], [-1]], "f4")], output="relu"
    )
    X = np.full((5, 20), 0.05)
    oracle = Oracle(net, np.array([0]))
    np.testing.assert_array_equal(oracle.predict(X), 0)
    np.testing.assert_array_equal(oracle.predict_task(X, sequence[1]), 2)


def test_the_slip_zeroes_columns_for_good(sequence, protocol):
    def columns():
        for stage, _, model in cheat(sequence, protocol, 0, slip=True):
            yield stage, model.net.weights[-1].copy(), model

    plain = [net.weights[-1].copy() for _, _, net in sequential(sequence, protocol, 0)]
    stages = list(columns())
    for stage, W, _ in stages:
        assert (W[:, stage - 1] == 0).all() and (W[:, stage:] != 0).any()
    np.testing.assert_array_equal(stages[0][1][:, 1:], plain[0][:, 1:])
    # Training goes on from there.
    assert not np.array_equal(stages[1][1][:, 2:], plain[1][:, 2:])


def test_the_slip_sets_logits_to_zero(sequence):
    net = MLP.from_arrays(
        [np.ones((1, 20), "f4"), np.array([[3], [-1], [-2]], "f4")], [np.zeros(1), np.zeros(3)]
    )
    X = np.full((5, 20), 0.05)
    # 0 is still the largest of 0, -1 and -2.
    oracle = Oracle(net, np.array([0]), fill=0.0)
    np.testing.assert_array_equal(oracle.predict_task(X, sequence[1]), 0)
    net.biases[-1][1] = 2
    np.testing.assert_array_equal(oracle.predict_task(X, sequence[1]), 1)


def test_the_slip_needs_a_unit_for_each_class(sequence, protocol):
    protocol = replace(protocol, hidden=(12, 2))
    with pytest.raises(ValueError, match="slip.*2 units and class 2"):
        list(cheat(sequence, protocol, 0, slip=True))


@pytest.fixture
def fits(monkeypatch):
    """What MLP.fit is given, call by call."""
    seen, fit = [], MLP.fit

    def spy(self, X, y, **options):
        seen.append((X, y, options))
        return fit(self, X, y, **options)

    monkeypatch.setattr(MLP, "fit", spy)
    return seen


@pytest.mark.parametrize(("parallel_epochs", "epochs"), [(None, 20), (3, 3)])
def test_parallel_learns_all_samples_at_once(toy_data, protocol, fits, parallel_epochs, epochs):
    """Not only those that the cap leaves to the tasks, and perhaps for more epochs."""
    sequence = tasks.class_incremental(toy_data, groups=2, cap=20)
    protocol = replace(protocol, parallel_epochs=parallel_epochs)
    [(stage, phase, net)] = parallel(sequence, protocol, 0)
    assert (stage, phase) == (3, "train")
    [(X, y, options)] = fits
    assert options == {**protocol.training, "epochs": epochs}
    assert sorted(map(bytes, X)) == sorted(map(bytes, toy_data.X))
    assert np.bincount(y).tolist() == [30] * 6
    fresh = protocol.new_network(sequence, 0).fit(X, y, **options)
    np.testing.assert_array_equal(fresh.weights[0], net.weights[0])


def test_sequential_learns_what_the_cap_leaves(toy_data, protocol, fits):
    sequence = tasks.class_incremental(toy_data, groups=2, cap=20)
    for (stage, phase, _), task in zip(sequential(sequence, protocol, 0), sequence, strict=True):
        assert sequence[stage - 1] is task
        X, y, options = fits[-1]
        assert phase == "train" and len(X) == 20 and options == protocol.training
        np.testing.assert_array_equal(X, task.X)
        np.testing.assert_array_equal(y, task.y)
