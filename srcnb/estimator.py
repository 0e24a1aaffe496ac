"""``srcnb.SleepReplayClassifier``: the calibrated protocol as an estimator of scikit-learn."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import RandomState, SeedSequence, default_rng
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from srcnb.all_or_nothing import all_or_nothing
from srcnb.estimator_checks import (
    WHEN,
    can_fire,
    check_classes,
    check_held_out,
    check_known,
    check_parameters,
    check_seed,
)
from srcnb.first_scale import FirstScale
from srcnb.methods.base import sleep_as_scheduled, sleep_between
from srcnb.mlp import MLP
from srcnb.output import homeostasis
from srcnb.protocol import Protocol, SleepState
from srcnb.spiking.calibrate import SleepTargets
from srcnb.spiking.watchers import check_options, of_answers
from srcnb.validation import Array, ArrayLike

if TYPE_CHECKING:
    from typing import Self

# Passes where ``epochs`` is None: of the calibrated protocol, and for small tables (ESTIMATOR.md).
TASK_EPOCHS, FIT_EPOCHS = 3, 30
# Samples of the last task that are kept for sleep(): more than the steps of a sleep draw.
KEPT = 2000


class SleepReplayClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # no types there
    """A classifier that learns task after task and sleeps in between, so that it forgets less.

    An :class:`srcnb.MLP` and sleep replay consolidation. The defaults are the numbers of the
    calibrated protocol (docs/ANY_NETWORK.md), but that it has biases.

    ``fit`` learns all classes at once, forgets earlier fits and **never sleeps**: so GridSearchCV
    tunes the training, and :func:`srcnb.search` tunes the sleep (its ``SleepTargets`` go into
    ``sleep_targets``). **One call of partial_fit is one task**, not a minibatch: thousands of
    samples of some classes, say, and it is trained on in several passes. It sleeps within and after
    each task but the first as ``sleep_when`` says; :meth:`sleep` is a sleep by hand.

    Features may be of any scale. Where those of the first task are all in [0, 1], as intensities of
    images are, features are left as they are (later ones are clipped to -1 … 2, and for the sleep
    to 0 … 1). Else the network sees each as two intensities, how far it is above and how far below
    the mean of the first task, 1 being three of its standard deviations or more (``scale_``).

    Parameters
    ----------
    hidden_layer_sizes : list of int
    epochs : int >= 1, or None
        Passes over the samples of a call. None: 3 in ``partial_fit``, 30 in ``fit``.
    batch_size : int >= 1, or float in (0, 1)
        Samples of a batch; a float is a share of those of the call.
    learning_rate : float > 0
        Of SGD with momentum 0.5.
    bias : bool
        Whether the layers have biases. Digits by pairs lose a point with them, tables of few
        features need them.
    dropout : float in [0, 1)
        Probability that a hidden unit is dropped in a training batch.
    sleeps_per_task : int >= 1
        Training on a task that is slept over is split into so many parts of as many epochs each,
        with a sleep after each part.
    sleep_when : "new_classes" | "always" | "never"
        Sleep with a task that brings classes never seen before, with every task, or not at all.
        Never with the first.
    sleep_targets : SleepTargets or None
        What a sleep is like. None: ``SleepTargets()``.
    homeostasis : float in (0, 1], or None
        The outputs of all classes seen are brought to one scale at prediction, by
        :func:`srcnb.homeostasis` on samples of the last task with this share of their features
        kept; only where that task lacks a class seen before, as else it costs accuracy. None:
        never.
    random_state : None, int or numpy.random.RandomState

    Attributes
    ----------
    classes_ : (n_classes,) array of labels, sorted
    classes_seen_ : array of those of them that had samples; no other is predicted
    n_features_in_ : int
    feature_names_in_ : (n_features,) array of str
        Only where ``X`` has names.
    n_tasks_ : int, tasks learnt: 1 after ``fit``
    n_sleeps_ : int, sleeps so far, with those that were stopped
    scale_ : srcnb.first_scale.FirstScale
        ``scale_.transform(X)`` are the network's inputs: ``X`` as it is, or twice as many.
    network_ : MLP on these inputs, which trains and sleeps on
    predictor_ : MLP, a copy of ``network_`` that predicts, with outputs on one scale or as they are
        In float64, so that a prediction does not depend on the rows beside it. Where outputs are on
        one scale only the order of the probabilities means something.

    Notes
    -----
    After a call at most 2000 samples of it are kept (scaled, drawn at random), for :meth:`sleep`;
    the next call replaces them. A call that raises an error leaves the estimator as it was.
    Parameters may be set between calls, but the network is made in the first one, or in ``fit``:
    other ``hidden_layer_sizes``, ``bias``, ``dropout`` or ``random_state`` wait for the next fit.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from srcnb import SleepReplayClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X / 16  # intensities in [0, 1]
    >>> clf = SleepReplayClassifier(random_state=0)
    >>> for k in range(5):
    ...     clf = clf.partial_fit(X[y // 2 == k], y[y // 2 == k], classes=range(10))
    >>> bool(clf.score(X, y) > 0.7)
    True
    """

    classes_: Array
    classes_seen_: Array
    n_tasks_: int
    n_sleeps_: int
    scale_: FirstScale
    network_: MLP
    predictor_: MLP
    _seed: int  # what all random numbers follow from
    _slept: int  # sleeps of the last task
    _lacks: bool  # whether the last task lacks a class seen before
    _kept: Array  # scaled samples of the last task, for sleep()

    def __init__(
        self,
        hidden_layer_sizes: Any = (400, 400),
        *,
        epochs: int | None = None,
        batch_size: int | float = 0.01,
        learning_rate: float = 0.0125,
        bias: bool = True,
        dropout: float = 0.25,
        sleeps_per_task: int = 3,
        sleep_when: str = "new_classes",
        sleep_targets: SleepTargets | None = None,
        homeostasis: float | None = 0.3,
        random_state: int | RandomState | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.bias = bias
        self.dropout = dropout
        self.sleeps_per_task = sleeps_per_task
        self.sleep_when = sleep_when
        self.sleep_targets = sleep_targets
        self.homeostasis = homeostasis
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> "Self":
        """Learn all classes at once, from the beginning and without a sleep.

        Parameters
        ----------
        X : array-like of shape (n, n_features)
        y : array-like of shape (n,), labels of any kind, of two classes or more

        Raises
        ------
        ValueError, TypeError
            For parameters outside their ranges; data that are not finite; labels that are not
            classes, or of one class only.
        OverflowError
            If the training diverges.
        """
        protocol = check_parameters(self, FIT_EPOCHS)
        with all_or_nothing(self):
            samples, labels = validate_data(self, X, y)
            check_classification_targets(labels)
            classes = unique_labels(labels)
            if len(classes) < 2:
                raise ValueError(f"y must hold two classes or more, got one class, {classes[0]!r}")
            return self._learn(protocol, samples, labels, classes, True)

    def partial_fit(self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None) -> "Self":
        """Learn one more task, and sleep within and after it if one is due.

        Parameters
        ----------
        X : array-like of shape (n, n_features)
        y : array-like of shape (n,), labels of any kind; one class may be enough
        classes : array-like, or None
            All labels that will ever come, two or more. Needed at the first call (not after
            ``fit``, whose classes they are), and may be left out later.

        Raises
        ------
        ValueError, TypeError
            As for :meth:`fit`; for ``classes`` that are missing or other than at the first call,
            labels outside them, or sleeps_per_task that does not divide the epochs.
        OverflowError
            If the training diverges.
        """
        first = not hasattr(self, "network_")
        protocol = check_parameters(self, TASK_EPOCHS)
        epochs, parts = protocol.training["epochs"], self.sleeps_per_task
        if self.sleep_when != "never" and epochs % parts:
            raise ValueError(f"sleeps_per_task must divide epochs, {epochs}, got {parts}")
        known = self._known(classes, first)
        with all_or_nothing(self):
            samples, labels = validate_data(self, X, y, reset=first)
            check_classification_targets(labels)
            check_known(labels, known)
            return self._learn(protocol, samples, labels, known, first)

    def sleep(
        self,
        *,
        callback: Callable[[int, MLP], object] | None = None,
        every: int | None = None,
        validate: tuple[ArrayLike, ArrayLike] | None = None,
        max_drop: float | None = None,
        progress: bool | None = None,
    ) -> "Self":
        """Sleep once more, on up to 2000 samples of the last task, whatever ``sleep_when`` says.

        Parameters
        ----------
        callback, every, max_drop, progress
            As for :func:`srcnb.sleep`, of this sleep alone. ``callback(step, net)`` gets a network
            as ``network_`` is, with outputs as they are: it takes ``scale_.transform(X)`` and
            predicts places in ``classes_``. If it returns True, the sleep ends there.
        validate : (X, y) or None
            Held-out data as :meth:`score` takes them, of any classes of the first call. If the
            accuracy of :meth:`predict` on them falls by more than ``max_drop``, 0.1, from what it
            is before this sleep, the sleep ends, and the network is that of the last look at which
            it had not. They decide where the sleep ends, and nothing else. With more than 2000
            samples in the last task, outputs are on one scale by those that were kept, also in
            what the accuracy is before the sleep.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before ``fit`` or ``partial_fit``.
        ValueError, TypeError
            For options outside their ranges, and data that :meth:`score` does not take.

        Warns
        -----
        NoChangeWarning
            If no sample has an intensity above 0: there is no sleep then, as no input would fire.
            ``partial_fit`` does the same. Or if the sleep was stopped before a change was kept.
        """
        check_is_fitted(self)
        check_options(callback, every, validate, max_drop, progress)
        accuracy = None if validate is None else self._accuracy(*check_held_out(self, validate))
        if not can_fire(self._kept, stacklevel=3):
            return self
        state = _state(check_parameters(self, TASK_EPOCHS), self._kept)
        options = dict(callback=callback, every=every, max_drop=max_drop, progress=progress)
        with all_or_nothing(self):
            self._slept, self.n_sleeps_ = self._slept + 1, self.n_sleeps_ + 1
            key = SeedSequence([self._seed, self.n_tasks_, self._slept])
            before = self.network_.weights
            self.network_ = sleep_as_scheduled(
                state, self.network_, self.n_tasks_, key, validate=accuracy, **options
            )
            # One that was stopped at once leaves what it predicts with as it is.
            if not all(map(np.array_equal, before, self.network_.weights)):
                self.predictor_ = self._evened(self.network_, self._kept)
        return self

    def decision_function(self, X: ArrayLike) -> Array:
        """The inputs of the softmax, (n, n_classes), for each row of ``X`` (n, n_features).

        -inf for a class that was never seen. Of two classes: (n,), the second one's minus the
        first one's.
        """
        z = self._logits(X)
        return np.asarray(z[:, 1] - z[:, 0]) if z.shape[1] == 2 else z

    def predict_proba(self, X: ArrayLike) -> Array:
        """The probabilities of ``classes_``, (n, n_classes), for each row of ``X``."""
        return np.asarray(softmax(self._logits(X), axis=1))

    def predict(self, X: ArrayLike) -> Array:
        """The label with the largest output for each row of ``X`` (n, n_features): (n,)."""
        best = self._logits(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def _logits(self, X: ArrayLike) -> Array:
        check_is_fitted(self)
        inputs = self.scale_.transform(validate_data(self, X, reset=False))
        return self._outputs(self.predictor_, inputs)

    def _outputs(self, predictor: MLP, inputs: Array) -> Array:
        z = predictor.logits(inputs)
        z[:, ~np.isin(self.classes_, self.classes_seen_)] = -np.inf
        return z

    def _accuracy(self, inputs: Array, labels: Array) -> Callable[[MLP], float]:
        """From a network to the accuracy of :meth:`predict` with it as ``network_``."""

        def accuracy(net: MLP) -> float:
            best = self._outputs(self._evened(net, self._kept), inputs).argmax(axis=1)
            return float(np.mean(best == labels))

        return of_answers(accuracy)

    def _known(self, classes: ArrayLike | None, first: bool) -> Array:
        """All labels, sorted: those that ``classes`` names, or did at the first call."""
        if classes is None:
            if first:
                raise ValueError("classes must name all labels at the first call of partial_fit")
            return self.classes_
        named = check_classes(classes)
        if not first and not np.array_equal(named, self.classes_):
            raise ValueError(
                f"classes must be those of the first call, {self.classes_}, got {named}"
            )
        if len(named) < 2:
            raise ValueError(f"classes must be two or more, got {named}")
        return named

    def _learn(self, protocol: Protocol, X: Array, y: Array, classes: Array, first: bool) -> "Self":
        """Learn a task of labels among ``classes``."""
        seed = check_seed(self.random_state) if first else self._seed
        scale = FirstScale(X) if first else self.scale_
        X = scale.transform(X)
        labels = np.searchsorted(classes, y)
        here = np.unique(labels)
        if first:
            sizes = X.shape[1], *protocol.hidden, len(classes)
            net = MLP(sizes, random_state=seed, **protocol.network)
            stage, before = 1, here[:0]
        else:
            net, stage = self.network_.copy(), self.n_tasks_ + 1
            before = np.searchsorted(classes, self.classes_seen_)
        new = np.setdiff1d(here, before).size > 0
        due = not first and (self.sleep_when == "always" or (self.sleep_when == WHEN[0] and new))
        parts = self.sleeps_per_task if due and can_fire(X, stacklevel=4) else 0
        state = _state(protocol, X)

        sleep, training = partial(sleep_as_scheduled, state), protocol.training
        key = [seed, stage]
        sleep_between(
            max(parts, 1), False, sleep, key, net, training, lambda p: net.fit(X, labels, **p)
        )
        if parts:
            net = sleep(net, stage, SeedSequence(key))
        self._seed, self._slept = seed, parts
        self.scale_, self.network_, self.classes_, self.n_tasks_ = scale, net, classes, stage
        self.n_sleeps_ = parts if first else self.n_sleeps_ + parts
        self.classes_seen_ = classes[np.union1d(before, here)]
        self._lacks = len(here) < len(self.classes_seen_)
        self.predictor_ = self._evened(net, X)
        rng = default_rng(SeedSequence(seed, spawn_key=(1, stage)))
        self._kept = X[rng.permutation(len(X))[:KEPT]] if len(X) > KEPT else X
        return self

    def _evened(self, net: MLP, X: Array) -> MLP:
        """What predicts with ``net`` as network_; ``X`` are scaled samples of the last task."""
        if self.homeostasis is not None and self._lacks:
            key = SeedSequence(self._seed, spawn_key=(0, self.n_tasks_))
            seen = np.searchsorted(self.classes_, self.classes_seen_)
            net = homeostasis(net, X, seen, self.homeostasis, random_state=key)
        weights, biases = ([p.astype("f8") for p in ps] for ps in (net.weights, net.biases or []))
        return MLP.from_arrays(weights, biases or None, random_state=0, **net.options)


def _state(protocol: Protocol, X: Array) -> SleepState:
    """What sleeps on the scaled samples ``X``, as far as they are intensities."""
    state = SleepState(protocol.schedule)
    state.sleep_input.update(np.clip(X, 0, 1))
    return state
