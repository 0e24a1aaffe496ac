"""src: sleep replay consolidation (Tadros et al. 2022), sequential training with sleep between."""

from dataclasses import replace

import numpy as np

from srcnb.asleep.night import sleep as fall_asleep
from srcnb.checks import check_real
from srcnb.methods.stages import Learner, plain_sleep, run_stages

# Looks at the held-out samples during a sleep, for save_best.
LOOKS = 10


def run(tasks, protocol, seed, step_back=0.0, save_best=0.0):
    """Yield the network after each task and after each sleep; see srcnb.methods.

    Parameters
    ----------
    step_back : float in [0, 1]
        λ of W = (1 - λ)·W_slept + λ·W_before, after each sleep.
    save_best : float in [0, 1)
        A share of each class's training samples that is held out of the training. Of the weights
        before a sleep and at ten moments during it, those are kept that are right most often on
        what was held out of all tasks so far, the mean of the tasks. Test data are not touched,
        but samples of earlier tasks are kept, which plain src does without. 0: the last weights.
    """
    check_real("step_back", step_back, 0, 1)
    check_real("save_best", save_best, 0, 1, high_open=True)
    sleep, held_out = plain_sleep, []
    if save_best:
        rng = np.random.default_rng([seed, 1])
        tasks, held_out = zip(*(_hold_out(task, save_best, rng) for task in tasks), strict=True)
        sleep = _best_moment(held_out)
    if step_back:
        sleep = _step_back(sleep, step_back)
    return run_stages(Learner, list(tasks), protocol, seed, sleeps=True, sleep=sleep)


def _step_back(sleep, share):
    """A sleep after which the weights go back by this share of the way."""

    def sleep_and_step_back(night, net, stage, random_state):
        slept = sleep(night, net, stage, random_state)
        mixed = [
            (1 - share) * after + share * before
            for after, before in zip(slept.weights, net.weights, strict=True)
        ]
        return slept.with_weights([w.astype(net.dtype, copy=False) for w in mixed])

    return sleep_and_step_back


def _hold_out(task, share, rng):
    """(the task without a share of each class's training samples, these samples as (X, y))."""
    out = []
    for c in np.unique(task.y):
        rows = rng.permutation(np.flatnonzero(task.y == c))
        n = round(share * len(rows))
        if not 0 < n < len(rows):
            raise ValueError(
                f"save_best must hold out some of the {len(rows)} samples of class {c} and leave"
                f" some, got {share}"
            )
        out.extend(rows[:n])
    kept = np.delete(np.arange(len(task.X)), out)
    # X holds the first samples of X_all.
    all_but_out = np.delete(np.arange(len(task.X_all)), out)
    learnt = replace(
        task,
        X=task.X[kept],
        y=task.y[kept],
        X_all=task.X_all[all_but_out],
        y_all=task.y_all[all_but_out],
    )
    return learnt, (task.X[out], task.y[out])


def _best_moment(held_out):
    """A sleep that returns the network of its best moment on the ``held_out`` samples so far."""

    def sleep_and_keep_best(night, net, stage, random_state):
        def score(net):
            return np.mean([np.mean(net.predict(X) == y) for X, y in held_out[:stage]])

        best = [score(net), net]

        def look(step, net):
            right = score(net)
            if right > best[0]:
                best[:] = right, net

        config = night.config(net, stage)
        if config.n_steps:
            every = -(-config.n_steps // LOOKS)
            fall_asleep(net, night.dream, config, random_state, callback=look, every=every)
        return best[1]

    return sleep_and_keep_best
