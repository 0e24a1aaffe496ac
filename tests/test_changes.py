"""The compiled sums over how far weights moved, against their naive twin."""

import numpy as np
import pytest

from srcnb.spiking import reference
from srcnb.spiking.changes import sum_changes


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_sums_are_those_of_the_reference(dtype):
    rng = np.random.default_rng(0)
    before = rng.standard_normal((37, 53)).astype(dtype)
    counts = rng.integers(0, 3, 37)
    moves = rng.choice([-0.1, 0, 0.03], (37, 53)) * (counts > 0)[:, None]
    after = (before + moves).astype(dtype)
    sums = sum_changes(before, after, counts)
    np.testing.assert_allclose(sums, reference.sum_changes(before, after, counts), rtol=1e-12)
    assert sums[4] == (after > before).sum() > 0 and sums[5] == (after < before).sum() > 0


def test_sums_by_hand():
    before, after = np.array([[3.0, 4.0], [1.0, 2.0]]), np.array([[3.5, 3.0], [1.0, 2.0]])
    for function in (sum_changes, reference.sum_changes):
        sums = function(before, after, np.array([2, 0]))
        np.testing.assert_allclose(sums, [30, 1.25, 0.5, -1, 1, 1], rtol=1e-15)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_weights_that_overflowed_show_in_the_sums(value):
    before = np.ones((3, 9))
    after = before.copy()
    after[1, 4] = value
    with np.errstate(invalid="ignore"):
        for function in (sum_changes, reference.sum_changes):
            assert not np.isfinite(function(before, after, np.ones(3, int))).all()
