"""What happens during a sleep, as arrays and tidy tables: rates, what moved, what is replayed.

A sleep is given as a function that repeats it, so that it can be observed after the run that it was
part of: ``functools.partial(srcnb.sleep, net, sleep_input, config, 0)``, or one of
``srcnb.experiments.sleep_again``. It is repeated twice: for its spikes, and for its weights.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from srcnb.before_after import averages, pooled
from srcnb.mlp import MLP
from srcnb.spiking.report import SleepResult
from srcnb.validation import (
    Array,
    check_instance,
    check_int,
    check_labels,
    check_rng,
    check_samples,
)

if TYPE_CHECKING:
    import pandas as pd

# Of a matrix of weights, taken at a time.
ROWS = 64
# Tells what a network can do at a moment: {name: accuracy in percent}.
Measure = Callable[[MLP], Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class Activity:
    """A sleep observed.

    Attributes
    ----------
    result : SleepResult, with spikes
    blocks : DataFrame with a row per block of steps and layer: step (its last), layer, increment
        and decrement (norms of what the weights gained and lost from its start to its end), rate
        (Hz; layer 0 is the input, which has no weights)
    accuracy : DataFrame with a row per moment, the start among them: step, and what was measured
    steps : (n_moments,) int64, those at which the images were taken; the first is 0
    neurons : (k,) int64, of the first hidden layer, those that fired most, in that order
    images : (n_moments, 1 + k, n_0) float32: the mean over the first layer's neurons of their
        weights, and the weights of ``neurons``
    """

    result: SleepResult
    blocks: "pd.DataFrame"
    accuracy: "pd.DataFrame"
    steps: Array
    neurons: Array
    images: Array


def observe(
    net: MLP,
    sleep: Callable[..., SleepResult],
    measure: Measure,
    n_blocks: int = 20,
    n_neurons: int = 5,
) -> Activity:
    """Repeat a sleep and observe it.

    Memory: one byte per neuron and step, and three networks.

    Parameters
    ----------
    net : the network before the sleep
    sleep : called with ``record=True``, and then with ``callback`` and ``every``, of srcnb.sleep
    measure : gets a network with the weights of a moment, gives {name: accuracy in percent}
    n_blocks : int >= 1, blocks of steps that the sleep is split into
    n_neurons : int >= 0, of the first hidden layer, whose weights are kept at each moment
    """
    import pandas as pd

    check_instance("net", net, MLP, "an srcnb.MLP")
    check_int("n_blocks", n_blocks, low=1)
    check_int("n_neurons", n_neurons)
    for name, function in (("sleep", sleep), ("measure", measure)):
        if not callable(function):
            raise TypeError(f"{name} must be a function, got {function!r}")
    result = sleep(record=True)
    every = max(-(-result.n_steps // n_blocks), 1)
    neurons = np.argsort(-result.spike_counts[1], kind="stable")[:n_neurons]
    moves: list[dict[str, Any]] = []
    measured: list[dict[str, Any]] = []
    images: list[Array] = []
    last = [np.asarray(W) for W in net.weights]

    def look(step: int, now: MLP) -> None:
        nonlocal last
        W = np.asarray(now.weights[0])
        images.append(np.concatenate([W.mean(axis=0)[None], W[neurons]]).astype(np.float32))
        measured.append({"step": step, **measure(now)})
        weights = [np.asarray(W) for W in now.weights]
        if step:
            for layer, (before, after) in enumerate(zip(last, weights, strict=True), 1):
                moves.append({"step": step, "layer": layer, **_norms(before, after)})
        last = weights

    look(0, net)
    sleep(callback=look, every=every)
    rates = block_rates(result, every)
    columns = ["step", "layer", "increment", "decrement"]
    blocks = rates.merge(pd.DataFrame(moves, columns=columns), "left", ["step", "layer"])
    steps = np.array([row["step"] for row in measured])
    return Activity(result, blocks, pd.DataFrame(measured), steps, neurons, np.stack(images))


def _norms(before: Array, after: Array) -> dict[str, float]:
    """Norms of what grew and of what shrank."""
    squares = np.zeros(2)
    # By rows, so that no other matrix is made.
    for start in range(0, len(after), ROWS):
        moved = after[start : start + ROWS] - before[start : start + ROWS]
        for i, part in enumerate((np.maximum(moved, 0).ravel(), np.minimum(moved, 0).ravel())):
            squares[i] += part @ part
    return dict(zip(("increment", "decrement"), map(float, np.sqrt(squares)), strict=True))


def block_rates(result: SleepResult, every: int) -> "pd.DataFrame":
    """Mean firing rate per block of ``every`` steps: step (the block's last), layer (from 0), rate.

    In Hz, of a sleep with recorded spikes.
    """
    import pandas as pd

    check_int("every", every, low=1)
    of_layers = recorded(result)
    rows = []
    for start in range(0, result.n_steps, every):
        stop = min(start + every, result.n_steps)
        for layer, spikes in enumerate(of_layers):
            rate = spikes[start:stop].mean() / result.config.dt
            rows.append({"step": stop, "layer": layer, "rate": float(rate)})
    return pd.DataFrame(rows, columns=["step", "layer", "rate"])


def recorded(result: SleepResult) -> list[Array]:
    """The spikes of layers 0 … L; ValueError where they were not recorded."""
    check_instance("result", result, SleepResult, "a SleepResult")
    if result.spikes is None:
        raise ValueError("result must have spikes: sleep with record=True")
    return result.spikes


def reactivation(
    result: SleepResult,
    net: MLP,
    X: Array,
    y: Array,
    n_windows: int = 10,
    n_shuffles: int = 20,
    random_state: int = 0,
) -> "pd.DataFrame":
    """Whether a sleep replays classes: their awake activation against its firing rates.

    For each layer and window of the sleep: Pearson's correlation, over the layer's neurons, of a
    class's mean awake activation, less the mean over all classes (as some neurons are always
    active), with the number of spikes in that window. And the same with shuffled classes, where
    each sample has the label of another: what chance gives.

    Parameters
    ----------
    result : of the sleep, with recorded spikes
    net : the network before it
    X, y : (n, n_0) and (n,), awake samples and their classes
    n_windows : int >= 1, of as many steps each, but for rounding
    n_shuffles : int >= 1

    Returns
    -------
    DataFrame with a row per hidden layer (from 1), step (the window's middle) and class:
    correlation; shuffled, low and high (the mean and the 2.5 % and 97.5 % quantiles of the
    correlations with shuffled classes). NaN where no neuron fired.
    """
    import pandas as pd

    X = check_samples("X", X, net.layer_sizes[0], net.dtype)
    y = check_labels("y", y, len(X), net.layer_sizes[-1])
    check_int("n_windows", n_windows, low=1)
    check_int("n_shuffles", n_shuffles, low=1)
    rng = check_rng("random_state", random_state)
    hidden = recorded(result)[1:-1]
    labels = [y, *(rng.permutation(y) for _ in range(n_shuffles))]
    classes = np.unique(y)
    awake = pooled(net, X, np.concatenate([averages(shuffled) for shuffled in labels]))
    bounds = np.linspace(0, result.n_steps, n_windows + 1).round().astype(int)
    rows = []
    for layer, spikes in enumerate(hidden, 1):
        of_labels = awake[layer - 1].reshape(len(labels), len(classes), -1)
        for start, stop in zip(bounds[:-1], bounds[1:], strict=True):
            counts = spikes[start:stop].sum(axis=0)
            found = np.stack([_correlations(a - a.mean(axis=0), counts) for a in of_labels])
            low, high = np.quantile(found[1:], [0.025, 0.975])
            at = {"layer": layer, "step": (start + stop) / 2}
            among = {"shuffled": found[1:].mean(), "low": low, "high": high}
            rows += [
                {**at, "class": int(c), "correlation": r, **among}
                for c, r in zip(classes, found[0], strict=True)
            ]
    return pd.DataFrame(rows)


def _correlations(a: Array, counts: Array) -> Array:
    """Pearson's correlation of each row of ``a`` (m, n) with ``counts`` (n,): (m,) float64."""
    a = a - a.mean(axis=1, keepdims=True)
    centred = counts - counts.mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(a @ centred / (np.linalg.norm(a, axis=1) * np.linalg.norm(centred)))
