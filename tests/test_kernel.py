"""The kernel and the reference are twins: same spikes in, same result out."""

import subprocess
import sys

import numba
import numpy as np
import pytest
from conftest import random_config, random_network
from hypothesis import given, settings
from hypothesis import strategies as st

import srcnb
from srcnb.spiking import kernel, reference, simulate

GATES = ("logistic", "negative", "additive")


def draw_currents(kind, sizes, rng):
    """Currents of each kind: the last layer's only, a number a layer, arrays, or some of each."""
    if kind is None:
        return None
    numbers = list(rng.normal(0, 0.1, len(sizes) - 1))
    arrays = [rng.normal(0, 0.1, n) for n in sizes[1:]]
    if kind == "last":
        return [0.0] * (len(sizes) - 2) + [0.013]
    if kind == "mixed":
        both = enumerate(zip(arrays, numbers, strict=True))
        return [array if i % 2 else number for i, (array, number) in both]
    return numbers if kind == "numbers" else arrays


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=5),
    n_steps=st.integers(0, 90),
    rate=st.floats(0, 1),
    gate=st.sampled_from(GATES),
    inhibition=st.sampled_from([0.0, 0.0, 0.3, 1.0]),
    decay=st.sampled_from([0.0, 0.5, 0.999, 1.0]),
    beta=st.sampled_from([0.0, 0.3, 2.0]),
    inc=st.sampled_from([0.0, 0.03]),
    dec=st.sampled_from([0.0, 0.002]),
    currents=st.sampled_from([None, "last", "numbers", "arrays", "mixed"]),
    block=st.sampled_from([1, 7, 256]),
    seed=st.integers(0, 2**32 - 1),
)
def test_twins(
    sizes, n_steps, rate, gate, inhibition, decay, beta, inc, dec, currents, block, seed
):
    """In float64, where a membrane at its threshold within rounding does not happen by chance."""
    rng = np.random.default_rng(seed)
    spikes = rng.random((n_steps, sizes[0])) < rate
    weights = random_network(sizes, seed, np.float64)
    n_layers = len(weights)
    # A neuron alone in its layer under full inhibition has an impulse of exactly 0 ± rounding, and
    # without a current and with β = 0 that is a tie.
    if inhibition == 1.0 and 1 in sizes[1:] and beta == 0:
        beta = 0.3
    config = random_config(
        n_steps,
        n_layers,
        alpha=list(rng.uniform(0.5, 2, n_layers)),
        beta=[beta] * n_layers,
        inc=inc,
        dec=dec,
        decay=decay,
        gate=gate,
        inhibition=inhibition,
        currents=draw_currents(currents, sizes, rng),
    )
    results = []
    for engine in ("reference", "numba"):
        simulation = simulate.Simulation(
            weights, config, engine, record=True, block_steps=block if engine == "numba" else 256
        )
        simulation.advance(spikes)
        results.append(simulation.result())
    a, b = results
    for s, t in zip(a.spikes, b.spikes, strict=True):
        np.testing.assert_array_equal(s, t)
    for w, u in zip(a.weights + a.membranes, b.weights + b.membranes, strict=True):
        np.testing.assert_allclose(w, u, rtol=1e-10, atol=1e-10)
    for s, t in zip(a.spike_counts, b.spike_counts, strict=True):
        np.testing.assert_array_equal(s, t)


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("inhibition", [0.0, 0.4])
def test_twins_in_float32(gate, inhibition):
    """A margin at every threshold, checked in the reference, makes rounding harmless."""
    tried = 0
    for seed in range(40):
        weights = random_network((50, 40, 30, 5), seed, np.float32, scale=0.15)
        spikes = np.random.default_rng(seed).random((60, 50)) < 0.1
        config = random_config(60, 3, gate=gate, inhibition=inhibition)
        if closest_to_threshold(weights, spikes, config) < 1e-5:
            continue
        tried += 1
        a = srcnb.simulate(weights, spikes, config, engine="reference", record=True)
        b = srcnb.simulate(weights, spikes, config, engine="numba", record=True)
        for s, t in zip(a.spikes, b.spikes, strict=True):
            np.testing.assert_array_equal(s, t)
        for w, u in zip(a.weights, b.weights, strict=True):
            assert u.dtype == np.float32
            np.testing.assert_allclose(w, u, rtol=0, atol=2e-6)
        if tried == 10:
            return
    pytest.fail(f"only {tried} runs keep away from the thresholds")


def closest_to_threshold(weights, spikes, config):
    """The smallest |v - β| of a run, by the reference's own equations."""
    weights = [w.astype(np.float64) for w in weights]
    v = [np.zeros(len(w)) for w in weights]
    closest = np.inf
    for s in spikes:
        for layer, W in enumerate(weights):
            impulse = reference.impulse(W, s, config.alpha[layer])
            impulse = reference.inhibit(impulse, config.inhibition)
            before = reference.integrate(v[layer], impulse, config.decay, 0.0)
            closest = min(closest, abs(before - config.beta[layer]).min())
            v[layer], s = reference.step(W, v[layer], s, layer, config)
    return closest


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [0.001, 0.05])
def test_gates_of_the_kernel(gate, dtype, width):
    """The kernel's gates, among them float32's rational tanh, against exact exponentials."""
    w = np.concatenate([np.linspace(-20, 20, 40001), np.linspace(-0.02, 0.02, 40001)])
    w = w.astype(dtype)
    moved = w.copy()
    kernel._add_gated(moved, w.dtype.type(1), kernel.GATE_CODES[gate], width)
    exact = reference.GATE_FUNCTIONS[gate](w.astype(np.float64), width)
    # For float32 compare what matters, the sum, to its own rounding and the tanh's.
    tolerance = 1e-15 if dtype == "float64" else 4e-7
    np.testing.assert_allclose(moved - w.astype(np.float64), exact, rtol=0, atol=40 * tolerance)
    small = abs(w) < 0.02
    error = abs(moved - w.astype(np.float64) - exact)[small]
    assert error.max() < 2 * tolerance


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("inhibition", [0.0, 0.2])
def test_each_layer_has_its_own_plasticity(gate, inhibition):
    """inc, dec and gate_width per layer: the same in both engines, and what one layer has alone."""
    weights, spikes = silent_and_firing(300, "float64")
    own = dict(inc=[0.02, 0.003], dec=[0.001, 0.004], gate_width=[0.002, 0.2])
    config = random_config(300, 2, gate=gate, inhibition=inhibition, **own)
    a = srcnb.simulate(weights, spikes, config, "reference", record=True)
    b = srcnb.simulate(weights, spikes, config, "numba", record=True)
    for s, t in zip(a.spikes, b.spikes, strict=True):
        assert s.any()
        np.testing.assert_array_equal(s, t)
    for w, u in zip(a.weights, b.weights, strict=True):
        np.testing.assert_allclose(w, u, rtol=1e-10, atol=1e-10)
    below = weights[0], spikes
    for layer in (0, 1):
        alone = {name: values[layer] for name, values in own.items()}
        one = random_config(300, 1, gate=gate, inhibition=inhibition, **alone)
        W, s = below
        result = srcnb.simulate([W], s, one, "numba", record=True)
        np.testing.assert_array_equal(result.weights[0], b.weights[layer])
        below = weights[1], result.spikes[1]


def test_negative_gate_freezes_positive_weights():
    weights = [np.full((4, 6), 0.05, np.float32)]
    spikes = np.random.default_rng(0).random((3000, 6)) < 0.5
    config = random_config(3000, 1, gate="negative", inc=0.05, dec=0.05)
    result = srcnb.simulate(weights, spikes, config)
    assert result.spike_counts[1].min() > 100
    np.testing.assert_array_equal(result.weights[0], weights[0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("inhibition", [0.0, 0.3])
def test_same_bits_for_any_number_of_threads(dtype, inhibition):
    """With inhibition a layer must be large before threads share it: here the first one is."""
    sizes = (512, 513, 77, 10) if inhibition else (60, 301, 77, 10)
    weights = random_network(sizes, 0, dtype, scale=0.15)
    assert not inhibition or weights[0].size > kernel.PARALLEL_INHIBITED
    n_steps = 100 if inhibition else 700  # threads that wait at every step are slow
    spikes = np.random.default_rng(1).random((n_steps, sizes[0])) < 0.1
    config = random_config(n_steps, 3, inhibition=inhibition)
    available = numba.get_num_threads()
    if available < 2:
        pytest.skip("needs two threads")
    results = []
    try:
        for n in sorted({1, 2, available}):
            numba.set_num_threads(n)
            results.append(srcnb.simulate(weights, spikes, config, record=True))
    finally:
        numba.set_num_threads(available)
    assert all(count.any() for count in results[0].spike_counts)
    for other in results[1:]:
        for a, b in zip(results[0].weights, other.weights, strict=True):
            assert a.tobytes() == b.tobytes()
        for a, b in zip(results[0].membranes, other.membranes, strict=True):
            assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("engine", ["numba", "reference"])
def test_blocks_can_be_chained(engine):
    weights = random_network((20, 30, 5), 0, np.float64)
    spikes = np.random.default_rng(1).random((100, 20)) < 0.2
    whole = srcnb.simulate(weights, spikes, random_config(100, 2), engine=engine, record=True)
    w, v, recorded = weights, None, []
    for start, end in ((0, 1), (1, 60), (60, 60), (60, 100)):
        part = srcnb.simulate(
            w, spikes[start:end], random_config(end - start, 2), engine, True, membranes=v
        )
        w, v = part.weights, part.membranes
        recorded.append(part.spikes)
    for layer in range(3):
        joined = np.concatenate([r[layer] for r in recorded])
        np.testing.assert_array_equal(joined, whole.spikes[layer])
    for a, b in zip(w + v, whole.weights + whole.membranes, strict=True):
        np.testing.assert_array_equal(a, b)


def silent_and_firing(n_steps, dtype):
    """A wide network in which some neurons never fire, some now and then, some at every step."""
    rng = np.random.default_rng(3)
    weights = random_network((40, 3 * kernel.LANES + 5, kernel.LANES + 9), 0, dtype, scale=0.05)
    for W in weights:
        kind = rng.integers(0, 3, len(W))
        W[kind == 0] -= 0.3
        W[kind == 1] += 2
    return weights, rng.random((n_steps, 40)) < 0.1


@pytest.mark.parametrize("gate", GATES)
def test_twins_over_tiles_and_chunks(gate):
    """Silent and firing neurons side by side in a tile, over several chunks of steps."""
    n_steps = 3 * kernel.CHUNK_STEPS + 7
    weights, spikes = silent_and_firing(n_steps, np.float64)
    config = random_config(n_steps, 2, gate=gate, inc=0.002, dec=0.0004)
    a, b = (
        srcnb.simulate(weights, spikes, config, engine=engine, record=True)
        for engine in ("reference", "numba")
    )
    count = a.spike_counts[1]
    assert (count == 0).any() and (count > n_steps / 2).any()
    assert ((count > 0) & (count < n_steps / 2)).any()
    for s, t in zip(a.spikes, b.spikes, strict=True):
        np.testing.assert_array_equal(s, t)
    for w, u in zip(a.weights + a.membranes, b.weights + b.membranes, strict=True):
        np.testing.assert_allclose(w, u, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("at", [0, 1, 254, 255, 256, 257, -1])
@pytest.mark.parametrize("n_steps", [255, 256, 257, 1023, 1024, 1025])
def test_a_spike_at_each_edge_of_a_chunk(at, n_steps):
    """One input spike, which fires the first of the neurons and no other."""
    assert kernel.CHUNK_STEPS == 256 and simulate.BLOCK_STEPS == 1024
    at = n_steps - 1 if at == -1 else at
    weights = [np.full((2 * kernel.LANES + 2, 1), 0.001)]
    weights[0][0] = 0.5
    spikes = np.zeros((n_steps, 1), bool)
    spikes[min(at, n_steps - 1)] = True
    config = random_config(n_steps, 1, beta=[0.5], decay=1.0, gate="additive")
    a, b = (
        srcnb.simulate(weights, spikes, config, engine=engine, record=True)
        for engine in ("reference", "numba")
    )
    assert b.spikes[1].sum() == 1 and b.spikes[1][min(at, n_steps - 1), 0]
    for w, u in zip(a.weights + a.membranes, b.weights + b.membranes, strict=True):
        np.testing.assert_allclose(w, u, rtol=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.sampled_from([1, 7, 8, 9, 63, 64, 65, 127, 130]), min_size=2, max_size=3),
    n_steps=st.sampled_from([1, 31, 32, 33, 255, 256, 258, 511, 513, 1023, 1025]),
    rate=st.sampled_from([0.0, 0.02, 0.2, 1.0]),
    beta=st.sampled_from([0.0, 0.3, 2.0, 9.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_twins_at_the_edges_of_tiles_chunks_and_blocks(sizes, n_steps, rate, beta, seed):
    """Also from membranes above their threshold, and cut in two anywhere to the same bits."""
    rng = np.random.default_rng(seed)
    spikes = rng.random((n_steps, sizes[0])) < rate
    weights = random_network(sizes, seed, np.float64, scale=0.2)
    membranes = [rng.uniform(-2, 2, len(w)) for w in weights]
    config = random_config(n_steps, len(weights), beta=[beta] * len(weights))
    a, b = (
        srcnb.simulate(weights, spikes, config, engine, record=True, membranes=membranes)
        for engine in ("reference", "numba")
    )
    for s, t in zip(a.spikes, b.spikes, strict=True):
        np.testing.assert_array_equal(s, t)
    for w, u in zip(a.weights + a.membranes, b.weights + b.membranes, strict=True):
        np.testing.assert_allclose(w, u, rtol=1e-10, atol=1e-10)
    w, v = weights, membranes
    cut = int(rng.integers(0, n_steps + 1))
    for part in (spikes[:cut], spikes[cut:]):
        config = random_config(len(part), len(weights), beta=[beta] * len(weights))
        result = srcnb.simulate(w, part, config, membranes=v)
        w, v = result.weights, result.membranes
    for x, y in zip(w + v, b.weights + b.membranes, strict=True):
        assert x.tobytes() == y.tobytes()


@pytest.mark.slow
def test_events_of_more_neurons_than_16_bits_count():
    weights = random_network((70_000, 9), 0, np.float64, scale=0.05)
    spikes = np.random.default_rng(0).random((60, 70_000)) < 0.002
    a, b = (
        srcnb.simulate(weights, spikes, random_config(60, 1), engine, record=True)
        for engine in ("reference", "numba")
    )
    assert spikes[:, 1 << 16 :].any() and a.spikes[1].any()
    np.testing.assert_array_equal(a.spikes[1], b.spikes[1])
    np.testing.assert_allclose(a.weights[0], b.weights[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_wherever_a_chunk_begins(dtype):
    n_steps = 2 * kernel.CHUNK_STEPS + 60
    weights, spikes = silent_and_firing(n_steps, dtype)
    whole = srcnb.simulate(weights, spikes, random_config(n_steps, 2))
    for ends in ((1, 2, 40, n_steps), (kernel.CHUNK_STEPS - 1, kernel.CHUNK_STEPS + 1, n_steps)):
        w, v, start = weights, None, 0
        for end in ends:
            part = srcnb.simulate(w, spikes[start:end], random_config(end - start, 2), membranes=v)
            w, v, start = part.weights, part.membranes, end
        for a, b in zip(w + v, whole.weights + whole.membranes, strict=True):
            assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("n_steps", [20, 600])
@pytest.mark.parametrize("inhibition", [0.0, 0.3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_neuron_gets_its_own_current(dtype, inhibition, n_steps):
    """Without input: with and without tiles, more neurons than a tile has, two layers.

    A neuron fires at each step at which its current has filled its membrane, exactly in both
    number types: thresholds and currents are powers of 2.
    """
    rng = np.random.default_rng(0)
    sizes = (3, 2 * kernel.LANES + 5, kernel.LANES + 3)
    weights = [
        np.zeros((post, pre), dtype) for pre, post in zip(sizes[:-1], sizes[1:], strict=True)
    ]
    periods = [2.0 ** rng.integers(0, 6, n) for n in sizes[1:]]
    config = random_config(
        n_steps,
        2,
        alpha=[1.0, 1.0],
        beta=[1.0, 1.0],
        inc=0.0,
        dec=0.0,
        decay=1.0,
        inhibition=inhibition,
        currents=[1 / period for period in periods],
    )
    for engine in ("reference", "numba"):
        result = srcnb.simulate(weights, np.zeros((n_steps, 3)), config, engine)
        for count, period in zip(result.spike_counts[1:], periods, strict=True):
            np.testing.assert_array_equal(count, n_steps // period)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_currents_beside_spikes_that_depend_on_them(dtype):
    """Neurons that fire and learn run alone, others in their tile: the same currents in both."""
    n_steps = 2 * kernel.CHUNK_STEPS + 60
    weights, spikes = silent_and_firing(n_steps, dtype)
    rng = np.random.default_rng(5)
    currents = [rng.normal(0, 0.05, len(w)) for w in weights]
    config = random_config(n_steps, 2, currents=currents)
    if dtype == "float64":
        a = srcnb.simulate(weights, spikes, config, "reference", record=True)
        b = srcnb.simulate(weights, spikes, config, "numba", record=True)
        for s, t in zip(a.spikes, b.spikes, strict=True):
            np.testing.assert_array_equal(s, t)
        for w, u in zip(a.weights + a.membranes, b.weights + b.membranes, strict=True):
            np.testing.assert_allclose(w, u, rtol=1e-10, atol=1e-10)
    whole = srcnb.simulate(weights, spikes, config)
    none = srcnb.simulate(weights, spikes, random_config(n_steps, 2))
    assert not np.array_equal(whole.spike_counts[1], none.spike_counts[1])
    w, v = weights, None
    for start, end in ((0, 7), (7, 300), (300, n_steps)):
        part_config = random_config(end - start, 2, currents=currents)
        part = srcnb.simulate(w, spikes[start:end], part_config, membranes=v)
        w, v = part.weights, part.membranes
    for a, b in zip(w + v, whole.weights + whole.membranes, strict=True):
        assert a.tobytes() == b.tobytes()


def test_the_tanh_of_float32_passes_1_before_it_is_cut_off():
    """In exact arithmetic, so that it reaches 1 whatever the rounding of the machine at hand."""
    y = float(kernel._TANH_END)
    p, q = (sum(float(c) * y ** (2 * i) for i, c in enumerate(cs)) for cs in (kernel._P, kernel._Q))
    assert 1 < y * p / q < 1 + 2e-7


@pytest.mark.parametrize("w", [0.0175, 0.02, 1.0])
def test_the_negative_gate_freezes_positive_float32_weights_to_the_last_bit(w):
    """tanh must reach 1 exactly: from 0.0174 on g is 0, and nothing may move."""
    weights = [np.full((3, 9), w, np.float32)]
    config = random_config(
        400, 1, gate="negative", beta=[0.0], inc=1.0, dec=1.0, alpha=[1.0], decay=0.0
    )
    spikes = np.random.default_rng(0).random((400, 9)) < 0.5
    result = srcnb.simulate(weights, spikes, config)
    assert (result.spike_counts[1] == 400).all()
    assert result.weights[0].tobytes() == weights[0].tobytes()


@pytest.mark.slow
def test_no_cache_folder_no_matter():
    """numba compiles in memory where it finds no folder that it can write."""
    script = """
import tempfile
def no_folder(*args, **kwargs):
    raise OSError("read-only")
tempfile.TemporaryFile = no_folder
import numpy as np
from numba import prange
from srcnb.spiking import kernel
from srcnb.spiking.threads import compiled
assert kernel._run_layer.parallel.stats.cache_path is None
@compiled
def double(x):
    for i in prange(x.size):
        x[i] *= 2
x = np.ones(2)
double(x)
print(x)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[2. 2.]", done.stderr
