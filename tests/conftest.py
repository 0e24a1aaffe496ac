import os
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
