"""Two networks compared, such as before and after a sleep: arrays and tidy tables.

Activations are those of test time, after the activation function; of the output layer they are its
logits, as the outputs of a sure softmax are all 0 and 1. They are taken in blocks of samples and
pooled or projected at once: what is kept at a time are the activations of BLOCK_ROWS samples.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from srcnb.analysis import stable_rank
from srcnb.mlp import MLP
from srcnb.validation import Array, check_int, check_labels, check_list, check_samples

if TYPE_CHECKING:
    import pandas as pd

BLOCK_ROWS = 500
# Principal components are fitted on so many samples of each network at most, as their cost grows
# with the square of the samples; all samples are projected on them.
FIT_ROWS = 500


def by_class(y: Array, per_class: int) -> Array:
    """The first ``per_class`` samples of each class, class after class: indices, int64."""
    check_int("per_class", per_class, low=1)
    return np.concatenate([np.flatnonzero(y == c)[:per_class] for c in np.unique(y)])


def layer_blocks(net: MLP, X: Array) -> Iterator[tuple[slice, list[Array]]]:
    """Yield (rows, activations of layers 1 … L) for BLOCK_ROWS samples at a time."""
    for rows, a, z in net.batches(X, BLOCK_ROWS):
        yield rows, [*a[:-1], z]


def pooled(net: MLP, X: Array, weights: Array) -> list[Array]:
    """weights @ activations, over layers 1 … L: (m, n_l) float64 each; ``weights`` is (m, n)."""
    sums = [np.zeros((len(weights), n)) for n in net.layer_sizes[1:]]
    for rows, layers in layer_blocks(net, X):
        for total, a in zip(sums, layers, strict=True):
            total += weights[:, rows] @ a
    return sums


def averages(y: Array) -> Array:
    """What takes the mean over the samples of each class that ``y`` (n,) has: (n_classes, n)."""
    of_class = np.unique(y)[:, None] == y
    return np.asarray(of_class / of_class.sum(axis=1, keepdims=True))


def class_means(net: MLP, X: Array, y: Array) -> list[Array]:
    """Mean activation of each class that ``y`` has: over layers 1 … L, (n_classes, n_l) float64."""
    X, y = _checked(net, X, y)
    return pooled(net, X, averages(y))


def joint_scores(nets: Sequence[MLP], X: Array, n_components: int = 10) -> list[Array]:
    """Activations of several networks on common principal components (scikit-learn's PCA).

    Parameters
    ----------
    nets : networks with the same layer sizes
    X : (n, n_0) array
    n_components : int >= 1
        Fitted per hidden layer on all networks together, so that their scores may be compared; the
        output layer is not projected. A layer with fewer units has as many components.

    Returns
    -------
    list over layers 1 … L of (n_nets, n, k) float32 arrays
    """
    from sklearn.decomposition import PCA

    check_int("n_components", n_components, low=1)
    nets = _alike(nets)
    X = check_samples("X", X, nets[0].layer_sizes[0], nets[0].dtype)
    some = np.arange(0, len(X), -(-len(X) // FIT_ROWS))
    others = np.setdiff1d(np.arange(len(X)), some)
    # What it is fitted on is computed once.
    parts = [[(some[rows], a) for rows, a in layer_blocks(net, X[some])] for net in nets]
    fitted: list[Any] = []
    for layer in range(len(nets[0].weights) - 1):
        a = np.concatenate([a[layer] for of_net in parts for _, a in of_net])
        fitted.append(PCA(min(n_components, *a.shape), random_state=0).fit(a))
    widths = [*(len(pca.components_) for pca in fitted), nets[0].layer_sizes[-1]]
    scores = [np.empty((len(nets), len(X), k), np.float32) for k in widths]
    for i, (net, of_net) in enumerate(zip(nets, parts, strict=True)):
        rest = layer_blocks(net, X[others]) if len(others) else ()
        for rows, layers in chain(of_net, ((others[rows], a) for rows, a in rest)):
            for pca, a, of_layer in zip((*fitted, None), layers, scores, strict=True):
                of_layer[i, rows] = a if pca is None else pca.transform(a)
    return scores


def pooled_scores(scores: Sequence[Array], y: Array) -> list[Array]:
    """Scores of :func:`joint_scores`, their mean per class: (n_nets, n_classes, k) each."""
    return [np.einsum("cn,pnk->pck", averages(y), of_layer) for of_layer in scores]


def class_changes(before: MLP, after: MLP, X: Array, y: Array) -> "pd.DataFrame":
    """How far the hidden states of each class moved from one network to another.

    Returns
    -------
    DataFrame with a row per layer (from 1) and class: difference (the mean over the samples of
    1 - cosine similarity, where the cosine with a vector of zeros is 0), before and after (the mean
    over the samples of the length of the activation vector).
    """
    import pandas as pd

    before, after = _alike([before, after])
    X, y = _checked(before, X, y)
    # Sums over the samples: difference, length before, length after.
    per_sample = np.zeros((len(before.weights), 3, len(X)))
    blocks = zip(layer_blocks(before, X), layer_blocks(after, X), strict=True)
    for (rows, ones), (_, others) in blocks:
        for layer, (a, b) in enumerate(zip(ones, others, strict=True)):
            lengths = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
            product = lengths[0] * lengths[1]
            inner = np.einsum("nj,nj->n", a, b)
            cosines = np.divide(inner, product, out=np.zeros_like(inner), where=product > 0)
            per_sample[layer, :, rows] = np.stack([1 - cosines, *lengths])
    means = per_sample @ averages(y).T
    rows_of = [
        {"layer": layer, "class": int(c), "difference": d, "before": one, "after": other}
        for layer, of_layer in enumerate(means, 1)
        for c, d, one, other in zip(np.unique(y), *of_layer, strict=True)
    ]
    return pd.DataFrame(rows_of)


def stable_ranks(net: MLP) -> "pd.DataFrame":
    """The stable rank of each layer's weights: columns layer (from 1) and stable_rank."""
    import pandas as pd

    ranks = [stable_rank(np.asarray(W)) for W in net.weights]
    return pd.DataFrame({"layer": range(1, len(ranks) + 1), "stable_rank": ranks})


@dataclass(frozen=True, eq=False)
class WeightPairs:
    """The weights of one layer, before against after, counted.

    Attributes
    ----------
    counts : (n_bins, n_bins) float64; the first index is of the weight before, the second after
    edges : (n_bins + 1,) float64, the same for both
    changes : (n_bins,) float64, how many weights changed by so much
    change_edges : (n_bins + 1,) float64, centred at 0
    moved : whether any weight changed
    """

    counts: Array
    edges: Array
    changes: Array
    change_edges: Array
    moved: bool


def weight_pairs(before: MLP, after: MLP, n_bins: int = 121) -> list[WeightPairs]:
    """Count the weights of each layer by their values before and after, and by their change."""
    check_int("n_bins", n_bins, low=1)
    before, after = _alike([before, after])
    found = []
    for one, other in zip(before.weights, after.weights, strict=True):
        W, V = np.asarray(one), np.asarray(other)
        edges = np.linspace(-1, 1, n_bins + 1) * (max(abs(W).max(), abs(V).max()) or 1)
        by_row = [slice(i, i + 256) for i in range(0, len(W), 256)]
        most = max(float(abs(V[rows] - W[rows]).max()) for rows in by_row)
        change_edges = np.linspace(-1, 1, n_bins + 1) * (most or 1)
        counts, changes = np.zeros((n_bins, n_bins)), np.zeros(n_bins)
        for rows in by_row:
            w, v = W[rows].ravel(), V[rows].ravel()
            counts += np.histogram2d(w, v, [edges, edges])[0]
            changes += np.histogram(v - w, change_edges)[0]
        found.append(WeightPairs(counts, edges, changes, change_edges, most > 0))
    return found


def confusion(y: Array, predicted: Array, n_classes: int) -> Array:
    """Of the samples of each class (row), the percentage predicted as each (column).

    (n_classes, n_classes) float64; the row of a class without samples is 0.
    """
    from sklearn.metrics import confusion_matrix

    check_int("n_classes", n_classes, low=1)
    y = check_labels("y", y, len(y), n_classes)
    predicted = check_labels("predicted", predicted, len(y), n_classes)
    counts = confusion_matrix(y, predicted, labels=range(n_classes))
    return np.asarray(100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def class_correlations(means: Sequence[Array]) -> list[Array]:
    """Pearson's correlation of the class means of :func:`class_means`, over a layer's units.

    A list over layers of (n_classes, n_classes) float64; NaN for a class whose mean does not vary.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return [np.corrcoef(of_layer) for of_layer in means]


def _checked(net: MLP, X: Any, y: Any) -> tuple[Array, Array]:
    X = check_samples("X", X, net.layer_sizes[0], net.dtype)
    return X, check_labels("y", y, len(X), net.layer_sizes[-1])


def _alike(nets: Any) -> list[MLP]:
    """``nets`` as a list of networks with the same layers; ValueError or TypeError if not."""
    checked: list[MLP] = check_list("nets", nets)
    if not checked:
        raise ValueError("nets must hold at least one network, got none")
    for net in checked:
        if not isinstance(net, MLP):
            raise TypeError(f"nets must be srcnb.MLP each, got {net!r:.60}")
        if net.layer_sizes != checked[0].layer_sizes:
            sizes = [n.layer_sizes for n in checked]
            raise ValueError(f"nets must have the same layer sizes, got {sizes}")
    return checked
