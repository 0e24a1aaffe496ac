"""rehearsal: a share of the earlier tasks' samples is mixed in with each new task's."""

from functools import partial
from math import floor

import numpy as np

from srcnb.checks import check_real
from srcnb.methods.stages import Learner, run_stages


class Rehearsal(Learner):
    """Keeps all earlier training data, and draws some of it anew for each task.

    Attributes
    ----------
    share : float in [0, 1], how much of the earlier data each task is mixed with
    seen : list of the tasks learnt so far
    """

    def __init__(self, protocol, rng, share):
        super().__init__(protocol, rng)
        self.share = share
        self.seen = []

    def learn(self, net, task):
        """Train ``net`` on ``task`` and a random share of the earlier tasks, in place."""
        n_old = sum(len(t.X_all) for t in self.seen)
        n_drawn = n_rehearsed(self.share, n_old)
        if n_drawn:
            drawn = self.rng.choice(n_old, n_drawn, replace=False)
            X = np.concatenate([t.X_all for t in self.seen])[drawn]
            y = np.concatenate([t.y_all for t in self.seen])[drawn]
            # fit() shuffles, so that old and new need no mixing here.
            X, y = np.concatenate([task.X, X]), np.concatenate([task.y, y])
            net.fit(X, y, **self.protocol.training)
        else:
            super().learn(net, task)
        self.seen.append(task)


def n_rehearsed(share, n_old):
    """How many of ``n_old`` earlier samples a ``share`` in [0, 1] of them is: an int.

    Rounded to whole hundreds, as matlab does, but never more than there are (matlab's 100 %
    overruns them). Below a hundred samples, which matlab never meets, to a whole sample.
    """
    n = share * n_old
    unit = 100 if n >= 100 else 1
    # Halves go up, as in matlab; Python's round() would take 12,050 to 12,000.
    return min(unit * floor(n / unit + 0.5), n_old)


def run(tasks, protocol, seed, sleeps=False, share=0.1):
    """Yield the network after each task and, with ``sleeps``, each sleep; see srcnb.methods.

    Each task's samples (capped) are joined for its training by ``share``, in [0, 1], of all earlier
    tasks' training samples (not capped), drawn anew without replacement: see :func:`n_rehearsed`.
    With ``share=0`` this is "sequential" or "src", to the last bit. Raises TypeError or ValueError
    for a ``share`` that is no number in [0, 1]. Source: matlab's rehearsal script.
    """
    share = check_real("share", share, 0, 1)
    return run_stages(partial(Rehearsal, share=share), tasks, protocol, seed, sleeps)
