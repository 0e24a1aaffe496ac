"""Choose the constants of two controls of the study "recover" on training data.

    python benchmarks/choose_for_recover.py [--seeds 3]

Digits, the calibrated protocol, on a quarter of the *training* set that is held out, another one
for each seed. *constant* is scored by the network's own outputs, *less excitable* with homeostasis
at the best of the shares that the study reads with. Prints mean ± sd over seeds of every point.
"""

import argparse
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


def scores(run, seed):
    """Accuracy in percent by own outputs, and with homeostasis for each of KEEPS."""
    split = datasets.load("digits").validation_split(random_state=100 + seed)
    sequence = tasks.class_incremental(split, groups=2)
    with one_thread():
        *_, last = run(sequence, presets.calibrated(), seed)
    seen = np.unique(split.y)
    heads = [last.model] + [
        srcnb.homeostasis(last.model, sequence[-1].X, seen, keep, random_state=seed)
        for keep in KEEPS
    ]
    return [100 * np.mean(net.predict(split.X_test) == split.y_test) for net in heads]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=positive, default=3)
    seeds = range(parser.parse_args().seeds)
    for recover.CONSTANT in CONSTANTS:
        own = [scores(partial(recover.run, "constant"), seed)[0] for seed in seeds]
        print(f"constant {recover.CONSTANT}: {np.mean(own):.1f} ± {np.std(own, ddof=1):.1f}")
    for by, power in product(BY, POWERS):
        run = partial(less_excitable, by=by, power=power, keep=None)
        heads = np.array([scores(run, seed)[1:] for seed in seeds])
        best = heads[:, heads.mean(axis=0).argmax()]
        print(f"less excitable {by}, power {power}: {best.mean():.1f} ± {best.std(ddof=1):.1f}")


if __name__ == "__main__":
    main()
