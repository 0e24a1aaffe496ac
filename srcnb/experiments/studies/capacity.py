"""Does sleep reallocate capacity? How much of each layer each task uses, before and after a sleep.

By srcnb.analysis.capacity: principal components of a layer's activations, and the angles between
the tasks' subspaces; and the stable rank of the weights. "shuffled" is the control of the same
size: the entries of each sleep's changes in another order (studies/recover.py).
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pandas as pd

from srcnb.analysis import COUNTS, stable_rank
from srcnb.analysis import capacity as capacity_of
from srcnb.experiments.cells import Cell, Experiment, Row
from srcnb.experiments.class_incremental import load_set, pairs_of_classes
from srcnb.experiments.studies.recover import grid, protocol_of, run
from srcnb.experiments.studies.recover_probes import table_of_measures
from srcnb.protocol import Protocol
from srcnb.tasks import Task

CONDITIONS = {"calibrated": ("none", "sleep", "shuffled"), "own": ("none", "sleep", "shuffled")}
MEASURES = {
    "components_current": "components for 90 %, current task",
    "components_old": "components for 90 %, an old task",
    "participation_current": "participation ratio, current task",
    "participation_old": "participation ratio, an old task",
    "angle": "angle of an old task to the current one (°)",
    "stable_rank": "stable rank of the weights",
}


def measure(cell: Cell, sequence: list[Task], protocol: Protocol) -> Iterator[Row]:
    """Capacity by layer of the current task and, as a mean, of old ones; stable rank of weights.

    Before and after each task's last sleep.
    """
    for stage, phase, net in run(cell.condition["change"], sequence, protocol, cell.seed):
        tidy = capacity_of(net, sequence[:stage])
        shares = [str(name) for name in tidy if str(name).startswith("share_")]
        for layer, W in enumerate(net.weights, 1):
            row: Row = {"stage": stage, "phase": phase, "layer": str(layer)}
            row["stable_rank"] = stable_rank(W)
            of_layer = tidy[tidy["layer"] == layer]
            for name, tasks in (
                ("current", of_layer[of_layer["task"] == stage]),
                ("old", of_layer[of_layer["task"] < stage]),
            ):
                if len(tasks):
                    for column in ("components", "participation", *shares):
                        row[f"{column}_{name}"] = tasks[column].mean()
                    if name == "old":
                        row["angle"] = tasks["angle"].mean()
            yield {k: v if isinstance(v, str) else round(v, 4) for k, v in row.items()}


def picture(results: pd.DataFrame) -> Any:
    """Explained variance at the end, and the angle between old and current tasks after each task.

    Of the hidden layers in the calibrated protocol.
    """
    from srcnb.plotting import draw_curves, new_figure

    results = results[(results["protocol"] == "calibrated") & (results["phase"] == "sleep")]
    layers = sorted(results.loc[results["components_current"].notna(), "layer"].unique())
    figure = new_figure((12, 3.4 * len(layers)))
    for row, layer in zip(figure.subplots(len(layers), 3, squeeze=False), layers, strict=True):
        of_layer = results[results["layer"] == layer]
        last = of_layer[of_layer["stage"] == of_layer["stage"].max()]
        for axes, of in zip(row, ("current", "old"), strict=False):
            columns = [c for c in last if str(c).startswith("share_") and str(c).endswith(of)]
            long = last.melt(["change", "seed"], columns, "n", "share")
            long = long.assign(n=long["n"].str.split("_").str[1].astype(int))
            draw_curves(_curves(long.assign(share=100 * long["share"]), "n", "share"), axes)
            axes.set_xscale("log")
            axes.set_xticks(COUNTS, [str(n) for n in COUNTS])
            axes.minorticks_off()
            axes.set(
                xlabel="principal components",
                ylabel="variance explained (%)",
                title=f"hidden layer {layer}, {of} task{'s' * (of == 'old')}, at the end",
            )
        angles = of_layer.dropna(subset="angle")
        draw_curves(_curves(angles, "stage", "angle"), row[2])
        row[2].set(
            xlabel="tasks trained so far",
            ylabel="mean principal angle (°)",
            xticks=sorted(angles["stage"].unique()),
            title=f"hidden layer {layer}, old and current",
        )
    return figure


def _curves(values: pd.DataFrame, x: str, y: str) -> dict[str, pd.DataFrame]:
    """``y`` of each change, a row per seed and a column per ``x``."""
    return {
        str(change): part.pivot(index="seed", columns=x, values=y)
        for change, part in values.groupby("change", sort=False)
    }


def capacity(dataset: str) -> Experiment:
    """The experiment on a data set."""
    return Experiment(
        "capacity",
        "how much of each layer a task uses, and what tasks share, before and after each sleep",
        grid(CONDITIONS),
        protocol_of,
        partial(load_set, dataset),
        pairs_of_classes,
        measure,
        partial(table_of_measures, MEASURES),
        seeds=10,
        on=capacity,
        picture=picture,
    )


EXPERIMENT = capacity("digits")
