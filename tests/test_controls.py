"""homeostasis, offset and own-classes: what each does to the network, and when."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import assert_gradients

from srcnb import MLP, homeostasis, tasks
from srcnb.backprop import softmax
from srcnb.low_rank import LowRankMLP
from srcnb.methods import METHODS, controls
from srcnb.methods.baselines import sequential
from srcnb.methods.controls import Corrected, Homeostatic, OwnClasses, fit_classes


def weights_of(checkpoints):
    return [[w.copy() for w in c.model.weights] for c in checkpoints]


def rng():
    """The Generator that the learner of seed 0 gets."""
    return np.random.default_rng(np.random.SeedSequence(0, spawn_key=(0,)))


def test_homeostasis_at_prediction_measures_a_copy(sequence, protocol):
    """The network of "sequential", corrected by the current task's samples for all classes seen."""
    random_state = rng()
    X = np.concatenate([task.X_test for task in sequence])
    plain = sequential(sequence, protocol, 0)
    for stage, phase, model in controls.homeostasis(sequence, protocol, 0, keep=0.6):
        _, _, net = next(plain)
        task = sequence[stage - 1]
        expected = homeostasis(net, task.X, range(2 * stage), 0.6, random_state=random_state)
        assert phase == "train"
        for w, v in zip(model.corrected.weights, expected.weights, strict=True):
            np.testing.assert_array_equal(w, v)
        for w, v in zip(model.net.weights, net.weights, strict=True):
            np.testing.assert_array_equal(w, v)
        np.testing.assert_array_equal(model.predict(X), expected.predict(X))
    assert (model.predict(X) != net.predict(X)).any()


def test_homeostasis_in_the_weights_trains_on_from_there(sequence, protocol):
    random_state = rng()
    net = protocol.new_network(sequence, 0)
    got = weights_of(controls.homeostasis(sequence, protocol, 0, at="weights", keep=0.6))
    for stage, task in enumerate(sequence, 1):
        net.fit(task.X, task.y, **protocol.training)
        net = homeostasis(net, task.X, range(2 * stage), 0.6, random_state=random_state)
        for w, v in zip(got[stage - 1], net.weights, strict=True):
            np.testing.assert_array_equal(w, v)


def test_homeostasis_remembers_what_sequential_training_forgets(sequence, protocol):
    def right(method, **options):
        *_, last = method(sequence, protocol, 0, **options)
        task = sequence[0]
        return np.mean(last.model.predict(task.X_test) == task.y_test)

    assert right(sequential) == 0
    assert right(controls.homeostasis, keep=0.5) > 0.2


@pytest.mark.parametrize("at", ["prediction", "weights"])
def test_homeostasis_leaves_tasks_with_all_classes_alone(toy_data, protocol, at):
    """From the second task on, with new classes besides or not; not one that lacks a class."""
    permuted = tasks.permuted_pixels(toy_data, 3, cap=40)
    plain, *_, last = sequential(permuted, protocol, 0)
    first, *_, model = (c.model for c in controls.homeostasis(permuted, protocol, 0, at=at))
    if at == "prediction":
        X = permuted[2].X_test
        np.testing.assert_array_equal(model.predict(X), last.model.predict(X))
        assert (first.corrected.weights[-1] != first.net.weights[-1]).any()
        assert model.corrected is model.net
    [pair, *_], [three, _] = (tasks.class_incremental(toy_data, groups=n) for n in (2, 3))
    assert controls.has_all(np.array([0, 1]), pair) and controls.has_all(np.array([0, 1]), three)
    assert not controls.has_all(np.array([0, 2]), pair)
    assert not controls.has_all(np.array([], int), pair)


@pytest.mark.parametrize("method", ["src", "ewc+src", "si+src"])
def test_a_slept_network_is_read_as_it_is_after_tasks_with_all_classes(toy_data, protocol, method):
    permuted = tasks.permuted_pixels(toy_data, 2, cap=40)
    read = [*METHODS[method](permuted, replace(protocol, homeostasis=0.5), 0)]
    plain = [*METHODS[method](permuted, protocol, 0)]
    for one, other in zip(read, plain, strict=True):
        net = one.model.net if isinstance(one.model, Corrected) else one.model
        same = np.array_equal(one.model.predict(permuted[0].X), net.predict(permuted[0].X))
        assert one.stage == 1 or same
        for w, v in zip(net.weights, other.model.weights, strict=True):
            np.testing.assert_array_equal(w, v)


def test_homeostasis_keeps_samples_of_the_current_task_only(sequence, protocol):
    learner = Homeostatic(np.random.default_rng(0), keep=0.5, at="prediction")
    net = protocol.new_network(sequence, 0)
    for stage, task in enumerate(sequence, 1):
        learner.learn(net, task, protocol.training)
        assert learner.X is task.X
        assert learner.classes.tolist() == [*range(2 * stage)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(at="loss"), "at must be one of 'prediction', 'weights'; got 'loss'"),
        (dict(keep=0), r"keep must be .* in \(0, 1.*got 0"),
        (dict(keep=1.5), "keep must be .*got 1.5"),
    ],
)
def test_bad_options_of_homeostasis(sequence, protocol, options, message):
    with pytest.raises(ValueError, match=message):
        controls.homeostasis(sequence, protocol, 0, **options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_offset_lowers_the_current_classes_for_good(sequence, protocol, dtype):
    protocol = replace(protocol, network=dict(dtype=dtype))
    net = protocol.new_network(sequence, 0)
    got = weights_of(controls.offset(sequence, protocol, 0, by=0.7))
    for stage, task in enumerate(sequence, 1):
        net.fit(task.X, task.y, **protocol.training)
        W = net.weights[-1]
        constant = 0.7 * np.sqrt((W.astype("f8") ** 2).mean())
        W[2 * stage - 2 : 2 * stage] -= W.dtype.type(constant)
        for w, v in zip(got[stage - 1], net.weights, strict=True):
            assert w.dtype == dtype
            np.testing.assert_array_equal(w, v)


def test_offset_of_0_is_sequential(sequence, protocol):
    pairs = zip(
        weights_of(controls.offset(sequence, protocol, 0, by=0)),
        weights_of(sequential(sequence, protocol, 0)),
        strict=True,
    )
    for one, other in pairs:
        for w, v in zip(one, other, strict=True):
            np.testing.assert_array_equal(w, v)


def test_offset_must_not_be_negative(sequence, protocol):
    with pytest.raises(ValueError, match="by must be .*got -0.1"):
        controls.offset(sequence, protocol, 0, by=-0.1)


def batch(n=8):
    """Samples of 6 features, with labels 1 and 3 of 5."""
    rng = np.random.default_rng(4)
    return rng.random((n, 6)), rng.choice([1, 3], n), np.array([1, 3])


def loss(net, X, y, classes):
    """The mean cross-entropy, or the paper's loss, over the outputs of these classes alone."""
    z = net.logits(X)[:, classes]
    own = np.searchsorted(classes, y)
    if net.output == "softmax":
        return -np.log(softmax(z)[np.arange(len(y)), own]).mean()
    return (0.5 * np.maximum(z, 0) ** 2).sum(axis=1).mean() - z[np.arange(len(y)), own].mean()


@pytest.mark.parametrize("output", ["softmax", "relu"])
@pytest.mark.parametrize("bias", [False, True])
def test_fit_classes_goes_down_the_loss_over_some_outputs(output, bias):
    """One step of gradient descent with rate 1 is the gradient, against central differences."""
    X, y, classes = batch()
    net = MLP((6, 7, 5, 5), output=output, bias=bias, dtype="float64", init=1.0, random_state=0)
    if bias:
        for b in net.biases:
            b += 0.1
    before = net.copy()
    training = dict(epochs=1, batch_size=len(X), learning_rate=1.0, momentum=0.0)
    fit_classes(net, X, y, classes, training)
    parameters = before.weights + (before.biases or [])
    steps = [p - q for p, q in zip(parameters, net.weights + (net.biases or []), strict=True)]
    assert_gradients(parameters, steps, lambda: loss(before, X, y, classes))
    others = [0, 2, 4]
    np.testing.assert_array_equal(net.weights[-1][others], before.weights[-1][others])


def test_fit_classes_leaves_other_outputs_to_the_last_bit():
    """Also with weight decay and momentum that goes on, and with biases."""
    X, y, classes = batch(40)
    net = MLP((6, 7, 5), bias=True, l2=0.1, dropout=0.2, random_state=0)
    net.fit(X, y, reset_momentum=False)  # so that all outputs have some momentum
    before = net.copy()
    fit_classes(net, X, y, classes, dict(epochs=3, batch_size=10, reset_momentum=False))
    others = [0, 2, 4]
    np.testing.assert_array_equal(net.weights[-1][others], before.weights[-1][others])
    np.testing.assert_array_equal(net.biases[-1][others], before.biases[-1][others])
    assert (net.weights[-1][classes] != before.weights[-1][classes]).all()
    assert (net.weights[0] != before.weights[0]).any()


@pytest.mark.parametrize("bias", [False, True])
def test_fit_classes_with_all_classes_is_fit(bias):
    """To the last bit: random numbers and momentum go on from one call to the next."""
    X, y, _ = batch(50)
    y = np.arange(50) % 5
    one = MLP((6, 7, 5), bias=bias, dropout=0.3, l2=0.01, random_state=2)
    other = one.copy()
    training = dict(epochs=2, batch_size=7, reset_momentum=False)
    for _ in range(2):
        one.fit(X, y, **training)
        fit_classes(other, X, y, np.arange(5), training)
    for p, q in zip(
        one.weights + (one.biases or []), other.weights + (other.biases or []), strict=True
    ):
        np.testing.assert_array_equal(p, q)


def test_fit_classes_refuses_low_rank():
    X, y, classes = batch()
    with pytest.raises(TypeError, match="net must be a dense MLP.*got LowRank"):
        fit_classes(LowRankMLP((6, 5, 5), 2, random_state=0), X, y, classes, {})


def test_own_classes_learns_each_task_by_its_own_classes(sequence, protocol):
    net = protocol.new_network(sequence, 0)
    for stage, (_, phase, model) in enumerate(controls.own_classes(sequence, protocol, 0), 1):
        task = sequence[stage - 1]
        fit_classes(
            net, task.X, task.y, np.array([2 * stage - 2, 2 * stage - 1]), protocol.training
        )
        assert phase == "train"
        for w, v in zip(model.weights, net.weights, strict=True):
            np.testing.assert_array_equal(w, v)


def test_own_classes_learns(easy_data):
    (task,) = tasks.class_incremental(easy_data, groups=3)
    net = MLP((20, 30, 3), random_state=0)
    OwnClasses(np.random.default_rng(0)).learn(net, task, dict(epochs=30, batch_size=10))
    assert np.mean(net.predict(task.X_test) == task.y_test) > 0.95


def test_own_classes_may_sleep(sequence, protocol):
    phases = [c.phase for c in controls.own_classes(sequence, protocol, 0, sleeps=True)]
    assert phases == ["train", "sleep"] * 3
    with pytest.raises(TypeError, match="sleeps must be True or False, got 1"):
        controls.own_classes(sequence, protocol, 0, sleeps=1)
