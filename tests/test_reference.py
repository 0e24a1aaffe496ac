"""The reference, equation by equation, against numbers worked out by hand."""

import numpy as np
import pytest

import srcnb
from srcnb import SleepConfig
from srcnb.spiking import reference


def test_impulse_and_inhibition():
    W = np.array([[1.0, 2.0, 4.0], [-1.0, 0.5, 0.0]])
    I = reference.impulse(W, np.array([True, False, True]), 3.0)  # noqa: E741
    np.testing.assert_allclose(I, [15.0, -3.0])
    np.testing.assert_allclose(reference.inhibit(I, 0.5), [12.0, -6.0])


def test_membrane_threshold_and_reset():
    v = reference.integrate(np.array([1.0, -8.0]), np.array([0.5, 1.0]), 0.5, np.array([0.0, 2.0]))
    np.testing.assert_allclose(v, [1.0, -1.0])
    s = reference.fire(v, 1.0)  # the threshold itself is enough
    np.testing.assert_array_equal(s, [True, False])
    np.testing.assert_allclose(reference.reset(v, s), [0.0, -1.0])


@pytest.mark.parametrize(
    ("gate", "values"),
    [
        ("logistic", [0.2689414, 0.5, 0.7310586]),
        ("negative", [2.0, 1.0, 0.0]),
        ("additive", [1.0, 1.0, 1.0]),
    ],
)
def test_gates(gate, values):
    g = reference.GATE_FUNCTIONS[gate](np.array([-1.0, 0.0, 1.0]))
    np.testing.assert_allclose(g, values, atol=1e-7)


def test_the_negative_gate_between_its_ends():
    g = reference.negative(np.array([-0.001, 0.001]))
    np.testing.assert_allclose(g, [2 / (1 + np.exp(-1)), 2 / (1 + np.exp(1))])
    wide = reference.negative(np.array([-0.1, 0.1]), width=0.1)
    np.testing.assert_allclose(wide, g)


def test_plasticity_takes_the_gate_before_the_update():
    W = np.array([[-0.001, 0.001], [0.3, 0.3]])
    reference.plasticity(
        W, np.array([True, False]), np.array([True, False]), 0.1, 0.2, "negative", width=0.002
    )
    g = reference.negative(np.array([-0.001, 0.001]), 0.002)
    np.testing.assert_allclose(W, [[-0.001 + 0.1 * g[0], 0.001 - 0.2 * g[1]], [0.3, 0.3]])


def test_layers_follow_one_another_within_a_step():
    """A spike reaches the last layer in the step in which it enters the first."""
    weights = [np.array([[1.0]]), np.array([[1.0]])]
    config = srcnb.SleepConfig(1, alpha=[1, 2], beta=[1, 2], inc=0.5, dec=0.1, gate="additive")
    v = [np.zeros(1), np.zeros(1)]
    spikes = reference.run_block(weights, v, np.array([[True]]), config)
    assert spikes[0].all() and spikes[1].all()
    np.testing.assert_allclose(weights, [[[1.5]], [[1.5]]])


def test_a_step_in_order():
    """Leak, impulse and current, threshold, plasticity, reset: two neurons, one of which fires."""
    W = np.array([[0.5, 0.25], [0.125, 1.0]])
    config = srcnb.SleepConfig(
        1,
        alpha=[2.0],
        beta=[1.2],
        inc=0.1,
        dec=0.2,
        decay=0.5,
        gate="additive",
        currents=[[0.0, 0.125]],
    )
    v, s = reference.step(W, np.array([0.5, 1.0]), np.array([True, False]), 0, config)
    # 0.5·0.5 + 2·0.5 = 1.25 fires; 0.5·1 + 2·0.125 + 0.125 = 0.875 does not.
    np.testing.assert_array_equal(s, [True, False])
    np.testing.assert_allclose(v, [0.0, 0.875])
    np.testing.assert_allclose(W, [[0.6, 0.05], [0.125, 1.0]])


def test_a_step_with_the_constants_of_its_layer():
    """inc, dec and the width of the gate may be other ones in each layer."""
    W = np.array([[-0.25, 0.5]])
    config = SleepConfig(
        1, [1, 1], [9, 0.5], [9, 0.1], [9, 0.2], decay=1, gate="negative", gate_width=[9, 0.5]
    )
    _, s = reference.step(W, np.ones(1), np.array([True, False]), 1, config)
    g = [2 / (1 + np.exp(-0.5)), 2 / (1 + np.exp(1))]
    assert s.tolist() == [True]
    np.testing.assert_allclose(W, [[-0.25 + 0.1 * g[0], 0.5 - 0.2 * g[1]]])


def test_a_step_with_inhibition_by_hand():
    """Impulses 1, 2 and 6 lose a third of their mean, 3 · 1/3 = 1."""
    W = np.array([[1.0], [2], [6]])
    config = SleepConfig(
        1, alpha=[1], beta=[4.5], inc=0, dec=0, decay=0.5, inhibition=1 / 3, currents=[(0, 0, 0.25)]
    )
    v, s = reference.step(W, np.array([2.0, 0, 0]), np.array([True]), 0, config)
    np.testing.assert_allclose(v, [0.5 * 2 + 0, 1, 0])
    assert s.tolist() == [False, False, True]
