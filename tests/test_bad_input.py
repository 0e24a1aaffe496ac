"""Bad input, as a table: what is called, the parameter, and values that it must refuse by name.

A line is ``(id, call, parameter, values)``: ``call(value)`` must raise one of ERRORS for each of
the values, with the parameter's name in the message. To add a case, add a value or a line.
"""

import re
import warnings
from dataclasses import replace
from itertools import repeat

import numpy as np
import pandas as pd
import pytest
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import srcnb
from srcnb import (
    MLP,
    SleepConfig,
    activity,
    before_after,
    datasets,
    metrics,
    own_data,
    pictures,
    plotting,
    presets,
    tasks,
)
from srcnb.datasets import Dataset
from srcnb.experiments import EXPERIMENTS, sleep_again
from srcnb.experiments.cells import Source
from srcnb.experiments.comparison import compare_methods, comparison
from srcnb.experiments.runner import finished_results, run_experiment
from srcnb.experiments.saved import SavedRun, data_name
from srcnb.low_rank import LowRankMLP
from srcnb.methods.baselines import cheat, sequential
from srcnb.methods.icarl import icarl
from srcnb.methods.regularization import ewc, si
from srcnb.methods.rehearsal import rehearsal
from srcnb.methods.rivals import ridge
from srcnb.methods.src import src
from srcnb.preset_files import load_preset, save_preset
from srcnb.protocol import Protocol, SleepConstants, SleepSchedule
from srcnb.spiking.scaling import FeatureScale

ERRORS = (ValueError, TypeError, OverflowError, FileNotFoundError)

NAN, INF = float("nan"), float("inf")
MASKED = np.ma.masked_array(np.ones((6, 4)), np.eye(6, 4))
X_ROW = np.full(4, 0.5)
NO_NUMBERS = [None, "x", b"x", [1], {}, object(), MLP, 1j, np.array([1, 2]), True]
NO_NUMBERS += [[10**5000], np.timedelta64(3, "s")]
NO_INTS = [*NO_NUMBERS, 1.5, NAN, INF, "3", np.float64(2)]
NO_REALS = [*NO_NUMBERS, NAN, INF, -INF, "0.5", 10**400, -(10**5000)]
NO_BOOLS = [None, "no", "", 0, 1, 1.0, [], np.array([True])]
NO_RANDOM_STATES = ["x", -1, 1.5, True, np.random.RandomState(0), np.random, {}]
NO_CHOICES = [None, "", "Softmax", 0, ["softmax"], MLP, np.array(["a", "b"])]
NO_MATRICES = [
    *(None, "x", 3, NAN, [1, 2], [[1, 2], [3]], [["a", "b"]], np.ones((2, 2, 2)), object()),
    *(np.full((6, 4), NAN), np.full((6, 4), INF), np.full((6, 4), 1j), np.ones((6, 5)), MASKED),
    *(np.array([[None] * 4] * 6), np.zeros((0, 4)), {"a": 1}, [*MASKED], (X_ROW, MASKED[0])),
]
NO_LABELS = [
    *(None, "x", 1, [0, 1], [0] * 5 + [3], [0] * 5 + [-1], [0.5] * 6, [NAN] * 6, ["a"] * 6),
    *([[0]] * 6, [None] * 6, np.zeros((6, 2)), np.ma.masked_array([0] * 6, [1] * 6), [1e12] * 6),
    *([2**63] * 6, np.array(["2020"] * 6, "M8[Y]"), [[0, 1]] * 5, [[0], [0, 1]] * 3),
]
NO_PATHS = [None, 5, 1.5, [], {}, object(), MLP, "a\0b"]
NO_LISTS = [None, 3, "x", 1.5, object(), {2, 3}, {2: 1, 3: 1}, b"ab"]
RAGGED = [[0.1, 0.2, 0.3, 0.4], [0.1]]


def without(values, *shapes):
    """The values but for arrays of these shapes, which are right where they are used."""
    return [v for v in values if not (isinstance(v, np.ndarray) and v.shape in shapes)]


X, Y = np.random.default_rng(0).random((6, 4)), np.array([0, 1, 2, 0, 1, 2])


def classifier(y=Y, kind=MLPClassifier, **options):
    """An MLPClassifier of scikit-learn, as large as NET if it has three classes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged
        return kind(hidden_layer_sizes=(5,), max_iter=1, **options).fit(X, y)


NET = MLP((4, 5, 3), dropout=0.2, random_state=0)
CONFIG = SleepConfig(3, alpha=[1, 1], beta=[1, 1], inc=0.1, dec=0.1)
NO_FINITE = [np.full((5, 4), v, np.float32) for v in (NAN, INF, 3e38)]
WEIGHTS = [np.ones((5, 4)), np.ones((3, 5))]
STATE = {"0.weight": WEIGHTS[0], "2.weight": WEIGHTS[1]}
CLASSIFIER = classifier()
SCALE = FeatureScale.of(X)
NO_NETS = [None, "x", MLP, WEIGHTS, CLASSIFIER, object(), MLP((5, 5, 3))]
DATA = Dataset("few", X, Y, X, Y, 3)
CONSTANTS = SleepConstants("a test", 100, 0.1, 0.1, "logistic", (1, 1))
SCHEDULE = SleepSchedule(CONSTANTS, srcnb.MeanInput, 3)
PROTOCOL = Protocol("tiny", (5,), SCHEDULE, training=dict(epochs=1, batch_size=3))


BAD_CLASSES = [None, [0], [], 3, [[0, 1], [2, 3]], [[0, 1], [1, 0]], [0, "1"], [0, None], [0, 1.5]]


def fit_estimator(y=Y, classes=(0, 1, 2), **options):
    """A SleepReplayClassifier with these parameters after one task."""
    return srcnb.SleepReplayClassifier(**options).partial_fit(X, y, classes=classes)


SEQUENCE = tasks.class_incremental(DATA, groups=[[0, 1], [2]])
RESULTS = pd.DataFrame(
    [
        ("m", seed, stage, "train", task, 50.0)
        for seed in (0, 1)
        for stage in (1, 2)
        for task in ("all", "1", "2")
    ],
    columns=["method", "seed", "stage", "phase", "task", "accuracy"],
)


def of(function, *arguments, **options):
    """For ``lines``: a call of ``function`` with one of its options replaced."""

    def with_option(name):
        return lambda value: function(*arguments, **{**options, name: value})

    return with_option


def lines(name, call, /, **values):
    """Lines for several parameters of one function."""
    return [
        (f"{name}-{parameter}", call(parameter), parameter, v) for parameter, v in values.items()
    ]


def updated(sleep_input, *share):
    """A sleep input that has seen X, with another ``share`` if one is given."""
    sleep_input.update(X)
    for other in share:
        sleep_input.share = other
    return sleep_input


def traced():
    """A trace of all neurons of layer 1, in a sleep of three steps."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is silent
        return srcnb.trace(NET, np.full(4, 0.1), CONFIG, neurons={1: range(5)})


def with_biases(biases):
    net = MLP((4, 5, 3), bias=True, random_state=0)
    net.biases = biases
    return net


def run(method, protocol=PROTOCOL, **options):
    return list(method(SEQUENCE, protocol, 0, **options))


class Puller:
    """A regularizer that lacks ``moved``."""

    def pull(self, layer, rows, w):
        return w


class Ragged:
    """A sleep input whose rows have different lengths."""

    def draw(self, n_steps, rng):
        return RAGGED


class Rows:
    """A sleep input that gives another number of rows than it is asked for."""

    def __init__(self, more):
        self.more = more

    def draw(self, n_steps, rng):
        return np.full((n_steps + self.more, 4), 0.5)


TABLE = [
    ("save-path", NET.save, "path", [*NO_PATHS, ""]),
    ("load-path", srcnb.load, "path", NO_PATHS),
    (
        "run_experiment-out",
        lambda v: run_experiment(EXPERIMENTS["patches"], out=v, seeds=1),
        "out",
        NO_PATHS,
    ),
    *lines(
        "compare-what",
        of(compare_methods, tasks=SEQUENCE, protocol=PROTOCOL, methods=["sequential"], seeds=1),
        tasks=[*NO_LISTS, [], [1, 2], [None], [SEQUENCE[0], replace(SEQUENCE[1], n_classes=9)]]
        + [[replace(SEQUENCE[0], X_test=X[:0], y_test=Y[:0])]],
        protocol=[None, 3, "own", {}, Protocol],
    ),
    *lines(
        "MLP",
        of(MLP, layer_sizes=(4, 5, 3)),
        layer_sizes=[*NO_LISTS, (), (4,), (4, 0), (4, -1), (4, 1.5), (4, "x"), (4, None), (4, NAN)]
        + [(4, True), (200_000, 200_000, 200_000), (10**12, 10), (4, 10**30)]
        + [(4, 10**400), (4, -(10**5000))],
        bias=NO_BOOLS,
        dropout=[*NO_REALS, -0.1, 1, 1.5],
        output=NO_CHOICES,
        dtype=[None, "x", "float16", int, np.int64, "complex64", 3],
        init=[*NO_REALS, -1, 1e300, 1e308, 1e-300, 1e-44, "torch", "matlab"],
        inverted_dropout=NO_BOOLS,
        l2=[*NO_REALS, -1, 1e39, 1e-44],
        random_state=NO_RANDOM_STATES,
    ),
    ("MLP-float64", lambda v: MLP((4, 3), dtype="float64", init=v), "init", [1e308, 9e307]),
    *lines(
        "LowRankMLP",
        of(LowRankMLP, layer_sizes=(4, 5, 3)),
        layer_sizes=[*NO_LISTS, (), (4,), (4, 0), (4, 1.5)],
        rank=[*NO_INTS, 0, -1],
        bias=NO_BOOLS,
    ),
    *lines(
        "from_arrays",
        of(MLP.from_arrays, weights=WEIGHTS),
        weights=[*NO_LISTS, [], [None], [np.ones(3)], [np.ones((5, 4)), np.ones((3, 4))]]
        + [[np.ones((5, 4)), np.ones((3, 5), "f4")], [np.ones((2, 3), int)], [np.ones((0, 3))]]
        + [[np.full((2, 3), NAN)], [MASKED], ["x"], [[["a"]]], [RAGGED]],
        biases=[3, "x", [], [np.ones(5)], [np.ones(5), np.ones(2)], [np.ones((5, 1)), np.ones(3)]]
        + [[np.full(5, NAN), np.ones(3)], [None, None], ["x", "y"]],
    ),
    (
        "from_arrays-float32",
        lambda v: MLP.from_arrays([w.astype("f4") for w in WEIGHTS], v),
        "biases",
        [[np.full(5, 1e300), np.ones(3)], [np.ones(5), [0, 0, -1e39]]],
    ),
    *lines(
        "fit",
        lambda name: lambda value: NET.copy().fit(**{**dict(X=X, y=Y, epochs=1), name: value}),
        X=NO_MATRICES,
        y=NO_LABELS,
        epochs=[*NO_INTS, -1],
        batch_size=[*NO_INTS, 0, -1, 0.0, 1.0, -0.5],
        learning_rate=[*NO_REALS, 0, -1, 1e300, 1e-300],
        momentum=[*NO_REALS, -0.1, 1, 2],
        reset_momentum=NO_BOOLS,
        regularizer=[5, "x", object(), MLP, Puller, Puller()],
    ),
    *[
        (f"{f.__name__}-X", f, "X", without(NO_MATRICES, (0, 4)))
        for f in (NET.predict, NET.logits, NET.activations)
    ],
    *[
        (
            f"{name}-weights",
            lambda w, name=name: getattr(MLP.with_weights(NET, w), name)(X),
            "weights",
            [[w, np.ones((3, 5), "f4")] for w in NO_FINITE]
            + [[NET.weights[0], np.full((3, 5), NAN)]],
        )
        for name in ("predict", "logits", "activations")
    ],
    *lines(
        "gradients",
        of(NET.gradients, X=X, y=Y),
        X=NO_MATRICES,
        y=NO_LABELS,
        masks=[3, "x", [], [np.ones((6, 4))], [np.ones((5, 5))], [None]]
        + [[np.full((6, 5), v)] for v in (NAN, 7, 0.5, "x")]
        + [[np.ma.masked_array(np.ones((6, 5)), True)], [[np.ma.masked_array(X_ROW, True)] * 6]],
    ),
    *lines(
        "from_sklearn",
        of(srcnb.from_sklearn, mlp=CLASSIFIER),
        mlp=[*NO_LISTS, MLPClassifier, MLPClassifier(), NET, StandardScaler(), WEIGHTS]
        + [make_pipeline(StandardScaler(), CLASSIFIER), classifier(kind=MLPRegressor)]
        + [classifier(activation=name) for name in ("tanh", "logistic", "identity")]
        + [classifier(Y > 5), classifier(np.eye(6, 3, dtype=int))],
        output=["softmax", "relu"],
        dropout=[*NO_REALS, -0.1, 1],
        random_state=NO_RANDOM_STATES,
    ),
    *lines(
        "to_sklearn",
        of(srcnb.to_sklearn, net=NET, like=CLASSIFIER),
        net=[*NO_LISTS, MLP, WEIGHTS, CLASSIFIER, MLP((4, 3)), MLP((4, 5, 2)), MLP((5, 5, 3))]
        + [MLP((4, 5, 3), output="relu"), MLP((4, 5, 3), dropout=0.1, inverted_dropout=False)],
        like=[*NO_LISTS, MLPClassifier, MLPClassifier(), NET, classifier(activation="tanh")]
        + [make_pipeline(StandardScaler(), CLASSIFIER)],
    ),
    *lines(
        "sleep_sklearn",
        of(srcnb.sleep_sklearn, model=CLASSIFIER, X=X),
        model=[*NO_LISTS, MLPClassifier, MLPClassifier(), NET, StandardScaler(), WEIGHTS]
        + [make_pipeline(StandardScaler()), make_pipeline(classifier(kind=MLPRegressor))]
        + [classifier(kind=MLPRegressor), classifier(activation="tanh"), classifier(Y > 5)],
        X=[*NO_MATRICES, np.ones((6, 3))],
        config=["x", {}, 3, srcnb.SleepTargets, PROTOCOL],
        classes=[*NO_LISTS[1:], [], [3], [0, 7], [[0, 1]], ["a"], [None]],
        keep=[*NO_REALS, 0, -0.1, 1.1],
        homeostasis=[*NO_REALS[1:], 0, -0.1, 1.1],
        n_sleeps=[*NO_INTS, -1],
        random_state=NO_RANDOM_STATES,
    ),
    *lines(
        "from_state_dict",
        of(srcnb.from_state_dict, state=STATE),
        state=[*NO_LISTS, WEIGHTS, {}, {3: np.ones((5, 4))}, {"0.weight": None}]
        + [{"0.weight": "x"}, {"0.weight": [[1.0], [1.0, 2.0]]}, {"0.weight": MASKED}],
        dropout=[*NO_REALS, -0.1, 1],
    ),
    *lines(
        "to_state_dict",
        of(srcnb.to_state_dict, net=NET, like=STATE),
        net=[*NO_LISTS, MLP, WEIGHTS, MLP((4, 3)), MLP((4, 5, 2)), MLP((4, 5, 3), bias=True)]
        + [MLP((4, 5, 3), dropout=0.1, inverted_dropout=False)],
        like=[*NO_LISTS[1:], WEIGHTS, {}, {3: np.ones((5, 4))}, {"0.weight": "x"}],
    ),
    *lines(
        "save_state_dict",
        of(srcnb.save_state_dict, net=NET, path="/nowhere/else.safetensors"),
        net=NO_NETS[:-1],
        path=[*NO_PATHS, "net.npz"],
        like=[3, 1.5, object(), {2, 3}, WEIGHTS, {}, {"0.weight": "x"}],
    ),
    *lines("save", of(NET.save, "/nowhere/else.npz"), state=NO_BOOLS),
    *lines(
        "SleepConfig",
        of(SleepConfig, n_steps=3, alpha=[1, 1], beta=[1, 1], inc=0.1, dec=0.1),
        n_steps=[*NO_INTS, -1, 2**63, 10**5000],
        alpha=[*NO_LISTS, [], [1], [1, -1], [1, NAN], [1, "x"], [1, None], [1, INF], [1, True]],
        beta=[*NO_LISTS, [], [1], [1, -1], [1, NAN], [1, "x"], [1, None], [1, INF], [1, True]],
        inc=[*without(NO_REALS, (2,)), -0.1, [1, -1], [1, NAN], [1] * 3],
        dec=[*without(NO_REALS, (2,)), -0.1, [1, -1], [1, NAN], [1] * 3],
        gate_width=[*without(NO_REALS, (2,)), 0, -1, [1, 0], [1, NAN], [1] * 3],
        decay=[*NO_REALS, -0.1, 1.1],
        gate=[*NO_CHOICES, "sigmoid"],
        max_rate=[*NO_REALS, 0, -1],
        dt=[*NO_REALS, 0, -1],
        inhibition=[*NO_REALS, -1],
        targets=[3, "x", [], [1], [1, 0], [1, -1], [1, NAN], [1, "x"], [1, True], [1, INF]],
        currents=[3, "x", [], [1], [1, NAN], [1, "x"], [1, [[1]]], [1, [NAN]], [None, None]],
    ),
    *lines(
        "PatchInput",
        of(srcnb.PatchInput),
        size=[*NO_INTS, 0, -1, 29],
        shape=[*NO_LISTS, (), (28,), (28, 28, 1), (28, 0), (28, 1.5)],
    ),
    *lines("SegmentInput", of(srcnb.SegmentInput), size=[*NO_INTS, 0, -1]),
    *lines(
        "SampleInput",
        of(srcnb.SampleInput),
        n_samples=[*NO_INTS, 0, -1],
        keep=[*NO_REALS, -0.1, 1.1],
    ),
    *[
        (
            f"{kind.__name__}.update",
            lambda v, kind=kind: kind().update(v),
            "X",
            without(NO_MATRICES, (0, 4), (6, 5)) + [X + 1, X - 1],
        )
        for kind in (srcnb.MeanInput, srcnb.SampleInput)
    ],
    *lines(
        "poisson_spikes",
        of(srcnb.poisson_spikes, intensities=X, uniforms=0.9 * X, config=CONFIG),
        intensities=[None, "x", [1, 2], X + 1, -X, X * NAN, MASKED],
        uniforms=[None, "x", [1, 2], X[:3], X * 0 + 1, -X - 0.1, X * NAN, X[:, :2]],
        config=[None, {}, SleepConfig, "x"],
    ),
    *lines(
        "simulate",
        of(srcnb.simulate, weights=WEIGHTS, input_spikes=np.ones((3, 4)), config=CONFIG),
        weights=[*NO_LISTS, [], [np.ones((5, 4)), np.ones((3, 4))], [np.full((2, 4), NAN)] * 2],
        input_spikes=[None, "x", 3, np.ones((2, 4)), np.ones((3, 5)), np.full((3, 4), 0.5)]
        + [np.full((3, 4), NAN), np.ones(4), [["a"] * 4] * 3, [[1, 0], [1]]]
        + [np.ma.masked_array(np.ones((3, 4)), True), [*np.ma.masked_array(np.ones((3, 4)), True)]],
        config=[None, {}, SleepConfig, "x"],
        engine=[None, "", "c", 3],
        record=NO_BOOLS,
        membranes=[
            3,
            "x",
            [],
            [np.ones(5)],
            [np.ones(5), np.ones(4)],
            [np.full(5, NAN), np.ones(3)],
        ],
    ),
    *[
        (
            f"simulate-float32-{name}",
            lambda value, name=name: srcnb.simulate(
                [w.astype("f4") for w in WEIGHTS], np.ones((3, 4)), replace(CONFIG, **{name: value})
            ),
            name,
            values,
        )
        for name, values in dict(
            alpha=[(1, 1e300), (1, 1e-50), (1e-44, 1)],
            beta=[(1, 1e39), (1e-50, 1), (1, 1e-44)],
            inc=[1e39, 1e-60],
            dec=[1e39, 1e-60],
            inhibition=[1e39],
            currents=[(1e39, 0), ([0] * 4 + [1e-60], 0)],
        ).items()
    ],
    *lines(
        "sleep",
        of(srcnb.sleep, net=NET, sleep_input=np.full(4, 0.1), config=CONFIG),
        net=[None, "x", MLP, WEIGHTS, object()],
        sleep_input=[None, 3, "x", srcnb.SampleInput, srcnb.PatchInput]
        + [np.full(5, 0.1), np.full((2, 4), 0.1), np.full(4, 1.5), np.full(4, NAN), Rows(1)]
        + [[np.full((10, 4), 0.5)], (np.full((2, 4), 0.5),) * 2, [np.full((2, 4), 0.5)]]
        + [[np.full((3, 4), 0.5), "x"], [*MASKED[:3]], [MASKED[:3]], [*MASKED[0]]]
        + [RAGGED, [RAGGED], repeat(np.zeros((0, 4))), Ragged()]
        + [Rows(-1), Rows(5), [], {}, iter([]), np.ma.masked_array(np.full(4, 0.1), [1, 0, 0, 0])],
        config=[{}, SleepConfig, 3, "x", srcnb.SleepTargets],
        scale=[{}, 2, FeatureScale, X],
        random_state=NO_RANDOM_STATES,
        engine=[None, "", "c", 3],
        record=NO_BOOLS,
        progress=NO_BOOLS[1:],
        every=[3],
        callback=[print, *NO_LISTS[1:]],
        max_drop=[0.1],
        validate=[3, "x", [], X, (X,), (X, Y, Y), (X[:5], Y), (X[:0], Y[:0]), {"X": X, "y": Y}]
        + [(bad, Y) for bad in without(NO_MATRICES, (0, 4))]
        + [(X, bad) for bad in NO_LABELS],
        block_steps=[*NO_INTS, 0, -1],
    ),
    (
        "sleep-max_drop-of-validate",
        lambda v: srcnb.sleep(NET, np.full(4, 0.1), CONFIG, validate=(X, Y), max_drop=v),
        "max_drop",
        [*NO_REALS[1:], -0.1, 1.1],
    ),
    (
        "sleep-every-of-validate",
        lambda v: srcnb.sleep(NET, np.full(4, 0.1), CONFIG, validate=(X, Y), every=v),
        "every",
        [*NO_INTS[1:], 0, -1],
    ),
    (
        "sleep-callback-every",
        lambda v: srcnb.sleep(NET, X_ROW, CONFIG, callback=v, every=1),
        "callback",
        [3, "x", lambda net: None, lambda step, net, more: None, object()],
    ),
    (
        "sleep-many-samples",
        lambda v: srcnb.sleep(NET, updated(srcnb.SampleInput(v)), CONFIG),
        "n_samples",
        [10**14, 10**30],
    ),
    *lines(
        "trace",
        of(srcnb.trace, net=NET, sleep_input=np.full(4, 0.1), config=CONFIG),
        net=[None, "x", MLP, WEIGHTS, object()],
        sleep_input=[None, 3, "x", srcnb.SampleInput, np.full(5, 0.1), RAGGED],
        config=[{}, SleepConfig, 3, "x", srcnb.SleepTargets],
        scale=[{}, 2, FeatureScale, X],
        random_state=NO_RANDOM_STATES,
        neurons=[*NO_INTS, 0, -1, {0: [1]}, {3: [1]}, {1.5: [0]}, {"x": [0]}, {1: []}, {1: [5]}]
        + [{1: [-1]}, {1: [0, 0]}, {1: 3}, {1: "x"}, {1: [True]}, {1: [0.5]}, [1, 2]],
    ),
    *lines(
        "Trace-plot",
        lambda name: lambda value: traced().plot(**{"layer": 1, name: value}),
        layer=[0, 3, "x", 1.5, [1]],
        neuron=[-1, 5, "x", 0.5, [0]],
        steps=[3, "x", (1,), (0, 1, 2), (0, 0), (2, 1), (-1, 2), (0, 4), (0.5, 2), {0: 1, 2: 3}],
    ),
    *lines(
        "SleepTargets",
        of(srcnb.SleepTargets),
        n_steps=[*NO_INTS, -1, 2**63],
        **dict.fromkeys(("input_rate", "rate", "rho"), [*NO_REALS, -1, 2]),
        **dict.fromkeys(("rate_factor", "budget_factor", "gate_width"), [*NO_REALS, 0, -1]),
        budget=[*NO_REALS, -1],
    ),
    (
        "calibrate-share",
        lambda v: srcnb.calibrate(NET, updated(srcnb.MeanInput(), v)),
        "share",
        [*NO_REALS, 0, -1, 2],
    ),
    (
        "with_weights",
        NET.with_weights,
        "weights",
        [*NO_LISTS, [], WEIGHTS[:1], [*WEIGHTS, WEIGHTS[0]]],
    ),
    (
        "fit-biases",
        lambda v: with_biases(v).fit(X, Y),
        "biases",
        [[np.full(5, NAN), np.zeros(3)], [np.zeros(5)], [np.zeros(4), np.zeros(3)]],
    ),
    (
        "targets",
        lambda v: NET.copy().fit(X, v),
        "y",
        [np.array([[2.0, -1, 0]] * 6), np.ones((6, 3)), np.full((6, 3), NAN)],
    ),
    ("loss-X", lambda v: MLP((4, 3), init=1e38).loss(v, Y), "X", [1000 * X]),
    *lines(
        "homeostasis",
        of(srcnb.homeostasis, net=NET, X=X, classes=[0, 1]),
        classes=[*NO_LISTS, [3], [-1], [[0], [0, 1]], [0.5], ["a"]],
        n_samples=[*NO_INTS, 0, 10**14, 10**30],
    ),
    *[
        (f"{kind.__name__}.update-columns", kind().update, "X", [X[:, :0], RAGGED])
        for kind in (srcnb.MeanInput, srcnb.SampleInput)
    ],
    (
        "to_sklearn-weights",
        lambda w: srcnb.to_sklearn(NET.with_weights([w, NET.weights[1]]), CLASSIFIER),
        "weights",
        NO_FINITE[:2],
    ),
    *[
        (f"{name}-path", call, "path", NO_PATHS)
        for name, call in (
            ("load_preset", load_preset),
            ("save_preset", lambda v: save_preset(v, PROTOCOL, {})),
            ("plot_results", lambda v: plotting.plot_results(RESULTS, v)),
            ("sleep_again", lambda v: sleep_again(v, {"method": "src"}, 0, 1)),
        )
    ],
    ("data_name-folder", data_name, "folder", NO_PATHS),
    ("SavedRun-folder", lambda v: SavedRun(v, DATA), "folder", NO_PATHS),
    *lines(
        "class_changes",
        of(before_after.class_changes, before=NET, after=NET, X=X, y=Y),
        X=without(NO_MATRICES, (6, 4)),
        y=NO_LABELS,
    ),
    *lines(
        "joint_scores",
        of(before_after.joint_scores, nets=[NET], X=X, n_components=2),
        nets=[*NO_LISTS, [], [None], WEIGHTS],
        X=without(NO_MATRICES, (6, 4)),
        n_components=[*NO_INTS, 0, -1],
    ),
    ("weight_pairs-n_bins", lambda v: before_after.weight_pairs(NET, NET, v), "n_bins", NO_INTS),
    *lines(
        "observe",
        of(activity.observe, net=NET, sleep=print, measure=dict),
        net=NO_NETS[:-1],
        sleep=[None, 3, "x"],
        measure=[None, 3, "x"],
        n_blocks=[*NO_INTS, 0],
        n_neurons=[*NO_INTS, -1],
    ),
    (
        "sleep_again-condition",
        lambda v: sleep_again("/nowhere", v, 0, 1),
        "condition",
        [None, "src", 3, [("method", "src")]],
    ),
    (
        "finished_results-out",
        lambda v: finished_results(EXPERIMENTS["patches"], v),
        "out",
        NO_PATHS,
    ),
    (
        "source-data_dir",
        lambda v: run_experiment(EXPERIMENTS["patches"], Source(v), seeds=1),
        "data_dir",
        NO_PATHS[1:],
    ),
    *lines(
        "comparison",
        of(comparison, methods=["src"], protocol=PROTOCOL, data=lambda source: [DATA]),
        protocol=[None, 3, "own", {}, Protocol],
        data=[None, DATA, [DATA], "digits"],
    ),
    (
        "sleep-long",
        lambda n: srcnb.sleep(NET, X_ROW, replace(CONFIG, n_steps=10**12), block_steps=n),
        "block_steps",
        [10**11, 10**400],
    ),
    (
        "sleep-recorded",
        lambda record: srcnb.sleep(NET, X_ROW, replace(CONFIG, n_steps=10**12), record=record),
        "record",
        [True],
    ),
    (
        "simulate-recorded",
        lambda record: srcnb.simulate(
            WEIGHTS,
            np.broadcast_to(np.ones(4, bool), (10**12, 4)),
            replace(CONFIG, n_steps=10**12),
            record=record,
        ),
        "record",
        [True],
    ),
    *lines(
        "alpha_factors",
        of(srcnb.alpha_factors, net=NET, X=X),
        net=[None, "x", MLP, WEIGHTS],
        X=NO_MATRICES,
        form=[*NO_CHOICES, "matlab"],
        percentile=[*NO_REALS, 0, -1, 101],
    ),
    *lines(
        "FeatureScale",
        of(FeatureScale, lo=X[0], hi=X[0] + 1),
        lo=[None, "x", 3, X, [NAN] * 4, [INF] * 4, ["a"] * 4, [1j] * 4, MASKED[0]],
        hi=[None, "x", 3, X, [NAN] * 4, [INF] * 4, ["a"] * 4, [1j] * 4, MASKED[0], X[0] - 1]
        + [X[0, :3], [1, 2], [-1] * 4],
    ),
    ("FeatureScale.of", FeatureScale.of, "X", without(NO_MATRICES, (6, 5)) + [np.zeros((0, 4))]),
    ("FeatureScale.transform", SCALE.transform, "X", without(NO_MATRICES, (0, 4))),
    ("FeatureScale.into", SCALE.into, "net", NO_NETS),
    *lines("FeatureScale.back", of(SCALE.back, slept=NET, net=NET), slept=NO_NETS, net=NO_NETS),
    *lines(
        "Dataset",
        of(Dataset, name="few", X=X, y=Y, X_test=X, y_test=Y, n_classes=3),
        X=without(NO_MATRICES, (0, 4), (6, 5)),
        y=NO_LABELS,
        X_test=without(NO_MATRICES, (0, 4)),
        y_test=NO_LABELS,
        n_classes=[*NO_INTS, 0, 1, -1],
    ),
    *lines(
        "class_incremental",
        of(tasks.class_incremental, DATA),
        groups=[None, "x", 0, -1, 1.5, [], [[]], [[0, 0]], [[0], [0]], [[3]], [[-1]], [["a"]], [0]],
        cap=[*NO_INTS[1:], 0, -1],
        order=["x", 3, [], [0, 0], [7], [-1], [1.5]],
    ),
    *lines(
        "permuted_pixels",
        of(tasks.permuted_pixels, DATA),
        n_tasks=[*NO_INTS, 0, -1],
        cap=[*NO_INTS[1:], 0],
        random_state=NO_RANDOM_STATES,
    ),
    *lines("Protocol", of(replace, PROTOCOL), hidden=[*NO_LISTS, (0,), (-1,), (1.5,), ("x",)]),
    *lines(
        "SleepSchedule",
        of(replace, SCHEDULE),
        constants=[None, {}, SleepConstants, "mnist"],
        sleep_input=[None, 3, "x", srcnb.MeanInput()],
        first_steps=[*NO_INTS, -1, 2**63],
        more_steps=[*NO_INTS, -1, 2**63],
        data=[*NO_CHOICES, "all"],
        every=[*NO_INTS, -1],
    ),
    *lines(
        "SleepConstants",
        of(replace, CONSTANTS),
        gate=[*NO_CHOICES, "sigmoid"],
        alpha_form=[*NO_CHOICES, "matlab"],
        alpha_scale=[*NO_REALS, -1],
        source=[None, 3],
        beta=[*NO_LISTS, (), (1, "x"), (1, None), (1, -1), (NAN,)],
        alpha=[*NO_LISTS[1:], (), (1,), (1, "x"), (1, None), (1, -1), (NAN,)],
        max_rate=[*NO_REALS, 0, -1],
        inc=[*NO_REALS, -1],
        dec=[*NO_REALS, -1],
    ),
    ("paper", presets.paper, "constants", [None, "", "torch", 3, ["mnist"]]),
    ("get", lambda v: presets.get(v, "mnist"), "preset", ["", "matlab", 3, ["paper"], ".json"]),
    *lines(
        "src", of(run, src), step_back=[*NO_REALS, -0.1, 1.1], save_best=[*NO_REALS, -0.1, 1, 5]
    ),
    *lines("cheat", of(run, cheat), slip=NO_BOOLS),
    *lines("ridge", of(run, ridge), n_features=[*NO_INTS, 0, 10**13, 10**30]),
    *lines(
        "method",
        lambda name: (
            lambda v: list(
                sequential(**{**dict(tasks=SEQUENCE, protocol=PROTOCOL, seed=0), name: v})
            )
        ),
        tasks=[*NO_LISTS, []],
        protocol=[None, 3, "own", {}, Protocol],
        seed=[*NO_INTS, -1],
    ),
    (
        "made-sleep_input",
        lambda v: run(src, protocol=replace(PROTOCOL, schedule=replace(SCHEDULE, sleep_input=v))),
        "sleep_input",
        [lambda: None, dict, lambda: srcnb.MeanInput, lambda: X],
    ),
    *lines("rehearsal", of(run, rehearsal), share=[*NO_REALS, -0.1, 1.1], sleeps=NO_BOOLS),
    *lines(
        "icarl",
        of(run, icarl),
        memory=[*NO_INTS, 0, -1],
        selection=[*NO_CHOICES, "all"],
        classifier=[*NO_CHOICES, "svm"],
        distill=NO_BOOLS,
        sleeps=NO_BOOLS,
    ),
    *lines("ewc", of(run, ewc), strength=[*NO_REALS[1:], -1], sleeps=NO_BOOLS),
    *lines(
        "si", of(run, si), strength=[*NO_REALS[1:], -1], damping=[*NO_REALS, 0, -1], sleeps=NO_BOOLS
    ),
    *lines(
        "compare",
        of(compare_methods, tasks=SEQUENCE, protocol=PROTOCOL, methods=["sequential"], seeds=1),
        tasks=[[], ()],
        methods=[*NO_LISTS, [], ["magic"], ["src", "src"], [None], [3]],
        seeds=[None, "x", 0, -1, 1.5, [], [1, 1], [-1], [1.5], 10**9, [None]][1:],
        jobs=[*NO_INTS, 0, -2],
    ),
    *lines("load", of(datasets.load), name=[None, "", "cifar", 3, ["digits"]]),
    ("load-data_dir", lambda v: datasets.load("mnist", v), "data_dir", ["/nowhere", "/dev/null"]),
    *[(f.__name__, f, "file", ["/nowhere.npz"]) for f in (own_data.load_file, srcnb.load)],
    (
        "metrics",
        metrics.summary,
        "results",
        [
            RESULTS[RESULTS["task"] != "all"],
            RESULTS.drop(index=[4]),
            RESULTS.drop(index=[6, 7, 8]),
            pd.concat([RESULTS, RESULTS[:1]]),
            RESULTS.drop(columns="phase"),
            RESULTS[3:6].drop(index=3),
            RESULTS.drop(index=range(3, 6)),
        ],
    ),
    *[
        (
            f"{function.__name__}-results",
            function,
            "results",
            [
                *(None, [], {}, "results.csv", pd.DataFrame, RESULTS[:0], RESULTS["accuracy"]),
                pd.concat([RESULTS, RESULTS[["stage"]]], axis=1),
                *(RESULTS.assign(stage=3 - RESULTS["stage"].clip(upper=1)), RESULTS[:4]),
                *(RESULTS[RESULTS["stage"] == s].assign(phase="sleep") for s in (1, 2)),
                *(RESULTS[RESULTS["task"] != task] for task in ("1", "2", "all")),
                *(RESULTS.assign(**{c: None}) for c in ("method", "seed", "stage", "task")),
                *(RESULTS.assign(accuracy=v) for v in (NAN, INF, -1, 100.1, "x", None, 50j)),
                *(RESULTS.assign(stage=v) for v in (0, -1, 1.5, NAN, "x", 2**40)),
                *(RESULTS.assign(phase=v) for v in ("", None, NAN, "nap")),
                *(RESULTS.assign(task=v) for v in ("", 1, "01", "x")),
                pd.concat([RESULTS, RESULTS[RESULTS["stage"] == 1].assign(phase="sleep")]),
            ],
        )
        for function in (
            metrics.in_time,
            metrics.stage_table,
            metrics.continual_metrics,
            plotting.draw_results,
            pictures.draw_accuracy,
            pictures.draw_accuracy_table,
        )
    ],
    *lines(
        "Dataset-more",
        of(Dataset, name="few", X=X, y=Y, X_test=X, y_test=Y, n_classes=3),
        name=[None, 3, b"few", ["few"]],
        shape=[*NO_LISTS[1:], (), (4,), (2, 3), (2.0, 2.0), (2, 2, 1), (-2, -2)],
        labels=["abc", 3, (), ("a",), ("a", "b"), range(4), object(), {1, 2, 3}, ("a", "a", "b")],
        n_classes=[10**12, 10**30],
    ),
    *lines(
        "validation_split",
        of(DATA.validation_split),
        fraction=[*NO_REALS, 0, 1, -1, 5, 0.01, 0.99],
        random_state=NO_INTS,
    ),
    *[
        (f"{f.__name__}-data", f, "data", [*NO_LISTS, [], {}, DATA.X, Dataset, [None], [DATA, 3]])
        for f in (tasks.class_incremental, tasks.domain_incremental, tasks.permuted_pixels)
    ],
    *[
        (
            f"{f.__name__}-more-groups",
            lambda v, f=f: f(DATA, groups=v),
            "groups",
            [*NO_LISTS[:1], True, {}, {"a": [0]}, [None], [[0], 1], [[[0]]], [[True]], [["0"]]]
            + [b"ab", np.array(2.0), np.zeros((2, 2)), np.array([["a"]]), MLP, [[NAN]], [MLP]],
        )
        for f in (tasks.class_incremental, tasks.domain_incremental)
    ],
    (
        "permuted_pixels-size",
        of(tasks.permuted_pixels, DATA)("n_tasks"),
        "n_tasks",
        [10**9, 10**30],
    ),
    *[
        (f"{f.__name__}-path", f, "path", [None, 3, 1.5, b"x.npz", ["x.npz"], {}, object(), MLP])
        for f in (own_data.load_file, own_data.load_features, lambda v: datasets.read_idx(v, 3))
    ],
    (
        "load_file-seed",
        lambda v: own_data.load_file("x.npz", random_state=v),
        "random_state",
        NO_INTS,
    ),
    ("read_idx", lambda v: datasets.read_idx("x.gz", v), "n_dims", [*NO_INTS, 0, -1, 256]),
    (
        "load-more",
        lambda v: datasets.load("mnist", v),
        "data_dir",
        [3, 1.5, b"x", ["x"], MLP, "", 0, {}],
    ),
    (
        "format_summary",
        metrics.format_summary,
        "table",
        [None, "x", {}, RESULTS, metrics.summary(RESULTS)["accuracy"]],
    ),
    *lines(
        "SleepReplayClassifier",
        of(fit_estimator),
        hidden_layer_sizes=[*NO_LISTS, [0], [2.5], (-1,)],
        epochs=[*NO_INTS[1:], 0, -1],
        batch_size=[*NO_NUMBERS, 0, -1, 1.5, 0.0],
        learning_rate=[*NO_REALS, 0, -1],
        bias=NO_BOOLS,
        dropout=[*NO_REALS, 1, -0.1],
        sleeps_per_task=[*NO_INTS, 0, -1],
        sleep_when=[*NO_CHOICES, "new"],
        sleep_targets=["x", 1, {}, CONFIG, srcnb.SleepTargets],
        homeostasis=[*NO_REALS[1:], 0, 1.5],
        random_state=["x", -1, 1.5, True, np.random, {}, np.random.default_rng(0)],
    ),
    ("partial_fit", of(fit_estimator)("sleeps_per_task"), "sleeps_per_task", [2, 4, 7]),
    *lines("partial_fit", of(fit_estimator, y=Y), classes=BAD_CLASSES),
    *lines("partial_fit-labels", of(fit_estimator, classes=[0, 1, 2]), y=[Y + 1, [9] * 6]),
    *lines(
        "domain_incremental-list", of(tasks.domain_incremental, [DATA]), order=[[0]], groups=[3]
    ),
]
ROWS = [
    pytest.param(call, parameter, value, id=f"{name}-{i}")
    for name, call, parameter, values in TABLE
    for i, value in enumerate(values)
]


def test_the_table_is_long():
    assert len(ROWS) >= 500
    assert len({row.id for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("call", "parameter", "value"), ROWS)
def test_bad_input_is_refused_by_name(call, parameter, value):
    with pytest.raises(ERRORS) as info:
        call(value)
    assert re.search(rf"\b{parameter}\b", str(info.value)), str(info.value)


def test_after_a_divergence_the_momentum_is_what_it_was():
    for net in (NET.copy(), LowRankMLP((4, 5, 3), 2, random_state=0)):
        twin = net.copy()
        for one in (net, twin):
            one.fit(X, Y, epochs=2, batch_size=2)
        with pytest.raises(OverflowError, match="learning_rate=1e\\+30"):
            net.fit(X, Y, epochs=3, batch_size=2, learning_rate=1e30)
        after = net.fit(X, Y, epochs=0, reset_momentum=False)
        for a, b in zip(after._velocity, twin._velocity, strict=True):
            np.testing.assert_array_equal(a, b)
        assert np.isfinite(net.fit(X, Y, epochs=1, reset_momentum=False).logits(X)).all()


def test_what_is_unusual_but_right_is_taken():
    """Lists, other number types, NumPy's numbers: these are no bad input."""
    net = MLP([np.int64(4), 5, 3], bias=np.True_, dropout=np.float32(0.5), random_state=0)
    net.fit(X.tolist(), Y.tolist(), epochs=np.int32(1), learning_rate=1)
    net.fit(X > 0.5, Y.astype(float), epochs=1, batch_size=1)
    assert MLP((1, 1, 1), random_state=0).fit(X[:, :1], 0 * Y).layer_sizes == (1, 1, 1)
    assert net.predict((10 * X).astype(int)).shape == (6,)
    result = srcnb.sleep(net, [0.1] * 4, replace(CONFIG, alpha=(1, 1)), np.random.default_rng(0))
    assert len(result.rates) == 3
    assert metrics.summary(RESULTS.sample(frac=1, random_state=0)).equals(metrics.summary(RESULTS))
