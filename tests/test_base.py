"""The one loop that trains and sleeps."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from srcnb import sleep
from srcnb.methods import METHODS
from srcnb.methods.base import Learner, all_samples, train_and_sleep
from srcnb.methods.controls import own_classes
from srcnb.mlp import MLP
from srcnb.spiking.inputs import MeanInput


def weights_of(checkpoints):
    """{(stage, phase): weights}, as they are when it yields."""
    return {(c.stage, c.phase): [w.copy() for w in c.model.weights] for c in checkpoints}


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


class Spy(Learner):
    """Remembers what it is given."""

    def __init__(self, rng):
        super().__init__(rng)
        self.learnt = []

    def learn(self, net, task, training):
        self.learnt.append((task, training))
        super().learn(net, task, training)


def test_a_learner_has_random_numbers_of_its_own(sequence, protocol):
    """Not those of the network's start, so that a method's draws do not go with its weights."""
    draws = []

    def make(rng):
        draws.append(rng.random())
        return Learner(rng)

    for seed in (0, 1):
        next(train_and_sleep(sequence, protocol, seed, make, sleeps=False))
        draws.append(np.random.default_rng(seed).random())
    assert len(set(draws)) == 4


def test_it_trains_and_sleeps_by_hand(sequence, protocol):
    """Task by task, the same numbers as from fit() and sleep() themselves."""
    got = weights_of(train_and_sleep(sequence, protocol, 3))
    net = protocol.new_network(sequence, 3)
    for stage, task in enumerate(sequence, 1):
        net.fit(task.X, task.y, **protocol.training)
        assert same(got[stage, "train"], net.weights)
        sleep_input = protocol.schedule.sleep_input()
        sleep_input.update(task.X)
        config = protocol.schedule.constants.config(net, task.X, protocol.schedule.n_steps(stage))
        net = sleep(net, sleep_input, config, np.random.SeedSequence([3, stage])).net
        assert same(got[stage, "sleep"], net.weights)


def often(protocol, parts, **constants):
    """The same with several sleeps a task."""
    schedule = replace(protocol.schedule, per_task=parts)
    return replace(
        protocol, schedule=replace(schedule, constants=replace(schedule.constants, **constants))
    )


def test_several_sleeps_a_task_by_hand(sequence, protocol):
    """Its epochs in parts, momentum going on, each part with a sleep of its own."""
    got = weights_of(train_and_sleep(sequence, often(protocol, 4), 3))
    assert [*got] == [(stage, phase) for stage in (1, 2, 3) for phase in ("train", "sleep")]
    net = protocol.new_network(sequence, 3)
    for stage, task in enumerate(sequence, 1):
        for part in (1, 2, 3, 4):
            training = {**protocol.training, "epochs": 5, "reset_momentum": part == 1}
            net.fit(task.X, task.y, **training)
            if part == 4:
                assert same(got[stage, "train"], net.weights)
            sleep_input = protocol.schedule.sleep_input()
            sleep_input.update(task.X)
            n_steps = protocol.schedule.n_steps(stage)
            config = protocol.schedule.constants.config(net, task.X, n_steps)
            key = [3, stage] if part == 4 else [3, stage, part]
            net = sleep(net, sleep_input, config, np.random.SeedSequence(key)).net
        assert same(got[stage, "sleep"], net.weights)


@pytest.mark.filterwarnings("ignore::srcnb.NoChangeWarning")
def test_parts_alone_change_nothing(sequence, protocol):
    """Sleeps without plasticity, however many: the network of sequential training, bit for bit."""
    still = often(protocol, 5, inc=0.0, dec=0.0)
    got = weights_of(train_and_sleep(sequence, still, 3))
    expected = weights_of(train_and_sleep(sequence, protocol, 3, sleeps=False))
    for (stage, phase), weights in expected.items():
        assert same(got[stage, phase], weights)


@pytest.mark.parametrize(
    "method", ["ewc+src", "si+src", "rehearsal+src", "icarl+src", partial(own_classes, sleeps=True)]
)
def test_all_methods_sleep_as_often(sequence, protocol, method, monkeypatch):
    calls = []
    monkeypatch.setattr(
        "srcnb.protocol.sleep", lambda *args, **kw: calls.append(1) or sleep(*args, **kw)
    )
    for parts in (1, 2):
        run = METHODS.get(method, method)
        assert len([*run(sequence, often(protocol, parts), 0)]) == 6
        assert len(calls) == 3 * parts
        calls.clear()


@pytest.mark.slow
@pytest.mark.parametrize(("parts", "every"), [(1, 1), (4, 1), (4, 2), (4, 0)])
@pytest.mark.parametrize("reset", [True, False])
def test_a_first_network_is_not_trained_again(sequence, protocol, reset, parts, every):
    """And gives what a new one does, to the last bit, its momentum included."""
    later = {"reset_momentum": reset}
    protocol = often(replace(protocol, later_training=later), parts)
    protocol = replace(protocol, schedule=replace(protocol.schedule, every=every))
    expected = weights_of(train_and_sleep(sequence, protocol, 3))
    first = protocol.new_network(sequence, 3)
    first.fit(
        sequence[0].X, sequence[0].y, **protocol.training_at(1, protocol.schedule.parts(1, 3))
    )
    before = [w.copy() for w in first.weights]
    spies = []
    for _ in range(2):
        made = train_and_sleep(sequence, protocol, 3, lambda rng: spied(spies, rng), first=first)
        got = weights_of(made)
        assert got.keys() == expected.keys()
        assert all(same(got[moment], expected[moment]) for moment in expected)
    assert same(first.weights, before)
    [*train_and_sleep(sequence, often(protocol, 1), 3, first=first, sleeps=False)]
    assert same(first.weights, before)


def test_what_is_dropped_is_not_slept_over_in_between(sequence, protocol):
    with pytest.raises(ValueError, match="per_task must be 1 with aside, got 2"):
        next(train_and_sleep(sequence, often(protocol, 2), 3, aside=True))


def spied(spies, rng):
    spies.append(Spy(rng))
    return spies[-1]


def test_without_sleep_only_the_trainings(sequence, protocol):
    got = weights_of(train_and_sleep(sequence, protocol, 0, sleeps=False))
    assert list(got) == [(1, "train"), (2, "train"), (3, "train")]
    # The first is the one that sleeps as well: it starts from the same network.
    slept = weights_of(train_and_sleep(sequence, protocol, 0))
    assert same(got[1, "train"], slept[1, "train"])
    assert not same(slept[1, "train"], slept[1, "sleep"])
    assert not same(got[2, "train"], slept[2, "train"])


@pytest.mark.parametrize(("every", "due"), [(1, [1, 2, 3]), (2, [2]), (0, [3])])
def test_sleeps_when_it_is_due(sequence, protocol, every, due):
    protocol = replace(protocol, schedule=replace(protocol.schedule, every=every))
    checkpoints = list(train_and_sleep(sequence, protocol, 0))
    assert [c.stage for c in checkpoints if c.phase == "sleep"] == due
    assert [c.stage for c in checkpoints if c.phase == "train"] == [1, 2, 3]


def test_aside_goes_on_from_the_awake_network(sequence, protocol):
    aside = weights_of(train_and_sleep(sequence, protocol, 0, aside=True))
    awake = weights_of(train_and_sleep(sequence, protocol, 0, sleeps=False))
    assert list(aside) == [(k, phase) for k in (1, 2, 3) for phase in ("train", "sleep")]
    for stage in (1, 2, 3):
        assert same(aside[stage, "train"], awake[stage, "train"])
        assert not same(aside[stage, "train"], aside[stage, "sleep"])


def test_later_training_is_for_later_tasks(sequence, protocol):
    spies = []

    def make(rng):
        spies.append(Spy(rng))
        return spies[0]

    protocol = replace(protocol, later_training=dict(epochs=3))
    list(train_and_sleep(sequence, protocol, 0, make))
    assert [training["epochs"] for _, training in spies[0].learnt] == [20, 3, 3]
    assert all(a is b for (a, _), b in zip(spies[0].learnt, sequence, strict=True))


def test_the_sleep_can_be_another(sequence, protocol):
    """It gets the state of the run, the network and the stage, and its network is gone on with."""
    stages = []

    def sleep(state, net, stage, random_state):
        stages.append((stage, tuple(random_state.generate_state(2))))
        assert state.schedule is protocol.schedule
        return net.with_weights([0 * w for w in net.weights])

    got = weights_of(train_and_sleep(sequence, protocol, 0, sleep=sleep))
    assert [stage for stage, _ in stages] == [1, 2, 3] and len({s for _, s in stages}) == 3
    assert not any(w.any() for w in got[2, "sleep"])
    # From weights of 0 nothing is learnt, but for the output layer's biases, which are off.
    assert not any(w.any() for w in got[3, "train"])


def test_a_learner_says_what_is_measured(sequence, protocol):
    class Named(Learner):
        def model(self, net):
            return ("measured", net)

    for checkpoint in train_and_sleep(sequence, protocol, 0, Named):
        name, net = checkpoint.model
        assert name == "measured" and isinstance(net, MLP)


@pytest.mark.parametrize(
    ("every", "sleeps", "after"),
    [
        (1, True, ["sleep"] * 3),
        (2, True, ["train", "sleep", "train"]),
        (1, False, ["train"] * 3),
    ],
)
def test_after_task_gives_the_network_to_go_on_with(sequence, protocol, every, sleeps, after):
    """Once per task, as the last thing: after the sleep where one is due."""

    class Marked(Learner):
        def after_task(self, net):
            return net.with_weights([*net.weights[:-1], 0 * net.weights[-1] + 0.125])

    protocol = replace(protocol, schedule=replace(protocol.schedule, every=every))
    got = weights_of(train_and_sleep(sequence, protocol, 0, Marked, sleeps=sleeps))
    for (stage, phase), weights in got.items():
        assert (weights[-1] == 0.125).all() == (phase == after[stage - 1])
    if not sleeps:
        # The next task is learnt from there.
        net = protocol.new_network(sequence, 0)
        for task in sequence[:2]:
            net.fit(task.X, task.y, **protocol.training)
            assert same(net.weights[:-1], got[2 if task is sequence[1] else 1, "train"][:-1])
            net = net.with_weights([*net.weights[:-1], 0 * net.weights[-1] + 0.125])


def test_constants_that_do_not_fit_are_found_before_training(sequence, protocol):
    protocol = replace(protocol, hidden=(12,))
    learnt = []

    def make(rng):
        learnt.append(rng)
        return Learner(rng)

    with pytest.raises(ValueError, match=r"hidden must be 2 layer sizes.*got \(12,\)"):
        next(train_and_sleep(sequence, protocol, 0, make))
    assert not learnt
    # Without sleep no constants are needed.
    assert len(list(train_and_sleep(sequence, protocol, 0, make, sleeps=False))) == 3


def test_the_paper_sleeps_on_all_samples_so_far(sequence, protocol):
    """Not only on the 40 of 60 that each task is trained on."""
    schedule = replace(protocol.schedule, data="seen", sleep_input=MeanInput)
    means = []

    def sleep(state, net, stage, random_state):
        means.append(state.sleep_input.mean.copy())
        return net

    list(train_and_sleep(sequence, replace(protocol, schedule=schedule), 0, sleep=sleep))
    for stage, mean in enumerate(means, 1):
        seen = np.concatenate([task.X_all for task in sequence[:stage]])
        np.testing.assert_allclose(mean, seen.mean(axis=0), rtol=1e-6)


def test_all_samples(sequence):
    X, y = all_samples(sequence)
    assert len(X) == len(y) == 180
    np.testing.assert_array_equal(X, np.concatenate([task.X_all for task in sequence]))
    np.testing.assert_array_equal(y, np.concatenate([task.y_all for task in sequence]))


def test_what_a_sleep_was_done_with(sequence, protocol):
    """After each sleep, and only there; enough to do it again."""
    before = None
    for checkpoint in train_and_sleep(sequence, protocol, 5):
        stage, phase, net = checkpoint
        if phase == "train":
            assert not hasattr(checkpoint, "record")
            before = net.copy()
            continue
        record = checkpoint.record
        assert record.random_state.entropy == [5, stage] and record.engine == "numba"
        assert record.config.n_steps == protocol.schedule.n_steps(stage) and record.alone
        again = sleep(before, record.sleep_input, record.config, record.random_state).net
        np.testing.assert_array_equal(again.weights[0], net.weights[0])


def test_a_sleep_that_is_not_alone_and_none_at_all(sequence, protocol):
    def other(state, net, stage, random_state):
        if stage == 1:
            state.sleep(net, 3, random_state, engine="reference")
        if stage == 2:
            state.sleep(net, 1, 7)  # random numbers that can't be had again from a record
        return net

    records = [
        c.record for c in train_and_sleep(sequence, protocol, 0, sleep=other) if c.phase == "sleep"
    ]
    assert not records[0].alone and records[0].engine == "reference"
    assert records[0].config.n_steps == protocol.schedule.n_steps(3)
    assert records[1:] == [None, None]


def test_a_sleep_may_change_biases_between_parts(sequence, protocol):
    """As it may change weights: training goes on from both."""
    schedule = replace(protocol.schedule, per_task=2)
    protocol = replace(protocol, schedule=schedule, network={**protocol.network, "bias": True})
    before, after = [], []

    def shift(state, net, stage, random_state):
        before.append(net.biases[-1].copy())
        slept = net.copy()
        slept.biases = [b + 100 for b in net.biases]
        after.append(slept.biases[-1])
        return slept

    [*train_and_sleep(sequence[:1], protocol, 0, sleep=shift)]
    assert len(before) == 2
    assert np.allclose(before[1], after[0], atol=50)
