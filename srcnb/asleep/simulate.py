"""The pure function under ``srcnb.sleep``: weights and input spikes in, new weights out."""

from dataclasses import dataclass
from importlib import import_module

import numpy as np

from srcnb.asleep.config import SleepConfig
from srcnb.checks import check_array, check_choice, check_list, check_weights

ENGINES = {"numba": "srcnb.asleep.kernel", "reference": "srcnb.asleep.reference"}
# Steps that are simulated at once: all weights come from memory once for so many steps. Larger
# blocks save little and need more memory for spikes. Results do not depend on it.
BLOCK_STEPS = 1024
# Blocks between two looks for weights that overflowed: a look reads all the weights.
BLOCKS_PER_CHECK = 4


@dataclass(frozen=True)
class SimulationResult:
    """What ``simulate`` returns.

    Attributes
    ----------
    weights : list over layers 1 … L of (n_l, n_{l-1}) arrays, after the last step
    membranes : list over layers 1 … L of (n_l,) arrays, after the last step
    spike_counts : list over layers 0 … L of (n_l,) int arrays
    spikes : list over layers 0 … L of bool (n_steps, n_l) arrays, or None if not recorded
    """

    weights: list
    membranes: list
    spike_counts: list
    spikes: list | None


class Simulation:
    """Weights and membranes on their way through blocks of input spikes.

    Owns copies: the arrays given to it are never changed.
    """

    def __init__(self, weights, config, engine="numba", record=False, membranes=None):
        if not isinstance(config, SleepConfig):
            raise TypeError(f"config must be a SleepConfig, got {config!r}")
        check_choice("engine", engine, ENGINES)
        weights = check_weights("weights", weights)
        config.check_layers(len(weights))
        if membranes is None:
            membranes = [np.zeros(len(w), w.dtype) for w in weights]
        else:
            membranes = [
                check_array(f"membranes[{i}]", v, 1, weights[0].dtype)
                for i, v in enumerate(check_list("membranes", membranes))
            ]
            if [len(v) for v in membranes] != [len(w) for w in weights]:
                raise ValueError(
                    f"membranes must have lengths {[len(w) for w in weights]},"
                    f" got {[len(v) for v in membranes]}"
                )
        self.config = config
        self.weights = [w.copy() for w in weights]
        self.membranes = [v.copy() for v in membranes]
        self.n_inputs = weights[0].shape[1]
        sizes = [self.n_inputs, *(len(w) for w in weights)]
        self.spike_counts = [np.zeros(n, dtype=np.int64) for n in sizes]
        self._recorded = [] if record else None
        self._run = import_module(ENGINES[engine]).run
        self._n_blocks = 0

    def advance(self, input_spikes):
        """Run the steps of ``input_spikes``, checked bool (n, n_0), BLOCK_STEPS at a time."""
        # An overflow is reported once, below, not by NumPy at every step.
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(input_spikes), BLOCK_STEPS):
                block = input_spikes[start : start + BLOCK_STEPS]
                spikes = [block, *self._run(self.weights, self.membranes, block, self.config)]
                for count, s in zip(self.spike_counts, spikes, strict=True):
                    _add_counts(count, s)
                if self._recorded is not None:
                    self._recorded.append(spikes)
                self._n_blocks += 1
                if self._n_blocks % BLOCKS_PER_CHECK == 0:
                    self._check_overflow()

    def result(self):
        """The SimulationResult after the steps so far."""
        self._check_overflow()
        spikes = None
        if self._recorded is not None:
            empty = [np.zeros((0, len(count)), dtype=bool) for count in self.spike_counts]
            spikes = [np.concatenate(s) for s in zip(*[empty, *self._recorded], strict=True)]
        return SimulationResult(self.weights, self.membranes, self.spike_counts, spikes)

    def _check_overflow(self):
        for layer, (W, v) in enumerate(zip(self.weights, self.membranes, strict=True), 1):
            for what, array in (("weights", W), ("membranes", v)):
                # The sum is the fast look; large but finite values may overflow it.
                with np.errstate(over="ignore", invalid="ignore"):
                    if np.isfinite(array.sum()) or np.isfinite(array).all():
                        continue
                raise OverflowError(
                    f"{what} of layer {layer} overflowed {array.dtype} during sleep, with"
                    f" inc={self.config.inc}, dec={self.config.dec},"
                    f" alpha={self.config.alpha[layer - 1]}; the caller's weights are unchanged"
                )


def _add_counts(counts, spikes):
    """counts += spikes over the steps; in bytes, which can't overflow in 255 steps and are fast."""
    for start in range(0, len(spikes), 255):
        part = spikes[start : start + 255].view(np.uint8)
        counts += np.add.reduce(part, axis=0, dtype=np.uint8)


def check_spikes(name, spikes, width):
    """Return ``spikes`` as bool (n, width); ValueError for other widths or values than 0/1."""
    spikes = np.asarray(spikes)
    if spikes.ndim != 2 or spikes.shape[1] != width:
        raise ValueError(f"{name} must have shape (n_steps, {width}), got {spikes.shape}")
    if spikes.dtype != bool:
        if spikes.dtype.kind not in "iuf":
            raise TypeError(f"{name} must be bool or 0/1, got dtype {spikes.dtype}")
        bad = (spikes != 0) & (spikes != 1)
        if bad.any():
            raise ValueError(f"{name} must be 0 or 1, got {spikes[bad][0]}")
    return spikes.astype(bool, copy=False)


def simulate(weights, input_spikes, config, engine="numba", record=False, membranes=None):
    """Run the sleeping network over given input spikes: Poisson draws and dreams are outside.

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
    SimulationResult

    Raises
    ------
    ValueError, TypeError
        For shapes that do not chain, values that are not finite, spikes that are not 0/1.
    OverflowError
        If weights or membranes are found to have overflowed, every few thousand steps.

    Notes
    -----
    Tadros et al. 2022, Methods; asleep/reference.py has the equations, one function each.
    """
    simulation = Simulation(weights, config, engine, record, membranes)
    input_spikes = check_spikes("input_spikes", input_spikes, simulation.n_inputs)
    if len(input_spikes) != config.n_steps:
        raise ValueError(
            f"input_spikes must have config.n_steps = {config.n_steps} rows,"
            f" got {len(input_spikes)}"
        )
    simulation.advance(input_spikes)
    return simulation.result()
