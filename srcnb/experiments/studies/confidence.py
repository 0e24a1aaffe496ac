"""Does sleep make a network's confidence more honest than temperature scaling does?

Brier score, expected calibration error and entropy of the predictions (arXiv 2603.07867), after
joint training and after training task by task, with and without sleep, before and after the outputs
are divided by a temperature that is fitted on held-out training data. Held out are the samples of
each task that come after the protocol's cap.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from srcnb import metrics, presets
from srcnb.datasets import Dataset
from srcnb.experiments.cells import Cell, Condition, Experiment, Row
from srcnb.experiments.class_incremental import load_set
from srcnb.experiments.studies.little_data import LENGTHS, sleep_over, with_noise
from srcnb.experiments.tables import paired
from srcnb.methods.base import train_and_sleep
from srcnb.methods.lazy import lazy
from srcnb.mlp import MLP
from srcnb.output import homeostasis
from srcnb.plotting import draw_conditions, new_figure
from srcnb.protocol import Protocol
from srcnb.tasks import Task, class_incremental
from srcnb.validation import Array, check_choice

# Samples per task that are trained on; at most half as many of those that follow are held out.
CAPS = {"digits": 200, "mnist": 1000, "fashion-mnist": 1000}
# What the temperature is fitted on: nothing (it is 1), the last task, all tasks.
FITS = ("none", "last task", "all tasks")
# Training at once, training at once until the network is surer than it should be, task by task.
TRAININGS = ("joint", "joint, longer", "continual")
TIMES_LONGER = 4
MEASURES = {"brier": "Brier (×100)", "ece": "ECE (%)", "entropy": "entropy (bits)"}
NONE, HOMEOSTASIS = "no sleep", ", homeostasis"
LAZY = f"lazy{HOMEOSTASIS}"


def protocol_of(dataset: str, condition: Condition) -> Protocol:
    """The calibrated protocol on so many samples a task; outputs as they are.

    "joint, longer" is without dropout and of four times as many epochs.
    """
    base = replace(presets.calibrated(), cap=CAPS[dataset], homeostasis=None)
    if condition["training"] != "joint, longer":
        return base
    assert base.parallel_epochs is not None
    network = {**base.network, "dropout": 0.0}
    return replace(base, network=network, parallel_epochs=TIMES_LONGER * base.parallel_epochs)


def tasks_of(cell: Cell, data: Sequence[Dataset], protocol: Protocol) -> list[Task]:
    """The classes two by two; for joint training this is all of what is learnt at once."""
    return class_incremental(data[0], groups=2, cap=protocol.cap)


def held_out(tasks: Sequence[Task]) -> tuple[Array, Array]:
    """(X, y) of the samples of these tasks that come next after those that are trained on."""
    parts = [(t.X_all[len(t.X) :], t.y_all[len(t.X) :], len(t.X) // 2) for t in tasks]
    return (
        np.concatenate([X[:n] for X, _, n in parts]),
        np.concatenate([y[:n] for _, y, n in parts]),
    )


def joint(sequence: list[Task], protocol: Protocol, seed: int) -> Iterator[tuple[str, MLP]]:
    """(sleep, network) after training on all tasks at once.

    The length of one sleep is chosen by the Brier score, at a temperature that is fitted, on what
    is held out.
    """
    X, y = (np.concatenate([getattr(t, name) for t in sequence]) for name in ("X", "y"))
    task = replace(sequence[0], X=X, y=y, X_all=X, y_all=y)
    training = {**protocol.training, "epochs": protocol.parallel_epochs}
    net = protocol.new_network(sequence, seed).fit(X, y, **training)
    nets = [sleep_over(net, protocol.schedule, task, length, seed) for length in LENGTHS]
    X_out, y_out = held_out(sequence)
    scores = []
    for after in nets:
        z = after.logits(X_out)
        scores.append(metrics.brier_score(_softmax(z / metrics.fit_temperature(z, y_out)), y_out))
    after = nets[LENGTHS.index(1.0)]
    yield NONE, net
    yield "sleep", after
    yield "sleep, chosen", nets[int(np.argmin(scores))]
    yield "noise", with_noise(net, after, np.random.default_rng([seed, 4]))


def continual(sequence: list[Task], protocol: Protocol, seed: int) -> Iterator[tuple[str, MLP]]:
    """(sleep, network) after training task by task; and with the outputs brought to one scale."""
    keep = presets.calibrated().homeostasis
    assert keep is not None
    classes = np.unique(np.concatenate([t.y for t in sequence]))
    runs = {
        NONE: train_and_sleep(sequence, protocol, seed, sleeps=False),
        "sleep": train_and_sleep(sequence, protocol, seed),
        "lazy": lazy(sequence, protocol, seed, keep=None),
    }
    for name, run in runs.items():
        *_, last = run
        if name != "lazy":  # it is meant for homeostasis
            yield name, last.model
        X = sequence[-1].X
        yield f"{name}{HOMEOSTASIS}", homeostasis(last.model, X, classes, keep, random_state=seed)


def measure(cell: Cell, sequence: list[Task], protocol: Protocol) -> Iterator[Row]:
    """Accuracy in percent, Brier score, calibration error and entropy on all test samples."""
    X, y = (np.concatenate([getattr(t, name) for t in sequence]) for name in ("X_test", "y_test"))
    of_tasks = {"last task": sequence[-1:], "all tasks": sequence}
    is_joint = cell.condition["training"] != "continual"
    nets = joint if is_joint else continual
    for sleep, net in nets(sequence, protocol, cell.seed):
        z = net.logits(X)
        for fit in FITS:
            if is_joint and fit == "last task":
                continue
            t = 1.0
            if fit in of_tasks:
                X_out, y_out = held_out(of_tasks[fit])
                t = metrics.fit_temperature(net.logits(X_out), y_out)
            p = _softmax(z / t)
            yield {
                "sleep": sleep,
                "fit": fit,
                "temperature": t,
                "accuracy": 100 * float(np.mean(p.argmax(axis=1) == y)),
                "brier": metrics.brier_score(p, y),
                "ece": metrics.calibration_error(p, y),
                "entropy": metrics.entropy(p),
            }


def _softmax(z: Array) -> Array:
    from scipy.special import softmax

    p: Array = softmax(z.astype(np.float64), axis=1)
    return p


def _in_units(results: pd.DataFrame) -> pd.DataFrame:
    """Brier scores times 100, and calibration errors in percent."""
    return results.assign(brier=100 * results["brier"], ece=100 * results["ece"])


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Means ± sd, of the temperature the median; and Brier scores in comparison.

    These are paired differences with a 95 % interval: to no sleep with the same outputs and fit,
    and to lazy training.
    """
    rows = []
    results = _in_units(results)
    for (training, fit), same in results.groupby(["training", "fit"], sort=False):
        brier = same.pivot(index="seed", columns="sleep", values="brier")
        for sleep, part in same.groupby("sleep", sort=False):
            row = {"training": training, "temperature fitted on": fit, "sleep": sleep}
            row["temperature"] = f"{part['temperature'].median():.2f}"
            for column, name in {"accuracy": "accuracy (%)", **MEASURES}.items():
                digits = 2 if column == "entropy" else 1
                sd = f" ± {part[column].std():.{digits}f}" if len(part) > 1 else ""
                row[name] = f"{part[column].mean():.{digits}f}{sd}"
            none = f"{NONE}{HOMEOSTASIS}" if HOMEOSTASIS in str(sleep) else NONE
            if sleep != none and none in brier:
                row["Brier, to no sleep"] = paired(brier[sleep] - brier[none])
            if sleep == f"sleep{HOMEOSTASIS}" and LAZY in brier:
                row["Brier, to lazy"] = paired(brier[sleep] - brier[LAZY])
            rows.append(row)
    return pd.DataFrame(rows).fillna("–")


def picture(results: pd.DataFrame) -> Any:
    """Brier score and calibration error, for each way to train."""
    results = _in_units(results)
    results["condition"] = results["sleep"] + results["fit"].map(
        {"none": "", "last task": ", T of the last task", "all tasks": ", T"}
    )
    trainings = [*dict.fromkeys(results["training"])]
    n_conditions = [results[results["training"] == t]["condition"].nunique() for t in trainings]
    figure = new_figure((10, 1.6 + 0.28 * sum(n_conditions)))
    axes = figure.subplots(len(trainings), 2, squeeze=False, height_ratios=n_conditions)
    for row, training in zip(axes, trainings, strict=True):
        part = results[results["training"] == training]
        for one, column in zip(row, ("brier", "ece"), strict=True):
            wide = part.pivot(index="seed", columns="condition", values=column)
            draw_conditions(wide[[*dict.fromkeys(part["condition"])]], one, MEASURES[column])
            one.set_title(f"{training} training", fontsize=10)
            one.set_xlim(left=0)
        row[1].set_yticklabels([])
    return figure


def confidence(dataset: str) -> Experiment:
    """The experiment on a data set."""
    check_choice("dataset", dataset, CAPS)
    return Experiment(
        "confidence",
        "Brier score, calibration and entropy with and without sleep, and temperature scaling",
        [{"training": training} for training in TRAININGS],
        partial(protocol_of, dataset),
        partial(load_set, dataset),
        tasks_of,
        measure,
        table,
        seeds=10,
        on=confidence,
        picture=picture,
    )


EXPERIMENT = confidence("digits")
