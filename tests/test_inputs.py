"""Sleep inputs: what they keep, draw and refuse; Poisson spikes."""

import numpy as np
import pytest
from conftest import small_config

import srcnb
from srcnb import SleepConfig
from srcnb.spiking.inputs import input_blocks


def test_patch_input_keeps_one_random_patch_of_the_mean():
    X = np.random.default_rng(0).uniform(0.1, 1, (30, 784))
    sleep_input = srcnb.PatchInput(size=11, shape=(28, 28))
    sleep_input.update(X[:10])
    sleep_input.update(X[10:])
    intensities = sleep_input.draw(4000, np.random.default_rng(1)).reshape(-1, 28, 28)
    mean = X.mean(axis=0).reshape(28, 28)
    corners = set()
    for x in intensities:
        rows, columns = np.nonzero(x.any(axis=1))[0], np.nonzero(x.any(axis=0))[0]
        assert len(rows) == len(columns) == 11
        inside = np.ix_(rows, columns)
        np.testing.assert_allclose(x[inside], mean[inside], rtol=1e-6)
        assert np.count_nonzero(x) == 121
        corners.add((rows[0], columns[0]))
    assert {r for r, _ in corners} == {c for _, c in corners} == set(range(18))


def test_segment_input_keeps_a_segment_of_the_mean():
    X = np.random.default_rng(0).uniform(0.1, 1, (30, 12))
    sleep_input = srcnb.SegmentInput(size=5)
    sleep_input.update(X)
    starts = set()
    for x in sleep_input.draw(500, np.random.default_rng(1)):
        (kept,) = np.nonzero(x)
        np.testing.assert_array_equal(kept, kept[0] + np.arange(5))
        np.testing.assert_allclose(x[kept], X.mean(axis=0)[kept], rtol=1e-6)
        starts.add(kept[0])
    assert starts == set(range(8))


def test_mean_inputs_keep_sums_not_samples():
    for sleep_input in (srcnb.MeanInput(), srcnb.PatchInput(1, (4, 5)), srcnb.SegmentInput(3)):
        for n in (3, 500):
            sleep_input.update(np.random.default_rng(n).random((n, 20)))
        kept = [np.size(value) for value in vars(sleep_input).values()]
        assert max(kept) == 20
    np.testing.assert_allclose(
        sleep_input.mean * 503,
        sum(np.random.default_rng(n).random((n, 20)).sum(axis=0) for n in (3, 500)),
        rtol=1e-6,
    )


def test_sample_input():
    """Means of k samples of the latest task only, a Bernoulli mask per pixel and step."""
    sleep_input = srcnb.SampleInput(n_samples=2, keep=0.25)
    sleep_input.update(np.ones((5, 50)))
    X = np.repeat([[0.2], [0.4], [0.8]], 50, axis=1)
    sleep_input.update(X)
    intensities = sleep_input.draw(4000, np.random.default_rng(0))
    assert abs((intensities > 0).mean() - 0.25) < 0.01
    values, counts = np.unique(np.round(intensities.max(axis=1), 6), return_counts=True)
    np.testing.assert_allclose(values, [0.2, 0.3, 0.4, 0.5, 0.6, 0.8], rtol=1e-5)
    np.testing.assert_allclose(counts / 4000, np.array([1, 2, 1, 2, 2, 1]) / 9, atol=0.03)


def test_sample_input_of_one_sample():
    """Every feature is kept: each step is one of the samples, unmixed."""
    sleep_input = srcnb.SampleInput(n_samples=1, keep=1)
    sleep_input.update([[0.25, 0.5], [0.75, 1]])
    rows = sleep_input.draw(50, np.random.default_rng(0))
    assert {*map(tuple, rows.tolist())} == {(0.25, 0.5), (0.75, 1)}


def test_poisson_spikes():
    config = small_config(max_rate=100)
    x = np.array([0.0, 0.3, 1.0])
    u = np.random.default_rng(0).random((100_000, 3), dtype=np.float32)
    rate = srcnb.poisson_spikes(np.broadcast_to(x, u.shape), u, config).mean(axis=0)
    assert rate[0] == 0
    np.testing.assert_allclose(rate, 0.2 * x, atol=0.005)
    always = srcnb.poisson_spikes(np.ones_like(u), u, small_config(max_rate=500))
    assert always.all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: srcnb.PatchInput(29, (28, 28)), "size.*28.*29"),
        (lambda: srcnb.PatchInput(0), "size.*0"),
        (lambda: srcnb.SegmentInput(0), "size.*0"),
        (lambda: srcnb.PatchInput(-1), "size.*-1"),
        (lambda: srcnb.PatchInput(2, (28,)), "shape"),
        (lambda: srcnb.PatchInput(2, (4, 4)).update(np.zeros((3, 20))), r"X.*\(4, 4\).*20"),
        (lambda: srcnb.SegmentInput(21).update(np.zeros((3, 20))), "size.*20.*21"),
        (lambda: srcnb.SampleInput(0), "n_samples.*0"),
        (lambda: srcnb.SampleInput(keep=1.1), "keep.*1.1"),
        (lambda: srcnb.SampleInput().update(np.zeros((0, 20))), "X.*at least one"),
        (lambda: srcnb.MeanInput().update(np.full((3, 20), 2.0)), r"X.*\[0, 1\].*2.0"),
        (lambda: srcnb.MeanInput().update(np.full((3, 20), np.nan)), "X.*nan"),
    ],
)
def test_bad_parameters_of_inputs(make, message):
    with pytest.raises(ValueError, match=message):
        make()


class Counting:
    """A sleep input that remembers how many rows it was asked for."""

    def __init__(self):
        self.asked = []

    def draw(self, n_steps, rng):
        self.asked.append(n_steps)
        return np.full((n_steps, 3), 0.5)


def test_blocks_are_as_long_as_asked():
    config = SleepConfig(25, alpha=[1], beta=[1], inc=0, dec=0)
    one = Counting()
    blocks = list(input_blocks(one, config, 3, np.random.default_rng(0), 10))
    assert one.asked == [10, 10, 5] and [len(block) for block in blocks] == [10, 10, 5]
    # Blocks of an iterable may be longer, and are cut; what comes after is not read.
    given = iter([np.zeros((13, 3)), np.ones((13, 3)), "never read"])
    blocks = list(input_blocks(given, config, 3, np.random.default_rng(0), 10))
    assert [len(block) for block in blocks] == [10, 3, 10, 2] and next(given) == "never read"
