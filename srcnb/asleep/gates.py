"""The gates g(w): how far a synapse of weight w may move (plain NumPy; see kernel.py for numba).

The two earlier implementations differ here, and nowhere say so: for the small weights of an MLP
torch's gate is about 0.5, so its rule is nearly additive; matlab's lets only negative synapses
move and freezes the positive ones.
"""

import numpy as np


def logistic(w):
    """g(w) = 1 / (1 + e^-w), torch's gate."""
    return 1 / (1 + np.exp(-w))


def negative(w):
    """g(w) = 2 / (1 + e^(w/0.001)), matlab's gate: 2 below zero, 1 at zero, 0 above."""
    # Large w overflow to e^… = inf and g = 0, as they should.
    with np.errstate(over="ignore"):
        return 2 / (1 + np.exp(w / w.dtype.type(0.001)))


def additive(w):
    """g(w) = 1: every synapse moves by the same amount."""
    return np.ones_like(w)


GATE_FUNCTIONS = {"logistic": logistic, "negative": negative, "additive": additive}
