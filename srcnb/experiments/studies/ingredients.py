"""What makes the two published protocols differ: each ingredient exchanged, alone and by twos."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from srcnb import presets
from srcnb.datasets import Dataset
from srcnb.experiments.any_network import read_outs
from srcnb.experiments.cells import Cell, Condition, Experiment, Row, Source
from srcnb.experiments.class_incremental import load_set, pairs_of_classes
from srcnb.experiments.tables import as_text, paired
from srcnb.methods.base import train_and_sleep
from srcnb.methods.controls import KEEP
from srcnb.pictures import colour_bar, draw_matrix
from srcnb.plotting import new_figure
from srcnb.protocol import Protocol, SleepSchedule
from srcnb.tasks import Task
from srcnb.validation import Array, check_choice

INGREDIENTS = ("gate", "sleep input", "constants", "loss", "width", "training")
NOTHING, NO_SLEEP = "nothing", "sleep left out"
# Hidden units of the paper and of the replica: a quarter of the published ones.
WIDTHS = (300, 1000)
# Published: batches of 100 of 5000 samples. This share makes as many updates a task on any data.
BATCH = 0.02
SIDE = 28


def conditions_on(dataset: str) -> list[Condition]:
    """From each protocol: nothing exchanged, one ingredient, on digits also two, and no sleep."""
    pairs = [" + ".join(two) for two in combinations(INGREDIENTS, 2)] if dataset == "digits" else []
    return [
        {"from": base, "exchanged": what}
        for base in ("paper", "replica")
        for what in (NOTHING, *INGREDIENTS, *pairs, NO_SLEEP)
    ]


def take(protocol: Protocol, other: Protocol, ingredient: str) -> Protocol:
    """``protocol`` with one ingredient of ``other``."""
    check_choice("ingredient", ingredient, INGREDIENTS)
    if ingredient in ("gate", "sleep input", "constants"):
        schedule = _scheduled(protocol.schedule, other.schedule, ingredient)
        return replace(protocol, schedule=schedule)
    if ingredient == "width":
        return replace(protocol, hidden=other.hidden)
    mine, theirs = protocol.network, other.network
    if ingredient == "loss":  # and the output function that goes with it
        return replace(protocol, network={**mine, "output": theirs["output"]})
    # Rate, momentum over tasks, initial weights and the kind of dropout.
    network = {**theirs, "output": mine["output"]}
    return replace(protocol, network=network, training=other.training)


def _scheduled(mine: SleepSchedule, theirs: SleepSchedule, ingredient: str) -> SleepSchedule:
    if ingredient == "sleep input":
        return replace(mine, sleep_input=theirs.sleep_input, data=theirs.data)
    old: Any = mine.constants
    new: Any = theirs.constants
    if ingredient == "gate":
        return replace(mine, constants=replace(old, gate=new.gate))
    # α, β, inc, dec and the lengths of the sleeps.
    return replace(
        mine,
        constants=replace(new, gate=old.gate),
        first_steps=theirs.first_steps,
        more_steps=theirs.more_steps,
    )


def protocol_of(condition: Condition) -> Protocol:
    """A published protocol with the condition's ingredients of the other one."""
    both = [
        replace(p, hidden=(width, width), training={**p.training, "batch_size": BATCH})
        for p, width in zip((presets.paper(), presets.replica()), WIDTHS, strict=True)
    ]
    protocol, other = both if condition["from"] == "paper" else both[::-1]
    for ingredient in condition["exchanged"].split(" + "):
        if ingredient not in (NOTHING, NO_SLEEP):
            protocol = take(protocol, other, ingredient)
    return protocol


def data_of(dataset: str, source: Source) -> tuple[Dataset, ...]:
    """The data set; digits are enlarged to 28×28 pixels, which published constants are for."""
    [data] = load_set(dataset, source)
    if data.shape == (SIDE, SIDE):
        return (data,)
    X, X_test = (enlarged(X, data.shape or (1, X.shape[1])) for X in (data.X, data.X_test))
    return (replace(data, X=X, X_test=X_test, shape=(SIDE, SIDE)),)


def enlarged(X: Array, shape: tuple[int, int]) -> Array:
    """Images of ``shape``, (n, pixels), as images of 28×28 pixels by bilinear interpolation."""
    across = [_interpolation(n) for n in shape]
    images: Array = across[0] @ X.reshape(len(X), *shape) @ across[1].T
    return images.reshape(len(X), -1).clip(0, 1).astype(X.dtype)


def _interpolation(n: int) -> Array:
    """(28, n): what each of n pixels in a row gives to 28 that cover the same length."""
    centres = np.clip((np.arange(SIDE) + 0.5) * n / SIDE - 0.5, 0, n - 1)
    weights: Array = np.maximum(0, 1 - abs(centres[:, None] - np.arange(n)))
    return weights


def measure(cell: Cell, sequence: list[Task], protocol: Protocol) -> Iterator[Row]:
    """Accuracy over all classes at the end, in percent: own outputs, and with homeostasis.

    ``tasks``: how many were learnt. Where a sleep leaves weights so large that training on the next
    task diverges, the run ends there, and the network before it is measured on all classes.
    """
    sleeps = cell.condition["exchanged"] != NO_SLEEP
    try:
        for checkpoint in train_and_sleep(sequence, protocol, cell.seed, sleeps=sleeps):
            cell.keep(checkpoint)
            stage, _, net = checkpoint
    except OverflowError:
        pass
    for row in read_outs(net, sequence[stage - 1], sequence, cell.seed, keeps=(KEEP,)):
        yield {**row, "tasks": stage}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """A row for each ingredient exchanged alone; differences, paired by seed, to none exchanged."""
    rows = []
    for base, of_base in results.groupby("from", sort=False):
        heads = of_base.pivot(index="seed", columns=["exchanged", "head"], values="accuracy")
        for what in (NOTHING, *INGREDIENTS, NO_SLEEP):
            row = {"from": str(base), "exchanged": what}
            for head, name in (("own", "own outputs"), (f"{KEEP:g}", "homeostasis")):
                if (what, head) not in heads:
                    continue
                row[name] = as_text(heads[what, head])
                if what != NOTHING and (NOTHING, head) in heads:
                    row[f"{name}, change"] = paired(heads[what, head] - heads[NOTHING, head])
            if len(row) > 2:
                rows.append(row)
    return pd.DataFrame(rows).fillna("–").astype(str)


def exchanged_by_two(results: pd.DataFrame, base: str) -> pd.DataFrame:
    """Mean accuracy (%) of the own outputs by two ingredients; alone on the diagonal, else NaN."""
    chosen = results[(results["from"] == base) & (results["head"] == "own")]
    means = chosen.groupby("exchanged")["accuracy"].mean()
    found = pd.DataFrame(np.nan, index=[*INGREDIENTS], columns=[*INGREDIENTS])
    for what, mean in means.items():
        names: Sequence[str] = str(what).split(" + ")
        if names[0] in INGREDIENTS:
            found.loc[names[-1], names[0]] = found.loc[names[0], names[-1]] = mean
    return found


def picture(results: pd.DataFrame) -> Any:
    """For each protocol, what one ingredient of the other does, and what two do."""
    figure = new_figure((12, 5.2))
    for axes, base in zip(figure.subplots(1, 2), ("paper", "replica"), strict=True):
        other = {"paper": "replica", "replica": "paper"}[base]
        nothing = results.query(f"`from` == '{base}' and exchanged == '{NOTHING}'")
        as_it_is = nothing.loc[nothing["head"] == "own", "accuracy"].mean()
        matrix = exchanged_by_two(results, base)
        draw_matrix(matrix, axes, colours="cividis", size=10)
        axes.tick_params("x", labelrotation=30)
        colour_bar(axes, "accuracy over all classes (%)")
        axes.set_title(
            f"the {base}'s protocol ({as_it_is:.0f} %)\n"
            f"with one (diagonal) or two ingredients of the {other}'s"
        )
    return figure


def ingredients(dataset: str) -> Experiment:
    """The experiment on a data set; by twos on digits only."""
    check_choice("dataset", dataset, ("digits", *presets.IMAGES))
    return Experiment(
        "ingredients",
        "the two published protocols, each with ingredients of the other",
        conditions_on(dataset),
        protocol_of,
        partial(data_of, dataset),
        pairs_of_classes,
        measure,
        table,
        seeds=10,
        on=ingredients,
        picture=picture,
    )


EXPERIMENT = ingredients("digits")
