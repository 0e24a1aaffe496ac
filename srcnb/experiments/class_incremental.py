"""Five tasks of two classes each: the published protocols on MNIST and Fashion-MNIST."""

from functools import lru_cache, partial

import numpy as np

from srcnb import datasets, protocols, tasks
from srcnb.experiments.runner import Experiment, at_the_end, mean_sd, measurements
from srcnb.methods import METHODS


@lru_cache(maxsize=1)  # runs go seed by seed, and an order is a seed's
def five_tasks(dataset, data_dir, cap=5000, order=None):
    """The classes of a data set, two by two; read once for all runs in a row."""
    data = datasets.load(dataset, data_dir)
    return tasks.class_incremental(data, groups=2, order=order, cap=cap)


def shuffled_pairs(n_classes, seed):
    """An order of the classes in which the pairs 0 and 1, 2 and 3, … change places."""
    pairs = np.random.default_rng([seed, 2]).permutation(-(-n_classes // 2))
    order = (c for pair in pairs for c in (2 * pair, 2 * pair + 1))
    return tuple(int(c) for c in order if c < n_classes)


def run(preset, dataset, condition, seed, source):
    """Measurements after each task and each sleep of a method."""
    protocol = protocols.get(preset, dataset)
    sequence = five_tasks(dataset, source.data_dir, protocol.cap)
    return measurements(METHODS[condition["method"]](sequence, protocol, seed), sequence)


def table(results):
    """Accuracy over all classes at the end, and of the first and the last task."""
    last = results.groupby(["method", "seed", "task"], sort=False).tail(1)
    last = last[last["task"].isin(["all", "1", "5"])]
    names = {"all": "all classes", "1": "task 1", "5": "task 5"}
    text = mean_sd(last.assign(task=last["task"].map(names)), ["method"], ["task"])
    per_run = at_the_end(results, ["method"]).groupby("method", sort=False)["seconds"].mean()
    return text.assign(seconds=[f"{s:.0f}" for s in per_run[text["method"]]])


def _experiment(name, preset, dataset, methods, seeds, summary):
    return Experiment(
        name,
        summary,
        [{"method": method} for method in methods],
        partial(run, preset, dataset),
        table,
        seeds,
    )


BASELINES = ["sequential", "src", "parallel"]
EXPERIMENTS = (
    _experiment(
        "mnist",
        "matlab",
        "mnist",
        [
            *BASELINES,
            "src-step-back",
            "src-save-best",
            "ewc",
            "ewc+src",
            "si",
            "si+src",
            "merging",
            "cheat",
        ],
        5,
        "MNIST in five tasks, the paper's protocol: forgetting, SRC, baselines",
    ),
    _experiment(
        "fashion-mnist",
        "matlab",
        "fashion-mnist",
        BASELINES,
        5,
        "the same on Fashion-MNIST",
    ),
    _experiment(
        "mnist-torch",
        "torch",
        "mnist",
        [
            *BASELINES,
            "cheat",
            "cheat-slip",
            "merging",
            "low-rank-merging",
            "low-rank-concat",
            "low-rank-parallel",
        ],
        3,
        "MNIST in five tasks, the torch replica's protocol and its other methods",
    ),
)
