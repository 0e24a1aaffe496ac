"""Each experiment is the published one: what is trained, how long, and with which constants.

Nothing is trained and nobody sleeps here: what would be is recorded, and compared with the numbers
of the sources' scripts, which are written down here once more.
"""

from types import SimpleNamespace

import numpy as np
import pytest
from conftest import features_file, images

from srcnb import MLP, datasets, protocols, tasks
from srcnb.experiments import EXPERIMENTS, patches, runner
from srcnb.methods import icarl

# max_rate, inc, dec, β1 … β3, alpha_scale
MNIST = (239.515363, 0.032064, 0.003344, 14.548273, 44.560317, 38.046326, 55.882454)
FASHION = (181.047258, 0.041001, 0.003344, 40.446884, 27.596929, 33.109393, 31.592987)
CIFAR10 = (453.020604, 0.078129, 0.003005, 8.070491, 0.907842, 1.728840, 4.131109)
CROSS = (227.437205, 0.050052, 0.005592, 4.700579, 7.750487, 7.055086, 9.284002)
PATCHES = (64, 0.0035, 0.0002, 1.045, 4.25)
LITTLE_10 = (42.162268, 0.022175, 0.076886, 37.312702, 7.101362, 32.780841, 14.308178)
LITTLE_20 = (56.274254, 0.089164, 0.094930, 39.355043, 18.459940, 35.408674, 2.683161)
LITTLE_40 = (29.393650, 0.031111, 0.000001, 8.102056, 26.252258, 33.832234, 2.023822)
REHEARSAL_10 = (21.0, 0.1, 0.000001, 22.259158, 0.318765, 0, 0.1)
ICARL_100 = (114.365720, 0.042289, 0.005498, 38.451454, 22.198208, 6.893450, 4.253433)
ICARL_MORE = (27.393650, 0.019093, 0.060217, 9.625520, 34.737610, 31.296881, 2.023822)
FIVE_SLEEPS = [15000, 20000, 25000, 30000, 35000]
PER_CLASS = 6  # images of each class in the data of these tests


@pytest.fixture
def record(monkeypatch, tmp_path):
    """``record(name, seed, **condition)`` runs one condition and returns what would happen.

    ``fits`` (what fit got), ``sleeps`` (dream and SleepConfig), ``scaled`` (on how many samples α
    would be found) and ``rows``, the measurements.
    """
    seen = SimpleNamespace()

    def fit(net, X, y, **options):
        classes = sorted(set(np.asarray(y).tolist()))
        seen.fits.append(SimpleNamespace(net=net, X=X, n=len(X), classes=classes, **options))
        return net

    def sleep(net, dream, config, random_state, callback=None, every=None):
        seen.sleeps.append((dream, config))
        if callback:
            callback(config.n_steps, net)
        return net, None

    def alpha_factors(net, X, form):
        assert form == "matlab"
        seen.scaled.append(len(X))
        return np.ones(len(net.weights))

    monkeypatch.setattr(MLP, "fit", fit)
    monkeypatch.setattr(protocols, "sleep", sleep)
    monkeypatch.setattr(protocols, "alpha_factors", alpha_factors)
    monkeypatch.setattr(datasets, "load", lambda name, data_dir: images(name, PER_CLASS))

    def run(name, seed=0, **condition):
        experiment = EXPERIMENTS[name]
        assert condition in experiment.conditions
        features = features_file(tmp_path / "f.npz") if experiment.needs_features else None
        seen.fits, seen.sleeps, seen.scaled = [], [], []
        source = runner.Source(str(tmp_path), features)
        seen.rows = list(experiment.run(condition, seed, source))
        return seen

    return run


def constants(config):
    """As matlab's scripts list them; α is alpha_scale, as the factors are 1 here."""
    assert (config.decay, config.dt, config.inhibition, config.dc) == (0.999, 0.001, 0, 0)
    assert config.gate == "negative" and len(set(config.alpha)) == 1
    return (config.max_rate, config.inc, config.dec, *config.beta, config.alpha[0])


def src(method="src"):
    return dict(method=method)


def ICARL(memory, sleeps=True, exemplars="herding", epochs=4):
    return dict(memory=memory, exemplars=exemplars, epochs=epochs, sleeps=sleeps)


@pytest.mark.parametrize(
    ("name", "condition", "expected", "steps", "scaled"),
    [
        ("mnist", src(), MNIST, FIVE_SLEEPS, [12, 24, 36, 48, 60]),
        ("fashion-mnist", src(), FASHION, FIVE_SLEEPS, [12, 24, 36, 48, 60]),
        ("single-sleep", src(), MNIST, FIVE_SLEEPS, [12, 24, 36, 48, 60]),
        ("during-sleep", src(), MNIST, [35000], [60]),
        ("cross-modal", src(), CROSS, [6665, 12468], [60, 120]),
        ("cross-modal", src("src, as the script runs"), CROSS, [255, 255], [60, 60]),
        ("little-training", dict(epochs=10), LITTLE_10, [20000], [60]),
        ("little-training", dict(epochs=20), LITTLE_20, [20000], [60]),
        ("little-training", dict(epochs=40), LITTLE_40, [20000], [60]),
        ("rehearsal", dict(share=0.05, sleeps=True), MNIST, FIVE_SLEEPS, None),
        ("rehearsal", dict(share=0.1, sleeps=True), REHEARSAL_10, FIVE_SLEEPS, None),
        ("rehearsal", dict(share=0.25, sleeps=True), MNIST, FIVE_SLEEPS, None),
        ("rehearsal", dict(share=0.25, sleeps=False), None, [], []),
        ("icarl", ICARL(100), ICARL_100, FIVE_SLEEPS, None),
        ("icarl", ICARL(1000), ICARL_MORE, FIVE_SLEEPS, None),
        ("icarl", ICARL(2000), ICARL_MORE, FIVE_SLEEPS, None),
        ("icarl", ICARL(2000, sleeps=False), None, [], []),
        ("patches", dict(epochs=2, overlap=17), PATCHES, [30000], [4]),
        ("cifar10", src(), CIFAR10, [15000] * 5, [4] * 5),
    ],
)
def test_sleeps(record, name, condition, expected, steps, scaled):
    seen = record(name, **condition)
    assert [config.n_steps for _, config in seen.sleeps] == steps
    for _, config in seen.sleeps:
        assert constants(config) == pytest.approx(expected)
    assert scaled is None or seen.scaled == scaled


@pytest.mark.parametrize(
    ("name", "condition", "fits"),
    [
        ("mnist", src(), [dict(n=12, epochs=2)] * 5),
        ("mnist", src("parallel"), [dict(n=60, epochs=10)]),
        ("fashion-mnist", src("sequential"), [dict(n=12, epochs=2)] * 5),
        ("fashion-mnist", src("parallel"), [dict(n=60, epochs=10)]),
        ("single-sleep", src(), [dict(n=12, epochs=2)] * 5),
        ("cross-modal", src(), [dict(n=60, epochs=2)] * 2),
        ("cross-modal", src("Fashion-MNIST alone"), [dict(n=60, epochs=2)]),
        ("cross-modal", src("parallel"), [dict(n=120, epochs=2)]),
        ("little-training", dict(epochs=20), [dict(n=60, epochs=20, learning_rate=0.01)]),
        (
            "rehearsal",
            dict(share=0.5, sleeps=False),
            [dict(n=n, epochs=2) for n in (12, 18, 24, 30, 36)],
        ),
        ("icarl", ICARL(100, epochs=10), [dict(output="softmax", epochs=10)] * 5),
        (
            "cifar10",
            src(),
            [dict(n=4, epochs=4, hidden=(1028, 256), init=0.05, dropout=0.2)] * 5,
        ),
    ],
)
def test_trainings(record, name, condition, fits):
    """What differs from matlab's training of MNIST."""
    seen = record(name, **condition).fits
    assert len(seen) == len(fits)
    base = dict(
        batch_size=100,
        learning_rate=0.1,
        momentum=0.5,
        reset_momentum=False,
        hidden=(1200, 1200),
        output="relu",
        init=0.01,
        dropout=0.25,
    )
    for got, expected in zip(seen, fits, strict=True):
        net = got.net
        got.hidden, got.output, got.dropout = net.layer_sizes[1:-1], net.output, net.dropout
        got.init = pytest.approx(np.abs(net.weights[0]).max(), rel=0.01)
        assert net.biases is None and not net.inverted_dropout
        for key, value in {**base, **expected}.items():
            assert getattr(got, key) == value, key


@pytest.mark.parametrize("name", ["mnist", "icarl", "cifar10"])
def test_order_of_the_classes(record, name):
    """In pairs 0 and 1, 2 and 3, …; in a random order of the pairs where the source has one."""
    condition = ICARL(100) if name == "icarl" else src("sequential" if name == "mnist" else "src")
    orders = []
    for seed in range(3):
        seen, new = set(), []
        for fit in record(name, seed, **condition).fits:  # iCaRL's hold earlier classes as well
            new.append(sorted({*fit.classes} - seen))
            seen.update(fit.classes)
        assert sorted(new) == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
        orders.append([pair[0] for pair in new])
    if name == "mnist":
        assert orders == [[0, 2, 4, 6, 8]] * 3
    else:
        assert orders[0] != orders[1] and orders[1] != orders[2]


def test_torch(record, monkeypatch):
    seen = record("mnist-torch", method="src")
    assert [config.n_steps for _, config in seen.sleeps] == [500, 666, 832, 998, 1164]
    for dream, config in seen.sleeps:
        assert (dream.samples_per_iter, dream.mask_fraction) == (10, 0.25)
        assert (config.max_rate, config.inc, config.dec) == (239.515363, 0.001, 0.0001)
        assert (*config.beta, *config.alpha) == pytest.approx(
            (14.548273, 44.560317, 38.046326, 14.983829, 253.17746, 7.7707720)
        )
        assert config.gate == "logistic"
    for fit in seen.fits:
        assert fit.net.layer_sizes == (784, 4000, 4000, 10) and fit.net.output == "softmax"
        assert fit.net.inverted_dropout and fit.net.dropout == 0.25 and fit.reset_momentum
        assert (fit.epochs, fit.batch_size, fit.learning_rate, fit.momentum) == (2, 100, 0.01, 0.5)


@pytest.mark.parametrize(("exemplars", "calls"), [("herding", True), ("random", False)])
def test_exemplars(record, monkeypatch, exemplars, calls):
    called = []
    herding = icarl.herding
    monkeypatch.setattr(icarl, "herding", lambda *args: called.append(1) or herding(*args))
    record("icarl", **ICARL(100, exemplars=exemplars))
    assert bool(called) == calls


@pytest.mark.parametrize("method", ["sequential", "src"])
def test_cub200(record, method):
    """Features as they are; one sleep, at the end, with the input of the mean feature."""
    seen = record("cub200", method=method)
    assert [fit.net.layer_sizes for fit in seen.fits] == [(12, 350, 300, 10)] * 2
    assert [fit.epochs for fit in seen.fits] == [50, 50]
    slower = 0.01 if method == "src" else 0.1
    assert [fit.learning_rate for fit in seen.fits] == [0.1, slower]
    assert [fit.classes for fit in seen.fits] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    largest = max(fit.X.max() for fit in seen.fits)
    assert largest > 3
    if method == "sequential":
        assert not seen.sleeps
        return
    [(dream, config)] = seen.sleeps
    assert config.n_steps == 5000 and seen.scaled == [20]
    # Spikes come with probability 2·dt·max_rate·x, with x the mean feature.
    x = np.concatenate([fit.X for fit in seen.fits]).mean(axis=0)
    rate = dream.rates(1, np.random.default_rng(0))[0] * config.max_rate
    np.testing.assert_allclose(rate, 32 * x, rtol=1e-5)
    assert constants(config)[1:] == (0.01, 0.001, 1, 1, 1, 1)


def test_cub200_takes_2900_random_samples_of_a_task(record, monkeypatch):
    caps = []
    split = tasks.class_incremental
    monkeypatch.setattr(
        tasks, "class_incremental", lambda *a, **o: caps.append(o.get("cap")) or split(*a, **o)
    )
    a, b = (record("cub200", seed, method="src").fits[0].X for seed in (0, 1))
    assert caps == [2900, 2900] and not np.array_equal(a, b)
    np.testing.assert_array_equal(np.sort(a, axis=0), np.sort(b, axis=0))


@pytest.mark.parametrize("overlap", [1, 17, 25])
def test_patches(record, overlap):
    seen = record("patches", epochs=20, overlap=overlap)
    assert [(f.n, f.epochs, f.batch_size, f.learning_rate) for f in seen.fits] == [
        (2, 4, 2, 0.05),
        (2, 20, 2, 0.05),
    ]
    X = patches.images(overlap, np.random.default_rng(0))
    assert X.sum(axis=1).tolist() == [25] * 4
    for i in range(4):
        for j in range(i):
            assert X[i] @ X[j] == overlap


def test_during_sleep_looks_before_it_as_well(record):
    rows = record("during-sleep", method="src").rows
    assert {row["step"] for row in rows} == {0, 35000}
