"""A sleep's constants from the network itself: thresholds, bias currents and plasticity.

No published constant is in here. Thresholds are found front to back, so that each layer fires at
a target rate; then currents and what a spike changes follow from measured rates and from the
weights.
"""

import logging
import warnings
from dataclasses import dataclass, replace

import numpy as np

from srcnb.mlp import MLP
from srcnb.spiking.config import GATES, SleepConfig
from srcnb.spiking.inputs import AnyInput, as_table, check_table, draw_spikes, input_blocks
from srcnb.spiking.simulate import check_network, simulate
from srcnb.validation import (
    MAX_LENGTH,
    Array,
    RandomState,
    check_choice,
    check_instance,
    check_int,
    check_real,
    check_rng,
)

logger = logging.getLogger(__name__)

# Steps in which rates are measured, and halvings of the interval in which a threshold is looked
# for: of a factor of 1e9 they leave 2e-8, far less than one spike more or less makes.
STEPS, HALVINGS = 200, 30
# How far below its target a rate may end without a warning: one spike more is often too many.
TOLERANCE = 0.9
# No further layer is asked to fire more often than the first, or than this.
MOST = 0.5


class RateWarning(UserWarning):
    """Inputs or a layer cannot fire as often as they should."""


@dataclass(frozen=True)
class SleepTargets:
    """What a sleep should be like, in numbers without a unit that are meant for any network.

    The defaults are the best that were found on validation splits of the training sets of digits
    and MNIST together, for networks of several widths and depths (docs/ANY_NETWORK.md).

    Attributes
    ----------
    n_steps : int
        Length of the sleep in steps.
    input_rate : float in (0, 1]
        Spikes per step of the inputs that are ever active: their mean.
    rate : float in (0, 1)
        Spikes per step of the neurons of the first hidden layer whose mean input is positive: their
        mean.
    rate_factor : float in (0, 1000]
        What each further hidden layer has of the rate of the one before, up to 0.5.
    output_rate : float in (0, 1), or None
        The same of the output layer; None: it is silent, and nothing in it changes.
    budget : float >= 0
        B: what a synapse would gain over the whole sleep before the gate if its pre neuron fired at
        every spike of its post neuron, in units of its layer's median |w|. Of the first layer.
    budget_factor : float in (0, 1000]
        What each further layer has of the budget of the one before.
    rho : float in [0, 1)
        ρ = dec/(inc + dec), the share of coincidences above which a synapse grows. (Not under the
        "negative" gate, where one may be enough.)
    gate : "logistic" | "negative" | "additive"
    gate_width : float > 0
        The width of the "negative" gate in units of the layer's median |w|.
    """

    n_steps: int = 600
    input_rate: float = 0.05
    rate: float = 0.004
    rate_factor: float = 0.12
    output_rate: float | None = None
    budget: float = 0.9
    budget_factor: float = 0.16
    rho: float = 0.12
    gate: str = "negative"
    gate_width: float = 0.5

    def __post_init__(self) -> None:
        check_int("n_steps", self.n_steps, high=MAX_LENGTH)
        check_real("input_rate", self.input_rate, 0, 1, low_open=True)
        check_real("rate", self.rate, 0, 1, low_open=True, high_open=True)
        for name in ("rate_factor", "budget_factor"):
            check_real(name, getattr(self, name), 0, 1000, low_open=True)
        if self.output_rate is not None:
            check_real("output_rate", self.output_rate, 0, 1, low_open=True, high_open=True)
        check_real("budget", self.budget, 0)
        check_real("rho", self.rho, 0, 1, high_open=True)
        check_choice("gate", self.gate, GATES)
        check_real("gate_width", self.gate_width, 0, low_open=True)

    def lasting(self, n_steps: int) -> "SleepTargets":
        """The same for a sleep of another length, with as much more or less of the budget."""
        share = n_steps / self.n_steps if self.n_steps else 1.0
        return replace(self, n_steps=n_steps, budget=self.budget * share)

    def rates(self, n_layers: int) -> list[float | None]:
        """The target rate of each of ``n_layers`` layers of weights, None for a silent one."""
        most = max(MOST, self.rate)
        hidden = [min(self.rate * self.rate_factor**i, most) for i in range(n_layers - 1)]
        return [*hidden, self.output_rate]

    def budgets(self, n_layers: int) -> list[float]:
        """The budget of each of ``n_layers`` layers of weights."""
        return [self.budget * self.budget_factor**i for i in range(n_layers)]


def calibrate(
    net: MLP,
    sleep_input: AnyInput,
    targets: SleepTargets | None = None,
    random_state: RandomState = None,
) -> SleepConfig:
    """The SleepConfig with which ``net`` sleeps as ``targets`` say.

    Layer by layer, from the first to the last, with plasticity off and over 200 steps: the
    threshold θ by bisection (a neuron's spike count never rises with θ), such that the neurons
    whose mean input is positive fire at the target rate on average; and the current b·k of the
    neurons of a layer with biases, where k is the rate per activation of the layer below, as it was
    measured there. α is 1 and β is θ, and α is 0 in a layer that is to be silent.

    Parameters
    ----------
    net : MLP
    sleep_input : as for :func:`srcnb.sleep`; a generator is used up
        Of a table (n, n_0) it takes 200 rows, first to last. Its ``share``, if it has one, in
        (0, 1], is what a step keeps of an awake input on average (1 without it): biases are to be
        as large beside the input as they are awake.
    targets : SleepTargets or None
        None: SleepTargets(). :func:`srcnb.search` finds others for one's own data.
    random_state : None, int, SeedSequence or Generator

    Raises
    ------
    ValueError, TypeError
        For a sleep input that does not fit the network, or is 0 throughout.

    Warns
    -----
    RateWarning
        For inputs or layers that cannot fire as often as they should: they get the rate of input or
        the threshold at which they fire most.
    """
    check_network(net)
    targets = SleepTargets() if targets is None else targets
    check_instance("targets", targets, SleepTargets, "a SleepTargets")
    n_layers = len(net.weights)
    rates, budgets = targets.rates(n_layers), targets.budgets(n_layers)
    input_rng, spike_rng = check_rng("random_state", random_state).spawn(2)
    base = SleepConfig(STEPS, alpha=[1.0], beta=[1.0], inc=0.0, dec=0.0)
    table = as_table(sleep_input)
    if table is not None and table.ndim != 1:
        check_table(table, net.layer_sizes[0])
        sleep_input = table[np.linspace(0, len(table) - 1, STEPS).astype(np.intp)]
    blocks = input_blocks(sleep_input, base, net.layer_sizes[0], input_rng, STEPS)
    x = np.concatenate(list(blocks))
    max_rate = _max_rate(x, targets.input_rate, base.dt)
    base = replace(base, max_rate=max_rate)
    spikes = draw_spikes(x, spike_rng.random(x.shape, dtype=np.float32), base)
    active = x.any(axis=0)
    input_rate = float(spikes[:, active].mean())
    # What the network would see awake, and the spikes per step that stand for 1.
    share = getattr(sleep_input, "share", 1.0)
    share = check_real("share of sleep_input", share, 0, 1, low_open=True)
    awake = x.mean(axis=0, keepdims=True) / share
    activations = [awake, *net.activations(awake)]
    theta: list[float] = []
    currents: list[float | Array] = []
    fired: list[float] = []
    in_hz: list[float | None] = []
    short = []
    reached = float(np.mean(x[:, active] > 0))
    if reached < TOLERANCE * targets.input_rate:
        short.append(f"inputs ({_falls_short(reached, targets.input_rate)})")
    for layer, (W, target) in enumerate(zip(net.weights, rates, strict=True)):
        current: float | Array = 0.0
        if net.biases is not None:
            current = _rate_per_activation(spikes, activations[layer]) * net.biases[layer]
        currents.append(current)
        if target is None:
            theta.append(np.inf)
            fired.append(0.0)
            in_hz.append(None)
            continue
        chosen, rate, spikes = _threshold(W, current, spikes, target, base)
        if rate < TOLERANCE * target:
            short.append(f"layer {layer + 1} ({_falls_short(rate, target)})")
        theta.append(chosen)
        fired.append(rate)
        # Of the whole layer, as SleepResult.rates are.
        in_hz.append(float(spikes.mean()) / base.dt or None)
    logger.info(
        "calibrated a sleep of %d steps: max_rate %.4g Hz; inputs fire %.3g times a step, %.3g were"
        " asked for",
        *(targets.n_steps, max_rate, input_rate, targets.input_rate),
    )
    if short:
        warnings.warn(f"cannot fire as often as asked for: {', '.join(short)}", RateWarning, 2)
    medians = [float(np.median(np.abs(W))) for W in net.weights]
    inc = [
        budget * median / (rate * targets.n_steps) if rate and targets.n_steps else 0.0
        for budget, median, rate in zip(budgets, medians, fired, strict=True)
    ]
    for layer, target in enumerate(rates):
        if target is None:
            logger.info("layer %d: silent, as output_rate is None", layer + 1)
            continue
        logger.info(
            "layer %d: θ %.4g; its neurons fire %.3g times a step, %.3g were asked for;"
            " inc %.3g, dec %.3g",
            *(layer + 1, theta[layer], fired[layer], target),
            *(inc[layer], inc[layer] * targets.rho / (1 - targets.rho)),
        )
    return SleepConfig(
        targets.n_steps,
        alpha=[float(np.isfinite(t)) for t in theta],
        beta=[t if np.isfinite(t) else 1.0 for t in theta],
        inc=inc,
        dec=[i * targets.rho / (1 - targets.rho) for i in inc],
        gate=targets.gate,
        gate_width=[targets.gate_width * m or 1.0 for m in medians],
        max_rate=max_rate,
        currents=None if net.biases is None else currents,
        targets=in_hz,
    )


def _max_rate(x: Array, target: float, dt: float) -> float:
    """Hz at which the inputs that are ever active fire ``target`` times per step, on average.

    ``x`` (n_steps, n_0) are intensities. A probability ends at 1, so it is found by bisection;
    where the target is out of reach, the inputs fire whenever they are above 0.
    """
    active = x[:, x.any(axis=0)].astype(np.float64)
    if not active.size:
        raise ValueError("sleep_input must be above 0 somewhere, got 0 in all steps")
    low, high = 0.0, 1 / max(active[active > 0].min(), 1e-300)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        enough = np.minimum(middle * active, 1).mean() >= target
        low, high = (low, middle) if enough else (middle, high)
    return float(high / (2 * dt))


def _falls_short(rate: float, target: float) -> str:
    return f"{rate:.2g} per step in place of {target:.2g}"


def _rate_per_activation(spikes: Array, activations: Array) -> float:
    """k of a layer: the spikes per step that stand for an activation of 1, by least squares.

    ``spikes`` are bool (n_steps, n), ``activations`` (1, n). 0 where nothing is active.
    """
    a = activations[0].astype(np.float64)
    return float(spikes.mean(axis=0) @ a / max(a @ a, np.finfo(float).tiny))


def _threshold(
    W: Array, current: float | Array, below: Array, target: float, base: SleepConfig
) -> tuple[float, float, Array]:
    """The largest θ of a layer at which it fires as often as ``target`` says.

    ``below`` are the spikes of the layer below, bool (n_steps, n_pre). Returns θ, the rate, and the
    layer's spikes at it, bool (n_steps, n_post).
    """
    mean_input = below.mean(axis=0) @ W.T.astype(np.float64) + current
    positive = mean_input > 0

    def fire(theta: float) -> tuple[float, Array]:
        config = replace(base, beta=[theta], currents=[current])
        recorded = simulate([W], below, config, record=True).spikes
        assert recorded is not None
        return (float(recorded[1][:, positive].mean()) if positive.any() else 0.0), recorded[1]

    # No membrane gets above what all positive weights give it in all steps.
    most = len(below) * float(np.maximum(W, 0).sum(axis=1).max() + np.max(np.maximum(current, 0)))
    low, high = np.log(np.array([1e-9, 1]) * max(most, np.finfo(W.dtype).tiny * 1e10))
    best = (float(np.exp(low)), *fire(float(np.exp(low))))
    if best[1] < target:
        return best
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        theta = float(np.exp(middle))
        rate, spikes = fire(theta)
        if rate >= target:
            low, best = middle, (theta, rate, spikes)
        else:
            high = middle
    return best
