"""From activations to a spiking network: the data-based α in its three published forms."""

from collections.abc import Iterable, Sequence

import numpy as np

from srcnb.mlp import MLP
from srcnb.validation import (
    Array,
    ArrayLike,
    check_choice,
    check_instance,
    check_real,
    check_samples,
)

FORMS = ("paper", "diehl", "percentile")


def alpha_factors(net: MLP, X: ArrayLike, form: str = "paper", percentile: float = 99.9) -> Array:
    """Factors that α_l = alpha_scale · factor_l is made of.

    With a_l the largest activation of layer l over ``X`` (dropout off; the last layer after its
    output function), w_l the largest weight, both clipped at 0, and scale_l = max(w_l, a_l):

    - "paper": factor_l = previous / scale_l, and the next layer's previous is 1/factor_l, what
      this layer's weights were divided by: a slip against its own reference, Diehl et al., kept
      as published.
    - "diehl" (Diehl et al., IJCNN 2015): the same, but the next layer's previous is scale_l.
    - "percentile" (Rueckauer et al., Front. Neurosci. 2017): factor_l = λ_{l-1} / λ_l, λ_l the
      given percentile of layer l's activations over all samples and neurons, λ_0 = 1.

    Parameters
    ----------
    net : MLP
    X : array-like of shape (n, n_0)
    form : "paper" | "diehl" | "percentile"
    percentile : float in (0, 100], for form "percentile" only

    Returns
    -------
    (L,) float64 array

    Raises
    ------
    ValueError
        For X of another width or not finite, and where a layer is silent, so that its factor
        would be infinite.
    """
    check_instance("net", net, MLP, "an srcnb.MLP")
    check_choice("form", form, FORMS)
    percentile = check_real("percentile", percentile, 0, 100, low_open=True)
    X = check_samples("X", X, net.layer_sizes[0], net.dtype)
    batches = (activations for _, activations, _ in net.batches(X))
    if form == "percentile":
        scales = _percentiles(batches, percentile, [len(X) * len(w) for w in net.weights])
    else:
        largest = np.max([[a.max() for a in batch] for batch in batches], axis=0)
        scales = [max(w.max(), a, 0) for w, a in zip(net.weights, largest, strict=True)]
    factors, previous = [], 1.0
    for layer, scale in enumerate(scales, 1):
        if not scale > 0:
            raise ValueError(
                f"X must activate every layer, but the {form} scale of layer {layer} is {scale}"
            )
        factors.append(previous / float(scale))
        previous = 1 / factors[-1] if form == "paper" else float(scale)
    return np.array(factors)


def _percentiles(
    batches: Iterable[Sequence[Array]], percentile: float, sizes: Sequence[int]
) -> list[float]:
    """np.percentile of each layer over all batches, of which only the top values are kept."""
    # The linear interpolation of np.percentile needs the values from this rank upwards.
    ranks = [(size - 1) * percentile / 100 for size in sizes]
    n_kept = [size - int(rank) for size, rank in zip(sizes, ranks, strict=True)]
    top = [np.empty(0)] * len(sizes)
    for batch in batches:
        for layer, a in enumerate(batch):
            values = np.concatenate([top[layer], a.ravel()])
            if len(values) > n_kept[layer]:
                values = np.partition(values, len(values) - n_kept[layer])[-n_kept[layer] :]
            top[layer] = values
    scales = []
    for values, rank in zip(top, ranks, strict=True):
        values = np.sort(values)
        low, high = values[0], values[min(1, len(values) - 1)]
        scales.append(low + (rank - int(rank)) * (high - low))
    return scales
