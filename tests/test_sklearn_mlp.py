"""scikit-learn's MLPClassifier as a network, and back."""

import copy
import warnings

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import srcnb
from srcnb.low_rank import LowRankMLP

X = np.random.default_rng(0).normal(size=(60, 6))
NAMES = np.array(["cat", "dog", "emu", "fox"])


def fitted(n_classes=4, hidden=(8, 7), dtype="float64", **options):
    """An MLPClassifier of classes that have names, trained a little."""
    y = NAMES[np.arange(len(X)) % n_classes]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged
        settings = dict(max_iter=30, random_state=0, learning_rate_init=0.05) | options
        return MLPClassifier(hidden, **settings).fit(X.astype(dtype), y)


def assert_same_function(net, mlp, X, rtol):
    probabilities = mlp.predict_proba(X)
    np.testing.assert_allclose(net.activations(X)[-1], probabilities, rtol=rtol, atol=rtol)
    predicted = mlp.predict(X)
    np.testing.assert_array_equal(mlp.classes_[net.predict(X)], predicted)
    assert len(set(predicted)) == len(mlp.classes_)  # else this would prove little


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_classes", [2, 3, 4])
@pytest.mark.parametrize("hidden", [(), (8,), (8, 7, 6)])
def test_the_network_is_the_same_function_and_comes_back(n_classes, hidden, dtype):
    mlp = fitted(n_classes, hidden, dtype)
    before = copy.deepcopy(mlp)
    net = srcnb.from_sklearn(mlp)
    assert type(net) is srcnb.MLP and net.dtype == dtype
    assert net.layer_sizes == (6, *hidden, n_classes)
    rtol = 1e-12 if dtype == "float64" else 2e-5
    assert_same_function(net, mlp, X.astype(dtype), rtol)

    back = srcnb.to_sklearn(net, like=mlp)
    assert back is not mlp and type(back) is MLPClassifier
    for name in ("coefs_", "intercepts_"):
        for a, b, c in zip(
            getattr(mlp, name), getattr(back, name), getattr(before, name), strict=True
        ):
            assert b.dtype == dtype and not np.shares_memory(a, b)
            np.testing.assert_array_equal(b, c)
            np.testing.assert_array_equal(a, c)
    np.testing.assert_array_equal(back.predict_proba(X), mlp.predict_proba(X))


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("bias", [True, False])
def test_another_network_in_the_place_of_the_classifiers(n_classes, bias):
    """As after a sleep or more training; not what from_sklearn gave."""
    mlp = fitted(n_classes)
    kept = mlp.predict_proba(X)
    sizes = (6, 8, 7, n_classes)
    net = srcnb.MLP(sizes, bias=bias, init=1.0, dtype="float64", dropout=0.3, random_state=1)
    net.fit(X, np.arange(60) % n_classes, epochs=40, batch_size=10)
    other = srcnb.to_sklearn(net, mlp)
    assert_same_function(net, other, X, 1e-12)
    y = mlp.classes_[net.predict(X)]
    assert other.score(X, y) == 1 and mlp.score(X, y) < 1
    np.testing.assert_array_equal(mlp.predict_proba(X), kept)
    net.weights[0] += 1
    net.fit(X, np.zeros(60, int))
    assert other.score(X, y) == 1  # with arrays of its own

    epochs, probabilities = mlp.loss_curve_.copy(), other.predict_proba(X)
    other.partial_fit(X, y)  # learns on
    assert not np.array_equal(other.predict_proba(X), probabilities)
    np.testing.assert_array_equal(mlp.predict_proba(X), kept)
    assert mlp.loss_curve_ == epochs != other.loss_curve_


def test_the_copy_has_the_dtype_of_the_network():
    other = srcnb.to_sklearn(small_net(), fitted(dtype="float64"))
    assert {a.dtype for a in other.coefs_ + other.intercepts_} == {np.dtype("float32")}


def test_training_on_leaves_the_classifier_alone():
    mlp = fitted()
    kept = mlp.predict_proba(X)
    net = srcnb.from_sklearn(mlp, dropout=0.2, l2=1e-4, random_state=3)
    assert net.options == dict(dropout=0.2, output="softmax", inverted_dropout=True, l2=1e-4)
    again = srcnb.from_sklearn(mlp, dropout=0.2, l2=1e-4, random_state=3)
    y = np.searchsorted(mlp.classes_, NAMES[np.arange(60) % 4])
    net.fit(X, y)
    np.testing.assert_array_equal(net.weights[0], again.fit(X, y).weights[0])
    np.testing.assert_array_equal(mlp.predict_proba(X), kept)


def test_a_low_rank_network_becomes_dense():
    net = LowRankMLP((6, 8, 4), 2, dtype="float64", bias=True, init=1.0, random_state=0)
    other = srcnb.to_sklearn(net, fitted(4, (8,)))
    np.testing.assert_allclose(other.predict_proba(X), net.activations(X)[-1], rtol=1e-12)


@pytest.mark.parametrize("activation", ["tanh", "logistic", "identity"])
def test_other_activations_are_refused_unless_they_are_never_applied(activation):
    for convert in (srcnb.from_sklearn, lambda mlp: srcnb.to_sklearn(small_net(), mlp)):
        with pytest.raises(ValueError, match=rf"activation='relu', got '{activation}': fit an"):
            convert(fitted(activation=activation))
    mlp = fitted(hidden=(), activation=activation)
    assert_same_function(srcnb.from_sklearn(mlp), mlp, X, 1e-12)


def small_net(**options):
    return srcnb.MLP((6, 8, 7, 4), random_state=0, **options)


def several_labels():
    y = np.random.default_rng(0).integers(0, 2, (60, 3))
    return MLPClassifier((4,), max_iter=2).fit(X, y)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize(
    ("mlp", "error", "message"),
    [
        (lambda: MLPClassifier((8,)), ValueError, r"mlp must be fitted: call its fit\(X, y\)"),
        (lambda: MLPClassifier, TypeError, "fitted MLPClassifier.*got the class MLPClassifier"),
        (lambda: MLPRegressor((4,)), TypeError, "mlp must .*got a MLPRegressor: it has no classes"),
        (
            lambda: make_pipeline(StandardScaler(), fitted()),
            TypeError,
            r"got a Pipeline: take its last step, pipeline\[-1\], and pipeline\[:-1\].transform",
        ),
        (
            lambda: GridSearchCV(fitted(), {"alpha": [0.1]}),
            TypeError,
            "got a GridSearchCV: take its best_estimator_",
        ),
        (lambda: StandardScaler(), TypeError, r"got StandardScaler\(\)"),
        (small_net, TypeError, "mlp must be a fitted MLPClassifier.*got MLP"),
        (several_labels, ValueError, "one label per sample, got one of 3 labels each"),
        (lambda: fitted(1), ValueError, r"mlp must know two classes.*\['cat'\]"),
    ],
)
def test_what_can_not_be_converted(mlp, error, message):
    with pytest.raises(error, match=message):
        srcnb.from_sklearn(mlp())
    with pytest.raises(error, match=message.replace("mlp must", "like must")):
        srcnb.to_sklearn(small_net(), mlp())


def test_networks_that_scikit_learn_can_not_be():
    mlp = fitted()
    for net, error, message in (
        (mlp, TypeError, "net must be an srcnb.MLP, got MLPClassifier"),
        (srcnb.MLP((6, 8, 4)), ValueError, r"net .*\(6, 8, 7, 4\), got \(6, 8, 4\)"),
        (srcnb.MLP((5, 8, 7, 4)), ValueError, r"net .*\(6, 8, 7, 4\), got \(5, 8, 7, 4\)"),
        (srcnb.MLP((6, 8, 7, 1)), ValueError, r"net .*\(6, 8, 7, 4\), got \(6, 8, 7, 1\)"),
        (small_net(output="relu"), ValueError, "net must have output 'softmax', got 'relu'"),
        (small_net(dropout=0.2, inverted_dropout=False), ValueError, "net must .*dropout=0.2"),
    ):
        with pytest.raises(error, match=message):
            srcnb.to_sklearn(net, mlp)
    srcnb.to_sklearn(small_net(inverted_dropout=False), mlp)  # without dropout it scales nothing
    with pytest.raises(TypeError, match="output follows from the classifier, got 'relu'"):
        srcnb.from_sklearn(mlp, output="relu")
    with pytest.raises(TypeError, match="dtype follows from the arrays"):
        srcnb.from_sklearn(mlp, dtype="float32")
