"""The update of the weights, in blocks of rows and with a regularizer; the batches."""

import tracemalloc

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


def test_batches_visit_each_sample_once_an_epoch_in_another_order():
    batches = list(sgd.batches(10, 2, 4, np.random.default_rng(0)))
    assert [len(b) for b in batches] == [4, 4, 2] * 2
    first, second = np.concatenate(batches[:3]), np.concatenate(batches[3:])
    assert sorted(first) == sorted(second) == list(range(10))
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(7, 5), (7,), (1, 30)])
@pytest.mark.parametrize("block_elements", [1, 5, 12, 1 << 21])
def test_uniform_draws_do_not_depend_on_blocks(dtype, shape, block_elements):
    at_once = np.random.default_rng(0).uniform(-0.3, 0.3, shape).astype(dtype)
    drawn = sgd.uniform(0.3, shape, np.dtype(dtype), np.random.default_rng(0), block_elements)
    assert drawn.dtype == dtype and drawn.tobytes() == at_once.tobytes()


def test_uniform_draws_need_little_more_memory_than_their_result():
    tracemalloc.start()
    drawn = sgd.uniform(1, (1000, 500), np.dtype("f4"), np.random.default_rng(0), 10_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.2 * drawn.nbytes
