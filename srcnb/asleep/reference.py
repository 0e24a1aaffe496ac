"""Sleep in plain NumPy: one step at a time, one function per equation.

This is the text to read; kernel.py computes the same, fast. Symbols as in the paper (Tadros et
al., Nature Communications 2022): W_l (post, pre) weights, s_l spikes, v_l membranes, α_l gains,
β_l thresholds. Vectors s and v have shape (n_l,).
"""

import numpy as np

from srcnb.asleep.gates import GATE_FUNCTIONS


def impulse(W, s_pre, alpha):
    """I = α · W s_{l-1}: what the spikes of the layer below do to each neuron."""
    return alpha * (W @ s_pre.astype(W.dtype))


def inhibit(I, inhibition):  # noqa: E741 - the paper's symbol
    """I - inhibition · mean(I): the layer's mean impulse, taken off everyone."""
    return I - inhibition * I.mean()


def integrate(v, I, decay):  # noqa: E741
    """v = decay · v + I: the leaky membrane. It has no lower bound."""
    return decay * v + I


def fire(v, beta):
    """s = (v >= β)."""
    return v >= beta


def plasticity(W, s_pre, s_post, inc, dec, gate):
    """Hebb, in place: rows of neurons that fired; + inc·g(w) where pre fired, - dec·g(w) where not.

    The gate g is taken of the weight before the update.
    """
    rows = W[s_post]
    W[s_post] = rows + np.where(s_pre, inc, -dec).astype(W.dtype) * gate(rows)


def reset(v, s):
    """v = 0 where the neuron fired."""
    return np.where(s, v.dtype.type(0), v)


def step(W, v, s_pre, layer, config):
    """One step of one layer: (new v, s). Changes W in place. ``layer`` counts from 0."""
    real = W.dtype.type  # keeps float32 networks in float32
    I = impulse(W, s_pre, real(config.alpha[layer]))  # noqa: E741
    if config.inhibition:
        I = inhibit(I, real(config.inhibition))  # noqa: E741
    v = integrate(v, I, real(config.decay))
    if layer == len(config.alpha) - 1:
        v = v + real(config.dc)
    s = fire(v, real(config.beta[layer]))
    plasticity(W, s_pre, s, config.inc, config.dec, GATE_FUNCTIONS[config.gate])
    return reset(v, s), s


def run(weights, membranes, input_spikes, config):
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
