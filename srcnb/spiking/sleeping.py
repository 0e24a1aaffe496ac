"""``srcnb.sleep``: a network and a sleep input in, the slept network out."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from srcnb.mlp import MLP
from srcnb.spiking.calibrate import SleepTargets, calibrate
from srcnb.spiking.config import SleepConfig
from srcnb.spiking.inputs import AnyInput, as_table, draw_spikes, input_blocks
from srcnb.spiking.progress import Advance, progress_bar
from srcnb.spiking.report import SleepResult, warn_of
from srcnb.spiking.scaling import FeatureScale
from srcnb.spiking.simulate import BLOCK_STEPS, Simulation, check_network
from srcnb.spiking.watchers import (
    MAX_DROP,
    MOMENTS,
    Network,
    Watcher,
    caller,
    check_options,
    guard,
    scorer,
)
from srcnb.validation import (
    Array,
    ArrayLike,
    RandomState,
    check_instance,
    check_rng,
)

logger = logging.getLogger(__name__)


def sleep(
    net: MLP,
    sleep_input: AnyInput,
    config: SleepConfig | SleepTargets | None = None,
    random_state: RandomState = None,
    *,
    scale: FeatureScale | None = None,
    engine: str = "numba",
    record: bool = False,
    callback: Callable[[int, MLP], object] | None = None,
    every: int | None = None,
    validate: tuple[ArrayLike, ArrayLike] | Callable[[MLP], float] | None = None,
    max_drop: float | None = None,
    progress: bool | None = None,
    block_steps: int = BLOCK_STEPS,
) -> SleepResult:
    """Let ``net`` sleep: spiking, on sleep input, with Hebbian plasticity (Tadros et al. 2022).

    The input is drawn, simulated and forgotten a block of steps at a time: the memory needed does
    not grow with ``config.n_steps`` (unless spikes are recorded), and the result depends neither on
    the blocks nor on the number of threads.

    Parameters
    ----------
    net : MLP
        Left unchanged. Its biases, if any, take part in the sleep as ``config.currents``, which
        calibration sets, and are not changed.
    sleep_input : intensities in [0, 1]: array-like of shape (n_0,) or (n_steps, n_0); or an object
        with ``draw(n_steps, rng)`` (see spiking/inputs.py); or an iterable of (any, n_0) blocks.
        Those of a list or tuple must have n_steps rows in sum. A generator may go on: what comes
        after n_steps is not used
    config : SleepConfig, SleepTargets or None
        The constants of the sleep; or what it should be like, in numbers for any network, from
        which :func:`srcnb.calibrate` finds them; None: ``SleepTargets()``. What is calibrated
        lasts as long as a table ``sleep_input`` has rows, with as much more or less of the budget,
        and else ``SleepTargets.n_steps``.
    random_state : None, int, SeedSequence or Generator
    scale : FeatureScale or None
        For a network trained on features outside [0, 1]: ``FeatureScale.of(X)``. It sleeps on
        intensities, ``scale.transform(X)``, which is what ``sleep_input`` is made from, and is
        brought back: ``net`` of the result, of ``callback`` and of ``validate`` take features.
        Weights and membranes of the result are those of the network on intensities.
    engine : "numba" | "reference"
    record : bool
        Keep the spikes of every layer and step in the result.
    callback : callable or None
        Called as ``callback(step, net)`` after every ``every`` steps and after the last, with a
        network that has the weights of that moment. If it returns True, the sleep ends there.
    every : int > 0
        Steps between two calls of ``callback``, or two looks at ``validate``; goes with them. For
        ``validate`` alone it need not be given: there are about 20 looks then.
    validate : (X, y), callable or None
        Labelled data that the network must keep, array-likes of shapes (n, n_0) and (n,). If the
        accuracy on them falls too far, the sleep ends, and what it has made since the last look at
        which it had not is dropped: the result is that of a sleep which ended there. Or another
        score in place of this accuracy: ``validate(net)``, in [0, 1], more being better.
    max_drop : float in [0, 1]
        How far the accuracy, or the score, may fall below that before the sleep; None: 0.1.
    progress : bool or None
        A bar on stderr, or in the notebook, with the steps done and steps per second. True: shown;
        False: not. None: shown once a sleep has taken two seconds, where stderr is a terminal or in
        Jupyter, but not in worker processes and threads. It moves on after each ``block_steps``,
        and changes no result.
    block_steps : int > 0
        Steps that are drawn and simulated at once, which bounds the memory needed.

    Returns
    -------
    SleepResult
        Its ``net`` is a copy of ``net`` with the weights after the sleep; its ``stopped`` says
        whether ``callback`` or ``validate`` ended it, and where.

    Raises
    ------
    ValueError, TypeError
        For intensities outside [0, 1], widths or numbers of layers that do not fit, weights that
        are not finite, labels outside the classes.
    OverflowError
        If weights or membranes are found to have overflowed, every few thousand steps.

    Warns
    -----
    SilentLayerWarning
        Once, if layers never fire, naming them and their θ = β/α; not of layers with α = 0.
    NoChangeWarning
        If layers fired and no weight changed, or the sleep was stopped before one was kept.
    """
    check_options(callback, every, validate, max_drop, progress)
    start = Start.of(net, sleep_input, config, random_state, scale)
    config = start.config
    simulation = Simulation(start.net.weights, config, engine, record, block_steps=block_steps)
    logger.debug("sleep of %d steps: engine %r, %s", config.n_steps, engine, start.net.dtype)
    watchers: list[Watcher] = []
    if validate is not None:
        drop = MAX_DROP if max_drop is None else float(max_drop)
        score, what = scorer(validate, net, start.network)
        watchers.append(guard(score, what, simulation, drop))
        every = every or -(-config.n_steps // MOMENTS)
        logger.info("validate: a look every %d steps, max_drop %g", every, drop)
    if callback is not None:
        watchers.append(caller(callback, start.network))
    spikes = start.spikes(simulation.block_steps)
    with progress_bar(config.n_steps, progress) as advance:
        stopped = _run(simulation, spikes, every or config.n_steps, watchers, advance)
    if stopped is not None:
        logger.info("sleep %s", stopped)
    result = simulation.result(stopped)
    warn_of(result)
    return replace(result, net=start.network(result.weights))


@dataclass(frozen=True, eq=False)
class Start:
    """A sleep before its first step; :meth:`of` takes what :func:`sleep` does.

    Attributes
    ----------
    net : MLP on intensities, which sleeps
    config : SleepConfig
    network : from weights (list over layers 1 … L) of ``net`` to the network on its own features
    spikes : from ``block_steps`` to an iterator over blocks of input spikes, bool (n, n_0), of at
        most so many steps, n_steps in sum. It can be used once, as it draws random numbers.
    """

    net: MLP
    config: SleepConfig
    network: Network
    spikes: Callable[[int], Iterator[Array]]

    @classmethod
    def of(
        cls,
        net: MLP,
        sleep_input: AnyInput,
        config: SleepConfig | SleepTargets | None,
        random_state: RandomState,
        scale: FeatureScale | None,
    ) -> "Start":
        """Check the arguments, and calibrate unless ``config`` is a SleepConfig."""
        check_network(net)
        if scale is not None:
            check_instance("scale", scale, FeatureScale, "a FeatureScale")
        input_rng, spike_rng, first_rng = check_rng("random_state", random_state).spawn(3)
        sleeping = net if scale is None else scale.into(net)
        if not isinstance(config, SleepConfig):
            config = _calibrated(sleeping, sleep_input, config, first_rng)
        constants = config

        def network(weights: list[Array]) -> MLP:
            slept = sleeping.with_weights(weights)
            return slept if scale is None else scale.back(slept, net)

        def spikes(block_steps: int) -> Iterator[Array]:
            for intensities in input_blocks(
                sleep_input, constants, sleeping.layer_sizes[0], input_rng, block_steps
            ):
                uniforms = spike_rng.random(intensities.shape, dtype=np.float32)
                yield draw_spikes(intensities, uniforms, constants)

        return cls(sleeping, config, network, spikes)


def _calibrated(
    net: MLP, sleep_input: AnyInput, config: SleepTargets | None, rng: np.random.Generator
) -> SleepConfig:
    """The SleepConfig of a sleep on ``sleep_input``; as many steps as a table has rows."""
    targets = SleepTargets() if config is None else config
    check_instance("config", targets, SleepTargets, "a SleepConfig, a SleepTargets or None")
    # What is no sleep input at all is refused by calibrate.
    if np.iterable(sleep_input) and not hasattr(sleep_input, "draw"):
        table = as_table(sleep_input)
        if table is None and not isinstance(sleep_input, str):
            raise TypeError(
                "config must be a SleepConfig where sleep_input is an iterable, which may be read"
                f" only once, got {config!r}"
            )
        if table is not None and table.ndim == 2 and len(table):
            targets = targets.lasting(len(table))
            logger.info(
                "the sleep input has %d rows: so many steps, and a budget of %.3g",
                *(targets.n_steps, targets.budget),
            )
    return calibrate(net, sleep_input, targets, rng)


def _run(
    simulation: Simulation,
    blocks: Iterator[Array],
    every: int,
    watchers: list[Watcher],
    advance: Advance,
) -> str | None:
    """Run blocks of spikes to their end, or until a watcher says why they end here.

    The watchers look after every ``every`` steps, and after the last; ``advance`` is told all.
    """
    for spikes in blocks:
        while len(spikes):
            part = spikes[: every - simulation.n_steps % every]
            simulation.advance(part)
            advance(len(part))
            spikes = spikes[len(part) :]
            if simulation.n_steps % every and simulation.n_steps < simulation.config.n_steps:
                continue
            for watch in watchers:
                stopped = watch(simulation)
                if stopped is not None:
                    return stopped
    return None
