"""less-excitable: a control without a spike, in which active hidden units become less excitable."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.random import SeedSequence

from srcnb.methods.base import Checkpoint, train_and_sleep
from srcnb.methods.controls import KEEP, with_homeostasis
from srcnb.mlp import MLP
from srcnb.protocol import Protocol, SleepState
from srcnb.tasks import Task
from srcnb.validation import Array, check_real

# On validation splits 0.01 and 4 were the best of 18 pairs, of 0.01 to 0.06 and powers 1 to 4, on
# digits at 400-400 (three seeds; benchmarks/choose_for_recover.py): at the edge. So six around it
# were tried on eight networks of digits and MNIST (two seeds), where with the best share for each
# network 0.01 had 78.3 and 81.8 and these 78.4 and 80.0. They are better on MNIST with two layers.
BY, POWER = 0.005, 4.0


def lowered(net: MLP, X: Array, by: float = BY, power: float = POWER) -> MLP:
    """A copy of ``net`` whose hidden units are the less excitable the more active they are on X.

    All weights of unit i are lowered by ``by``·median|W|·m_i^p/mean(m^p), with m the mean
    activations for the samples ``X`` (n, n_0) and p = ``power``: what is left of a sleep of the
    hidden layers without spikes, input and synapses. Biases and the output layer stay.
    """
    weights = []
    hidden = [np.asarray(W) for W in net.weights[:-1]]
    for W, a in zip(hidden, net.activations(X), strict=False):
        m = a.mean(axis=0, dtype=np.float64) ** power
        down = by * np.median(abs(W)) * m / (m.mean() or 1.0)
        weights.append((W - down[:, None]).astype(W.dtype))
    return net.with_weights([*weights, np.array(net.weights[-1])])


def less_excitable(
    tasks: Sequence[Task],
    protocol: Protocol,
    seed: int,
    by: float = BY,
    power: float = POWER,
    keep: float | None = KEEP,
) -> Iterator[Checkpoint]:
    """Train as ``src`` does, with :func:`lowered` in place of each sleep; then homeostasis.

    Keeps nothing but the network and the list of the classes seen. A finding of
    docs/studies/recover.md.

    Parameters
    ----------
    tasks, protocol, seed : see srcnb.methods
    by, power : float >= 0
        See :func:`lowered`, which gets the current task's samples.
    keep : float in (0, 1] or None
        As for :func:`srcnb.methods.controls.homeostasis`, at prediction; None: the outputs as they
        are.

    Raises
    ------
    ValueError, TypeError
        For numbers outside their ranges.
    """
    by, power = check_real("by", by, 0), check_real("power", power, 0)
    learner = with_homeostasis("keep", keep)

    def change(state: SleepState, net: MLP, stage: int, random_state: SeedSequence) -> MLP:
        return lowered(net, tasks[stage - 1].X, by, power)

    # No sleep: what is left of a task is what its last change leaves.
    return (
        Checkpoint(checkpoint.stage, "train", checkpoint.model)
        for checkpoint in train_and_sleep(tasks, protocol, seed, learner, sleep=change)
        if checkpoint.phase == "sleep" or not protocol.schedule.is_due(checkpoint.stage, len(tasks))
    )
