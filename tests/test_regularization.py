"""ewc and si: quadratic penalties, by their defining properties."""

from dataclasses import replace

import numpy as np
import pytest

from srcnb import MLP, tasks
from srcnb.methods.baselines import sequential
from srcnb.methods.regularization import (
    FISHER_SAMPLES,
    EWCLearner,
    SILearner,
    ewc,
    fisher_information,
    si,
)

RUNS = [pytest.param(ewc, id="ewc"), pytest.param(si, id="si")]


def weights_of(models):
    """(stage, phase, weights) of a run, as they are when it yields."""
    return [(stage, phase, [w.copy() for w in net.weights]) for stage, phase, net in models]


def assert_same(one, other):
    for (*when, a), (*when_other, b) in zip(one, other, strict=True):
        assert when == when_other
        for w, v in zip(a, b, strict=True):
            np.testing.assert_array_equal(w, v)


def batch(rng, n=30, n_classes=4):
    return rng.random((n, 7)), rng.integers(n_classes, size=n)


def network(rng, **options):
    return MLP((7, 6, 5, 4), dtype="float64", random_state=rng, **options)


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
    estimate = fisher_information(net, np.repeat(X, 40000, axis=0), rng)
    for f, f_expected in zip(estimate, expected, strict=True):
        np.testing.assert_allclose(f, f_expected, rtol=0.1, atol=0.01 * f_expected.max())


def test_omega_adds_up_to_the_loss_decrease(protocol, easy_data):
    # One full batch per epoch, small steps: then the path integral is the loss's own.
    training = dict(epochs=200, batch_size=90, learning_rate=0.01, momentum=0.0)
    protocol = replace(protocol, network=dict(dtype="float64"), training=training)
    (task,) = tasks.class_incremental(easy_data, groups=3)
    net = protocol.new_network([task], 0)
    learner = SILearner(np.random.default_rng(0), strength=1, damping=0.1)
    before = net.loss(task.X, task.y)
    learner.learn(net, task, protocol.training)
    decrease = before - net.loss(task.X, task.y)
    assert decrease > 0.1
    assert sum(omega.sum() for omega in learner.omega) == pytest.approx(decrease, rel=0.01)
    for c, omega, w, start in zip(
        learner.curvature, learner.omega, net.weights, learner.anchors, strict=True
    ):
        assert (c >= 0).all() and c.any()
        where = omega > 0
        np.testing.assert_allclose(c[where], (2 * omega / ((w - start) ** 2 + 0.1))[where])


@pytest.mark.parametrize("strength", [1e-3, 1e3])
def test_pull_is_the_penaltys_derivative_where_the_step_ends(sequence, protocol, strength):
    rate = protocol.training["learning_rate"]
    protocol = replace(protocol, network=dict(dtype="float64"))
    learner = EWCLearner(np.random.default_rng(0), strength)
    net = protocol.new_network(sequence, 0)
    learner.learn(net, sequence[0], protocol.training)
    learner.learn(net, sequence[1], protocol.training)
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


@pytest.mark.parametrize("method", RUNS)
def test_without_strength_as_sequential(method, sequence, protocol):
    plain = weights_of(sequential(sequence, protocol, 3))
    assert_same(weights_of(method(sequence, protocol, 3, strength=0)), plain)


@pytest.mark.parametrize("method", RUNS)
def test_the_stronger_the_less_weights_move(method, easy_data, protocol):
    sequence = tasks.class_incremental(easy_data, groups=1)
    training = dict(epochs=5, batch_size=20, learning_rate=0.05, momentum=0.5)
    protocol = replace(protocol, training=training)

    def moves(strength):
        (*_, first), *_, (*_, last) = weights_of(method(sequence, protocol, 0, strength=strength))
        return sum(((w - v) ** 2).sum() for w, v in zip(first, last, strict=True))

    # The last one is stable only as its step is implicit.
    free, held, fixed = moves(0), moves(10.0), moves(1e9)
    assert fixed < held < free
    assert fixed < 0.5 * free


@pytest.mark.parametrize("method", RUNS)
def test_reproducible_and_seeds_differ(method, sequence, protocol):
    one = weights_of(method(sequence, protocol, 5, strength=10.0))
    assert_same(one, weights_of(method(sequence, protocol, 5, strength=10.0)))
    other = weights_of(method(sequence, protocol, 6, strength=10.0))
    assert not np.array_equal(one[-1][-1][0], other[-1][-1][0])


@pytest.mark.parametrize("method", RUNS)
def test_with_sleep(method, sequence, protocol):
    phases = [(stage, phase) for stage, phase, _ in method(sequence, protocol, 0, sleeps=True)]
    assert phases == [(stage, phase) for stage in (1, 2, 3) for phase in ("train", "sleep")]
    assert "sleep" not in {phase for _, phase, _ in method(sequence, protocol, 0)}


def test_anchors_are_the_slept_weights(sequence, protocol):
    learner = EWCLearner(np.random.default_rng(0), 1.0)
    net = protocol.new_network(sequence, 0)
    learner.learn(net, sequence[0], protocol.training)
    slept = net.with_weights([0.9 * w for w in net.weights])
    before = [w.copy() for w in slept.weights]
    learner.learn(slept, sequence[1], protocol.training)
    for anchor, w in zip(learner.anchors, before, strict=True):
        np.testing.assert_array_equal(anchor, w)


@pytest.mark.parametrize("method", RUNS)
def test_the_published_relu_protocol(method, sequence, protocol):
    network = dict(dropout=0.25, inverted_dropout=False, output="relu", init=0.01)
    training = {**protocol.training} | dict(reset_momentum=False)
    protocol = replace(protocol, network=network, training=training)
    *_, (_, _, net) = method(sequence, protocol, 0, strength=100.0)
    assert all(np.isfinite(w).all() and w.dtype == np.float32 for w in net.weights)


@pytest.mark.parametrize(
    ("method", "arguments", "error", "message"),
    [
        (ewc, dict(strength=-1.5), ValueError, "strength.*-1.5"),
        (ewc, dict(strength="much"), TypeError, "strength.*'much'"),
        (si, dict(strength=-2), ValueError, "strength.*-2"),
        (si, dict(strength=float("nan")), ValueError, "strength.*nan"),
        (si, dict(damping=0), ValueError, "damping.*0"),
    ],
)
def test_bad_input(method, arguments, error, message, sequence, protocol):
    with pytest.raises(error, match=message):
        method(sequence, protocol, 0, **arguments)


def test_fisher_information_is_of_a_thousand_samples(easy_data, protocol):
    """By default; or as many as asked, or as there are; drawn at random by the learner's seed."""
    rng = np.random.default_rng(0)
    net = replace(protocol, network=dict(dtype="float64")).new_network(
        tasks.class_incremental(easy_data, groups=3), 0
    )
    whole = tasks.class_incremental(easy_data, groups=3)[0]
    many = replace(whole, X=rng.random((1500, 20)), y=np.zeros(1500, int))

    def importance(task, seed=0, **options):
        """As the learner estimates it, and from how many different samples."""
        seen = []
        net_ = net.copy()
        net_.squared_gradients = lambda X, y: seen.append(X) or net.squared_gradients(X, y)
        EWCLearner(np.random.default_rng(seed), 1.0, **options).importance(net_, task)
        [X] = seen
        assert {x.tobytes() for x in X} <= {x.tobytes() for x in task.X}
        return X, len({x.tobytes() for x in X})

    assert importance(many)[1] == FISHER_SAMPLES == 1000
    assert importance(many, fisher_samples=70)[1] == 70
    assert importance(whole)[1] == len(whole.X) == 90
    a, b = (importance(many, seed=seed)[0] for seed in (0, 1))
    assert not np.array_equal(a, b)


def test_default_strengths(sequence, protocol):
    """Those that were chosen on training data, with and without sleep."""
    for method, strengths in ((ewc, {False: 0.1, True: 1000.0}), (si, {False: 0.1, True: 100.0})):
        for sleeps, strength in strengths.items():
            default = weights_of(method(sequence, protocol, 0, sleeps=sleeps))
            assert_same(default, weights_of(method(sequence, protocol, 0, sleeps, strength)))
            twice = weights_of(method(sequence, protocol, 0, sleeps, 2 * strength))
            assert not np.array_equal(default[-1][-1][0], twice[-1][-1][0])


def test_a_weight_whose_moves_raised_the_loss_has_no_importance(protocol, easy_data):
    [task] = tasks.class_incremental(easy_data, groups=3)
    net = replace(protocol, hidden=(), network=dict(dtype="float64")).new_network([task], 0)
    learner = SILearner(np.random.default_rng(0), strength=1, damping=0.1)
    learner.anchors = [w - 0.2 for w in net.weights]
    learner.omega = [np.where(w > 0, 0.3, -0.3) for w in net.weights]
    [importance] = learner.importance(net, task)
    expected = np.where(net.weights[0] > 0, 2 * 0.3 / (0.04 + 0.1), 0)
    np.testing.assert_allclose(importance, expected)


@pytest.mark.parametrize("run", RUNS)
def test_its_outputs_are_brought_to_one_scale_where_src_has_them_so(run, sequence, protocol):
    even = replace(protocol, homeostasis=0.5)
    for mine, own in zip(
        run(sequence, even, 0, True), run(sequence, protocol, 0, True), strict=True
    ):
        assert (mine.stage, mine.phase) == (own.stage, own.phase) and type(mine) is type(own)
        for a, b in zip(mine.model.net.weights, own.model.weights, strict=True):
            np.testing.assert_array_equal(a, b)  # the network goes on as it is
        X = sequence[mine.stage - 1].X
        masked = np.repeat(X, 50, axis=0) * (np.random.default_rng(1).random((2000, 20)) < 0.5)
        even_net, seen = mine.model.corrected, slice(2 * mine.stage)
        np.testing.assert_allclose(even_net.logits(masked)[:, seen].std(axis=0), 1, atol=0.15)
        np.testing.assert_array_equal(mine.model.predict(X), even_net.predict(X))
        if mine.phase == "sleep":
            assert mine.record is not None and mine.record.config == own.record.config
    awake = run(sequence, even, 0)
    assert all(isinstance(checkpoint.model, MLP) for checkpoint in awake)
