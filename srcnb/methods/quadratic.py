"""What EWC and SI share: a quadratic penalty holds each weight, the more important the tighter.

The penalty on the next task is ½·Σ c·(w - w*)² with a curvature c = strength·importance and an
anchor w* per weight. The methods differ in what makes a weight important.
"""

import numpy as np

from srcnb.checks import check_real
from srcnb.methods.stages import Learner


class QuadraticLearner(Learner):
    """A Learner that is its own ``regularizer`` of MLP.fit.

    Subclasses define ``importance(net, task)``: how much each weight matters to the task just
    learnt, as arrays like ``net.weights``.

    There is one penalty for all tasks so far, not one per task: the importances add up, and the
    anchor is the weight when the next task begins (SI's own form, and that of online EWC with
    γ = 1: Schwarz et al., ICML 2018). Where the network sleeps between tasks, the anchor is the
    slept weight: one from before the sleep would undo it. Biases, if any, are not held.

    The penalty's part of an SGD step is taken implicitly, as its proximal step: with the derivative
    where the step ends, not where it starts. That is c/(1 + rate·c)·(w - w*), the same as
    c·(w - w*) as long as rate·c is small; but where that would overshoot and diverge, from
    rate·c = 2·(1 + momentum) on, here the weight is just held. So every strength is stable.

    Parameters
    ----------
    protocol, rng : as for Learner
    strength : float >= 0
        0 is sequential training, to the last bit.

    Attributes
    ----------
    curvature, anchors : lists over layers 1 … L of arrays like ``net.weights``; None before the
        first task
    """

    def __init__(self, protocol, rng, strength):
        super().__init__(protocol, rng)
        self.strength = check_real("strength", strength, 0)
        self.curvature = self.anchors = None

    def learn(self, net, task):
        """Train ``net`` on ``task`` under the earlier tasks' penalty, then add this task's."""
        # Named here, as the penalty must know it: fit's own default unless the protocol has one.
        training = {"learning_rate": 0.1, **self.protocol.training}
        if self.curvature is None:
            self.curvature = [np.zeros_like(w) for w in net.weights]
        self.anchors = [w.copy() for w in net.weights]
        self._implicit = [c / (1 + training["learning_rate"] * c) for c in self.curvature]
        net.fit(task.X, task.y, regularizer=self, **training)
        for c, importance in zip(self.curvature, self.importance(net, task), strict=True):
            c += self.strength * importance

    def penalty(self, net):
        """½·Σ c·(w - w*)² over all weights."""
        terms = zip(self.curvature, net.weights, self.anchors, strict=True)
        return float(sum(0.5 * (c * (w - anchor) ** 2).sum() for c, w, anchor in terms))

    def pull(self, layer, rows, w):
        """The penalty's derivative at the end of the proximal step from ``w``, some rows' weights.

        Returns an array of the shape and dtype of ``w``.
        """
        return self._implicit[layer][rows] * (w - self.anchors[layer][rows])

    def moved(self, layer, rows, gradient, change):
        """Told of each batch by MLP.fit: nothing is done here."""
