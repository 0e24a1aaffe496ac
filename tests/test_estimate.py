"""How long cells may take: from what was timed, or from what is finished."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from conftest import tiny_experiment

from srcnb.experiments.cells import Cell, Finished, Source
from srcnb.experiments.estimate import estimate, n_weights
from srcnb.protocol import SleepState
from srcnb.spiking.calibrate import SleepTargets

LONG = SimpleNamespace(n_steps=500)


@pytest.fixture
def parts(monkeypatch):
    """A batch takes 2 s and a step 0.01 s, on a clock of their own."""
    from srcnb import MLP
    from srcnb.experiments import estimate as module

    clock = [0.0]

    def fit(net, X, y, epochs, batch_size, **options):
        clock[0] += 2 * epochs * -(-len(X) // batch_size)

    def sleep(net, sleep_input, config, random_state):
        clock[0] += 0.01 * config.n_steps

    monkeypatch.setattr(MLP, "fit", fit)
    monkeypatch.setattr(module, "sleep", sleep)
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock[0])


def test_batches_and_steps_are_counted(parts, tiny_source):
    """Five tasks of a batch and two epochs; sleeps of 30, 40, … 70 steps; all at once 10 epochs."""
    experiment = tiny_experiment("mnist")
    cells = [Cell({"method": m}, 0) for m in ("sequential", "src", "parallel", "ewc+src")]
    seconds = estimate(experiment, cells, tiny_source(experiment))
    training, sleeps = 2 * 5 * 2, 0.01 * (30 + 40 + 50 + 60 + 70)
    assert seconds == pytest.approx([training, training + sleeps, 10 * 2, training + sleeps])


def test_calibrations_are_counted(parts, sequence, protocol, monkeypatch):
    """Two sleeps a task, each with a calibration of 5 s: more than constants by what these take."""
    from srcnb.experiments import estimate as module

    calibrate = SleepState.config
    monkeypatch.setattr(
        SleepState, "config", lambda *args: module.sleep(None, None, LONG, 0) or calibrate(*args)
    )
    schedule = replace(protocol.schedule, per_task=2, first_steps=100, more_steps=0)
    for constants, more in ((schedule.constants, 0), (SleepTargets(), 3 * 2 * 5)):
        experiment = replace(
            tiny_experiment("mnist"),
            protocol=lambda condition, c=constants: replace(
                protocol, schedule=replace(schedule, constants=c)
            ),
            data=lambda source: [],
            sequence=lambda cell, data, protocol: sequence,
        )
        cells = [Cell({"method": m}, 0) for m in ("sequential", "src")]
        awake, slept = estimate(experiment, cells, Source())
        assert slept - awake == pytest.approx(3 * 2 * 1 + more)


def test_finished_cells_know_better(tiny_source):
    experiment = tiny_experiment("patches")
    condition = experiment.conditions[0]
    finished = [Finished(Cell(condition, seed), [], 3.0 + seed) for seed in (0, 1)]
    cells = [Cell(condition, seed) for seed in (2, 3)]
    assert estimate(experiment, cells, Source(), finished) == [3.5, 3.5]


def test_a_real_estimate_is_of_the_right_size(tiny_source):
    experiment = tiny_experiment("mnist-replica")
    [seconds] = estimate(experiment, [Cell({"method": "src"}, 0)], tiny_source(experiment))
    assert 0 < seconds < 60


def test_a_large_network_is_timed_as_a_small_one(sequence, protocol, tmp_path):
    """Nothing of its size is made, and its time is that of its weights."""
    import tracemalloc

    for width, n in ((10, 20 * 10 + 100 + 60), (40_000, 20 * 40_000 + 40_000**2 + 240_000)):
        assert n_weights(replace(protocol, hidden=(width, width)), sequence) == n
    assert n_weights(replace(protocol, rank=2), sequence) == 2 * (50 + 60 + 36)
    experiment = replace(
        tiny_experiment("mnist"),
        protocol=lambda condition: replace(protocol, hidden=(40_000, 40_000)),
        data=lambda source: [],
        sequence=lambda cell, data, protocol: sequence,
    )
    tracemalloc.start()
    [seconds] = estimate(experiment, [Cell({"method": "sequential"}, 0)], Source())
    assert tracemalloc.get_traced_memory()[1] < 1e9  # its weights alone take 6.4e9 bytes
    tracemalloc.stop()
    assert seconds > 0
