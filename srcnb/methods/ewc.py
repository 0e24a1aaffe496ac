"""ewc: elastic weight consolidation (Kirkpatrick et al. 2017, doi 10.1073/pnas.1611835114)."""

from functools import partial

import numpy as np

from srcnb.checks import check_real
from srcnb.methods.quadratic import QuadraticLearner
from srcnb.methods.stages import run_stages

# Samples of a task that the Fisher information is estimated on, at most.
FISHER_SAMPLES = 1000
# Without and with sleep: the best of the powers of ten from 0.1 to 10⁶ by accuracy over all classes
# on a validation split of digits' training set (own protocol, ten seeds); of those that are equal
# within the spread over seeds, the smallest. Without sleep none beats sequential training; with it,
# 1000 beats src alone.
STRENGTHS = {False: 0.1, True: 1000.0}


def fisher_information(net, X, rng):
    """The diagonal of the Fisher information of the weights: how sharply they fix the outputs.

    The mean over the samples of (∂ log p(y | x) / ∂w)², with one y per sample drawn from the
    network's own p(y | x). (With the samples' labels it would be the "empirical Fisher", which is
    no measure of curvature.) Dropout is off.

    For a "softmax" output p is its probabilities. The loss of a "relu" output a, Σ ½·a² - y·z, is
    that of y ~ N(a, 1) where a > 0; a silent output is taken as certain, y = 0. So outputs that
    are on count alike, however sure the network is.

    Parameters
    ----------
    net : MLP
    X : array-like of shape (n, n_0)
    rng : Generator

    Returns
    -------
    list over layers 1 … L of (n_l, n_{l-1}) arrays in the network's dtype
    """
    a = net.activations(X)[-1]
    if net.output == "softmax":
        # The class in whose share of [0, 1) a uniform number falls; the shares' sum is rounded.
        y = (a.cumsum(axis=1) <= rng.random((len(a), 1))).sum(axis=1)
        y = np.minimum(y, a.shape[1] - 1)
    else:
        y = a + (a > 0) * rng.standard_normal(a.shape)
    return net.squared_gradients(X, y)


class EWCLearner(QuadraticLearner):
    """Importance is Fisher information: the penalty is strength/2 · Σ F·(w - w*)² (eq. 3).

    F is the sum of all tasks' Fisher informations. Each is estimated right after its task's
    training, where that task's loss is about minimal; so before the sleep, if there is one.
    """

    def importance(self, net, task):
        """The Fisher information on at most FISHER_SAMPLES of the task's training samples."""
        chosen = self.rng.permutation(len(task.X))[:FISHER_SAMPLES]
        return fisher_information(net, task.X[chosen], self.rng)


def run(tasks, protocol, seed, sleeps=False, strength=None):
    """Yield the network after each task (and each sleep, with ``sleeps``); see srcnb.methods.

    ``strength`` multiplies the Fisher information; None: the one of STRENGTHS. Raises ValueError
    if it is negative.
    """
    strength = STRENGTHS[bool(sleeps)] if strength is None else strength
    learner = partial(EWCLearner, strength=check_real("strength", strength, 0))
    return run_stages(learner, tasks, protocol, seed, sleeps)
