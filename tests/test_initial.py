"""Initial weights and biases: their bounds, shapes and dtypes, and sizes that are refused."""

import tracemalloc

import numpy as np
import pytest

from srcnb import initial

FLOAT = np.dtype("float32")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("init", "bounds"),
    [("fan_in", [1 / 10, 1 / 20]), ("large_hidden", [2 / 10, 0.2 / 20]), (0.05, [0.05] * 2)],
)
def test_uniform_around_0(init, bounds, dtype):
    rng = np.random.default_rng(0)
    weights, biases = initial.initial_layers((100, 400, 300), True, init, np.dtype(dtype), rng)
    assert [w.shape for w in weights] == [(400, 100), (300, 400)]
    assert [b.shape for b in biases] == [(400,), (300,)]
    assert {a.dtype for a in weights + biases} == {np.dtype(dtype)}
    for w, bound in zip(weights, bounds, strict=True):
        assert 0.97 * bound < abs(w).max() <= bound * (1 + 1e-6)
        assert abs(w.mean()) < 0.1 * bound
    for b, bound in zip(biases, bounds, strict=True):
        if isinstance(init, str):
            assert 0.9 * bound < abs(b).max() <= bound * (1 + 1e-6)
        else:
            assert not b.any()


def test_biases_are_drawn_after_all_weights():
    """So that a network with biases has the weights of the one without."""
    kinds = [
        initial.initial_layers((6, 5, 3), bias, "fan_in", FLOAT, np.random.default_rng(0))
        for bias in (False, True)
    ]
    assert kinds[0][1] is None
    for a, b in zip(kinds[0][0], kinds[1][0], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("init", "error", "message"),
    [
        ("xavier", ValueError, "init must be one of 'fan_in', 'large_hidden'; got 'xavier'"),
        (-0.1, ValueError, "init .* got -0.1"),
        (None, TypeError, "init must be a number, got None"),
        (1e-60, ValueError, "init is too small for float32"),
    ],
)
def test_bad_init(init, error, message):
    with pytest.raises(error, match=message):
        initial.initial_layers((6, 3), False, init, FLOAT, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("sizes", "error", "message"),
    [
        ((6,), ValueError, r"layers must name inputs and outputs, got \(6,\)"),
        ((6, 0), ValueError, "layers must be at least 1, got 0"),
        ((6, 2.5), TypeError, "layers must be an integer, got 2.5"),
        (6, TypeError, "layers must be a list, got 6"),
        ((10**8, 10**8), ValueError, r"layers \(100000000, 100000000\) takes 40,000,000 GB"),
    ],
)
def test_bad_layer_sizes(sizes, error, message):
    with pytest.raises(error, match=message):
        initial.check_layer_sizes("layers", sizes, FLOAT)


def test_layer_sizes_come_back_as_ints():
    sizes = initial.check_layer_sizes("layers", [np.int64(6), 5, 3], FLOAT)
    assert sizes == (6, 5, 3) and all(type(n) is int for n in sizes)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(7, 5), (7,), (1, 30)])
@pytest.mark.parametrize("block_elements", [1, 5, 12, 1 << 21])
def test_uniform_draws_do_not_depend_on_blocks(dtype, shape, block_elements):
    at_once = np.random.default_rng(0).uniform(-0.3, 0.3, shape).astype(dtype)
    drawn = initial.uniform(np.random.default_rng(0), 0.3, shape, np.dtype(dtype), block_elements)
    assert drawn.dtype == dtype and drawn.tobytes() == at_once.tobytes()


def test_uniform_draws_need_little_more_memory_than_their_result():
    tracemalloc.start()
    drawn = initial.uniform(np.random.default_rng(0), 1, (1000, 500), np.dtype("f4"), 10_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.2 * drawn.nbytes
