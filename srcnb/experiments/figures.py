"""The pictures of a run, from its saved networks: ``draw_all`` writes them to a folder.

Each is one call of srcnb.pictures or srcnb.sleep_pictures; nothing of the run is changed.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from srcnb import activity, before_after, pictures, sleep_pictures
from srcnb.experiments.cells import one_thread
from srcnb.experiments.saved import PHASES, SavedRun
from srcnb.io import check_folder, replacing
from srcnb.metrics import interval
from srcnb.mlp import MLP
from srcnb.spiking.reference import GATE_FUNCTIONS
from srcnb.validation import Array, check_choice, check_instance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Samples of each class whose activations are compared, and that are predicted at each moment of a
# sleep: the first training samples, and the first test samples.
PER_CLASS = 100


class Viewer:
    """The pictures of one sleeping method of a run, and one sleep of it.

    Parameters
    ----------
    run : SavedRun
    method : one that sleeps; None: "src" if the run has it, else its first
    seed : one whose networks are saved; None: the first
    stage : after whose task the sleep was that is observed; None: the last

    Attributes
    ----------
    X, y : the first PER_CLASS training samples of each class, class after class
    """

    def __init__(
        self,
        run: SavedRun,
        method: str | None = None,
        seed: int | None = None,
        stage: int | None = None,
    ) -> None:
        check_instance("run", run, SavedRun, "a SavedRun")
        slept = run.slept()
        self.run = run
        first = "src" if "src" in slept else slept[0]
        self.method = first if method is None else check_choice("method", method, slept)
        self.seeds = [s for s in run.seeds(self.method) if run.stages(self.method, s)]
        self.seed = self.seeds[0] if seed is None else check_choice("seed", seed, self.seeds)
        self.stages = run.stages(self.method, self.seed)
        self.stage = self.stages[-1] if stage is None else check_choice("stage", stage, self.stages)
        self.X, self.y = _first([(t.X, t.y) for t in run.tasks])
        self._scores: tuple[int, list[str], list[Array]] | None = None

    @property
    def image_shape(self) -> tuple[int, int] | None:
        """(rows, columns) of the inputs: the data's, else of a square; None where they are none."""
        side = isqrt(self.X.shape[1])
        square = (side, side) if side**2 == self.X.shape[1] else None
        return self.run.tasks[0].shape or square

    def pair(self, stage: int | None = None, seed: int | None = None) -> tuple[MLP, MLP]:
        """The networks before and after a sleep; by default those of the one that is observed."""
        stage = self.stage if stage is None else stage
        seed = self.seed if seed is None else seed
        one, other = (self.run.net(self.method, seed, stage, phase) for phase in PHASES)
        return one, other

    @cached_property
    def observed(self) -> activity.Activity:
        """The sleep, slept again and observed; once."""
        sleep = self.run.sleep(self.method, self.seed, self.stage)
        at = self.method, self.seed, self.stage, PHASES[0]
        with one_thread():  # so that it is bit for bit what the run did
            return activity.observe(self.run.net(*at), sleep, self._accuracies())

    @cached_property
    def weights(self) -> list[before_after.WeightPairs]:
        """The weights of each layer before and after the sleep that is observed, counted; once."""
        return before_after.weight_pairs(*self.pair())

    def _accuracies(self) -> activity.Measure:
        """Accuracy on each task so far, on PER_CLASS test samples of each class."""
        tests = [_first([(t.X_test, t.y_test)]) for t in self.run.tasks[: self.stage]]

        def measure(net: MLP) -> dict[str, float]:
            shown = self.run.as_measured(net, self.stage)
            return {
                f"task {i}": 100 * float(np.mean(shown.predict(X) == y))
                for i, (X, y) in enumerate(tests, 1)
            }

        return measure

    def scores(self, stage: int) -> tuple[list[str], list[Array]]:
        """(names, scores) of the networks before and after a sleep, and of methods without sleep.

        Of :func:`srcnb.before_after.joint_scores`; those of the stage that was asked for last are
        kept.
        """
        if self._scores is not None and self._scores[0] == stage:
            return self._scores[1:]
        nets, names = [*self.pair(stage)], ["before sleep", "after sleep"]
        for method in self.run.methods:
            at = dict(self.run.saved(method, self.seed)) if method != self.method else {}
            # One that is measured once, as joint training is, is compared with every stage.
            k = stage if stage in at else max(at, default=0) if len(at) == 1 else 0
            if k and method in ("sequential", "parallel"):
                nets.append(self.run.net(method, self.seed, k, "train"))
                names.append(method)
        self._scores = stage, names, before_after.joint_scores(nets, self.X)
        return self._scores[1:]

    def activations(self, stage: int, by_class: bool) -> "Figure":
        """Layer activations of the networks of :meth:`scores`, of each sample or class."""
        names, scores = self.scores(stage)
        y = self.y
        if by_class:
            scores, y = before_after.pooled_scores(scores, y), np.unique(y)
        figure = pictures.draw_activations(scores, names, y)
        what = "mean of each class" if by_class else f"{PER_CLASS} samples of each class at most"
        figure.suptitle(f"activations after task {stage}: {what}", fontsize=11)
        return figure

    def changes(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """(stable ranks, changes of hidden states by class), of all seeds and stages, tidy."""
        ranks, changes = [], []
        X, y = _first([(self.X, self.y)], PER_CLASS // 4)
        for seed in self.seeds:
            for stage in self.run.stages(self.method, seed):
                one, other = self.pair(stage, seed)
                for phase, net in zip(PHASES, (one, other), strict=True):
                    rank = before_after.stable_ranks(net)
                    ranks.append(rank.assign(seed=seed, stage=stage, phase=phase))
                moved = before_after.class_changes(one, other, X, y)
                learnt = [self.run.classes(k) for k in range(1, stage + 1)]
                ages = dict.fromkeys(np.unique(y), "later")
                ages |= {c: "earlier" for of_task in learnt for c in of_task}
                ages |= dict.fromkeys(learnt[-1], "current")
                age = moved["class"].map(ages)
                changes.append(moved.assign(seed=seed, stage=stage, age=age))
        return pd.concat(ranks, ignore_index=True), pd.concat(changes, ignore_index=True)

    def confusion(self) -> "Figure":
        """Confusion matrices over all classes, on the test samples of each class."""
        X, y = _first([(t.X_test, t.y_test) for t in self.run.tasks], 5 * PER_CLASS)
        n = self.run.tasks[0].n_classes
        one, other = (
            before_after.confusion(y, self.run.as_measured(net, self.stage).predict(X), n)
            for net in self.pair()
        )
        label = "share of the class (%)"
        figure = pictures.draw_before_after([one], [other], ["class"], label, (0, 100))
        figure.supxlabel("predicted class", fontsize=10)
        return figure

    def correlations(self) -> "Figure":
        """Correlations of the mean activations of classes, in each hidden layer."""
        one, other = (
            before_after.class_correlations(before_after.class_means(net, self.X, self.y)[:-1])
            for net in self.pair()
        )
        titles = [f"layer {layer}" for layer in range(1, len(one) + 1)]
        figure = pictures.draw_before_after(one, other, titles, "correlation", (-1, 1))
        figure.supxlabel("class", fontsize=10)
        return figure

    def gate(self) -> tuple[str, list[Callable[[Array], Array]]]:
        """(name of the gate, the gate of each layer) of the sleep that is observed."""
        config = self.observed.result.config
        gate = GATE_FUNCTIONS[config.gate]
        widths = [config.in_layer("gate_width", i) for i in range(len(config.beta))]
        return config.gate, [partial(gate, width=width) for width in widths]

    def reactivation(self) -> "Figure":
        """How much more than shuffled classes each class is replayed in the sleep."""
        found = activity.reactivation(self.observed.result, self.pair()[0], self.X, self.y)
        return sleep_pictures.draw_reactivation(
            found, [self.run.classes(k) for k in range(1, self.stage + 1)]
        )

    def pictures(self) -> Iterator[tuple[str, "Callable[[], Figure]"]]:
        """Yield (name, what draws it) of each picture that is one file."""
        results, shape = self.run.results, self.image_shape
        yield "accuracy", lambda: pictures.draw_accuracy(results)
        yield "accuracy-table", lambda: _figure(pictures.draw_accuracy_table(results))
        for k in self.stages:
            yield f"activations-{k}", partial(self.activations, k, False)
            yield f"activations-{k}-classes", partial(self.activations, k, True)
        yield "confusion", self.confusion
        yield "class-correlations", self.correlations
        yield "weights", lambda: pictures.draw_weight_histograms(self.weights)
        yield "weights-gate", lambda: pictures.draw_weight_pairs(self.weights, *self.gate()[::-1])
        yield "sleep", lambda: sleep_pictures.draw_sleep(self.observed)
        yield "sleep-blocks", lambda: sleep_pictures.draw_blocks(self.observed)
        yield (
            "sleep-raster",
            lambda: sleep_pictures.draw_rasters(self.observed.result, self.observed.blocks),
        )
        yield "reactivation", self.reactivation
        if shape is not None:
            yield (
                "sleep-weights",
                lambda: sleep_pictures.draw_weight_images(self.observed, shape),
            )


def conclusions(ranks: pd.DataFrame, changes: pd.DataFrame) -> pd.DataFrame:
    """What the replica's page says of its pictures, in numbers, with 95 % intervals over seeds.

    Each is a mean over the sleeps from the second stage on, when there are earlier classes.

    Parameters
    ----------
    ranks, changes : of :meth:`Viewer.changes`

    Returns
    -------
    DataFrame with a row per statement and layer: statement, layer, mean, low, high, seeds. low and
    high are NaN for one seed. The statements, each of which holds where its numbers are below 0:

    - damping: length of the activation of current classes, after/before, less 1;
    - damping of earlier classes: the same of the classes of earlier tasks;
    - damping of current less earlier classes: the difference of these two;
    - difference of current classes: their 1 - cosine similarity, less that of earlier classes;
    - stable rank: after/before, less 1.
    """
    changes, ranks = (part[part["stage"] > 1] for part in (changes, ranks))
    columns = ["statement", "layer", "mean", "low", "high", "seeds"]
    if not len(changes):
        return pd.DataFrame(columns=columns)
    keys = ["seed", "stage", "layer"]
    damping = (changes["after"] / changes["before"] - 1).groupby(
        [*(changes[key] for key in keys), changes["age"]]
    )
    damped: Any = damping.mean().unstack("age")
    moved: Any = changes.groupby([*keys, "age"])["difference"].mean().unstack("age")
    rank: Any = ranks.pivot_table(index=keys, columns="phase", values="stable_rank")
    statements = {
        "damping": damped.get("current"),
        "damping of earlier classes": damped.get("earlier"),
        "damping of current less earlier classes": damped.get("current") - damped.get("earlier"),
        "difference of current classes": moved.get("current") - moved.get("earlier"),
        "stable rank": rank["sleep"] / rank["train"] - 1,
    }
    rows = []
    for statement, values in statements.items():
        per_seed = values.groupby(["layer", "seed"]).mean()
        for layer, of_layer in per_seed.groupby("layer"):
            low, high = interval(of_layer) if len(of_layer) > 1 else (np.nan, np.nan)
            row = {"statement": statement, "layer": layer, "mean": of_layer.mean()}
            rows.append({**row, "low": low, "high": high, "seeds": len(of_layer)})
    return pd.DataFrame(rows, columns=columns)


def draw_all(viewer: Viewer, out: str | Path, say: Callable[[str], object] = print) -> list[Path]:
    """Write all pictures as PNG, the weights of a sleep as GIF, and their numbers as CSV.

    Parameters
    ----------
    viewer : Viewer
    out : folder, made if need be
    say : gets a line for each file, and one where a picture has no use

    Returns
    -------
    list of the files
    """
    check_instance("viewer", viewer, Viewer, "a Viewer")
    out = check_folder("out", out)
    written: list[Path] = []

    def wrote(path: Path) -> None:
        written.append(path)
        say(f"wrote {path}")

    for name, draw in viewer.pictures():
        wrote(_save(draw(), out / f"{name}.png"))
    ranks, changes = viewer.changes()
    current = {k: viewer.run.classes(k) for k in viewer.stages}
    wrote(_save(pictures.draw_differences(changes, current), out / "hidden-differences.png"))
    wrote(_save(pictures.draw_stable_ranks(ranks), out / "stable-ranks.png"))
    tables = {
        "stable-ranks": ranks,
        "hidden-differences": changes,
        "conclusions": conclusions(ranks, changes),
        "sleep-blocks": viewer.observed.blocks,
        "sleep-accuracy": viewer.observed.accuracy,
    }
    for name, table in tables.items():
        with replacing(out / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False)
        wrote(out / f"{name}.csv")
    shape = viewer.image_shape
    if shape is None:
        say("no images of the first layer's weights: the features of these data are no image")
    else:
        path = out / "sleep-weights.gif"
        sleep_pictures.write_weight_animation(viewer.observed, shape, path)
        wrote(path)
    return written


def _figure(axes: Any) -> "Figure":
    figure: Figure = axes.figure
    return figure


def _save(figure: "Figure", path: Path) -> Path:
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=130, format="png", facecolor="white")
    return path


def _first(parts: Sequence[tuple[Array, Array]], n: int = PER_CLASS) -> tuple[Array, Array]:
    """The first ``n`` samples of each class of some (X, y), class after class."""
    some = [(X[rows], y[rows]) for X, y in parts for rows in [before_after.by_class(y, n)]]
    X, y = (np.concatenate(arrays) for arrays in zip(*some, strict=True))
    rows = before_after.by_class(y, n)
    return X[rows], y[rows]
