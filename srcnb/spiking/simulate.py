"""``srcnb.simulate``, the pure function: weights and input spikes in, new weights out."""

from importlib import import_module
from typing import Any

import numpy as np

from srcnb.mlp import MLP
from srcnb.spiking.config import SleepConfig
from srcnb.spiking.forks import no_fork
from srcnb.spiking.report import Change, SleepResult
from srcnb.validation import (
    Array,
    ArrayLike,
    check_bool,
    check_choice,
    check_instance,
    check_int,
    check_memory,
    check_vectors,
    check_weights,
    check_zero_one,
)

ENGINES = {"numba": "srcnb.spiking.kernel", "reference": "srcnb.spiking.reference"}
# Steps that are simulated at once: all weights come from memory once for so many steps. Larger
# blocks save little and need more memory for spikes. Results do not depend on it.
BLOCK_STEPS = 1024
# Blocks between two checks for weights that overflowed: a check reads all the weights.
BLOCKS_PER_CHECK = 4


class Simulation:
    """Weights and membranes on their way through blocks of input spikes.

    Owns copies: the arrays given to it are never changed. Parameters as in :func:`simulate`;
    ``block_steps`` are simulated at once.
    """

    def __init__(
        self,
        weights: list[Array],
        config: SleepConfig,
        engine: str = "numba",
        record: bool = False,
        membranes: list[Array] | None = None,
        block_steps: int = BLOCK_STEPS,
    ) -> None:
        if not isinstance(config, SleepConfig):
            raise TypeError(f"config must be a SleepConfig, got {config!r}")
        check_choice("engine", engine, ENGINES)
        check_bool("record", record)
        weights = check_weights("weights", weights)
        sizes = [len(w) for w in weights]
        config.check_layers(sizes)
        config.check_in_dtype(weights[0].dtype)
        if membranes is None:
            membranes = [np.zeros(n, weights[0].dtype) for n in sizes]
        else:
            membranes = check_vectors("membranes", membranes, sizes, weights[0].dtype)
        self.config = config
        self.n_steps = 0  # so far
        self.weights = [w.copy() for w in weights]
        self.membranes = [v.copy() for v in membranes]
        self.n_inputs = weights[0].shape[1]
        self.spike_counts = [np.zeros(n, dtype=np.int64) for n in (self.n_inputs, *sizes)]
        self.block_steps = check_int("block_steps", block_steps, low=1)
        self._before = weights
        steps = min(self.block_steps, config.n_steps)
        # Spikes of all layers, and 4 bytes for the number that each spike of the input is drawn by.
        n_neurons = self.n_inputs + sum(sizes)
        check_memory(f"block_steps = {steps}", steps * (n_neurons + 4 * self.n_inputs))
        if record:  # all blocks, and in the end all of them put together
            check_memory(f"record with {config.n_steps} steps", 2 * config.n_steps * n_neurons)
        self._recorded: list[list[Array]] | None = [] if record else None
        with no_fork:
            self._engine = import_module(ENGINES[engine])
        self._n_blocks = 0

    def advance(self, input_spikes: Array) -> None:
        """Run the steps of ``input_spikes``, checked bool (n, n_0), block_steps at a time."""
        for start in range(0, len(input_spikes), self.block_steps):
            self.run_block(input_spikes[start : start + self.block_steps])

    def run_block(self, block: Array) -> list[Array]:
        """Run at most block_steps steps; returns the spikes of layers 0 … L, bool (n, n_l)."""
        # An overflow is reported once, below, not by NumPy at every step.
        with np.errstate(over="ignore", invalid="ignore"):
            fired = self._engine.run_block(self.weights, self.membranes, block, self.config)
        spikes = [block, *fired]
        for count, s in zip(self.spike_counts, spikes, strict=True):
            _add_counts(count, s)
        if self._recorded is not None:
            self._recorded.append(spikes)
        self.n_steps += len(block)
        self._n_blocks += 1
        if self._n_blocks % BLOCKS_PER_CHECK == 0:
            self._check_overflow()
        return spikes

    def state(self) -> tuple[Any, ...]:
        """A copy of what the steps so far have made, for ``go_back``."""
        arrays = (self.weights, self.membranes, self.spike_counts)
        n_recorded = len(self._recorded or [])
        return self.n_steps, n_recorded, *([a.copy() for a in of_layers] for of_layers in arrays)

    def go_back(self, state: tuple[Any, ...]) -> None:
        """As if no step had been run since ``state``, whose arrays it takes over."""
        self.n_steps, n_recorded, self.weights, self.membranes, self.spike_counts = state
        if self._recorded is not None:
            del self._recorded[n_recorded:]

    def result(self, stopped: str | None = None) -> SleepResult:
        """The SleepResult after the steps so far; ``stopped`` says why there are no more."""
        with np.errstate(over="ignore", invalid="ignore"):
            sums = [self._sum_changes(layer) for layer in range(len(self.weights))]
        # If these are finite the weights are, which need not be read once more.
        self._check_overflow(weights=not np.isfinite(sums).all())
        spikes = None
        if self._recorded is not None:
            empty = [np.zeros((0, len(count)), dtype=bool) for count in self.spike_counts]
            spikes = [np.concatenate(s) for s in zip(*[empty, *self._recorded], strict=True)]
        return SleepResult(
            self.weights,
            self.membranes,
            self.spike_counts,
            spikes,
            self.config,
            self.n_steps,
            [Change.from_sums(s, W.size) for s, W in zip(sums, self.weights, strict=True)],
            stopped,
        )

    def _sum_changes(self, layer: int) -> Array:
        """The (6,) sums of a layer (from 0) for its Change; zeros if no weight can have moved."""
        count, W = self.spike_counts[layer + 1], self.weights[layer]
        if not count.any() or not any(self.config.in_layer(name, layer) for name in ("inc", "dec")):
            return np.zeros(6)
        return np.asarray(self._engine.sum_changes(self._before[layer], W, count))

    def _check_overflow(self, weights: bool = True) -> None:
        for layer, (W, v) in enumerate(zip(self.weights, self.membranes, strict=True), 1):
            for what, array in (("weights", W), ("membranes", v))[not weights :]:
                # The sum is the fast check; large but finite values may overflow it.
                with np.errstate(over="ignore", invalid="ignore"):
                    if np.isfinite(array.sum()) or np.isfinite(array).all():
                        continue
                raise OverflowError(
                    f"{what} of layer {layer} overflowed {array.dtype} during sleep, with"
                    f" inc={self.config.inc}, dec={self.config.dec},"
                    f" alpha={self.config.alpha[layer - 1]}; the caller's weights are unchanged"
                )


def _add_counts(counts: Array, spikes: Array) -> None:
    """counts += spikes over the steps; in bytes, which can't overflow in 255 steps and are fast."""
    for start in range(0, len(spikes), 255):
        part = spikes[start : start + 255].view(np.uint8)
        counts += np.add.reduce(part, axis=0, dtype=np.uint8)


def check_spikes(name: str, spikes: Any, width: int) -> Array:
    """Return ``spikes`` as bool (n, width); ValueError for other widths or values than 0/1."""
    checked = check_zero_one(name, spikes)
    if checked.ndim != 2 or checked.shape[1] != width:
        raise ValueError(f"{name} must have shape (n_steps, {width}), got {checked.shape}")
    return checked


def simulate(
    weights: list[Array],
    input_spikes: ArrayLike,
    config: SleepConfig,
    engine: str = "numba",
    record: bool = False,
    membranes: list[Array] | None = None,
) -> SleepResult:
    """Run the sleeping network over given input spikes: sleep input and Poisson draws are outside.

    Parameters
    ----------
    weights : list over layers 1 … L of (n_l, n_{l-1}) arrays
        All float32 or all float64; left unchanged. The simulation runs in their dtype.
    input_spikes : array-like of 0/1, shape (config.n_steps, n_0)
    config : SleepConfig
    engine : "numba" | "reference"
        The compiled kernel, or plain NumPy, one step at a time.
    record : bool
        Keep the spikes of every layer and step (needs n_steps bytes per neuron).
    membranes : list over layers 1 … L of (n_l,) arrays, or None
        Membranes to start from, so that blocks can be chained; None: zeros.

    Returns
    -------
    SleepResult, without a ``net``

    Raises
    ------
    ValueError, TypeError
        For shapes that do not chain, values that are not finite, spikes that are not 0/1.
    OverflowError
        If weights or membranes are found to have overflowed, every few thousand steps.

    Notes
    -----
    Tadros et al. 2022, Methods; spiking/reference.py has the equations, one function each.
    """
    simulation = Simulation(weights, config, engine, record, membranes)
    checked = check_spikes("input_spikes", input_spikes, simulation.n_inputs)
    if len(checked) != config.n_steps:
        raise ValueError(
            f"input_spikes must have config.n_steps = {config.n_steps} rows, got {len(checked)}"
        )
    simulation.advance(checked)
    return simulation.result()


def check_network(net: object) -> None:
    """Raise TypeError unless ``net`` is an MLP; scikit-learn's is told apart."""
    check_instance(
        "net",
        net,
        MLP,
        "an srcnb.MLP (srcnb.from_sklearn(net) makes one of scikit-learn's MLPClassifier)",
    )
