"""Choose the constants of the controls and rivals on training data: a grid for each method.

    python benchmarks/choose_controls.py [--dataset digits] [--seeds 5] [--methods offset lwf]

The test set is never seen: each cell trains on a part of the *training* set (the calibrated
protocol) and is scored on the rest of it, by the accuracy over all classes at the end; each seed
has another split. Prints mean ± sd over seeds of every point of the grids; what is best on digits
and MNIST together is a method's default. One thread a process.
"""

import argparse
from dataclasses import replace
from functools import partial
from itertools import product

import pandas as pd
from joblib import Parallel, delayed

from srcnb import datasets, presets, tasks
from srcnb.experiments.cells import accuracies, one_thread
from srcnb.io import replacing
from srcnb.methods import METHODS

KEEP = (0.1, 0.2, 0.3, 0.5, 0.75)
# What of a method is chosen, and the values that are tried.
GRIDS = {
    "homeostasis": {"keep": KEEP},
    "homeostasis-weights": {"keep": KEEP},
    "src+homeostasis": {"homeostasis": KEEP},
    "src+homeostasis-weights": {"homeostasis": KEEP},
    "offset": {"by": (0.6, 0.8, 0.9, 1.0, 1.2, 1.5)},
    "lwf": {"strength": (None, 0.5, 0.75), "temperature": (1.0, 2.0, 4.0)},
    "streaming-lda": {"shrinkage": (1e-4, 1e-3, 0.01, 0.1, 0.3, 0.5)},
    "streaming-lda-hidden": {"shrinkage": (1e-4, 1e-3, 0.01, 0.1, 0.3, 0.5)},
    "streaming-lda-frozen": {"shrinkage": (1e-4, 1e-3, 0.01, 0.1, 0.3, 0.5)},
    "ridge": {"penalty": (1e-4, 1e-3, 0.01, 0.1)},
}


def points(method):
    """The points of a method's grid, as keyword arguments."""
    grid = GRIDS[method]
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def score(data, method, options, seed, hidden):
    """Validation accuracy over all classes at the end, in percent."""
    protocol = presets.calibrated()
    if hidden is not None:
        protocol = replace(protocol, hidden=(hidden, hidden))
    split = data.validation_split(random_state=seed)
    sequence = tasks.class_incremental(split, groups=2, cap=protocol.cap)
    with one_thread():
        *_, last = partial(METHODS[method], **options)(sequence, protocol, seed)
        return accuracies(last.model, sequence)["all"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="digits", choices=datasets.NAMES)
    parser.add_argument("--methods", nargs="+", default=list(GRIDS), choices=GRIDS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--hidden", type=int, help="units in each hidden layer")
    parser.add_argument("--jobs", type=int, default=-1, help="processes; -1: one a core")
    parser.add_argument("--out", default="controls.csv")
    args = parser.parse_args()
    data = datasets.load(args.dataset)
    grid = [(method, options) for method in args.methods for options in points(method)]
    cells = [(*point, seed) for point in grid for seed in range(100, 100 + args.seeds)]
    scores = Parallel(n_jobs=args.jobs)(delayed(score)(data, *cell, args.hidden) for cell in cells)
    rows = [
        {"method": method, "options": str(options), "seed": seed, "accuracy": accuracy}
        for (method, options, seed), accuracy in zip(cells, scores, strict=True)
    ]
    table = pd.DataFrame(rows)
    with replacing(args.out) as temporary:
        table.to_csv(temporary, index=False)
    means = table.groupby(["method", "options"], sort=False)["accuracy"].agg(["mean", "std"])
    print(means.round(1).to_string())


if __name__ == "__main__":
    main()
