"""A sleep as a file: what comes out is what went in."""

import json

import numpy as np
import pytest
from numpy.random import SeedSequence

from srcnb import MLP, SleepConfig, SleepTargets, calibrate
from srcnb.experiments.sleeps import SavedSleep
from srcnb.methods.base import SleepRecord
from srcnb.spiking.inputs import MeanInput, PatchInput, SampleInput, SegmentInput

CONFIG = SleepConfig(
    7, alpha=[1 / 3, 2], beta=[0.1, 0.2], inc=0.1, dec=1e-7, currents=[0.5, [0.1, 0.2]]
)


class Mine(MeanInput):
    """A user's own sleep input."""


def record(sleep_input, **changes):
    values = dict(
        random_state=SeedSequence([10**30, 2], spawn_key=(3,)),
        config=CONFIG,
        engine="reference",
        sleep_input=sleep_input,
        alone=True,
    )
    return SleepRecord(**values | changes)


@pytest.mark.parametrize(
    "sleep_input",
    [MeanInput(), PatchInput(2, (3, 4)), SegmentInput(5), SampleInput(2, 0.5)],
    ids=lambda x: type(x).__name__,
)
def test_there_and_back(sleep_input, tmp_path):
    X = np.random.default_rng(0).random((6, 12), np.float32)
    sleep_input.update(X)
    saved = SavedSleep.of(record(sleep_input))
    expected = sleep_input.draw(9, np.random.default_rng(1))
    sleep_input.update(X / 2)  # what the run does later changes nothing
    saved.write(tmp_path / "a,input.npz")
    read = SavedSleep.read(tmp_path / "a,input.npz")
    assert read.config == CONFIG and read.header["engine"] == "reference" and read.header["alone"]
    states = [s.generate_state(4).tolist() for s in (read.random_state, record(None).random_state)]
    assert states[0] == states[1]
    again = read.sleep_input()
    assert type(again) is type(sleep_input)
    np.testing.assert_array_equal(again.draw(9, np.random.default_rng(1)), expected)


@pytest.mark.parametrize("output_rate", [None, 0.01])
def test_calibrated_constants_there_and_back(output_rate, tmp_path):
    """Those of each layer: tuples, with None where a layer is to be silent, and currents."""
    net = MLP((6, 5, 4, 3), bias=True, init=0.4, random_state=0)
    net.biases = [np.linspace(-0.1, 0.2, len(b)).astype(b.dtype) for b in net.biases]
    config = calibrate(net, np.full(6, 0.5), SleepTargets(output_rate=output_rate), 0)
    assert len(config.inc) == len(config.gate_width) == len(config.currents[1]) - 1 == 3
    assert (config.targets[-1] is None) == (output_rate is None)
    SavedSleep.of(record(MeanInput(), config=config)).write(tmp_path / "a.npz")
    assert SavedSleep.read(tmp_path / "a.npz").config == config


def test_a_sleep_input_of_ones_own_is_named(tmp_path):
    mine = Mine()
    mine.update(np.full((2, 3), 0.5))
    saved = SavedSleep.of(record(mine))
    with pytest.raises(ValueError, match="sleep_input must be given: the class .*Mine is your own"):
        saved.sleep_input()
    with pytest.raises(ValueError, match="sleep_input must be the class .*Mine, got .*MeanInput"):
        saved.sleep_input(MeanInput)
    assert saved.sleep_input(Mine).mean.tolist() == [0.5] * 3
    mine.generator = np.random.default_rng(0)
    with pytest.raises(TypeError, match="save_networks can't keep generator of the .* Mine, a Gen"):
        SavedSleep.of(record(mine))


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "x.npz"
    with pytest.raises(FileNotFoundError):
        SavedSleep.read(path)
    path.write_bytes(b"PK")
    with pytest.raises(ValueError, match="x.npz can't be read as a sleep of srcnb"):
        SavedSleep.read(path)
    np.savez(path, header=np.array(json.dumps({"format": "srcnb sleep", "format_version": 99})))
    with pytest.raises(ValueError, match="not that of a srcnb sleep, version 1"):
        SavedSleep.read(path)
