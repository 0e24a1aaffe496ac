"""SleepResult, and a sleep that explains itself: what fired, what moved, and what is wrong.

The limits below were measured on digits, MNIST and Fashion-MNIST: sleeps that bring old classes
back (README's constants and both presets), and README's with inc and dec times 0.001 … 100 and β
times 0.01 … 100. They are of what can be seen in the weights and spikes; what a network still knows
only labelled data can say, such as those that ``srcnb.sleep`` takes as ``validate``.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from srcnb.mlp import MLP
from srcnb.spiking.config import SleepConfig
from srcnb.validation import Array

# Spikes per step of the neurons that fired. Sleeps that work have at most 0.35, in any layer; with
# inc times 10 it is 0.7 to 0.8, and β times 0.1 takes the output layer there. Neurons that never
# fired are left out: in a trained layer they are half or more.
SATURATED = 0.5
# ‖ΔW‖/‖W‖ of the layer that moved most. Sleeps that work have 0.03 (the replica's constants on
# digits) or more; with inc and dec a hundredth of README's it is 0.006 to 0.018, and less than 1 %
# of the predictions change.
WEAK = 0.02
# ‖ΔW‖/‖W‖ of any layer. Sleeps that work have at most 2.4 (the paper's on Fashion-MNIST, from small
# weights); with inc times 10 it is 20, with the paper's constants on digits 17, and the accuracy is
# that of guessing. Layers whose weights nearly all came to have one sign were not seen below it.
WIPED_OUT = 4.0
# float32 rounds to 1e-7 of a weight: less than this is no change.
UNCHANGED = 1e-6


class SilentLayerWarning(UserWarning):
    """A layer never fired during a sleep, so that nothing could change in it."""


class NoChangeWarning(UserWarning):
    """A sleep after which the weights of all layers are what they were, but for rounding."""


@dataclass(frozen=True)
class Change:
    """How far the weights of one layer moved in a sleep.

    Attributes
    ----------
    relative : ‖ΔW‖/‖W‖, by the Frobenius norm, W before the sleep
    moved : share of the synapses that have another weight, in [0, 1]
    increment : mean gain of those that grew; 0 if none did
    decrement : mean loss of those that shrank, >= 0
    """

    relative: float = 0.0
    moved: float = 0.0
    increment: float = 0.0
    decrement: float = 0.0

    @classmethod
    def from_sums(cls, sums: Array, n_synapses: int) -> "Change":
        """From the (6,) sums that an engine's ``sum_changes`` gives."""
        squares, moves, up, down, n_up, n_down = sums.tolist()
        # A layer of zeros that moved has moved infinitely far.
        relative = np.sqrt(moves / squares) if squares else (np.inf if moves else 0.0)
        return cls(
            float(relative),
            (n_up + n_down) / n_synapses,
            up / n_up if n_up else 0.0,
            -down / n_down if n_down else 0.0,
        )


@dataclass(frozen=True, eq=False)
class SleepResult:
    """What ``simulate`` and ``sleep`` return; ``print(result)`` explains it, a row per layer.

    Attributes
    ----------
    weights : list over layers 1 … L of (n_l, n_{l-1}) arrays, after the last step
    membranes : list over layers 1 … L of (n_l,) arrays, after the last step
    spike_counts : list over layers 0 … L of (n_l,) int64 arrays
    spikes : list over layers 0 … L of bool (n_steps, n_l) arrays, or None if not recorded
    config : SleepConfig
    n_steps : int, steps that led to these weights: ``config.n_steps``, or fewer if it was stopped
    changes : list over layers 1 … L of Change, how far the weights moved
    stopped : str, why and at which step the sleep was stopped; None if it was not
    net : MLP, the slept network; None from ``simulate``, which knows of no network
    """

    weights: list[Array]
    membranes: list[Array]
    spike_counts: list[Array]
    spikes: list[Array] | None
    config: SleepConfig
    n_steps: int
    changes: list[Change]
    stopped: str | None = None
    net: MLP | None = None

    @property
    def rates(self) -> Array:
        """Mean firing rate of layers 0 … L in Hz, (L + 1,) float64."""
        seconds = max(self.n_steps, 1) * self.config.dt
        return np.array([count.mean() / seconds for count in self.spike_counts])

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.n_steps} steps of {self.config.dt:g} s",
                *_table(self),
                *([self.stopped] if self.stopped else []),
                *remarks(self),
            ]
        )


def remarks(result: SleepResult) -> list[str]:
    """What is wrong with a sleep, a sentence each; empty if nothing is seen to be."""
    if not result.n_steps:
        return []
    found = []
    if not result.spike_counts[0].any():
        found.append("the input never fired: raise max_rate or the intensities")
    if silent := _silent_layers(result):
        found.append(_never_fired(silent))
    for layer, count in enumerate(result.spike_counts[1:], 1):
        n_fired = int(np.count_nonzero(count))
        share = count.sum() / (max(n_fired, 1) * result.n_steps)
        if share > SATURATED:
            found.append(
                f"layer {layer} is saturated: the neurons that fired did so at {share:.0%} of the"
                " steps; raise β, or lower α, inc or max_rate"
            )
    for layer, change in enumerate(result.changes, 1):
        if change.relative > WIPED_OUT:
            found.append(
                f"layer {layer} is wiped out: its weights moved {change.relative:.3g} times as far"
                " as they are large; lower inc and dec, or n_steps"
            )
    if not _is_plastic(result.config):
        found.append("no weight moves, as inc and dec are 0")
    elif max(change.relative for change in result.changes) < WEAK:
        found.append(
            "plasticity is too weak to matter: the weights of each layer moved by less than"
            f" {WEAK:.0%} of what they are; raise inc and dec, the rates, or n_steps"
        )
    return found


def warn_of(result: SleepResult) -> None:
    """Warn of layers that never fired, and of a sleep that changed nothing, in sleep's caller."""
    silent = _silent_layers(result) if result.n_steps else []
    if silent:
        warnings.warn(f"{_never_fired(silent, result.n_steps)}", SilentLayerWarning, stacklevel=3)
    fired = any(count.any() for count in result.spike_counts[1:])
    if (
        result.config.n_steps
        and _is_plastic(result.config)
        and all(change.relative < UNCHANGED for change in result.changes)
        and (fired or not silent)  # else that is why, and it has been said
    ):
        why = result.stopped or "print(result) shows the rates and how far the weights moved"
        warnings.warn(f"this sleep changed no weight: {why}", NoChangeWarning, stacklevel=3)


def _is_plastic(config: SleepConfig) -> bool:
    """Whether any synapse may move."""
    return any(
        config.in_layer(name, layer) for name in ("inc", "dec") for layer in range(len(config.beta))
    )


def _silent_layers(result: SleepResult) -> list[str]:
    """Layers that never fired, but for those without a gain, which are meant not to."""
    return [
        f"layer {layer} (θ = {theta:.4g})"
        for layer, (theta, count) in enumerate(
            zip(result.config.theta, result.spike_counts[1:], strict=True), 1
        )
        if not count.any() and np.isfinite(theta)
    ]


def _never_fired(layers: Sequence[str], n_steps: int | None = None) -> str:
    during = "" if n_steps is None else f" in {n_steps} steps of sleep"
    return f"never fired{during}: {', '.join(layers)}; lower β, or raise α or max_rate"


def _table(result: SleepResult) -> list[str]:
    """The lines of the table: columns as wide as what is in them."""
    head = ["layer", "neurons", "fired (%)", "rate (Hz)", "target (Hz)", "θ"]
    head += ["‖ΔW‖/‖W‖", "moved (%)", "increment", "decrement"]
    config = result.config
    targets: list[float | None] = [None] * len(result.rates)
    if config.targets is not None:
        targets[1:] = config.targets
    rows = []
    for layer, (count, rate, target) in enumerate(
        zip(result.spike_counts, result.rates, targets, strict=True)
    ):
        row = [str(layer), str(len(count)), f"{100 * np.mean(count > 0):.1f}", f"{rate:.3g}"]
        row.append("–" if target is None else f"{target:.3g}")
        if layer:
            change = result.changes[layer - 1]
            row += [f"{config.theta[layer - 1]:.4g}", f"{change.relative:.3g}"]
            row += [f"{100 * change.moved:.1f}", f"{change.increment:.3g}"]
            row.append(f"{change.decrement:.3g}")
        rows.append(row + ["–"] * (len(head) - len(row)))
    columns = [
        column
        for column in zip(head, *rows, strict=True)
        if config.targets is not None or column[0] != "target (Hz)"
    ]
    widths = [max(map(len, column)) for column in columns]
    return [
        "  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))
        for line in zip(*columns, strict=True)
    ]
