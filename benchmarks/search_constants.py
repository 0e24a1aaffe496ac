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

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

from srcnb import SilentLayerWarning, datasets, experiment, protocols, tasks

# Parameter → (low, high), searched log-uniformly (growth: uniformly).
SPACE = {
    "max_rate": (20, 480),
    "theta1": (0.01, 10),
    "theta2": (0.003, 10),
    "theta3": (0.03, 30),
    "inc": (5e-5, 5e-2),
    "growth": (0.02, 0.6),
    "first_steps": (100, 1500),
}
LINEAR = ("growth",)
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


def constants_of(point):
    """OwnConstants of a point; the later sleeps are longer by a third each, as in both sources."""
    first = round(point["first_steps"])
    return protocols.OwnConstants(
        max_rate=point["max_rate"],
        theta=(point["theta1"], point["theta2"], point["theta3"]),
        inc=point["inc"],
        growth=point["growth"],
        first_steps=first,
        more_steps=round(first / 3),
    )


def score(data, point, seed):
    """Validation accuracy over all classes at the end, in percent."""
    from numba import set_num_threads
    from threadpoolctl import threadpool_limits

    set_num_threads(1)
    warnings.simplefilter("ignore", SilentLayerWarning)
    split = data.validation_split(random_state=seed)
    protocol = protocols.own_protocol(constants_of(point))
    sequence = tasks.class_incremental(split, groups=2, cap=protocol.cap)
    try:
        with threadpool_limits(1):
            results = experiment.run_experiment(sequence, protocol, ["src"], [seed])
    except (ValueError, OverflowError):  # a sleep that destroys the network scores nothing
        return 0.0
    return results[results["task"] == "all"]["accuracy"].iloc[-1]


def run(data, points, seeds, parallel):
    """Mean validation accuracy of each point over the seeds."""
    jobs = [(point, seed) for point in points for seed in seeds]
    scores = parallel(delayed(score)(data, point, seed) for point, seed in jobs)
    return np.reshape(scores, (len(points), len(seeds))).mean(axis=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="digits", choices=datasets.NAMES)
    parser.add_argument("--trials", type=int, default=1200)
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
                draw(rng, best[rng.integers(len(best))] if refine else None) for _ in range(50)
            ]
            for point, accuracy in zip(points, run(data, points, [0, 1], parallel), strict=True):
                rows.append({**point, "accuracy": accuracy})
            bar.update(len(points))
            bar.set_postfix(best=max(row["accuracy"] for row in rows))
        best = sorted(rows, key=lambda row: -row["accuracy"])[:20]
        for row, fresh in zip(best, run(data, best, FRESH_SEEDS, parallel), strict=True):
            row["fresh"] = fresh
    table = pd.DataFrame(rows).sort_values("fresh", ascending=False)
    table.to_csv(args.out, index=False)
    print(table.head(20).to_string())


if __name__ == "__main__":
    main()
