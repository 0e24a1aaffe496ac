"""si: synaptic intelligence (Zenke, Poole, Ganguli, ICML 2017, arXiv 1703.04200)."""

from functools import partial

import numpy as np

from srcnb.checks import check_real
from srcnb.methods.quadratic import QuadraticLearner
from srcnb.methods.stages import run_stages

# Without and with sleep: the best of the powers of ten from 0.1 to 10⁶ by accuracy over all classes
# on a validation split of digits' training set (own protocol, ten seeds); of those that are equal
# within the spread over seeds, the smallest. Without sleep none beats sequential training; with it,
# 100 beats src alone.
STRENGTHS = {False: 0.1, True: 100.0}


class SILearner(QuadraticLearner):
    """Importance is a weight's share in the tasks' loss decrease, per squared distance moved.

    While a task is trained, ω = -Σ gradient·change over the batches (eq. 3): what a weight's moves
    took off the loss. After it Ω += ω / ((w_end - w_start)² + damping) (eq. 5), and the penalty
    is strength·Σ Ω·(w - w*)² (eq. 4). It has no ½, so that the importance is 2·Ω.

    Parameters
    ----------
    protocol, rng, strength : as for QuadraticLearner
    damping : float > 0
        ξ of the paper: keeps Ω finite where a weight ends near its start.

    Attributes
    ----------
    omega : list over layers 1 … L of arrays like ``net.weights``: ω of the last task
    """

    def __init__(self, protocol, rng, strength, damping):
        super().__init__(protocol, rng, strength)
        self.damping = check_real("damping", damping, 0, low_open=True)

    def learn(self, net, task):
        """Train ``net`` on ``task``, following ω; see QuadraticLearner."""
        self.omega = [np.zeros_like(w) for w in net.weights]
        super().learn(net, task)

    def moved(self, layer, rows, gradient, change):
        """Add a batch's part of the path integral."""
        self.omega[layer][rows] -= gradient * change

    def importance(self, net, task):
        """2·Ω of the task just learnt.

        A negative ω, of a weight whose moves raised the loss, counts as 0: a negative curvature
        would push the weight away from its anchor without bound.
        """
        paths = zip(self.omega, net.weights, self.anchors, strict=True)
        return [
            2 * np.maximum(omega, 0) / ((w - start) ** 2 + self.damping)
            for omega, w, start in paths
        ]


def run(tasks, protocol, seed, sleeps=False, strength=None, damping=0.1):
    """Yield the network after each task (and each sleep, with ``sleeps``); see srcnb.methods.

    ``strength`` is the paper's c (None: the one of STRENGTHS), ``damping`` its ξ. Raises ValueError
    for a negative ``strength`` or a ``damping`` that is not above 0.
    """
    strength = STRENGTHS[bool(sleeps)] if strength is None else strength
    learner = partial(
        SILearner,
        strength=check_real("strength", strength, 0),
        damping=check_real("damping", damping, 0, low_open=True),
    )
    return run_stages(learner, tasks, protocol, seed, sleeps)
