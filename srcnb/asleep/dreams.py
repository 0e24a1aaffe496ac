"""What the sleeping network sees: sleep input x_t in [0, 1], then Poisson spikes.

A dream has two methods: ``learn(X)`` after each task, and ``rates(n_steps, rng)``, the sleep input
of the next ``n_steps`` steps. What a dream keeps across tasks is a running sum, never samples.
Each step takes the same number of draws from ``rng`` in the same order, so that a sleep does not
depend on the lengths of the blocks in which it is drawn.
"""

import numpy as np

from srcnb.checks import check_int, check_rates, check_real, check_width


class MeanDream:
    """The mean of all samples learnt so far, at every step (matlab: CUB200 and Patches).

    Keeps a running sum of shape (n_0,) and a count.
    """

    def __init__(self):
        self._sum = None
        self._n = 0

    def learn(self, X):
        """Add the samples ``X``, array-like of shape (n, n_0) with values in [0, 1]."""
        X = check_rates("X", X)
        total = X.sum(axis=0, dtype=np.float64)
        if self._sum is None:
            self._check_n_inputs(X.shape[1])
            self._sum = np.zeros_like(total)
        check_width("X", X, len(self._sum))
        self._sum += total
        self._n += len(X)

    @property
    def mean(self):
        """The running mean, (n_0,) float32."""
        if not self._n:
            raise ValueError(f"{type(self).__name__} has learnt nothing yet: call learn(X) first")
        return (self._sum / self._n).astype(np.float32)

    def rates(self, n_steps, rng):
        """Sleep input of the next steps, (n_steps, n_0) in [0, 1]."""
        return np.broadcast_to(self.mean, (n_steps, len(self._sum)))

    def _check_n_inputs(self, n_inputs):
        """For subclasses: raise if they can't mask so many inputs."""


class SquareDream(MeanDream):
    """The mean image, of which each step keeps one random square (matlab: MNIST).

    The square has (mask_size + 1)² pixels, its corner uniform over all places where it fits.

    Parameters
    ----------
    mask_size : int
        10 in the paper.
    shape : (int, int)
        Rows and columns of the images.
    """

    def __init__(self, mask_size=10, shape=(28, 28)):
        super().__init__()
        self.shape = tuple(check_int("shape", n, low=1) for n in shape)
        if len(self.shape) != 2:
            raise ValueError(f"shape must be (rows, columns), got {shape!r}")
        self.mask_size = check_int("mask_size", mask_size)
        if self.mask_size >= min(self.shape):
            raise ValueError(f"mask_size must be below {min(self.shape)}, got {mask_size}")

    def _check_n_inputs(self, n_inputs):
        if n_inputs != self.shape[0] * self.shape[1]:
            raise ValueError(f"X must hold images of shape {self.shape}, got {n_inputs} features")

    def rates(self, n_steps, rng):
        """Sleep input of the next steps, (n_steps, n_0) in [0, 1]; two draws per step."""
        mean = self.mean.reshape(self.shape)
        rows, columns = (
            _run(u, n, self.mask_size + 1)
            for u, n in zip(rng.random((n_steps, 2)).T, self.shape, strict=True)
        )
        kept = mean * (rows[:, :, None] & columns[:, None, :])
        return kept.reshape(n_steps, mean.size)


class RunDream(MeanDream):
    """The mean vector, of which each step keeps a random contiguous run of features.

    The run has mask_size + 1 features (matlab: CIFAR10, mask_size 2047 of 2048).
    """

    def __init__(self, mask_size):
        super().__init__()
        self.mask_size = check_int("mask_size", mask_size)

    def _check_n_inputs(self, n_inputs):
        if self.mask_size >= n_inputs:
            raise ValueError(
                f"mask_size must be below the number of features, {n_inputs}, got {self.mask_size}"
            )

    def rates(self, n_steps, rng):
        """Sleep input of the next steps, (n_steps, n_0) in [0, 1]; one draw per step."""
        mean = self.mean
        return mean * _run(rng.random(n_steps), len(mean), self.mask_size + 1)


class SampleDream:
    """The mean of a few random samples of the current task, under a Bernoulli mask (torch).

    Keeps a reference to the current task's samples, which the next ``learn`` replaces.

    Parameters
    ----------
    samples_per_iter : int >= 1
        Samples drawn anew (with replacement) at each step; 10 in torch.
    mask_fraction : float in [0, 1]
        Probability that a feature is kept, drawn anew for each feature and step; 0.25 in torch.
    """

    def __init__(self, samples_per_iter=10, mask_fraction=0.25):
        self.samples_per_iter = check_int("samples_per_iter", samples_per_iter, low=1)
        self.mask_fraction = check_real("mask_fraction", mask_fraction, 0, 1)
        self._X = None

    def learn(self, X):
        """Take ``X``, array-like of shape (n, n_0) in [0, 1], for the samples of the task."""
        X = check_rates("X", X)
        if not len(X):
            raise ValueError(f"X must hold at least one sample, got shape {X.shape}")
        self._X = X

    def rates(self, n_steps, rng):
        """Sleep input of the next steps, (n_steps, n_0) in [0, 1]."""
        if self._X is None:
            raise ValueError("SampleDream has learnt nothing yet: call learn(X) first")
        k, n_inputs = self.samples_per_iter, self._X.shape[1]
        u = rng.random((n_steps, k + n_inputs), dtype=np.float32)
        chosen = np.minimum((u[:, :k] * len(self._X)).astype(np.intp), len(self._X) - 1)
        total = self._X[chosen[:, 0]]
        for i in range(1, k):
            total += self._X[chosen[:, i]]
        total *= u[:, k:] < self.mask_fraction
        # Rounding may lift the mean of k ones a hair above 1.
        return np.minimum(total / k, 1)


def poisson_spikes(rates, uniforms, config):
    """Spikes with probability min(1, 2·dt·max_rate·x): bool, of the shape of ``rates``.

    ``rates`` are x in [0, 1], ``uniforms`` drawn from [0, 1). Both sources write
    ``u / (dt·max_rate) / 2 <= x``; here it is <, so that a rate of 0 never fires.
    """
    return uniforms < rates * (2 * config.dt * config.max_rate)


def rate_blocks(dream, config, n_inputs, rng, block_steps):
    """Yield the sleep input of ``config.n_steps`` steps, in arrays of at most ``block_steps`` rows.

    ``dream`` is what ``srcnb.sleep`` takes; each block is checked before it is used.
    """
    n_steps = config.n_steps
    if hasattr(dream, "rates"):
        blocks = (
            dream.rates(min(block_steps, n_steps - start), rng)
            for start in range(0, n_steps, block_steps)
        )
    elif not np.iterable(dream):
        raise TypeError(
            "dream must be an array of rates, an object with rates(n_steps, rng), or an iterable"
            f" of blocks of rates; got {dream!r}"
        )
    elif hasattr(dream, "__array__") or (
        isinstance(dream, (list, tuple)) and all(np.ndim(row) < 2 for row in dream)
    ):
        array = np.asarray(dream)
        if array.ndim == 1:
            array = np.broadcast_to(array, (n_steps, *array.shape))
        if len(array) != n_steps:
            raise ValueError(f"dream must have n_steps = {n_steps} rows, got shape {array.shape}")
        blocks = [array]
    else:
        blocks = dream
    done = 0
    for block in blocks:
        if np.ndim(block) != 2 or np.shape(block)[1] != n_inputs:
            raise ValueError(
                f"dream must have shape (n_steps, {n_inputs}), the inputs of the network,"
                f" got {np.shape(block)}"
            )
        for start in range(0, min(len(block), n_steps - done), block_steps):
            end = min(start + block_steps, n_steps - done)
            yield check_rates("dream", block[start:end])
        done += len(block)
        if done >= n_steps:
            return
    if done < n_steps:
        raise ValueError(f"dream must yield n_steps = {n_steps} steps, got only {done}")


def _run(u, n, length):
    """Bool (len(u), n): for each uniform draw in [0, 1) a run of ``length`` places, all alike."""
    first = (u * (n - length + 1)).astype(np.intp)[:, None]
    place = np.arange(n)
    return (place >= first) & (place < first + length)
