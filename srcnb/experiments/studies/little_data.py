"""Does one sleep help a network that has learnt from little, or from unbalanced, data?

One task of all classes with 0.5 to 10 % of a training set (arXiv 2402.10956). A third of these few
samples is held out to choose what a sleep or a control has to choose, among as many values each;
what was chosen is then done with all of them. A cell is one training set: its network is trained
once, and the methods start from it.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import SeedSequence

from srcnb import presets
from srcnb.datasets import Dataset
from srcnb.experiments.cells import Cell, Condition, Experiment, Row
from srcnb.experiments.class_incremental import load_set
from srcnb.experiments.studies.recover import noise
from srcnb.experiments.tables import paired
from srcnb.mlp import MLP
from srcnb.output import homeostasis
from srcnb.plotting import draw_conditions, new_figure
from srcnb.protocol import Protocol, SleepSchedule, SleepState
from srcnb.spiking.report import SilentLayerWarning
from srcnb.tasks import Task, domain_incremental
from srcnb.validation import check_choice

# Shares of the training set in percent. Of the 1347 digits less would leave classes without any.
SHARES = {"digits": (3, 10, 30), "mnist": (0.5, 2, 10), "fashion-mnist": (0.5, 2, 10)}
# How many samples the largest class has for each one of the smallest, where classes are unbalanced.
IMBALANCE = 10
HELD_OUT = 1 / 3
# What is chosen from: lengths of a sleep and epochs as multiples of the protocol's, weight decay or
# dropout, and shares of features kept for homeostasis.
LENGTHS = (0.25, 0.5, 1.0)
EPOCHS = (0.2, 1, 2)
REGULAR: tuple[dict[str, float], ...] = ({}, {"l2": 0.003}, {"dropout": 0.5})
KEEPS = (0.1, 0.3, 1.0)
# The published constants that are chosen from, beside those of the data set.
LITTLE = ("little-training-10", "little-training-20", "little-training-40")
NONE = "no sleep"
SLEEPS = (
    *("sleep", "sleep, chosen", "published sleep", "sleep, then training"),
    "sleep, homeostasis",
)
CONTROLS = (
    *("only training", "homeostasis", "epochs, chosen", "regularised", "resampled"),
    "noise",
)
METHODS = (NONE, *SLEEPS, *CONTROLS)


def protocol_of(dataset: str, condition: Condition) -> Protocol:
    """The calibrated protocol's network and training, or the paper's with as many units."""
    base = presets.calibrated()
    if condition["network"] == "calibrated":
        return replace(base, cap=None)
    return replace(presets.paper(dataset), hidden=base.hidden, cap=None)


def tasks_of(cell: Cell, data: Sequence[Dataset], protocol: Protocol) -> list[Task]:
    """The task of few samples, and the same without a third of them, which it is tested on."""
    rng = np.random.default_rng([cell.seed, 3])
    few = subset(data[0], cell.condition["share"] / 100, cell.condition["classes"], rng)
    split = few.validation_split(HELD_OUT, random_state=cell.seed)
    return [domain_incremental([d])[0] for d in (few, split)]


def subset(data: Dataset, share: float, classes: str, rng: np.random.Generator) -> Dataset:
    """The data set with a random share of its training samples; its test part is as it was.

    ``classes`` "balanced": as many samples of each; "unbalanced": their numbers fall from the
    largest to the smallest class, which are random, in equal ratios, by IMBALANCE in all. At least
    three of each class.
    """
    n_classes = data.n_classes
    sizes = np.ones(n_classes)
    if classes == "unbalanced":
        sizes = IMBALANCE ** -np.linspace(0, 1, n_classes)[rng.permutation(n_classes)]
    sizes = np.maximum(np.round(share * len(data.X) * sizes / sizes.sum()).astype(int), 3)
    rows = [rng.permutation(np.flatnonzero(data.y == c))[:n] for c, n in enumerate(sizes)]
    chosen = rng.permutation(np.concatenate(rows))
    return replace(data, X=data.X[chosen], y=data.y[chosen])


def sleep_over(net: MLP, schedule: SleepSchedule, task: Task, length: float, seed: int) -> MLP:
    """``net`` after one sleep over ``task``, its length a multiple of the schedule's first."""
    n_steps = round(length * schedule.first_steps)
    state = SleepState(replace(schedule, first_steps=n_steps))
    state.update(task)
    with warnings.catch_warnings():
        # A short one may end before the last layer fires, which is for the choice to judge.
        warnings.simplefilter("ignore", SilentLayerWarning)
        after = state.sleep(net, 1, SeedSequence([seed, 1])).net
    assert after is not None
    return after


def with_noise(net: MLP, after: MLP, rng: np.random.Generator) -> MLP:
    """``net`` with Gaussian noise in each layer, of the norm of the change that ``after`` has."""
    changes = [new - before for new, before in zip(after.weights, net.weights, strict=True)]
    drawn = zip(net.weights, noise(changes, rng), strict=True)
    return net.with_weights([(w + n).astype(net.dtype) for w, n in drawn])


def resampled(task: Task, rng: np.random.Generator) -> Task:
    """The task with samples of the smaller classes repeated, so that all are as large."""
    of_class = [np.flatnonzero(task.y == c) for c in np.unique(task.y)]
    most = max(map(len, of_class))
    rows = np.concatenate([np.r_[r, rng.choice(r, most - len(r))] for r in of_class])
    return replace(task, X=task.X[rows], y=task.y[rows])


@dataclass
class Side:
    """A task and networks that have learnt it, each made when it is first asked for."""

    task: Task
    protocol: Protocol
    seed: int
    _nets: dict[Any, MLP] = field(default_factory=dict)
    _slept: dict[tuple[int, float], MLP] = field(default_factory=dict)

    def trained(self, epochs: int, options: Mapping[str, float] | None = None) -> MLP:
        """After so many epochs; ``options`` are others of the network than the protocol's."""
        options = dict(options or {})
        protocol = replace(self.protocol, network={**self.protocol.network, **options})
        key = tuple(options.items())
        done = max((e for e, k in self._nets if k == key and e <= epochs), default=0)
        if not done:
            self._nets[0, key] = protocol.new_network([self.task], self.seed)
        if (epochs, key) not in self._nets:
            self._nets[epochs, key] = self.go_on(self._nets[done, key], epochs - done)
        return self._nets[epochs, key]

    def go_on(self, net: MLP, epochs: int) -> MLP:
        """A copy of ``net`` that is trained for so many epochs more, as if it had not stopped."""
        training = {**self.protocol.training, "epochs": epochs, "reset_momentum": False}
        return net.copy().fit(self.task.X, self.task.y, **training)

    def slept(self, epochs: int, length: float) -> MLP:
        """After so many epochs and one calibrated sleep over the task."""
        if (epochs, length) not in self._slept:
            schedule = presets.calibrated().schedule
            after = sleep_over(self.trained(epochs), schedule, self.task, length, self.seed)
            self._slept[epochs, length] = after
        return self._slept[epochs, length]

    def score(self, net: MLP) -> float:
        """The mean over the classes of the accuracy on the samples that are held out."""
        from sklearn.metrics import balanced_accuracy_score

        return float(balanced_accuracy_score(self.task.y_test, net.predict(self.task.X_test)))


Make = Callable[[Side], MLP]


def grids(
    protocol: Protocol, epochs: int, dataset: str, classes: str
) -> dict[str, dict[str, Make]]:
    """Method → what it chooses from → what makes the network, after so many epochs of training."""
    rest = protocol.training["epochs"]

    def trained(n: int, options: Mapping[str, float], side: Side) -> MLP:
        return side.trained(n, options)

    def slept(length: float, side: Side) -> MLP:
        return side.slept(epochs, length)

    def again(length: float, side: Side) -> MLP:
        return side.go_on(side.slept(epochs, length), rest)

    def published(name: str, side: Side) -> MLP:
        paper = replace(presets.paper(dataset).schedule, constants=presets.PAPER[name])
        return sleep_over(side.trained(epochs), paper, side.task, 1.0, side.seed)

    def brought_to_scale(make: Make, keep: float, side: Side) -> MLP:
        task, classes = side.task, np.unique(side.task.y)
        return homeostasis(make(side), task.X, classes, keep, random_state=side.seed)

    def trained_on_resampled(side: Side) -> MLP:
        rng = np.random.default_rng([side.seed, 5])
        return Side(resampled(side.task, rng), protocol, side.seed).trained(epochs)

    none, sleep = partial(trained, epochs, {}), partial(slept, 1.0)
    found: dict[str, dict[str, Make]] = {
        NONE: {"": none},
        "sleep": {"": sleep},
        "sleep, chosen": {f"length {f:g}": partial(slept, f) for f in LENGTHS},
        "sleep, then training": {f"length {f:g}": partial(again, f) for f in LENGTHS},
        "only training": {"": partial(trained, epochs + rest, {})},
    }
    for name, make in (("sleep, homeostasis", sleep), ("homeostasis", none)):
        found[name] = {f"keep {k:g}": partial(brought_to_scale, make, k) for k in KEEPS}
    if dataset in presets.IMAGES:  # the paper's sleep input is for images of 28×28 pixels
        found["published sleep"] = {n: partial(published, n) for n in (dataset, *LITTLE)}
    if classes == "unbalanced":
        found["resampled"] = {"": trained_on_resampled}
    if epochs == protocol.parallel_epochs:
        several = [round(f * epochs) for f in EPOCHS]
        found["epochs, chosen"] = {f"epochs {n}": partial(trained, n, {}) for n in several}
        found["regularised"] = {
            ", ".join(f"{k} {v:g}" for k, v in options.items()): partial(trained, epochs, options)
            for options in REGULAR
        }
    return found


def measure(cell: Cell, sequence: list[Task], protocol: Protocol) -> Iterator[Row]:
    """Accuracy on the test set, in percent, for each method, after short and long training.

    ``held_out`` is the mean over the classes of the accuracy on what was held out, in percent, of
    what was chosen by it; noise has none.
    """
    whole, split = (Side(task, protocol, cell.seed) for task in sequence)
    long, classes = protocol.parallel_epochs, cell.condition["classes"]
    assert long is not None
    for epochs in (protocol.training["epochs"], long):
        nets: dict[str, MLP] = {}
        for method, grid in grids(protocol, epochs, whole.task.name, classes).items():
            scores = {value: split.score(make(split)) for value, make in grid.items()}
            best = max(scores, key=lambda value: scores[value])
            nets[method] = grid[best](whole)
            row = _row(whole.task, epochs, method, nets[method], best)
            yield {**row, "held_out": 100 * scores[best]}
        rng = np.random.default_rng([cell.seed, 4])
        noisy = with_noise(nets[NONE], nets["sleep"], rng)
        yield _row(whole.task, epochs, "noise", noisy, "")


def _row(task: Task, epochs: int, method: str, net: MLP, chosen: str) -> Row:
    accuracy = 100 * float((net.predict(task.X_test) == task.y_test).mean())
    n = len(task.X)
    return {
        "samples": n,
        "epochs": epochs,
        "method": method,
        "chosen": chosen,
        "accuracy": accuracy,
    }


def _settings(results: pd.DataFrame) -> Iterator[tuple[Any, pd.DataFrame, pd.DataFrame]]:
    """(network, classes, share, epochs), then test and held-out accuracy, seed × method."""
    keys = ["network", "classes", "share", "epochs"]
    for setting, rows in results.groupby(keys, sort=False):
        accuracy, held_out = (
            rows.pivot(index="seed", columns="method", values=name)
            for name in ("accuracy", "held_out")
        )
        methods = [m for m in METHODS if m in accuracy]
        yield setting, accuracy[methods], held_out[methods]


def best_of(methods: Sequence[str], accuracy: pd.DataFrame, held_out: pd.DataFrame) -> Any:
    """Each seed's accuracy with that of these methods that is best on what was held out.

    The two tables are seed × method; methods that are not there are left out, the first of equally
    good ones is taken.
    """
    there = [m for m in methods if m in accuracy and held_out[m].notna().all()]
    chosen = np.argmax(held_out[there].to_numpy(), axis=1)
    best = accuracy[there].to_numpy()[np.arange(len(accuracy)), chosen]
    return pd.Series(best, index=accuracy.index)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """A row per setting: accuracy without sleep, and each method's paired difference to it.

    Differences are in points, with a 95 % interval over the seeds. "best sleep over best without"
    takes in each seed what is best on the samples that were held out.
    """
    rows = []
    for (network, classes, share, epochs), wide, held_out in _settings(results):
        none = wide[NONE]
        sd = f" ± {none.std():.1f}" if none.count() > 1 else ""
        row = {"network": network, "classes": classes, "share": f"{share:g} %"}
        row |= {"epochs": f"{epochs}", NONE: f"{none.mean():.1f}{sd}"}
        row |= {str(m): paired(wide[m] - none) for m in wide if m != NONE}
        with_sleep = best_of(SLEEPS, wide, held_out)
        without = best_of((NONE, *CONTROLS), wide, held_out)
        row["best sleep over best without"] = paired(with_sleep - without)
        rows.append(row)
    text = pd.DataFrame(rows).fillna("–")
    first = ["network", "classes", "share", "epochs"]
    last = "best sleep over best without"
    return text[[*first, *(m for m in METHODS if m in text), last]]


def picture(results: pd.DataFrame) -> Any:
    """What each method adds to the calibrated network, a column per share and balance of classes.

    After short training above, after long training below.
    """
    drawn: dict[str, dict[int, pd.DataFrame]] = {}
    for (network, classes, share, epochs), wide, _ in _settings(results):
        if network == "calibrated":
            # Where classes are balanced, a row is empty: nothing is resampled.
            methods = [m for m in METHODS[1:] if m in wide or m == "resampled"]
            differences = wide.sub(wide[NONE], axis=0).reindex(columns=methods)
            drawn.setdefault(f"{share:g} %, {classes}", {})[epochs] = differences
    figure = new_figure((2 + 2.5 * len(drawn), 7.5))
    axes = figure.subplots(2, len(drawn), squeeze=False, height_ratios=[8, 10])
    for i, (column, (setting, of_epochs)) in enumerate(zip(axes.T, drawn.items(), strict=True)):
        for one, (epochs, differences) in zip(column, sorted(of_epochs.items()), strict=True):
            draw_conditions(differences, one, "points above no sleep")
            one.axvline(0, color="black", linewidth=1)
            one.tick_params(labelleft=not i)
            one.set_title(f"{setting}, {epochs} epochs", fontsize=10)
    return figure


def little_data(dataset: str) -> Experiment:
    """The experiment on a data set."""
    shares = SHARES[check_choice("dataset", dataset, SHARES)]
    settings = [("calibrated", "balanced", share) for share in shares]
    settings += [("calibrated", "unbalanced", share) for share in shares[:2]]
    if dataset in presets.IMAGES:
        settings += [("paper", "balanced", share) for share in shares]
    return Experiment(
        "little-data",
        "a sleep after training on little or unbalanced data, and what training alone can do",
        [{"network": n, "classes": c, "share": s} for n, c, s in settings],
        partial(protocol_of, dataset),
        partial(load_set, dataset),
        tasks_of,
        measure,
        table,
        seeds=10,
        on=little_data,
        picture=picture,
    )


EXPERIMENT = little_data("digits")
