"""The recorded runs of both earlier implementations, reproduced by both engines."""

import numpy as np
import pytest
from conftest import golden_files

import srcnb


def config_of(run):
    return srcnb.SleepConfig(
        n_steps=len(run["uniforms"]),
        alpha=run["alpha"],
        beta=run["beta"] * run["threshold"],
        inc=float(run["inc"]),
        dec=float(run["dec"]),
        decay=float(run["decay"]),
        gate="negative" if run["W1_before"].dtype == np.float64 else "logistic",
        max_rate=float(run["max_rate"]),
        dt=float(run["dt"]),
        inhibition=float(run["W_inh"]),
        currents=[0.0] * (len(run["alpha"]) - 1) + [float(run.get("DC", 0))],
    )


@pytest.mark.parametrize("engine", ["reference", "numba"])
@pytest.mark.parametrize("run", golden_files("*_sleep_*.npz"))
def test_sleep(run, engine):
    config = config_of(run)
    n_layers = len(run["alpha"])
    weights = [run[f"W{i}_before"] for i in range(1, n_layers + 1)]
    spikes = srcnb.poisson_spikes(run["sleep_input"], run["uniforms"], config)
    result = srcnb.simulate(weights, spikes, config, engine=engine, record=True)

    for i in range(n_layers + 1):
        np.testing.assert_array_equal(result.spikes[i], run[f"spikes{i + 1}"])
        np.testing.assert_array_equal(result.spike_counts[i], run[f"spikes{i + 1}"].sum(axis=0))
    atol = 1e-10 if weights[0].dtype == np.float64 else 2e-6
    for i in range(1, n_layers + 1):
        assert result.weights[i - 1].dtype == weights[0].dtype
        np.testing.assert_allclose(result.weights[i - 1], run[f"W{i}_after"], rtol=0, atol=atol)
        if f"membrane{i + 1}" in run:
            np.testing.assert_allclose(
                result.membranes[i - 1], run[f"membrane{i + 1}"], rtol=0, atol=1e-10
            )


@pytest.mark.parametrize("engine", ["reference", "numba"])
@pytest.mark.parametrize("run", golden_files("matlab_sleep_*.npz"))
def test_float32_gives_the_same_spikes(run, engine):
    n_layers = len(run["alpha"])
    weights = [run[f"W{i}_before"].astype(np.float32) for i in range(1, n_layers + 1)]
    result = srcnb.simulate(weights, run["spikes1"], config_of(run), engine=engine, record=True)
    for i in range(n_layers + 1):
        np.testing.assert_array_equal(result.spikes[i], run[f"spikes{i + 1}"])
    for i in range(1, n_layers + 1):
        # Dozens of updates of a synapse, each rounded to float32, under a gate that is steep at 0.
        np.testing.assert_allclose(result.weights[i - 1], run[f"W{i}_after"], rtol=0, atol=2e-5)


@pytest.mark.parametrize("run", golden_files("matlab_train_*.npz"))
def test_training(run):
    net = srcnb.MLP.from_arrays(
        [run[f"W{i}_before"] for i in (1, 2, 3)],
        output=str(run["output"]),
        dropout=float(run["dropout"]),
        inverted_dropout=False,
    )
    velocity = [np.zeros_like(w) for w in net.weights]
    batches = run["order"].reshape(-1, int(run["batch_size"]))
    for k, batch in enumerate(batches):
        masks = [run["keep2"][k], run["keep3"][k]] if net.dropout else None
        gradients = net.gradients(run["X"][batch], run["labels"][batch], masks).weights
        for w, v, g in zip(net.weights, velocity, gradients, strict=True):
            v *= run["momentum"]
            v += run["learning_rate"] * g
            w -= v
    for i in (1, 2, 3):
        np.testing.assert_allclose(net.weights[i - 1], run[f"W{i}_after"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(net.activations(run["X"])[-1], run["test_output"], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(net.predict(run["X"]), run["predicted"])
    factors = srcnb.alpha_factors(net, run["X"], form="paper")
    np.testing.assert_allclose(factors, run["normalization_factors"], rtol=0, atol=1e-6)
