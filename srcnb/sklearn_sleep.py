"""A fitted MLPClassifier of scikit-learn, or a Pipeline that ends in one, sleeps in one line."""

import copy
import logging
import math
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from srcnb import output
from srcnb.mlp import MLP
from srcnb.sklearn_mlp import check_classifier, from_sklearn, to_sklearn
from srcnb.spiking.calibrate import SleepTargets
from srcnb.spiking.config import SleepConfig
from srcnb.spiking.inputs import SampleInput
from srcnb.spiking.scaling import FeatureScale
from srcnb.spiking.sleeping import sleep
from srcnb.spiking.watchers import MAX_DROP, OPTIONS, check_options, check_pair, of_answers
from srcnb.validation import (
    Array,
    RandomState,
    check_array,
    check_instance,
    check_int,
    check_list,
    check_memory,
    check_real,
    check_rng,
    check_width,
)

logger = logging.getLogger(__name__)


def sleep_sklearn(
    model: Any,
    X: Any,
    config: SleepConfig | SleepTargets | None = None,
    *,
    classes: Any = None,
    keep: float = 0.2,
    homeostasis: float | None = 0.5,
    n_sleeps: int = 3,
    random_state: RandomState = None,
    **options: Any,
) -> Any:
    """A copy of a fitted classifier of scikit-learn that has slept, with even outputs.

    For a model that has learnt one task after another and has forgotten the first. It sleeps
    (:func:`srcnb.sleep`) on samples of the task that it learnt last; then the outputs of all
    classes are brought to one scale (:func:`srcnb.homeostasis`), without which most of what a sleep
    brings back does not show. No sample of earlier tasks is needed. With ``n_sleeps=0`` the outputs
    are all that changes: compare with that, as it gives most of the gain (docs/GUESTS.md).

    ``predict`` keeps its meaning. ``predict_proba`` is that of outputs with spread 1, so that it is
    less sure than before, and is not calibrated.

    What a copy keeps: all parameters (``alpha``, ``early_stopping``, ``warm_start``, …), the steps
    of a Pipeline before the classifier, such as a scaler, which are not fitted again, ``classes_``,
    and the records of the training: ``n_iter_``, ``t_``, ``loss_curve_``, ``validation_scores_``,
    which say nothing of the sleep. What the solver keeps between calls of ``partial_fit`` (Adam's
    moments, SGD's velocities) is kept as it was before the sleep, so ``partial_fit`` goes on. What
    a copy loses: ``best_loss_`` and ``best_validation_score_``, of weights that it no longer has,
    start again, so that a ``fit`` with ``warm_start`` does not go back to these; and any ``fit``
    without it starts from new weights and forgets the sleep.

    Parameters
    ----------
    model : MLPClassifier, or Pipeline that ends in one
        Fitted, with activation "relu", and left unchanged.
    X : array-like, DataFrame or sparse matrix of shape (n, n_features)
        Samples of the task that was learnt last, as the model takes them: raw for a Pipeline.
        Where the classifier gets features outside [0, 1], it sleeps on ``FeatureScale.of`` these:
        each feature by its smallest and largest value in X. The logger "srcnb.sklearn_sleep" says
        so, at level INFO.
    config : SleepConfig, SleepTargets or None
        Of each sleep, as for :func:`srcnb.sleep`; None: calibrated, ``SleepTargets()``.
    classes : array-like of the model's own labels, or None
        Those that it has seen; None: all of ``model.classes_``. Outputs of others stay as they are.
    keep : float in (0, 1]
        Probability that a feature is kept in a step of the sleep input, a sample under a mask.
    homeostasis : float in (0, 1], or None
        Probability that a feature is kept when the outputs are brought to one scale. The others are
        0, in the unit that the classifier gets, as a StandardScaler makes the mean. More brings
        back more of the old classes and costs more of the new ones. None: outputs stay as they are.
    n_sleeps : int >= 0
        Sleeps in a row, each calibrated to what the one before has left.
    random_state : None, int, SeedSequence or Generator
    **options : callback, every, validate, max_drop and progress of :func:`srcnb.sleep`
        What ends one of several sleeps ends them all: the next ones are not begun.
        ``callback(step, net)`` gets the network of :func:`srcnb.from_sklearn`, whose features are
        those that the classifier gets (behind a Pipeline's scaler), with outputs as they are;
        ``step`` counts from the beginning of each sleep. ``validate`` is a pair (X, y) as
        ``model.score`` takes it. Its accuracy is that of the model that would be returned, with
        outputs on one scale, and may fall by ``max_drop`` in all sleeps together, from what it is
        with ``n_sleeps=0``. It decides where the sleep ends, and nothing else.

    Returns
    -------
    MLPClassifier or Pipeline
        Of the same type; it shares nothing with ``model``.

    Raises
    ------
    TypeError
        For other estimators; the message says what to do.
    ValueError
        For a model that is not fitted or has another activation than relu; one without a hidden
        layer that would sleep with nothing to change; and for samples or labels that it does not
        take.

    Warns
    -----
    RateWarning, SilentLayerWarning, NoChangeWarning
        As :func:`srcnb.sleep` does.
    """
    for name in options:
        if name not in OPTIONS:
            raise TypeError(
                f"options of sleep_sklearn must be among {', '.join(OPTIONS)}, got {name}"
            )
    check_options(**options)
    last = model
    while _is_pipeline(last):
        last = last.steps[-1][1]
    check_classifier("model" if last is model else "the last step of model", last)
    net = from_sklearn(last)
    if not isinstance(config, SleepConfig):
        config = SleepTargets() if config is None else config
        check_instance("config", config, SleepTargets, "a SleepConfig, a SleepTargets or None")
    seen = np.arange(len(last.classes_))
    if classes is not None:
        seen = _places("classes", classes, last.classes_)
    keep = check_real("keep", keep, 0, 1, low_open=True)
    if homeostasis is not None:
        homeostasis = check_real("homeostasis", homeostasis, 0, 1, low_open=True)
    n_sleeps = check_int("n_sleeps", n_sleeps)
    sleep_rng, output_rng = check_rng("random_state", random_state).spawn(2)
    if n_sleeps and len(net.weights) == 1 and getattr(config, "output_rate", 0) is None:
        raise ValueError(
            "model must have a hidden layer, as the sleep leaves the output layer as it is, got"
            f" {last}: n_sleeps=0 brings its outputs to one scale"
        )
    samples = _features(last, _transformed(model, X), net)

    def even(net: MLP) -> MLP:
        if homeostasis is None:
            return net
        rng = copy.deepcopy(output_rng)  # the same numbers at each look
        return output.homeostasis(net, samples, seen, homeostasis, random_state=rng)

    if options.get("validate") is not None:
        held_out, labels = _held_out(model, last, options["validate"], net)
        accuracy = of_answers(lambda net: np.mean(even(net).predict(held_out) == labels))
        options["validate"] = accuracy
    net = even(_slept(net, samples, config, keep, n_sleeps, sleep_rng, options))
    return _with_last(model, to_sklearn(net, like=last))


def _is_pipeline(model: Any) -> bool:
    from sklearn.pipeline import Pipeline

    return isinstance(model, Pipeline)


def _transformed(model: Any, X: Any) -> Any:
    """``X`` as the last step of a Pipeline gets it; of a Pipeline in it, the last step of that."""
    while _is_pipeline(model):
        X = model[:-1].transform(X) if len(model) > 1 else X
        model = model.steps[-1][1]
    return X


def _with_last(model: Any, last: Any) -> Any:
    """A copy of a Pipeline with another last step; ``last`` itself if ``model`` is none."""
    if not _is_pipeline(model):
        return last
    name, old = model.steps[-1]
    changed = copy.deepcopy(model)
    changed.steps[-1] = (name, _with_last(old, last))
    return changed


def _places(name: str, labels: Any, known: Array) -> Array:
    """The places of these labels in ``known``, ``model.classes_``."""
    given = check_list(name, labels)
    if not given:
        raise ValueError(f"{name} must hold at least one label, got none")
    places = {label: i for i, label in enumerate(known.tolist())}
    for label in given:
        if not isinstance(label, Hashable) or label not in places:
            raise ValueError(f"{name} must be in model.classes_, {known}, got {label!r:.60}")
    return np.array([places[label] for label in given])


def _features(classifier: Any, X: Any, net: MLP) -> Array:
    """``X`` as the classifier takes it: (n, n_0) in the dtype of ``net``, checked."""
    dense = X
    if hasattr(X, "toarray"):
        n_bytes = net.dtype.itemsize * math.prod(X.shape)
        check_memory(f"X of shape {X.shape}, which is sparse,", n_bytes)
        dense = X.toarray()
    samples = check_array("X", dense, 2, net.dtype)
    check_width("X", samples, net.layer_sizes[0])
    if not len(samples):
        raise ValueError(f"X must hold at least one sample, got shape {samples.shape}")
    # Names of features, and their order, are scikit-learn's to check, as when it predicts.
    classifier.predict(X[:1] if hasattr(X, "columns") else samples[:1])
    return samples


def _held_out(model: Any, last: Any, validate: Any, net: MLP) -> tuple[Array, Array]:
    """``validate``, as the model takes it, as samples for ``net`` and places in ``classes_``."""
    from sklearn.utils.validation import column_or_1d

    X, y = check_pair(validate)
    try:
        samples = _features(last, _transformed(model, X), net)
        labels = _places("y", column_or_1d(y, warn=True).tolist(), last.classes_)
        if len(labels) != len(samples):
            raise ValueError(
                f"y must have a label for each of {len(samples)} samples, got {len(labels)}"
            )
    except (TypeError, ValueError) as error:
        text = f"validate must be a pair (X, y) as model.score takes it: {error}"
        raise ValueError(text) from error
    return samples, labels


def _slept(
    net: MLP,
    samples: Array,
    config: SleepConfig | SleepTargets,
    keep: float,
    n_sleeps: int,
    rng: np.random.Generator,
    options: dict[str, Any],
) -> MLP:
    """``net`` after so many sleeps on masked ``samples``, on intensities where need be.

    ``options`` are those of :func:`srcnb.sleep`, ``validate`` among them a function of a network.
    """
    if not n_sleeps:
        return net
    scale = None
    low, high = float(samples.min()), float(samples.max())
    if low < 0 or high > 1:
        scale = FeatureScale.of(samples)
        logger.info(
            "features are in [%.3g, %.3g]: each is scaled to [0, 1] for the sleep by its smallest"
            " and largest value in X",
            low,
            high,
        )
        samples = scale.transform(samples)
    if not samples.any():
        raise ValueError(
            "X must have a feature above 0, or where some are outside [0, 1] one that varies, as no"
            f" input of the sleep would fire (n={len(samples)})"
        )
    sleep_input = SampleInput(n_samples=1, keep=keep)
    sleep_input.update(samples)
    score: Callable[[MLP], float] | None = options.get("validate")
    max_drop = options.get("max_drop")
    least = 0.0
    if score is not None:
        least = score(net) - (MAX_DROP if max_drop is None else max_drop)
    for i in range(1, n_sleeps + 1):
        if score is not None:
            # What the sleeps before this one have left.
            options = {**options, "max_drop": float(np.clip(score(net) - least, 0, 1))}
        result = sleep(net, sleep_input, config, rng, scale=scale, **options)
        assert result.net is not None
        net = result.net
        if result.stopped is not None:
            logger.info("sleep %d of %d was stopped, and is the last", i, n_sleeps)
            break
    return net
