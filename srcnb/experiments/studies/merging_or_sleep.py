"""Merging against sleep: the same network, start, training and seeds; each alone, and both."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import SeedSequence

from srcnb.experiments.any_network import bare_run, read_outs
from srcnb.experiments.cells import Cell, Experiment, Row
from srcnb.experiments.class_incremental import load_set, pairs_of_classes
from srcnb.experiments.studies.reading import NETWORK, protocol_on, read, table_row
from srcnb.methods.merging import merging
from srcnb.mlp import MLP
from srcnb.plotting import draw_conditions
from srcnb.protocol import Protocol, SleepState
from srcnb.tasks import Task
from srcnb.validation import check_choice

_SUM = "the start, the sum of the tasks' networks"
# Method → what is kept of earlier tasks, beside one network and the list of the classes seen.
KEEPS = {
    "sequential": "nothing",
    "lazy": "nothing",
    "less-excitable": "nothing",
    "src": "nothing",
    "merging": _SUM,
    "merging, then sleep": _SUM,
    "merging, then sleep on all tasks": f"{_SUM}, all samples",
    "sleep, then merging": _SUM,
}


# Of other data sets than digits, whose runs are longer.
FEW = ("lazy", "less-excitable", "src", "merging", "merging, then sleep", "sleep, then merging")


def measure(cell: Cell, sequence: list[Task], protocol: Protocol) -> Iterator[Row]:
    """Accuracy over all classes at the end, in percent, for each way to read the outputs."""
    net = network_at_end(cell.condition["method"], sequence, protocol, cell.seed)
    return read_outs(net, sequence[-1], sequence, cell.seed)


def network_at_end(method: str, sequence: Sequence[Task], protocol: Protocol, seed: int) -> MLP:
    """The network that a method has after the last task."""
    if "merging" in method:
        *_, last = merging(sequence, protocol, seed, sleeps=method == "sleep, then merging")
    else:
        *_, last = bare_run(method, sequence, protocol, seed)
    net: MLP = last.model
    if method.startswith("merging, then"):
        seen = sequence if method.endswith("all tasks") else sequence[-1:]
        net = slept(net, np.concatenate([t.X for t in seen]), protocol, seed)
    return net


def slept(net: MLP, X: np.ndarray[Any, Any], protocol: Protocol, seed: int) -> MLP:
    """``net`` after as many sleeps as src has for one task, on the samples ``X`` (n, n_0)."""
    state = SleepState(protocol.schedule)
    state.sleep_input.update(X)
    for part in range(protocol.schedule.per_task):
        after = state.sleep(net, 1, SeedSequence([seed, part])).net
        assert after is not None
        net = after
    return net


def figures(results: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """{method: accuracy (%), a row per seed, columns "own" and "homeostasis"}."""
    found = read(results, ["method"], lambda method: "src" in method or "sleep" in method)
    return {method: values for (method,), values in found.items()}


def table(results: pd.DataFrame) -> pd.DataFrame:
    """A row per method; differences are paired by seed, with a 95 % interval."""
    found = figures(results)
    others = {name: found.get(name) for name in ("src", "merging")}
    return pd.DataFrame(
        {
            "method": method,
            "keeps of earlier tasks": KEEPS[method],
            **table_row(values, others, ("homeostasis", "own")),
        }
        for method, values in found.items()
    )


def picture(results: pd.DataFrame) -> Any:
    """Each method's accuracy with homeostasis."""
    values = {method: found["homeostasis"] for method, found in figures(results).items()}
    return draw_conditions(
        pd.DataFrame(values), label="accuracy over all classes, with homeostasis (%)"
    ).figure


def merging_or_sleep(dataset: str) -> Experiment:
    """The experiment on a data set."""
    return Experiment(
        "merging-or-sleep",
        "weights averaged over the tasks' networks against sleep, alone and together",
        [{"method": method} for method in (KEEPS if dataset == "digits" else FEW)],
        partial(protocol_on, check_choice("dataset", dataset, NETWORK)),
        partial(load_set, dataset),
        pairs_of_classes,
        measure,
        table,
        seeds=10,
        on=merging_or_sleep,
        picture=picture,
    )


EXPERIMENT = merging_or_sleep("digits")
