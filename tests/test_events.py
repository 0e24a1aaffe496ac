"""Spikes as lists of events."""

import numpy as np
import pytest

from srcnb.spiking.events import list_events


@pytest.mark.parametrize(
    ("n", "dtype"), [(7, np.uint16), (1 << 16, np.uint16), ((1 << 16) + 1, np.uint32)]
)
def test_events_of_each_step_in_order(n, dtype):
    spikes = np.random.default_rng(0).random((9, n)) < 0.3
    spikes[4] = False
    spikes[8, -1] = True
    events, starts = list_events(spikes)
    assert events.dtype == dtype and starts.dtype == np.uint32 and len(starts) == 10
    for t, s in enumerate(spikes):
        np.testing.assert_array_equal(events[starts[t] : starts[t + 1]], np.flatnonzero(s))


def test_no_steps_and_no_spikes():
    events, starts = list_events(np.zeros((0, 3), bool))
    assert len(events) == 0 and starts.tolist() == [0]
    events, starts = list_events(np.zeros((2, 3), bool))
    assert len(events) == 0 and starts.tolist() == [0, 0, 0]
