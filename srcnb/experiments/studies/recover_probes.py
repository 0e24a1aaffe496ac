"""What the hidden layers know before and after a sleep, and what a sleep changes in them.

"recover-probes" reads the hidden layers by classifiers that are refitted on all classes: oracles.
"recover-hidden" looks for what makes homeostasis work better on a network that has slept: how much
the tasks share in a layer, how far it has moved since a task was learnt, and whether a class's
output still tells its own samples from others, whatever its bias and scale.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd

from srcnb.analysis import cosine, probes, ranking
from srcnb.experiments.cells import Cell, Condition, Experiment, Row, accuracies
from srcnb.experiments.class_incremental import load_set, pairs_of_classes
from srcnb.experiments.studies.recover import grid, groups, protocol_of, run
from srcnb.experiments.tables import mean_sd, paired
from srcnb.mlp import MLP
from srcnb.protocol import Protocol
from srcnb.tasks import Task
from srcnb.validation import Array

PROBED = {
    "calibrated": ("untrained", "none", "sleep", "noise", "shuffled"),
    "own": ("none", "sleep"),
}
WATCHED = {
    "calibrated": ("none", "lazy", "sleep", "shuffled", "row means", "layer means"),
    "own": ("none", "sleep", "only hidden"),
}


def measure_probes(cell: Cell, sequence: list[Task], protocol: Protocol) -> Iterator[Row]:
    """Accuracy of each probe on each hidden layer, before and after the last change.

    Of all classes, old ones and those of the last task.
    """
    change = cell.condition["change"]
    if change == "untrained":
        moments = [("before", protocol.new_network(sequence, cell.seed))]
    else:
        *_, before, after = run(change, sequence, protocol, cell.seed)
        moments = [("before", before.model), ("after", after.model)]
    for moment, net in moments:
        for layer, probe, classifier in probes(net, sequence):
            for classes, tasks in groups(sequence).items():
                yield {
                    "moment": moment,
                    "layer": layer,
                    "probe": probe,
                    "classes": classes,
                    "accuracy": accuracies(classifier, tasks)["all"],
                }


def table_probes(results: pd.DataFrame) -> pd.DataFrame:
    """Mean ± sd by layer and probe, and what the last sleep changes on old and new classes."""
    keys = ["protocol", "change", "layer", "probe"]
    text = mean_sd(results[results["classes"] == "all"], keys, ["moment"])
    text = text.reindex(columns=[*keys, "before", "after"])
    for classes in ("old", "new"):
        wide = results[results["classes"] == classes].pivot(
            index=[*keys, "seed"], columns="moment", values="accuracy"
        )
        wide = wide.reindex(columns=["before", "after"])
        moved = (wide["after"] - wide["before"]).groupby(keys, sort=False)
        found = {key: paired(part) if part.notna().any() else "–" for key, part in moved}
        text[f"after – before, {classes}"] = [found[key] for key in text[keys].itertuples(False)]
    return text.fillna("–")


def class_means(net: MLP, tasks: list[Task]) -> list[Array]:
    """The mean activations of each class of the tasks' test samples: per layer, (n, n_units)."""
    X, y = (np.concatenate([getattr(t, name) for t in tasks]) for name in ("X_test", "y_test"))
    return [np.stack([a[y == c].mean(axis=0) for c in np.unique(y)]) for a in net.activations(X)]


def measure_hidden(cell: Cell, sequence: list[Task], protocol: Protocol) -> Iterator[Row]:
    """What old tasks and the current one have in common, before and after each task's last change.

    From the second task on, on test samples. Of each hidden layer: active (% of its units, for the
    current task and for old ones), overlap (100 times the cosine of an old class's mean activations
    with a current one's, the mean of all pairs) and kept (the same of an old class's mean with what
    it was when its task had been learnt). Of the outputs: srcnb.analysis.ranking in %, of old and
    of current classes.
    """
    learnt: dict[int, list[Array]] = {}
    for stage, phase, net in run(cell.condition["change"], sequence, protocol, cell.seed):
        old, current = sequence[: stage - 1], sequence[stage - 1 : stage]
        now = class_means(net, current)
        if stage > 1:
            before = class_means(net, old)
            for layer in range(len(net.weights) - 1):
                then = np.concatenate([learnt[k][layer] for k in range(1, stage)])
                yield {
                    "stage": stage,
                    "phase": phase,
                    "layer": str(layer + 1),
                    "active_current": active(net, current, layer),
                    "active_old": active(net, old, layer),
                    "overlap": 100
                    * _mean([cosine(a, b) for a in before[layer] for b in now[layer]]),
                    "kept": 100 * _mean(list(map(cosine, before[layer], then))),
                }
            ranks = dict(
                zip(_classes(sequence[:stage]), ranking(net, sequence[:stage]), strict=True)
            )
            yield {
                "stage": stage,
                "phase": phase,
                "layer": "outputs",
                "ranking_current": 100 * _mean([ranks[c] for c in _classes(current)]),
                "ranking_old": 100 * _mean([ranks[c] for c in _classes(old)]),
            }
        learnt[stage] = now


def _classes(tasks: list[Task]) -> list[int]:
    return sorted({int(c) for t in tasks for c in t.y_test})


def _mean(values: list[float]) -> float:
    """NaN only where all are."""
    seen = [v for v in values if np.isfinite(v)]
    return float(np.mean(seen)) if seen else float("nan")


def active(net: MLP, tasks: list[Task], layer: int) -> float:
    """Units of a hidden layer (from 0) that are active for a test sample, in %: their mean."""
    a = net.activations(np.concatenate([t.X_test for t in tasks]))[layer]
    return 100 * float((a > 0).mean())


MEASURES = {
    "active_current": "active units, current task (%)",
    "active_old": "active units, old tasks (%)",
    "overlap": "old with current classes (cosine, %)",
    "kept": "old classes, now with when learnt (cosine, %)",
    "ranking_current": "ranking by current outputs (%)",
    "ranking_old": "ranking by old outputs (%)",
}


def table_of_measures(measures: dict[str, str], results: pd.DataFrame) -> pd.DataFrame:
    """A row per protocol, layer and measure, mean ± sd after all tasks, a column per change.

    Then what the last sleep changes, and what the sleep has above other changes, paired by seed.
    """
    last = results[results["stage"] == results["stage"].max()]
    ids = ["protocol", "change", "seed", "phase", "layer"]
    long = last.melt(ids, [*measures], "measure", "accuracy").dropna(subset="accuracy")
    long = long.sort_values(["protocol", "layer"], kind="stable")
    # Without a sleep there is no measurement after one.
    ends = long.groupby([*ids[:3], "layer", "measure"], sort=False).tail(1)
    keys = ["protocol", "layer", "measure"]
    text = mean_sd(ends, keys, ["change"])
    for i, key in enumerate(text[keys].itertuples(index=False)):
        at, end = (
            t[(t[keys] == [*key]).all(axis=1)].pivot(
                index="seed", columns=columns, values="accuracy"
            )
            for t, columns in ((long, ["change", "phase"]), (ends, "change"))
        )
        if "sleep" in end:
            during = at["sleep", "sleep"] - at["sleep", "train"]
            text.loc[i, "last sleep, after – before"] = paired(during)
            for other in ("none", "shuffled"):
                if other in end:
                    text.loc[i, f"sleep – {other}"] = paired(end["sleep"] - end[other])
    return text.assign(measure=text["measure"].map(measures)).fillna("–")


def _grid_on(dataset: str, conditions: dict[str, tuple[str, ...]]) -> list[Condition]:
    """All conditions on digits; the calibrated protocol's where runs are longer."""
    few = {"calibrated": conditions["calibrated"]}
    return grid(conditions if dataset == "digits" else few)


def recover_probes(dataset: str) -> Experiment:
    """The experiment on a data set."""
    return Experiment(
        "recover-probes",
        "what the hidden layers know before and after a sleep: classifiers refitted on all classes",
        _grid_on(dataset, PROBED),
        protocol_of,
        partial(load_set, dataset),
        pairs_of_classes,
        measure_probes,
        table_probes,
        seeds=10,
        on=recover_probes,
    )


def recover_hidden(dataset: str) -> Experiment:
    """The experiment on a data set."""
    return Experiment(
        "recover-hidden",
        "what a sleep changes in hidden layers: what tasks share, what stays, what outputs rank",
        _grid_on(dataset, WATCHED),
        protocol_of,
        partial(load_set, dataset),
        pairs_of_classes,
        measure_hidden,
        partial(table_of_measures, MEASURES),
        seeds=10,
        on=recover_hidden,
    )


EXPERIMENTS = (recover_probes("digits"), recover_hidden("digits"))
