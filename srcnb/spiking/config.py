"""SleepConfig: every constant of one sleep, validated, with its unit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from srcnb.validation import (
    MAX_LENGTH,
    Array,
    ArrayLike,
    check_array,
    check_choice,
    check_in_dtype,
    check_int,
    check_list,
    check_real,
)

GATES = ("logistic", "negative", "additive")


@dataclass(frozen=True)
class SleepConfig:
    """The constants of one sleep.

    Only θ_l = β_l/α_l matters for the spikes (without currents): membranes start and reset at 0
    and everything in between is linear. With them, α_l, β_l and the current scale together.

    Parameters
    ----------
    n_steps : int
        Length of the sleep in steps of ``dt`` seconds.
    alpha, beta : sequences of L floats >= 0
        Per layer: the gain α_l on the synaptic impulse, and the firing threshold β_l.
    inc, dec : float >= 0, or sequence of L of them, one per layer
        What a synapse gains at a spike of its post neuron if its pre neuron fires in the same
        step, and loses if it does not; both times the gate.
    decay : float in [0, 1]
        Membrane leak: v is multiplied by it at each step.
    gate : "logistic" | "negative" | "additive"
        How far a synapse of weight w may move: 1/(1 + e^-w) (the replica), 2/(1 + e^(w/width))
        (the paper, with 0.001: only negative synapses are plastic), or 1.
    gate_width : float > 0, or sequence of L of them, one per layer
        The width of the "negative" gate around 0, in the unit of the weights. Others have none.
    targets : sequence of L, each a float > 0 or None; or None
        Hz: the mean rate that each layer is meant to have, which ``print(result)`` shows beside
        the one it had. It changes nothing. None: no target, or a layer that is meant to be silent.
    max_rate : float > 0
        Hz. An input of intensity x fires with probability min(1, 2·dt·max_rate·x) per step; the 2
        is the sources', so x = 1 means 2·max_rate.
    dt : float > 0
        Seconds per step.
    inhibition : float >= 0
        This share of a layer's mean impulse is taken off each of its neurons.
    currents : sequence with one entry per layer, each a number or array-like of shape (n_l,); None
        What is added to the membranes of a layer at each step: the same for all its neurons, or
        one number each. Kept as tuples. None: nothing. (The replica has one constant, ``dc``, for
        the last layer.)

    Raises
    ------
    ValueError, TypeError
        That name the constant and the value got.
    """

    n_steps: int
    alpha: Sequence[float]
    beta: Sequence[float]
    inc: float | Sequence[float]
    dec: float | Sequence[float]
    decay: float = 0.999
    gate: str = "logistic"
    max_rate: float = 239.515363
    dt: float = 0.001
    inhibition: float = 0.0
    currents: Sequence[float | ArrayLike] | None = None
    gate_width: float | Sequence[float] = 0.001
    targets: Sequence[float | None] | None = None

    def __post_init__(self) -> None:
        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        put("n_steps", check_int("n_steps", self.n_steps, high=MAX_LENGTH))
        for name in ("alpha", "beta"):
            put(name, _numbers_per_layer(name, getattr(self, name)))
        if not self.alpha or len(self.alpha) != len(self.beta):
            raise ValueError(
                "alpha and beta must have one number per layer each,"
                f" got {len(self.alpha)} and {len(self.beta)}"
            )
        for name in ("inc", "dec", "gate_width"):
            values = _one_or_per_layer(name, getattr(self, name), len(self.alpha))
            put(name, values)
        put("decay", check_real("decay", self.decay, 0, 1))
        check_choice("gate", self.gate, GATES)
        put("max_rate", check_real("max_rate", self.max_rate, 0, low_open=True))
        put("dt", check_real("dt", self.dt, 0, low_open=True))
        put("inhibition", check_real("inhibition", self.inhibition, 0))
        if self.currents is not None:
            put("currents", _currents(self.currents, len(self.alpha)))
        if self.targets is not None:
            put("targets", _targets(self.targets, len(self.alpha)))

    @property
    def theta(self) -> tuple[float, ...]:
        """θ_l = β_l/α_l, the threshold in units of summed weights; inf where α_l is 0."""
        return tuple(
            b / a if a else float("inf") for a, b in zip(self.alpha, self.beta, strict=True)
        )

    def in_layer(self, name: str, layer: int) -> float:
        """The value of ``inc``, ``dec`` or ``gate_width`` in a layer (from 0)."""
        value = getattr(self, name)
        return float(value if isinstance(value, float) else value[layer])

    def layer_currents(self, layer: int, n: int, dtype: np.dtype[Any]) -> Array:
        """The current into each of the ``n`` neurons of a layer (from 0): (n,), of ``dtype``."""
        current = 0.0 if self.currents is None else self.currents[layer]
        return np.array(np.broadcast_to(np.asarray(current, dtype), (n,)))

    def check_in_dtype(self, dtype: np.dtype[Any]) -> None:
        """Raise ValueError for a constant that is too large or too small for ``dtype``."""
        for name in ("decay", "inhibition", "inc", "dec", "gate_width", "alpha", "beta"):
            values = getattr(self, name)
            if isinstance(values, float):
                check_in_dtype(name, values, dtype)
                continue
            for layer, value in enumerate(values):
                check_in_dtype(f"{name}[{layer}]", value, dtype)
        for layer, entry in enumerate(self.currents or ()):
            # Only the largest and the smallest: there may be thousands, and many sleeps.
            values = np.ravel(np.asarray(entry, np.float64))
            sizes = np.abs(values[values != 0])
            for i in {int(sizes.argmin()), int(sizes.argmax())} if sizes.size else ():
                value = float(values[values != 0][i])
                check_in_dtype(f"currents[{layer}]", value, dtype)

    def check_layers(self, sizes: Sequence[int]) -> None:
        """Raise ValueError unless there is one α, β and current per layer of n_1 … n_L neurons."""
        for name in ("alpha", "beta"):
            values = getattr(self, name)
            if len(values) != len(sizes):
                raise ValueError(
                    f"{name} must have one number per layer of the network,"
                    f" {len(sizes)}, got {values}"
                )
        for layer, n in enumerate(sizes if self.currents is not None else ()):
            shape = np.shape(self.currents[layer])  # type: ignore[index] # checked above
            if shape not in ((), (n,)):
                raise ValueError(
                    f"currents[{layer}] must be a number or have shape ({n},), one for each neuron"
                    f" of layer {layer + 1}, got shape {shape}"
                )


def _one_or_per_layer(name: str, value: Any, n_layers: int) -> float | tuple[float, ...]:
    """A number for all layers, or one for each; a ``gate_width`` must be above 0."""
    low_open = name == "gate_width"
    if isinstance(value, (Real, str)) or not np.iterable(value):
        return check_real(name, value, 0, low_open=low_open)
    values = tuple(check_list(name, value))
    if len(values) != n_layers:
        raise ValueError(
            f"{name} must be a number, or have one per layer, {n_layers}, got {len(values)}"
        )
    return tuple(check_real(f"{name}[{i}]", v, 0, low_open=low_open) for i, v in enumerate(values))


def _numbers_per_layer(name: str, values: Iterable[float]) -> tuple[float, ...]:
    return tuple(check_real(f"{name}[{i}]", v, 0) for i, v in enumerate(check_list(name, values)))


def _currents(currents: Any, n_layers: int) -> tuple[float | tuple[float, ...], ...]:
    """Numbers and tuples of numbers, which can be compared, hashed and pickled."""
    entries = check_list("currents", currents)
    if len(entries) != n_layers:
        raise ValueError(f"currents must have one entry per layer, {n_layers}, got {len(entries)}")
    return tuple(
        check_real(f"currents[{i}]", entry)
        if isinstance(entry, Real)
        else tuple(check_array(f"currents[{i}]", entry, 1, np.float64).tolist())
        for i, entry in enumerate(entries)
    )


def _targets(targets: Any, n_layers: int) -> tuple[float | None, ...]:
    """A rate above 0, or None, for each layer."""
    entries = check_list("targets", targets)
    if len(entries) != n_layers:
        raise ValueError(f"targets must have one entry per layer, {n_layers}, got {len(entries)}")
    return tuple(
        None if entry is None else check_real(f"targets[{i}]", entry, 0, low_open=True)
        for i, entry in enumerate(entries)
    )
