"""rehearsal: a share of the earlier tasks' samples is mixed in with each new task's."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from math import floor
from typing import Any

import numpy as np
from numpy.random import Generator

from srcnb.methods.base import Checkpoint, Learner, all_samples, train_and_sleep
from srcnb.mlp import MLP
from srcnb.protocol import Protocol
from srcnb.tasks import Task
from srcnb.validation import check_bool, check_real


class Rehearsal(Learner):
    """Keeps all earlier training data, and draws some of it anew for each task.

    Attributes
    ----------
    share : float in [0, 1], how much of the earlier data each task is mixed with
    seen : list of the tasks learnt so far
    """

    def __init__(self, rng: Generator, share: float) -> None:
        super().__init__(rng)
        self.share = share
        self.seen: list[Task] = []

    def learn(self, net: MLP, task: Task, training: Mapping[str, Any]) -> None:
        """Train ``net`` on ``task`` and a random share of the earlier tasks, in place."""
        n_old = sum(len(t.X_all) for t in self.seen)
        n_drawn = n_rehearsed(self.share, n_old)
        if n_drawn:
            drawn = self.rng.choice(n_old, n_drawn, replace=False)
            X, y = all_samples(self.seen)
            # fit() shuffles, so that old and new need no mixing here.
            X, y = np.concatenate([task.X, X[drawn]]), np.concatenate([task.y, y[drawn]])
            self.fit(net, X, y, training)
        else:
            super().learn(net, task, training)
        self.seen.append(task)


def n_rehearsed(share: float, n_old: int) -> int:
    """How many of ``n_old`` earlier samples a ``share`` in [0, 1] of them is.

    Rounded to whole hundreds, as the paper's script does, but never more than there are (the
    script's 100 % overruns them). Below a hundred samples, which the script never has, to a whole
    sample.
    """
    n = share * n_old
    unit = 100 if n >= 100 else 1
    # Halves go up, as in the script; Python's round() would take 12,050 to 12,000.
    return min(unit * floor(n / unit + 0.5), n_old)


def rehearsal(
    tasks: Sequence[Task],
    protocol: Protocol,
    seed: int,
    sleeps: bool = False,
    share: float = 0.1,
) -> Iterator[Checkpoint]:
    """Yield the network after each task and, with ``sleeps``, each sleep; see srcnb.methods.

    Each task's samples (capped) are joined for its training by ``share``, in [0, 1], of all earlier
    tasks' training samples (not capped), drawn anew without replacement: see :func:`n_rehearsed`.
    With ``share=0`` it trains and sleeps as "sequential" or "src", to the last bit; the outputs are
    not brought to one scale. Raises TypeError or ValueError
    for a ``share`` that is no number in [0, 1]. Source: the paper's rehearsal script.
    """
    share = check_real("share", share, 0, 1)
    check_bool("sleeps", sleeps)
    return train_and_sleep(tasks, protocol, seed, partial(Rehearsal, share=share), sleeps=sleeps)
