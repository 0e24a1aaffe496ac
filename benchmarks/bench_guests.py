"""What one line is worth for a fitted MLPClassifier that has learnt two tasks in turn.

    python benchmarks/bench_guests.py [--seeds 5] [--out benchmarks/results] [--guests NAME …]
    python benchmarks/bench_guests.py --choose [--seeds 3]

scikit-learn's digits: 0 to 4, then 5 to 9, each by calls of ``partial_fit``. Accuracy on the old
and on the new classes, of the test set, in percent:

  before          the classifier as it is
  one line        srcnb.sleep_sklearn(model, X of the last task)
  sleep           the same without homeostasis: by the outputs as they are
  homeostasis     the same without a sleep, n_sleeps=0: a control
  less excitable  another: srcnb.methods.excitability.lowered thirty times in place of the sleeps,
                  then the same homeostasis

``--choose`` is how the numbers of sleeps, of features kept in homeostasis and of times that units
are lowered were chosen: the mean of old and new classes over all guests, on a quarter of the
training set that is held out, another one for each seed. Writes bench_guests.csv, or
choose_guests.csv, and prints a table.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import srcnb
from srcnb import datasets
from srcnb.experiments.tables import as_text, paired, to_markdown
from srcnb.methods.excitability import lowered

# Name → hidden layers, calls of partial_fit per task, whether features are standardized, options.
GUESTS = {
    "100, Adam, 20 calls": ((100,), 20, False, {}),
    "100, Adam, 100 calls": ((100,), 100, False, {}),
    "400-400, Adam, 10 calls": ((400, 400), 10, False, {}),
    "400-400, Adam, 50 calls": ((400, 400), 50, False, {}),
    "200-100-50, Adam, 20 calls": ((200, 100, 50), 20, False, {}),
    "400-400, SGD at 0.01, 20 calls": (
        (400, 400),
        20,
        False,
        {"solver": "sgd", "learning_rate_init": 0.01},
    ),
    "400-400, SGD at 0.05, 20 calls": (
        (400, 400),
        20,
        False,
        {"solver": "sgd", "learning_rate_init": 0.05},
    ),
    "StandardScaler, 100, Adam, 100 calls": ((100,), 100, True, {}),
    "StandardScaler, 400-400, Adam, 10 calls": ((400, 400), 10, True, {}),
}
OLD = 5  # classes of the first task
LOWERED = 30
KEEP = 0.5
GRID = {"sleeps": (0, 1, 3, 6), "lowered": (3, 10, 30)}
KEEPS = (0.2, 0.3, 0.5, 0.75)


def trained(guest, X, y, seed):
    """A Pipeline that has learnt the old classes and then the new; its scaler saw the old only."""
    hidden, calls, standardize, options = GUESTS[guest]
    scaler = (
        StandardScaler() if standardize else StandardScaler(with_mean=False, with_std=False)
    ).fit(X[y < OLD])
    mlp = MLPClassifier(hidden, random_state=seed, **options)
    for task in (y < OLD, y >= OLD):
        for _ in range(calls):
            mlp.partial_fit(scaler.transform(X[task]), y[task], classes=np.arange(2 * OLD))
    return make_pipeline(scaler, mlp)


def less_excitable(model, X, times):
    """The control, before homeostasis: a copy of the Pipeline with units lowered so many times."""
    samples = model[:-1].transform(X)
    net = srcnb.from_sklearn(model[-1])
    for _ in range(times):
        net = lowered(net, samples)
    return make_pipeline(model[0], srcnb.to_sklearn(net, model[-1]))


def even(model, X, keep, seed):
    """A copy with even outputs, by the random numbers that sleep_sklearn takes after its sleeps."""
    return srcnb.sleep_sklearn(model, X, n_sleeps=0, homeostasis=keep, random_state=seed)


def accuracies(model, X, y):
    """Accuracy on old, new and all classes, in percent."""
    right = 100 * (model.predict(X) == y)
    old = y < OLD
    return {"old": right[old].mean(), "new": right[~old].mean(), "all": right.mean()}


def conditions(model, X, seed, choose):
    """(name, share kept, classifier) of each; ``X`` are samples of the last task."""

    def sleeps(**options):
        return srcnb.sleep_sklearn(model, X, random_state=seed, **options)

    if not choose:
        yield "before", None, model
        yield "one line", KEEP, sleeps()
        yield "sleep", None, sleeps(homeostasis=None)
        yield "homeostasis", KEEP, sleeps(n_sleeps=0)
        yield "less excitable", KEEP, even(less_excitable(model, X, LOWERED), X, KEEP, seed)
        return
    for what, numbers in GRID.items():
        for n in numbers:
            changed = (
                sleeps(n_sleeps=n, homeostasis=None)
                if what == "sleeps"
                else less_excitable(model, X, n)
            )
            for keep in KEEPS:
                yield f"{n} {what}", keep, even(changed, X, keep, seed)


def measure(guests, seeds, choose):
    """A row per guest, seed and condition."""
    data = datasets.load("digits")
    for guest in guests:
        for seed in range(seeds):
            used = data.validation_split(random_state=seed) if choose else data
            X, y = used.X, used.y
            model = trained(guest, X, y, seed)
            for name, keep, read in conditions(model, X[y >= OLD], seed, choose):
                row = {"guest": guest, "seed": seed, "condition": name, "keep": keep}
                yield row | accuracies(read, used.X_test, used.y_test)


def table(results):
    """Guests in rows: old / new classes by condition, and all classes, paired by seed."""
    rows = []
    for guest, of_guest in results.groupby("guest", sort=False):
        values = of_guest.pivot(index="seed", columns="condition", values=["old", "new", "all"])
        row = {"classifier": guest, "seeds": len(values)}
        for name in of_guest["condition"].unique():
            row[f"{name}, old / new"] = " / ".join(
                as_text(values[classes, name]) for classes in ("old", "new")
            )
        for control in ("homeostasis", "less excitable"):
            difference = values["all", "one line"] - values["all", control]
            row[f"all classes, over {control}"] = paired(difference)
        rows.append(row)
    return pd.DataFrame(rows).astype(str)


def choice(results):
    """Mean of old and new classes over all guests and seeds, by condition and share kept."""
    results = results.assign(mean=(results["old"] + results["new"]) / 2)
    by = results.pivot_table(index="condition", columns="keep", values="mean", sort=False)
    return by.map("{:.1f}".format).reset_index()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--guests", nargs="+", choices=GUESTS, default=list(GUESTS), metavar="NAME")
    parser.add_argument("--choose", action="store_true")
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", srcnb.RateWarning)
    results = pd.DataFrame(measure(args.guests, args.seeds, args.choose))
    path = args.out / ("choose_guests.csv" if args.choose else "bench_guests.csv")
    with srcnb.io.replacing(path) as temporary:
        results.to_csv(temporary, index=False, float_format="%.4f")
    print(to_markdown(choice(results) if args.choose else table(results)))


if __name__ == "__main__":
    main()
