"""A step back after each sleep: by how much, in which layers, or a weaker sleep in its place."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd

from srcnb.experiments.any_network import read_outs
from srcnb.experiments.cells import Cell, Condition, Experiment, Row
from srcnb.experiments.class_incremental import load_set, pairs_of_classes
from srcnb.experiments.studies.reading import NETWORK, protocol_on, read, table_row
from srcnb.methods.src import src
from srcnb.plotting import draw_conditions, new_figure
from srcnb.protocol import Protocol
from srcnb.spiking.calibrate import SleepTargets
from srcnb.tasks import Task
from srcnb.validation import check_choice

SHARES = (0.25, 0.5, 0.75)
# Which layers of weights step back, of the two that sleep changes. The control "weaker sleep" does
# not: its budget, what a synapse can gain, is smaller by the same share.
LAYERS = {"both": (1, 1, 1), "first": (1, 0, 0), "second": (0, 1, 0), "weaker sleep": (0, 0, 0)}


def conditions_on(dataset: str) -> list[Condition]:
    """Layer by layer and by all quarters on digits only; of both by 1 is no sleep at all."""
    layers = LAYERS if dataset == "digits" else ("both", "weaker sleep")
    shares = SHARES if dataset == "digits" else SHARES[:2]
    return [
        {"layers": "both", "share": 0.0},
        *(
            {"layers": which, "share": share}
            for which in layers
            for share in (*shares, *(() if which == "weaker sleep" else (1.0,)))
        ),
    ]


def protocol_of(dataset: str, condition: Condition) -> Protocol:
    """The calibrated protocol; for "weaker sleep", with so much less budget."""
    protocol = protocol_on(dataset, condition)
    targets = protocol.schedule.constants
    if condition["layers"] != "weaker sleep" or not isinstance(targets, SleepTargets):
        return protocol
    weaker = replace(targets, budget=(1 - condition["share"]) * targets.budget)
    return replace(protocol, schedule=replace(protocol.schedule, constants=weaker))


def measure(cell: Cell, sequence: list[Task], protocol: Protocol) -> Iterator[Row]:
    """Accuracy over all classes at the end, in percent, for each way to read the outputs."""
    shares = [cell.condition["share"] * layer for layer in LAYERS[cell.condition["layers"]]]
    for checkpoint in src(sequence, protocol, cell.seed, step_back=shares):
        cell.keep(checkpoint)
    return read_outs(checkpoint.model, sequence[-1], sequence, cell.seed)


def figures(results: pd.DataFrame) -> dict[tuple[Any, ...], pd.DataFrame]:
    """{(layers, share): accuracy (%), a row per seed, columns "own" and "homeostasis"}."""
    # No sleep at all is a control.
    return read(results, ["layers", "share"], lambda which, share: (which, share) != ("both", 1))


def table(results: pd.DataFrame) -> pd.DataFrame:
    """A row per layers and share; differences, paired by seed, to the sleep as it is."""
    found = figures(results)
    whole = found.get(("both", 0.0))
    return pd.DataFrame(
        {
            "layers": which,
            "λ": f"{share:g}",
            **table_row(values, {"sleep": whole}, ("homeostasis", "own")),
        }
        for (which, share), values in found.items()
    )


def picture(results: pd.DataFrame) -> Any:
    """Both ways to read the outputs, side by side, a line per condition."""
    found = figures(results)
    figure = new_figure((10, 1.2 + 0.32 * len(found)))
    for axes, head, label in zip(
        figure.subplots(1, 2, sharey=True),
        ("own", "homeostasis"),
        ("own outputs", "with homeostasis"),
        strict=True,
    ):
        values = {f"{which}, λ = {share:g}": v[head] for (which, share), v in found.items()}
        draw_conditions(pd.DataFrame(values), axes, f"accuracy over all classes, {label} (%)")
    return figure


def step_back(dataset: str) -> Experiment:
    """The experiment on a data set."""
    check_choice("dataset", dataset, NETWORK)
    return Experiment(
        "step-back",
        "a step back after each sleep, by quarters and layer by layer",
        conditions_on(dataset),
        partial(protocol_of, dataset),
        partial(load_set, dataset),
        pairs_of_classes,
        measure,
        table,
        seeds=10,
        on=step_back,
        picture=picture,
    )


EXPERIMENT = step_back("digits")
