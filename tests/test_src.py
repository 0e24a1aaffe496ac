"""The options of src: step_back and save_best."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from srcnb import protocols
from srcnb.methods import src


def weights_after(steps):
    return {(stage, phase): [w.copy() for w in model.weights] for stage, phase, model in steps}


def test_step_back(sequence, protocol):
    plain = weights_after(src.run(sequence, protocol, 0))
    half = weights_after(src.run(sequence, protocol, 0, step_back=0.25))
    for awake, slept, back in zip(
        plain[1, "train"], plain[1, "sleep"], half[1, "sleep"], strict=True
    ):
        assert (awake != slept).any() and back.dtype == awake.dtype
        np.testing.assert_allclose(back, 0.75 * slept + 0.25 * awake, rtol=1e-6)
    whole = weights_after(src.run(sequence, protocol, 0, step_back=1))
    for awake, back in zip(whole[3, "train"], whole[3, "sleep"], strict=True):
        np.testing.assert_array_equal(awake, back)


def test_save_best_never_keeps_worse_on_what_was_held_out(sequence, protocol):
    held_out, learnt = [], []

    class Night(protocols.OwnNight):
        def learn(self, task):
            learnt.append(task)
            super().learn(task)

    protocol = replace(protocol, new_night=partial(Night, protocol.new_night().constants))
    steps = src.run(sequence, protocol, 0, save_best=0.3)
    for stage, phase, model in steps:
        if phase == "train":
            awake = model.copy()
            continue
        task = sequence[stage - 1]
        kept = {x.tobytes() for x in learnt[stage - 1].X}
        out = np.array([x.tobytes() not in kept for x in task.X])
        assert out.sum() == round(0.3 * len(task.X))
        held_out.append((task.X[out], task.y[out]))

        def score(net):
            return np.mean([np.mean(net.predict(X) == y) for X, y in held_out])

        assert score(model) >= score(awake)
    # What is held out is in no training set of the night either, and no test sample is looked at.
    assert all(len(task.X_all) == len(task.X) for task in learnt)


def test_save_best_does_not_touch_the_test_set(sequence, protocol):
    blind = [replace(task, X_test=None, y_test=None) for task in sequence]
    a = weights_after(src.run(sequence, protocol, 0, save_best=0.2))
    b = weights_after(src.run(blind, protocol, 0, save_best=0.2))
    for x, y in zip(a[3, "sleep"], b[3, "sleep"], strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(step_back=1.5), r"step_back must be .* got 1.5"),
        (dict(save_best=1.0), r"save_best must be .* got 1.0"),
        (dict(save_best=0.001), "save_best must hold out some of the 30 samples"),
    ],
)
def test_bad_options(sequence, protocol, options, message):
    with pytest.raises(ValueError, match=message):
        src.run(sequence, protocol, 0, **options)
