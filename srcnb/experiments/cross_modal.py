"""Cross-modal: all of MNIST, then all of Fashion-MNIST, with one head of ten classes for both."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pandas as pd

from srcnb import datasets, presets, tasks
from srcnb.experiments.runner import Condition, Experiment, Source, mean_sd, measurements
from srcnb.methods import METHODS
from srcnb.protocol import Protocol

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


@cache
def two_sets(data_dir: str | None, cap: int | None) -> list[tasks.Task]:
    """Both data sets as two tasks."""
    sets = [datasets.load(name, data_dir) for name in ("mnist", "fashion-mnist")]
    return tasks.domain_incremental(sets, cap=cap)


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


def measure(
    condition: Condition, seed: int, source: Source, protocol: Protocol
) -> Iterator[dict[str, Any]]:
    """Measurements after each set and each sleep."""
    method, _ = CONDITIONS[condition["method"]]
    sequence = two_sets(source.data_dir, protocol.cap)
    learnt = sequence[1:] if condition["method"] == "Fashion-MNIST alone" else sequence
    return measurements(METHODS[method](learnt, protocol, seed), sequence)


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
        measure,
        table,
    ),
)
