"""The update of the weights, in blocks of rows and with a regularizer; the batches."""

import numpy as np
import pytest

from srcnb import sgd


@pytest.mark.parametrize("block", [1, 13, sgd.BLOCK_ELEMENTS])
def test_the_same_in_whatever_blocks_of_rows(block):
    rng = np.random.default_rng(0)
    W, V = rng.normal(size=(7, 5)), rng.normal(size=(7, 5))
    delta, a_pre = rng.normal(size=(4, 7)), rng.normal(size=(4, 5))
    expected_V = 0.7 * V + delta.T @ a_pre + 0.2 * 0.01 * W
    expected_W = W - expected_V
    sgd.Update([W], 0.2, 0.7, 0.01, None, block).weights(0, W, V, delta, a_pre)
    np.testing.assert_allclose(V, expected_V, rtol=1e-12)
    np.testing.assert_allclose(W, expected_W, rtol=1e-12)


@pytest.mark.parametrize("block", [5, sgd.BLOCK_ELEMENTS])
def test_a_regularizer_pulls_and_is_told_of_each_row_once(block):
    rng = np.random.default_rng(0)
    W, V = rng.normal(size=(7, 5)), np.zeros((7, 5))
    delta, a_pre = rng.normal(size=(4, 7)), rng.normal(size=(4, 5))
    start = W.copy()
    told = np.zeros_like(W), np.zeros_like(W)

    class Spy:
        def pull(self, layer, rows, w):
            assert layer == 3
            np.testing.assert_array_equal(w, start[rows])
            return 0.5 * w

        def moved(self, layer, rows, gradient, change):
            assert layer == 3
            told[0][rows] += gradient
            told[1][rows] += change

    sgd.Update([W], 0.2, 0.0, 0.0, Spy(), block).weights(3, W, V, delta, a_pre)
    np.testing.assert_allclose(W, start - delta.T @ a_pre - 0.2 * 0.5 * start)
    np.testing.assert_allclose(told[0], delta.T @ a_pre / 0.2)
    np.testing.assert_allclose(told[1], W - start)


@pytest.mark.parametrize(
    ("learning_rate", "momentum", "message"),
    [
        (0, 0.5, "learning_rate must be .* got 0"),
        (1e-60, 0.5, "learning_rate is too small for float32"),
        (0.1, 1, "momentum must be .* got 1"),
        (0.1, -0.5, "momentum must be .* got -0.5"),
    ],
)
def test_bad_constants(learning_rate, momentum, message):
    with pytest.raises(ValueError, match=message):
        sgd.Update([np.ones((2, 3), np.float32)], learning_rate, momentum, 0.0, None)


def test_batches_visit_each_sample_once_an_epoch_in_another_order():
    batches = list(sgd.batches(10, 2, 4, np.random.default_rng(0)))
    assert [len(b) for b in batches] == [4, 4, 2] * 2
    first, second = np.concatenate(batches[:3]), np.concatenate(batches[3:])
    assert sorted(first) == sorted(second) == list(range(10))
    assert first.tolist() != second.tolist()
