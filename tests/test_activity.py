"""A sleep observed: against the spikes and the weights of the same sleep."""

from functools import partial

import numpy as np
import pytest

from srcnb import MLP, SampleInput, SleepConfig, activity, sleep


@pytest.fixture
def slept():
    """(net, what repeats its sleep, X, y)."""
    rng = np.random.default_rng(0)
    X = rng.random((30, 12), dtype=np.float32)
    net = MLP((12, 9, 8, 3), init=0.6, random_state=0)
    x = SampleInput(n_samples=1, keep=0.5)
    x.update(X)
    config = SleepConfig(
        50, alpha=[1] * 3, beta=[0.7] * 3, inc=0.02, dec=0.004, gate="additive", max_rate=300
    )
    return net, partial(sleep, net, x, config, 0), X, np.arange(30) % 3


def test_a_sleep_observed(slept, monkeypatch):
    monkeypatch.setattr(activity, "ROWS", 5)  # of 9, 8 and 3
    net, again, *_ = slept
    seen = []
    found = activity.observe(net, again, lambda n: seen.append(n) or {"a": 1.0}, 4, 2)
    assert found.steps.tolist() == found.accuracy["step"].tolist() == [0, 13, 26, 39, 50]
    assert [n.weights[1].tolist() for n in (seen[0], seen[-1])] == [
        net.weights[1].tolist(),
        found.result.net.weights[1].tolist(),
    ]
    blocks = found.blocks.set_index(["step", "layer"])
    assert len(blocks) == 4 * 4
    for k, (start, stop) in enumerate([(0, 13), (13, 26), (26, 39), (39, 50)]):
        for layer, spikes in enumerate(found.result.spikes):
            row = blocks.loc[(stop, layer)]
            assert row["rate"] == pytest.approx(1000 * spikes[start:stop].mean())
            if layer:
                d = seen[k + 1].weights[layer - 1] - seen[k].weights[layer - 1]
                assert row["increment"] == pytest.approx(np.sqrt((d[d > 0] ** 2).sum()), rel=1e-5)
                assert row["decrement"] == pytest.approx(np.sqrt((d[d < 0] ** 2).sum()), rel=1e-5)
            else:
                assert np.isnan(row["increment"])
    counts = found.result.spike_counts[1]
    assert counts[found.neurons].tolist() == sorted(counts, reverse=True)[:2]
    for moment, now in enumerate(seen):
        np.testing.assert_allclose(found.images[moment, 0], now.weights[0].mean(axis=0))
        np.testing.assert_array_equal(found.images[moment, 1:], now.weights[0][found.neurons])
    assert (found.images[0] != found.images[-1]).any()


def test_reactivation_finds_the_class_that_is_replayed(slept):
    net, again, X, y = slept
    result = again(record=True)
    a = net.activations(X)[0]
    means = np.stack([a[y == c].mean(axis=0) for c in range(3)])
    means -= means.mean(axis=0)
    found = activity.reactivation(result, net, X, y, n_windows=2, n_shuffles=5)
    assert found.columns.tolist() == [
        *("layer", "step", "class", "correlation", "shuffled", "low", "high")
    ]
    assert set(found["layer"]) == {1, 2} and set(found["step"]) == {12.5, 37.5}
    row = found[(found["layer"] == 1) & (found["step"] == 37.5) & (found["class"] == 1)].iloc[0]
    expected = np.corrcoef(means[1], result.spikes[1][25:].sum(axis=0))[0, 1]
    assert row["correlation"] == pytest.approx(expected, abs=1e-6)
    assert (found["low"] <= found["shuffled"]).all() and (found["shuffled"] <= found["high"]).all()
    # Spikes that follow one class's activation stand out of those with shuffled classes.
    result.spikes[1][:] = means[2] > np.sort(means[2])[-4]
    found = activity.reactivation(result, net, X, y, n_windows=1, n_shuffles=40)
    first = found[found["layer"] == 1].set_index("class")
    assert first["correlation"].idxmax() == 2 and first.loc[2, "correlation"] > first.loc[2, "high"]


def test_a_layer_that_never_fires_has_no_correlation(slept):
    net, again, X, y = slept
    result = again(record=True)
    result.spikes[2][:] = False
    found = activity.reactivation(result, net, X, y, n_windows=2, n_shuffles=2)
    assert found[found["layer"] == 2]["correlation"].isna().all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda n, s, X, y: activity.observe(3, s, dict), "net must be an srcnb.MLP"),
        (lambda n, s, X, y: activity.observe(n, 3, dict), "sleep must be a function, got 3"),
        (lambda n, s, X, y: activity.observe(n, s, None), "measure must be a function, got None"),
        (lambda n, s, X, y: activity.observe(n, s, dict, 0), "n_blocks must be at least 1"),
        (lambda n, s, X, y: activity.observe(n, s, dict, 1, -1), "n_neurons must be at least 0"),
        (lambda n, s, X, y: activity.block_rates(s(), 5), "result must have spikes"),
        (lambda n, s, X, y: activity.block_rates(3, 5), "result must be a SleepResult"),
        (lambda n, s, X, y: activity.block_rates(s(), 0), "every must be at least 1"),
        (lambda n, s, X, y: activity.reactivation(s(), n, X, y), "result must have spikes"),
        (lambda n, s, X, y: activity.reactivation(s(), n, X, y, 0), "n_windows must be at least"),
        (lambda n, s, X, y: activity.reactivation(s(), n, X, y, 1, 0), "n_shuffles must be"),
        (lambda n, s, X, y: activity.reactivation(s(), n, X, y + 1), "y must"),
    ],
)
def test_bad_input(slept, call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call(*slept)
