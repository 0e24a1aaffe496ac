"""Sleep in plain NumPy: one step at a time, one function per equation.

This is the text to read; kernel.py computes the same, fast. Symbols as in the paper (Tadros et
al., Nature Communications 2022): W_l (post, pre) weights, s_l spikes, v_l membranes, α_l gains,
β_l thresholds. Vectors s and v have shape (n_l,).

The gates g(w) say how far a synapse of weight w may move. The two earlier implementations differ
here, and nowhere say so: for the small weights of an MLP the replica's gate is about 0.5, so its
rule is nearly additive; the paper's lets only negative synapses move and freezes the positive ones.
"""

from typing import Any

import numpy as np

from srcnb.spiking.config import SleepConfig
from srcnb.validation import Array


def logistic(w: Array, width: float = 0.001) -> Array:
    """g(w) = 1 / (1 + e^-w), the replica's gate; it has no ``width``."""
    return np.asarray(1 / (1 + np.exp(-w)))


def negative(w: Array, width: float = 0.001) -> Array:
    """g(w) = 2 / (1 + e^(w/width)), the paper's gate (width 0.001): 2 below zero, 0 above."""
    # Large w overflow to e^… = inf and g = 0, as they should.
    with np.errstate(over="ignore"):
        return np.asarray(2 / (1 + np.exp(w / w.dtype.type(width))))


def additive(w: Array, width: float = 0.001) -> Array:
    """g(w) = 1: every synapse moves by the same amount; it has no ``width``."""
    return np.ones_like(w)


GATE_FUNCTIONS = {"logistic": logistic, "negative": negative, "additive": additive}


def impulse(W: Array, s_pre: Array, alpha: Any) -> Array:
    """I = α · W s_{l-1}: what the spikes of the layer below do to each neuron."""
    return np.asarray(alpha * (W @ s_pre.astype(W.dtype)))


def inhibit(I: Array, inhibition: Any) -> Array:  # noqa: E741 - the paper's symbol
    """I - inhibition · mean(I): the layer's mean impulse, taken off all of its neurons."""
    return np.asarray(I - inhibition * I.mean())


def integrate(v: Array, I: Array, decay: Any, current: Array) -> Array:  # noqa: E741
    """v = decay · v + I + current: the leaky membrane. It has no lower bound."""
    return np.asarray(decay * v + I + current)


def fire(v: Array, beta: Any) -> Array:
    """s = (v >= β)."""
    return np.asarray(v >= beta)


def plasticity(
    W: Array, s_pre: Array, s_post: Array, inc: float, dec: float, gate: str, width: float
) -> None:
    """Hebb, in place: rows of neurons that fired; + inc·g(w) where pre fired, - dec·g(w) where not.

    The gate g is taken of the weight before the update.
    """
    rows = W[s_post]
    W[s_post] = rows + np.where(s_pre, inc, -dec).astype(W.dtype) * GATE_FUNCTIONS[gate](
        rows, width
    )


def reset(v: Array, s: Array) -> Array:
    """v = 0 where the neuron fired."""
    return np.where(s, v.dtype.type(0), v)


def step(W: Array, v: Array, s_pre: Array, layer: int, config: SleepConfig) -> tuple[Array, Array]:
    """One step of one layer: (new v, s). Changes W in place. ``layer`` counts from 0."""
    real = W.dtype.type  # keeps float32 networks in float32
    I = impulse(W, s_pre, real(config.alpha[layer]))  # noqa: E741
    if config.inhibition:
        I = inhibit(I, real(config.inhibition))  # noqa: E741
    v = integrate(v, I, real(config.decay), config.layer_currents(layer, len(v), W.dtype))
    s = fire(v, real(config.beta[layer]))
    inc, dec, width = (config.in_layer(name, layer) for name in ("inc", "dec", "gate_width"))
    plasticity(W, s_pre, s, inc, dec, config.gate, width)
    return reset(v, s), s


def run_block(
    weights: list[Array], membranes: list[Array], input_spikes: Array, config: SleepConfig
) -> list[Array]:
    """Run a block of steps; changes weights and membranes (lists of arrays) in place.

    ``input_spikes`` is bool (n_steps, n_0). Returns the spikes of layers 1 … L, a list of bool
    (n_steps, n_l) arrays.
    """
    spikes = [np.zeros((len(input_spikes), len(W)), dtype=bool) for W in weights]
    for t, s in enumerate(input_spikes):
        for layer, W in enumerate(weights):
            # Within a step the layers follow one another without delay.
            membranes[layer][:], s = step(W, membranes[layer], s, layer, config)
            spikes[layer][t] = s
    return spikes


def sum_changes(before: Array, after: Array, counts: Array) -> Array:
    """What a report of a sleep is made of: sums over d, how far each weight of a layer moved.

    Σw², Σd², Σ of d > 0, Σ of d < 0, and how many d are > 0 and < 0; (6,) float64. ``before`` and
    ``after``, both (n_post, n_pre), are w and w + d; ``counts`` (n_post,) says how often each
    neuron fired: only where one did can d be other than 0.
    """
    sums = np.zeros(6)
    for w, v in zip(before, after, strict=True):  # a row at a time: nothing large is made
        w = w.astype(np.float64)
        d = v - w
        grew, shrank = d[d > 0], d[d < 0]
        sums += (w @ w, d @ d, grew.sum(), shrank.sum(), len(grew), len(shrank))
    return sums
