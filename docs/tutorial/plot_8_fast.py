"""
8. Fast, and your own network
=============================

A sleep of thousands of steps over millions of weights should take seconds. This chapter finds out
what the order of two loops has to do with it, and then lets a network of scikit-learn sleep.

**The question.** Two compiled programs do the same additions on the same numbers. One goes step by
step, and in each step through all neurons of a layer. The other goes neuron by neuron, and for each
neuron through all steps. Which is faster, and by how much, for a layer of 4000 × 4000 weights?

**Your guess,** before you go on: the first, the second, or neither? Times 1, 2, 5 or 20?
"""

# %%
# *May be skipped: imports.*

import time

import matplotlib.pyplot as plt
import numpy as np
from numba import njit
from sklearn.neural_network import MLPClassifier

import srcnb
from srcnb import datasets, tasks
from srcnb.plotting import save_open
from srcnb.spiking.simulate import Simulation

BLUE, RED, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"

# %%
# May the loops be swapped?
# -------------------------
# In chapter 4 all neurons of a layer were updated in a step, then came the next step. But look at
# what neuron i needs: its own row of weights W[i], its own membrane, and the spikes of the layer
# *below*, of all steps. It needs nothing of the other neurons of its layer. So it may run through
# all steps alone, and then the next neuron does the same. Layer 2 is run when all spikes of layer 1
# are known.
#
# One thing would forbid it: inhibition, which takes a layer's mean impulse off each neuron, so that
# each step needs all neurons. (It is off in all published experiments, and the library has a
# slower way for it.)
#
# Here are both orders, as loops that numba compiles. Of the spikes below we keep lists of the
# neurons that fired (*events*): ``events[starts[t] : starts[t + 1]]`` fired in step t. The
# gate is "additive", plasticity is done as "all shrink, those that fired grow", and α = 1, as only
# β/α matters.


@njit
def one_neuron_one_step(w, v, fired, beta, decay, inc, dec):
    """New (v, spike) of a neuron with weights w, when the neurons ``fired`` did; changes w."""
    v *= decay
    for j in fired:
        v += w[j]
    if v < beta:
        return v, False
    w -= dec
    for j in fired:
        w[j] += inc + dec
    return np.float32(0), True


@njit
def time_major(W, starts, events, beta, decay, inc, dec):
    """Step by step; in each, all neurons. Changes W; returns spikes (n_post, n_steps)."""
    n_steps, v = len(starts) - 1, np.zeros(len(W), np.float32)
    spikes = np.zeros((len(W), n_steps), np.bool_)
    for t in range(n_steps):
        fired = events[starts[t] : starts[t + 1]]
        for i in range(len(W)):
            v[i], spikes[i, t] = one_neuron_one_step(W[i], v[i], fired, beta, decay, inc, dec)
    return spikes


@njit
def neuron_major(W, starts, events, beta, decay, inc, dec):
    """Neuron by neuron; each through all steps. Changes W; returns spikes (n_post, n_steps)."""
    n_steps, v = len(starts) - 1, np.zeros(len(W), np.float32)
    spikes = np.zeros((len(W), n_steps), np.bool_)
    for i in range(len(W)):
        for t in range(n_steps):
            fired = events[starts[t] : starts[t + 1]]
            v[i], spikes[i, t] = one_neuron_one_step(W[i], v[i], fired, beta, decay, inc, dec)
    return spikes


# %%
# You time it
# -----------
# Layers of n × n weights for several n; 5 % of the neurons below fire in each of 60 steps. Both
# programs must give the same weights and spikes, to the last bit. Beside them the two engines of
# the library: "reference", NumPy as in chapter 6, and "numba", its kernel, which is neuron-major,
# too.

# %%
# *May be skipped: the code, and plotting.*

decay, inc, dec = np.float32(0.999), np.float32(1e-3), np.float32(1e-4)
widths, n_steps = (250, 500, 1000, 2000, 4000), 60
names = ("reference, NumPy", "time-major", "neuron-major", "the library's kernel")
milliseconds = {name: [] for name in names}


def timed(function, *arguments):
    """(seconds, what the function returned)."""
    start = time.perf_counter()
    returned = function(*arguments)
    return time.perf_counter() - start, returned


def compare(n):
    """Seconds of each of the four on a random layer of n × n weights; they must agree."""
    rng = np.random.default_rng(n)
    W = rng.standard_normal((n, n), dtype=np.float32) * np.float32(0.1)
    s_0 = rng.random((n_steps, n)) < 0.05
    steps, events = np.nonzero(s_0)
    starts = np.searchsorted(steps, np.arange(n_steps + 1))
    beta = np.float32(0.09 * np.sqrt(n))  # so that 1 to 3 % fire in a step, whatever n
    results, seconds = {}, {name: [] for name in names}
    repeats = max(3, 12000 // n)  # in turns; the shortest time counts, as others use the machine
    for _ in range(repeats):
        for name, order in (("time-major", time_major), ("neuron-major", neuron_major)):
            changed = W.copy()
            took, spikes = timed(order, changed, starts, events, beta, decay, inc, dec)
            seconds[name].append(took)
            results[name] = changed, spikes
    np.testing.assert_array_equal(results["time-major"][0], results["neuron-major"][0])
    np.testing.assert_array_equal(results["time-major"][1], results["neuron-major"][1])
    config = srcnb.SleepConfig(
        n_steps, [1], [float(beta)], float(inc), float(dec), decay=0.999, gate="additive"
    )
    for name, engine, times in ((names[0], "reference", 1), (names[3], "numba", repeats)):
        for _ in range(times):
            simulation = Simulation([W], config, engine)  # what srcnb.simulate runs
            took, _ = timed(simulation.advance, s_0)
            seconds[name].append(took)
        # These compute w + inc in place of w - dec + (inc + dec): equal but for rounding.
        counts = results["neuron-major"][1].sum(axis=1)
        assert np.mean(counts == simulation.spike_counts[1]) > 0.99
    return {name: min(of_name) for name, of_name in seconds.items()}


compare(10)  # compiles
for n in widths:
    for name, seconds in compare(n).items():
        milliseconds[name].append(1000 * seconds / n_steps)

figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
for (name, ms), style, colour in zip(
    milliseconds.items(), ("D:", "s--", "o-", "^-."), ("0.5", RED, BLUE, GREEN), strict=True
):
    axes.loglog(widths, ms, style, color=colour, label=name)
axes.set(xlabel="n, of n × n weights", ylabel="milliseconds per step")
axes.set_xticks(widths, [str(n) for n in widths])
axes.minorticks_off()
axes.legend(fontsize=8)
axes.grid(alpha=0.3)

print("time per step over neuron-major's, on this machine, now:")
for name, ms in milliseconds.items():
    ratios = "   ".join(
        f"n = {n}: {a / b:5.1f}×"
        for n, a, b in zip(widths, ms, milliseconds["neuron-major"], strict=True)
    )
    print(f"{name:21} {ratios}")


# %%
# **The answer** is yours: the ratios above were measured on the machine that ran this, once. Trust
# the largest n only: a small layer takes so little time that whatever else the machine does may
# decide its ratio. What to expect: for small layers there is hardly a difference; for large ones
# neuron-major is ahead, because of where the numbers are. A row of 4000 weights is 16 kB and stays
# in the processor's fastest cache while its neuron goes through all steps: all weights come from
# memory *once*. Step by step, 64 MB of weights are gone through anew in *every* step, and most
# caches are smaller.
#
# The library's kernel does more than these loops: other gates, currents, blocks of steps that bound
# the memory, several neurons at once in one instruction, threads. ``benchmarks/README.md`` has
# careful measurements on one machine: at 784-4000-4000-10 a step takes 11 times less than in
# time-major C.
#
# Events pay, too: 95 % of the neurons below are silent in a step, and their weights are not
# even read for the impulse.
#
# Your own network
# ----------------
# *This section may be skipped.*
#
# A fitted ``MLPClassifier`` of scikit-learn learns the digits, two at a time, with ``partial_fit``.
# After each pass over a task it sleeps, or not. ``srcnb.from_sklearn`` makes a network of it,
# ``srcnb.sleep`` finds all constants itself, ``srcnb.to_sklearn`` brings the weights back. (Biases
# take part as currents, chapter 3. Arrays of any other framework: ``srcnb.MLP.from_arrays``.)

data = datasets.load("digits")
sequence = tasks.class_incremental(data, groups=2)


def learn(seed, sleeps):
    """An MLPClassifier that has learnt five tasks."""
    clf = MLPClassifier(
        (100, 100),
        solver="sgd",
        learning_rate_init=0.0125,
        momentum=0.5,
        batch_size=3,
        random_state=seed,
    )
    sleep_input = srcnb.SampleInput(n_samples=1, keep=0.2)
    for task in sequence:
        sleep_input.update(task.X)
        for _ in range(3):
            clf.partial_fit(task.X, task.y, classes=np.arange(10))
            if sleeps:
                slept = srcnb.sleep(srcnb.from_sklearn(clf), sleep_input, random_state=seed).net
                clf = srcnb.to_sklearn(slept, like=clf)
    return clf


def measure(clf, seed):
    """Percent of all ten digits: by its own outputs, and with outputs on one scale."""
    net = srcnb.from_sklearn(clf)
    even = srcnb.homeostasis(net, sequence[-1].X, range(10), keep=0.3, random_state=seed)
    scores = clf.score(data.X_test, data.y_test), np.mean(even.predict(data.X_test) == data.y_test)
    return [100 * score for score in scores]


table = np.array(
    [[measure(learn(seed, sleeps), seed) for seed in range(3)] for sleeps in (False, True)]
)
for name, of_seeds in zip(("no sleep", "sleep"), table, strict=True):
    for readout, values in zip(("own outputs", "outputs on one scale"), of_seeds.T, strict=True):
        seeds = "  ".join(f"{value:.0f}" for value in values)
        print(f"{name:9} {readout:21} {values.mean():5.1f} ± {values.std(ddof=1):.1f}   ({seeds})")

figure, axes = plt.subplots(figsize=(6, 2.8), layout="constrained")
for i, of_seeds in enumerate(table):
    for k, (colour, mark) in enumerate(((RED, "s"), (BLUE, "o"))):
        axes.barh(i + 0.36 * k, of_seeds[:, k].mean(), 0.34, color=colour, alpha=0.7)
        axes.plot(of_seeds[:, k], [i + 0.36 * k] * 3, mark, color="black", markersize=3)
axes.barh([0], [0], color=RED, alpha=0.7, label="own outputs")
axes.barh([0], [0], color=BLUE, alpha=0.7, label="on one scale")
axes.set_yticks([0.18, 1.18], ["no sleep", "sleep"])
axes.set(xlabel="accuracy on all ten digits (%); marks: 3 seeds", xlim=(0, 105), ylim=(-0.3, 2.1))
axes.legend(fontsize=8, loc="upper center", ncols=2)
assert table[1, :, 0].min() > table[0, :, 0].max() and table[1, :, 1].mean() > table[0, :, 1].mean()

# %%
# A sleep helps this network by either readout. But most of the way is made by bringing the outputs
# to one scale. With ten seeds and 400-400 units (``docs/ANY_NETWORK.md``): 76.3 ± 2.4 on one scale
# without a sleep, 85.8 ± 1.8 with it.
#
# For your own data: scale features to [0, 1] (or see ``srcnb.FeatureScale``), print the result of a
# sleep, which says what fired, what moved and what is wrong, and compare with ``srcnb.homeostasis``
# alone before you believe in the sleep.
#
# Exercise 1: some neurons only
# -----------------------------
# You want to know what neurons ``rows`` of a layer do in a sleep, and nothing of the others. Write
# ``some(W, s_0, config, rows)``: the weights after the sleep of these rows only, (len(rows), n),
# without simulating the others. ``check_1`` also makes sure that it is wrong with inhibition.


def check_1(some):
    """Whether the rows are those of the whole layer; and are not when the layer has inhibition."""
    rng = np.random.default_rng(0)
    W, s_0, rows = rng.normal(0, 0.3, (50, 80)), rng.random((200, 80)) < 0.1, [3, 17, 42]
    for inhibition, same in ((0.0, True), (0.9, False)):
        config = srcnb.SleepConfig(200, [1], [1], 0.01, 0.001, inhibition=inhibition)
        whole = srcnb.simulate([W], s_0, config).weights[0]
        found = some(W, s_0, config, rows)
        assert found.shape == (3, 80)
        assert np.allclose(found, whole[rows], rtol=1e-9) == same


# %%
# Exercise 2: how much comes from memory?
# ---------------------------------------
# Weights are float32, 4 bytes each. Say the cache holds a row but not the whole layer, and the
# impulse reads every weight. Write ``traffic(n, n_steps, order)``: the bytes of weights that come
# from memory for a layer of n × n in n_steps steps, order being "time" or "neuron".


def check_2(traffic):
    """Whether it is right for two cases, and what the ratio is."""
    assert traffic(2000, 100, "neuron") == 16_000_000
    assert traffic(2000, 100, "time") == 1_600_000_000
    assert traffic(500, 7, "time") / traffic(500, 7, "neuron") == 7


# %%
# Solutions
# ---------
# .. admonition:: Solution of exercise 1
#    :collapsible: closed
#
#    A neuron needs its own row and the spikes below, nothing else:
#
#    .. code-block:: python
#
#       def some(W, s_0, config, rows):
#           return srcnb.simulate([W[rows]], s_0, config).weights[0]
#
#       check_1(some)
#
#    ``srcnb.trace`` watches single neurons of a large network in this way.
#
# .. admonition:: Solution of exercise 2
#    :collapsible: closed
#
#    .. code-block:: python
#
#       def traffic(n, n_steps, order):
#           return 4 * n * n * (n_steps if order == "time" else 1)
#
#       check_2(traffic)
#
#    The measured ratio is smaller: only the weights of events are read, and additions take time,
#    too.

save_open("tutorial-figures", "8")
