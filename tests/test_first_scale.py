"""What the first task says of the features' scale, and features outside it."""

import pickle

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler

from srcnb.first_scale import FirstScale

X = np.array([[-3.0, 10.0, 3.0], [3.0, 14.0, 3.0]])


def test_above_and_below_the_mean_of_the_first_task():
    """1 is three standard deviations: 9 and 6 here."""
    later = [[0, 12, 3], [4.5, 12, 3], [-9, 15, 3], [9, 6, 3]]
    above = [[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [1, 0, 0]]
    below = [[0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0]]
    inputs = FirstScale(X).transform(later)
    np.testing.assert_allclose(inputs, np.hstack([above, below]), rtol=1e-6)
    assert inputs.dtype == np.float32


def test_what_is_outside_is_clipped():
    later = [[10, 5, 1e300], [-1e308, 1e308, 3]]
    np.testing.assert_array_equal(
        FirstScale(X).transform(later), [[1, 0, 1, 0, 1, 0], [0, 1, 0, 1, 0, 0]]
    )


def test_a_constant_feature_has_the_largest_standard_deviation_of_the_others():
    later = [[0, 12, 7.5], [0, 12, -6]]
    np.testing.assert_allclose(FirstScale(X).transform(later)[:, [2, 5]], [[0.5, 0], [0, 1]])
    np.testing.assert_allclose(FirstScale([[7.0]]).transform([[7.0], [8.5]]), [[0, 0], [0.5, 0]])


def test_intensities_are_left_as_they_are():
    intensities = np.array([[0.2, 0.5, 0.0], [0.3, 1.0, 0.0]])
    scale = FirstScale(intensities)
    assert scale.scaler is None
    np.testing.assert_array_equal(scale.transform(intensities), intensities.astype(np.float32))
    np.testing.assert_array_equal(
        scale.transform([[-0.5, 1.5, 0], [-9, 9, 1e300]]), [[-0.5, 1.5, 0], [-1, 2, 2]]
    )
    rounded = MinMaxScaler().fit_transform(np.array([[9.0], [12.0], [0.3], [-0.7]]) / 3)
    for almost in (rounded, [[-2e-16, 1 + 2e-16]], np.float32([[1.0000001]])):
        assert FirstScale(almost).scaler is None
    for outside in (-0.01, 1.01):
        assert FirstScale([[outside, 0.5], [0.5, 0.5]]).scaler is not None


def test_it_is_pickled():
    for first in (X, [[0.0, 0.5, 1.0]]):
        scale = FirstScale(first)
        again = pickle.loads(pickle.dumps(scale))
        np.testing.assert_array_equal(again.transform(X), scale.transform(X))


@pytest.mark.parametrize("first", [X, np.eye(3)])
def test_another_width_is_refused(first):
    with pytest.raises(ValueError, match="X must have 3 columns"):
        FirstScale(first).transform(X[:, :2])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.empty((0, 3)), "at least one sample"),
        ([[1.0, np.nan]], "X must be finite, got nan"),
        ([1.0, 2.0], "dimension"),
        ([[0.0, -1e300], [0.0, 1e300]], r"X must have finite variances, got .* column 1"),
    ],
)
def test_bad_first_tasks(bad, message):
    with pytest.raises(ValueError, match=message):
        FirstScale(bad)
