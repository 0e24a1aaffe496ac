"""Streams of your own tables: new classes, drift, imbalance; with and without sleep.

    python docs/examples/own_stream.py               the table of docs/STREAMS.md
    python docs/examples/own_stream.py --encodings   the same streams, features encoded otherwise
    python docs/examples/own_stream.py --choose      how CHOSEN was found, on training data only

Accuracies are means over the classes of the accuracy on each, so that a rare class counts as much
as a common one, on test samples of all classes and domains, after the last task; in percent.
"""

import argparse

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_wine, make_classification
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler

import srcnb
from srcnb.datasets import Dataset
from srcnb.experiments.tables import to_markdown
from srcnb.methods.excitability import lowered
from srcnb.metrics import interval
from srcnb.tasks import class_incremental, domain_incremental

# Samples of each class of covertype (Blackard 1998), whose columns the made-up table has as well.
COVERTYPE = np.array([211840, 283301, 35754, 2747, 9493, 17367, 20510])

# ------------------------------------------------------------------------------ the streams


def dataset(name, X, y, seed):
    """A Dataset with a stratified quarter for testing."""
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.25, stratify=y, random_state=seed)
    return Dataset(name, X, y, X_test, y_test, n_classes=int(y.max()) + 1)


def wine(seed):
    """Three wines, which come one after the other, in a random order."""
    return [dataset("wine", *load_wine(return_X_y=True), 0)]


def twenty(seed):
    """Twenty classes of 100 samples each, which come in fours."""
    X, y = make_classification(
        *(2000, 40), n_informative=20, n_redundant=0, n_classes=20, n_clusters_per_class=1,
        class_sep=2.0, random_state=seed,
    )  # fmt: skip
    return [dataset("twenty", X, y, seed)]


def instruments(seed):
    """The same tumours, measured by three instruments with other gains and zero points."""
    data = dataset("breast cancer", *load_breast_cancer(return_X_y=True), 0)
    centre, spread = data.X.mean(axis=0), data.X.std(axis=0)
    rng = np.random.default_rng(seed)
    domains = [data]
    for number in (2, 3):
        gain, zero = np.exp(rng.normal(0, 0.5, len(spread))), rng.normal(0, 2, len(spread))
        X, X_test = (
            (centre + spread * (gain * (x - centre) / spread + zero)).astype(np.float32)
            for x in (data.X, data.X_test)
        )
        domains.append(Dataset(f"instrument {number}", X, data.y, X_test, data.y_test, 2))
    return domains


def forest(seed):
    """Covertype's columns: 10 numbers, 4 areas, 40 soils; 7 classes as unequal as they are there.

    What is in them is made up, so that there is nothing to download.
    """
    n, rng = 6000, np.random.default_rng(seed)
    numbers, y = make_classification(
        *(n, 10), n_informative=10, n_redundant=0, n_classes=7, flip_y=0, class_sep=1.5,
        weights=COVERTYPE / COVERTYPE.sum(), random_state=seed,
    )  # fmt: skip
    area = np.where(rng.random(n) < 0.5, y % 4, rng.integers(4, size=n))
    soil = np.where(rng.random(n) < 0.3, 5 * y + rng.integers(5, size=n), rng.integers(40, size=n))
    X = np.hstack([1000 + 100 * numbers, np.eye(4)[area], np.eye(40)[soil]])
    return [dataset("forest", X, y, seed)]


# Name → (its data sets, classes per task; None: a data set is a task).
STREAMS = {
    "new classes: wine": (wine, 1),
    "new classes: 20, made up": (twenty, 4),
    "drift: 3 instruments": (instruments, None),
    "imbalance: new classes": (forest, 2),
    "imbalance: one task": (forest, None),
}


def tasks_of(stream, seed, held_out=False):
    """The tasks of a stream; ``held_out``: tested on a quarter of the training samples instead."""
    make, groups = STREAMS[stream]
    data = make(seed)
    if held_out:
        data = [part.validation_split(0.25, random_state=seed) for part in data]
    if groups is None:
        return domain_incremental(data)
    order = np.random.default_rng(seed).permutation(data[0].n_classes).tolist()
    return class_incremental(data[0], groups, order)


# ------------------------------------------------------------------------------ the network


class Halves:
    """Each feature as two intensities: how far it is above its mean, and how far below.

    Mean and spread are those of the first task. 0 is what is usual, 1 is three sd from it or more.
    """

    def __init__(self, X):
        self.scaler = StandardScaler().fit(X)

    def transform(self, X):
        """Intensities in [0, 1], (n, 2·n_features)."""
        z = self.scaler.transform(X) / 3
        return np.clip(np.hstack([z, -z]), 0, 1)


class Standard:
    """Standardised features, within five sd, on which no network can sleep as they are."""

    def __init__(self, X):
        self.scaler = StandardScaler().fit(X)

    def transform(self, X):
        """Numbers of any sign, (n, n_features)."""
        return np.clip(self.scaler.transform(X), -5, 5)


ENCODINGS = {"halves": Halves, "range": srcnb.FeatureScale.of, "standard": Standard}


def learn(tasks, between, learning_rate, seed, encoding="halves"):
    """The network after all tasks, what encodes its features, and the classes seen.

    ``between`` is what is done after each of a task's three epochs: "sleep", "less excitable" (a
    control), or None.
    """
    encoder = ENCODINGS[encoding](tasks[0].X)  # from the first task: no later one is known yet
    first = encoder.transform(tasks[0].X)
    # From features of any sign to intensities and back, for the sleep only.
    scale = srcnb.FeatureScale.of(first) if encoding == "standard" else None
    sizes = (first.shape[1], 200, tasks[0].n_classes)
    net = srcnb.MLP(sizes, bias=False, dropout=0.25, init="large_hidden", random_state=seed)
    sleep_input = srcnb.SampleInput(n_samples=1, keep=0.2)
    rng = np.random.default_rng(seed)
    for task in tasks:
        X = encoder.transform(task.X)
        sleep_input.update(X if scale is None else scale.transform(X))
        for _ in range(3):
            net.fit(X, task.y, epochs=1, batch_size=0.01, learning_rate=learning_rate)
            if between == "sleep":
                net = srcnb.sleep(net, sleep_input, random_state=rng, scale=scale).net
            elif between == "less excitable":
                net = lowered(net, X)
    return net, encoder, np.unique(np.concatenate([task.y for task in tasks]))


KEEPS = (0.1, 0.3, 0.6, 1.0)


def scores(tasks, between, learning_rate, seed, keeps=KEEPS, encoding="halves"):
    """{share of features kept for homeostasis, None without: accuracy} after all tasks."""
    net, encoder, seen = learn(tasks, between, learning_rate, seed, encoding)
    X = encoder.transform(np.concatenate([task.X_test for task in tasks]))
    last = encoder.transform(tasks[-1].X)
    nets = {None: net}
    nets |= {k: srcnb.homeostasis(net, last, seen, k, random_state=seed) for k in keeps}
    y = np.concatenate([task.y_test for task in tasks])
    return {k: 100 * balanced_accuracy_score(y, one.predict(X)) for k, one in nets.items()}


def naive_bayes(tasks):
    """Accuracy of a classifier that keeps a mean and a variance of each class."""
    model = GaussianNB()
    for task in tasks:
        model.partial_fit(task.X, task.y, classes=np.arange(task.n_classes))
    X, y = (np.concatenate([getattr(t, name) for t in tasks]) for name in ("X_test", "y_test"))
    return 100 * balanced_accuracy_score(y, model.predict(X))


# ------------------------------------------------------------------------------ the tables

BETWEEN = (None, "less excitable", "sleep")
LEARNING_RATES = (0.0125, 0.05)
# (stream, encoding, what is done between): learning rate, share of features for homeostasis.
CHOSEN = {
    ("new classes: wine", "halves", None): (0.0125, 0.6),
    ("new classes: wine", "halves", "less excitable"): (0.0125, 0.3),
    ("new classes: wine", "halves", "sleep"): (0.05, 0.3),
    ("new classes: wine", "range", None): (0.0125, 0.6),
    ("new classes: wine", "range", "sleep"): (0.0125, 0.1),
    ("new classes: wine", "standard", None): (0.0125, 0.6),
    ("new classes: wine", "standard", "sleep"): (0.0125, 0.3),
    ("new classes: 20, made up", "halves", None): (0.05, 0.3),
    ("new classes: 20, made up", "halves", "less excitable"): (0.05, 0.3),
    ("new classes: 20, made up", "halves", "sleep"): (0.05, 0.3),
    ("new classes: 20, made up", "range", None): (0.0125, 0.6),
    ("new classes: 20, made up", "range", "sleep"): (0.05, 1.0),
    ("new classes: 20, made up", "standard", None): (0.0125, 0.1),
    ("new classes: 20, made up", "standard", "sleep"): (0.0125, 0.1),
    ("drift: 3 instruments", "halves", None): (0.05, 0.6),
    ("drift: 3 instruments", "halves", "less excitable"): (0.05, 0.3),
    ("drift: 3 instruments", "halves", "sleep"): (0.05, 0.3),
    ("imbalance: new classes", "halves", None): (0.0125, 0.3),
    ("imbalance: new classes", "halves", "less excitable"): (0.0125, 0.3),
    ("imbalance: new classes", "halves", "sleep"): (0.0125, 0.1),
    ("imbalance: new classes", "range", None): (0.0125, 0.6),
    ("imbalance: new classes", "range", "sleep"): (0.0125, 0.3),
    ("imbalance: new classes", "standard", None): (0.0125, 0.1),
    ("imbalance: new classes", "standard", "sleep"): (0.0125, 0.1),
    ("imbalance: one task", "halves", None): (0.05, 0.6),
    ("imbalance: one task", "halves", "less excitable"): (0.05, 0.6),
    ("imbalance: one task", "halves", "sleep"): (0.05, 0.3),
}
# The streams in which features are encoded otherwise as well.
ENCODED = ("new classes: wine", "new classes: 20, made up", "imbalance: new classes")


def choose(stream, encoding, between, seeds):
    """Learning rate and share that are best on a quarter of the training data, held out."""
    found = {}
    for rate in LEARNING_RATES:
        rows = [
            scores(tasks_of(stream, seed, held_out=True), between, rate, seed, encoding=encoding)
            for seed in seeds
        ]
        found[rate] = {head: np.mean([row[head] for row in rows]) for head in rows[0]}
    rate = max(found, key=lambda rate: max(found[rate].values()))
    return rate, max(KEEPS, key=lambda keep: found[rate][keep])


def measure(stream, encoding, between, seeds):
    """Accuracy with each seed by the network's own outputs, and by those brought to one scale."""
    rate, keep = CHOSEN[stream, encoding, between]
    rows = [scores(tasks_of(stream, s), between, rate, s, [keep], encoding) for s in seeds]
    own, even = np.array([[row[None], row[keep]] for row in rows]).T
    return own, even


def spread(values):
    """Mean ± sd."""
    return f"{np.mean(values):.1f} ± {np.std(values, ddof=1) if len(values) > 1 else 0:.1f}"


def difference(values):
    """Mean, with a 95 % interval of Student's t where there are two or more."""
    low, high = interval(values) if len(values) > 1 else (np.nan, np.nan)
    return f"{np.mean(values):+.1f} [{low:+.1f}, {high:+.1f}]"


def table(seeds):
    """A row for each stream."""
    rows = []
    for stream in STREAMS:
        found = {b: measure(stream, "halves", b, seeds) for b in BETWEEN}
        even = {b: found[b][1] for b in BETWEEN}
        rows.append(
            {
                "stream": stream,
                "no sleep": spread(found[None][0]),
                "sleep": spread(found["sleep"][0]),
                "no sleep, homeostasis": spread(even[None]),
                "less excitable, homeostasis": spread(even["less excitable"]),
                "sleep, homeostasis": spread(even["sleep"]),
                "over homeostasis": difference(even["sleep"] - even[None]),
                "over less excitable": difference(even["sleep"] - even["less excitable"]),
                "naive Bayes": spread([naive_bayes(tasks_of(stream, s)) for s in seeds]),
            }
        )
    return pd.DataFrame(rows)


def table_of_encodings(seeds):
    """A row for each stream and encoding, with homeostasis."""
    rows = []
    for stream in ENCODED:
        for encoding in ENCODINGS:
            none, sleep = (measure(stream, encoding, b, seeds)[1] for b in (None, "sleep"))
            rows.append(
                {
                    "stream": stream,
                    "features": encoding,
                    "no sleep": spread(none),
                    "sleep": spread(sleep),
                    "sleep over no sleep": difference(sleep - none),
                }
            )
    return pd.DataFrame(rows)


def main():
    """Print a table, or what is chosen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0 … SEEDS - 1")
    parser.add_argument("--encodings", action="store_true", help="other encodings of features")
    parser.add_argument("--choose", action="store_true", help="choose on training data again")
    options = parser.parse_args()
    seeds = range(options.seeds)
    if options.choose:
        for stream in STREAMS:
            for encoding in ENCODINGS if stream in ENCODED else ("halves",):
                for between in BETWEEN if encoding == "halves" else (None, "sleep"):
                    key = stream, encoding, between
                    print(f"    {key}: {choose(*key, seeds)},", flush=True)
    else:
        found = table_of_encodings(seeds) if options.encodings else table(seeds)
        print(to_markdown(found))


if __name__ == "__main__":
    main()
