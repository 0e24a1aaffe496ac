"""less-excitable: active hidden units become less excitable, where a network would sleep."""

import numpy as np
import pytest

import srcnb
from srcnb import MLP
from srcnb.methods.base import train_and_sleep
from srcnb.methods.excitability import less_excitable, lowered


def last(checkpoints):
    *_, checkpoint = checkpoints
    return checkpoint.model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_by_hand(dtype):
    """Two units, one of which is active for three of four samples and the other for one."""
    W = np.array([[1.0, -3.0], [-2.0, 4.0]], dtype)
    out = np.ones((2, 2), dtype)
    net = MLP.from_arrays([W, out])
    X = np.array([[1, 0], [2, 0], [3, 0], [0, 1]])
    m = np.array([(1 + 2 + 3) / 4, 4 / 4]) ** 2
    got = lowered(net, X, by=0.1, power=2)
    expected = W - 0.1 * 2.5 * (m / m.mean())[:, None]
    np.testing.assert_allclose(got.weights[0], expected, rtol=1e-6)
    np.testing.assert_array_equal(got.weights[1], out)
    assert got.dtype == dtype and (net.weights[0] == W).all()  # a copy


def test_units_that_are_never_active_stay():
    net = MLP.from_arrays([-np.ones((3, 2)), np.ones((2, 3))])
    got = lowered(net, np.ones((4, 2)))
    np.testing.assert_array_equal(got.weights[0], net.weights[0])


def test_at_each_moment_of_a_sleep(sequence, protocol):
    """What train_and_sleep gives with the change as its sleep, and outputs on one scale."""

    def change(state, net, stage, random_state):
        return lowered(net, sequence[stage - 1].X, 0.02, 1)

    right = last(train_and_sleep(sequence, protocol, 0, sleep=change))
    got = last(less_excitable(sequence, protocol, 0, by=0.02, power=1, keep=0.5))
    own = last(less_excitable(sequence, protocol, 0, by=0.02, power=1, keep=None))
    for a, b, c in zip(got.net.weights, own.weights, right.weights, strict=True):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, c)
    X = sequence[-1].X
    even = srcnb.homeostasis(right, X, np.arange(6), 0.5, random_state=1)
    assert np.mean(got.predict(X) == even.predict(X)) > 0.8


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(by=-0.1), ValueError, "by must be .*-0.1"),
        (dict(power=-1), ValueError, "power must be .*-1"),
        (dict(keep=2), ValueError, "keep must be .*2"),
        (dict(by="x"), TypeError, "by must be .*'x'"),
    ],
)
def test_bad_options(sequence, protocol, options, error, message):
    with pytest.raises(error, match=message):
        less_excitable(sequence, protocol, 0, **options)
