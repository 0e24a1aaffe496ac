"""CIFAR10 and CUB200: features of a network trained elsewhere, from a file of the user's."""

from dataclasses import replace
from functools import cache, partial

import numpy as np
from numpy.random import SeedSequence

from srcnb import datasets, protocols, tasks
from srcnb.asleep.dreams import MeanDream, RunDream
from srcnb.experiments.class_incremental import shuffled_pairs
from srcnb.experiments.runner import Experiment, at_the_end, mean_sd, measurements
from srcnb.methods import METHODS

CIFAR10 = (453.020604, 0.078129, 0.003005, 8.070491, 0.907842, 1.728840, 4.131109)
CIFAR10_MASK = 2047  # of 2048 features
CUB200 = (32, 0.01, 0.001, 1, 1, 1, 1)
CUB200_CAP = 2900
# The source's second task of CUB200 is learnt at this rate.
CUB200_SECOND_RATE = 0.01


_load = cache(datasets.load_features)


def run_cifar10(condition, seed, source):
    """Measurements after each task and each sleep; the pairs of classes in a random order."""
    data = _load(source.features)
    mask = min(CIFAR10_MASK, data.X.shape[1] - 1)
    protocol = replace(
        protocols.matlab_protocol(),
        hidden=(1028, 256),
        cap=None,
        new_night=lambda: protocols.FirstTaskNight(CIFAR10, RunDream(mask), 15000, 0),
        parallel_epochs=None,
    )
    protocol = replace(
        protocol,
        network={**protocol.network, "init": 0.05, "dropout": 0.2},
        training={**protocol.training, "epochs": 4},
    )
    order = shuffled_pairs(data.n_classes, seed)
    sequence = tasks.class_incremental(data, groups=2, order=order)
    return measurements(METHODS[condition["method"]](sequence, protocol, seed), sequence)


class _MeanOfRaw(MeanDream):
    """The mean of features that are not in [0, 1], but are when divided by ``scale``."""

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def learn(self, X):
        super().learn(np.minimum(X / self.scale, 1))


def _cub200_night(scale):
    max_rate, *others = CUB200
    return protocols.MatlabNight((max_rate * scale, *others), _MeanOfRaw(scale), 5000, 0)


def run_cub200(condition, seed, source):
    """Measurements after each half of the classes, and after the one sleep, at the end.

    The source takes the features as they are, not divided by the largest, and 2900 random samples
    of each task.
    """
    data = _load(source.features)
    shuffled = np.random.default_rng([seed, 2]).permutation(len(data.X))
    data = replace(data, X=data.X[shuffled], y=data.y[shuffled])
    protocol = replace(
        protocols.matlab_protocol(),
        hidden=(350, 300),
        new_night=partial(_cub200_night, data.scale),
        parallel_epochs=None,
        # The source sleeps after task 1 as well, and drops what comes of it.
        sleep_every=0,
    )
    protocol = replace(protocol, training={**protocol.training, "epochs": 50})
    scaled = tasks.class_incremental(data, groups=-(-data.n_classes // 2), cap=CUB200_CAP)
    raw = ("X", "X_all", "X_test")
    sequence = [
        replace(task, **{name: data.scale * getattr(task, name) for name in raw}) for task in scaled
    ]
    if condition["method"] == "src":
        return measurements(_slow_second_task(sequence, protocol, seed), sequence)
    return measurements(METHODS[condition["method"]](sequence, protocol, seed), sequence)


def _slow_second_task(sequence, protocol, seed):
    """src, with the source's own rate for its second task; its baseline goes on at the first's."""
    net, night = protocol.new_network(sequence, seed), protocol.new_night()
    for stage, task in enumerate(sequence, 1):
        slower = {} if stage == 1 else {"learning_rate": CUB200_SECOND_RATE}
        net.fit(task.X, task.y, **{**protocol.training, **slower})
        night.learn(task)
        yield stage, "train", net
    yield stage, "sleep", night.sleep(net, stage, SeedSequence([seed, stage]))


def table_cifar10(results):
    """Accuracy over all classes at the end."""
    return mean_sd(at_the_end(results, ["method"]), ["method"], [])


def table_cub200(results):
    """Accuracy on both tasks at each stage."""
    results = results.assign(after=results["stage"].astype(str) + ", " + results["phase"])
    return mean_sd(results, ["method", "after"], ["task"])


EXPERIMENTS = (
    Experiment(
        "cifar10",
        "CIFAR10's features (--features FILE), five tasks",
        [{"method": method} for method in ("sequential", "src", "parallel")],
        run_cifar10,
        table_cifar10,
        needs_features=True,
    ),
    Experiment(
        "cub200",
        "CUB200's features (--features FILE), two tasks, one sleep",
        [{"method": method} for method in ("sequential", "src", "parallel")],
        run_cub200,
        table_cub200,
        needs_features=True,
    ),
)
