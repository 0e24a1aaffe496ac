"""lazy: large hidden weights that hardly change, small output weights, then homeostasis."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import srcnb
from srcnb.methods.baselines import sequential
from srcnb.methods.lazy import lazy


def last(checkpoints):
    *_, checkpoint = checkpoints
    return checkpoint.model


def test_by_hand(sequence, protocol):
    """fit() from weights that are larger, at a rate that is smaller, also where it changes."""
    protocol = replace(
        protocol,
        later_training={"learning_rate": 0.02},
        network={**protocol.network, "init": 0.3},  # lazy has its own
    )
    got = last(lazy(sequence, protocol, 3, gain=4.0, output=0.25, rate=0.5, keep=None))
    network = {**protocol.network, "dropout": 0, "init": "fan_in"}
    net = replace(protocol, network=network).new_network(sequence, 3)
    net = net.with_weights([f * w for f, w in zip((4, 4, 0.25), net.weights, strict=True)])
    for stage, task in enumerate(sequence, 1):
        rate = 0.5 * (0.05 if stage == 1 else 0.02)
        net.fit(task.X, task.y, **{**protocol.training, "learning_rate": rate})
    for a, b in zip(got.weights, net.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_its_hidden_layers_hardly_change(sequence, protocol):
    """Relative to their weights, against those of the same training as it is."""
    moved = []
    for run, gain in ((sequential, 1.0), (partial(lazy, gain=5.0, keep=None), 5.0)):
        start = gain * protocol.new_network(sequence, 0).weights[0]
        end = last(run(sequence, protocol, 0)).weights[0]
        moved.append(np.linalg.norm(end - start) / np.linalg.norm(start))
    assert moved[0] > 3 * moved[1] > 0


def test_its_outputs_are_brought_to_one_scale(sequence, protocol):
    model = last(lazy(sequence, protocol, 0, keep=0.5))
    own = last(lazy(sequence, protocol, 0, keep=None))
    for a, b in zip(model.net.weights, own.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    X = sequence[-1].X
    right = srcnb.homeostasis(own, X, np.arange(6), 0.5, random_state=1)
    assert np.mean(model.predict(X) == right.predict(X)) > 0.9


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(gain=0), ValueError, "gain must be .*0"),
        (dict(output=-0.1), ValueError, "output must be .*-0.1"),
        (dict(rate=-1.0), ValueError, "rate must be .*-1.0"),
        (dict(keep=2), ValueError, "keep must be .*2"),
        (dict(gain="x"), TypeError, "gain must be .*'x'"),
    ],
)
def test_bad_options(sequence, protocol, options, error, message):
    with pytest.raises(error, match=message):
        lazy(sequence, protocol, 0, **options)


def test_a_network_of_low_rank_is_refused(sequence, protocol):
    with pytest.raises(TypeError, match="protocol must have a dense network for lazy training"):
        lazy(sequence, replace(protocol, rank=2), 0)
