"""What the first task says of the features' scale, and features outside it."""

import numpy as np
import pytest

from srcnb.first_scale import first_scale, scaled

X = np.array([[-5.0, 10.0, 3.0], [5.0, 14.0, 3.0], [0.0, 11.0, 3.0]])


def test_the_first_task_becomes_0_to_1():
    np.testing.assert_allclose(
        scaled(first_scale(X), X), [[0, 0, 0], [1, 1, 0], [0.5, 0.25, 0]], rtol=1e-6
    )
    assert scaled(first_scale(X), X).dtype == np.float32


def test_a_constant_feature_has_the_largest_range_of_the_others():
    np.testing.assert_array_equal(first_scale(X).span, [10, 4, 10])
    np.testing.assert_array_equal(first_scale(X[:1]).span, [1, 1, 1])


def test_intensities_are_left_as_they_are():
    intensities = np.array([[0.2, 0.5, 0.0], [0.3, 1.0, 0.0]])
    scale = first_scale(intensities)
    np.testing.assert_array_equal(scaled(scale, intensities), intensities.astype(np.float32))
    for outside in (-0.01, 1.01):
        assert first_scale([[outside, 0.5], [0.5, 0.5]]).lo[0] != 0


def test_what_is_outside_goes_on_for_a_range():
    scale = first_scale(X)
    later = [[10, 6, -1e300], [-14.9, 18, 1e300], [1e308, -1e308, 3]]
    expected = [[1.5, -1, -1], [-0.99, 2, 2], [2, -1, 0]]
    np.testing.assert_allclose(scaled(scale, later), expected, rtol=1e-6)


def test_another_width_is_refused():
    with pytest.raises(ValueError, match="X must have 3 columns"):
        scaled(first_scale(X), X[:, :2])
