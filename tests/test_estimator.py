"""SleepReplayClassifier: what scikit-learn asks of an estimator, and when it sleeps."""

import pickle
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

import srcnb
from srcnb import SleepReplayClassifier, SleepTargets, datasets, presets, tasks
from srcnb.methods import METHODS
from srcnb.protocol import SleepSchedule

RNG = np.random.default_rng(0)
N_CLASSES, N_FEATURES = 6, 12
CENTRES = 20 * RNG.random((N_CLASSES, N_FEATURES)) - 5
Y = np.repeat(np.arange(N_CLASSES), 20)
X = CENTRES[Y] + RNG.standard_normal((len(Y), N_FEATURES))
SHORT = SleepTargets(n_steps=60, rate=0.05)


def small(**options):
    """An estimator that trains and sleeps in no time."""
    options = {"sleep_targets": SHORT, "random_state": 0, **options}
    return SleepReplayClassifier((20, 15), **options)


def of(*classes):
    """The samples of these classes."""
    rows = np.isin(Y, classes)
    return X[rows], Y[rows]


def stream(estimator, *groups):
    """The estimator after a task of each of these groups of classes."""
    for group in groups:
        estimator.partial_fit(*of(*group), classes=range(N_CLASSES))
    return estimator


PAIRS = (0, 1), (2, 3), (4, 5)


def same(a, b):
    """Whether two networks have the same weights and biases, to the last bit."""
    one, other = ([*net.weights, *(net.biases or [])] for net in (a, b))
    return len(one) == len(other) and all(
        np.array_equal(p, q) for p, q in zip(one, other, strict=True)
    )


@pytest.fixture
def array_api(monkeypatch):
    """One of scikit-learn's checks is skipped without it."""
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")


@pytest.mark.filterwarnings("ignore")
def test_all_checks_of_scikit_learn_pass_and_none_is_skipped(array_api):
    estimator = SleepReplayClassifier((30,), epochs=9, learning_rate=0.05)
    results = check_estimator(estimator, on_skip=None, on_fail=None)
    assert len(results) > 40
    assert {r["check_name"]: r for r in results if r["status"] != "passed"} == {}


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([SleepReplayClassifier()])
def test_checks_of_scikit_learn(estimator, check, array_api):
    check(estimator)


class AfterTheFirst(SleepSchedule):
    """The schedule of an estimator: no sleep with the first task."""

    def is_due(self, stage, n_stages):
        return stage > 1


@pytest.mark.parametrize("bias", [True, False])
def test_the_network_is_that_of_src(bias):
    """To the last bit, with defaults but for the hidden layers, and the first task's sleep."""
    data = datasets.load("digits")
    sequence = tasks.class_incremental(data, cap=60)[:3]
    protocol = presets.calibrated()
    options = {f.name: getattr(protocol.schedule, f.name) for f in fields(SleepSchedule)}
    protocol = replace(
        protocol,
        hidden=(40, 30),
        schedule=AfterTheFirst(**options),
        network={**protocol.network, "bias": bias},
    )
    *_, last = METHODS["src"](sequence, protocol, 7)
    estimator = SleepReplayClassifier((40, 30), bias=bias, random_state=7)
    for task in sequence:
        estimator.partial_fit(task.X, task.y, classes=range(10))
    assert same(estimator.network_, last.model.net)
    assert estimator.n_sleeps_ == 6


@pytest.mark.parametrize(
    ("when", "sleeps"),
    [("new_classes", [0, 3, 3, 6, 6]), ("always", [0, 3, 6, 9, 12]), ("never", [0] * 5)],
)
def test_when_it_sleeps(when, sleeps):
    estimator = small(sleep_when=when)
    for group, n in zip([(0, 1), (2,), (0, 2), (1, 5), (5,)], sleeps, strict=True):
        before = getattr(estimator, "network_", None)
        stream(estimator, group)
        assert estimator.n_sleeps_ == n
        assert before is not estimator.network_  # that is another one, and the last is as it was
    assert estimator.n_tasks_ == 5
    assert estimator.classes_seen_.tolist() == [0, 1, 2, 5]


def test_a_sleep_in_the_middle_changes_what_is_learnt():
    slept, awake = (stream(small(sleep_when=w), *PAIRS) for w in ("always", "never"))
    assert not same(slept.network_, awake.network_)
    often = stream(small(sleeps_per_task=1), *PAIRS)
    assert often.n_sleeps_ == 2 and not same(often.network_, slept.network_)


def test_sleep_by_hand():
    with pytest.raises(NotFittedError):
        small().sleep()
    estimator = stream(small(sleep_when="never"), (0, 1))
    twin = pickle.loads(pickle.dumps(estimator))
    before = estimator.network_
    assert estimator.sleep() is estimator and estimator.n_sleeps_ == 1
    once = estimator.network_
    assert not same(once, before)
    assert same(twin.sleep().network_, once)  # what it sleeps on is kept
    assert not same(small().fit(X, Y).sleep().network_, once)
    # Another one is not on the same numbers.
    assert not np.allclose(
        estimator.sleep().network_.weights[0] - once.weights[0],
        once.weights[0] - before.weights[0],
    )
    assert estimator.n_sleeps_ == 2


def test_a_sleep_by_hand_is_no_repetition_of_those_of_the_task():
    """Its random numbers are others, also with one sleep a task."""
    estimator = stream(small(sleeps_per_task=1), (0, 1), (2, 3))
    by_hand = stream(small(sleep_when="never", sleeps_per_task=1), (0, 1), (2, 3))
    assert not same(by_hand.sleep().network_, estimator.network_)


NAMES = np.array(["ant", "bee", "cat", "dog", "emu", "fox"])
# A sleep that does harm, and 40 % of all samples, none of which is trained on.
HARM = SleepTargets(n_steps=60, rate=0.2, budget=40.0)
HELD_OUT = np.arange(len(Y)) % 5 < 2


def named(**options):
    """An estimator of named classes after two tasks, without a sleep; samples are held out."""
    estimator = small(sleep_when="never", **options)
    for group in PAIRS[:2]:
        rows = np.isin(Y, group) & ~HELD_OUT
        estimator.partial_fit(X[rows], NAMES[Y[rows]], classes=NAMES)
    return estimator


def held_out(*classes):
    """Held-out samples of these classes, as a user has them: a pair."""
    rows = np.isin(Y, classes) & HELD_OUT
    return X[rows], NAMES[Y[rows]]


def watched(estimator, data, every, **options):
    """{step: (network, score on ``data`` if the sleep ended there)} of a sleep by hand."""
    seen = {}

    def look(step, net):
        ended = pickle.loads(pickle.dumps(estimator))
        ended.network_, ended.predictor_ = net, ended._evened(net, ended._kept)
        seen[step] = net, ended.score(*data)

    estimator.sleep(callback=look, every=every, **options)
    return seen


def test_a_sleep_by_hand_that_is_watched_is_the_same(capsys):
    """What is held out decides nothing as long as it is kept; each call counts its own steps."""
    estimator, plain = named(), named()
    for _ in range(2):
        assert plain.sleep() is plain
        seen = watched(
            *(estimator, held_out(0, 1, 2, 3), 20),
            validate=held_out(*range(6)),
            max_drop=1,
            progress=True,
        )
        assert [*seen] == [20, 40, 60]
        assert same(seen[60][0], estimator.network_)
        assert not same(seen[20][0], estimator.network_)
        assert same(estimator.network_, plain.network_)
        assert same(estimator.predictor_, plain.predictor_)
        np.testing.assert_array_equal(estimator._kept, plain._kept)
        np.testing.assert_array_equal(estimator.scale_.scaler.mean_, plain.scale_.scaler.mean_)
        assert estimator.score(*held_out(0, 1, 2, 3)) == seen[60][1]
    assert vars(estimator).keys() == vars(plain).keys() and estimator.n_sleeps_ == 2
    assert "60.0/60.0" in capsys.readouterr().err


def test_the_network_of_a_callback_takes_scaled_features_and_predicts_places():
    estimator = named(homeostasis=None)
    seen = watched(estimator, held_out(0, 1), 60)
    places = seen[60][0].predict(estimator.scale_.transform(X))
    np.testing.assert_array_equal(NAMES[places], estimator.predict(X))


def test_a_callback_stops_a_sleep_by_hand():
    estimator = named()
    seen = watched(named(), held_out(0, 1), 20)
    estimator.sleep(callback=lambda step, net: step >= 20, every=20)
    assert same(estimator.network_, seen[20][0]) and estimator.n_sleeps_ == 1
    # The next one is another sleep, from there, to its end.
    steps = []
    estimator.sleep(callback=lambda step, net: steps.append(step), every=20)
    assert steps == [20, 40, 60] and estimator.n_sleeps_ == 2


@pytest.mark.filterwarnings("ignore::srcnb.RateWarning")
@pytest.mark.parametrize("homeostasis", [0.3, None])
def test_held_out_data_stop_a_sleep_by_hand(homeostasis, caplog):
    """By the accuracy of predict, with labels as they are; what is kept is the last good look."""
    validate = held_out(0, 1, 2, 3) if homeostasis else held_out(2, 3)
    options = dict(sleep_targets=HARM, homeostasis=homeostasis)
    estimator = named(**options)
    before = estimator.score(*validate)
    scores = watched(named(**options), validate, 2)
    fell = min(step for step, (_, score) in scores.items() if before - score > 0.2)
    assert 2 < fell < 60 and before > 0.6
    with caplog.at_level("INFO", "srcnb"):
        estimator.sleep(validate=validate, max_drop=0.2, every=2)
    assert same(estimator.network_, scores[fell - 2][0])
    assert estimator.score(*validate) == scores[fell - 2][1] >= before - 0.2
    [said] = [m for m in caplog.messages if "stopped" in m]
    assert f"stopped at step {fell}, as validate fell from {before:.1%}" in said
    # A tenth, and twenty looks, unless it is said.
    default = named(**options).sleep(validate=validate)
    given = named(**options).sleep(validate=validate, max_drop=0.1, every=3)
    assert same(default.network_, given.network_)
    assert not same(default.network_, estimator.network_)


@pytest.mark.filterwarnings("ignore::srcnb.RateWarning")
def test_a_sleep_by_hand_that_keeps_nothing_warns_and_counts():
    estimator = named(sleep_targets=HARM)
    before = estimator.network_
    with pytest.warns(srcnb.NoChangeWarning, match="stopped at step 60, as .* those of step 0"):
        estimator.sleep(validate=held_out(0, 1, 2, 3), every=60)
    assert same(estimator.network_, before) and estimator.n_sleeps_ == 1


@pytest.mark.filterwarnings("ignore::srcnb.NoChangeWarning")
def test_a_sleep_that_changes_nothing_changes_no_prediction():
    """Though only some samples of the task are kept to bring outputs to one scale."""
    estimator = small(sleep_when="never")
    for kind in (0, 1):
        many = np.tile(X[kind == Y], (150, 1))
        many = many * np.linspace(0.5, 1, len(many))[:, None]
        estimator.partial_fit(many, np.full(len(many), kind), classes=range(N_CLASSES))
    assert len(many) > 2000
    before = estimator.decision_function(X)
    estimator.sleep(callback=lambda step, net: True, every=1)
    slept = estimator.decision_function(X)
    np.testing.assert_array_equal(slept, before)
    assert not np.array_equal(estimator.sleep().decision_function(X), before)


def test_a_callback_that_fails_leaves_the_estimator_as_it_was():
    estimator, twin = named(), named()
    before = vars(estimator).copy()

    def fail(step, net):
        for w in net.weights:
            w[:] = 0
        if step == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        estimator.sleep(callback=fail, every=20)
    assert vars(estimator).keys() == before.keys()
    assert all(vars(estimator)[name] is before[name] for name in before)
    assert same(estimator.sleep().network_, twin.sleep().network_)


def test_held_out_data_as_score_takes_them():
    table = pd.DataFrame(X, columns=[f"f{i}" for i in range(N_FEATURES)])
    estimator = small(sleep_when="never").fit(table, NAMES[Y])
    for y in (NAMES[Y], NAMES[Y].tolist(), pd.Series(NAMES[Y], index=Y)):
        estimator.sleep(validate=[table, y], max_drop=1)
    with pytest.warns(DataConversionWarning):
        estimator.sleep(validate=(table, NAMES[Y][:, None]))
    with pytest.raises(ValueError, match=r"validate must be a pair .* feature names should match"):
        estimator.sleep(validate=(table[[*table][::-1]], NAMES[Y]))
    assert estimator.n_sleeps_ == 4


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(callback=print), ValueError, "every goes with .*, got callback=<built"),
        (dict(callback=3, every=20), TypeError, r"callback must be a function of .*, got 3"),
        (dict(every=0, callback=print), ValueError, "every must be at least 1, got 0"),
        (dict(max_drop=0.1), ValueError, "max_drop goes with validate, got max_drop=0.1"),
        (dict(validate=held_out(0), max_drop=2), ValueError, "max_drop must be .*, got 2"),
        (dict(progress="no"), TypeError, "progress must be True or False, got 'no'"),
        (dict(validate=print), TypeError, "validate must be a pair .*, got <built-in"),
        (dict(validate=X), ValueError, r"validate must be a pair \(X, y\), got 120 items"),
        (dict(validate=(X, None)), ValueError, r"validate must be a pair .* y is None"),
        (dict(validate=(X, NAMES)), ValueError, r"validate must be a pair .*\[120, 6\]"),
        (dict(validate=(X[:, :5], NAMES[Y])), ValueError, "validate must be .* 12 features"),
        (dict(validate=(X * np.nan, NAMES[Y])), ValueError, "validate must be .* NaN"),
        (dict(validate=(X[:0], NAMES[:0])), ValueError, r"validate must be .* 0 sample"),
        (
            dict(validate=(X[:1], ["gnu"])),
            ValueError,
            "validate must be .* y must be in classes_, .*got .*gnu",
        ),
        (dict(validate=(X[:2], [0.5, 0.7])), ValueError, "validate must be .*continuous"),
    ],
)
def test_bad_options_of_a_sleep_by_hand(options, error, message):
    estimator = named()
    with pytest.raises(error, match=message):
        estimator.sleep(**options)
    assert estimator.n_sleeps_ == 0


@pytest.mark.slow
def test_fit_forgets_and_never_sleeps():
    estimator = stream(small(sleep_when="always"), *PAIRS)
    refitted = estimator.fit(X[Y < 4], Y[Y < 4])
    assert (refitted.n_tasks_, refitted.n_sleeps_) == (1, 0)
    assert same(refitted.network_, small().fit(X[Y < 4], Y[Y < 4]).network_)
    assert refitted.classes_.tolist() == [0, 1, 2, 3]
    refitted.partial_fit(*of(2, 3))  # and it goes on from there
    assert (refitted.n_tasks_, refitted.n_sleeps_) == (2, 3)
    with pytest.raises(
        ValueError, match=r"y must hold classes of the first call, .*got .*4.*: name"
    ):
        refitted.partial_fit(*of(4))


@pytest.mark.slow
def test_epochs():
    """3 for a task, 30 in fit, unless they are given."""
    for epochs, task, fit in ((None, 3, 30), (6, 6, 6)):
        given = small(epochs=epochs)
        assert same(given.fit(X, Y).network_, small(epochs=fit).fit(X, Y).network_)
        tasks = (stream(small(epochs=n), (0, 1)).network_ for n in (epochs, task))
        assert same(*tasks)


def test_outputs_are_on_one_scale_where_the_last_task_lacks_a_class():
    def evened(estimator):
        net, predictor = estimator.network_, estimator.predictor_
        return not np.array_equal(net.weights[-1], predictor.weights[-1].astype("float32"))

    estimator = small(sleep_when="never")
    for group, lacks in (((0, 1), False), ((2,), True), ((0, 1, 2), False), ((0, 1), True)):
        assert evened(stream(estimator, group)) == lacks
    # What the outputs are brought to one scale by: the last task's samples, 0.3 of their features.
    seen = estimator.predictor_.weights[-1][:3].astype("float32")
    expected = srcnb.homeostasis(
        estimator.network_,
        estimator.scale_.transform(of(0, 1)[0]),
        [0, 1, 2],
        keep=0.3,
        random_state=np.random.SeedSequence(0, spawn_key=(0, 4)),
    )
    np.testing.assert_array_equal(seen, expected.weights[-1][:3])
    assert evened(estimator.sleep())
    assert not evened(stream(small(homeostasis=None), *PAIRS))
    assert not evened(small().fit(X, Y))
    # More of earlier classes is predicted so, and the network that trains on is the same.
    own, even = stream(small(homeostasis=None), *PAIRS), stream(small(), *PAIRS)
    assert same(own.network_, even.network_)
    assert even.score(X, Y) > own.score(X, Y) + 0.1


def test_classes_that_were_not_seen_are_not_predicted():
    estimator = stream(small(), (1, 4))
    unseen = [0, 2, 3, 5]
    assert set(estimator.predict(X)) <= {1, 4}
    assert (estimator.predict_proba(X)[:, unseen] == 0).all()
    np.testing.assert_allclose(estimator.predict_proba(X).sum(axis=1), 1)
    assert np.isneginf(estimator.decision_function(X)[:, unseen]).all()
    two = small().partial_fit(*of(1), classes=[0, 1])
    assert (two.decision_function(X) == np.inf).all() and (two.predict(X) == 1).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "names",
    [
        np.array(["a", "b", "c"]),
        np.array(["a", "b", "c"], dtype=object),
        np.array([-7, 0, 1000]),
        np.array([1.0, 2.0, 3.0]),
        np.array([False, True]),
    ],
    ids=str,
)
def test_labels_of_any_kind(names):
    n = len(names)
    features, y = of(*range(n))
    labels = names[y]
    plain, named = small().fit(features, y), small().fit(features, labels)
    np.testing.assert_array_equal(named.predict(X), names[plain.predict(X)])
    assert named.score(features, labels) > 0.9
    named = small()
    for name in names:
        rows = labels == name
        named.partial_fit(features[rows], labels[rows], classes=list(names))
    named.partial_fit(features, labels)
    assert named.classes_seen_.tolist() == named.classes_.tolist() == names.tolist()


def test_two_classes_have_one_decision():
    estimator = small().fit(*of(2, 5))
    decision = estimator.decision_function(X)
    assert decision.shape == (len(X),)
    np.testing.assert_array_equal(estimator.predict(X), np.where(decision > 0, 5, 2))
    probability = estimator.predict_proba(X)[:, 1]
    np.testing.assert_allclose(np.log(probability / (1 - probability)), decision, rtol=1e-6)
    assert small().fit(X, Y).decision_function(X).shape == (len(X), N_CLASSES)


def test_features_of_any_scale():
    factor, offset = np.logspace(-6, 6, N_FEATURES), np.linspace(-1e3, 1e3, N_FEATURES)
    plain, scaled = small().fit(X, Y), small().fit(factor * (X + offset), Y)
    np.testing.assert_allclose(
        scaled.predict_proba(factor * (X + offset)), plain.predict_proba(X), atol=1e-4
    )
    assert plain.network_.layer_sizes[0] == 2 * N_FEATURES == 2 * plain.n_features_in_


def test_the_scale_is_that_of_the_first_task():
    first, _ = of(0, 1)
    estimator = stream(small(), *PAIRS)
    np.testing.assert_allclose(estimator.scale_.scaler.mean_, first.mean(axis=0))
    mean, spread = first.mean(axis=0), 3 * first.std(axis=0)
    # Beyond three standard deviations samples are as at the end.
    for sign in (-1, 1):
        near, at_the_end, beyond = (
            estimator.predict_proba([mean + sign * far]) for far in (0, spread, 1e30)
        )
        np.testing.assert_allclose(at_the_end, beyond, rtol=1e-5)
        assert not np.allclose(near, at_the_end)


def test_features_in_0_and_1_are_left_as_they_are():
    features = (Y[:, None] == np.arange(N_FEATURES)) / 2
    estimator = small().fit(features, Y)
    np.testing.assert_array_equal(estimator.scale_.transform(features), features)
    assert estimator.network_.layer_sizes[0] == N_FEATURES


def test_a_feature_may_be_constant_in_the_first_task():
    assert np.isfinite(small().fit(0 * X + 5, Y).predict_proba(X)).all()


def test_no_sleep_without_input():
    estimator = small(sleep_when="always").partial_fit(
        np.eye(N_CLASSES), range(N_CLASSES), range(6)
    )
    with pytest.warns(srcnb.NoChangeWarning, match="no sleep: no sample has an intensity above 0"):
        estimator.partial_fit(np.eye(N_CLASSES) - 1, range(N_CLASSES))
    assert (estimator.n_tasks_, estimator.n_sleeps_) == (2, 0)
    with pytest.raises(ValueError, match="every goes with callback or validate"):
        estimator.sleep(callback=print)
    with pytest.warns(srcnb.NoChangeWarning) as warned:
        assert estimator.sleep().n_sleeps_ == 0
    assert warned[0].filename == __file__  # where sleep was called


def test_names_of_features_are_kept():
    table = pd.DataFrame(X, columns=[f"f{i}" for i in range(N_FEATURES)])
    estimator = small().partial_fit(table[Y < 2], pd.Series(Y[Y < 2]), classes=range(N_CLASSES))
    assert estimator.feature_names_in_.tolist() == [*table] and estimator.n_features_in_ == 12
    estimator.partial_fit(table[Y > 3], pd.Series(Y[Y > 3]))
    np.testing.assert_array_equal(
        estimator.predict(table), stream(small(), (0, 1), (4, 5)).predict(X)
    )
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.partial_fit(table[[*table][::-1]], Y)
    with pytest.raises(ValueError, match="12 features"):
        estimator.predict(X[:, :5])


def test_a_column_of_labels_is_ravelled_with_a_warning():
    with pytest.warns(DataConversionWarning):
        column = small().fit(X, Y[:, None])
    assert same(column.network_, small().fit(X, Y).network_)
    with pytest.warns(DataConversionWarning):
        small().partial_fit(X, Y[:, None], classes=range(N_CLASSES))


def test_pickled_in_the_middle_of_a_stream_it_goes_on_the_same():
    estimator = stream(small(), *PAIRS[:2])
    again = pickle.loads(pickle.dumps(estimator))
    for one in (estimator, again):
        stream(one, *PAIRS[2:])
    assert same(estimator.network_, again.network_)
    np.testing.assert_array_equal(estimator.predict_proba(X), again.predict_proba(X))


@pytest.mark.slow
def test_what_is_kept_does_not_grow():
    """And of a large task it is 2000 samples."""
    estimator = small(sleep_when="always")
    sizes = []
    for _ in range(4):
        stream(estimator, *PAIRS)
        sizes.append(len(pickle.dumps(estimator)))
    assert max(sizes) - min(sizes) < 200
    many = np.tile(X, (25, 1))
    estimator.partial_fit(many, np.tile(Y, 25))
    kept = 4 * 2001 * 2 * N_FEATURES  # two float32 for each feature
    assert len(pickle.dumps(estimator)) - sizes[0] < kept < many.nbytes


@pytest.mark.slow
def test_a_failed_call_changes_nothing():
    estimator = stream(small(), *PAIRS[:2])
    twin = pickle.loads(pickle.dumps(estimator))
    estimator.set_params(learning_rate=1e20)
    with pytest.raises(OverflowError, match="learning_rate"):
        estimator.partial_fit(*of(4, 5))
    with pytest.raises(ValueError, match="NaN"):
        estimator.partial_fit(X * np.nan, Y)
    for one in (estimator, twin):
        stream(one.set_params(learning_rate=0.01), *PAIRS[2:])
    assert same(estimator.network_, twin.network_)
    unborn = small()
    with pytest.raises(ValueError, match="y must hold classes of the first call"):
        unborn.partial_fit(X, Y, classes=[0, 1])
    assert stream(unborn, *PAIRS).classes_.tolist() == [*range(N_CLASSES)]


def test_an_error_leaves_it_as_it_was():
    """Also one of the first call, of a fit that would forget, and of a sleep."""
    estimator = small()
    for classes, error in (([0, 1], "y must hold classes"), (range(N_CLASSES), "learning_rate")):
        estimator.set_params(learning_rate=1e20)
        with pytest.raises((ValueError, OverflowError), match=error):
            estimator.partial_fit(X, Y, classes=classes)
        for call in (estimator.sleep, lambda: estimator.predict(X)):
            with pytest.raises(NotFittedError):
                call()
    estimator.set_params(learning_rate=0.0125).fit(X, Y)
    before = estimator.predict_proba(X)
    with pytest.raises(ValueError, match="two classes or more"):
        estimator.fit(pd.DataFrame(X[:, :5]).add_prefix("f"), Y * 0)
    np.testing.assert_array_equal(estimator.predict_proba(X), before)
    estimator.set_params(sleep_targets=SleepTargets(n_steps=60, budget=1e300))
    with pytest.raises(ValueError, match="too large"):
        estimator.sleep()
    assert estimator.n_sleeps_ == 0 and estimator.n_features_in_ == N_FEATURES


@pytest.mark.slow
def test_random_states():
    runs = [small(random_state=s).fit(X, Y).network_ for s in (0, 0, np.int64(0), 1)]
    assert same(*runs[:2]) and same(runs[0], runs[2]) and not same(runs[0], runs[3])
    drawn = [small(random_state=np.random.RandomState(3)).fit(X, Y).network_ for _ in range(2)]
    assert same(*drawn) and not same(drawn[0], runs[0])
    assert not same(*(small(random_state=None).fit(X, Y).network_ for _ in range(2)))


def test_clone_repr_and_html():
    estimator = small(sleep_when="always")
    assert clone(estimator).get_params() == estimator.get_params()
    assert len(estimator.get_params()) <= 11
    assert "sleep_when='always'" in repr(estimator)
    assert "SleepReplayClassifier" in estimator._repr_html_()


@pytest.mark.slow
def test_in_a_pipeline_and_a_grid_search():
    pipeline = make_pipeline(StandardScaler(), small())
    assert cross_val_score(pipeline, X, Y, cv=3).mean() > 0.9
    grid = {"sleepreplayclassifier__epochs": [1, 30], "sleepreplayclassifier__bias": [False, True]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, Y)
    assert search.best_params_["sleepreplayclassifier__epochs"] == 30
    assert search.best_estimator_[-1].n_sleeps_ == 0


def test_classes_can_be_routed():
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = small().set_partial_fit_request(classes=True)
        routed = estimator.get_metadata_routing().consumes("partial_fit", ["classes"])
    assert routed == {"classes"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("load", "least"),
    [(load_wine, 0.93), pytest.param(load_breast_cancer, 0.93, marks=pytest.mark.long)],
)
def test_fit_learns_small_tables(load, least):
    """As they are, with features of several scales: five folds."""
    scores = cross_val_score(SleepReplayClassifier(random_state=0), *load(return_X_y=True), cv=5)
    assert scores.mean() > least


@pytest.mark.long
def test_it_forgets_less_than_without_sleep():
    """Digits by pairs."""
    data = datasets.load("digits")
    scores = []
    for options in ({}, {"sleep_when": "never"}, {"sleep_when": "never", "homeostasis": None}):
        estimator = SleepReplayClassifier(random_state=0, **options)
        for task in tasks.class_incremental(data):
            estimator.partial_fit(task.X, task.y, classes=range(10))
        scores.append(estimator.score(data.X_test, data.y_test))
    assert scores[0] > 0.72 and scores[0] > scores[2] + 0.4 and scores[1] > scores[2] + 0.3


@pytest.mark.slow
def test_the_name_is_there_and_scikit_learn_is_not_imported_for_it():
    script = """
import sys, srcnb
assert "SleepReplayClassifier" in dir(srcnb) and "SleepReplayClassifier" in srcnb.__all__
assert "sklearn" not in sys.modules
print(srcnb.SleepReplayClassifier().get_params()["epochs"], "sklearn" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "None True", done.stderr
    with pytest.raises(AttributeError, match="module 'srcnb' has no attribute 'nothing'"):
        srcnb.__getattr__("nothing")
