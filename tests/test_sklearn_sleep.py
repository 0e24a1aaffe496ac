"""Sleep for a fitted MLPClassifier, or a Pipeline that ends in one, in one line."""

import copy
import logging
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import srcnb
from srcnb import datasets

# Short sleeps of small networks: the second layer may be silent.
pytestmark = [
    pytest.mark.filterwarnings("ignore::srcnb.SilentLayerWarning"),
    pytest.mark.filterwarnings("ignore::srcnb.RateWarning"),
]

rng = np.random.default_rng(0)
NAMES = np.array(["cat", "dog", "emu", "fox"])
# Four classes with features of their own, in [0, 1].
LABELS = np.repeat(np.arange(4), 40)
X = np.clip(0.8 * np.eye(4).repeat(3, axis=1)[LABELS] + 0.2 * rng.random((160, 12)), 0, 1)
Y = NAMES[LABELS]
LAST = X[LABELS >= 2]
FAST = srcnb.SleepTargets(n_steps=100)


def learnt(hidden=(30, 20), calls=30, X=X, y=Y, **options):
    """An MLPClassifier that has learnt cat and dog, then emu and fox."""
    settings = dict(random_state=0, learning_rate_init=0.01) | options
    mlp = MLPClassifier(hidden, **settings)
    for task in (LABELS < 2, LABELS >= 2):
        for _ in range(calls):
            mlp.partial_fit(X[task], y[task], classes=np.unique(y))
    return mlp


def parameters(mlp):
    return [*mlp.coefs_, *mlp.intercepts_]


def assert_same(one, other):
    for a, b in zip(parameters(one), parameters(other), strict=True):
        np.testing.assert_array_equal(a, b)


def old_and_new(model, X, y, split):
    right = model.predict(X) == y
    return right[split].mean(), right[~split].mean()


def test_digits_gain_40_points_on_the_old_classes_and_lose_under_15_on_the_new():
    """On a held-out part of the training set; docs/GUESTS.md has the test set."""
    data = datasets.load("digits")
    held_out = np.arange(len(data.X)) % 4 == 0
    X, y = data.X[~held_out], data.y[~held_out]
    mlp = MLPClassifier(random_state=0)
    for task in (y < 5, y >= 5):
        for _ in range(30):
            mlp.partial_fit(X[task], y[task], classes=np.arange(10))
    slept = srcnb.sleep_sklearn(mlp, X[y >= 5], random_state=0)
    X, y = data.X[held_out], data.y[held_out]
    before, after = (old_and_new(m, X, y, y < 5) for m in (mlp, slept))
    assert before[0] < 0.1 < 0.8 < before[1]
    assert after[0] > before[0] + 0.4 and after[1] > before[1] - 0.15


def test_it_is_sleep_and_then_homeostasis():
    mlp = learnt()
    slept = srcnb.sleep_sklearn(mlp, LAST, random_state=3)
    sleep_rng, output_rng = np.random.default_rng(3).spawn(2)
    sleep_input = srcnb.SampleInput(n_samples=1, keep=0.2)
    sleep_input.update(LAST)
    net = srcnb.from_sklearn(mlp)
    for _ in range(3):
        net = srcnb.sleep(net, sleep_input, random_state=sleep_rng).net
    net = srcnb.homeostasis(net, LAST, range(4), keep=0.5, random_state=output_rng)
    assert_same(slept, srcnb.to_sklearn(net, mlp))
    assert (net.weights[0] != mlp.coefs_[0].T).any()


@pytest.mark.slow
def test_the_options_do_what_they_say():
    mlp = learnt()

    def changed(**options):
        return srcnb.sleep_sklearn(mlp, LAST, **({"config": FAST, "random_state": 0} | options))

    assert_same(changed(n_sleeps=0, homeostasis=None), mlp)
    bare = changed(homeostasis=None)
    assert (bare.coefs_[0] != mlp.coefs_[0]).any()
    np.testing.assert_array_equal(bare.coefs_[-1], mlp.coefs_[-1])  # the output layer is silent
    even = changed(n_sleeps=0)
    np.testing.assert_array_equal(even.coefs_[0], mlp.coefs_[0])
    assert (even.coefs_[-1] != mlp.coefs_[-1]).all() and not even.intercepts_[-1].any()
    assert_same(changed(), changed())
    assert_same(changed(config=None), changed(config=srcnb.SleepTargets()))
    for option in ({"random_state": 1}, {"n_sleeps": 1}, {"keep": 0.9}):
        assert (changed(**option).coefs_[0] != changed().coefs_[0]).any(), option
    assert (changed(homeostasis=1.0).coefs_[-1] != changed().coefs_[-1]).any()
    config = srcnb.SleepConfig(50, alpha=[1] * 3, beta=[1, 1, 1], inc=0.01, dec=0.001)
    assert (changed(config=config, n_sleeps=1, homeostasis=None).coefs_[-1] != mlp.coefs_[-1]).any()


@pytest.mark.parametrize("names", [NAMES, np.array([7, 3, 11, 5])])
def test_classes_are_the_models_own_labels(names):
    mlp = learnt(y=names[LABELS])
    some = [names[1], names[2]]
    slept = srcnb.sleep_sklearn(mlp, LAST, classes=some, n_sleeps=0, random_state=0)
    same = (slept.coefs_[-1] == mlp.coefs_[-1]).all(axis=0)
    np.testing.assert_array_equal(same, ~np.isin(mlp.classes_, some))
    every = srcnb.sleep_sklearn(mlp, LAST, n_sleeps=0, random_state=0)
    for given in (names, names[::-1].tolist(), pd.Series(names)):
        again = srcnb.sleep_sklearn(mlp, LAST, classes=given, n_sleeps=0, random_state=0)
        assert_same(again, every)


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_the_original_is_unchanged_and_the_copy_learns_on(solver):
    """The solver's state is kept, as it was before the sleep; each has its own."""
    mlp = learnt(solver=solver)
    twin = copy.deepcopy(mlp)
    slept = srcnb.sleep_sklearn(mlp, LAST, FAST, random_state=0)
    assert type(slept) is MLPClassifier and slept.get_params() == mlp.get_params()
    names = ("ms", "vs") if solver == "adam" else ("velocities",)
    for name in names:
        for a, b in zip(
            getattr(slept._optimizer, name), getattr(mlp._optimizer, name), strict=True
        ):
            np.testing.assert_array_equal(a, b)
            assert a.any() and not np.shares_memory(a, b)
    assert (slept.t_, slept.n_iter_) == (mlp.t_, mlp.n_iter_)
    assert slept.loss_curve_ == mlp.loss_curve_
    assert slept.best_loss_ == np.inf
    after = copy.deepcopy(slept)
    for _ in range(3):
        slept.partial_fit(X, Y)
    assert (slept.coefs_[0] != after.coefs_[0]).any()
    assert slept.score(X, Y) > 0.9
    assert slept.t_ == mlp.t_ + 3 * len(X)
    assert_same(mlp, twin)
    for _ in range(3):
        mlp.partial_fit(X, Y)
        twin.partial_fit(X, Y)
    assert_same(mlp, twin)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_warm_start_does_not_go_back_to_the_weights_before(early_stopping):
    """With early stopping it ends with the best weights, as scikit-learn's own go on to count."""
    mlp = MLPClassifier((30, 20), max_iter=40, early_stopping=early_stopping, warm_start=True)
    mlp.set_params(random_state=0, learning_rate_init=0.01).fit(X, LABELS)
    slept = srcnb.sleep_sklearn(mlp, X, FAST, random_state=0)
    if early_stopping:
        assert mlp.best_validation_score_ == 1 and slept.best_validation_score_ == -np.inf
        assert slept.validation_scores_ == mlp.validation_scores_ and slept.best_loss_ is None
    else:
        assert slept.best_loss_ == np.inf and slept.best_validation_score_ is None
    before = copy.deepcopy(slept)
    slept.set_params(max_iter=1, learning_rate_init=1e-6).fit(X, LABELS)
    for a, b in zip(parameters(slept), parameters(before), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    # Without warm_start, training starts anew.
    slept.set_params(warm_start=False).fit(X, LABELS)
    assert abs(slept.coefs_[0] - before.coefs_[0]).max() > 0.01


def scaled():
    """A Pipeline with names of features, raw data on odd scales, and the last task's samples."""
    raw = pd.DataFrame(X * 10.0 ** np.arange(-3, 9) - 5, columns=[f"f{i}" for i in range(12)])
    scaler = StandardScaler().fit(raw)
    mlp = learnt(X=scaler.transform(raw))
    return Pipeline([("scale", scaler), ("mlp", mlp)]), raw, raw[LABELS >= 2]


def test_a_pipeline_sleeps_as_its_last_step_does():
    pipeline, raw, last = scaled()
    kept = copy.deepcopy(pipeline)
    slept = srcnb.sleep_sklearn(pipeline, last, FAST, random_state=0)
    assert type(slept) is Pipeline and [*slept.named_steps] == ["scale", "mlp"]
    inner = srcnb.sleep_sklearn(pipeline[-1], pipeline[:-1].transform(last), FAST, random_state=0)
    assert_same(slept[-1], inner)
    np.testing.assert_array_equal(slept.predict(raw), inner.predict(pipeline[:-1].transform(raw)))
    np.testing.assert_array_equal(slept[0].mean_, pipeline[0].mean_)
    assert slept[0] is not pipeline[0]
    assert_same(pipeline[-1], kept[-1])


def test_pipelines_of_one_step_and_in_pipelines():
    pipeline, _, last = scaled()
    Z = pipeline[:-1].transform(last)
    expected = srcnb.sleep_sklearn(pipeline[-1], Z, FAST, random_state=0)
    alone = srcnb.sleep_sklearn(Pipeline(pipeline.steps[1:]), Z, FAST, random_state=0)
    assert_same(alone[-1], expected)
    outer = Pipeline([("as it is", FunctionTransformer()), ("inner", pipeline)])
    nested = srcnb.sleep_sklearn(outer, last, FAST, random_state=0)
    assert_same(nested[-1][-1], expected)
    assert outer[-1][-1] is pipeline[-1] is not nested[-1][-1]


def said(caplog):
    """What sleep_sklearn itself has logged: calibration logs as well."""
    return [r.getMessage() for r in caplog.records if r.name == "srcnb.sklearn_sleep"]


def test_features_outside_0_and_1_are_scaled_for_the_sleep_and_it_is_said(caplog):
    pipeline, _, last = scaled()
    mlp, Z = pipeline[-1], pipeline[:-1].transform(last)
    with caplog.at_level(logging.INFO, "srcnb"):
        slept = srcnb.sleep_sklearn(mlp, Z, FAST, homeostasis=None, n_sleeps=1, random_state=0)
    [message] = said(caplog)
    assert "scaled to [0, 1]" in message
    scale = srcnb.FeatureScale.of(Z)
    sleep_input = srcnb.SampleInput(n_samples=1, keep=0.2)
    sleep_input.update(scale.transform(Z))
    sleep_rng, _ = np.random.default_rng(0).spawn(2)
    net = srcnb.sleep(srcnb.from_sklearn(mlp), sleep_input, FAST, sleep_rng, scale=scale).net
    assert_same(slept, srcnb.to_sklearn(net, mlp))
    caplog.clear()
    with caplog.at_level(logging.INFO, "srcnb"):
        srcnb.sleep_sklearn(learnt(), LAST, FAST, random_state=0)
    assert caplog.records and not said(caplog)


def test_a_sparse_vector_is_refused():
    with pytest.raises(ValueError, match=r"X must have 2 dimension.*\(12,\)"):
        srcnb.sleep_sklearn(learnt(calls=1), sparse.coo_array(np.ones(12)), FAST)


@pytest.mark.slow
def test_data_frames_sparse_matrices_and_lists():
    mlp = learnt()
    expected = srcnb.sleep_sklearn(mlp, LAST, FAST, random_state=0)
    for same in (
        pd.DataFrame(LAST),
        sparse.csr_array(LAST),
        sparse.coo_matrix(LAST),
        LAST.tolist(),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", srcnb.SilentLayerWarning)
            assert_same(srcnb.sleep_sklearn(mlp, same, FAST, random_state=0), expected)


@pytest.mark.parametrize("no_input", [0 * LAST, LAST[:1] - 7], ids=["zeros", "one sample"])
def test_samples_that_no_input_fires_for_are_refused(no_input):
    """Of one sample outside [0, 1] each feature is its own smallest value."""
    mlp = learnt()
    with pytest.raises(ValueError, match=r"X must .* above 0, or .* varies.*\(n=\d+\)"):
        srcnb.sleep_sklearn(mlp, no_input, FAST)
    srcnb.sleep_sklearn(mlp, no_input, n_sleeps=0, random_state=0)


def test_names_of_features_are_checked_as_scikit_learn_does():
    named = pd.DataFrame(X, columns=[f"f{i}" for i in range(12)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlp = MLPClassifier((8,), max_iter=5, random_state=0).fit(named, Y)
    with pytest.raises(ValueError, match="feature names"):
        srcnb.sleep_sklearn(mlp, named[named.columns[::-1]], FAST)
    with pytest.warns(UserWarning, match="valid feature names"):
        srcnb.sleep_sklearn(mlp, X, FAST)


def test_two_classes_have_one_logistic_output():
    y = NAMES[LABELS // 2]
    mlp = MLPClassifier((20,), random_state=0, learning_rate_init=0.01)
    for task in (LABELS < 2, LABELS >= 2):
        for _ in range(10):
            mlp.partial_fit(X[task], y[task], classes=["cat", "dog"])
    slept = srcnb.sleep_sklearn(mlp, LAST, FAST, random_state=0)
    assert slept.coefs_[-1].shape == (20, 1)
    assert set(slept.predict(X)) == {"cat", "dog"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_is_kept(dtype):
    mlp = learnt(X=X.astype(dtype))
    slept = srcnb.sleep_sklearn(mlp, LAST.astype("float64"), FAST, random_state=0)
    assert {p.dtype for p in parameters(slept)} == {np.dtype(dtype)}


# Samples that were not trained on; a sleep that does harm.
FRESH = np.clip(X + 0.1 * rng.standard_normal(X.shape), 0, 1)
HARM = srcnb.SleepTargets(n_steps=100, budget=10.0, rate=0.2)


def watched(model, last, every, data=(FRESH, Y), **options):
    """[(step, network, score on ``data`` if the sleep ended there)] of sleeps of ``model``."""
    settings = {"config": HARM, "random_state": 0} | options
    classifier = model[-1] if isinstance(model, Pipeline) else model
    inputs = model[:-1].transform(last) if isinstance(model, Pipeline) else last
    _, output_rng = np.random.default_rng(0).spawn(2)
    seen = []

    def look(step, net):
        numbers = copy.deepcopy(output_rng)
        even = srcnb.homeostasis(net, inputs, range(4), keep=0.5, random_state=numbers)
        ended = srcnb.to_sklearn(even, like=classifier)
        X = model[:-1].transform(data[0]) if isinstance(model, Pipeline) else data[0]
        seen.append((step, net, ended.score(X, data[1])))

    return srcnb.sleep_sklearn(model, last, callback=look, every=every, **settings), seen


@pytest.mark.slow
@pytest.mark.parametrize("config", [HARM, srcnb.SleepTargets(n_steps=100, budget=10.0)])
def test_sleeps_that_are_watched_are_the_same(config, capsys):
    """Each counts its steps from the beginning; what is held out decides nothing if it is kept.

    Whether the accuracy on it falls, or rises.
    """
    mlp = learnt()
    options = dict(config=config, validate=(FRESH, Y), max_drop=1, progress=True)
    slept, seen = watched(mlp, LAST, 50, **options)
    assert (seen[1][2] < seen[-1][2]) == (config is not HARM)
    assert_same(slept, srcnb.sleep_sklearn(mlp, LAST, config, random_state=0))
    assert [step for step, _, _ in seen] == 3 * [50, 100]
    assert slept.score(FRESH, Y) == seen[-1][2]
    bars = capsys.readouterr().err.split("\n")[:-1]  # of each, until it is closed
    assert len(bars) == 3 and all("100/100" in bar for bar in bars)
    # With outputs as they are the network is the model.
    own, seen = watched(mlp, LAST, 100, homeostasis=None)
    np.testing.assert_array_equal(NAMES[seen[-1][1].predict(X)], own.predict(X))


def test_what_a_callback_stops_is_the_last_sleep(caplog):
    mlp = learnt()
    steps = []

    def stop(step, net):
        steps.append(step)
        return len(steps) == 3

    with caplog.at_level(logging.INFO, "srcnb"):
        slept = srcnb.sleep_sklearn(mlp, LAST, HARM, random_state=0, callback=stop, every=50)
    assert steps == [50, 100, 50]
    assert said(caplog) == ["sleep 2 of 3 was stopped, and is the last"]
    _, seen = watched(mlp, LAST, 50)
    sleep_rng, output_rng = np.random.default_rng(0).spawn(2)
    even = srcnb.homeostasis(seen[2][1], LAST, range(4), keep=0.5, random_state=output_rng)
    assert_same(slept, srcnb.to_sklearn(even, mlp))


def raw_and_its_labels():
    """A Pipeline, the last task's samples, and held-out data, all in the user's own unit."""
    pipeline, raw, last = scaled()
    fresh = pd.DataFrame(FRESH * 10.0 ** np.arange(-3, 9) - 5, columns=raw.columns)
    return pipeline, last, (fresh, pd.Series(Y, index=Y))


@pytest.mark.parametrize(
    "max_drop", [0.1, *(pytest.param(drop, marks=pytest.mark.slow) for drop in (0.02, 0.05))]
)
@pytest.mark.parametrize(
    "made",
    [
        lambda: (learnt(), LAST, (FRESH, Y)),
        pytest.param(raw_and_its_labels, marks=pytest.mark.slow),
    ],
)
def test_held_out_data_stop_all_sleeps(made, max_drop):
    """Once the accuracy of what would be returned is too far below that without a sleep."""
    model, last, data = made()
    _, seen = watched(model, last, 5, data)
    start = srcnb.sleep_sklearn(model, last, n_sleeps=0, random_state=0).score(*data)
    kept = [(0, srcnb.from_sklearn(model[-1] if made is raw_and_its_labels else model), start)]
    for look in seen:
        if start - look[2] > max_drop + 1e-9:
            break
        kept.append(look)
    assert len(kept) <= len(seen)
    slept, looks = watched(model, last, 5, data, validate=data, max_drop=max_drop)
    assert [look[2] for look in looks] == [look[2] for look in kept[1:]]
    assert slept.score(*data) == kept[-1][2]
    classifier = slept[-1] if made is raw_and_its_labels else slept
    np.testing.assert_array_equal(classifier.coefs_[0].T, kept[-1][1].weights[0])
    default, tenth = (
        srcnb.sleep_sklearn(model, last, HARM, random_state=0, validate=data, **options)
        for options in ({}, {"max_drop": 0.1, "every": 5})
    )
    assert default.score(*data) == tenth.score(*data)


def test_a_callback_that_fails_leaves_the_model_as_it_was():
    mlp = learnt()
    twin = copy.deepcopy(mlp)

    def fail(step, net):
        for p in (*net.weights, *net.biases):
            p[:] = 0
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        srcnb.sleep_sklearn(mlp, LAST, FAST, callback=fail, every=50)
    assert_same(mlp, twin)


def test_a_column_of_held_out_labels_is_ravelled_with_a_warning():
    mlp = learnt(calls=1)
    with pytest.warns(DataConversionWarning):
        slept = srcnb.sleep_sklearn(
            mlp, LAST, FAST, random_state=0, validate=(FRESH, Y[:, None]), max_drop=1
        )
    assert_same(slept, srcnb.sleep_sklearn(mlp, LAST, FAST, random_state=0))


@pytest.mark.parametrize("n_sleeps", [0, 3])
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(engine="numba"), TypeError, "options .* callback, .*progress, got engine"),
        (dict(callback=print), ValueError, "every goes with .*, got callback=<built"),
        (dict(callback=len, every=9), TypeError, r"callback must be a function of .*, got <built"),
        (dict(max_drop=0.1), ValueError, "max_drop goes with validate, got max_drop=0.1"),
        (dict(progress="no"), TypeError, "progress must be True or False, got 'no'"),
        (dict(validate=print), TypeError, "validate must be a pair .*, got <built-in"),
        (dict(validate=(FRESH,)), ValueError, "validate must be a pair .*, got 1 items"),
        (dict(validate=(FRESH, Y[:5])), ValueError, "validate must .* 160 samples, got 5"),
        (dict(validate=(FRESH[:, 1:], Y)), ValueError, "validate must .*12.*11"),
        (dict(validate=(FRESH, LABELS)), ValueError, "validate must .* y must .*, got 0"),
        (dict(validate=(FRESH, None)), ValueError, "validate must .*y should be a 1d array"),
        (dict(validate=(FRESH[:0], Y[:0])), ValueError, r"validate must .* one sample, got .*0"),
    ],
)
def test_bad_options_of_the_sleeps(options, error, message, n_sleeps):
    with pytest.raises(error, match=message):
        srcnb.sleep_sklearn(learnt(calls=1), LAST, FAST, n_sleeps=n_sleeps, **options)


def test_without_a_hidden_layer_only_the_outputs_change():
    mlp = learnt(hidden=())
    with pytest.raises(ValueError, match="model must have a hidden layer.*n_sleeps=0"):
        srcnb.sleep_sklearn(mlp, LAST)
    even = srcnb.sleep_sklearn(mlp, LAST, n_sleeps=0, random_state=0)
    assert (even.coefs_[0] != mlp.coefs_[0]).any()
    srcnb.sleep_sklearn(mlp, LAST, srcnb.SleepTargets(n_steps=50, output_rate=0.01))


def small(kind=MLPClassifier, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind(hidden_layer_sizes=(4,), max_iter=2, **options).fit(X, LABELS)


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (lambda: None, TypeError, "model must be a fitted MLPClassifier"),
        (lambda: MLPClassifier(), ValueError, r"model must be fitted: call its fit\(X, y\)"),
        (
            lambda: make_pipeline(StandardScaler(), MLPClassifier()),
            ValueError,
            "the last step of model must be fitted",
        ),
        (lambda: small(activation="tanh"), ValueError, r"activation='relu', got 'tanh': fit an"),
        (
            lambda: make_pipeline(FunctionTransformer(), small(activation="logistic")),
            ValueError,
            "the last step of model must have activation='relu', got 'logistic': fit an",
        ),
        (lambda: small(MLPRegressor), TypeError, "model must .*MLPRegressor: it has no classes"),
        (lambda: RandomForestClassifier(), TypeError, "model must .*got RandomForestClassifier"),
        (lambda: make_pipeline(StandardScaler()), TypeError, "last step of model .*StandardScaler"),
        (lambda: Pipeline([("a", "passthrough")]), TypeError, "last step of model .*'passthrough'"),
        (
            lambda: GridSearchCV(MLPClassifier(), {"alpha": [0.1]}),
            TypeError,
            "got a GridSearchCV: take its best_estimator_",
        ),
        (lambda: srcnb.MLP((12, 5, 4)), TypeError, "model must be .*got MLP"),
    ],
)
def test_what_can_not_sleep_is_refused_by_name(model, error, message):
    with pytest.raises(error, match=message):
        srcnb.sleep_sklearn(model(), X)
