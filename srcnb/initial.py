"""Initial weights and biases of a multi-layer perceptron: uniform around 0."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from srcnb.validation import (
    MAX_LENGTH,
    Array,
    check_choice,
    check_in_dtype,
    check_int,
    check_list,
    check_memory,
    check_real,
)

# The bounds of weights and biases in units of 1/sqrt(n_{l-1}): hidden layers, the output layer.
# Those of "large_hidden" were chosen with the calibrated protocol: docs/ANY_NETWORK.md.
SCALES = {"fan_in": (1.0, 1.0), "large_hidden": (2.0, 0.2)}
# Draws that are made at once.
BLOCK_ELEMENTS = 1 << 21


def check_layer_sizes(name: str, layer_sizes: Any, dtype: np.dtype[Any]) -> tuple[int, ...]:
    """Return n_0 … n_L as ints; ValueError if the weights, of ``dtype``, do not fit in memory."""
    sizes = tuple(check_int(name, n, 1, MAX_LENGTH) for n in check_list(name, layer_sizes))
    if len(sizes) < 2:
        raise ValueError(f"{name} must name inputs and outputs, got {layer_sizes!r}")
    n_weights = sum(n * m for n, m in zip(sizes[:-1], sizes[1:], strict=True))
    check_memory(f"{name} {sizes}", n_weights * dtype.itemsize)
    return sizes


def initial_layers(
    sizes: Sequence[int],
    bias: bool,
    init: str | float,
    dtype: np.dtype[Any],
    rng: np.random.Generator,
) -> tuple[list[Any], list[Array] | None]:
    """Weights (n_l, n_{l-1}) and, if ``bias``, biases (n_l,) of layers 1 … L.

    ``init`` is checked here: "fan_in" is uniform in ±1/sqrt(n_{l-1}), biases alike; "large_hidden"
    the same times 2 in hidden layers and 0.2 in the output layer; a number is the bound of all
    weights, with biases at 0.
    """
    if isinstance(init, str):
        check_choice("init", init, SCALES)
        hidden, output = SCALES[init]
        scales = [hidden] * (len(sizes) - 2) + [output]
        bounds = [scale / np.sqrt(n) for scale, n in zip(scales, sizes[:-1], strict=True)]
    else:
        # At most half of the largest number, as a draw from ±init needs twice init.
        check_in_dtype("init", check_real("init", init, 0, np.finfo("f8").max / 2), dtype)
        bounds = [float(init)] * (len(sizes) - 1)
    weights = [
        uniform(rng, bound, (n_post, n_pre), dtype)
        for bound, n_pre, n_post in zip(bounds, sizes[:-1], sizes[1:], strict=True)
    ]
    if not bias:
        return weights, None
    return weights, [
        uniform(rng, bound if isinstance(init, str) else 0.0, (n,), dtype)
        for bound, n in zip(bounds, sizes[1:], strict=True)
    ]


def uniform(
    rng: np.random.Generator,
    bound: float,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    block_elements: int = BLOCK_ELEMENTS,
) -> Array:
    """An array of ``shape`` (n, …), uniform in ±``bound``.

    Draws are float64 first, ``block_elements`` at a time: all at once they would need more memory
    than the array itself.
    """
    array = np.empty(shape, dtype)
    step = max(1, block_elements // prod(shape[1:]))
    for start in range(0, len(array), step):
        rows = array[start : start + step]
        rows[:] = rng.uniform(-bound, bound, rows.shape)
    return array
