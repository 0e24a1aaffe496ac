"""Protocol, SleepSchedule, SleepState: networks, training, and when and on what to sleep."""

import pickle
from dataclasses import FrozenInstanceError, replace
from functools import partial

import numpy as np
import pytest

import srcnb
from srcnb import presets, tasks
from srcnb.low_rank import LowRankMLP
from srcnb.protocol import Protocol, ReadOnly, SleepConstants, SleepSchedule, SleepState
from srcnb.spiking.conversion import alpha_factors
from srcnb.spiking.inputs import MeanInput, SampleInput, SegmentInput

CONSTANTS = SleepConstants(
    source="a test", max_rate=100, inc=0.01, dec=0.001, gate="negative", beta=(1, 2, 3)
)


@pytest.mark.parametrize("hidden", [(), (5,), (5, 6), (5, 6, 7)])
def test_any_number_of_hidden_layers(sequence, hidden):
    constants = replace(CONSTANTS, beta=[0.5] * (len(hidden) + 1))
    schedule = SleepSchedule(constants, MeanInput, 40)
    protocol = Protocol("any", hidden, schedule)
    protocol.check_sleeps()
    net = protocol.new_network(sequence, 0)
    assert net.layer_sizes == (20, *hidden, 6)
    state = SleepState(schedule)
    state.update(sequence[0])
    assert len(state.sleep(net, 1, 0).rates) == len(hidden) + 2
    wrong = replace(protocol, hidden=(5, *hidden))
    with pytest.raises(ValueError, match=rf"hidden must be {len(hidden)} layer sizes.*'any'.*got"):
        wrong.check_sleeps()


def test_new_network_is_the_seeds(sequence, protocol):
    one, same, other = (protocol.new_network(sequence, seed).weights[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_network_options_and_rank(sequence, protocol):
    net = replace(protocol, network=dict(dropout=0.5, output="relu")).new_network(sequence, 0)
    assert (net.dropout, net.output) == (0.5, "relu")
    low = replace(protocol, rank=3).new_network(sequence, 0)
    assert isinstance(low, LowRankMLP) and low.weights[0].rank == 3


def test_later_training():
    protocol = Protocol(
        "two rates",
        (5,),
        SleepSchedule(CONSTANTS, MeanInput, 1),
        training=dict(epochs=2, learning_rate=0.1),
        later_training=dict(learning_rate=0.01),
    )
    assert protocol.training_at(1) == dict(epochs=2, learning_rate=0.1)
    for stage in (2, 3):
        assert protocol.training_at(stage) == dict(epochs=2, learning_rate=0.01)


def test_lengths_of_the_sleeps():
    schedule = SleepSchedule(CONSTANTS, MeanInput, first_steps=500, more_steps=166)
    assert [schedule.n_steps(stage) for stage in range(1, 6)] == [500, 666, 832, 998, 1164]


@pytest.mark.parametrize(
    ("every", "due"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4]), (3, [3]), (5, [5]), (6, []), (0, [5])]
)
def test_when_to_sleep(every, due):
    schedule = SleepSchedule(CONSTANTS, MeanInput, 1, every=every)
    assert [stage for stage in range(1, 6) if schedule.is_due(stage, 5)] == due


class Recording:
    """A sleep input that remembers what it was given."""

    def __init__(self):
        self.seen = []

    def update(self, X):
        self.seen.append(X)

    def draw(self, n_steps, rng):
        return np.full((n_steps, self.seen[-1].shape[1]), 0.1)


@pytest.mark.parametrize("data", ["seen", "first", "current"])
def test_what_sleep_input_and_alpha_are_made_from(sequence, protocol, data):
    """The paper's see what was not trained on as well: 60 samples a task, where 40 are learnt."""
    schedule = SleepSchedule(CONSTANTS, Recording, 10, data=data)
    state = SleepState(schedule)
    net = protocol.new_network(sequence, 0)
    first, second, third = sequence
    expected = {
        "seen": [[t.X_all for t in sequence[:k]] for k in (1, 2, 3)],
        "first": [[first.X_all]] * 3,
        "current": [[t.X] for t in sequence],
    }[data]
    given = {
        "seen": [t.X_all for t in sequence],
        "first": [first.X_all],
        "current": [t.X for t in sequence],
    }[data]
    assert len(first.X) == 40 and len(first.X_all) == 60
    for stage, (task, samples) in enumerate(zip(sequence, expected, strict=True), 1):
        state.update(task)
        factors = alpha_factors(net, np.concatenate(samples), "diehl")
        np.testing.assert_allclose(state.config(net, stage).alpha, factors, rtol=1e-6)
    # The network is the same: so α differs only if the samples do.
    assert all(x is y for x, y in zip(state.sleep_input.seen, given, strict=True))


def test_each_run_has_a_sleep_input_of_its_own(sequence):
    schedule = SleepSchedule(CONSTANTS, MeanInput, 10)
    one, other = SleepState(schedule), SleepState(schedule)
    one.update(sequence[0])
    assert one.sleep_input is not other.sleep_input
    with pytest.raises(ValueError):
        other.sleep_input.draw(1, np.random.default_rng(0))


def test_config_has_the_constants(sequence, protocol):
    net = protocol.new_network(sequence, 0)
    fixed = replace(CONSTANTS, alpha=(4, 5, 6), gate="additive")
    config = fixed.config(net, sequence[0].X, 33)
    assert (config.n_steps, config.max_rate, config.inc, config.dec) == (33, 100, 0.01, 0.001)
    assert (config.gate, config.alpha, config.beta) == ("additive", (4, 5, 6), (1, 2, 3))
    scaled = replace(CONSTANTS, alpha_scale=2.5, alpha_form="paper")
    np.testing.assert_allclose(
        scaled.config(net, sequence[0].X, 33).alpha,
        2.5 * alpha_factors(net, sequence[0].X, "paper"),
    )


def test_frozen_and_picklable(protocol):
    for thing, name in (
        (protocol, "cap"),
        (protocol.schedule, "every"),
        (protocol.schedule.constants, "inc"),
    ):
        with pytest.raises(FrozenInstanceError):
            setattr(thing, name, 1)
    for made in (protocol, presets.paper(), presets.replica()):
        again = pickle.loads(pickle.dumps(made))
        assert again.schedule.constants == made.schedule.constants
        assert (again.hidden, again.training) == (made.hidden, made.training)
        assert vars(again.schedule.sleep_input()) == vars(made.schedule.sleep_input())
        assert again == made and hash(again) == hash(made)


def test_the_same_protocols_are_equal(protocol):
    """Also where the sleep input is a new ``partial`` each time."""
    for make in (presets.paper, presets.replica, presets.own):
        assert make() == make() and hash(make()) == hash(make())
    assert presets.paper("mnist") != presets.paper("fashion-mnist")
    inputs = [partial(SegmentInput, 3), partial(SegmentInput, 4), partial(SegmentInput, size=3)]
    inputs += [partial(SampleInput, n_samples=3), MeanInput]
    schedules = {replace(protocol.schedule, sleep_input=x) for x in (*inputs, *inputs)}
    assert len(schedules) == 5
    assert len({protocol, replace(protocol, training={}), replace(protocol)}) == 2


@pytest.mark.parametrize("name", ["network", "training", "later_training"])
def test_options_are_copied_and_read_only(protocol, name):
    given = dict(epochs=3)
    made = replace(protocol, **{name: given})
    given["epochs"] = 4
    options = getattr(made, name)
    assert options == dict(epochs=3) and {**options} == dict(epochs=3) and len(options) == 1
    assert repr(options) == "ReadOnly({'epochs': 3})"
    with pytest.raises(TypeError):
        options["epochs"] = 99
    with pytest.raises(TypeError):
        del options["epochs"]


def test_arguments_of_a_sleep_input_are_read_only(protocol):
    given = partial(SampleInput, n_samples=2)
    schedule = replace(protocol.schedule, sleep_input=given)
    given.keywords["n_samples"] = 5
    assert schedule.sleep_input().n_samples == 2
    with pytest.raises(TypeError):
        schedule.sleep_input.keywords["n_samples"] = 3


def test_read_only_mappings_are_compared_by_content():
    one, same = ReadOnly({"a": 1, "b": 2}), ReadOnly({"b": 2, "a": 1})
    assert one == same and hash(one) == hash(same) and one != ReadOnly({"a": 1})
    assert list(one) == ["a", "b"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(gate="relu"), ValueError, "gate must be .* got 'relu'"),
        (dict(alpha_form="matlab"), ValueError, "alpha_form must be .* got 'matlab'"),
        (dict(alpha_scale=-1), ValueError, "alpha_scale must be .* got -1"),
        (dict(beta=(1, -2)), ValueError, r"beta\[1\] must be .* got -2"),
        (dict(alpha=(1, "x")), TypeError, r"alpha\[1\] must be .* got 'x'"),
        (dict(beta=3), TypeError, "beta must be .* got 3"),
    ],
)
def test_bad_constants(change, error, message):
    with pytest.raises(error, match=message):
        replace(CONSTANTS, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(first_steps=-1), "first_steps must be .* got -1"),
        (dict(more_steps=-5), "more_steps must be .* got -5"),
        (dict(every=-1), "every must be .* got -1"),
        (dict(per_task=0), "per_task must be at least 1, got 0"),
        (dict(data="all"), "data must be .* got 'all'"),
    ],
)
def test_bad_schedules(protocol, change, message):
    with pytest.raises(ValueError, match=message):
        replace(protocol.schedule, **change)


def test_only_tasks_that_are_slept_over_are_in_parts(protocol):
    for every, expected in ((1, [3, 3, 3]), (2, [1, 3, 1]), (0, [1, 1, 3])):
        schedule = replace(protocol.schedule, per_task=3, every=every)
        assert [schedule.parts(stage, 3) for stage in (1, 2, 3)] == expected


def test_sleeps_per_task_divide_the_epochs(protocol):
    schedule = replace(protocol.schedule, per_task=3)
    with pytest.raises(ValueError, match="per_task must divide the epochs of a task, 20, got 3"):
        replace(protocol, schedule=schedule)
    training = {**protocol.training, "epochs": 6}
    thrice = replace(protocol, schedule=schedule, training=training)
    assert thrice.training_at(1, 3) == {**training, "epochs": 2}
    assert thrice.training_at(1) == training
    with pytest.raises(ValueError, match="per_task must divide the epochs of a task, 7, got 3"):
        replace(thrice, later_training={"epochs": 7})
    with pytest.raises(ValueError, match="per_task must be 1 for a network of low rank, got 3"):
        replace(thrice, rank=2)


def test_bad_hidden(protocol):
    with pytest.raises(ValueError, match="hidden must be at least 1, got 0"):
        replace(protocol, hidden=(0, 5))
    with pytest.raises(TypeError, match="hidden"):
        replace(protocol, hidden=5)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(cap=0), ValueError, "cap must be at least 1, got 0"),
        (dict(cap=1.5), TypeError, "cap must be an integer, got 1.5"),
        (dict(rank=0), ValueError, "rank must be at least 1, got 0"),
        (dict(homeostasis=0), ValueError, "homeostasis must be .* got 0"),
        (dict(parallel_epochs=-1), ValueError, "parallel_epochs must be at least 0, got -1"),
        (dict(schedule=None), TypeError, "schedule must be a SleepSchedule, got None"),
        (dict(network=None), TypeError, "network must be a mapping .* got None"),
        (dict(training=[1]), TypeError, r"training must be a mapping .* got \[1\]"),
        (dict(later_training=3), TypeError, "later_training must be a mapping .* got 3"),
        (dict(name=3), TypeError, "name must be a string, got 3"),
    ],
)
def test_bad_protocols(protocol, change, error, message):
    with pytest.raises(error, match=message):
        replace(protocol, **change)


def test_the_smallest_protocol(protocol):
    """NumPy's integers become Python's, which JSON can hold."""
    smallest = replace(protocol, cap=np.int64(1), rank=1, parallel_epochs=0)
    assert (type(smallest.cap), smallest.cap) == (int, 1)
    assert (smallest.rank, smallest.parallel_epochs) == (1, 0)


def test_a_data_set_of_one_task(protocol, easy_data):
    [task] = tasks.domain_incremental([easy_data])
    assert protocol.new_network([task], 0).layer_sizes == (20, 30, 30, 3)


def test_a_schedule_of_targets_is_calibrated():
    """To the network and the sleep input as they are; the budget grows with the length."""
    X = np.random.default_rng(0).random((60, 20), dtype=np.float32)
    targets = srcnb.SleepTargets(
        n_steps=100,
        input_rate=0.1,
        rate=0.05,
        rate_factor=1,
        budget=2,
        budget_factor=1,
        gate_width=0.05,
        rho=0.06,
    )
    schedule = SleepSchedule(targets, partial(srcnb.SampleInput, 1, 0.5), 200, more_steps=100)
    state = SleepState(schedule)
    state.sleep_input.update(X)
    net = srcnb.MLP((20, 40, 30, 4), random_state=0)
    first, third = state.config(net, 1), state.config(net, 3)
    assert (first.n_steps, third.n_steps) == (200, 400)
    assert first == srcnb.calibrate(
        net, state.sleep_input, replace(targets, n_steps=200, budget=4), 1
    )
    assert third.inc[0] == pytest.approx(first.inc[0], rel=0.5)
    assert first == state.config(net, 1)  # as often as it is asked
    slept = state.sleep(net, 1, 0)
    assert slept.rates[1:3] == pytest.approx(first.targets[:2], rel=0.5) and not slept.rates[3]


def test_targets_fit_any_number_of_layers():
    schedule = SleepSchedule(srcnb.SleepTargets(rate=0.1), srcnb.MeanInput, 200)
    for hidden in ((), (40,), (40, 30, 20)):
        Protocol("a", hidden, schedule).check_sleeps()
    with pytest.raises(TypeError, match="constants must be SleepConstants or SleepTargets, got 3"):
        SleepSchedule(3, srcnb.MeanInput, 200)
