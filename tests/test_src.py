"""src and its options: step back, save best."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from srcnb import homeostasis, tasks
from srcnb.methods.src import src
from srcnb.protocol import SleepState


def weights_after(steps):
    return {(stage, phase): [w.copy() for w in model.weights] for stage, phase, model in steps}


def test_step_back(sequence, protocol):
    plain = weights_after(src(sequence, protocol, 0))
    half = weights_after(src(sequence, protocol, 0, step_back=0.25))
    for awake, slept, back in zip(
        plain[1, "train"], plain[1, "sleep"], half[1, "sleep"], strict=True
    ):
        assert (awake != slept).any() and back.dtype == awake.dtype
        np.testing.assert_allclose(back, 0.75 * slept + 0.25 * awake, rtol=1e-6)
    second = weights_after(src(sequence, protocol, 0, step_back=[0, 0.5, 0]))[1, "sleep"]
    for awake, slept, back, share in zip(
        plain[1, "train"], plain[1, "sleep"], second, (0, 0.5, 0), strict=True
    ):
        np.testing.assert_allclose(back, (1 - share) * slept + share * awake, rtol=1e-6)
    whole = weights_after(src(sequence, protocol, 0, step_back=1))
    for awake, back in zip(whole[3, "train"], whole[3, "sleep"], strict=True):
        np.testing.assert_array_equal(awake, back)


def learner_rng(seed):
    """The Generator that the learner of a run gets."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))


def test_homeostasis_at_prediction_leaves_the_run_alone(sequence, protocol):
    """Each network of plain src, before and after each sleep, is measured as a corrected copy."""
    rng = learner_rng(0)
    for (stage, phase, net), (*when, model) in zip(
        src(sequence, protocol, 0), src(sequence, protocol, 0, homeostasis=0.4), strict=True
    ):
        assert when == [stage, phase]
        expected = homeostasis(net, sequence[stage - 1].X, range(2 * stage), 0.4, random_state=rng)
        for w, v in zip(model.corrected.weights, expected.weights, strict=True):
            np.testing.assert_array_equal(w, v)
        for w, v in zip(model.net.weights, net.weights, strict=True):
            np.testing.assert_array_equal(w, v)


@pytest.mark.parametrize("every", [1, 2])
def test_homeostasis_in_the_weights_once_per_task(sequence, protocol, every):
    """After the sleep, or where none is due after the training; and training goes on from it."""
    protocol = replace(protocol, schedule=replace(protocol.schedule, every=every))
    rng, state = learner_rng(0), SleepState(protocol.schedule)
    net = protocol.new_network(sequence, 0)
    steps = weights_after(src(sequence, protocol, 0, homeostasis=0.4, at="weights"))
    for stage, task in enumerate(sequence, 1):
        net.fit(task.X, task.y, **protocol.training)
        phase = "train"
        state.update(task)
        if stage % every == 0:
            for w, v in zip(steps[stage, "train"], net.weights, strict=True):
                np.testing.assert_array_equal(w, v)
            net = state.sleep(net, stage, np.random.SeedSequence([0, stage])).net
            phase = "sleep"
        net = homeostasis(net, task.X, range(2 * stage), 0.4, random_state=rng)
        for w, v in zip(steps[stage, phase], net.weights, strict=True):
            np.testing.assert_array_equal(w, v)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(homeostasis=0), "homeostasis must be.*got 0"),
        (dict(homeostasis=0.5, at="once"), "at must be one of.*got 'once'"),
    ],
)
def test_bad_options_of_homeostasis(sequence, protocol, options, message):
    with pytest.raises(ValueError, match=message):
        src(sequence, protocol, 0, **options)


def test_homeostasis_of_the_protocol_unless_told_otherwise(sequence, protocol):
    own = replace(protocol, homeostasis=0.4)
    X = sequence[0].X_test

    def logits(protocol, **options):
        *_, last = src(sequence, protocol, 0, **options)
        return last.model.corrected.logits(X)

    of_protocol = logits(own)
    np.testing.assert_array_equal(of_protocol, logits(protocol, homeostasis=0.4))
    told = logits(own, homeostasis=0.9)
    np.testing.assert_array_equal(told, logits(protocol, homeostasis=0.9))
    assert not np.array_equal(told, of_protocol)


def test_a_first_network(sequence, protocol):
    """It is not trained again; and not to be had where samples are held out of the training."""
    first = protocol.new_network(sequence, 0)
    first.fit(sequence[0].X, sequence[0].y, **protocol.training)
    got, plain = ([*src(sequence, protocol, 0, first=net)][-1].model for net in (first, None))
    np.testing.assert_array_equal(got.weights[0], plain.weights[0])
    untrained = protocol.new_network(sequence, 0)
    other = next(src(sequence, protocol, 0, first=untrained)).model
    np.testing.assert_array_equal(other.weights[0], untrained.weights[0])
    with pytest.raises(ValueError, match="first must be None with save_best, got MLP"):
        src(sequence, protocol, 0, save_best=0.2, first=first)


def test_save_best_never_keeps_worse_on_what_was_held_out(sequence, protocol, monkeypatch):
    held_out, learnt = [], []
    update = SleepState.update
    monkeypatch.setattr(
        SleepState, "update", lambda state, task: learnt.append(task) or update(state, task)
    )
    steps = src(sequence, protocol, 0, save_best=0.3)
    for stage, phase, model in steps:
        if phase == "train":
            awake = model.copy()
            continue
        task = sequence[stage - 1]
        kept = {x.tobytes() for x in learnt[stage - 1].X}
        out = np.array([x.tobytes() not in kept for x in task.X])
        assert out.sum() == sum(round(0.3 * (task.y == c).sum()) for c in np.unique(task.y))
        held_out.append((task.X[out], task.y[out]))

        def score(net):
            return np.mean([np.mean(net.predict(X) == y) for X, y in held_out])

        assert score(model) >= score(awake)
    # What is held out is not in the sleep input's samples either.
    for task, (out, _) in zip(learnt, held_out, strict=True):
        kept = {x.tobytes() for x in task.X_all}
        assert not any(x.tobytes() in kept for x in out)


class Scripted:
    """Stands for a network that gets given shares of the samples of each class right."""

    def __init__(self, label_of, *shares):
        self.label_of, self.shares = label_of, shares

    def predict(self, X):  # samples of one class at a time
        y = np.array([self.label_of[x.tobytes()] for x in X])
        return np.where(np.arange(len(y)) < self.shares[y[0]] * len(y), y, -1)


@pytest.mark.parametrize("best", [0, 4, 9])
def test_save_best_keeps_the_best_of_ten_moments(easy_data, protocol, monkeypatch, best):
    """On the tasks so far: not what is best for a task to come, nor the last or the worst."""
    sequence = tasks.class_incremental(easy_data, groups=1)
    protocol = replace(protocol, training=dict(epochs=30, batch_size=10, learning_rate=0.2))
    label_of = {x.tobytes(): y for task in sequence for x, y in zip(task.X, task.y, strict=True)}
    moments = [Scripted(label_of, 0.8, 0.4, 1.0) for _ in range(10)]
    moments[best] = Scripted(label_of, 0.8, 0.9, 0.0)
    moments[(best + 1) % 10] = Scripted(label_of, 0.0, 0.1, 0.0)
    asked = []

    def sleep(state, net, stage, random_state, callback, every):
        asked.append(-(-state.schedule.n_steps(stage) // every))
        for i, moment in enumerate(moments if len(asked) == 2 else []):
            callback((i + 1) * every, moment)
        return SimpleNamespace(net=net, config=None)

    monkeypatch.setattr(SleepState, "sleep", sleep)
    steps = src(sequence, protocol, 0, save_best=1 / 3)
    (_, _, awake), (_, _, slept), _, (stage, phase, model) = (next(steps) for _ in range(4))
    assert slept is awake  # none of the moments of the first sleep was any better
    assert (stage, phase, asked) == (2, "sleep", [10, 10])
    assert model is moments[best]


def test_what_is_held_out_is_a_share_of_each_class(easy_data, protocol, monkeypatch):
    """Drawn by the seed, and anew for each task."""
    tasks_ = tasks.class_incremental(easy_data, groups=[[0, 1], [2]])

    def held_out(seed):
        """For each task, which of its samples are not learnt."""
        seen = []
        update = SleepState.update

        def recording(state, task):
            seen.append({x.tobytes() for x in task.X})
            update(state, task)

        with monkeypatch.context() as patch:
            patch.setattr(SleepState, "update", recording)
            list(src(tasks_, protocol, seed, save_best=0.2))
        return [
            np.array([x.tobytes() not in learnt for x in task.X])
            for task, learnt in zip(tasks_, seen, strict=True)
        ]

    out = held_out(0)
    for task, missing in zip(tasks_, out, strict=True):
        assert {int(missing[task.y == c].sum()) for c in np.unique(task.y)} == {6}
    assert not np.array_equal(out[0][tasks_[0].y == 0], out[1])
    assert not np.array_equal(out[0], held_out(1)[0])


def test_each_sleep_has_random_numbers_of_its_own(sequence, protocol, monkeypatch):
    seeds = []

    def sleep(state, net, stage, random_state):
        seeds.append(tuple(random_state.generate_state(4)))
        return SimpleNamespace(net=net, config=None)

    monkeypatch.setattr(SleepState, "sleep", sleep)
    for seed in (0, 1):
        list(src(sequence, protocol, seed))
    assert len(set(seeds)) == 6


def test_save_best_does_not_touch_the_test_set(sequence, protocol):
    blind = [replace(task, X_test=None, y_test=None) for task in sequence]
    a = weights_after(src(sequence, protocol, 0, save_best=0.2))
    b = weights_after(src(blind, protocol, 0, save_best=0.2))
    for x, y in zip(a[3, "sleep"], b[3, "sleep"], strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(step_back=1.5), r"step_back must be .* got 1.5"),
        (dict(step_back=[0, 1.5, 0]), r"step_back must be .* got 1.5"),
        (dict(step_back=[0, 1]), "step_back must be a number, or 3 of them, one per layer; got 2"),
        (dict(save_best=1.0), r"save_best must be .* got 1.0"),
        (dict(save_best=0.001), "save_best must hold out some of the 20 samples"),
    ],
)
def test_bad_options(sequence, protocol, options, message):
    with pytest.raises(ValueError, match=message):
        src(sequence, protocol, 0, **options)
