"""Biases: does SRC forget because of biases that a sleep leaves behind, and what cures it?

The tasks need biases: each image comes at two levels of brightness, which are two classes. Without
biases a network of relu units gives f(c·x) = c·f(x), so that both get the same prediction, and half
of the test samples are wrong at least.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import SeedSequence, default_rng

from srcnb import presets
from srcnb.datasets import NAMES, Dataset
from srcnb.experiments.any_network import KEEPS, bare_run, best_share, read_outs
from srcnb.experiments.cells import Cell, Condition, Experiment, Row, accuracies
from srcnb.experiments.class_incremental import load_set
from srcnb.experiments.tables import as_text, paired
from srcnb.methods.base import Sleep, all_samples, sleep_as_scheduled
from srcnb.methods.baselines import parallel
from srcnb.mlp import MLP
from srcnb.plotting import draw_conditions, new_figure
from srcnb.protocol import Protocol, SleepState
from srcnb.spiking.inputs import draw_spikes, input_blocks
from srcnb.spiking.simulate import simulate
from srcnb.tasks import Task, class_incremental
from srcnb.validation import Array, check_choice

# Images of the first five classes, at this level and at 1.
PATTERNS, DIM = 5, 0.25
# Of the classes 2·pattern (dim) and 2·pattern + 1 (bright).
GROUPS: dict[str, list[list[int]]] = {
    "within tasks": [[2 * p, 2 * p + 1] for p in range(PATTERNS)],
    "between tasks": [[2 * p + level for p in range(PATTERNS)] for level in (0, 1)],
}
ORDINARY = "not needed"
# Shares of features kept for homeostasis, 1 among them, as a mask makes an image dim.
SHARES = (*KEEPS, 0.7, 1.0)
# The sleep input from which biases are estimated again, and halvings of an interval.
N_SAMPLES, HALVINGS = 300, 30
# The oracle: training samples of all tasks, steps, and constants of gradient descent.
ORACLE_SAMPLES, ORACLE_STEPS, ORACLE_RATE, ORACLE_MOMENTUM = 500, 60, 0.2, 0.9


def levels(data: Dataset) -> Dataset:
    """Ten classes of five patterns: each image dim (class 2·pattern) and bright (2·pattern + 1).

    Bright: its mean is brought to the median of all training images' means, features above 1 become
    1. Dim: a quarter of that, feature by feature. So the overall level tells the classes of a
    pattern apart, and nothing else does.
    """
    target = np.median(data.X.mean(axis=1))

    def both(X: Array, y: Array) -> tuple[Array, Array]:
        X, y = X[y < PATTERNS], y[y < PATTERNS]
        mean = np.maximum(X.mean(axis=1, keepdims=True), np.finfo(X.dtype).tiny)
        bright = np.minimum(X * (target / mean), 1).astype(X.dtype)
        X = np.stack([X.dtype.type(DIM) * bright, bright], axis=1).reshape(-1, X.shape[1])
        return X, (2 * y[:, None] + [0, 1]).ravel()

    X, y = both(data.X, data.y)
    X_test, y_test = both(data.X_test, data.y_test)
    return Dataset(f"{data.name}, two levels", X, y, X_test, y_test, 2 * PATTERNS, data.shape)


def tasks_of(cell: Cell, data: Sequence[Dataset], protocol: Protocol) -> list[Task]:
    """The tasks of a condition; where biases are not needed, the usual pairs of classes."""
    levels_are = cell.condition["levels"]
    if levels_are == ORDINARY:
        return class_incremental(data[0], groups=2, cap=protocol.cap)
    return class_incremental(levels(data[0]), groups=GROUPS[levels_are], cap=protocol.cap)


def protocol_of(condition: Condition) -> Protocol:
    """The calibrated protocol, with biases or without."""
    base = presets.calibrated()
    network = {**base.network, "bias": condition["biases"] != "none"}
    return replace(base, network=network, homeostasis=None)


def frozen(state: SleepState, net: MLP, stage: int, random_state: SeedSequence) -> MLP:
    """A sleep that is calibrated, and runs, as if there were no biases: they stay as they are."""
    bare = MLP.from_arrays(net.weights, **net.options)
    return net.with_weights(sleep_as_scheduled(state, bare, stage, random_state).weights)


def plastic(
    every_step: bool, state: SleepState, net: MLP, stage: int, random_state: SeedSequence
) -> MLP:
    """A sleep in which a bias is a synapse from a further unit, and changes by the same rule.

    The unit of layer l-1 has activation 1, so that its weights are the biases, and fires
    k_{l-1} times per step, which is what stands for 1 there; or, with ``every_step``, in every
    step, with weights k_{l-1}·b. As a layer without feedback needs nothing but the spikes of the
    one below, layers are simulated one after the other, each with its further input.
    """
    assert net.biases is not None
    config = state.config(net, stage)
    # The draws of srcnb.sleep, so that the sleep input is the same.
    input_rng, spike_rng, unit_rng = default_rng(random_state).spawn(3)
    n_inputs, n_steps = net.layer_sizes[0], config.n_steps
    x = np.concatenate([*input_blocks(state.sleep_input, config, n_inputs, input_rng, n_steps)])
    spikes = draw_spikes(x, spike_rng.random(x.shape, dtype=np.float32), config)
    weights, biases = [], []
    for layer, (W, b) in enumerate(zip(net.weights, net.biases, strict=True)):
        current = config.layer_currents(layer, len(b), b.dtype)
        k = min(float(current @ b) / max(float(b @ b), np.finfo(b.dtype).tiny), 1.0)
        in_weight = k if every_step else 1.0
        fires = unit_rng.random(n_steps) < (1.0 if every_step else k)
        alone = replace(
            config,
            alpha=[config.alpha[layer]],
            beta=[config.beta[layer]],
            inc=config.in_layer("inc", layer),
            dec=config.in_layer("dec", layer),
            gate_width=config.in_layer("gate_width", layer),
            currents=None,
            targets=None,
        )
        joined = np.ascontiguousarray(np.column_stack([W, b * b.dtype.type(in_weight)]))
        result = simulate([joined], np.column_stack([spikes, fires]), alone, record=True)
        assert result.spikes is not None
        weights.append(np.ascontiguousarray(result.weights[0][:, :-1]))
        biases.append(result.weights[0][:, -1] / b.dtype.type(in_weight) if k else b.copy())
        spikes = result.spikes[1]
    slept = net.with_weights(weights)
    slept.biases = biases
    return slept


def re_estimated(state: SleepState, net: MLP, stage: int, random_state: SeedSequence) -> MLP:
    """A sleep with currents; then each unit's bias is chosen by :func:`same_means`."""
    slept = sleep_as_scheduled(state, net, stage, random_state)
    X = state.sleep_input.draw(N_SAMPLES, default_rng(random_state.spawn(1)[0]))
    slept.biases = same_means(net, slept, X)
    return slept


def same_means(before: MLP, after: MLP, X: Array) -> list[Array]:
    """Biases of ``after`` with which each unit's mean over ``X`` is what it is in ``before``.

    Of the activation of a hidden unit, and of the logit of an output; front to back. A unit that
    is silent in ``before`` gets a lower bias if it needs one to be silent. Without dropout that is
    not inverted.
    """
    assert after.biases is not None
    biases = []
    h = X.astype(np.float64)
    *hidden, _ = before.activations(X)
    for W, b, old in zip(after.weights, after.biases, hidden, strict=False):
        z, mean = h @ W.T.astype(np.float64), old.mean(axis=0, dtype=np.float64)
        # mean(relu(z + b)) is 0 at -max(z), and at least mean(z) + b.
        low = -z.max(axis=0)
        high = np.maximum(mean - z.mean(axis=0), low)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            less = np.maximum(z + middle, 0).mean(axis=0) < mean
            low, high = np.where(less, middle, low), np.where(less, high, middle)
        silent = np.minimum(b, -z.max(axis=0))
        biases.append(np.where(mean > 0, high, silent).astype(b.dtype))
        h = np.maximum(z + biases[-1], 0)
    z = h @ after.weights[-1].T.astype(np.float64)
    logits = before.logits(X).mean(axis=0, dtype=np.float64)
    return [*biases, (logits - z.mean(axis=0)).astype(after.biases[-1].dtype)]


# What is done with biases in a sleep → how the network sleeps.
SLEEPS: Mapping[str, Sleep] = {
    "none": sleep_as_scheduled,
    "frozen": frozen,
    "scaled": sleep_as_scheduled,
    "plastic": partial(plastic, False),
    "plastic, every step": partial(plastic, True),
    "re-estimated": re_estimated,
}
METHODS = {
    "joint": ("none", "trained"),
    "sequential": ("none", "trained"),
    "lazy": ("trained",),
    "src": tuple(SLEEPS),
}
# Where biases are not needed.
LEFT_OUT = (
    *(("joint", biases) for biases in METHODS["joint"]),
    ("sequential", "none"),
    ("src", "plastic, every step"),
)
# Of other data sets than digits, whose runs are longer.
FEW = (
    *(("joint", biases) for biases in METHODS["joint"]),
    ("sequential", "trained"),
    ("lazy", "trained"),
    *(("src", biases) for biases in SLEEPS if biases != "plastic, every step"),
)


def conditions_on(dataset: str) -> list[Condition]:
    """Kinds of tasks, methods and biases; on other data sets than digits those of FEW."""
    if dataset != "digits":
        grid = [(kind, *pair) for kind in GROUPS for pair in FEW]
    else:
        pairs = [(method, biases) for method in METHODS for biases in METHODS[method]]
        grid = [(kind, *pair) for kind in GROUPS for pair in pairs]
        grid += [(ORDINARY, *pair) for pair in pairs if pair not in LEFT_OUT]
    return [{"levels": kind, "method": method, "biases": b} for kind, method, b in grid]


def measure(cell: Cell, sequence: list[Task], protocol: Protocol) -> Iterator[Row]:
    """Accuracy over all classes at the end, in percent, for each way to read the outputs.

    For a network with biases also when its biases, and nothing else, are trained on samples of all
    tasks in the end: an oracle.
    """
    method, biases = cell.condition["method"], cell.condition["biases"]
    if method == "joint":
        checkpoints = parallel(sequence, protocol, cell.seed)
    else:
        sleep = SLEEPS.get(biases, sleep_as_scheduled)
        checkpoints = bare_run(method, sequence, protocol, cell.seed, sleep)
    for checkpoint in checkpoints:
        cell.keep(checkpoint)
    net = checkpoint.model
    shares = () if method == "joint" else SHARES
    yield from read_outs(net, sequence[-1], sequence, cell.seed, shares)
    if method != "joint" and net.biases is not None:
        fitted = with_best_biases(net, sequence, cell.seed)
        yield {"head": "oracle", "accuracy": accuracies(fitted, sequence)["all"]}


def with_best_biases(net: MLP, sequence: Sequence[Task], seed: int) -> MLP:
    """A copy whose biases are trained on samples of all tasks, by gradient descent; an oracle."""
    X, y = all_samples(sequence)
    chosen = default_rng([seed, 3]).permutation(len(X))[:ORACLE_SAMPLES]
    fitted = net.with_weights(net.weights)
    assert fitted.biases is not None
    velocity = [np.zeros_like(b) for b in fitted.biases]
    for _ in range(ORACLE_STEPS):
        gradients = fitted.gradients(X[chosen], y[chosen]).biases or []
        for b, v, gradient in zip(fitted.biases, velocity, gradients, strict=True):
            v *= ORACLE_MOMENTUM
            v += ORACLE_RATE * gradient
            b -= v
    return fitted


# (method, biases) → a row per seed, a column per head.
Heads = dict[tuple[str, str], pd.DataFrame]


def _heads(results: pd.DataFrame, kind: str) -> Heads:
    """The accuracies of all conditions of one kind of tasks."""
    of_kind: Any = results[results["levels"] == kind].groupby(["method", "biases"], sort=False)
    return {key: of.pivot(index="seed", columns="head", values="accuracy") for key, of in of_kind}


def _best(heads: pd.DataFrame) -> "pd.Series[Any]":
    """At the share that is best on average over the seeds; of joint training the own outputs."""
    heads = heads.drop(columns="oracle", errors="ignore")
    return heads["own"] if len(heads.columns) == 1 else best_share(heads)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """A row per condition, mean ± sd; differences are paired by seed, with a 95 % interval.

    All of them at the share of features kept that is best for a condition on the test set. The
    control is the better one of those without sleep.
    """
    rows = []
    share = f"{presets.calibrated().homeostasis:g}"
    for kind in dict.fromkeys(results["levels"]):
        heads = _heads(results, kind)
        best = {key: _best(of) for key, of in heads.items()}
        controls = [best[key] for key in best if key[0] in ("sequential", "lazy")]
        against = {
            "over control": max(controls, key=lambda values: values.mean(), default=None),
            "over scaled": best.get(("src", "scaled")),
        }
        for (method, biases), of in heads.items():
            row = {"levels": kind, "method": method, "biases": biases}
            for name, column in (("own outputs", "own"), (f"share {share}", share)):
                row[name] = as_text(of[column]) if column in of else "–"
            values = best[method, biases]
            row["best share"] = "–" if method == "joint" else as_text(values)
            row["oracle"] = as_text(of["oracle"]) if "oracle" in of else "–"
            for name, others in against.items():
                apart = method == "src" and others is not None and others is not values
                row[name] = paired(values - others) if apart else "–"
            rows.append(row)
    return pd.DataFrame(rows)


def picture(results: pd.DataFrame) -> Any:
    """The accuracies of all conditions, one axes per kind of tasks."""
    kinds = list(dict.fromkeys(results["levels"]))
    figure = new_figure((1 + 4 * len(kinds), 4.5))
    titles = {ORDINARY: "Levels do not matter (usual tasks)"}
    for axes, kind in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True):
        heads = _heads(results, kind)
        names = [f"{method}, {biases}" for method in METHODS for biases in METHODS[method]]
        best = {", ".join(key): _best(of) for key, of in heads.items()}
        # All kinds have the same rows, also where some were not measured.
        draw_conditions(
            pd.DataFrame(best).reindex(columns=names), axes, "accuracy over all classes (%)"
        )
        axes.set_title(titles.get(kind, f"Levels {kind}"))
        axes.set_xlim(0, 100)
        if kind != ORDINARY:
            axes.axvline(50, color="0.3", linestyle="--", linewidth=1)
    for axes in figure.axes[1:]:
        axes.set_yticklabels([])
    return figure


def bias(dataset: str) -> Experiment:
    """The experiment on a data set."""
    return Experiment(
        "bias",
        "tasks that need biases: what becomes of biases in a sleep, and what cures it",
        conditions_on(check_choice("dataset", dataset, NAMES)),
        protocol_of,
        partial(load_set, dataset),
        tasks_of,
        measure,
        table,
        seeds=10,
        on=bias,
        picture=picture,
    )


EXPERIMENT = bias("digits")
