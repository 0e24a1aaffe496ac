"""Two networks compared: against the same computed directly from all activations."""

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA

from srcnb import MLP, analysis, before_after


@pytest.fixture
def pair(monkeypatch):
    """(before, after, X, y), where X takes several blocks."""
    monkeypatch.setattr(before_after, "BLOCK_ROWS", 7)
    rng = np.random.default_rng(0)
    X = rng.random((24, 12), dtype=np.float32)
    before = MLP((12, 9, 7, 3), init=0.6, random_state=0)
    after = MLP((12, 9, 7, 3), init=0.6, random_state=1)
    return before, after, X, np.repeat([0, 2, 1], 8)


def layers(net, X):
    """Hidden activations and logits."""
    return [*net.activations(X)[:-1], net.logits(X)]


def test_the_first_samples_of_each_class():
    y = np.array([2, 0, 2, 0, 0, 2])
    assert before_after.by_class(y, 2).tolist() == [1, 3, 0, 2]
    assert before_after.by_class(y, 9).tolist() == [1, 3, 4, 0, 2, 5]


def test_class_means(pair):
    net, _, X, y = pair
    for found, a in zip(before_after.class_means(net, X, y), layers(net, X), strict=True):
        expected = [a[y == c].mean(axis=0) for c in range(3)]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_joint_scores_are_those_of_one_fit(pair):
    before, after, X, _ = pair
    scores = before_after.joint_scores([before, after], X, 4)
    assert [s.shape for s in scores] == [(2, 24, 4), (2, 24, 4), (2, 24, 3)]
    both = [layers(net, X) for net in (before, after)]
    for layer in (0, 1):
        a = np.concatenate([both[0][layer], both[1][layer]])
        expected = PCA(4, random_state=0).fit(a).transform(a).reshape(2, 24, 4)
        np.testing.assert_allclose(scores[layer], expected, atol=1e-4)
    np.testing.assert_allclose(scores[2], [both[0][2], both[1][2]], rtol=1e-6)  # not projected
    assert before_after.joint_scores([before], X)[1].shape == (1, 24, 7)  # a narrow layer


def test_components_are_fitted_on_some_samples(pair, monkeypatch):
    """And all are projected."""
    before, after, X, _ = pair
    monkeypatch.setattr(before_after, "FIT_ROWS", 12)
    scores = before_after.joint_scores([before, after], X, 2)
    a = [layers(net, X)[0] for net in (before, after)]
    fitted = PCA(2, random_state=0).fit(np.concatenate([one[::2] for one in a]))
    np.testing.assert_allclose(scores[0], [fitted.transform(one) for one in a], atol=1e-4)


def test_pooled_scores(pair):
    before, after, X, y = pair
    scores = before_after.joint_scores([before, after], X, 3)
    for all_of, pooled in zip(scores, before_after.pooled_scores(scores, y), strict=True):
        expected = np.stack([all_of[:, y == c].mean(axis=1) for c in range(3)], axis=1)
        np.testing.assert_allclose(pooled, expected, rtol=1e-5, atol=1e-6)


def test_changes_by_class(pair):
    before, after, X, y = pair
    table = before_after.class_changes(before, after, X, y)
    assert [*zip(table["layer"], table["class"], strict=True)] == [
        (layer, c) for layer in (1, 2, 3) for c in range(3)
    ]
    one, other = (layers(net, X)[1][y == 2] for net in (before, after))
    row = table[(table["layer"] == 2) & (table["class"] == 2)].iloc[0]
    cosines = [analysis.cosine(a, b) for a, b in zip(one, other, strict=True)]
    assert row["difference"] == pytest.approx(1 - np.mean(cosines), abs=1e-5)
    assert row["before"] == pytest.approx(np.linalg.norm(one, axis=1).mean(), rel=1e-5)
    assert row["after"] == pytest.approx(np.linalg.norm(other, axis=1).mean(), rel=1e-5)
    same = before_after.class_changes(before, before, X, y)
    np.testing.assert_allclose(same["difference"], 0, atol=1e-6)


def test_a_vector_of_zeros_has_cosine_0(pair):
    before, _, X, y = pair
    silent = before.with_weights([np.zeros_like(W) for W in before.weights])
    table = before_after.class_changes(before, silent, X, y)
    np.testing.assert_array_equal(table["difference"], 1)


def test_stable_ranks(pair):
    net, *_ = pair
    table = before_after.stable_ranks(net)
    assert table["layer"].tolist() == [1, 2, 3]
    assert table["stable_rank"].tolist() == [analysis.stable_rank(W) for W in net.weights]


def test_weight_pairs(pair):
    before, after, *_ = pair
    moved = after.with_weights([before.weights[0] + np.float32(0.25), *after.weights[1:]])
    first, second, _ = before_after.weight_pairs(before, moved, 5)
    assert first.counts.sum() == first.changes.sum() == 12 * 9
    expected, *edges = np.histogram2d(
        before.weights[1].ravel(), moved.weights[1].ravel(), [second.edges, second.edges]
    )
    np.testing.assert_array_equal(second.counts, expected)
    assert (
        second.edges[-1]
        == -second.edges[0]
        == pytest.approx(max(abs(before.weights[1]).max(), abs(moved.weights[1]).max()))
    )
    changes = moved.weights[1] - before.weights[1]
    assert second.change_edges[-1] == pytest.approx(abs(changes).max())
    assert first.moved and first.changes.tolist() == [0, 0, 0, 0, 12 * 9]
    assert not before_after.weight_pairs(before, before)[0].moved


def test_confusion():
    found = before_after.confusion(np.array([0, 0, 0, 0, 2]), np.array([0, 0, 0, 1, 2]), 4)
    np.testing.assert_array_equal(found, [[75, 25, 0, 0], [0] * 4, [0, 0, 100, 0], [0] * 4])


def test_class_correlations(pair):
    net, _, X, y = pair
    means = before_after.class_means(net, X, y)
    found = before_after.class_correlations(means)
    expected = pd.DataFrame(means[0].T).corr()
    np.testing.assert_allclose(found[0], expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net, X, y: before_after.by_class(y, 0), "per_class must be at least 1, got 0"),
        (lambda net, X, y: before_after.joint_scores([], X), "nets must hold at least one"),
        (lambda net, X, y: before_after.joint_scores([net, 3], X), "nets must be srcnb.MLP each"),
        (lambda net, X, y: before_after.joint_scores([net], X, 0), "n_components must be at least"),
        (
            lambda net, X, y: before_after.class_changes(net, MLP((12, 3)), X, y),
            "nets must have the same layer sizes",
        ),
        (lambda net, X, y: before_after.class_means(net, X[:, 1:], y), "X must have"),
        (lambda net, X, y: before_after.class_means(net, X, y + 2), "y must"),
        (lambda net, X, y: before_after.weight_pairs(net, net, 0), "n_bins must be at least 1"),
        (lambda net, X, y: before_after.confusion(y, y[1:], 3), "predicted must"),
    ],
)
def test_bad_input(pair, call, message):
    before, _, X, y = pair
    with pytest.raises((ValueError, TypeError), match=message):
        call(before, X, y)
