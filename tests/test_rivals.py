"""Nearest mean, streaming LDA and ridge: what their statistics are, and what they predict."""

from functools import partial

import numpy as np
import pytest

from srcnb import tasks
from srcnb.experiments.cells import accuracies
from srcnb.methods.base import all_samples, train_and_sleep
from srcnb.methods.icarl import features
from srcnb.methods.rivals import (
    PENALTY,
    SHRINKAGE,
    ClassStatistics,
    Discriminant,
    LinearClassifier,
    Ridge,
    nearest_mean,
    ridge,
    streaming_lda,
)


@pytest.fixture
def batches():
    """Three batches of samples of four features, of classes 0, 1 and 3 of 4."""
    rng = np.random.default_rng(0)
    centres = 3 * rng.random((4, 4))
    made = []
    for labels in ([0] * 9 + [1] * 4, [3] * 6 + [1] * 5, [0] * 3):
        y = np.array(labels)
        made.append((centres[y] + rng.normal(size=(len(y), 4)) * [1, 2, 0.5, 1], y))
    return made


def test_statistics_are_those_of_all_samples_at_once(batches):
    statistics = ClassStatistics(4, 4, scatter=True)
    for phi, y in batches:
        statistics.update(phi, y)
    phi, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    assert statistics.counts.tolist() == [12, 9, 0, 6]
    assert statistics.classes.tolist() == [0, 1, 3]
    scatter = np.zeros((4, 4))
    for c in (0, 1, 3):
        of_class = phi[y == c]
        np.testing.assert_allclose(statistics.means[c], of_class.mean(axis=0))
        scatter += np.cov(of_class.T, bias=True) * len(of_class)
    np.testing.assert_allclose(statistics.scatter, scatter)
    for shrinkage in (0.2, 1.0):
        expected = (1 - shrinkage) * scatter / 27
        expected += shrinkage * np.trace(scatter) / 27 / 4 * np.eye(4)
        np.testing.assert_allclose(statistics.covariance(shrinkage), expected)


def test_statistics_of_single_samples():
    statistics = ClassStatistics(2, 3, scatter=True)
    statistics.update(np.eye(3)[:2], np.array([0, 1]))
    np.testing.assert_array_equal(statistics.covariance(0.1), np.eye(3))
    assert ClassStatistics(2, 3, scatter=False).scatter is None


def test_a_linear_classifier(monkeypatch):
    monkeypatch.setattr("srcnb.methods.rivals.BATCH_ROWS", 3)
    W, b = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.0, 0.25])
    X = np.array([[0.5, 0.0], [0.5, 0.3], [0.0, 0.5], [1.0, 0.5], [0.0, 0.0]])
    model = LinearClassifier(lambda X: 2 * X, W, b, np.array([4, 7]))
    np.testing.assert_array_equal(model.predict(X), [4, 4, 7, 4, 7])
    assert model.predict(X[:0]).shape == (0,)
    with pytest.raises(ValueError, match="X must be finite"):
        model.predict([[np.nan, 0]])


def predictions(checkpoints, X):
    return [c.model.predict(X) for c in checkpoints]


def by_distance(phi, y, X, precision=None):
    """The class of the nearest mean of ``phi``, by Mahalanobis distance."""
    classes = np.unique(y)
    means = np.stack([phi[y == c].mean(axis=0) for c in classes])
    away = X[:, None] - means
    precision = np.eye(phi.shape[1]) if precision is None else precision
    return classes[np.einsum("ncd,de,nce->nc", away, precision, away).argmin(axis=1)]


def test_on_the_input_they_are_what_all_samples_at_once_would_give(sequence, protocol):
    X = np.concatenate([task.X_test for task in sequence])
    means = predictions(nearest_mean(sequence, protocol, 0), X)
    lda = predictions(streaming_lda(sequence, protocol, 0, shrinkage=0.3), X)
    for stage in (1, 2, 3):
        phi = np.concatenate([task.X for task in sequence[:stage]]).astype("f8")
        y = np.concatenate([task.y for task in sequence[:stage]])
        np.testing.assert_array_equal(means[stage - 1], by_distance(phi, y, X))
        centred = phi - np.stack([phi[y == c].mean(axis=0) for c in range(2 * stage)])[y]
        covariance = 0.7 * centred.T @ centred / len(y) + 0.3 * (centred**2).mean() * np.eye(20)
        expected = by_distance(phi, y, X, np.linalg.inv(covariance))
        np.testing.assert_array_equal(lda[stage - 1], expected)
    assert any((a != b).any() for a, b in zip(means, lda, strict=True))


def test_shrunk_altogether_lda_is_nearest_mean(sequence, protocol):
    X = np.concatenate([task.X_test for task in sequence])
    for a, b in zip(
        predictions(nearest_mean(sequence, protocol, 0), X),
        predictions(streaming_lda(sequence, protocol, 0, shrinkage=1), X),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("on", ["hidden", "frozen"])
def test_means_are_those_of_the_network_then(sequence, protocol, on):
    """And what is classified goes through the network as it is now."""
    net = protocol.new_network(sequence, 0)
    X = np.concatenate([task.X_test for task in sequence])
    phi, y = [], []
    for (_, _, model), task in zip(nearest_mean(sequence, protocol, 0, on), sequence, strict=True):
        if on == "hidden" or not phi:
            net.fit(task.X, task.y, **protocol.training)
        phi.append(features(net, task.X).astype("f8"))
        y.append(task.y)
        expected = by_distance(np.concatenate(phi), np.concatenate(y), features(net, X))
        np.testing.assert_array_equal(model.predict(X), expected)


def test_on_the_input_nothing_is_trained(sequence, protocol):
    net = protocol.new_network(sequence, 0)
    before = [w.copy() for w in net.weights]
    for learner in (
        Discriminant(np.random.default_rng(0), "input"),
        Ridge(np.random.default_rng(0), 10, 0.1),
    ):
        learner.learn(net, sequence[0], protocol.training)
    for w, v in zip(net.weights, before, strict=True):
        np.testing.assert_array_equal(w, v)


def test_the_capped_samples_are_learnt(sequence, protocol):
    learner = Discriminant(np.random.default_rng(0), "input", 0.1)
    learner.learn(protocol.new_network(sequence, 0), sequence[0], protocol.training)
    assert learner.statistics.counts.sum() == 40 < len(sequence[0].X_all)


def test_ridge_is_that_of_all_samples_at_once(sequence, protocol):
    made = []

    class Spy(Ridge):
        def __init__(self, rng, **options):
            super().__init__(rng, **options)
            made.append(self)

    learner = partial(Spy, n_features=50, penalty=0.03)
    checkpoints = train_and_sleep(sequence, protocol, 0, learner, sleeps=False)
    for stage, (_, _, model) in enumerate(checkpoints, 1):
        phi = made[0].features(np.concatenate([task.X for task in sequence[:stage]]))
        y = np.concatenate([task.y for task in sequence[:stage]])
        # The normal equations, as a least-squares problem with a row for each penalty.
        rows = np.sqrt(0.03 * (phi**2).sum(axis=0).mean()) * np.eye(50)
        targets = np.concatenate([np.eye(2 * stage)[y], np.zeros((50, 2 * stage))])
        W, *_ = np.linalg.lstsq(np.concatenate([phi, rows]), targets, rcond=None)
        np.testing.assert_allclose(model.W, W.T, rtol=1e-6, atol=1e-9)
        assert model.classes.tolist() == [*range(2 * stage)]
        np.testing.assert_array_equal(model.b, 0)


@pytest.mark.slow
def test_random_features():
    learner = Ridge(np.random.default_rng(0), 4000, 0.1)
    X = np.random.default_rng(1).random((20, 5))
    task = tasks_of(X)
    learner.learn(None, task, {})
    R = learner.R
    assert R.shape == (4000, 6)
    assert abs(R.mean()) < 0.02 and abs(R.std() - 1) < 0.02
    expected = np.maximum(X @ R[:, :5].T + R[:, 5], 0)
    np.testing.assert_allclose(learner.features(X), expected)
    learner.learn(None, task, {})
    assert learner.R is R


def tasks_of(X):
    y = np.arange(len(X)) % 2
    return tasks.Task("one", X, y, X, y, X, y, 2)


@pytest.mark.parametrize(
    "method", [nearest_mean, streaming_lda, ridge, partial(streaming_lda, on="frozen")]
)
def test_they_remember(sequence, protocol, method):
    *_, last = method(sequence, protocol, 0)
    got = accuracies(last.model, sequence)
    assert got["all"] > 75 and min(got.values()) > 50


def test_the_defaults_are_the_chosen_ones(sequence, protocol):
    X = all_samples(sequence)[0]
    for method, options in (
        (streaming_lda, dict(shrinkage=SHRINKAGE["input"])),
        (partial(streaming_lda, on="hidden"), dict(shrinkage=SHRINKAGE["hidden"])),
        (ridge, dict(n_features=1200, penalty=PENALTY)),
    ):
        for a, b in zip(
            method(sequence, protocol, 0), method(sequence, protocol, 0, **options), strict=True
        ):
            np.testing.assert_array_equal(a.model.W, b.model.W)
            np.testing.assert_array_equal(a.model.predict(X), b.model.predict(X))


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (nearest_mean, dict(on="pixels"), "on must be one of 'input', 'hidden', 'frozen'"),
        (streaming_lda, dict(on="pixels"), "on must be one of.*got 'pixels'"),
        (streaming_lda, dict(shrinkage=0), "shrinkage must be.*got 0"),
        (ridge, dict(penalty=0), "penalty must be.*got 0"),
        (ridge, dict(n_features=0), "n_features must be at least 1, got 0"),
    ],
)
def test_bad_options(sequence, protocol, method, options, message):
    with pytest.raises(ValueError, match=message):
        method(sequence, protocol, 0, **options)
