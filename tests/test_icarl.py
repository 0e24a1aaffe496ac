"""iCaRL: herding, exemplars, targets, both classifiers."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import golden_files

import srcnb
from srcnb import tasks
from srcnb.methods import icarl
from srcnb.methods.base import train_and_sleep
from srcnb.mlp import BATCH_ROWS

UNDROPPED = [p for p in golden_files("matlab_train_*.npz") if "herding_exemplars" in p.values[0]]


@pytest.fixture
def protocol(protocol):
    training = dict(epochs=30, batch_size=10, learning_rate=0.2)
    return replace(protocol, training=training)


@pytest.fixture
def sequence(easy_data):
    return tasks.class_incremental(easy_data, groups=1, cap=20)


def network_of(run, dtype):
    weights = [run[f"W{i}_after"].astype(dtype) for i in (1, 2, 3)]
    return srcnb.MLP.from_arrays(weights, output=str(run["output"]))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("run", UNDROPPED)
def test_golden_herding(run, dtype):
    phi = icarl.features(network_of(run, dtype), run["X"])
    np.testing.assert_array_equal(run["X"][icarl.herding(phi, 8)], run["herding_exemplars"])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("run", UNDROPPED)
def test_golden_nearest_mean(run, dtype):
    X, labels = run["X"], run["labels"]
    exemplars = {c: X[labels == c] for c in np.unique(labels)}
    model = icarl.NearestMean(network_of(run, dtype), exemplars)
    np.testing.assert_array_equal(model.predict(X), run["nearest_mean_predicted"])


def naive_herding(phi, n):
    mu, chosen = phi.mean(axis=0), [int(np.argmin(phi @ phi.mean(axis=0)))]
    while len(chosen) < n:
        left = [i for i in range(len(phi)) if i not in chosen]
        far = [np.linalg.norm(mu - phi[[*chosen, i]].mean(axis=0)) for i in left]
        chosen.append(left[int(np.argmin(far))])
    return chosen


def test_herding_is_the_naive_one_and_takes_each_sample_once():
    phi = np.maximum(np.random.default_rng(0).normal(size=(40, 6)), 0)
    order = icarl.herding(phi, 100)
    assert order.tolist() == naive_herding(phi, 40)
    assert sorted(order) == list(range(40))
    np.testing.assert_array_equal(icarl.herding(phi, 7), order[:7])
    assert icarl.herding(phi, 0).shape == icarl.herding(phi[:0], 3).shape == (0,)


def test_nearest_mean_is_the_nearest():
    rng = np.random.default_rng(0)
    net = srcnb.MLP((6, 8, 5, 4), random_state=0)
    model = icarl.NearestMean(net, {c: rng.random((5, 6)) for c in (3, 1)})
    X = rng.random((BATCH_ROWS + 20, 6))  # more than go through the network at once
    whole = model.predict(X)
    far = np.linalg.norm(icarl.features(net, X)[:, None] - model.means, axis=2)
    np.testing.assert_array_equal(whole, np.array([3, 1])[far.argmin(axis=1)])


def learners_of(sequence, protocol, sleeps=False, seed=0, **options):
    """Run iCaRL; yield stage, phase, model and the learner, which is otherwise hidden."""
    options = dict(memory=8, distill=False, selection="herding", classifier="head") | options
    kept = []

    def make(rng):
        kept.append(icarl.Icarl(rng, **options))
        return kept[0]

    for stage, phase, model in train_and_sleep(sequence, protocol, seed, make, sleeps=sleeps):
        yield stage, phase, model, kept[0]


@pytest.mark.parametrize("memory", [3, 8, 20, 1000])
def test_memory_is_shared_and_lists_keep_their_order(sequence, protocol, memory):
    before = {}
    for stage, _, model, learner in learners_of(sequence, protocol, memory=memory):
        exemplars = learner.exemplars
        assert list(exemplars) == list(range(stage))
        # Candidates are all 30 samples of a class, more than the 20 of the cap.
        assert [len(X) for X in exemplars.values()] == [min(memory // stage, 30)] * stage
        assert sum(map(len, exemplars.values())) <= memory
        for c, X in before.items():
            np.testing.assert_array_equal(exemplars[c], X[: memory // stage])
        X = sequence[stage - 1].X_all
        order = icarl.herding(icarl.features(model.head, X), memory // stage)
        np.testing.assert_array_equal(exemplars[stage - 1], X[order])
        before = exemplars


def test_random_exemplars(sequence, protocol):
    """Drawn once, from the class's own samples, each at most once, in no order of theirs."""
    before = {}
    for stage, *_, learner in learners_of(sequence, protocol, memory=12, selection="random"):
        X = sequence[stage - 1].X_all
        rows = [int(np.flatnonzero((x == X).all(axis=1))[0]) for x in learner.exemplars[stage - 1]]
        assert len(set(rows)) == 12 // stage and rows != sorted(rows)
        for c, kept in before.items():
            np.testing.assert_array_equal(learner.exemplars[c], kept[: 12 // stage])
        before = learner.exemplars
    *_, (*_, other) = learners_of(sequence, protocol, seed=1, memory=12, selection="random")
    assert not np.array_equal(other.exemplars[0], before[0])


def test_training_data(sequence, protocol):
    *_, (_, _, model, learner) = learners_of(sequence[:2], protocol)
    X, y = learner.training_data(model.head, sequence[2])
    assert X.shape == (28, 20) and y.tolist() == [2] * 20 + [0] * 4 + [1] * 4
    np.testing.assert_array_equal(X[:20], sequence[2].X)
    np.testing.assert_array_equal(X[20:], np.concatenate([*learner.exemplars.values()]))
    learner.distill = True
    X_soft, targets = learner.training_data(model.head, sequence[2])
    np.testing.assert_array_equal(X_soft, X)
    np.testing.assert_array_equal(targets[:20], np.eye(3)[[2] * 20])
    np.testing.assert_array_equal(targets[20:, 2], 0)
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)
    out = model.head.activations(X[20:])[-1][:, :2]
    np.testing.assert_allclose(targets[20:, :2], out / out.sum(axis=1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize("bias", [False, True])
def test_distillation_targets(bias):
    X = np.random.default_rng(0).random((9, 6))
    net = srcnb.MLP((6, 8, 5, 4), bias=bias, dtype="float64", random_state=0)
    out = net.activations(X)[-1]
    targets = icarl.distillation_targets(net, X, [2, 0])
    np.testing.assert_allclose(targets[:, [0, 2]], out[:, [0, 2]] / out[:, [0, 2]].sum(1)[:, None])
    assert not targets[:, [1, 3]].any()
    # Another class's output may be so large that those of the known ones underflow.
    net.weights[-1][1] += 1e6
    assert not net.activations(X)[-1][:, [0, 2]].any()
    np.testing.assert_allclose(icarl.distillation_targets(net, X, [2, 0]), targets)
    net.output = "relu"
    relu = icarl.distillation_targets(net, X, [2, 0])
    np.testing.assert_array_equal(relu[:, [0, 2]], net.activations(X)[-1][:, [0, 2]])


def test_distillation_targets_at_a_temperature():
    X = np.random.default_rng(0).random((9, 6))
    net = srcnb.MLP((6, 8, 4), dtype="float64", init=2.0, random_state=0)
    targets = icarl.distillation_targets(net, X, [0, 2], temperature=3)
    e = np.exp(net.logits(X)[:, [0, 2]] / 3)
    np.testing.assert_allclose(targets[:, [0, 2]], e / e.sum(axis=1, keepdims=True))
    net.output = "relu"
    relu = icarl.distillation_targets(net, X, [0, 2], temperature=3)
    np.testing.assert_array_equal(relu[:, [0, 2]], np.maximum(net.logits(X)[:, [0, 2]], 0))


@pytest.mark.parametrize("distill", [False, True])
@pytest.mark.parametrize("output", ["softmax", "relu"])
def test_icarl_remembers_with_both_classifiers(sequence, protocol, easy_data, output, distill):
    protocol = replace(protocol, network={**protocol.network} | dict(output=output))
    *_, (_, _, model) = icarl.icarl(sequence, protocol, 0, memory=30, distill=distill)
    for classifier in (model.head, model.nearest_mean, model):
        assert np.mean(classifier.predict(easy_data.X_test) == easy_data.y_test) > 0.9


def test_sleep_keeps_exemplars_and_renews_the_means(sequence, protocol):
    seen, lists, means = [], None, None
    for stage, phase, model, learner in learners_of(sequence, protocol, sleeps=True):
        seen.append((stage, phase))
        if phase == "sleep":
            assert learner.exemplars is lists
            assert (model.nearest_mean.means != means).any()
        lists, means = learner.exemplars, model.nearest_mean.means
        expected = [icarl.features(model.head, X).mean(axis=0) for X in lists.values()]
        np.testing.assert_array_equal(means, expected)
    assert seen == [(k, phase) for k in (1, 2, 3) for phase in ("train", "sleep")]


@pytest.mark.parametrize("classifier", icarl.CLASSIFIERS)
def test_reproducible_and_predict_is_the_classifier_asked_for(sequence, protocol, classifier):
    X = np.random.default_rng(0).random((50, 20))
    options = dict(sleeps=True, memory=10, distill=True, classifier=classifier)
    a, b = (
        [
            (m.predict(X), m.head.predict(X), m.nearest_mean.predict(X))
            for *_, m in icarl.icarl(sequence, protocol, 5, **options)
        ]
        for _ in range(2)
    )
    np.testing.assert_array_equal(a, b)
    chosen = 1 if classifier == "head" else 2
    assert all((x[0] == x[chosen]).all() for x in a)
    assert any((x[1] != x[2]).any() for x in a)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(memory=0), "memory.*0"),
        (dict(memory=2.5), "memory.*2.5"),
        (dict(memory=2), "memory must be at least 3.*got 2"),
        (dict(classifier="softmax"), "classifier.*'softmax'"),
        (dict(selection="best"), "selection.*'best'"),
    ],
)
def test_bad_options(sequence, protocol, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        icarl.icarl(sequence, protocol, 0, **options)


def test_tasks_that_share_classes_are_refused(easy_data, protocol):
    shared = tasks.domain_incremental([easy_data, easy_data])
    with pytest.raises(ValueError, match="tasks must bring new classes.*0, 1, 2, 0, 1, 2"):
        icarl.icarl(shared, protocol, 0)
