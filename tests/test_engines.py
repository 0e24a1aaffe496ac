"""The kernel and the reference are twins: same spikes in, same result out."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import srcnb
from srcnb.asleep import gates, kernel, reference, simulate

GATES = ("logistic", "negative", "additive")


def random_network(sizes, seed, dtype, scale=0.5):
    rng = np.random.default_rng(seed)
    return [
        (scale * rng.standard_normal((n_post, n_pre))).astype(dtype)
        for n_pre, n_post in zip(sizes[:-1], sizes[1:], strict=True)
    ]


def random_config(n_steps, n_layers, **change):
    constants = dict(
        n_steps=n_steps,
        alpha=[1.0] * n_layers,
        beta=[0.7] * n_layers,
        inc=0.02,
        dec=0.004,
        decay=0.95,
    )
    return srcnb.SleepConfig(**(constants | change))


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
    dc=st.sampled_from([0.0, 0.013, -0.2]),
    block=st.sampled_from([1, 7, 256]),
    seed=st.integers(0, 2**32 - 1),
)
def test_twins(sizes, n_steps, rate, gate, inhibition, decay, beta, inc, dec, dc, block, seed):
    """In float64, where a membrane at its threshold within rounding does not happen by chance."""
    rng = np.random.default_rng(seed)
    spikes = rng.random((n_steps, sizes[0])) < rate
    weights = random_network(sizes, seed, np.float64)
    n_layers = len(weights)
    # A neuron alone in its layer under full inhibition has an impulse of exactly 0 ± rounding, and
    # with no dc and β = 0 that is a tie.
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
        dc=dc,
    )
    results = []
    for engine in ("reference", "numba"):
        kept, simulate.BLOCK_STEPS = simulate.BLOCK_STEPS, block if engine == "numba" else 256
        try:
            results.append(srcnb.simulate(weights, spikes, config, engine=engine, record=True))
        finally:
            simulate.BLOCK_STEPS = kept
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
    assert tried >= 10


def closest_to_threshold(weights, spikes, config):
    """The smallest |v - β| of a run, by the reference's own equations."""
    weights = [w.astype(np.float64) for w in weights]
    v = [np.zeros(len(w)) for w in weights]
    closest = np.inf
    for s in spikes:
        for layer, W in enumerate(weights):
            impulse = reference.impulse(W, s, config.alpha[layer])
            impulse = reference.inhibit(impulse, config.inhibition)
            before = reference.integrate(v[layer], impulse, config.decay)
            closest = min(closest, abs(before - config.beta[layer]).min())
            v[layer], s = reference.step(W, v[layer], s, layer, config)
    return closest


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gates_of_the_kernel(gate, dtype):
    """The kernel's gates, among them float32's rational tanh, against exact exponentials."""
    w = np.concatenate([np.linspace(-20, 20, 40001), np.linspace(-0.02, 0.02, 40001)])
    w = w.astype(dtype)
    moved = w.copy()
    kernel._add_gated(moved, w.dtype.type(1), kernel.GATE_CODES[gate])
    exact = gates.GATE_FUNCTIONS[gate](w.astype(np.float64))
    # For float32 compare what matters, the sum, to its own rounding and the tanh's.
    tolerance = 1e-15 if dtype == "float64" else 4e-7
    np.testing.assert_allclose(moved - w.astype(np.float64), exact, rtol=0, atol=40 * tolerance)
    small = abs(w) < 0.02
    error = abs(moved - w.astype(np.float64) - exact)[small]
    assert error.max() < 2 * tolerance


def test_negative_gate_freezes_positive_weights():
    weights = [np.full((4, 6), 0.05, np.float32)]
    spikes = np.random.default_rng(0).random((3000, 6)) < 0.5
    config = random_config(3000, 1, gate="negative", inc=0.05, dec=0.05)
    result = srcnb.simulate(weights, spikes, config)
    assert result.spike_counts[1].min() > 100
    np.testing.assert_array_equal(result.weights[0], weights[0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("inhibition", [0.0, 0.3])
def test_same_bits_for_any_number_of_threads(monkeypatch, dtype, inhibition):
    monkeypatch.setattr(kernel, "PARALLEL_INHIBITED", 0)
    weights = random_network((60, 301, 77, 10), 0, dtype, scale=0.15)
    n_steps = 100 if inhibition else 700  # threads that wait at every step are slow
    spikes = np.random.default_rng(1).random((n_steps, 60)) < 0.1
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
    n_steps = 3 * kernel.CHUNK + 7
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
    assert kernel.CHUNK == 256 and simulate.BLOCK_STEPS == 1024
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
    n_steps = 2 * kernel.CHUNK + 60
    weights, spikes = silent_and_firing(n_steps, dtype)
    whole = srcnb.simulate(weights, spikes, random_config(n_steps, 2))
    for ends in ((1, 2, 40, n_steps), (kernel.CHUNK - 1, kernel.CHUNK + 1, n_steps)):
        w, v, start = weights, None, 0
        for end in ends:
            part = srcnb.simulate(w, spikes[start:end], random_config(end - start, 2), membranes=v)
            w, v, start = part.weights, part.membranes, end
        for a, b in zip(w + v, whole.weights + whole.membranes, strict=True):
            assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("engine", ["numba", "reference"])
def test_arguments_are_left_unchanged(engine):
    weights = random_network((20, 30, 5), 0, np.float64)
    membranes = [np.zeros(30), np.zeros(5)]
    spikes = np.random.default_rng(1).random((100, 20)) < 0.2
    kept = [w.copy() for w in weights]
    result = srcnb.simulate(weights, spikes, random_config(100, 2), engine, membranes=membranes)
    assert not np.array_equal(result.weights[0], kept[0])
    assert not any(v.any() for v in membranes)
    for a, b in zip(weights, kept, strict=True):
        np.testing.assert_array_equal(a, b)
    assert result.spikes is None


def test_layouts_and_number_types_of_the_input():
    weights = [np.asfortranarray(w) for w in random_network((20, 30, 5), 0, np.float64)]
    spikes = np.random.default_rng(1).random((100, 20)) < 0.2
    config = random_config(100, 2)
    a = srcnb.simulate(weights, spikes, config)
    for same in (spikes.astype(int), spikes.astype(float), np.asfortranarray(spikes)):
        b = srcnb.simulate(weights, same, config)
        np.testing.assert_array_equal(a.weights[0], b.weights[0])


def test_only_theta_matters():
    """DESIGN: scaling α_l and β_l together changes no spike (dc = 0)."""
    weights = random_network((20, 30, 5), 0, np.float64)
    spikes = np.random.default_rng(1).random((200, 20)) < 0.2
    a = srcnb.simulate(weights, spikes, random_config(200, 2), record=True)
    scaled = random_config(200, 2, alpha=[8.0, 0.25], beta=[5.6, 0.175])
    b = srcnb.simulate(weights, spikes, scaled, record=True)
    for s, t in zip(a.spikes, b.spikes, strict=True):
        np.testing.assert_array_equal(s, t)


@pytest.mark.parametrize("engine", ["numba", "reference"])
def test_one_step_by_hand(engine):
    """Two inputs, one neuron: fires at the second step; its active synapse grows."""
    weights = [np.array([[0.4, -0.1]])]
    config = srcnb.SleepConfig(
        n_steps=2, alpha=[2.0], beta=[1.0], inc=0.1, dec=0.01, decay=0.5, gate="additive"
    )
    result = srcnb.simulate(weights, [[1, 0], [1, 0]], config, engine=engine, record=True)
    # v = 0.8 < 1; then v = 0.5·0.8 + 0.8 = 1.2: a spike, and the membrane returns to 0.
    np.testing.assert_array_equal(result.spikes[1], [[False], [True]])
    np.testing.assert_allclose(result.weights[0], [[0.5, -0.11]], rtol=1e-15)
    np.testing.assert_array_equal(result.membranes[0], [0])


@pytest.mark.parametrize("engine", ["numba", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("inhibition", [0.0, 0.5])
def test_overflow_is_an_error(engine, dtype, inhibition):
    weights = [np.ones((3, 4), dtype), np.ones((2, 3), dtype)]
    config = random_config(
        50, 2, inc=float(np.finfo(dtype).max) / 4, gate="additive", inhibition=inhibition
    )
    spikes = np.random.default_rng(0).random((50, 4)) < 0.7
    with pytest.raises(OverflowError, match="layer"):
        srcnb.simulate(weights, spikes, config, engine=engine)
    assert all((w == 1).all() for w in weights)


WEIGHTS = [np.zeros((3, 4)), np.zeros((2, 3))]
NAN = [np.full((3, 4), np.nan), np.zeros((2, 3))]
SPIKES = np.zeros((5, 4), bool)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(weights=NAN), ValueError, r"weights\[0\].*nan at index"),
        (dict(weights=[NAN[0] * np.inf, NAN[1]]), ValueError, r"weights\[0\]"),
        (dict(weights=[np.zeros((3, 4)), np.zeros((2, 5))]), ValueError, r"chain.*\(2, 5\)"),
        (dict(weights=[np.zeros((3, 4)), np.zeros((2, 3), "f4")]), TypeError, "float64, float32"),
        (dict(weights=[]), ValueError, "weights.*empty"),
        (dict(input_spikes=np.zeros((5, 3), bool)), ValueError, r"input_spikes.*4.*\(5, 3\)"),
        (dict(input_spikes=np.zeros((6, 4), bool)), ValueError, "input_spikes.*n_steps = 5.*6"),
        (dict(input_spikes=np.full((5, 4), 2)), ValueError, "input_spikes.*0 or 1.*2"),
        (dict(input_spikes=np.full((5, 4), np.nan)), ValueError, "input_spikes.*nan"),
        (dict(input_spikes=np.full((5, 4), "x")), TypeError, "input_spikes"),
        (dict(engine="torch"), ValueError, "engine.*'torch'"),
        (dict(config={"alpha": 1}), TypeError, "config.*SleepConfig"),
        (dict(config=random_config(5, 3)), ValueError, "alpha.*2.*1.0, 1.0, 1.0"),
        (dict(membranes=[np.zeros(3)]), ValueError, r"membranes.*\[3, 2\].*\[3\]"),
        (dict(membranes=[np.zeros(3), np.full(2, np.nan)]), ValueError, r"membranes\[1\].*nan"),
    ],
)
def test_bad_input(change, error, message):
    arguments = dict(weights=WEIGHTS, input_spikes=SPIKES, config=random_config(5, 2)) | change
    with pytest.raises(error, match=message):
        srcnb.simulate(**arguments)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(n_steps=-1), ValueError, "n_steps.*-1"),
        (dict(n_steps=1.5), TypeError, "n_steps.*1.5"),
        (dict(alpha=[1.0]), ValueError, "alpha and beta.*1 and 2"),
        (dict(alpha=3.0), TypeError, "alpha.*3.0"),
        (dict(alpha=[], beta=[]), ValueError, "alpha and beta.*0"),
        (dict(alpha=[1.0, np.inf]), ValueError, r"alpha\[1\].*inf"),
        (dict(beta=[0.1, -0.2]), ValueError, r"beta\[1\].*-0.2"),
        (dict(inc=-1e-3), ValueError, "inc.*-0.001"),
        (dict(dec=np.nan), ValueError, "dec.*nan"),
        (dict(decay=1.1), ValueError, "decay.*1.1"),
        (dict(gate="sigmoid"), ValueError, "gate.*'sigmoid'"),
        (dict(max_rate=0), ValueError, "max_rate.*0"),
        (dict(dt=-0.001), ValueError, "dt.*-0.001"),
        (dict(inhibition=-1), ValueError, "inhibition.*-1"),
        (dict(dc="x"), TypeError, "dc.*'x'"),
    ],
)
def test_bad_config(change, error, message):
    with pytest.raises(error, match=message):
        random_config(**(dict(n_steps=5, n_layers=2) | change))
