"""The input of a sleeping network: the sleep input x_t in [0, 1], then Poisson spikes.

A sleep input has two methods: ``update(X)`` after each task, and ``draw(n_steps, rng)``, the
intensities of the next ``n_steps`` steps. Those here also have a ``share``, the share of the
features that a step keeps on average, which tells ``calibrate`` how bright an awake input is. What
MeanInput, PatchInput and SegmentInput keep across tasks is a running sum, never samples. Each step
takes the same number of draws from ``rng`` in the same order, so that a sleep does not depend on
the lengths of the blocks in which it is drawn.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeAlias

import numpy as np

from srcnb.spiking.config import SleepConfig
from srcnb.validation import (
    Array,
    ArrayLike,
    check_array,
    check_instance,
    check_int,
    check_intensities,
    check_list,
    check_memory,
    check_real,
    check_width,
    refuse_mask,
)


class SleepInput(Protocol):
    """What a sleep input is: anything with these two methods."""

    def update(self, X: ArrayLike) -> None:
        """Take what is needed of the samples ``X``, (n, n_0) in [0, 1], of the current task."""

    def draw(self, n_steps: int, rng: np.random.Generator) -> Array:
        """Intensities of the next steps, (n_steps, n_0) in [0, 1]."""


class MeanInput:
    """The mean of all samples seen so far, at every step (the paper: CUB200 and Patches).

    Keeps a running sum of shape (n_0,) and a count.
    """

    share = 1.0

    def __init__(self) -> None:
        self._sum: Array | None = None
        self._n = 0

    def update(self, X: ArrayLike) -> None:
        """Add the samples ``X``, array-like of shape (n, n_0) with values in [0, 1]."""
        X = check_intensities("X", X)
        total = X.sum(axis=0, dtype=np.float64)
        if self._sum is None:
            self._check_n_inputs(X.shape[1])
            self._sum = np.zeros_like(total)
        check_width("X", X, len(self._sum))
        self._sum += total
        self._n += len(X)

    @property
    def mean(self) -> Array:
        """The running mean, (n_0,) float32."""
        if self._sum is None or not self._n:
            raise ValueError(f"{type(self).__name__} has seen no samples yet: call update(X) first")
        return np.asarray((self._sum / self._n).astype(np.float32))

    def draw(self, n_steps: int, rng: np.random.Generator) -> Array:
        """Intensities of the next steps, (n_steps, n_0) in [0, 1]; takes no draws."""
        mean = self.mean
        return np.broadcast_to(mean, (n_steps, len(mean)))

    def _check_n_inputs(self, n_inputs: int) -> None:
        """For subclasses: raise if they can't mask so many inputs."""


class PatchInput(MeanInput):
    """The mean image, of which each step keeps one random square patch (the paper: MNIST).

    The patch has size² pixels, its corner uniform over all places where it fits.

    Parameters
    ----------
    size : int >= 1
        11 in the paper, whose code calls it ``mask_size`` = 10 and keeps (mask_size + 1)² pixels.
    shape : (int, int)
        Rows and columns of the images.
    """

    def __init__(self, size: int = 11, shape: tuple[int, int] = (28, 28)) -> None:
        super().__init__()
        self.shape = tuple(check_int("shape", n, low=1) for n in check_list("shape", shape))
        if len(self.shape) != 2:
            raise ValueError(f"shape must be (rows, columns), got {shape!r}")
        self.size = check_int("size", size, low=1)
        if self.size > min(self.shape):
            raise ValueError(f"size must be at most {min(self.shape)}, got {size}")
        self.share = self.size**2 / (self.shape[0] * self.shape[1])

    def _check_n_inputs(self, n_inputs: int) -> None:
        if n_inputs != self.shape[0] * self.shape[1]:
            raise ValueError(f"X must hold images of shape {self.shape}, got {n_inputs} features")

    def draw(self, n_steps: int, rng: np.random.Generator) -> Array:
        """Intensities of the next steps, (n_steps, n_0) in [0, 1]; two draws per step."""
        mean = self.mean.reshape(self.shape)
        rows, columns = (
            _segment(u, n, self.size)
            for u, n in zip(rng.random((n_steps, 2)).T, self.shape, strict=True)
        )
        kept = mean * (rows[:, :, None] & columns[:, None, :])
        return kept.reshape(n_steps, mean.size)


class SegmentInput(MeanInput):
    """The mean vector, of which each step keeps a random contiguous segment of ``size`` features.

    The paper has it for CIFAR10, with 2048 of 2048 features (``mask_size`` = 2047 in its code).
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = check_int("size", size, low=1)

    def _check_n_inputs(self, n_inputs: int) -> None:
        if self.size > n_inputs:
            raise ValueError(
                f"size must be at most the number of features, {n_inputs}, got {self.size}"
            )
        self.share = self.size / n_inputs

    def draw(self, n_steps: int, rng: np.random.Generator) -> Array:
        """Intensities of the next steps, (n_steps, n_0) in [0, 1]; one draw per step."""
        mean = self.mean
        return np.asarray(mean * _segment(rng.random(n_steps), len(mean), self.size))


class SampleInput:
    """The mean of a few random samples of the current task, under a Bernoulli mask (the replica).

    Keeps a reference to the current task's samples, which the next ``update`` replaces.

    Parameters
    ----------
    n_samples : int >= 1
        Samples drawn anew (with replacement) at each step; 10 in the replica.
    keep : float in [0, 1]
        Probability that a feature is kept, drawn anew for each feature and step; 0.25 in the
        replica.
    """

    def __init__(self, n_samples: int = 10, keep: float = 0.25) -> None:
        self.n_samples = check_int("n_samples", n_samples, low=1)
        self.keep = self.share = check_real("keep", keep, 0, 1)
        self._X: Array | None = None

    def update(self, X: ArrayLike) -> None:
        """Take ``X``, array-like of shape (n, n_0) in [0, 1], for the samples of the task."""
        X = check_intensities("X", X)
        if not len(X):
            raise ValueError(f"X must hold at least one sample, got shape {X.shape}")
        self._X = X

    def draw(self, n_steps: int, rng: np.random.Generator) -> Array:
        """Intensities of the next steps, (n_steps, n_0) in [0, 1]; n_samples + n_0 draws each."""
        if self._X is None:
            raise ValueError("SampleInput has seen no samples yet: call update(X) first")
        k, n_inputs = self.n_samples, self._X.shape[1]
        check_memory(f"n_samples = {k} in {n_steps} steps", 4 * n_steps * (k + n_inputs))
        u = rng.random((n_steps, k + n_inputs), dtype=np.float32)
        chosen = np.minimum((u[:, :k] * len(self._X)).astype(np.intp), len(self._X) - 1)
        total = self._X[chosen[:, 0]]
        for i in range(1, k):
            total += self._X[chosen[:, i]]
        total *= u[:, k:] < self.keep
        # Rounding may lift the mean of k ones slightly above 1.
        return np.minimum(total / k, 1)


# What srcnb.sleep takes: see there.
AnyInput: TypeAlias = SleepInput | ArrayLike | Iterable[ArrayLike]


def poisson_spikes(intensities: ArrayLike, uniforms: ArrayLike, config: SleepConfig) -> Array:
    """Spikes with probability min(1, 2·dt·max_rate·x): bool, of the shape of ``intensities``.

    ``intensities`` are x in [0, 1], (n_steps, n_0), ``uniforms`` drawn from [0, 1), of the same
    shape. Both sources write ``u / (dt·max_rate) / 2 <= x``; here it is <, so that an intensity of
    0 never fires. Raises ValueError or TypeError for other values and shapes.
    """
    check_instance("config", config, SleepConfig, "a SleepConfig")
    x, u = check_intensities("intensities", intensities), check_array("uniforms", uniforms, 2)
    if x.shape != u.shape:
        raise ValueError(f"uniforms must have shape {x.shape}, as intensities, got {u.shape}")
    if u.size and not (u.min() >= 0 and u.max() < 1):
        raise ValueError(f"uniforms must be in [0, 1), got {u[(u < 0) | (u >= 1)][0]}")
    return draw_spikes(x, u, config)


def draw_spikes(intensities: Array, uniforms: Array, config: SleepConfig) -> Array:
    """:func:`poisson_spikes` of arrays that are checked already."""
    return np.asarray(uniforms < intensities * (2 * config.dt * config.max_rate))


def input_blocks(
    sleep_input: AnyInput,
    config: SleepConfig,
    n_inputs: int,
    rng: np.random.Generator,
    block_steps: int,
) -> Iterator[Array]:
    """Yield the intensities of ``config.n_steps`` steps, at most ``block_steps`` rows at a time.

    ``sleep_input`` is what ``srcnb.sleep`` takes; each block is checked before it is used. A list
    or tuple of blocks must have ``n_steps`` rows in sum; blocks of a generator may have more.
    """
    n_steps = config.n_steps
    blocks = _any_blocks(sleep_input, n_steps, rng, block_steps)
    if isinstance(blocks, (list, tuple)):
        n_rows = sum(_n_rows(block, n_inputs) for block in blocks)
        if n_rows != n_steps:
            raise ValueError(f"sleep_input must have n_steps = {n_steps} rows, got {n_rows}")
    done = 0
    for block in blocks:
        n_rows = _n_rows(block, n_inputs)
        if not n_rows and done < n_steps:
            raise ValueError(
                f"sleep_input must yield blocks of rows, got an empty one at step {done}"
            )
        for start in range(0, min(n_rows, n_steps - done), block_steps):
            end = min(start + block_steps, n_steps - done)
            yield check_intensities("sleep_input", block[start:end])
        done += n_rows
        if done >= n_steps:
            return
    if done < n_steps:
        raise ValueError(f"sleep_input must yield n_steps = {n_steps} steps, got only {done}")


def _n_rows(block: Any, n_inputs: int) -> int:
    """The rows of a block of intensities; ValueError unless it has ``n_inputs`` columns."""
    shape = _shape(block)
    if len(shape) != 2 or shape[1] != n_inputs:
        raise ValueError(
            f"sleep_input must have shape (n_steps, {n_inputs}), the inputs of the network,"
            f" got {shape}"
        )
    return shape[0]


def _shape(block: Any) -> tuple[int, ...]:
    try:
        return np.shape(block)
    except ValueError:
        raise ValueError(f"sleep_input must have rows of one length, got {block!r:.60}") from None


def _any_blocks(
    sleep_input: Any, n_steps: int, rng: np.random.Generator, block_steps: int
) -> Iterable[Any]:
    """Blocks of any length, not yet checked, of each kind of sleep input."""
    if isinstance(sleep_input, type):
        raise TypeError(
            "sleep_input must be an object with draw(n_steps, rng), got the class"
            f" {sleep_input.__name__}: {sleep_input.__name__}(…) makes one"
        )
    if callable(getattr(sleep_input, "draw", None)):
        return _drawn(sleep_input, n_steps, rng, block_steps)
    if not np.iterable(sleep_input):
        raise TypeError(
            "sleep_input must be an array of intensities, an object with draw(n_steps, rng), or an"
            f" iterable of blocks of intensities; got {sleep_input!r:.60}"
        )
    array = as_table(sleep_input)
    if array is not None:
        if array.ndim == 1:
            array = np.broadcast_to(array, (n_steps, *array.shape))
        if len(array) != n_steps:
            raise ValueError(
                f"sleep_input must have n_steps = {n_steps} rows, got shape {array.shape}"
            )
        return [array]
    return sleep_input


def as_table(sleep_input: Any) -> Array | None:
    """A sleep input that is an array, or lists of numbers, as an array; else None."""
    if not hasattr(sleep_input, "__array__") and not (
        isinstance(sleep_input, (list, tuple)) and all(len(_shape(row)) < 2 for row in sleep_input)
    ):
        return None
    refuse_mask("sleep_input", sleep_input)
    _shape(sleep_input)
    return np.asarray(sleep_input)


def check_table(table: Array, n_inputs: int) -> None:
    """Raise ValueError unless a sleep input that is an array has rows of so many intensities."""
    if not _n_rows(table, n_inputs):
        raise ValueError(f"sleep_input must have at least one row, got shape {table.shape}")


def _drawn(
    sleep_input: Any, n_steps: int, rng: np.random.Generator, block_steps: int
) -> Iterator[Any]:
    """Blocks that ``draw`` gives, each of as many rows as it is asked for."""
    for start in range(0, n_steps, block_steps):
        asked = min(block_steps, n_steps - start)
        block = sleep_input.draw(asked, rng)
        shape = _shape(block)
        if len(shape) == 2 and shape[0] != asked:
            raise ValueError(
                f"sleep_input.draw must give as many rows as it is asked for, {asked}, got"
                f" {shape[0]}"
            )
        yield block


def _segment(u: Array, n: int, length: int) -> Array:
    """Bool (len(u), n): for each uniform draw in [0, 1) ``length`` places in a row, all alike."""
    first = (u * (n - length + 1)).astype(np.intp)[:, None]
    place = np.arange(n)
    return np.asarray((place >= first) & (place < first + length))
