"""Sleep compiled with numba: the same equations as reference.py, fast.

Four ideas make it fast:

- **Events.** Few neurons fire at a step. A layer gets the spikes of the layer below as a list of
  the neurons that fired, and adds up only their weights.
- **Neuron-major order.** A feed-forward layer's neurons do not see each other, so a neuron can run
  through many steps before the next one starts, with its weights in the cache, and the neurons run
  in parallel. Nothing is shared.
- **Silent neurons together.** Weights change only where a neuron fires, and most neurons do not
  fire for hundreds of steps. Until its first spike in a chunk of steps, a neuron runs together with
  others, in a tile: a copy of their rows, transposed, so that the processor adds an event's weights
  for eight neurons at once. From its first spike to the end of the chunk it runs on its own row.
- **No branch in the plasticity.** The whole row is decremented, then the entries of the active
  synapses are put back, incremented.

An impulse is summed in the order of the events on both ways, so the result does not depend on
tiles, chunks, blocks or the number of threads, to the last bit.

Inhibition couples a layer's neurons at each step; it has a path of its own, one step at a time.
``fastmath`` assumes that there is no NaN: simulate.py refuses them before.

All that is compiled together is in this file on purpose: numba's cache on disk is renewed when the
file of a compiled function changes, not when another file does that it takes functions from.

Arguments that all functions share, for one layer and one block or chunk of steps:

- ``W`` (n_post, n_pre) weights, ``row`` or ``w`` (n_pre,) those of one neuron, ``v`` (n_post,)
  membranes, ``currents`` (n_post,) what is added to them at each step: all of the dtype of the
  weights, float32 or float64, and C-ordered; W, row and v are changed in place;
- ``events`` (n_events,) uint16 or uint32 and ``starts`` (n_steps + 1,) uint32, the spikes of the
  layer below: those of step t are the neurons events[starts[t]:starts[t + 1]], in order;
- ``spikes`` bool (n_steps, n_post), this layer's own, filled in;
- ``c`` or ``constants``, a LayerConstants; ``scratch`` (n_pre,), memory of the dtype of W.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit, prange, types
from numba.extending import overload

from srcnb.spiking.changes import sum_changes as sum_changes  # the engine's, as run_block is
from srcnb.spiking.config import GATES, SleepConfig
from srcnb.spiking.events import list_events
from srcnb.spiking.threads import compiled, using_threads
from srcnb.validation import Array

LOGISTIC, NEGATIVE, ADDITIVE = range(3)
# Weights of a layer from which on the path with inhibition runs in parallel.
PARALLEL_INHIBITED = 1 << 18
GATE_CODES = {name: code for code, name in enumerate(GATES)}
# Neurons in a tile at most, steps in a chunk, and weights of a row that are copied at once.
LANES, CHUNK_STEPS, STRIP = 64, 256, 64
# Steps from which on a block is worth filling tiles for.
SHORT_BLOCK = 32


class LayerConstants(NamedTuple):
    """What one layer needs of a SleepConfig, in the dtype of the weights.

    ``gate`` is an int, ``width`` a float64: the gate's, from which its steepness is made.
    """

    alpha: float
    beta: float
    decay: float
    inhibition: float
    inc: float
    dec: float
    gate: int
    width: float


# error_model "numpy": Python's tests for divisions by zero, and no loop with one in it vectorizes
# (the gate then takes 3.8 ns instead of 0.5). Where fastmath is missing, sums and membranes are
# computed exactly as written, so that every way gives the same bits.

# ---------------------------------------------------------------------------- gates

# tanh(y) = y·P(y²)/Q(y²) for |y| <= 8.7, a relative minimax fit (error 1.3e-7, float32's own
# rounding). Pure arithmetic vectorizes; a scalar exp does not. P is made larger by 1.2e-7, so that
# tanh reaches 1 exactly and the "negative" gate freezes positive synapses exactly.
_TANH_END = np.float32(8.7)
_P = tuple(
    np.float32((1 + 1.2e-7) * p)
    for p in (
        0.9999999852493267,
        0.1340046025173874,
        0.0035187363140945127,
        2.099370532107126e-05,
        1.3897455507297505e-08,
    )
)
_Q = tuple(
    np.float32(q)
    for q in (
        1.0,
        0.4673378051160362,
        0.025964864751156308,
        0.0003323635328892335,
        7.996455229190191e-07,
    )
)
_P0, _P1, _P2, _P3, _P4 = _P
_Q0, _Q1, _Q2, _Q3, _Q4 = _Q
_ONE, _HALF = np.float32(1), np.float32(0.5)
_OVERFLOW = 700.0  # e^700 is still finite in float64


@njit(fastmath=True, error_model="numpy")
def _tanh32(y: Any) -> Any:
    """tanh of a float32."""
    y = min(max(y, -_TANH_END), _TANH_END)
    z = y * y
    p = _P0 + z * (_P1 + z * (_P2 + z * (_P3 + z * _P4)))
    q = _Q0 + z * (_Q1 + z * (_Q2 + z * (_Q3 + z * _Q4)))
    return min(max(y * p / q, -_ONE), _ONE)


def _logistic(w):
    """1 / (1 + e^-w); for float32 by the rational tanh."""
    return 1 / (1 + np.exp(-w))


def _negative(w, width):
    """2 / (1 + e^(w/width)); for float32 by the rational tanh."""
    return 2 / (1 + np.exp(min(w / width, _OVERFLOW)))


@overload(_logistic, jit_options={"fastmath": True, "error_model": "numpy"})
def _logistic_typed(w):
    if w == types.float32:
        return lambda w: _HALF + _HALF * _tanh32(_HALF * w)
    return lambda w: 1 / (1 + np.exp(min(-w, _OVERFLOW)))


@overload(_negative, jit_options={"fastmath": True, "error_model": "numpy"})
def _negative_typed(w, width):
    if w == types.float32:
        return lambda w, width: _ONE - _tanh32(np.float32(0.5 / width) * w)
    return _negative


# ---------------------------------------------------------------------------- one neuron


@njit(error_model="numpy")
def _gather(row: Array, events: Array, start: int, stop: int) -> Any:
    """W s: the sum of the weights of the active synapses, events[start:stop], in that order."""
    total = row.dtype.type(0)
    for k in range(start, stop):
        total += row[events[k]]
    return total


@njit(error_model="numpy")
def _integrate(v: Any, impulse: Any, decay: Any, current: Any) -> Any:
    """A membrane (a scalar) after this step's impulse and current, before the threshold."""
    return decay * v + impulse + current


@njit(fastmath=True, error_model="numpy")
def _add_gated(w: Array, amount: Any, gate: int, width: float) -> None:
    """w += amount · g(w), in place."""
    if gate == LOGISTIC:
        for j in range(w.size):
            w[j] += amount * _logistic(w[j])
    elif gate == NEGATIVE:
        for j in range(w.size):
            w[j] += amount * _negative(w[j], width)
    else:
        for j in range(w.size):
            w[j] += amount


@njit(fastmath=True, error_model="numpy")
def _plasticity(
    row: Array, events: Array, start: int, stop: int, constants: LayerConstants, scratch: Array
) -> None:
    """The row of a neuron that fired: + inc·g(w) where pre fired, - dec·g(w) where not."""
    active = events[start:stop]
    gained = scratch[: active.size]
    for k in range(active.size):
        gained[k] = row[active[k]]
    _add_gated(gained, constants.inc, constants.gate, constants.width)
    _add_gated(row, -constants.dec, constants.gate, constants.width)
    for k in range(active.size):
        row[active[k]] = gained[k]


# ---------------------------------------------------------------------------- a tile of neurons


@njit(error_model="numpy")
def _refresh(tile: Array, rows: Array, stale: Array) -> None:
    """Copy the rows that are stale into their columns, a strip at a time to stay in the cache.

    ``tile`` (n_pre, lanes) is the transpose of ``rows`` (lanes, n_pre); ``stale`` bool (lanes,).
    """
    n_pre, lanes = tile.shape
    # Unsigned: a test for negative indices takes as long as the copy.
    for strip in range(0, n_pre, STRIP):
        begin, end = np.uint64(strip), np.uint64(min(strip + STRIP, n_pre))
        for lane in range(lanes):
            if stale[lane]:
                for j in range(begin, end):
                    tile[j, lane] = rows[lane, j]


@njit(error_model="numpy")
def _run_silent(
    tile: Array,
    v: Array,
    currents: Array,
    events: Array,
    starts: Array,
    c: LayerConstants,
    first: Array,
) -> None:
    """Run a tile's neurons as if none fired; first[lane] becomes the step at which one would.

    ``tile`` (n_pre, lanes), ``v`` and ``currents`` (lanes,), ``first`` int32 (lanes,). From its
    first spike on a lane's membrane means nothing.
    """
    never = np.int32(len(starts) - 1)
    impulse = np.empty_like(v)
    for t in range(never):
        now = np.int32(t)
        impulse[:] = 0
        for k in range(starts[t], starts[t + 1]):
            weights = tile[events[k]]
            for lane in range(v.size):
                impulse[lane] += weights[lane]
        for lane in range(v.size):
            v[lane] = _integrate(v[lane], c.alpha * impulse[lane], c.decay, currents[lane])
            # Written each time, as an "if" would keep the loop from vectorizing.
            first[lane] = min(first[lane], now if v[lane] >= c.beta else never)


@njit(error_model="numpy")
def _run_alone(
    row: Array,
    v: Any,
    current: Any,
    first: int,
    events: Array,
    starts: Array,
    c: LayerConstants,
    scratch: Array,
    spikes: Array,
) -> Any:
    """Run a neuron on its own row from step ``first`` + 1 on; returns its membrane.

    ``v`` and ``current`` are scalars, ``spikes`` bool (n_steps,) this neuron's own. At step
    ``first`` it fires, as the tile found: nothing to integrate there. With -1 it just starts from
    the membrane v.
    """
    if first >= 0:
        v = c.beta
    for t in range(max(first, 0), len(starts) - 1):
        start, stop = starts[t], starts[t + 1]
        if t > first:
            v = _integrate(v, c.alpha * _gather(row, events, start, stop), c.decay, current)
        if v >= c.beta:
            _plasticity(row, events, start, stop, c, scratch)
            spikes[t] = True
            v = row.dtype.type(0)
    return v


# ---------------------------------------------------------------------------- one layer, one block


@compiled
def _run_layer(
    W: Array,
    v: Array,
    currents: Array,
    events: Array,
    starts: Array,
    constants: LayerConstants,
    spikes: Array,
    n_threads: int,
) -> None:
    """A block of steps of one layer without inhibition, a tile of neurons at a time."""
    n_steps, n_post = spikes.shape
    n_pre = W.shape[1]
    # A thread's share in tiles as equal as they can be, of whole vectors of eight neurons.
    share = (n_post + n_threads - 1) // n_threads
    n_tiles = (share + LANES - 1) // LANES
    per_tile = (share + n_tiles - 1) // n_tiles
    width = (per_tile + 7) // 8 * 8
    for thread in prange(n_threads):
        # One tile for all the neurons of a thread: new memory from the system is slow.
        memory = np.empty(n_pre * width, W.dtype)
        scratch = np.empty(n_pre, W.dtype)
        for i in range(thread * width, n_post, n_threads * width):
            rows, tile_v, tile_currents = (
                W[i : i + width],
                v[i : i + width],
                currents[i : i + width],
            )
            lanes = len(rows)
            tile = memory[: n_pre * lanes].reshape((n_pre, lanes))
            stale = np.ones(lanes, np.bool_)
            for t in range(0, n_steps, CHUNK_STEPS):
                steps = starts[t : t + CHUNK_STEPS + 1]
                chunk = len(steps) - 1
                if n_steps < SHORT_BLOCK:
                    first = np.full(lanes, -1, np.int32)
                else:
                    _refresh(tile, rows, stale)
                    first = np.full(lanes, chunk, np.int32)
                    _run_silent(tile, tile_v, tile_currents, events, steps, constants, first)
                for lane in range(lanes):
                    stale[lane] = first[lane] < chunk
                    if stale[lane]:
                        tile_v[lane] = _run_alone(
                            rows[lane],
                            tile_v[lane],
                            tile_currents[lane],
                            first[lane],
                            events,
                            steps,
                            constants,
                            scratch,
                            spikes[t : t + chunk, i + lane],
                        )


@compiled
def _run_layer_inhibited(
    W: Array,
    v: Array,
    currents: Array,
    events: Array,
    starts: Array,
    constants: LayerConstants,
    spikes: Array,
) -> None:
    """The same with inhibition, which needs the whole layer's impulses at each step."""
    c = constants
    n_steps, n_post = spikes.shape
    impulse = np.empty_like(v)
    for t in range(n_steps):
        start, stop = starts[t], starts[t + 1]
        for i in prange(n_post):
            impulse[i] = c.alpha * _gather(W[i], events, start, stop)
        # Summed by one thread, in order: the same bits for any number of threads.
        total = W.dtype.type(0)
        for i in range(n_post):
            total += impulse[i]
        inhibition = c.inhibition * total / W.dtype.type(n_post)
        for i in prange(n_post):
            v[i] = _integrate(v[i], impulse[i] - inhibition, c.decay, currents[i])
            if v[i] >= c.beta:
                _plasticity(W[i], events, start, stop, c, np.empty_like(W[i]))
                spikes[t, i] = True
                v[i] = W.dtype.type(0)


def _most_threads(W: Array, inhibition: float) -> int | None:
    """How many threads a layer may have: with inhibition one, unless the layer is large.

    There threads wait for one another twice a step, which takes longer than a small layer's work,
    and far longer on a machine that is busy otherwise.
    """
    return 1 if inhibition and W.size < PARALLEL_INHIBITED else None


def run_block(
    weights: list[Array], membranes: list[Array], input_spikes: Array, config: SleepConfig
) -> list[Array]:
    """Run a block of steps; the same call and the same result as ``reference.run_block``."""
    real = weights[0].dtype.type
    below = np.ascontiguousarray(input_spikes)
    spikes = []
    for layer, (W, v) in enumerate(zip(weights, membranes, strict=True)):
        constants = LayerConstants(
            alpha=real(config.alpha[layer]),
            beta=real(config.beta[layer]),
            decay=real(config.decay),
            inhibition=real(config.inhibition),
            inc=real(config.in_layer("inc", layer)),
            dec=real(config.in_layer("dec", layer)),
            gate=GATE_CODES[config.gate],
            width=config.in_layer("gate_width", layer),
        )
        currents = config.layer_currents(layer, len(W), W.dtype)
        fired = np.zeros((len(below), len(W)), dtype=bool)
        with using_threads(_most_threads(W, config.inhibition)) as n_threads:
            events = list_events(below)
            if config.inhibition:
                _run_layer_inhibited(W, v, currents, *events, constants, fired)
            else:
                _run_layer(W, v, currents, *events, constants, fired, n_threads)
        spikes.append(fired)
        below = fired
    return spikes
