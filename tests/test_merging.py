"""Low-rank networks, the methods that merge networks, and the oracle."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from conftest import assert_gradients

from srcnb import MLP, MeanDream, SleepConfig, experiment, sleep, tasks
from srcnb.low_rank import LowRankMLP
from srcnb.methods import (
    cheat,
    low_rank_concat,
    low_rank_merging,
    low_rank_parallel,
    merging,
    sequential,
)
from srcnb.protocols import own_protocol

METHODS = {
    "cheat": cheat.run,
    "slip": lambda *args: cheat.run(*args, slip=True),
    "merging": merging.run,
    "low-rank-merging": low_rank_merging.run,
    "low-rank-concat": low_rank_concat.run,
    "low-rank-parallel": low_rank_parallel.run,
}


@pytest.fixture
def protocol():
    training = dict(epochs=20, batch_size=10, learning_rate=0.1, momentum=0.5)
    return replace(own_protocol(), hidden=(12, 12), training=training)


@pytest.fixture
def sequence(toy_data):
    return tasks.class_incremental(toy_data, groups=1)


def with_biases(protocol):
    return replace(protocol, network=protocol.network | dict(bias=True, dtype="float64"))


def toy_batch(n=7, n_in=6, n_out=4):
    rng = np.random.default_rng(0)
    return rng.random((n, n_in)), rng.integers(0, n_out, n)


def dense(net):
    return [np.asarray(w) for w in net.weights]


# ---------------------------------------------------------------------- the low-rank network


@pytest.mark.parametrize(
    ("output", "bias", "inverted", "l2"),
    list(itertools.product(["softmax", "relu"], [False, True], [None, True, False], [0.0, 0.1])),
)
def test_gradients_against_central_differences(output, bias, inverted, l2):
    dropout = 0.3 if inverted is not None else 0
    net = LowRankMLP(
        (6, 8, 5, 4),
        rank=3,
        output=output,
        bias=bias,
        l2=l2,
        dropout=dropout,
        inverted_dropout=bool(inverted),
        dtype="float64",
        random_state=1,
    )
    X, y = toy_batch()
    rng = np.random.default_rng(2)
    # At 0, a sample whose hidden units are all silent would sit on the kink of the output relu.
    for b in net.biases or []:
        b += rng.uniform(-0.5, 0.5, b.shape)
    masks = [rng.random((7, n)) >= dropout for n in (8, 5)] if dropout else None
    gradients = net.gradients(X, y, masks)
    assert (gradients.biases is not None) == bias
    assert_gradients(
        [*itertools.chain(*net.factors), *(net.biases or [])],
        [*itertools.chain(*gradients.weights), *(gradients.biases or [])],
        lambda: net.loss(X, y, masks),
    )


def test_low_rank_fit_is_momentum_sgd_on_the_factors():
    X, y = toy_batch(n=10)
    net = LowRankMLP((6, 8, 4), 3, bias=True, l2=0.01, dtype="float64", random_state=0)
    twin = net.copy()
    net.fit(X, y, epochs=2, batch_size=10, learning_rate=0.2, momentum=0.7)
    velocity = None
    for _ in range(2):
        g = twin.gradients(X, y)
        flat = [d for pair in g.weights for d in pair] + g.biases
        velocity = [0.2 * d + (0.7 * velocity[i] if velocity else 0) for i, d in enumerate(flat)]
        parameters = [f for pair in twin.factors for f in pair] + twin.biases
        for p, v in zip(parameters, velocity, strict=True):
            p -= v
    for a, b in zip(dense(net) + net.biases, dense(twin) + twin.biases, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("options", [{}, dict(output="relu", dropout=0.2, inverted_dropout=False)])
def test_low_rank_is_the_mlp_of_its_products(toy_data, options):
    net = LowRankMLP((20, 15, 12, 3), 4, bias=True, random_state=0, **options)
    net.fit(toy_data.X, toy_data.y, epochs=40, batch_size=10, learning_rate=0.1)
    assert np.mean(net.predict(toy_data.X_test) == toy_data.y_test) > 0.9
    assert net.layer_sizes == (20, 15, 12, 3) and net.dtype == "float32"
    mlp = net.to_mlp()
    assert type(mlp) is MLP
    for (A, B), W in zip(net.factors, mlp.weights, strict=True):
        np.testing.assert_allclose(W, B @ A, rtol=1e-5)
        assert np.linalg.matrix_rank(W, tol=1e-4) <= 4
    for a, b in zip(net.activations(toy_data.X), mlp.activations(toy_data.X), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_low_rank_sleeps_into_a_dense_network(toy_data):
    net = LowRankMLP((20, 15, 3), 4, random_state=0)
    config = SleepConfig(n_steps=50, alpha=(5, 5), beta=(1, 1), inc=0.01, dec=0.001)
    dream = MeanDream()
    dream.learn(toy_data.X)
    slept, _ = sleep(net, dream, config, random_state=0)
    same, _ = sleep(net.to_mlp(), dream, config, random_state=0)
    assert type(slept) is MLP
    for a, b in zip(slept.weights, same.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_low_rank_from_arrays():
    net = LowRankMLP((6, 8, 4), 3, bias=True, random_state=0)
    twin = LowRankMLP.from_arrays(net.factors, net.biases)
    X, y = toy_batch()
    np.testing.assert_array_equal(net.activations(X)[-1], twin.activations(X)[-1])
    twin.fit(X, y)
    assert not np.array_equal(net.factors[0][0], twin.factors[0][0])
    assert repr(twin).startswith("LowRankMLP((6, 8, 4), bias=True") and "rank=3" in repr(twin)


def factors(*shapes, dtype="float32"):
    return [np.ones(shape, dtype) for shape in shapes]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LowRankMLP((6,)), "layer_sizes"),
        (lambda: LowRankMLP((6, 0, 4)), "layer_sizes.*0"),
        (lambda: LowRankMLP((6, 4), rank=0), "rank.*0"),
        (lambda: LowRankMLP((6, 4), rank=2.5), "rank.*2.5"),
        (lambda: LowRankMLP((6, 4), dropout=1), "dropout.*1"),
        (lambda: LowRankMLP.from_arrays([factors((2, 6))]), r"factors\[0\].*pair.*1"),
        (lambda: LowRankMLP.from_arrays([factors((2, 6), (4, 3))]), r"factors\[0\] must chain"),
        (lambda: LowRankMLP.from_arrays([factors((2, 6), (4, 2))] * 2), "weights must chain"),
        (
            lambda: LowRankMLP.from_arrays([factors((2, 6), (4, 2), dtype=int)]),
            r"factors\[0\].*int",
        ),
        (lambda: LowRankMLP((6, 4)).fit(*toy_batch(n_in=5)), "X must have 6 columns"),
        (lambda: LowRankMLP((6, 4)).fit(*toy_batch(), regularizer=1), "regularizer.*1"),
    ],
)
def test_bad_low_rank_networks(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_a_diverging_low_rank_training_is_taken_back():
    X, y = toy_batch(n=50)
    net = LowRankMLP((6, 8, 4), output="relu", random_state=0)
    before = dense(net)
    with pytest.raises(OverflowError, match="diverged"):
        net.fit(X, y, epochs=20, learning_rate=1e4)
    for a, b in zip(before, dense(net), strict=True):
        np.testing.assert_array_equal(a, b)


# ---------------------------------------------------------------------- merging


@pytest.fixture
def trained(monkeypatch):
    """What fit got and made: a list of (the weights before, the network after)."""
    seen = []
    fit = MLP.fit

    def recording(net, *args, **kwargs):
        before = [w.copy() for w in dense(net)]
        fit(net, *args, **kwargs)
        seen.append((before, net.copy()))
        return net

    monkeypatch.setattr(MLP, "fit", recording)
    return seen


@pytest.mark.parametrize("form", ["merging", "low-rank-merging"])
def test_merging_is_the_mean_over_the_same_start(sequence, protocol, trained, form):
    protocol = with_biases(protocol)
    stages = list(METHODS[form](sequence, protocol, 5))
    assert [(stage, phase) for stage, phase, _ in stages] == [(k, "train") for k in (1, 2, 3)]
    starts, nets = zip(*trained, strict=True)
    for start in starts:
        for a, b in zip(start, starts[0], strict=True):
            np.testing.assert_array_equal(a, b)
    for stage, _, model in stages:
        for layer, W in enumerate(dense(model)):
            mean = np.mean([np.asarray(net.weights[layer]) for net in nets[:stage]], axis=0)
            np.testing.assert_allclose(W, mean, rtol=1e-9, atol=1e-12)
            mean = np.mean([net.biases[layer] for net in nets[:stage]], axis=0)
            np.testing.assert_allclose(model.biases[layer], mean, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("form", ["merging", "low-rank-merging"])
def test_merged_networks_have_random_numbers_of_their_own(sequence, protocol, trained, form):
    """Were the order of the samples the same, so were the networks of equal tasks."""
    list(METHODS[form]([sequence[0]] * 3, protocol, 5))
    first = [dense(net)[0] for _, net in trained]
    assert not np.array_equal(first[0], first[1]) and not np.array_equal(first[1], first[2])


@pytest.mark.parametrize("reset_momentum", [True, False])
def test_merging_starts_as_sequential(sequence, protocol, reset_momentum):
    training = protocol.training | dict(reset_momentum=reset_momentum)
    protocol = replace(protocol, training=training)
    _, _, merged = next(merging.run(sequence, protocol, 3))
    _, _, net = next(sequential.run(sequence, protocol, 3))
    for a, b in zip(merged.weights, net.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_concat_is_the_sum_of_the_layers_maps(sequence, protocol):
    protocol = with_biases(protocol)
    rng = np.random.default_rng(5)
    starts = (LowRankMLP((20, 12, 12, 3), 10, random_state=rng, **protocol.network) for _ in "123")
    nets = [
        net.fit(task.X, task.y, **protocol.training)
        for net, task in zip(starts, sequence, strict=True)
    ]
    assert not np.array_equal(nets[0].factors[0][0], nets[1].factors[0][0])
    for stage, _, model in low_rank_concat.run(sequence, protocol, 5):
        for layer, (A, B) in enumerate(model.factors):
            parts = [net.factors[layer] for net in nets[:stage]]
            np.testing.assert_array_equal(A, np.vstack([a for a, _ in parts]))
            np.testing.assert_array_equal(B, np.hstack([b for _, b in parts]))
            x = np.random.default_rng(0).random((4, A.shape[1]))
            total = sum(x @ a.T @ b.T for a, b in parts)
            total += sum(net.biases[layer] for net in nets[:stage])
            np.testing.assert_allclose(x @ A.T @ B.T + model.biases[layer], total, rtol=1e-12)
        assert model.predict(sequence[0].X_test).shape == (10,)


def test_low_rank_methods_start_alike(sequence, protocol):
    first = [
        next(METHODS[name](sequence, protocol, 2))[2]
        for name in ("low-rank-merging", "low-rank-concat")
    ]
    np.testing.assert_array_equal(*(dense(model)[0] for model in first))


def test_low_rank_upper_bound(sequence, protocol):
    ((stage, phase, model),) = low_rank_parallel.run(sequence, protocol, 0)
    assert (stage, phase) == (3, "train")
    assert all(w.rank == 10 for w in model.weights)
    assert experiment.measure(model, sequence)["all"] > 90


# ---------------------------------------------------------------------- the oracle


def test_the_oracle_holds_back_the_last_tasks_classes_only(toy_data, protocol):
    sequence = tasks.class_incremental(toy_data, groups=[[0, 2], [1]])
    plain = sequential.run(sequence, protocol, 1)
    for k, (_, _, model) in enumerate(cheat.run(sequence, protocol, 1)):
        _, _, net = next(plain)
        for a, b in zip(model.net.weights, net.weights, strict=True):
            np.testing.assert_array_equal(a, b)
        current, other = sequence[k], sequence[1 - k]
        X = toy_data.X_test
        np.testing.assert_array_equal(model.predict(X), net.predict(X))
        np.testing.assert_array_equal(model.predict_task(X, current), net.predict(X))
        assert not np.isin(model.predict_task(X, other), np.unique(current.y_all)).any()
    # Forgotten altogether, but not for who may only answer 0 or 2.
    assert np.mean(net.predict(sequence[0].X_test) == sequence[0].y_test) == 0
    assert experiment.measure(model, sequence)["1"] >= 50


def test_the_oracle_leaves_shared_classes_alone(toy_data, protocol):
    sequence = tasks.permuted_pixels(toy_data, 2)
    for (_, _, model), (_, _, net) in zip(
        cheat.run(sequence, protocol, 0), sequential.run(sequence, protocol, 0), strict=True
    ):
        assert experiment.measure(model, sequence) == experiment.measure(net, sequence)


def test_the_oracle_on_softmax_outputs_that_underflow(sequence):
    # Logits 300, 0 and 100 for every sample: the softmax is 1, 0 and 0 in float32.
    net = MLP.from_arrays([np.ones((1, 20), "f4"), np.array([[300], [0], [100]], "f4")])
    X = np.full((5, 20), 0.05)
    oracle = cheat.Oracle(net, np.array([0]))
    np.testing.assert_array_equal(oracle.predict(X), 0)
    np.testing.assert_array_equal(oracle.predict_task(X, sequence[1]), 2)


def test_the_oracle_on_relu_outputs_that_are_silent(sequence):
    # Inputs 3, -2 and -1 of the output layer: both classes that are left have an output of 0.
    net = MLP.from_arrays(
        [np.ones((1, 20), "f4"), np.array([[3], [-2], [-1]], "f4")], output="relu"
    )
    X = np.full((5, 20), 0.05)
    oracle = cheat.Oracle(net, np.array([0]))
    np.testing.assert_array_equal(oracle.predict(X), 0)
    np.testing.assert_array_equal(oracle.predict_task(X, sequence[1]), 2)


def test_the_slip_zeroes_columns_for_good(sequence, protocol):
    def columns():
        for stage, _, model in cheat.run(sequence, protocol, 0, slip=True):
            yield stage, model.net.weights[-1].copy(), model

    plain = [net.weights[-1].copy() for _, _, net in sequential.run(sequence, protocol, 0)]
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
    oracle = cheat.Oracle(net, np.array([0]), fill=0.0)
    np.testing.assert_array_equal(oracle.predict_task(X, sequence[1]), 0)
    net.biases[-1][1] = 2
    np.testing.assert_array_equal(oracle.predict_task(X, sequence[1]), 1)


def test_the_slip_needs_a_unit_for_each_class(sequence, protocol):
    protocol = replace(protocol, hidden=(12, 2))
    with pytest.raises(ValueError, match="slip.*2 units and class 2"):
        list(cheat.run(sequence, protocol, 0, slip=True))


# ---------------------------------------------------------------------- all of them


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("output", ["softmax", "relu"])
def test_reproducible_per_seed(sequence, protocol, name, output):
    # As both published protocols train: inverted or not, momentum reset or kept.
    network = dict(dropout=0.25, output=output, inverted_dropout=output == "softmax")
    training = protocol.training | dict(epochs=1, reset_momentum=output == "softmax")
    protocol = replace(protocol, network=network, training=training)

    def last(seed):
        *_, (stage, phase, model) = METHODS[name](sequence, protocol, seed)
        assert (stage, phase) == (3, "train")
        assert set(experiment.measure(model, sequence)) == {"all", "1", "2", "3"}
        return dense(getattr(model, "net", model))

    a, b, c = last(4), last(4), last(5)
    np.testing.assert_array_equal(np.concatenate(a, axis=None), np.concatenate(b, axis=None))
    assert not np.array_equal(a[0], c[0])
