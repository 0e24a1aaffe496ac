"""What a memory of old data does with and without sleep: rehearsal and iCaRL on MNIST."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pandas as pd

from srcnb import presets
from srcnb.experiments.cells import Cell, Condition, Experiment, Row, accuracies
from srcnb.experiments.class_incremental import (
    load_set,
    pairs_of_classes,
    shuffled_pairs_of_classes,
)
from srcnb.experiments.tables import at_the_end, mean_sd
from srcnb.methods.icarl import CLASSIFIERS, icarl
from srcnb.methods.rehearsal import rehearsal
from srcnb.protocol import Protocol
from srcnb.tasks import Task

SHARES = (0.0, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
# By herding everywhere; at random as well where the memory is so small that it matters.
ICARL_CONDITIONS = [
    {"memory": memory, "exemplars": exemplars, "epochs": epochs, "sleeps": sleeps}
    for memory, exemplars in [
        (100, "herding"),
        (100, "random"),
        (1000, "herding"),
        (2000, "herding"),
    ]
    for epochs in (1, 2, 4, 10)
    for sleeps in (False, True)
]


def protocol_rehearsal(condition: Condition) -> Protocol:
    """The paper's: constants of its own at 10 %, MNIST's at every other share."""
    ten_percent = condition["share"] == 0.1
    return presets.paper("rehearsal-10-percent" if ten_percent else "mnist")


def measure_rehearsal(cell: Cell, sequence: list[Task], protocol: Protocol) -> Iterator[Row]:
    """Measurements after the last task and its sleep."""
    share, sleeps = cell.condition["share"], cell.condition["sleeps"]
    checkpoints = rehearsal(sequence, protocol, cell.seed, sleeps=sleeps, share=share)
    return cell.measurements(checkpoints, sequence, first_stage=len(sequence))


def table_rehearsal(results: pd.DataFrame) -> pd.DataFrame:
    """Accuracy over all classes at the end."""
    last = at_the_end(results, ["share", "sleeps"])
    last = last.assign(
        rehearsed=[f"{100 * share:g} %" for share in last["share"]],
        sleeps=last["sleeps"].map({False: "rehearsal", True: "rehearsal + src"}),
    )
    return mean_sd(last, ["rehearsed"], ["sleeps"])


def protocol_icarl(condition: Condition) -> Protocol:
    """The paper's: a softmax output, and constants by the size of the memory."""
    memory = condition["memory"]
    name = "icarl-50" if memory <= 50 else "icarl-to-500" if memory <= 500 else "icarl-above-500"
    protocol = presets.paper(name)
    return replace(
        protocol,
        network={**protocol.network, "output": "softmax"},
        training={**protocol.training, "epochs": condition["epochs"]},
    )


def measure_icarl(cell: Cell, sequence: list[Task], protocol: Protocol) -> Iterator[Row]:
    """Measurements of both classifiers after the last task and its sleep."""
    condition = cell.condition
    for checkpoint in icarl(
        sequence,
        protocol,
        cell.seed,
        sleeps=condition["sleeps"],
        memory=condition["memory"],
        selection=condition["exemplars"],
    ):
        cell.keep(checkpoint)
        stage, phase, model = checkpoint
        if stage < len(sequence):
            continue
        for classifier in CLASSIFIERS:
            for task, accuracy in accuracies(getattr(model, classifier), sequence).items():
                yield {
                    "classifier": classifier,
                    "stage": stage,
                    "phase": phase,
                    "task": task,
                    "accuracy": accuracy,
                }


def table_icarl(results: pd.DataFrame) -> pd.DataFrame:
    """Accuracy over all classes at the end, both classifiers."""
    last = at_the_end(results, [*ICARL_CONDITIONS[0], "classifier"])
    names = {"nearest_mean": "nearest mean", "head": "softmax head"}
    sleeps = last["sleeps"].map({False: "iCaRL", True: "iCaRL + src"})
    last = last.assign(what=sleeps + ", " + last["classifier"].map(names))
    return mean_sd(last, ["memory", "exemplars", "epochs"], ["what"])


EXPERIMENTS = (
    Experiment(
        "rehearsal",
        "MNIST with a share of all earlier data mixed in, with and without sleep",
        [{"share": share, "sleeps": sleeps} for share in SHARES for sleeps in (False, True)],
        protocol_rehearsal,
        partial(load_set, "mnist"),
        pairs_of_classes,
        measure_rehearsal,
        table_rehearsal,
    ),
    Experiment(
        "icarl",
        "iCaRL on MNIST: memory, exemplars, epochs; with and without sleep; both classifiers",
        ICARL_CONDITIONS,
        protocol_icarl,
        partial(load_set, "mnist"),
        # In a random order, as in the source.
        shuffled_pairs_of_classes,
        measure_icarl,
        table_icarl,
    ),
)
