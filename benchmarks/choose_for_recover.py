"""Choose the constants of two controls of the study "recover" on training data.

    python benchmarks/choose_for_recover.py [--seeds 3] [--all [--data-dir DIR]]

Digits, the calibrated protocol, on a quarter of the *training* set that is held out, another one
for each seed. *constant* is scored by the network's own outputs, *less excitable* with homeostasis
at the best of the shares that the study reads with. Prints mean ± sd over seeds of every point.

With --all, *less excitable* for eight networks of digits and MNIST, at fewer points: the mean over
the networks, each with its best share.
"""

import argparse
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
from networks import positive

import srcnb
from srcnb import datasets, presets, tasks
from srcnb.experiments.any_network import KEEPS
from srcnb.experiments.cells import one_thread
from srcnb.experiments.studies import recover
from srcnb.methods.excitability import less_excitable

CONSTANTS = (0.1, 0.2, 0.3, 0.45, 0.6, 0.9, 1.2)
BY, POWERS = (0.01, 0.015, 0.02, 0.03, 0.04, 0.06), (1, 2, 4)
# With --all: (data set, hidden layers, classes per task), and points.
NETWORKS = (
    *(("mnist", (400,) * depth, 2) for depth in (1, 2, 3)),
    *(("digits", (400,) * depth, 2) for depth in (1, 2, 3)),
    ("digits", (100, 100), 2),
    ("digits", (400, 400), 1),
)
POINTS = ((0.01, 4), (0.005, 4), (0.005, 8), (0.01, 8), (0.0025, 8), (0.01, 2))


def scores(run, seed, data, hidden=(400, 400), groups=2):
    """Accuracy in percent by own outputs, and with homeostasis for each of KEEPS."""
    split = data.validation_split(random_state=100 + seed)
    protocol = replace(presets.calibrated(), hidden=hidden)
    sequence = tasks.class_incremental(split, groups=groups, cap=protocol.cap)
    with one_thread():
        *_, last = run(sequence, protocol, seed)
    seen = np.unique(split.y)
    heads = [last.model] + [
        srcnb.homeostasis(last.model, sequence[-1].X, seen, keep, random_state=seed)
        for keep in KEEPS
    ]
    return [100 * np.mean(net.predict(split.X_test) == split.y_test) for net in heads]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=positive, default=3)
    parser.add_argument("--all", action="store_true", help="eight networks of two data sets")
    parser.add_argument("--data-dir")
    args = parser.parse_args()
    seeds = range(args.seeds)
    if args.all:
        data = {name: datasets.load(name, args.data_dir) for name in ("digits", "mnist")}
        for by, power in POINTS:
            run = partial(less_excitable, by=by, power=power, keep=None)
            means = [
                np.mean([max(scores(run, seed, data[name], *rest)[1:]) for name, *rest in NETWORKS])
                for seed in seeds
            ]
            print(f"less excitable {by}, power {power}: {np.round(means, 1)}")
        return
    digits = datasets.load("digits")
    for recover.CONSTANT in CONSTANTS:
        own = [scores(partial(recover.run, "constant"), seed, digits)[0] for seed in seeds]
        print(f"constant {recover.CONSTANT}: {np.mean(own):.1f} ± {np.std(own, ddof=1):.1f}")
    for by, power in product(BY, POWERS):
        run = partial(less_excitable, by=by, power=power, keep=None)
        heads = np.array([scores(run, seed, digits)[1:] for seed in seeds])
        best = heads[:, heads.mean(axis=0).argmax()]
        print(f"less excitable {by}, power {power}: {best.mean():.1f} ± {best.std(ddof=1):.1f}")


if __name__ == "__main__":
    main()
