"""What looks at a sleep while it goes on, and may end it: a callback, and data to be kept."""

import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np

from srcnb.mlp import MLP
from srcnb.validation import (
    Array,
    check_bool,
    check_int,
    check_labels,
    check_list,
    check_real,
    check_samples,
)

logger = logging.getLogger(__name__)

# The options of a sleep that is watched, for those that hand them on to srcnb.sleep.
OPTIONS = ("callback", "every", "validate", "max_drop", "progress")
# How often ``validate`` is looked at during a sleep, unless ``every`` says so, and how far the
# accuracy may fall: README's own sleeps, which work, cost the current task 0.0 to 9.8 points (four
# seeds, training data), so that none of them is stopped.
MOMENTS, MAX_DROP = 20, 0.1


class Watched(Protocol):
    """What a Watcher sees of a Simulation: see there."""

    n_steps: int
    weights: list[Array]

    def state(self) -> tuple[Any, ...]:
        """A copy of what the steps so far have made."""

    def go_back(self, state: tuple[Any, ...]) -> None:
        """As if no step had been run since ``state``."""


# Looks at a sleep at some of its steps, and says why it is to end there, if it is.
Watcher: TypeAlias = Callable[[Watched], str | None]


# The network, on its own features, in which a sleep has made these weights.
Network: TypeAlias = Callable[[list[Array]], MLP]
# From weights to what a network with them is worth, in [0, 1].
Score: TypeAlias = Callable[[list[Array]], float]


def check_options(
    callback: Any = None,
    every: Any = None,
    validate: Any = None,
    max_drop: Any = None,
    progress: Any = None,
) -> None:
    """Raise unless these OPTIONS are what they may be and go together; data are not looked at."""
    alone = every is not None and callback is None and validate is None
    if alone or (callback is not None and every is None):
        text = "every goes with callback or validate, and callback with every"
        raise ValueError(f"{text}, got {callback=}, {every=}")
    if every is not None:
        check_int("every", every, low=1)
    if callback is not None:
        _check_takes("callback", callback, "(step, net)", 2)
    if max_drop is not None:
        check_real("max_drop", max_drop, 0, 1)
        if validate is None:
            raise ValueError(f"max_drop goes with validate, got {max_drop=}, {validate=}")
    if progress is not None:
        check_bool("progress", progress)


def _check_takes(name: str, function: Any, what: str, n_arguments: int) -> None:
    """TypeError for what can't be called with so many arguments."""
    try:
        inspect.signature(function).bind(*range(n_arguments))
    except TypeError:
        raise TypeError(f"{name} must be a function of {what}, got {function!r}") from None
    except ValueError:  # some that are not written in Python do not say
        pass


def caller(callback: Callable[[int, MLP], object], network: Network) -> Watcher:
    """Calls ``callback``, with weights that it may change; ends the sleep if it returns True."""

    def call(simulation: Watched) -> str | None:
        step = simulation.n_steps
        answer = callback(step, network([w.copy() for w in simulation.weights]))
        # Only True itself: what a callback returns by the way is not meant.
        if isinstance(answer, (bool, np.bool_)) and answer:
            return f"stopped at step {step} by callback"
        return None

    return call


def check_pair(validate: Any) -> list[Any]:
    """``validate`` as a list of two, [X, y]."""
    if callable(validate) or isinstance(validate, Mapping):
        raise TypeError(f"validate must be a pair (X, y) of held-out data, got {validate!r:.60}")
    pair = check_list("validate", validate)
    if len(pair) != 2:
        raise ValueError(f"validate must be a pair (X, y), got {len(pair)} items")
    return pair


def of_answers(accuracy: Callable[[MLP], float]) -> Callable[[MLP], float]:
    """The accuracy of a network; 0 of one whose outputs overflow, as no answer of it is right."""

    def score(net: MLP) -> float:
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                return float(accuracy(net))
        except OverflowError:
            return 0.0

    return score


def scorer(validate: Any, net: MLP, network: Network) -> tuple[Score, str]:
    """What ``validate`` says of weights, and what that is called; ``net`` is that before."""
    if callable(validate):
        _check_takes("validate", validate, "(net)", 1)

        def score(weights: list[Array]) -> float:
            return check_real("validate(net)", validate(network([w.copy() for w in weights])), 0, 1)

        return score, "validate"
    pair = check_pair(validate)
    X = check_samples("validate[0]", pair[0], net.layer_sizes[0], net.dtype)
    y = check_labels("validate[1]", pair[1], len(X), net.layer_sizes[-1])

    accuracy = of_answers(lambda net: np.mean(net.predict(X) == y))
    return lambda weights: accuracy(network(weights)), "accuracy on validate"


def guard(score: Score, what: str, simulation: Watched, max_drop: float) -> Watcher:
    """Ends a sleep at which ``score`` falls too far, and goes back to the last look before that."""

    def now(weights: list[Array]) -> float:
        # Weights that have overflowed are worth nothing.
        return score(weights) if all(np.isfinite(w).all() for w in weights) else 0.0

    before = now(simulation.weights)
    good = simulation.state()

    def look(simulation: Watched) -> str | None:
        nonlocal good
        step = simulation.n_steps
        after = now(simulation.weights)
        logger.debug("validate at step %d: %.1f %%", step, 100 * after)
        if before - after <= max_drop + 1e-9:  # 0.95 - 0.85 is a little more than 0.1
            good = simulation.state()
            return None
        simulation.go_back(good)
        return (
            f"stopped at step {step}, as {what} fell from {before:.1%} to {after:.1%};"
            f" the weights are those of step {simulation.n_steps}"
        )

    return look
