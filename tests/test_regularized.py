"""ewc and si: quadratic penalties, by their defining properties."""

from dataclasses import replace

import numpy as np
import pytest

from srcnb import MLP, tasks
from srcnb.methods import ewc, sequential, si

RUNS = [pytest.param(ewc.run, id="ewc"), pytest.param(si.run, id="si")]


def weights_of(models):
    """(stage, phase, weights) of a run, as they are when it yields."""
    return [(stage, phase, [w.copy() for w in net.weights]) for stage, phase, net in models]


def assert_same(run, other):
    for (*when, a), (*when_other, b) in zip(run, other, strict=True):
        assert when == when_other
        for w, v in zip(a, b, strict=True):
            np.testing.assert_array_equal(w, v)


def batch(rng, n=30, n_classes=4):
    return rng.random((n, 7)), rng.integers(n_classes, size=n)


def network(rng, **options):
    return MLP((7, 6, 5, 4), dtype="float64", random_state=rng, **options)


# ---------------------------------------------------------------------- importance


@pytest.mark.parametrize("output", ["softmax", "relu"])
@pytest.mark.parametrize("bias", [False, True])
def test_squared_gradients_sample_by_sample(output, bias):
    rng = np.random.default_rng(0)
    net = network(rng, output=output, bias=bias, dropout=0.3, l2=0.0)
    X, y = batch(rng)
    naive = [np.zeros_like(w) for w in net.weights]
    for i in range(len(X)):
        for total, g in zip(naive, net.gradients(X[i : i + 1], y[i : i + 1]).weights, strict=True):
            total += g**2 / len(X)
    for fast, slow in zip(net.squared_gradients(X, y), naive, strict=True):
        np.testing.assert_allclose(fast, slow, rtol=1e-10, atol=1e-14)


def test_squared_gradients_at_test_scale():
    # Without inverted dropout the tested network is the one with W_2 and W_3 scaled by 0.7.
    rng = np.random.default_rng(1)
    net = network(rng, output="relu", dropout=0.3, inverted_dropout=False)
    X, y = batch(rng)
    scaled = MLP.from_arrays([net.weights[0], *(0.7 * w for w in net.weights[1:])], output="relu")
    factors = (1, 0.49, 0.49)
    expected = scaled.squared_gradients(X, y)
    for fast, slow, factor in zip(net.squared_gradients(X, y), expected, factors, strict=True):
        np.testing.assert_allclose(fast, factor * slow, rtol=1e-10)


@pytest.mark.parametrize("output", ["softmax", "relu"])
def test_fisher_information_is_that_of_the_models_own_predictions(output):
    # Over many draws it is the expected squared gradient, which has a closed form.
    rng = np.random.default_rng(2)
    net = network(rng, output=output, init=1.0)
    X, _ = batch(rng, n=3)
    a = net.activations(X)[-1]
    expected = [np.zeros_like(w) for w in net.weights]
    for i, out in enumerate(a):
        for k in range(len(out)):
            if output == "softmax":
                share, target = out[k], np.eye(len(out))[k]
            else:  # unit variance of each output that is on
                share, target = out[k] > 0, out + np.eye(len(out))[k]
            squares = net.squared_gradients(X[i : i + 1], target[None])
            for total, g2 in zip(expected, squares, strict=True):
                total += share * g2 / len(a)
    estimate = ewc.fisher_information(net, np.repeat(X, 40000, axis=0), rng)
    for f, f_expected in zip(estimate, expected, strict=True):
        np.testing.assert_allclose(f, f_expected, rtol=0.1, atol=0.01 * f_expected.max())


def test_omega_adds_up_to_the_loss_decrease(protocol, toy_data):
    # One full batch per epoch, small steps: then the path integral is the loss's own.
    training = dict(epochs=200, batch_size=90, learning_rate=0.01, momentum=0.0)
    protocol = replace(protocol, network=dict(dtype="float64"), training=training)
    (task,) = tasks.class_incremental(toy_data, groups=3)
    net = protocol.new_network([task], 0)
    learner = si.SILearner(protocol, np.random.default_rng(0), strength=1, damping=0.1)
    before = net.loss(task.X, task.y)
    learner.learn(net, task)
    decrease = before - net.loss(task.X, task.y)
    assert decrease > 0.1
    assert sum(omega.sum() for omega in learner.omega) == pytest.approx(decrease, rel=0.01)
    for c, omega, w, start in zip(
        learner.curvature, learner.omega, net.weights, learner.anchors, strict=True
    ):
        assert (c >= 0).all() and c.any()
        where = omega > 0
        np.testing.assert_allclose(c[where], (2 * omega / ((w - start) ** 2 + 0.1))[where])


# ---------------------------------------------------------------------- penalty


@pytest.mark.parametrize("strength", [1e-3, 1e3])
def test_pull_is_the_penaltys_derivative_where_the_step_ends(sequence, protocol, strength):
    rate = 0.05
    protocol = replace(protocol, network=dict(dtype="float64"))
    learner = ewc.EWCLearner(protocol, np.random.default_rng(0), strength)
    net = protocol.new_network(sequence, 0)
    learner.learn(net, sequence[0])
    learner.learn(net, sequence[1])
    # The penalty that the second task was trained under had one task's importance.
    learner.curvature = [i / (1 - rate * i) for i in learner._implicit]
    for layer, w in enumerate(net.weights):
        pull = learner.pull(layer, slice(2, 5), w[2:5])
        row, column = np.unravel_index(np.argmax(abs(pull)), pull.shape)
        end = net.copy()
        end.weights[layer][2 + row, column] -= rate * pull[row, column]
        above, below = end.copy(), end.copy()
        h = 1e-6
        above.weights[layer][2 + row, column] += h
        below.weights[layer][2 + row, column] -= h
        slope = (learner.penalty(above) - learner.penalty(below)) / (2 * h)
        assert pull[row, column] == pytest.approx(slope, rel=1e-4)
        assert abs(pull[row, column]) > 0


@pytest.mark.parametrize("run", RUNS)
def test_without_strength_as_sequential(run, sequence, protocol):
    plain = weights_of(sequential.run(sequence, protocol, 3))
    assert_same(weights_of(run(sequence, protocol, 3, strength=0)), plain)


@pytest.mark.parametrize("run", RUNS)
def test_the_stronger_the_less_weights_move(run, sequence, protocol):
    def moves(strength):
        (*_, first), *_, (*_, last) = weights_of(run(sequence, protocol, 0, strength=strength))
        return sum(((w - v) ** 2).sum() for w, v in zip(first, last, strict=True))

    # The last one is stable only as its step is implicit.
    free, held, fixed = moves(0), moves(10.0), moves(1e9)
    assert fixed < held < free
    assert fixed < 0.5 * free


@pytest.mark.parametrize("run", RUNS)
def test_reproducible_and_seeds_differ(run, sequence, protocol):
    one = weights_of(run(sequence, protocol, 5, strength=10.0))
    assert_same(one, weights_of(run(sequence, protocol, 5, strength=10.0)))
    other = weights_of(run(sequence, protocol, 6, strength=10.0))
    assert not np.array_equal(one[-1][-1][0], other[-1][-1][0])


@pytest.mark.parametrize("run", RUNS)
def test_with_sleep(run, sequence, protocol):
    phases = [(stage, phase) for stage, phase, _ in run(sequence, protocol, 0, sleeps=True)]
    assert phases == [(stage, phase) for stage in (1, 2, 3) for phase in ("train", "sleep")]
    assert "sleep" not in {phase for _, phase, _ in run(sequence, protocol, 0)}


def test_anchors_are_the_slept_weights(sequence, protocol):
    learner = ewc.EWCLearner(protocol, np.random.default_rng(0), 1.0)
    net = protocol.new_network(sequence, 0)
    learner.learn(net, sequence[0])
    slept = net.with_weights([0.9 * w for w in net.weights])
    before = [w.copy() for w in slept.weights]
    learner.learn(slept, sequence[1])
    for anchor, w in zip(learner.anchors, before, strict=True):
        np.testing.assert_array_equal(anchor, w)


@pytest.mark.parametrize("run", RUNS)
def test_the_published_relu_protocol(run, sequence, protocol):
    network = dict(dropout=0.25, inverted_dropout=False, output="relu", init="matlab")
    training = protocol.training | dict(reset_momentum=False)
    protocol = replace(protocol, network=network, training=training)
    *_, (_, _, net) = run(sequence, protocol, 0, strength=100.0)
    assert all(np.isfinite(w).all() and w.dtype == np.float32 for w in net.weights)


@pytest.mark.parametrize(
    ("run", "arguments", "error", "message"),
    [
        (ewc.run, dict(strength=-1.5), ValueError, "strength.*-1.5"),
        (ewc.run, dict(strength="much"), TypeError, "strength.*'much'"),
        (si.run, dict(strength=-2), ValueError, "strength.*-2"),
        (si.run, dict(strength=float("nan")), ValueError, "strength.*nan"),
        (si.run, dict(damping=0), ValueError, "damping.*0"),
    ],
)
def test_bad_input(run, arguments, error, message, sequence, protocol):
    with pytest.raises(error, match=message):
        run(sequence, protocol, 0, **arguments)
