import gzip
import os
import signal
import struct
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from srcnb import MLP, SilentLayerWarning, SleepConfig, presets, tasks
from srcnb.datasets import Dataset
from srcnb.experiments import EXPERIMENTS
from srcnb.experiments.cells import Cell, Source
from srcnb.protocol import SleepConstants, SleepState

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the slow and the long tests as well")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--slow"):
        for item in items:
            if {"slow", "long"} & {*item.keywords}:
                item.add_marker(pytest.mark.skip(reason="takes long: run with --slow"))


def golden_files(pattern):
    """The recorded runs whose names match, as parameters named by their stems."""
    files = sorted(GOLDEN.glob(pattern))
    assert files
    return [pytest.param(dict(np.load(f)), id=f.stem) for f in files]


def assert_gradients(parameters, gradients, loss, h=1e-5):
    """Central differences of ``loss()``, as each parameter is moved in place, are the gradients."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        numeric = np.zeros_like(parameter)
        for i in np.ndindex(parameter.shape):
            kept = parameter[i]
            parameter[i] = kept + h
            up = loss()
            parameter[i] = kept - h
            down = loss()
            parameter[i] = kept
            numeric[i] = (up - down) / (2 * h)
        assert np.linalg.norm(gradient - numeric) < 1e-6 * np.linalg.norm(numeric)


def idx_bytes(array, type_code=8):
    array = np.asarray(array, np.uint8)
    header = bytes((0, 0, type_code, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


def write_images(folder, n=6):
    """MNIST and Fashion-MNIST as IDX files: ten classes of 28×28 images, ``n`` of each.

    The same images are for training and for testing.
    """
    for name in ("mnist", "fashion-mnist"):
        rng = np.random.default_rng(len(name))
        centres = rng.random((10, 28, 28)) > 0.7
        y = np.tile(np.arange(10), n)
        X = np.clip(180 * centres[y] + 75 * rng.random((len(y), 28, 28)), 0, 255)
        (folder / name).mkdir(parents=True)
        for part in ("train", "t10k"):
            for kind, array in (("images-idx3", X), ("labels-idx1", y)):
                file = folder / name / f"{part}-{kind}-ubyte.gz"
                file.write_bytes(gzip.compress(idx_bytes(array)))
    return folder


def features_file(path, n_classes=10, one_hot=False, save=np.savez):
    """A file of features of two samples per class, their labels from 1."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(n_classes), 2)
    x = 5 * rng.random((len(y), 12)) + 3 * (y[:, None] == np.arange(12))
    labels = np.eye(n_classes)[y] if one_hot else y[:, None] + 1
    save(path, **dict(train_x=x, train_y=labels, test_x=1.1 * x, test_y=labels))
    return path


def random_network(sizes, seed, dtype, scale=0.5):
    """Weights of a network of these sizes, normal with this sd."""
    rng = np.random.default_rng(seed)
    return [
        (scale * rng.standard_normal((n_post, n_pre))).astype(dtype)
        for n_pre, n_post in zip(sizes[:-1], sizes[1:], strict=True)
    ]


def random_config(n_steps, n_layers, **change):
    """Constants with which the neurons of a :func:`random_network` fire now and then."""
    constants = dict(
        n_steps=n_steps,
        alpha=[1.0] * n_layers,
        beta=[0.7] * n_layers,
        inc=0.02,
        dec=0.004,
        decay=0.95,
    )
    return SleepConfig(**(constants | change))


def small_net(dtype="float64", **options):
    return MLP((20, 30, 5), dtype=dtype, init=0.4, random_state=0, **options)


def small_config(n_steps=600, **change):
    """Constants of a sleep of two layers of weights."""
    constants = dict(alpha=[1, 1], beta=[0.7, 0.7], inc=0.02, dec=0.004, max_rate=200)
    return SleepConfig(n_steps=n_steps, **(constants | change))


def heed_sigint():
    """For a new process: Ctrl-C works in it, even where these tests run in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def mnist_dir():
    folder = os.environ.get("SRCNB_DATA")
    if not folder or not (Path(folder) / "mnist").is_dir():
        pytest.skip("needs MNIST: set SRCNB_DATA to the folder that holds mnist/")
    return Path(folder)


@pytest.fixture
def easy_data():
    """A Dataset of 3 classes, 20 features, that is learnt in no time and without mistakes."""
    rng = np.random.default_rng(0)
    centres = rng.random((3, 20)) > 0.5

    def draw(n):
        y = np.arange(n) % 3
        return np.clip(0.7 * centres[y] + 0.3 * rng.random((n, 20)), 0, 1), y

    return Dataset("easy", *draw(90), *draw(30), n_classes=3, shape=(4, 5))


@pytest.fixture
def toy_data():
    """A Dataset of 6 classes, 20 features: learnt in no time, but not without mistakes."""
    rng = np.random.default_rng(0)
    centres = rng.random((6, 20)) > 0.5

    def draw(n):
        y = np.arange(n) % 6
        return np.clip(0.4 * centres[y] + 0.6 * rng.random((n, 20)), 0, 1), y

    return Dataset("toy", *draw(180), *draw(120), n_classes=6, shape=(4, 5))


@pytest.fixture
def sequence(toy_data):
    """The toy data as three tasks of two classes each; 40 of 60 samples are trained on."""
    return tasks.class_incremental(toy_data, groups=2, cap=40)


@pytest.fixture
def protocol():
    """Our own protocol with tiny networks and short sleeps in which every layer fires."""
    constants = replace(presets.OWN, max_rate=100, beta=(0.1, 0.1, 0.1))
    own = presets.own(constants, first_steps=90, more_steps=5)
    training = dict(epochs=20, batch_size=10, learning_rate=0.05, momentum=0.5)
    return replace(own, hidden=(30, 30), training=training)


def changes(one, base):
    """The fields in which a Protocol differs from another, its schedule's among them."""
    found = {}
    for name, value in vars(one).items():
        other = getattr(base, name)
        if name == "schedule":
            found |= changes(value, other)
        elif value != other:
            found[name] = value
    return found


def tiny(protocol):
    """The same protocol with 12 units in each hidden layer, short sleeps and 8 samples a task."""
    schedule = replace(protocol.schedule, first_steps=30, more_steps=10)
    cap = None if protocol.cap is None else 8
    return replace(protocol, hidden=(12,) * len(protocol.hidden), schedule=schedule, cap=cap)


def tiny_protocol(experiment, condition):
    """The tiny protocol of a condition."""
    return tiny(experiment.protocol(condition))


def tiny_experiment(name, conditions=slice(None)):
    """An experiment as published, but with tiny protocols, and perhaps fewer conditions."""
    experiment = EXPERIMENTS[name]
    return replace(
        experiment,
        conditions=experiment.conditions[conditions],
        protocol=partial(tiny_protocol, experiment),
    )


@pytest.fixture
def tiny_source(tmp_path):
    """For ``source(experiment)``: six images a class, or a file of two feature vectors a class."""
    write_images(tmp_path / "data")
    features = features_file(tmp_path / "features.npz")

    def source(experiment):
        return Source(str(tmp_path / "data"), features if experiment.needs_features else None)

    return source


@pytest.fixture
def record(monkeypatch, tiny_source):
    """``record(name, seed, **condition)`` measures one condition of a tiny experiment.

    It returns what happened: ``fits`` (what MLP.fit got, and ``n`` samples of ``classes``),
    ``configs`` (the SleepConfig of each sleep, and on ``n`` samples α was found), ``inputs`` (the
    sleep inputs) and ``rows``, the measurements.
    """
    seen = SimpleNamespace()
    fit, config, sleep = MLP.fit, SleepConstants.config, SleepState.sleep

    def recording_fit(net, X, y, **options):
        classes = sorted(set(np.asarray(y).tolist()))
        seen.fits.append(SimpleNamespace(net=net, X=X, n=len(X), classes=classes, **options))
        return fit(net, X, y, **options)

    def recording_config(constants, net, X, n_steps):
        made = config(constants, net, X, n_steps)
        seen.configs.append(SimpleNamespace(config=made, n=len(X)))
        return made

    def recording_sleep(state, *arguments, **options):
        seen.inputs.append(state.sleep_input)
        return sleep(state, *arguments, **options)

    monkeypatch.setattr(MLP, "fit", recording_fit)
    monkeypatch.setattr(SleepConstants, "config", recording_config)
    monkeypatch.setattr(SleepState, "sleep", recording_sleep)

    def run(name, seed=0, **condition):
        experiment = tiny_experiment(name)
        assert condition in experiment.conditions
        seen.fits, seen.configs, seen.inputs = [], [], []
        protocol = experiment.protocol(condition)
        cell = Cell(condition, seed)
        sequence = experiment.sequence(cell, experiment.data(tiny_source(experiment)), protocol)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SilentLayerWarning)  # of constants for larger networks
            seen.rows = list(experiment.measure(cell, sequence, protocol))
        return seen

    return run


@pytest.fixture(scope="session")
def saved_run(tmp_path_factory):
    """A folder of srcnb run: digits in two tasks, tiny networks, two seeds, networks saved."""
    from srcnb import cli

    out = tmp_path_factory.mktemp("run")
    arguments = ["run", "--methods", "sequential", "src", "parallel", "--hidden", "14", "12"]
    arguments += ["--classes-per-task", "5", "--seeds", "2", "--save-networks", "--jobs", "1"]
    assert cli.main([*arguments, "--out", str(out)]) == 0
    return out
