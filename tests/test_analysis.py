"""A network's inside: known spectra, angles, ranks and rankings; probes and oracles."""

import numpy as np
import pytest

from srcnb import MLP, analysis
from srcnb.methods.icarl import features
from srcnb.methods.rivals import streaming_lda


def spread(variances, n=400, seed=0):
    """Samples whose variances along some orthonormal directions are these, exactly."""
    rng = np.random.default_rng(seed)
    k = len(variances)
    scores = rng.normal(size=(n, k))
    scores = np.linalg.qr(scores - scores.mean(axis=0))[0]
    directions = np.linalg.qr(rng.normal(size=(k + 3, k)))[0]
    return scores * np.sqrt(variances) @ directions.T + 5, directions


def test_spectrum_components_and_participation_ratio():
    a, directions = spread([5, 3, 1.5, 0.5])
    shares = analysis.spectrum(a)
    np.testing.assert_allclose(shares, [0.5, 0.3, 0.15, 0.05, 0, 0, 0], atol=1e-9)
    assert [analysis.n_components(shares, s) for s in (0.5, 0.51, 0.8, 0.9, 1)] == [1, 2, 2, 3, 4]
    assert analysis.participation_ratio(shares) == pytest.approx(
        1 / (0.25 + 0.09 + 0.0225 + 0.0025)
    )
    equal = analysis.spectrum(spread([2, 2, 2])[0])
    assert analysis.participation_ratio(equal) == pytest.approx(3)
    found = analysis.subspace(*analysis.principal_components(a), 0.8)
    np.testing.assert_allclose(analysis.principal_angles(found, directions[:, :2]), 0, atol=1e-4)


def test_what_does_not_vary():
    shares, components = analysis.principal_components(np.ones((5, 3), np.float32))
    assert shares.tolist() == [0, 0, 0]
    assert analysis.n_components(shares) == 0 and analysis.participation_ratio(shares) == 0
    nothing = analysis.subspace(shares, components)
    assert nothing.shape == (3, 0)
    assert np.isnan(analysis.angle_between(nothing, np.eye(3)[:, :1]))
    assert np.isnan(analysis.cosine(np.zeros(3), np.ones(3)))
    assert analysis.stable_rank(np.zeros((2, 3))) == 0


def test_angles_and_stable_rank():
    U = np.eye(4)[:, :2]
    V = np.array([[1, 0, 0, 0], [0, np.cos(0.5), np.sin(0.5), 0]]).T
    np.testing.assert_allclose(analysis.principal_angles(U, V), [0, np.degrees(0.5)], atol=1e-5)
    assert analysis.angle_between(U, V) == pytest.approx(np.degrees(0.25))
    assert analysis.stable_rank(np.diag([2.0, 1, 1])) == pytest.approx(1.5)
    assert analysis.cosine(np.array([1.0, 0]), np.array([1.0, 1])) == pytest.approx(0.5**0.5)


def test_the_stable_rank_of_a_large_matrix():
    """Computed from its largest singular value alone; the same as from all of them."""
    W = np.random.default_rng(0).normal(size=(analysis.DENSE + 20, analysis.DENSE + 40))
    W[:, 0] += 5
    squares = np.linalg.svd(W, compute_uv=False) ** 2
    for dtype, within in (("float64", 1e-9), ("float32", 1e-4)):
        found = analysis.stable_rank(W.astype(dtype))
        assert found == pytest.approx(squares.sum() / squares[0], rel=within)


@pytest.fixture
def trained(sequence):
    net = MLP((20, 25, 15, 6), dropout=0.2, random_state=0)
    for task in sequence:
        net.fit(task.X, task.y, epochs=20, batch_size=10)
    return net


def test_capacity_is_tidy(trained, sequence):
    tidy = analysis.capacity(trained, sequence)
    assert [*zip(tidy["layer"], tidy["task"], strict=True)] == [
        (layer, task) for layer in (1, 2) for task in (1, 2, 3)
    ]
    assert tidy["angle"].isna().tolist() == [False, False, True] * 2
    one = tidy[(tidy["layer"] == 2) & (tidy["task"] == 1)].iloc[0]
    first, last = (trained.activations(sequence[i].X)[1] for i in (0, 2))
    shares = analysis.spectrum(first)
    assert one["components"] == analysis.n_components(shares)
    assert one["participation"] == analysis.participation_ratio(shares)
    assert one["share_5"] == pytest.approx(shares[:5].sum())
    spans = [analysis.subspace(*analysis.principal_components(a)) for a in (first, last)]
    assert one["angle"] == pytest.approx(analysis.angle_between(*spans))


def test_a_network_up_to_a_layer(trained, sequence):
    X = sequence[0].X
    for layer in (1, 2):
        below = analysis.up_to(trained, layer)
        np.testing.assert_array_equal(features(below, X), trained.activations(X)[layer - 1])


def test_probes_are_fitted_on_all_classes(trained, sequence, protocol):
    found = {(layer, name): c for layer, name, c in analysis.probes(trained, sequence)}
    assert {*found} == {
        (layer, name) for layer in (1, 2) for name in ("nearest mean", "streaming LDA", "ridge")
    }
    X, y = (np.concatenate([getattr(t, n) for t in sequence]) for n in ("X", "y"))
    for (layer, name), classifier in found.items():
        phi = trained.activations(X)[layer - 1].astype(float)
        means = np.stack([phi[y == c].mean(axis=0) for c in range(6)])
        if name == "nearest mean":
            nearest = ((phi[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
            assert (classifier.predict(X) == nearest).mean() > 0.99  # but for ties
        if name == "ridge":
            A = phi.T @ phi
            A += 0.01 * np.trace(A) / len(A) * np.eye(len(A))
            W = np.linalg.solve(A, phi.T @ np.eye(6)[y])
            np.testing.assert_allclose(classifier.W, W.T, atol=1e-5)
        assert (classifier.predict(X) == y).mean() > 0.3
    # On the last hidden layer, what the rival has of a network that never changes.
    *_, rival = streaming_lda(sequence, protocol, 0, on="frozen")
    own = {(layer, n): c for layer, n, c in analysis.probes(_net(rival), sequence)}
    np.testing.assert_allclose(own[2, "streaming LDA"].W, rival.model.W, rtol=1e-4, atol=1e-6)


def _net(checkpoint):
    """The network on whose hidden layer a rival's classifier is."""
    return checkpoint.model.features.args[0]


def test_the_best_scale_and_bias():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=3000)
    z = rng.normal(size=(3000, 3)) + 2 * np.eye(3)[y]
    s, b = analysis.best_scale(z, y)
    # Log odds of normal logits that differ by 2 in their means, of variance 1.
    np.testing.assert_allclose(s, 2, atol=0.2)
    np.testing.assert_allclose(b - b.mean(), 0, atol=0.2)
    moved, by = z * [1, 3, 0.2] + [5, 0, -5], 1 / np.array([1, 3, 0.2])
    s2, b2 = analysis.best_scale(moved, y)
    np.testing.assert_allclose(s2 / (s * by), 1, rtol=0.05)
    s3, b3 = analysis.best_scale(z + [5, 0, -5], y, scales=False)
    assert len(set(s3)) == 1
    np.testing.assert_allclose((b3 - b3[1]) / s3, [-5, 0, 5], atol=0.2)


def test_a_rescaled_network_undoes_a_bias(trained, sequence):
    X, y = (np.concatenate([getattr(t, n) for t in sequence]) for n in ("X_test", "y_test"))
    own = (trained.predict(X) == y).mean()
    for scales in (False, True):
        assert (analysis.rescaled(trained, sequence, scales).predict(X) == y).mean() > own + 0.1
    part = analysis.rescaled(trained, sequence[1:])
    assert {*part.predict(X)} <= {2, 3, 4, 5}


def test_ranking(sequence):
    net = MLP.from_arrays([np.eye(20), np.eye(20)[:6]])
    X, y = (np.concatenate([getattr(t, n) for t in sequence]) for n in ("X_test", "y_test"))
    expected = []
    for c in range(6):
        own, others = X[y == c][:, c], X[y != c][:, c]
        pairs = own[:, None] - others
        expected.append((pairs > 0).mean() + 0.5 * (pairs == 0).mean())
    np.testing.assert_allclose(analysis.ranking(net, sequence), expected)
    assert len(analysis.ranking(net, sequence[1:])) == 4
