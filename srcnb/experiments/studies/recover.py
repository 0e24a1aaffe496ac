"""Does sleep recover, or only quieten? Other changes of the same size, at the same moments.

Each change is made to a network of its own wherever that would have slept, several times a task if
the protocol says so; it trains on from there. What is measured at the end: its own outputs, outputs
brought to one scale (:func:`srcnb.homeostasis`), and two oracles, the best bias, and bias and
scale, per class. In the calibrated protocol the output layer is silent in sleep and keeps its
weights, so that what each layer's change does is asked in the protocol "own" as well.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.random import Generator, SeedSequence, default_rng

from srcnb import presets
from srcnb.analysis import rescaled
from srcnb.experiments.any_network import KEEPS
from srcnb.experiments.cells import Cell, Condition, Experiment, Row, accuracies
from srcnb.experiments.class_incremental import load_set, pairs_of_classes
from srcnb.experiments.tables import mean_sd, paired
from srcnb.methods.base import Checkpoint, Sleep, sleep_as_scheduled, train_and_sleep
from srcnb.methods.controls import KEEP, Offset, offset
from srcnb.methods.excitability import lowered
from srcnb.methods.lazy import lazy
from srcnb.mlp import MLP
from srcnb.output import homeostasis
from srcnb.protocol import Protocol, SleepState
from srcnb.tasks import Task
from srcnb.validation import Array

# In units of the output layer's root mean square. OFFSET is for one a task, and too much where
# there are three. The best of 0.1, 0.2, 0.3, 0.45, 0.6, 0.9 and 1.2 on validation splits of the
# training set of digits (three seeds), by the network's own outputs.
CONSTANT = 0.6
# Of other data sets than digits, whose runs are longer.
FEW = {"calibrated": ("none", "lazy", "sleep", "shuffled", "row means", "less excitable")}
# From the changes of all layers by a real sleep of this network, what is added instead.
Change: TypeAlias = Callable[[list[Array], Generator], list[Array]]


def noise(changes: list[Array], rng: Generator) -> list[Array]:
    """Normal noise of the same norm in each layer."""
    drawn = [rng.standard_normal(d.shape) for d in changes]
    return [
        n * (np.linalg.norm(d) / np.linalg.norm(n)) for n, d in zip(drawn, changes, strict=True)
    ]


def shuffled(changes: list[Array], rng: Generator) -> list[Array]:
    """The same entries in each row, in another order."""
    return [rng.permuted(d, axis=1) for d in changes]


def row_means(changes: list[Array], rng: Generator) -> list[Array]:
    """Each row's mean change for all of its weights: a unit becomes more or less excitable."""
    return [np.broadcast_to(d.mean(axis=1, keepdims=True), d.shape) for d in changes]


def layer_means(changes: list[Array], rng: Generator) -> list[Array]:
    """Each layer's mean change for all of its weights: every unit alike."""
    return [np.full_like(d, d.mean()) for d in changes]


def lower(changes: list[Array], rng: Generator) -> list[Array]:
    """Only the weights that become lower."""
    return [np.minimum(d, 0) for d in changes]


def higher(changes: list[Array], rng: Generator) -> list[Array]:
    """Only the weights that become higher."""
    return [np.maximum(d, 0) for d in changes]


def only(layers: slice, changes: list[Array], rng: Generator) -> list[Array]:
    """Only the changes of these layers."""
    kept = range(len(changes))[layers]
    return [d if i in kept else np.zeros_like(d) for i, d in enumerate(changes)]


CHANGES: dict[str, Change] = {
    "noise": noise,
    "shuffled": shuffled,
    "row means": row_means,
    "layer means": layer_means,
    "only lower": lower,
    "only higher": higher,
    "only layer 1": partial(only, slice(0, 1)),
    "only layer 2": partial(only, slice(1, 2)),
    "only hidden": partial(only, slice(0, -1)),
    "only output": partial(only, slice(-1, None)),
}
# By protocol, what is done where it would sleep. Two are methods of their own, without a sleep:
# "lazy" trains otherwise, and "constant, once a task" is the method "offset".
CONDITIONS = {
    "calibrated": (
        *("none", "lazy", "sleep", "noise", "shuffled", "row means", "layer means"),
        *("only lower", "only higher"),
        *(
            "only layer 1",
            "only layer 2",
            "sleep after the last task",
            "sleep before the last task",
        ),
        *("less excitable", "constant", "constant, once a task", "homeostasis"),
    ),
    "own": (
        *("none", "sleep", "noise", "shuffled", "only hidden", "only output"),
        "constant, once a task",
    ),
}


def instead(change: Change) -> Sleep:
    """A sleep in whose place something of the same size is done to the network."""

    def sleep(state: SleepState, net: MLP, stage: int, random_state: SeedSequence) -> MLP:
        slept = sleep_as_scheduled(state, net, stage, random_state)
        changes = [after - before for after, before in zip(slept.weights, net.weights, strict=True)]
        # Of its own, as the sleep has used random_state.
        rng = default_rng(SeedSequence(random_state.entropy, spawn_key=(1,)))
        made = change(changes, rng)
        return net.with_weights(
            [w + d.astype(w.dtype) for w, d in zip(net.weights, made, strict=True)]
        )

    return sleep


def sleep_of(name: str, sequence: Sequence[Task]) -> Sleep:
    """What is done in place of each sleep in the condition of this name."""
    if name in CHANGES:
        return instead(CHANGES[name])
    n_tasks = len(sequence)

    def sleep(state: SleepState, net: MLP, stage: int, random_state: SeedSequence) -> MLP:
        if name == "constant":
            learner = Offset(default_rng(0), CONSTANT)
            learner.classes = np.unique(sequence[stage - 1].y)
            return learner.after_task(net)
        if name == "homeostasis":
            seen = np.unique(np.concatenate([task.y for task in sequence[:stage]]))
            return homeostasis(net, sequence[stage - 1].X, seen, KEEP, random_state=random_state)
        if name == "less excitable":
            return lowered(net, sequence[stage - 1].X)
        sleeps = {
            "none": False,
            "sleep": True,
            "sleep after the last task": stage == n_tasks,
            "sleep before the last task": stage < n_tasks,
        }[name]
        return sleep_as_scheduled(state, net, stage, random_state) if sleeps else net

    return sleep


def run(name: str, sequence: list[Task], protocol: Protocol, seed: int) -> Iterator[Checkpoint]:
    """Train as the protocol says, with a change in place of each sleep.

    Checkpoints as of ``train_and_sleep``; "sleep" is after the last change of a task.
    """
    if name == "lazy":
        return lazy(sequence, protocol, seed, keep=None)
    if name == "constant, once a task":
        return offset(sequence, protocol, seed)
    return train_and_sleep(sequence, protocol, seed, sleep=sleep_of(name, sequence))


def protocol_of(condition: Condition) -> Protocol:
    """The protocol of this name."""
    return {"calibrated": presets.calibrated, "own": presets.own}[condition["protocol"]]()


def measure(cell: Cell, sequence: list[Task], protocol: Protocol) -> Iterator[Row]:
    """Accuracy at the end on all classes, old ones and those of the last task, for each readout."""
    for checkpoint in run(cell.condition["change"], sequence, protocol, cell.seed):
        cell.keep(checkpoint)
    net = checkpoint.model
    seen = np.unique(np.concatenate([t.y for t in sequence]))
    readouts: dict[str, Any] = {"own": net}
    for keep in KEEPS:
        readouts[f"homeostasis {keep:g}"] = homeostasis(
            net, sequence[-1].X, seen, keep, random_state=cell.seed
        )
    readouts["bias"] = rescaled(net, sequence, scales=False)
    readouts["bias and scale"] = rescaled(net, sequence)
    for readout, model in readouts.items():
        for classes, tasks in groups(sequence).items():
            yield {
                "readout": readout,
                "classes": classes,
                "accuracy": round(accuracies(model, tasks)["all"], 4),
            }


def groups(sequence: list[Task]) -> dict[str, list[Task]]:
    """All tasks, those before the last, and the last."""
    return {"all": sequence, "old": sequence[:-1], "new": sequence[-1:]}


def with_best_share(results: pd.DataFrame) -> pd.DataFrame:
    """The results with one readout "homeostasis" for the several shares of features kept.

    The protocol's own share for "sleep", the best on the test set for each of the others.
    """
    own = f"homeostasis {presets.calibrated().homeostasis:g}"
    parts = []
    for (_, change), part in results.groupby(["protocol", "change"], sort=False):
        shares = part[part["readout"].str.startswith("homeostasis") & (part["classes"] == "all")]
        best = shares.groupby("readout")["accuracy"].mean().idxmax()
        chosen = own if change == "sleep" else best
        kept = part[~part["readout"].str.startswith("homeostasis") | (part["readout"] == chosen)]
        parts.append(kept.assign(readout=kept["readout"].str.split(r" \d", regex=True).str[0]))
    return pd.concat(parts)


NAMES = {
    ("own", "all"): "own outputs",
    ("homeostasis", "all"): "homeostasis",
    ("homeostasis", "old"): "homeostasis, old classes",
    ("homeostasis", "new"): "homeostasis, new classes",
    ("bias", "all"): "bias (oracle)",
    ("bias and scale", "all"): "bias and scale (oracle)",
}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """A row per change, mean ± sd; what the sleep has above it is paired by seed."""
    chosen = with_best_share(results)
    keys = pd.Series([*zip(chosen["readout"], chosen["classes"], strict=True)], chosen.index)
    chosen = chosen.assign(readout=keys.map(NAMES)).dropna(subset="readout")
    text = mean_sd(chosen, ["protocol", "change"], ["readout"])
    for readout in ("own outputs", "homeostasis", "bias and scale (oracle)"):
        wide = chosen[chosen["readout"] == readout].pivot(
            index="seed", columns=["protocol", "change"], values="accuracy"
        )
        text[f"sleep over this, {readout}"] = [
            paired(wide[protocol, "sleep"] - wide[protocol, change])
            if change != "sleep" and (protocol, "sleep") in wide
            else "–"
            for protocol, change in zip(text["protocol"], text["change"], strict=True)
        ]
    return text


def picture(results: pd.DataFrame) -> Any:
    """The accuracy of each change with its own outputs, with homeostasis and with the oracle."""
    from srcnb.plotting import draw_conditions, new_figure

    chosen = with_best_share(results)
    titles = {
        "own": "own outputs",
        "homeostasis": "outputs brought to one scale",
        "bias and scale": "best bias and scale (oracle)",
    }
    n_conditions = len(chosen[["protocol", "change"]].drop_duplicates())
    figure = new_figure((12, 1.5 + 0.3 * n_conditions))
    for axes, (readout, title) in zip(
        figure.subplots(1, 3, sharex=True, sharey=True), titles.items(), strict=True
    ):
        part = chosen[(chosen["readout"] == readout) & (chosen["classes"] == "all")]
        names = part["protocol"] + ": " + part["change"]
        values = part.assign(name=names).pivot(index="seed", columns="name", values="accuracy")
        draw_conditions(values[[*dict.fromkeys(names)]], axes, "accuracy, all classes (%)")
        axes.set_title(title)
    return figure


def grid(conditions: Mapping[str, Sequence[str]]) -> list[Condition]:
    """Protocols and the changes in each, as conditions."""
    return [
        {"protocol": protocol, "change": change}
        for protocol, changes in conditions.items()
        for change in changes
    ]


def recover(dataset: str) -> Experiment:
    """The experiment on a data set."""
    return Experiment(
        "recover",
        "does sleep recover, or only quieten? other changes of the same size in its place",
        grid(CONDITIONS if dataset == "digits" else FEW),
        protocol_of,
        partial(load_set, dataset),
        pairs_of_classes,
        measure,
        table,
        seeds=10,
        on=recover,
        picture=picture,
    )


EXPERIMENT = recover("digits")
