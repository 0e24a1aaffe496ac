"""The output layer put right after training: every output's response brought to the same scale."""

import numpy as np

from srcnb.mlp import MLP
from srcnb.validation import (
    ArrayLike,
    RandomState,
    check_array,
    check_instance,
    check_int,
    check_labels,
    check_list,
    check_memory,
    check_real,
    check_rng,
    check_width,
)


def homeostasis(
    net: MLP,
    X: ArrayLike,
    classes: ArrayLike,
    keep: float = 0.25,
    n_samples: int = 2000,
    random_state: RandomState = None,
) -> MLP:
    """A copy of ``net`` whose outputs for ``classes`` all respond with mean 0 and spread 1.

    A network that has just learnt a task has large outputs for its classes and small ones for all
    others. The responses, the inputs of the output function, to random samples of that task are
    made alike, so that no class is preferred. With h (n_samples, n_{L-1}) the last hidden
    activations of the samples, m the mean of h and u = m/|m|², for each of the classes
    w_c ← w_c - (w_c·m)·u, then w_c ← w_c / sd(w_c·h); the biases of these classes become 0. The
    mean of w_c·h is 0 then, and its standard deviation 1, but for rounding.

    Nothing is divided by 0: where m is 0 (no hidden unit ever active) there is no mean to be taken
    off; and a class whose response does not vary, but for rounding, keeps the length of its w_c.

    Parameters
    ----------
    net : MLP
        Left unchanged. One of low rank comes back as a dense MLP, as from a sleep.
    X : array-like of shape (n, n_0)
        Samples of the current task.
    classes : array-like of int
        The classes seen so far; other outputs stay as they are.
    keep : float in (0, 1]
        Probability that a feature is kept, drawn anew for each feature and sample; the others are
        set to 0. The fewer are kept, the less the samples look like those of their task.
    n_samples : int >= 1
        Samples drawn from ``X``, with replacement.
    random_state : None, int, SeedSequence or Generator

    Raises
    ------
    ValueError, TypeError
        For samples of another width or none, classes that the network does not have, and numbers
        outside their ranges.
    """
    check_instance("net", net, MLP, "an srcnb.MLP")
    X = check_array("X", X, 2, net.dtype)
    check_width("X", X, net.layer_sizes[0])
    if not len(X):
        raise ValueError(f"X must hold at least one sample, got shape {X.shape}")
    classes = check_list("classes", classes)
    seen = np.unique(check_labels("classes", classes, len(classes), net.layer_sizes[-1]))
    keep = check_real("keep", keep, 0, 1, low_open=True)
    n_samples = check_int("n_samples", n_samples, low=1)
    check_memory(f"n_samples = {n_samples}", n_samples * (8 + 4 * X.shape[1] + X[:1].nbytes))
    rng = check_rng("random_state", random_state)

    draws = X[rng.integers(len(X), size=n_samples)]
    draws *= rng.random(draws.shape, dtype=np.float32) < keep
    h = [draws, *net.activations(draws)][-2].astype(np.float64)
    W = np.array(net.weights[-1], dtype=np.float64)
    w = W[seen]
    # What rounding alone may make of a response that does not vary.
    rounding = np.linalg.norm(w, axis=1) * np.sqrt((h**2).sum(axis=1).mean())
    rounding *= 10 * np.finfo(net.dtype).eps
    m = h.mean(axis=0)
    if m.any():
        direction = m / abs(m).max()  # so that no square underflows
        direction /= np.linalg.norm(direction)
        w -= np.outer(w @ direction, direction)
    spread = (h @ w.T).std(axis=0)
    W[seen] = w / np.where(spread > rounding, spread, 1)[:, None]
    corrected = net.with_weights([*(np.array(v) for v in net.weights[:-1]), W.astype(net.dtype)])
    if corrected.biases is not None:
        corrected.biases[-1][seen] = 0
    return corrected
