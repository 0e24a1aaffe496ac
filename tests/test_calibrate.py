"""calibrate: rates that meet their targets, currents in place of biases, plasticity by budget."""

from dataclasses import replace

import numpy as np
import pytest

import srcnb
from srcnb import SleepTargets, calibrate
from srcnb.spiking.calibrate import MOST, STEPS, RateWarning
from srcnb.spiking.inputs import draw_spikes


def network(n_hidden, seed=0, bias=False, dtype="float64", width=60):
    net = srcnb.MLP((40, *[width] * n_hidden, 20), bias=bias, dtype=dtype, random_state=seed)
    if bias:  # large ones
        rng = np.random.default_rng(seed)
        net.biases = [rng.normal(0, 0.3, len(w)).astype(dtype) for w in net.weights]
    return net


def samples(seed=0, n=50):
    return np.random.default_rng(seed).random((n, 40))


def sleep_input(keep=0.5):
    x = srcnb.SampleInput(n_samples=1, keep=keep)
    x.update(samples())
    return x


def measured(net, config, x, seed=7, n_steps=2000):
    """Spikes of all layers in a long sleep without plasticity, bool (n_steps, n_l)."""
    still = replace(config, n_steps=n_steps, inc=0.0, dec=0.0)
    return srcnb.sleep(net, x, still, seed, record=True).spikes


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_hidden", [1, 2, 3])
def test_layers_fire_as_often_as_asked_for(n_hidden, dtype, bias):
    net = network(n_hidden, bias=bias, dtype=dtype)
    targets = SleepTargets(input_rate=0.1, rate=0.05, rate_factor=1, output_rate=0.02)
    config = calibrate(net, sleep_input(), targets, random_state=0)
    spikes = measured(net, config, sleep_input())
    assert spikes[0].mean() == pytest.approx(0.1, rel=0.1)
    for layer, W in enumerate(net.weights):
        current = config.layer_currents(layer, len(W), np.dtype(float))
        positive = W @ spikes[layer].mean(axis=0) + current > 0
        target = 0.05 if layer < n_hidden else 0.02
        rate = spikes[layer + 1][:, positive].mean()
        assert rate == pytest.approx(target, rel=0.25), f"layer {layer + 1}"


def test_rates_and_budgets_of_any_number_of_layers():
    targets = SleepTargets(rate=0.1, rate_factor=3.0, output_rate=0.2, budget=2.0)
    assert targets.rates(4) == pytest.approx([0.1, 0.3, MOST, 0.2])
    assert targets.rates(1) == [0.2]
    assert replace(targets, budget_factor=0.5).budgets(3) == [2.0, 1.0, 0.5]


def test_rates_per_layer_and_a_silent_output():
    net = network(2)
    targets = SleepTargets(n_steps=300, input_rate=0.1, rate=0.1, rate_factor=0.2, gate="additive")
    config = calibrate(net, sleep_input(), targets, random_state=0)
    rates = [s.mean() for s in measured(net, config, sleep_input())]
    assert config.targets[2] is None
    np.testing.assert_allclose(config.targets[:2], np.array(rates[1:3]) / config.dt, rtol=0.25)
    assert rates[1] > 3 * rates[2] > 0 and rates[3] == 0
    assert config.theta[2] == np.inf and config.inc[2] == config.dec[2] == 0
    slept = srcnb.sleep(net, sleep_input(), config, 0).net
    np.testing.assert_array_equal(slept.weights[2], net.weights[2])
    assert not np.array_equal(slept.weights[1], net.weights[1])


def test_the_threshold_is_the_largest_that_fires_enough():
    """A little above it, the same steps have fewer spikes than the target."""
    W = np.random.default_rng(0).normal(size=(30, 40))
    net = srcnb.MLP.from_arrays([W, np.ones((2, 30))])
    steps = (np.random.default_rng(1).random((STEPS, 40)) < 0.1).astype(float)
    # Intensities of 0 and 1, all ones of which fire: the spikes are known.
    targets = SleepTargets(input_rate=steps.mean(), rate=0.05, rate_factor=1)
    config = calibrate(net, steps, targets, random_state=0)
    positive = W @ steps.mean(axis=0) > 0

    def rate(theta):
        one = srcnb.SleepConfig(STEPS, alpha=[1], beta=[theta], inc=0, dec=0)
        return srcnb.simulate([W], steps, one, record=True).spikes[1][:, positive].mean()

    assert rate(config.theta[0]) >= 0.05 > rate(1.0001 * config.theta[0])


def test_a_rate_out_of_reach_is_the_highest_and_warned_of():
    net = network(1)
    targets = SleepTargets(input_rate=0.01, rate=0.9)
    with pytest.warns(RateWarning, match=r"layer 1 \(0\.\d+ per step in place of 0.9\)"):
        config = calibrate(net, sleep_input(), targets, random_state=0)
    lower = replace(config, alpha=config.alpha, beta=[config.beta[0] / 100, 1.0])
    counts = [measured(net, c, sleep_input())[1].sum() for c in (config, lower)]
    assert counts[0] == counts[1] > 0


def test_inputs_that_cannot_fire_so_often_fire_whenever_they_can():
    """Those that are above 0 in every second step; one is never, and does not count."""
    x = np.tile([[0.5], [0.0]], (STEPS // 2, 40))
    x[0, 1], x[:, 2] = 0.01, 0.0
    targets = SleepTargets(input_rate=0.6, rate=0.05)
    with pytest.warns(RateWarning, match=r"inputs \(0\.5 per step in place of 0\.6\)$"):
        config = calibrate(network(1), x, targets, random_state=0)
    spikes = draw_spikes(x, np.full(x.shape, 0.999, dtype=np.float32), config)
    np.testing.assert_array_equal(spikes, x > 0)


def test_plasticity_follows_from_budget_and_rho():
    net = network(2)
    targets = SleepTargets(
        *(500, 0.1, 0.05, 0.4, None, 3.0, 0.5),
        rho=0.2,
        gate_width=0.1,
    )
    config = calibrate(net, sleep_input(), targets, random_state=0)
    twice = calibrate(net, sleep_input(), replace(targets, n_steps=1000), random_state=0)
    for layer, (rate, budget) in enumerate(((0.05, 3.0), (0.02, 1.5))):
        median = np.median(abs(net.weights[layer]))
        # As often as the layer fired while it was calibrated: at least the target.
        assert config.inc[layer] * rate * 500 == pytest.approx(budget * median, rel=0.1)
        assert twice.inc[layer] == config.inc[layer] / 2
        assert config.dec[layer] / (config.inc[layer] + config.dec[layer]) == pytest.approx(0.2)
        assert config.gate_width[layer] == pytest.approx(0.1 * median)
    assert config.gate == "negative" and config.n_steps == 500


@pytest.mark.parametrize("layer", [0, 1])
def test_the_scale_of_the_weights_does_not_matter(layer):
    """A layer with 64 times the weights fires the same spikes, and moves 64 times as far."""
    net = network(2)
    scaled = net.copy()
    scaled.weights[layer] *= 64
    targets = SleepTargets(n_steps=400, input_rate=0.1, rate=0.05, rate_factor=1, gate="negative")
    slept = []
    for one in (net, scaled):
        config = calibrate(one, sleep_input(), targets, random_state=0)
        slept.append(srcnb.sleep(one, sleep_input(), config, 0, record=True))
    for s, t in zip(slept[0].spikes, slept[1].spikes, strict=True):
        np.testing.assert_array_equal(s, t)
    np.testing.assert_allclose(slept[1].weights[layer], 64 * slept[0].weights[layer], rtol=1e-9)


@pytest.mark.parametrize("n_hidden", [1, 2, 3, 4])
def test_rates_follow_activations_with_the_currents(n_hidden):
    """DESIGN's "Bias": constant input, no plasticity, large random biases."""
    net = network(n_hidden, bias=True, width=80)
    x = samples()[0]
    targets = SleepTargets(input_rate=0.2, rate=0.05, rate_factor=1)

    def correlations(config):
        counts = srcnb.sleep(net, x, replace(config, n_steps=3000, inc=0.0, dec=0.0), 1)
        a = net.activations(x[None])[:-1]
        pairs = zip(a, counts.spike_counts[1:-1], strict=True)
        return [np.corrcoef(activation[0], count)[0, 1] for activation, count in pairs]

    with_currents = calibrate(net, x, targets, random_state=0)
    assert min(correlations(with_currents)) > 0.99
    assert max(correlations(replace(with_currents, currents=None))) < 0.9


def test_the_share_of_the_input_that_is_kept_counts():
    """Three quarters masked: a quarter of the spikes, and a quarter of the current beside them."""
    net = network(1, bias=True)
    targets = SleepTargets(input_rate=0.05, rate=0.05, rate_factor=1)
    x = sleep_input(keep=0.25)
    config = calibrate(net, x, targets, random_state=0)
    counts = measured(net, config, x, n_steps=8000)[1].sum(axis=0)
    awake = net.activations(samples().mean(axis=0)[None])[0][0]
    assert np.corrcoef(awake, counts)[0, 1] > 0.95
    x.share = 1.0  # as if the masked input were an awake one: biases count four times
    other = calibrate(net, x, targets, random_state=0)
    np.testing.assert_allclose(other.currents[0], 4 * np.array(config.currents[0]), rtol=0.05)


def test_shares():
    patch, segment = srcnb.PatchInput(3, (6, 6)), srcnb.SegmentInput(10)
    segment.update(samples())
    shares = [srcnb.MeanInput().share, patch.share, segment.share, sleep_input(0.3).share]
    assert shares == [1, 0.25, 0.25, 0.3]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(n_steps=-1), ValueError, "n_steps.*-1"),
        (dict(input_rate=0), ValueError, "input_rate.*0"),
        (dict(rate=1.0), ValueError, "rate.*1.0"),
        (dict(rate="high"), TypeError, "rate.*'high'"),
        (dict(rate_factor=0), ValueError, "rate_factor.*0"),
        (dict(budget_factor=-1.0), ValueError, "budget_factor.*-1.0"),
        (dict(output_rate=0), ValueError, "output_rate.*0"),
        (dict(budget=-1), ValueError, "budget.*-1"),
        (dict(rho=1), ValueError, "rho.*1"),
        (dict(gate="paper"), ValueError, "gate.*'paper'"),
        (dict(gate_width=0), ValueError, "gate_width.*0"),
    ],
)
def test_bad_targets(change, error, message):
    with pytest.raises(error, match=message):
        SleepTargets(**change)


def test_bad_calls():
    net = network(2)
    with pytest.raises(TypeError, match="net must be"):
        calibrate(None, sleep_input())
    with pytest.raises(TypeError, match="targets must be"):
        calibrate(net, sleep_input(), targets=0.1)
    with pytest.raises(ValueError, match="sleep_input must be above 0 somewhere"):
        calibrate(net, np.zeros(40))
    with pytest.raises(ValueError, match="sleep_input.*40"):
        calibrate(net, np.ones(39))
