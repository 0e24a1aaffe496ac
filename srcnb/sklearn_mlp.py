"""scikit-learn's MLPClassifier as a network of srcnb, and back.

scikit-learn keeps ``coefs_`` of shape (n_{l-1}, n_l) = (pre, post), the transposes of our weights.
For two classes it has a single logistic output z; here that is a softmax over -z/2 and z/2, which
is the same function: e^(z/2) / (e^(z/2) + e^(-z/2)) = 1 / (1 + e^-z).
"""

import copy
from typing import Any

import numpy as np

from srcnb.mlp import MLP
from srcnb.validation import check_instance, check_weights

# Other estimators of scikit-learn, by a class that they are made from: what to do with them.
OTHERS = {
    "Pipeline": "take its last step, pipeline[-1], and pipeline[:-1].transform(X) in place of X;"
    " srcnb.sleep_sklearn takes it as it is",
    "BaseSearchCV": "take its best_estimator_",
    "MLPRegressor": "it has no classes to predict, and an MLP of srcnb has nothing else",
}


def from_sklearn(mlp: Any, **options: Any) -> MLP:
    """The network that a fitted ``MLPClassifier`` of scikit-learn is, with its dtype.

    Same probabilities, same decisions, but srcnb's labels are 0 … n_classes - 1: label i is the
    class ``mlp.classes_[i]``, so ``mlp.classes_[net.predict(X)]`` has the classes, and
    ``np.searchsorted(mlp.classes_, y)`` the labels to train on. The optimizer's state and ``alpha``
    (see ``l2``) are not taken over.

    Parameters
    ----------
    mlp : sklearn.neural_network.MLPClassifier
        Fitted, with activation "relu" (or without a hidden layer). Left unchanged. Two classes,
        which it has one logistic output for, become two outputs with weights ∓w/2, biases ∓b/2.
    **options
        Those of ``MLP.from_arrays`` but for ``output``, which is "softmax": dropout, l2,
        random_state, …, for a network that is to learn more.

    Returns
    -------
    MLP
        With biases and copied arrays.

    Raises
    ------
    TypeError
        For another estimator: a Pipeline, an MLPRegressor, …
    ValueError
        If it is not fitted, has hidden layers of another activation than "relu", predicts several
        labels per sample, or knows only one class.
    """
    check_classifier("mlp", mlp)
    if "output" in options:
        raise TypeError(f"output follows from the classifier, got {options['output']!r}")
    weights = [coef.T for coef in mlp.coefs_]
    biases = [*mlp.intercepts_]
    if mlp.out_activation_ == "logistic":
        weights[-1] = np.concatenate([-weights[-1] / 2, weights[-1] / 2])
        biases[-1] = np.concatenate([-biases[-1] / 2, biases[-1] / 2])
    return MLP.from_arrays(weights, biases, **options)


def to_sklearn(net: MLP, like: Any) -> Any:
    """A copy of the fitted ``MLPClassifier`` ``like`` with the weights and biases of ``net``.

    ``predict``, ``predict_proba`` and ``score`` are then those of ``net``, with the classes of
    ``like``; the settings and the optimizer's state are those of ``like`` as well. But
    ``best_loss_`` and ``best_validation_score_`` start again: a ``fit`` with ``warm_start`` would
    go back to the weights of ``like`` if none after it had a better one.

    Parameters
    ----------
    net : MLP
        With softmax output, of the sizes of ``like``: what :func:`from_sklearn` made of it, after a
        sleep, say. One without biases gives intercepts of 0.
    like : sklearn.neural_network.MLPClassifier
        Fitted, as in :func:`from_sklearn`. Left unchanged.

    Returns
    -------
    sklearn.neural_network.MLPClassifier
        Its ``coefs_`` and ``intercepts_`` are copies, in the dtype of ``net``. Of two classes only
        the difference of the two outputs is kept, all that their softmax depends on.

    Raises
    ------
    TypeError, ValueError
        For a ``net`` of other sizes, with relu output, or whose activations are scaled at test time
        (dropout that is not inverted), which scikit-learn can't do; for a ``like`` that
        :func:`from_sklearn` refuses.
    """
    check_instance("net", net, MLP, "an srcnb.MLP")
    check_classifier("like", like)
    sizes = (like.n_features_in_, *(coef.shape[1] for coef in like.coefs_[:-1]), len(like.classes_))
    if net.layer_sizes != sizes:
        raise ValueError(f"net must have the sizes of like, {sizes}, got {net.layer_sizes}")
    if net.output != "softmax":
        raise ValueError(f"net must have output 'softmax', got {net.output!r}")
    if net.dropout and not net.inverted_dropout:
        raise ValueError(
            f"net must have inverted dropout, or none, got dropout={net.dropout} with"
            " inverted_dropout=False: scikit-learn does not scale activations"
        )
    weights = check_weights("net.weights", net.weights)
    biases = net.biases or [np.zeros(len(w), net.dtype) for w in weights]
    last, last_bias = weights[-1], biases[-1]
    if like.out_activation_ == "logistic":
        last, last_bias = last[1:] - last[:1], last_bias[1:] - last_bias[:1]
    mlp = copy.deepcopy(like)
    mlp.coefs_ = [w.T.copy(order="C") for w in (*weights[:-1], last)]
    mlp.intercepts_ = [b.copy() for b in (*biases[:-1], last_bias)]
    # As scikit-learn has them before the first epoch. None stands for what is not in use.
    for score, start in (("best_loss_", np.inf), ("best_validation_score_", -np.inf)):
        if getattr(mlp, score, None) is not None:
            setattr(mlp, score, start)
    mlp._no_improvement_count = 0
    return mlp


def check_classifier(name: str, mlp: Any) -> None:
    """Raise unless ``mlp`` is a fitted MLPClassifier that an MLP can be; ``name`` is what it is.

    TypeError for another estimator, ValueError for what is not fitted or has another activation
    than "relu": the messages say what to do.
    """
    from sklearn.neural_network import MLPClassifier

    how = "a fitted MLPClassifier of scikit-learn"
    for kind in type(mlp).__mro__:
        if kind.__name__ in OTHERS:
            advice = OTHERS[kind.__name__]
            raise TypeError(f"{name} must be {how}, got a {type(mlp).__name__}: {advice}")
    check_instance(name, mlp, MLPClassifier, how)
    if not hasattr(mlp, "coefs_"):
        raise ValueError(f"{name} must be fitted: call its fit(X, y) first, got {mlp}")
    if len(mlp.coefs_) > 1 and mlp.activation != "relu":
        raise ValueError(
            f"{name} must have activation='relu', got {mlp.activation!r}: fit an"
            " MLPClassifier(activation='relu', …) in its place, as firing rates stand for relu"
            " activations"
        )
    if mlp.out_activation_ == "logistic" and mlp.n_outputs_ > 1:
        raise ValueError(
            f"{name} must predict one label per sample, got one of {mlp.n_outputs_} labels each:"
            " fit an MLPClassifier per label"
        )
    if len(mlp.classes_) < 2:
        raise ValueError(f"{name} must know two classes or more, got classes_={mlp.classes_}")
