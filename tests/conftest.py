import os
import signal
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the long tests as well")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="long: run with --slow"))


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


def images(name, n=6):
    """Ten classes of 28×28 images, a few of each."""
    rng = np.random.default_rng(len(name))
    centres = rng.random((10, 784)) > 0.7
    y = np.repeat(np.arange(10), n)
    X = np.clip(0.7 * centres[y] + 0.3 * rng.random((10 * n, 784)), 0, 1).astype(np.float32)
    from srcnb.tasks import Dataset

    return Dataset(name, X, y, X, y, 10, (28, 28))


def features_file(path, n_classes=10, one_hot=False, save=np.savez):
    """A file of features of two samples per class, their labels from 1."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(n_classes), 2)
    x = 5 * rng.random((len(y), 12)) + 3 * (y[:, None] == np.arange(12))
    labels = np.eye(n_classes)[y] if one_hot else y[:, None] + 1
    save(path, **dict(train_x=x, train_y=labels, test_x=1.1 * x, test_y=labels))
    return path


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
def toy_data():
    """A Dataset of 3 classes, 20 features, that can be learnt in no time."""
    from srcnb.tasks import Dataset

    rng = np.random.default_rng(0)
    centres = rng.random((3, 20)) > 0.5

    def draw(n):
        y = np.arange(n) % 3
        return np.clip(0.7 * centres[y] + 0.3 * rng.random((n, 20)), 0, 1), y

    return Dataset("toy", *draw(90), *draw(30), n_classes=3, shape=(4, 5))


@pytest.fixture
def protocol():
    """Our own protocol with tiny networks and short sleeps in which every layer fires."""
    from dataclasses import replace

    from srcnb.protocols import OwnConstants, own_protocol

    constants = OwnConstants(max_rate=100, theta=(0.1, 0.1, 0.1), first_steps=90, more_steps=5)
    return replace(own_protocol(constants), hidden=(12, 12))


@pytest.fixture
def sequence(toy_data):
    """The toy data as three tasks of one class each."""
    from srcnb import tasks

    return tasks.class_incremental(toy_data, groups=1)
