"""What looks at a sleep while it goes on, and may end it: a callback, and data to be kept."""

import inspect
import logging
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import numpy as np

from srcnb.mlp import MLP
from srcnb.validation import Array, check_labels, check_list, check_samples

logger = logging.getLogger(__name__)

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


def caller(callback: Callable[[int, MLP], object], network: Network) -> Watcher:
    """Calls ``callback``, with weights that it may change; ends the sleep if it returns True.

    TypeError for what can't be called with two arguments.
    """
    try:
        inspect.signature(callback).bind(0, None)
    except TypeError:
        raise TypeError(f"callback must be a function of (step, net), got {callback!r}") from None
    except ValueError:  # some that are not written in Python do not say
        pass

    def call(simulation: Watched) -> str | None:
        step = simulation.n_steps
        answer = callback(step, network([w.copy() for w in simulation.weights]))
        # Only True itself: what a callback returns by the way is not meant.
        if isinstance(answer, (bool, np.bool_)) and answer:
            return f"stopped at step {step} by callback"
        return None

    return call


def check_validate(validate: Any, net: MLP) -> tuple[Array, Array]:
    """``validate`` as data of the network's width and labels of its classes."""
    pair = check_list("validate", validate)
    if len(pair) != 2:
        raise ValueError(f"validate must be a pair (X, y), got {len(pair)} items")
    X = check_samples("validate[0]", pair[0], net.layer_sizes[0], net.dtype)
    return X, check_labels("validate[1]", pair[1], len(X), net.layer_sizes[-1])


def guard(network: Network, simulation: Watched, X: Array, y: Array, max_drop: float) -> Watcher:
    """Ends a sleep at which accuracy falls too far, and goes back to the last look before that."""

    def accuracy(weights: list[Array]) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            return float(np.mean(network(weights).predict(X) == y))

    before = accuracy(simulation.weights)
    good = simulation.state()

    def look(simulation: Watched) -> str | None:
        nonlocal good
        step = simulation.n_steps
        try:
            now = accuracy(simulation.weights)
        except OverflowError:  # of weights that have overflowed, no answer is right
            now = 0.0
        logger.debug("validate at step %d: accuracy %.1f %%", step, 100 * now)
        if before - now <= max_drop + 1e-9:  # 0.95 - 0.85 is a little more than 0.1
            good = simulation.state()
            return None
        simulation.go_back(good)
        return (
            f"stopped at step {step}, as accuracy on validate fell from {before:.1%} to {now:.1%};"
            f" the weights are those of step {simulation.n_steps}"
        )

    return look
