"""Some neurons of a sleep once more, step by step: from their weights before it and from spikes.

The equations are those of reference.py, with sums in the order in which kernel.py takes them, and
the weights of a neuron that fires are changed by the kernel itself: so all is the same as in the
sleep, bit for bit, which is checked.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from srcnb.spiking.config import SleepConfig
from srcnb.spiking.forks import no_fork
from srcnb.spiking.reference import GATE_FUNCTIONS, fire, integrate, reset
from srcnb.spiking.report import SleepResult
from srcnb.spiking.simulate import ENGINES
from srcnb.validation import Array

# Steps whose spikes are unpacked at once.
BLOCK_STEPS = 1024


class Moment(NamedTuple):
    """One step of the watched neurons of a layer, n of them.

    Attributes
    ----------
    step : int, from 0
    pre : bool (n_pre,), spikes of the layer below
    impulse, membrane : (n,), what the spikes add, and the membrane before it is reset
    fired : bool (n,)
    before, after : (n_fired, n_pre), weights of those that fired, before and after this step
    """

    step: int
    pre: Array
    impulse: Array
    membrane: Array
    fired: Array
    before: Array
    after: Array


@dataclass(frozen=True, eq=False)
class Replay:
    """The watched neurons of a layer, and what it takes to run them again.

    Attributes
    ----------
    layer : int, from 1
    neurons : indices of the watched neurons, from 0
    rows : indices of the neurons that are run: all of the layer's if there is inhibition
    before, after : (n_rows, n_pre), their weights before and after the sleep
    below, own : uint8 (n_steps, …), spikes of the layer below and of the layer itself, as bits
    n_post : int, neurons of the layer
    config : SleepConfig
    """

    layer: int
    neurons: tuple[int, ...]
    rows: tuple[int, ...]
    before: Array
    after: Array
    below: Array
    own: Array
    n_post: int
    config: SleepConfig

    @classmethod
    def of(
        cls,
        W: Array,
        result: SleepResult,
        layer: int,
        bits: Mapping[int, Array],
        neurons: Sequence[int],
    ) -> "Replay":
        """From a layer's weights ``W`` (n_post, n_pre) before the sleep, and its result.

        ``bits`` has the spikes of this layer and of the one below, as :func:`pack` gives them.
        """
        rows = [*range(len(W))] if result.config.inhibition else [*neurons]
        return cls(
            layer,
            tuple(neurons),
            tuple(rows),
            W[rows],  # a copy, as rows is a list
            result.weights[layer - 1][rows],
            bits[layer - 1],
            bits[layer],
            len(W),
            result.config,
        )

    @property
    def beta(self) -> float:
        """The threshold of these neurons."""
        return float(self.config.beta[self.layer - 1])

    def gate(self, w: Array) -> Array:
        """g(w) of their synapses, by reference.py; the kernel's own differs by rounding."""
        width = self.config.in_layer("gate_width", self.layer - 1)
        return GATE_FUNCTIONS[self.config.gate](w, width)

    def only(self, neuron: int) -> "Replay":
        """The replay of one of the watched neurons."""
        if self.config.inhibition:
            return replace(self, neurons=(neuron,))
        i = [self.rows.index(neuron)]
        return replace(
            self,
            neurons=(neuron,),
            rows=(neuron,),
            before=self.before[i],
            after=self.after[i],
        )

    def moments(self) -> Iterator[Moment]:
        """Yield each step of the sleep.

        Raises RuntimeError where a spike, or a weight at the end, is not that of the sleep.
        """
        at, config, rows = self.layer - 1, self.config, [*self.rows]
        W, v = self.before.copy(), np.zeros(len(rows), self.before.dtype)
        real = W.dtype.type
        alpha, beta, decay, inhibition = (
            real(c) for c in (config.alpha[at], config.beta[at], config.decay, config.inhibition)
        )
        current = config.layer_currents(at, self.n_post, W.dtype)[rows]
        watched = [rows.index(i) for i in self.neurons]
        changed, own = self._plasticity(), unpacked(self.own, self.n_post)
        for step, (pre, spikes) in enumerate(zip(self.spikes_below(), own, strict=True)):
            with np.errstate(over="ignore", invalid="ignore"):
                impulse = alpha * _in_order(W[:, pre])
                if config.inhibition:
                    impulse = impulse - inhibition * _in_order(impulse) / real(len(rows))
                v = integrate(v, impulse, decay, current)
            fired = fire(v, beta)
            if not np.array_equal(fired, spikes[rows]):
                raise RuntimeError(self._differs(f"spikes at step {step}"))
            of_watched = fired[watched]
            moved = [i for i, f in zip(watched, of_watched, strict=True) if f]
            before = W[moved]
            if fired.any():
                W[fired] = changed(W[fired], pre)
            yield Moment(step, pre, impulse[watched], v[watched], of_watched, before, W[moved])
            v = reset(v, fired)
        if not np.array_equal(W, self.after):
            raise RuntimeError(self._differs("weights after the last step"))

    def spikes_below(self) -> Iterator[Array]:
        """Yield the spikes of the layer below at each step, bool (n_pre,)."""
        return unpacked(self.below, self.before.shape[1])

    def _plasticity(self) -> Callable[[Array, Array], Array]:
        """From rows (n, n_pre) of neurons that fire, and spikes below, to the rows after it.

        In a step of the kernel with α = β = 0 membranes of 0 fire, so that only plasticity is left.
        """
        at, config = self.layer - 1, self.config
        config = replace(
            config,
            alpha=[0.0],
            beta=[0.0],
            inc=config.in_layer("inc", at),
            dec=config.in_layer("dec", at),
            gate_width=config.in_layer("gate_width", at),
            currents=None,
            targets=None,
        )
        with no_fork:
            kernel: Any = import_module(ENGINES["numba"])

        def changed(W: Array, pre: Array) -> Array:
            W = W.copy()
            kernel.run_block([W], [np.zeros(len(W), W.dtype)], pre[None], config)
            return W

        return changed

    def _differs(self, what: str) -> str:
        return f"the replay of layer {self.layer} has other {what} than the sleep: please report it"


def pack(spikes: Array) -> Array:
    """Spikes, bool (n_steps, n), as bits: uint8 (n_steps, ⌈n/8⌉)."""
    return np.packbits(spikes, axis=1)


def unpacked(bits: Array, n: int) -> Iterator[Array]:
    """Yield each step of what :func:`pack` made of ``n`` neurons, bool (n,)."""
    for start in range(0, len(bits), BLOCK_STEPS):
        block = np.unpackbits(bits[start : start + BLOCK_STEPS], axis=1, count=n)
        yield from block.view(bool)


def _in_order(numbers: Array) -> Array:
    """Sums along the last axis, one number after another: NumPy's own take another order."""
    if not numbers.shape[-1]:
        return np.zeros(numbers.shape[:-1], numbers.dtype)
    return np.asarray(np.add.accumulate(numbers, axis=-1)[..., -1])
