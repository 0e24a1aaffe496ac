"""Cross-modal: all of MNIST, then all of Fashion-MNIST, with one head of ten classes for both."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from srcnb import datasets, presets
from srcnb.datasets import Dataset
from srcnb.experiments.cells import Cell, Condition, Experiment, Row, Source
from srcnb.experiments.tables import mean_sd
from srcnb.methods import METHODS
from srcnb.protocol import Protocol
from srcnb.tasks import Task, domain_incremental

# Steps of the first sleep, and what the second has more. In the script both lengths go through
# uint8, which makes them 255, and the second sleep's input and α come from MNIST only.
AS_WRITTEN = dict(first_steps=6665, more_steps=5803)
AS_RUN = dict(first_steps=255, more_steps=0, data="first")
CONDITIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "sequential": ("sequential", AS_WRITTEN),
    "src": ("src", AS_WRITTEN),
    "src, as the script runs": ("src", AS_RUN),
    "parallel": ("parallel", AS_WRITTEN),
    # The script's control: it has never seen the first set.
    "Fashion-MNIST alone": ("sequential", AS_WRITTEN),
}


def two_sets(source: Source) -> list[Dataset]:
    """Both data sets."""
    return [datasets.load(name, source.data_dir) for name in ("mnist", "fashion-mnist")]


def two_tasks(cell: Cell, data: Sequence[Dataset], protocol: Protocol) -> list[Task]:
    """A task each."""
    return domain_incremental(data, cap=protocol.cap)


def protocol_of(condition: Condition) -> Protocol:
    """The paper's, on all samples, with the lengths of the sleeps as written or as they run."""
    _, sleeps = CONDITIONS[condition["method"]]
    protocol = presets.paper("cross-modal")
    return replace(
        protocol,
        schedule=replace(protocol.schedule, **sleeps),
        cap=None,
        parallel_epochs=None,
    )


def measure(cell: Cell, sequence: list[Task], protocol: Protocol) -> Iterator[Row]:
    """Measurements after each set and each sleep."""
    name = cell.condition["method"]
    method, _ = CONDITIONS[name]
    learnt = sequence[1:] if name == "Fashion-MNIST alone" else sequence
    return cell.measurements(METHODS[method](learnt, protocol, cell.seed), sequence)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on each set, and on both, after each stage."""
    names = {"all": "both", "1": "MNIST", "2": "Fashion-MNIST"}
    results = results.assign(task=results["task"].map(names))
    results["after"] = "task " + results["stage"].astype(str) + " (" + results["phase"] + ")"
    return mean_sd(results, ["method", "after"], ["task"])


EXPERIMENTS = (
    Experiment(
        "cross-modal",
        "MNIST, then Fashion-MNIST, ten outputs for both",
        [{"method": method} for method in CONDITIONS],
        protocol_of,
        two_sets,
        two_tasks,
        measure,
        table,
    ),
)
