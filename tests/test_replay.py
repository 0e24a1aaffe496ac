"""Replays of some neurons: bits, sums in order, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import small_config, small_net
from hypothesis import given, settings
from hypothesis import strategies as st

import srcnb
from srcnb.spiking import replay
from srcnb.spiking.replay import Replay, pack, unpacked


@settings(max_examples=20, deadline=None)
@given(n_steps=st.integers(0, 40), n=st.integers(1, 20), seed=st.integers(0, 99))
def test_bits(n_steps, n, seed):
    spikes = np.random.default_rng(seed).random((n_steps, n)) < 0.3
    bits = pack(spikes)
    assert bits.dtype == np.uint8 and bits.shape == (n_steps, -(-n // 8))
    back = [*unpacked(bits, n)]
    assert len(back) == n_steps
    for one, other in zip(back, spikes, strict=True):
        assert one.dtype == bool
        np.testing.assert_array_equal(one, other)


def test_sums_are_taken_in_order():
    """(1e8 + 1) - 1e8 is 0 in float32, and NumPy's pairs would find the 1s."""
    numbers = np.array([[1e8, *[1.0] * 999, -1e8], [1.0] * 1001], np.float32)
    sums = replay._in_order(numbers)
    assert sums.dtype == np.float32
    np.testing.assert_array_equal(sums, [0, 1001])
    np.testing.assert_array_equal(replay._in_order(numbers[:, :0]), [0, 0])


def of_layer(neurons=(0, 3, 4), **change):
    """The replay of layer 1 of a small network, after a sleep in which these neurons fire."""
    net, rng = small_net("float32"), np.random.default_rng(0)
    config = small_config(100, **change)
    spikes = rng.random((100, 20)) < 0.3
    result = srcnb.simulate(net.weights, spikes, config, record=True)
    bits = {0: pack(result.spikes[0]), 1: pack(result.spikes[1])}
    return Replay.of(net.weights[0], result, 1, bits, neurons), result


@pytest.mark.parametrize("inhibition", [0.0, 0.5])
def test_one_neuron_alone_is_what_it_is_among_others(inhibition):
    together, result = of_layer(inhibition=inhibition)
    assert len(together.rows) == (30 if inhibition else 3)
    alone = together.only(3)
    assert alone.neurons == (3,) and len(alone.rows) == (30 if inhibition else 1)
    n_spikes = 0
    for a, b in zip(together.moments(), alone.moments(), strict=True):
        assert a.step == b.step and a.membrane[1] == b.membrane[0] and a.impulse[1] == b.impulse[0]
        assert a.fired[1] == b.fired[0] == result.spikes[1][a.step, 3]
        if b.fired[0]:
            n_spikes += 1
            place = int(a.fired[:1].sum())
            np.testing.assert_array_equal(a.before[place], b.before[0])
            np.testing.assert_array_equal(a.after[place], b.after[0])
    assert n_spikes > 2


def test_what_is_not_the_sleep_is_refused():
    found, result = of_layer()
    [*found.moments()]
    after = found.after.copy()
    after[1, 2] = np.nextafter(after[1, 2], np.float32(9))
    with pytest.raises(RuntimeError, match="layer 1 has other weights"):
        [*replace(found, after=after).moments()]
    spikes = result.spikes[1].copy()
    spikes[40, 3] ^= True
    with pytest.raises(RuntimeError, match="layer 1 has other spikes at step 40"):
        [*replace(found, own=pack(spikes)).moments()]
