"""SleepConfig: what its constants may be, and what follows from them."""

import pickle

import numpy as np
import pytest
from conftest import random_config

from srcnb import SleepConfig


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(n_steps=-1), ValueError, "n_steps.*-1"),
        (dict(n_steps=1.5), TypeError, "n_steps.*1.5"),
        (dict(alpha=[1.0]), ValueError, "alpha and beta.*1 and 2"),
        (dict(alpha=3.0), TypeError, "alpha.*3.0"),
        (dict(alpha=[], beta=[]), ValueError, "alpha and beta.*0"),
        (dict(alpha=[1.0, np.inf]), ValueError, r"alpha\[1\].*inf"),
        (dict(beta=[0.1, -0.2]), ValueError, r"beta\[1\].*-0.2"),
        (dict(inc=-1e-3), ValueError, "inc.*-0.001"),
        (dict(dec=np.nan), ValueError, "dec.*nan"),
        (dict(decay=1.1), ValueError, "decay.*1.1"),
        (dict(inc=[0.1]), ValueError, "inc must be a number, or have one per layer, 2, got 1"),
        (dict(dec=[0.1, -1]), ValueError, r"dec\[1\].*-1"),
        (dict(inc="0.1"), TypeError, "inc must be a number, got '0.1'"),
        (dict(gate_width=0), ValueError, "gate_width.*0"),
        (dict(gate_width=[0.1, 0]), ValueError, r"gate_width\[1\].*0"),
        (dict(gate="sigmoid"), ValueError, "gate.*'sigmoid'"),
        (dict(max_rate=0), ValueError, "max_rate.*0"),
        (dict(dt=-0.001), ValueError, "dt.*-0.001"),
        (dict(inhibition=-1), ValueError, "inhibition.*-1"),
        (dict(currents=0.5), TypeError, "currents.*0.5"),
        (dict(currents=[0.5]), ValueError, "currents must have one entry per layer, 2, got 1"),
        (dict(currents=["x", 0]), (TypeError, ValueError), r"currents\[0\].*'x'"),
        (dict(currents=[0, np.nan]), ValueError, r"currents\[1\].*nan"),
        (dict(currents=[[0.1, np.inf], 0]), ValueError, r"currents\[0\].*inf at index"),
        (dict(currents=[np.zeros((2, 2)), 0]), ValueError, r"currents\[0\].*\(2, 2\)"),
        (dict(currents=[True, 0]), TypeError, r"currents\[0\].*True"),
    ],
)
def test_bad_config(change, error, message):
    with pytest.raises(error, match=message):
        random_config(**(dict(n_steps=5, n_layers=2) | change))


def test_theta():
    config = random_config(5, 3, alpha=[2.0, 0.5, 0.0], beta=[1.0, 1.0, 3.0])
    assert config.theta == (0.5, 2.0, np.inf)


def test_configs_can_be_compared_hashed_and_pickled():
    """Also with arrays of currents."""
    a, b = (random_config(5, 2, currents=[np.array([0.1, 0.2]), 0.5]) for _ in range(2))
    assert a == b and hash(a) == hash(b) and pickle.loads(pickle.dumps(a)) == a
    assert a != random_config(5, 2, currents=[np.array([0.1, 0.3]), 0.5])
    assert a.currents == ((0.1, 0.2), 0.5)


def test_layer_currents():
    config = random_config(5, 2, currents=[np.array([0.1, 0.2]), 0.5])
    first = config.layer_currents(0, 2, np.dtype("float32"))
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, np.array([0.1, 0.2], np.float32))
    np.testing.assert_array_equal(config.layer_currents(1, 3, np.dtype(float)), [0.5] * 3)
    np.testing.assert_array_equal(random_config(5, 2).layer_currents(1, 2, np.dtype(float)), [0, 0])


def test_a_current_for_each_neuron_of_its_layer():
    config = random_config(5, 2, currents=[0.5, np.zeros(3)])
    config.check_layers([7, 3])
    with pytest.raises(ValueError, match=r"currents\[1\] .*\(4,\).*layer 2, got shape \(3,\)"):
        config.check_layers([7, 4])
    with pytest.raises(ValueError, match="alpha must have one number per layer.*3"):
        config.check_layers([7, 3, 2])


def test_numbers_become_pythons_floats():
    config = SleepConfig(
        np.int64(3),
        alpha=np.ones(2),
        beta=[1, 2],
        inc=1,
        dec=np.float32(1),
        decay=1,
        max_rate=1,
        dt=1,
        inhibition=0,
    )
    for name in ("inc", "dec", "decay", "max_rate", "dt", "inhibition"):
        assert type(getattr(config, name)) is float, name
    assert type(config.n_steps) is int and config.alpha == (1.0, 1.0)
    assert all(type(value) is float for value in (*config.alpha, *config.beta))
