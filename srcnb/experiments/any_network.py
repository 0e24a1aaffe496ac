"""One set of numbers for any network: the calibrated sleep against the best without sleep.

Each network learns the classes of a data set task by task, by the calibrated protocol, and is
measured at the end: by its own outputs, and with the outputs brought to one scale
(:func:`srcnb.homeostasis`) for several shares of features kept, of which the table takes what is
best for a control, and the protocol's own for the sleep. Controls without sleep: the same training,
lazy training (:func:`srcnb.methods.lazy.lazy`), and the same training with a change without spikes
in place of each sleep (:func:`srcnb.methods.excitability.less_excitable`), chosen on training data
of the same sets as the numbers of the sleep.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import SeedSequence

from srcnb import presets
from srcnb.datasets import Dataset
from srcnb.experiments.cells import Cell, Condition, Experiment, Row
from srcnb.experiments.class_incremental import load_set
from srcnb.experiments.tables import as_text, paired
from srcnb.methods.base import Checkpoint, Sleep, sleep_as_scheduled, train_and_sleep
from srcnb.methods.excitability import less_excitable
from srcnb.methods.lazy import lazy
from srcnb.mlp import MLP
from srcnb.output import homeostasis
from srcnb.protocol import Protocol, SleepState
from srcnb.sgd import check_batch_size
from srcnb.sklearn_mlp import from_sklearn, to_sklearn
from srcnb.tasks import Task, class_incremental
from srcnb.validation import check_choice

KEEPS = (0.05, 0.1, 0.2, 0.3, 0.45, 0.6)
METHODS = ("sequential", "lazy", "less-excitable", "src")
# What is read with homeostasis without a sleep → its name in the table.
CONTROLS = {"sequential": "homeostasis", "lazy": "lazy", "less-excitable": "less excitable"}
# Name → hidden layers, biases, classes a task, who trains.
NETWORKS: dict[str, tuple[tuple[int, ...], bool, int, str]] = {
    "100-100": ((100, 100), False, 2, "srcnb"),
    "400-400": ((400, 400), False, 2, "srcnb"),
    "1200-1200": ((1200, 1200), False, 2, "srcnb"),
    "400": ((400,), False, 2, "srcnb"),
    "400-400-400": ((400, 400, 400), False, 2, "srcnb"),
    "400-400, biases": ((400, 400), True, 2, "srcnb"),
    "400-400, one class a task": ((400, 400), False, 1, "srcnb"),
    "400-400, scikit-learn": ((400, 400), True, 2, "scikit-learn"),
    "4000-4000": ((4000, 4000), False, 2, "srcnb"),
}
WIDE = "4000-4000"
_UP_TO_1200 = [name for name in NETWORKS if name != WIDE]
# Data set → its networks. On Fashion-MNIST nothing was chosen.
OF_SET = {"digits": _UP_TO_1200, "mnist": _UP_TO_1200, "fashion-mnist": ["1200-1200"]}


def protocol_of(condition: Condition) -> Protocol:
    """The calibrated protocol for this network, measured without and with homeostasis."""
    hidden, bias, _, _ = NETWORKS[condition["network"]]
    base = presets.calibrated()
    return replace(base, hidden=hidden, network={**base.network, "bias": bias}, homeostasis=None)


def tasks_of(cell: Cell, data: Sequence[Dataset], protocol: Protocol) -> list[Task]:
    """The classes in their order, one or two a task."""
    groups = NETWORKS[cell.condition["network"]][2]
    return class_incremental(data[0], groups=groups, cap=protocol.cap)


def measure(cell: Cell, sequence: list[Task], protocol: Protocol) -> Iterator[Row]:
    """Accuracy over all classes at the end, in percent, for each way to read the outputs."""
    method = cell.condition["method"]
    if NETWORKS[cell.condition["network"]][3] == "scikit-learn":
        net = _by_scikit_learn(sequence, protocol, cell.seed, method == "src")
    else:
        for checkpoint in bare_run(method, sequence, protocol, cell.seed):
            cell.keep(checkpoint)
        net = checkpoint.model
    yield from read_outs(net, sequence[-1], sequence, cell.seed)


def bare_run(
    method: str,
    sequence: Sequence[Task],
    protocol: Protocol,
    seed: int,
    sleep: Sleep = sleep_as_scheduled,
) -> Iterator[Checkpoint]:
    """The checkpoints of a method with the outputs as they are, which :func:`read_outs` reads.

    "sequential", "lazy" and "less-excitable" do not sleep; others do, when the protocol says so and
    as ``sleep`` does it.
    """
    if method in ("lazy", "less-excitable"):
        run = lazy if method == "lazy" else less_excitable
        return run(sequence, protocol, seed, keep=None)
    return train_and_sleep(sequence, protocol, seed, sleeps=method != "sequential", sleep=sleep)


def read_outs(
    net: MLP, current: Task, tested: Sequence[Task], seed: int, keeps: Sequence[float] = KEEPS
) -> Iterator[Row]:
    """Rows head, accuracy (%) over all classes and test samples of ``tested``.

    The head "own" is the network's outputs as they are; the others are the shares of features of
    the ``current`` task's samples that are kept (``keeps``), with homeostasis.
    """
    X, y = (np.concatenate([getattr(t, name) for t in tested]) for name in ("X_test", "y_test"))
    classes = np.unique(np.concatenate([t.y for t in tested]))
    heads = {"own": net} | {
        f"{keep:g}": homeostasis(net, current.X, classes, keep, random_state=seed) for keep in keeps
    }
    for head, read in heads.items():
        yield {"head": head, "accuracy": 100 * float(np.mean(read.predict(X) == y))}


def _by_scikit_learn(sequence: list[Task], protocol: Protocol, seed: int, sleeps: bool) -> MLP:
    """The network of an MLPClassifier that learns by ``partial_fit``, and perhaps sleeps."""
    from sklearn.neural_network import MLPClassifier

    training, schedule = protocol.training, protocol.schedule
    mlp: Any = MLPClassifier(
        protocol.hidden,
        solver="sgd",
        learning_rate_init=training["learning_rate"],
        momentum=training["momentum"],
        batch_size=check_batch_size(training["batch_size"], len(sequence[0].X)),
        random_state=seed,
    )
    state = SleepState(schedule)
    for stage, task in enumerate(sequence, 1):
        state.update(task)
        for part in range(schedule.per_task):
            for _ in range(protocol.training_at(stage, schedule.per_task)["epochs"]):
                mlp.partial_fit(task.X, task.y, classes=np.arange(task.n_classes))
            if sleeps:
                random_state = SeedSequence([seed, stage, part])
                slept = state.sleep(from_sklearn(mlp), stage, random_state).net
                assert slept is not None
                mlp = to_sklearn(slept, like=mlp)
    return from_sklearn(mlp)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """A row per network, mean ± sd; differences are paired by seed, with a 95 % interval."""
    rows = []
    own = f"{presets.calibrated().homeostasis:g}"
    for network, of_network in results.groupby("network", sort=False):
        heads = of_network.pivot(index="seed", columns=["method", "head"], values="accuracy")
        controls = {
            name: best_share(heads[method]) for method, name in CONTROLS.items() if method in heads
        }
        row = {"network": network, "seeds": len(heads)}
        if "sequential" in heads:
            row["sequential"] = as_text(heads["sequential", "own"])
        row |= {name: as_text(values) for name, values in controls.items()}
        if "src" in heads:
            slept = heads["src", own]
            row["src, own outputs"] = as_text(heads["src", "own"])
            row["src"] = as_text(slept)
            for name, values in controls.items():
                row[f"src over {name}"] = paired(slept - values)
        rows.append(row)
    return pd.DataFrame(rows).fillna("–").astype(str)


def best_share(heads: Any) -> "pd.Series[Any]":
    """The share of features kept that is best on average, for all seeds."""
    shares = heads.drop(columns="own")
    best: pd.Series[Any] = shares[shares.mean().idxmax()]
    return best


def any_network(dataset: str) -> Experiment:
    """The experiment on a data set."""
    names = OF_SET[check_choice("dataset", dataset, OF_SET)]
    summary = "one set of numbers for any network: the calibrated sleep and the best without sleep"
    return _experiment("any-network", summary, dataset, names, seeds=10, on=any_network)


def _experiment(
    name: str, summary: str, dataset: str, networks: Sequence[str], **options: Any
) -> Experiment:
    return Experiment(
        name,
        summary,
        [
            {"network": network, "method": method}
            for network in networks
            for method in METHODS
            if method in ("sequential", "src") or NETWORKS[network][3] == "srcnb"
        ],
        protocol_of,
        partial(load_set, dataset),
        tasks_of,
        measure,
        table,
        **options,
    )


EXPERIMENTS = (
    any_network("digits"),
    _experiment(
        "wide-network",
        "any-network with 4000 hidden units in each layer, on MNIST",
        "mnist",
        [WIDE],
        seeds=5,
    ),
)
