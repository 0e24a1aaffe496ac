"""``srcnb.sleep``: a network and a dream in, the slept network and a report out."""

import warnings
from dataclasses import dataclass

import numpy as np

from srcnb.asleep.dreams import poisson_spikes, rate_blocks
from srcnb.asleep.simulate import BLOCK_STEPS, Simulation
from srcnb.checks import check_int, check_rng


class SilentLayerWarning(UserWarning):
    """A layer never fired during a sleep, so that nothing could change in it."""


@dataclass(frozen=True)
class SleepReport:
    """What happened during a sleep.

    Attributes
    ----------
    n_steps : int
    rates : (L + 1,) array, mean firing rate of layers 0 … L in Hz
    spike_counts : list over layers 0 … L of (n_l,) int arrays
    membranes : list over layers 1 … L of (n_l,) arrays, after the last step
    spikes : list over layers 0 … L of bool (n_steps, n_l) arrays, or None if not recorded
    """

    n_steps: int
    rates: np.ndarray
    spike_counts: list
    membranes: list
    spikes: list | None


def sleep(
    net,
    dream,
    config,
    random_state=None,
    *,
    engine="numba",
    record=False,
    callback=None,
    every=None,
):
    """Let ``net`` sleep: spiking, dreaming, with Hebbian plasticity (Tadros et al. 2022).

    The input is drawn, simulated and forgotten a block of steps at a time: the memory needed does
    not grow with ``config.n_steps`` (unless spikes are recorded), and the result depends neither on
    the blocks nor on the number of threads.

    Parameters
    ----------
    net : MLP
        Left unchanged. Its biases, if any, take no part in the sleep.
    dream : rates in [0, 1]: array-like of shape (n_0,) or (n_steps, n_0); or an object with
        ``rates(n_steps, rng)`` (see asleep/dreams.py); or an iterable of (any, n_0) blocks
    config : SleepConfig
    random_state : None, int, SeedSequence or Generator
    engine : "numba" | "reference"
    record : bool
        Keep the spikes of every layer and step in the report.
    callback : callable or None
        Called as ``callback(step, net)`` after every ``every`` steps and after the last, with a
        network that has the weights of that moment.
    every : int > 0
        Steps between two calls of ``callback``; goes with it.

    Returns
    -------
    slept : MLP
        A copy of ``net`` with the weights after the sleep.
    report : SleepReport

    Raises
    ------
    ValueError, TypeError
        For rates outside [0, 1], widths or numbers of layers that do not fit, weights not finite.
    OverflowError
        If weights or membranes are found to have overflowed, every few thousand steps.

    Warns
    -----
    SilentLayerWarning
        Once, if layers never fire, naming them and their θ = β/α.
    """
    if (callback is None) != (every is None):
        raise ValueError(f"callback and every go together, got {callback=}, {every=}")
    if every is not None:
        check_int("every", every, low=1)
    dream_rng, spike_rng = check_rng("random_state", random_state).spawn(2)
    simulation = Simulation(net.weights, config, engine, record)
    n_inputs = simulation.n_inputs
    done = 0
    for rates in rate_blocks(dream, config, n_inputs, dream_rng, BLOCK_STEPS):
        uniforms = spike_rng.random(rates.shape, dtype=np.float32)
        spikes = poisson_spikes(rates, uniforms, config)
        while callback is not None and len(spikes):
            part = spikes[: every - done % every]
            simulation.advance(part)
            spikes, done = spikes[len(part) :], done + len(part)
            if done % every == 0 or done == config.n_steps:
                callback(done, net.with_weights([w.copy() for w in simulation.weights]))
        simulation.advance(spikes)
    result = simulation.result()

    silent = [
        f"layer {layer} (θ = {theta:.4g})"
        for layer, (theta, count) in enumerate(
            zip(config.theta, result.spike_counts[1:], strict=True), 1
        )
        if not count.any()
    ]
    if silent and config.n_steps:
        warnings.warn(
            f"never fired in {config.n_steps} steps of sleep: {', '.join(silent)};"
            " lower β, or raise α or max_rate",
            SilentLayerWarning,
            stacklevel=2,
        )
    slept = net.with_weights(result.weights)
    seconds = max(config.n_steps, 1) * config.dt
    rates = np.array([count.mean() / seconds for count in result.spike_counts])
    report = SleepReport(
        config.n_steps, rates, result.spike_counts, result.membranes, result.spikes
    )
    return slept, report
