"""lwf: its targets, its loss, and what it remembers."""

from dataclasses import replace

import numpy as np
import pytest

from srcnb.backprop import softmax
from srcnb.methods.baselines import sequential
from srcnb.methods.lwf import TEMPERATURE, LwF, lwf


def learner_after(n, sequence, protocol, strength, temperature=3.0):
    """(A learner and its network after the first n tasks)."""
    learner = LwF(np.random.default_rng(0), strength, temperature)
    net = protocol.new_network(sequence, 0)
    for task in sequence[:n]:
        learner.learn(net, task, protocol.training)
    return learner, net


@pytest.mark.parametrize(("strength", "share"), [(0.3, 0.3), (None, 2 / 3)])
def test_softmax_targets(sequence, protocol, strength, share):
    """The label and the old network's softmax over the four classes seen, at the temperature."""
    learner, net = learner_after(2, sequence, protocol, strength)
    task = sequence[2]
    old = softmax(net.logits(task.X)[:, :4] / 3)
    expected = (1 - share) * np.eye(6)[task.y]
    expected[:, :4] += share * old
    targets = learner.targets(net, task)
    assert targets.dtype == net.dtype
    np.testing.assert_allclose(targets, expected, rtol=1e-5, atol=1e-7)


def test_relu_targets(sequence, protocol):
    """New classes get the label alone; those seen what the old network said, by its share."""
    protocol = replace(protocol, network=dict(output="relu"))
    learner, net = learner_after(1, sequence, protocol, 0.3)
    task = sequence[1]
    expected = np.eye(6)[task.y]
    expected[:, :2] = 0.3 * net.activations(task.X)[-1][:, :2]
    np.testing.assert_allclose(learner.targets(net, task), expected, rtol=1e-6)


def test_a_class_that_comes_again_has_label_and_old_output(sequence, protocol):
    learner, net = learner_after(1, sequence, protocol, 0.25)
    task = sequence[0]
    expected = 0.75 * np.eye(6)[task.y]
    expected[:, :2] += 0.25 * softmax(net.logits(task.X)[:, :2] / 3)
    np.testing.assert_allclose(learner.targets(net, task), expected, rtol=1e-5, atol=1e-7)


def test_it_is_the_sum_of_two_cross_entropies(sequence, protocol):
    protocol = replace(protocol, network=dict(dtype="float64"))
    learner, net = learner_after(1, sequence, protocol, 0.3)
    task = sequence[1]
    targets = learner.targets(net, task)
    old = np.zeros((len(task.X), 6))
    old[:, :2] = softmax(net.logits(task.X)[:, :2] / 3)
    new = protocol.new_network(sequence, 5)
    two = 0.7 * new.loss(task.X, task.y) + 0.3 * new.loss(task.X, old)
    assert new.loss(task.X, targets) == pytest.approx(two, rel=1e-12)


def test_it_trains_on_the_targets_of_the_network_before(sequence, protocol):
    """The first task by its labels; the targets are not renewed during a training."""
    learner, net = learner_after(1, sequence, protocol, None)
    twin = protocol.new_network(sequence, 0)
    twin.fit(sequence[0].X, sequence[0].y, **protocol.training)
    np.testing.assert_array_equal(net.weights[0], twin.weights[0])
    for task in sequence[1:]:
        twin.fit(task.X, learner.targets(twin, task), **protocol.training)
        learner.learn(net, task, protocol.training)
        np.testing.assert_array_equal(net.weights[0], twin.weights[0])
    assert learner.n_learnt == 3 and learner.classes.tolist() == [*range(6)]
    *_, last = lwf(sequence, protocol, 0, temperature=3.0)
    np.testing.assert_array_equal(last.model.weights[-1], net.weights[-1])


def test_strength_0_is_sequential(sequence, protocol):
    for a, b in zip(
        lwf(sequence, protocol, 0, strength=0), sequential(sequence, protocol, 0), strict=True
    ):
        for w, v in zip(a.model.weights, b.model.weights, strict=True):
            np.testing.assert_allclose(w, v, atol=1e-5)


def test_the_default_temperature(sequence, protocol):
    one, other = lwf(sequence, protocol, 0), lwf(sequence, protocol, 0, temperature=TEMPERATURE)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.model.weights[-1], b.model.weights[-1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(strength=1), "strength must be.*got 1"),
        (dict(strength=-0.1), "strength must be.*got -0.1"),
        (dict(temperature=0), "temperature must be.*got 0"),
    ],
)
def test_bad_options(sequence, protocol, options, message):
    with pytest.raises(ValueError, match=message):
        lwf(sequence, protocol, 0, **options)
