"""Choose the constants of srcnb's own protocol on training data: random search, then refinement.

    python benchmarks/search_constants.py [--dataset digits] [--trials 1200] [--out search.csv]

The test set is never seen: each trial trains on a part of the *training* set and is scored on
the rest of it, by the accuracy over all classes after the last sleep, a mean over two seeds. Half
of the trials are drawn at random, half around the best so far; then the best 20 run again with ten
other seeds, each with another split, and the best mean of those is the winner. Each process has one
thread; there are as many as cores.
"""

import argparse
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

from srcnb import SilentLayerWarning, datasets, presets, tasks
from srcnb.experiments.cells import accuracies
from srcnb.io import replacing
from srcnb.methods.src import src

# Parameter → (low, high), searched log-uniformly (rho: uniformly).
SPACE = {
    "max_rate": (20, 480),
    "theta1": (0.01, 10),
    "theta2": (0.003, 10),
    "theta3": (0.03, 30),
    "inc": (5e-5, 5e-2),
    "rho": (0.02, 0.6),
    "first_steps": (100, 1500),
}
LINEAR = ("rho",)
FRESH_SEEDS = range(100, 110)


def draw(rng, around=None):
    """A point of the space: anywhere, or near ``around``."""
    point = {}
    for name, (low, high) in SPACE.items():
        low, high = (low, high) if name in LINEAR else np.log([low, high])
        if around is None:
            value = rng.uniform(low, high)
        else:
            centre = around[name] if name in LINEAR else np.log(around[name])
            value = np.clip(centre + 0.08 * (high - low) * rng.standard_normal(), low, high)
        point[name] = float(value if name in LINEAR else np.exp(value))
    return point


def protocol_of(point, hidden):
    """Our own protocol with a point's constants.

    The later sleeps are longer by a third each, as in both sources.
    """
    rho, inc, first = point["rho"], point["inc"], round(point["first_steps"])
    constants = replace(
        presets.OWN,
        source="a trial",
        max_rate=point["max_rate"],
        beta=(point["theta1"], point["theta2"], point["theta3"]),
        inc=inc,
        dec=inc * rho / (1 - rho),
    )
    return replace(presets.own(constants, first, round(first / 3)), hidden=(hidden, hidden))


def score(data, point, seed, hidden):
    """Validation accuracy over all classes at the end, in percent."""
    from numba import set_num_threads
    from threadpoolctl import threadpool_limits

    set_num_threads(1)
    warnings.simplefilter("ignore", SilentLayerWarning)
    protocol = protocol_of(point, hidden)
    split = data.validation_split(random_state=seed)
    sequence = tasks.class_incremental(split, groups=2, cap=protocol.cap)
    try:
        with threadpool_limits(1):
            *_, last = src(sequence, protocol, seed)
    except (ValueError, OverflowError):  # a sleep that destroys the network scores nothing
        return 0.0
    return accuracies(last.model, sequence)["all"]


def mean_scores(data, points, seeds, hidden, parallel):
    """Mean validation accuracy of each point over the seeds."""
    jobs = [(point, seed) for point in points for seed in seeds]
    scores = parallel(delayed(score)(data, point, seed, hidden) for point, seed in jobs)
    return np.reshape(scores, (len(points), len(seeds))).mean(axis=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="digits", choices=datasets.NAMES)
    parser.add_argument("--trials", type=int, default=1200)
    parser.add_argument("--hidden", type=int, default=400, help="units in each hidden layer")
    parser.add_argument("--finalists", type=int, default=20, help="trials that run again")
    parser.add_argument("--out", default="search.csv")
    args = parser.parse_args()
    data = datasets.load(args.dataset)
    rng = np.random.default_rng(0)
    rows = []
    with Parallel(n_jobs=-1) as parallel, tqdm(total=args.trials, disable=None) as bar:
        while len(rows) < args.trials:
            best = sorted(rows, key=lambda row: -row["accuracy"])[:10]
            refine = len(rows) >= args.trials // 2
            points = [
                draw(rng, best[rng.integers(len(best))] if refine else None)
                for _ in range(min(50, args.trials - len(rows)))
            ]
            scores = mean_scores(data, points, [0, 1], args.hidden, parallel)
            for point, accuracy in zip(points, scores, strict=True):
                rows.append({**point, "accuracy": accuracy})
            bar.update(len(points))
            bar.set_postfix(best=max(row["accuracy"] for row in rows))
        best = sorted(rows, key=lambda row: -row["accuracy"])[: args.finalists]
        scores = mean_scores(data, best, FRESH_SEEDS, args.hidden, parallel)
        for row, fresh in zip(best, scores, strict=True):
            row["fresh"] = fresh
    table = pd.DataFrame(rows).sort_values("fresh", ascending=False)
    with replacing(args.out) as temporary:
        table.to_csv(temporary, index=False)
    print(table.head(20).to_string())


if __name__ == "__main__":
    main()
