"""SleepReplayClassifier beside what scikit-learn's users would take, on the same streams.

    python benchmarks/bench_estimator.py [--streams digits …] [--seeds 5] [--calls 100] [--out DIR]

A stream is a sequence of tasks; a learner gets each by ``partial_fit``, once, and is measured on
the test samples of all classes (of drift: all domains) after each. A seed draws the split into
training and test samples (30 %, but of digits, whose split is the library's), the order of the
classes, and the learner's random numbers. Peers get features standardized by all training samples,
which a stream would not know yet; ours get them as they are.

  sleep         SleepReplayClassifier(sleep_when="always"), which on streams of new classes is the
                default
  no sleep      the same with sleep_when="never": homeostasis is left, the control
  own outputs   the same without homeostasis as well
  MLP           MLPClassifier, as large, 30 passes a task, and so SGD (logistic regression)
  naive Bayes   GaussianNB
  LDA           streaming linear discriminant analysis (srcnb.methods.rivals), ε = 0.3
  River         an adaptive random forest, where River is installed

MLP and SGD keep nothing but their weights, as ours do; naive Bayes and LDA keep a mean and a
variance of each class, or a covariance; the forest its trees.

Writes bench_estimator.csv (a row per measurement) and bench_estimator.md (the tables). Times are
ratios within one seed, median over the seeds; size is that of the pickled learner at the end.
With --calls it then times so many calls of partial_fit with three sleeps each, and traces memory.
"""

import argparse
import pickle
import time
import tracemalloc
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from networks import positive
from sklearn.datasets import load_breast_cancer, load_wine, make_classification
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from srcnb import SleepReplayClassifier, datasets, tasks
from srcnb.datasets import Dataset
from srcnb.experiments.tables import as_text, paired, to_markdown
from srcnb.io import check_folder, replacing
from srcnb.methods.rivals import SHRINKAGE, Discriminant

try:
    from river.forest import ARFClassifier
except ImportError:
    ARFClassifier = None

PASSES = 30


def data_of(X, y, name, seed):
    """A Dataset of a table, split by the seed."""
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)
    return Dataset(name, X, y, X_test, y_test, int(y.max()) + 1)


def new_classes(data, per_task, seed):
    """Classes in a random order, so many in each task."""
    order = np.random.default_rng(seed).permutation(data.n_classes).tolist()
    return tasks.class_incremental(data, per_task, order)


def made_up(seed):
    """20 classes of made-up data."""
    X, y = make_classification(
        3000,
        n_features=40,
        n_informative=20,
        n_classes=20,
        n_clusters_per_class=1,
        class_sep=2.0,
        random_state=seed,
    )
    return new_classes(data_of(X, y, "made up", seed), 2, seed)


def drift(seed):
    """Digits, even or odd: the same two classes, of two more digits in each task."""
    order = np.random.default_rng(seed)
    pairs = zip(order.permutation([0, 2, 4, 6, 8]), order.permutation([1, 3, 5, 7, 9]), strict=True)
    groups = [[int(even), int(odd)] for even, odd in pairs]
    return tasks.domain_incremental(datasets.load("digits"), groups)


STREAMS = {
    "digits, two classes a task": lambda seed: new_classes(datasets.load("digits"), 2, seed),
    "made up, 20 classes, two a task": made_up,
    "wine, one class a task": lambda seed: new_classes(
        data_of(*load_wine(return_X_y=True), "wine", seed), 1, seed
    ),
    "breast cancer, one class a task": lambda seed: new_classes(
        data_of(*load_breast_cancer(return_X_y=True), "cancer", seed), 1, seed
    ),
    "drift: even or odd, other digits": drift,
}


class Ours:
    """An estimator of ours; ``learn(task)`` is one call of partial_fit."""

    passes, standardized = 1, False

    def __init__(self, seed, **options):
        self.estimator = self.make(seed, **options)

    def make(self, seed, **options):
        return SleepReplayClassifier(random_state=seed, **options)

    def learn(self, task):
        for _ in range(self.passes):
            self.estimator.partial_fit(task.X, task.y, classes=np.arange(task.n_classes))

    def predict(self, X):
        return self.estimator.predict(X)


class Peer(Ours):
    """An estimator of scikit-learn."""

    standardized = True

    def __init__(self, seed, kind, passes=1, **options):
        self.estimator, self.passes = kind(**options), passes
        if "random_state" in self.estimator.get_params():
            self.estimator.set_params(random_state=seed)


class StreamingLDA(Ours):
    """Ours as well, but a rival."""

    standardized = True

    def make(self, seed):
        return Discriminant(np.random.default_rng(seed), "input", SHRINKAGE["input"])

    def learn(self, task):
        self.estimator.learn(None, task, {})

    def predict(self, X):
        return self.estimator.model(None).predict(X)


class Forest(Ours):
    """River learns and predicts one sample at a time."""

    standardized = True

    def make(self, seed):
        return ARFClassifier(seed=seed)

    def learn(self, task):
        for x, label in zip(task.X, task.y, strict=True):
            self.estimator.learn_one(dict(enumerate(x.tolist())), int(label))

    def predict(self, X):
        return np.array([self.estimator.predict_one(dict(enumerate(x.tolist()))) for x in X])


def learners():
    """{name: what makes it from a seed}."""
    found = {
        "sleep": partial(Ours, sleep_when="always"),
        "no sleep": partial(Ours, sleep_when="never"),
        "own outputs": partial(Ours, sleep_when="never", homeostasis=None),
        "MLP": partial(Peer, kind=MLPClassifier, passes=PASSES, hidden_layer_sizes=(400, 400)),
        "SGD": partial(Peer, kind=SGDClassifier, passes=PASSES, loss="log_loss"),
        "naive Bayes": partial(Peer, kind=GaussianNB),
        "LDA": StreamingLDA,
    }
    if ARFClassifier is not None:
        found["River"] = Forest
    return found


def measure(stream, seed):
    """Rows of all learners on a stream."""
    sequence = STREAMS[stream](seed)
    scaler = StandardScaler().fit(np.concatenate([t.X for t in sequence]))
    X_test = np.concatenate([t.X_test for t in sequence])
    y_test = np.concatenate([t.y_test for t in sequence])
    standardized = [Scaled(t, scaler.transform(t.X)) for t in sequence]
    for name, make in learners().items():
        learner, seconds = make(seed), 0.0
        its = standardized if learner.standardized else sequence
        X = scaler.transform(X_test) if learner.standardized else X_test
        for stage, task in enumerate(its, 1):
            start = time.perf_counter()
            learner.learn(task)
            seconds += time.perf_counter() - start
            yield {
                "stream": stream,
                "learner": name,
                "seed": seed,
                "stage": stage,
                "accuracy": 100 * np.mean(learner.predict(X) == y_test),
                "seconds": seconds,
                "bytes": len(pickle.dumps(learner.estimator)) if stage == len(its) else None,
            }


class Scaled:
    """A task with other features."""

    def __init__(self, task, X):
        self.X, self.y, self.n_classes = X, task.y, task.n_classes


def table(results):
    """A row per learner of one stream."""
    last = results[results["stage"] == results["stage"].max()].set_index("seed")
    slept = last[last["learner"] == "sleep"]
    rows = []
    for name, of_learner in results.groupby("learner", sort=False):
        end = of_learner[of_learner["stage"] == of_learner["stage"].max()].set_index("seed")
        row = {"learner": name}
        for stage, at in of_learner.groupby("stage"):
            row[f"after {stage}"] = as_text(at["accuracy"])
        row["sleep over it"] = (
            "" if name == "sleep" else paired(slept["accuracy"] - end["accuracy"])
        )
        row["time"] = f"{(end['seconds'] / slept['seconds']).median():.2g}"
        row["kB"] = f"{end['bytes'].mean() / 1000:,.0f}"
        rows.append(row)
    return pd.DataFrame(rows)


def long_stream(n_calls):
    """A row on so many calls, each a task with three sleeps: does time or memory grow?"""
    data = datasets.load("digits")
    pairs = tasks.class_incremental(data)
    clf = SleepReplayClassifier(sleep_when="always", random_state=0)
    seconds, kept, pickled = [], [], []
    tracemalloc.start()
    for call in range(n_calls + 1):
        task = pairs[call % len(pairs)]
        start = time.perf_counter()
        clf.partial_fit(task.X, task.y, classes=range(10))
        seconds.append(time.perf_counter() - start)
        kept.append(tracemalloc.get_traced_memory()[0])
        pickled.append(len(pickle.dumps(clf)))
    tracemalloc.stop()
    n = min(10, n_calls // 2)

    def last_over_first(values):
        """Of the calls that sleep, all but the first."""
        return np.median(values[-n:]) / np.median(values[1 : n + 1])

    return {
        "calls": n_calls,
        "sleeps": clf.n_sleeps_,
        "time of the last ten over the first ten": f"{last_over_first(seconds):.2f}",
        "memory kept": f"{last_over_first(kept):.3f}",
        "pickled": f"{last_over_first(pickled):.3f}",
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", nargs="+", default=[*STREAMS], help="beginnings of names")
    parser.add_argument("--seeds", type=positive, default=5)
    parser.add_argument("--calls", type=int, default=100, help="of the long stream; 0: none")
    parser.add_argument("--out", default=Path(__file__).with_name("results"))
    args = parser.parse_args()
    out = check_folder("out", args.out)
    warnings.simplefilter("ignore")
    if ARFClassifier is None:
        print("River is not installed: left out")
    chosen = [s for s in STREAMS if any(s.startswith(name) for name in args.streams)]
    next(measure(chosen[0], 0))  # compiles
    results = pd.DataFrame(
        row for stream in chosen for seed in range(args.seeds) for row in measure(stream, seed)
    )
    with replacing(out / "bench_estimator.csv") as temporary:
        results.to_csv(temporary, index=False, float_format="%.5g")
    text = ""
    for stream, of_stream in results.groupby("stream", sort=False):
        text += f"### {stream}\n\n{to_markdown(table(of_stream))}\n"
    if args.calls > 0:
        text += f"### A long stream\n\n{to_markdown(pd.DataFrame([long_stream(args.calls)]))}"
    with replacing(out / "bench_estimator.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
