"""What SleepReplayClassifier is given, checked: parameters, classes, samples and held-out data."""

import warnings
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from numpy.random import RandomState
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import validate_data

from srcnb import presets
from srcnb.protocol import Protocol
from srcnb.sgd import check_batch_size
from srcnb.spiking.calibrate import SleepTargets
from srcnb.spiking.report import NoChangeWarning
from srcnb.spiking.watchers import check_pair
from srcnb.validation import (
    Array,
    ArrayLike,
    check_bool,
    check_choice,
    check_instance,
    check_int,
    check_list,
    check_real,
)

WHEN = ("new_classes", "always", "never")


def check_parameters(estimator: Any, epochs: int) -> Protocol:
    """The calibrated protocol with the parameters of an estimator; ``epochs`` where it has none."""
    hidden = check_list("hidden_layer_sizes", estimator.hidden_layer_sizes)
    sizes = tuple(check_int("hidden_layer_sizes", n, low=1) for n in hidden)
    check_batch_size(estimator.batch_size, 1)
    check_choice("sleep_when", estimator.sleep_when, WHEN)
    check_int("sleeps_per_task", estimator.sleeps_per_task, low=1)
    if estimator.homeostasis is not None:
        check_real("homeostasis", estimator.homeostasis, 0, 1, low_open=True)
    targets = SleepTargets() if estimator.sleep_targets is None else estimator.sleep_targets
    check_instance("sleep_targets", targets, SleepTargets, "an srcnb.SleepTargets or None")
    own = presets.calibrated()
    network: dict[str, Any] = {"bias": check_bool("bias", estimator.bias)}
    network["dropout"] = check_real("dropout", estimator.dropout, 0, 1, high_open=True)
    training = {
        "epochs": epochs
        if estimator.epochs is None
        else check_int("epochs", estimator.epochs, low=1),
        "batch_size": estimator.batch_size,
        "learning_rate": check_real("learning_rate", estimator.learning_rate, 0, low_open=True),
    }
    schedule = replace(own.schedule, constants=targets, first_steps=targets.n_steps, per_task=1)
    return replace(
        own,
        hidden=sizes,
        schedule=schedule,
        network={**own.network, **network},
        training={**own.training, **training},
    )


def check_classes(classes: ArrayLike) -> Array:
    """The labels that ``classes`` names, sorted."""
    given = check_list("classes", classes)
    try:
        if np.ndim(given) != 1 or len({isinstance(label, str) for label in given}) != 1:
            raise ValueError("text and numbers, lists or none")  # NumPy makes text of numbers
        return np.asarray(unique_labels(given))
    except ValueError as error:
        text = f"classes must be a list of labels, got {classes!r:.60}: {error}"
        raise ValueError(text) from error


def check_known(labels: Array, known: Array) -> None:
    """Raise ValueError for ``labels`` that are not in ``known``."""
    unknown = np.setdiff1d(labels, known)
    if unknown.size:
        raise ValueError(
            f"y must hold classes of the first call, {known}, got {unknown[0]!r}: name all"
            " that will ever come in classes, at the first call of partial_fit"
        )


def check_held_out(estimator: Any, validate: Any) -> tuple[Array, Array]:
    """``validate`` as inputs of the network and places in ``classes_``."""
    X, y = check_pair(validate)
    try:
        samples, labels = validate_data(estimator, X, y, reset=False)
        check_classification_targets(labels)
        unknown = np.setdiff1d(labels, estimator.classes_)
        if unknown.size:
            raise ValueError(f"y must be in classes_, {estimator.classes_}, got {unknown[0]!r}")
        inputs = estimator.scale_.transform(samples)
    except (TypeError, ValueError) as error:
        text = f"validate must be a pair (X, y) as score takes it: {error}"
        raise ValueError(text) from error
    return inputs, np.searchsorted(estimator.classes_, labels)


def check_seed(random_state: Any) -> int:
    """An int from which all random numbers follow: ``random_state`` itself, or one drawn of it."""
    if isinstance(random_state, Integral) and not isinstance(random_state, bool):
        return check_int("random_state", random_state)
    if random_state is not None and not isinstance(random_state, RandomState):
        raise ValueError(
            "random_state must be None, a non-negative int or a numpy.random.RandomState, got"
            f" {random_state!r:.60}"
        )
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def can_fire(X: Array, stacklevel: int) -> bool:
    """Whether a sleep on the scaled samples ``X`` has any input; warns if not."""
    can = bool((X > 0).any())
    if not can:
        text = "no sleep: no sample has an intensity above 0"
        warnings.warn(text, NoChangeWarning, stacklevel)
    return can
