"""
6. A whole sleep
================

The network of chapter 2 that has forgotten images 0 and 1 now sleeps, with the mechanism of
chapters 3 to 5: spikes, rates, weights and accuracy, all the way through.

**The question.** The network sees a mixture of all four images, as noise: no labels, no order, no
image by itself. After the sleep it recognises all four. Which of its four outputs fire in that
sleep: the two of the forgotten task, those of the new one, or all?

**Your guess,** before you go on. And which weights must change so that images 0 and 1 are
recognised again: those of outputs 0 and 1, or those of outputs 2 and 3?
"""

# %%
# The whole mechanism
# -------------------
# All of it in one cell. Only ``sleep``, the loop over the steps, is new.

from dataclasses import replace
from functools import partial

import matplotlib.pyplot as plt
import numpy as np

import srcnb
from srcnb import activity, datasets, presets, sleep_pictures, tasks
from srcnb.experiments.patches import images
from srcnb.plotting import save_open

BLUE, RED, GREEN = "#0072B2", "#D55E00", "#009E73"


def draw_spikes(x, u, k_0):
    """s_0: x are intensities, u uniform in [0, 1), of the same shape."""
    return u < k_0 * x


def impulse(W, s_pre, alpha):
    """I = α · W s_{l-1}."""
    return alpha * (W @ s_pre)


def integrate(v, I, decay):  # noqa: E741
    """v = decay · v + I."""
    return decay * v + I


def fire(v, beta):
    """s = (v ≥ β)."""
    return v >= beta


def reset(v, s):
    """v = 0 where the neuron fired."""
    return np.where(s, 0.0, v)


def negative(w):
    """g(w) = 2 / (1 + e^(w/0.001))."""
    with np.errstate(over="ignore"):  # e^… of a large weight is inf, and g is 0, as it should
        return 2 / (1 + np.exp(w / 0.001))


def plasticity(W, s_pre, s_post, inc, dec, g):
    """Hebb, in place: rows of neurons that fired, + inc·g where pre fired, - dec·g where not."""
    for i in np.flatnonzero(s_post):
        W[i] += np.where(s_pre, inc, -dec) * g(W[i])


def step(W, v, s, alpha, beta, decay, inc, dec, g):
    """One step of all layers; changes the arrays in W and v. Returns the spikes of each layer."""
    spikes = []
    for W_l, v_l, alpha_l, beta_l in zip(W, v, alpha, beta, strict=True):
        v_l[:] = integrate(v_l, impulse(W_l, s, alpha_l), decay)
        s_post = fire(v_l, beta_l)
        plasticity(W_l, s, s_post, inc, dec, g)
        v_l[:] = reset(v_l, s_post)
        spikes.append(s_post)
        s = s_post
    return spikes


def sleep(W, s_0, alpha, beta, decay, inc, dec, g, look=None):
    """(weights, spikes of layer 1 … L) after a sleep on input spikes s_0, (n_steps, n_0).

    look(t, W) is called before each step t. The weights given are left as they are.
    """
    W = [W_l.copy() for W_l in W]
    v = [np.zeros(len(W_l)) for W_l in W]
    history = []
    for t, s in enumerate(s_0):
        if look is not None:
            look(t, W)
        history.append(step(W, v, s, alpha, beta, decay, inc, dec, g))
    return W, [np.array(s_l) for s_l in zip(*history, strict=True)]


# %%
# The network that has forgotten
# ------------------------------
# 17 shared pixels, 20 epochs of task 2, as in chapter 2.

y = np.arange(4)
training = dict(batch_size=2, learning_rate=0.05, momentum=0.5, reset_momentum=False)


def learn_two_tasks(overlap, epochs, seed):
    """(images, network after task 2)."""
    X = images(overlap, np.random.default_rng([seed, 2]))
    net = srcnb.MLP((100, 4), init=0.01, dtype="float64", random_state=seed)
    net.fit(X[:2], y[:2], epochs=4, **training)
    net.fit(X[2:], y[2:], epochs=epochs, **training)
    return X, net


def accuracy(net, X):
    """Percent of the four images that are recognised."""
    return int(100 * np.mean(net.predict(X) == y))


X, net = learn_two_tasks(17, 20, seed=0)
print(f"before the sleep {accuracy(net, X)} % are recognised")
assert accuracy(net, X) == 50

# %%
# What it sleeps on, and its constants
# ------------------------------------
# - The *sleep input* x is the mean of all images seen so far, here of all four. It is the same in
#   each step; the spikes are not. (This mean is kept in place of the images. Other sleep inputs
#   keep nothing of earlier tasks: those of exercise 1 and of the digits below.)
# - The gain α is made from the network and data: alpha_scale / max(largest weight, largest
#   activation). The paper has it from a known rule for turning networks into spiking ones. As only
#   θ = β/α matters, α is one way among others to put the threshold in the unit of the weights.
# - The rest are numbers that the paper's authors found by a search.

x = X.mean(axis=0)
config = presets.PAPER["patches"].config(net, X, n_steps=30000)
print(f"α = {config.alpha[0]:.3f}, β = {config.beta[0]}, so θ = {config.theta[0]:.3f}")
print(
    f"inc = {config.inc}, dec = {config.dec}, so ρ = {config.dec / (config.inc + config.dec):.3f}"
)

W = net.weights
u = np.random.default_rng(0).random((config.n_steps, 100))
s_0 = draw_spikes(x, u, 2 * config.dt * config.max_rate)
of_sleep = (config.alpha, config.beta, config.decay, config.inc, config.dec)

moments, recognised, kinds_over_time = [], [], []
old, new = X[:2].sum(axis=0) * (X.sum(axis=0) == 1), X[2:].sum(axis=0) * (X.sum(axis=0) == 1)
shared = X.sum(axis=0) == 4


def look(t, W):
    """Every 250 steps: the accuracy, and mean weights of outputs 2 and 3."""
    if t % 250 == 0:
        z = X @ W[0].T
        moments.append(t)
        recognised.append(
            [100 * np.mean(z[k].argmax(axis=1) == y[k]) for k in (slice(2), slice(2, 4))]
        )
        mean_w = [W[0][2:, k == 1].mean() for k in (shared, old)]
        kinds_over_time.append([*mean_w, W[0][[2, 3]][:, new == 1].max(axis=0).mean()])


W_slept, spikes = sleep(W, s_0, *of_sleep, negative, look)

# %%
# Spikes and rates
# ----------------

figure, panels = plt.subplots(2, 2, figsize=(9, 5), layout="constrained")
(raster, rates), (weights, learnt) = panels
raster.plot(*np.nonzero(spikes[0][:3000]), "|", color="black", markersize=14)
raster.set(
    yticks=y, ylim=(3.6, -0.6), ylabel="output", xlabel="step", title="spikes, first 3000 steps"
)
per_block = spikes[0].reshape(60, 500, 4).mean(axis=1) / config.dt
for i, (style, colour) in enumerate(
    zip(("-", "--", "-", "--"), (BLUE, BLUE, RED, RED), strict=True)
):
    rates.plot(np.arange(60) * 500, per_block[:, i], style, color=colour, label=f"output {i}")
rates.set(xlabel="step", ylabel="rate (Hz)", title="rates of the outputs")
rates.legend(fontsize=8)
labels = ("shared pixels", "pixels of images 0 and 1", "pixels of their own image")
for i, (style, colour) in enumerate(zip(("-", "--", ":"), (BLUE, RED, GREEN), strict=True)):
    weights.plot(moments, np.array(kinds_over_time)[:, i], style, color=colour, label=labels[i])
weights.set(
    xlabel="step", ylabel="mean weight", title="weights of outputs 2 and 3", ylim=(-0.32, 0.6)
)
weights.legend(fontsize=8, loc="upper right")
for i, (style, colour) in enumerate((("-", BLUE), ("--", RED))):
    learnt.plot(moments, np.array(recognised)[:, i], style, color=colour, label=f"task {i + 1}")
learnt.set(xlabel="step", ylabel="accuracy (%)", ylim=(-5, 105), title="images recognised")
learnt.legend(fontsize=8, loc="center right")

print("spikes of outputs 0 … 3:", spikes[0].sum(axis=0))

# %%
# **The answer.** Only outputs 2 and 3 fire. Outputs 0 and 1 get negative sums from the mixture, as
# after task 2 their weights from the shared pixels are negative. They never fire, so not one of
# their weights changes:

np.testing.assert_array_equal(W_slept[0][:2], W[0][:2])
assert spikes[0][:, :2].sum() == 0 and spikes[0][:, 2:].sum() > 1000

# %%
# What changes is what chapter 5 expects: the positive weights of outputs 2 and 3 are frozen by the
# gate; their negative weights have p below ρ and become more negative. They are of three kinds:
#
# - from pixels of images 0 and 1. These images now switch outputs 2 and 3 *off*, and what is still
#   in outputs 0 and 1 since task 1 is the largest again;
# - from pixels of the *other* new image: image 2 at output 3 goes from 0.39 to -1.85. That changes
#   no answer;
# - from pixels that are off in all images. These are most in number, 51 of 100, with a mean change
#   of -0.25 (those with weights slightly above 0 move little). No image reads them.

for name, of in (("before", W), ("after", W_slept)):
    print(f"{name} the sleep, into the outputs:")
    for i, z in enumerate(X @ of[0].T):
        print(
            f"   image {i}: " + "  ".join(f"{value:6.2f}" for value in z), "  → output", z.argmax()
        )
assert ((X @ W_slept[0].T).argmax(axis=1) == y).all()
positive = W[0][2:] > 0.02
assert abs(W_slept[0][2:] - W[0][2:])[positive].max() < 1e-6
changed = W_slept[0] - W[0]
assert changed[2:, old == 1].mean() < -0.1
off = X.sum(axis=0) == 0
assert off.sum() == 51 and abs(changed[2:, off].mean() + 0.25) < 0.005
for weights_of, value in ((W, 0.39), (W_slept, -1.85)):
    assert abs(X[2] @ weights_of[0][3] - value) < 0.005


# %%
# As these weights shrink, what outputs 2 and 3 get from the mixture of all images falls below 0,
# too: their rates go to 0, and the sleep ends itself.
#
# Nothing about task 1 was *learnt* in this sleep. It made the new outputs answer to less, and the
# memory that was there could be read again. That is much of what a sleep of this kind does; chapter
# 7 asks what else can do it.
#
# As images: what changed.

figure, panels = plt.subplots(2, 4, figsize=(8, 4.4), layout="constrained")
for row, (name, drawn_weights) in enumerate((("before", W[0]), ("change", changed))):
    for i, panel in enumerate(panels[row]):
        image = drawn_weights[i].reshape(10, 10)
        drawn = panel.imshow(image, cmap="PuOr", vmin=-0.4, vmax=0.4)
        panel.plot(*np.nonzero(old.reshape(10, 10))[::-1], ".", color="black", markersize=3)
        panel.set(xticks=[], yticks=[])
        if not row:
            panel.set_title(f"output {i}", fontsize=10)
    panels[row, 0].set_ylabel(name)
figure.colorbar(drawn, ax=panels, label="weight (dots: images 0 or 1 only)")

# %%
# The same from the library
# -------------------------
# ``srcnb.simulate`` is the same function, with two engines: "reference", NumPy as here, which gives
# the same numbers to the last bit; and "numba", compiled, which adds in another order: the same
# spikes, and weights that differ by rounding only.

by_reference = srcnb.simulate(W, s_0, config, engine="reference", record=True)
np.testing.assert_array_equal(W_slept[0], by_reference.weights[0])
np.testing.assert_array_equal(spikes[0], by_reference.spikes[1])
by_kernel = srcnb.simulate(W, s_0, config, engine="numba", record=True)
np.testing.assert_array_equal(spikes[0], by_kernel.spikes[1])
np.testing.assert_allclose(W_slept[0], by_kernel.weights[0], rtol=1e-9, atol=1e-12)

# %%
# ``srcnb.sleep(net, x, config, random_state)`` draws the spikes as well, and returns a network:

result = srcnb.sleep(net, x, config, random_state=0)
print(result)
print(f"\n{accuracy(net, X)} % before, {accuracy(result.net, X)} % after")
assert accuracy(result.net, X) == 100
change = result.changes[0]
assert change.increment == 0 and change.moved == 0.375 and abs(change.relative - 2.45) < 0.005

# %%
# (Chapter 3 says what the columns are. Here the change is 2.45 times the size of the weights before
# the sleep; 37.5 % of the weights moved, and none of them grew.)
#
# Changing the rule
# -----------------
# ``step`` calls ``plasticity`` by its name. So to sleep with a rule of your own, define
# ``plasticity`` anew in a later cell, with the same arguments, and call ``sleep`` again; a new gate
# is an argument, g. Other *constants* need no new function: ``sleep`` takes inc and dec, and
# ``dataclasses.replace(config, dec=0)`` is the library's config with another dec. With dec = 0
# weights only grow (long-term potentiation, *LTP*), with inc = 0 they only shrink (*LTD*). Which of
# the two brings task 1 back? Guess, then see ten seeds:

only_growth = replace(config, dec=0)
W_grown, _ = sleep(W, s_0, config.alpha, config.beta, config.decay, config.inc, 0, negative)
by_reference = srcnb.simulate(W, s_0, only_growth, engine="reference")
np.testing.assert_array_equal(W_grown[0], by_reference.weights[0])

by_rule = {"the rule": {}, "LTP only": {"dec": 0}, "LTD only": {"inc": 0}}
for name, constants in by_rule.items():
    after = []
    for seed in range(10):
        X_s, net_s = learn_two_tasks(17, 20, seed)
        c = replace(presets.PAPER["patches"].config(net_s, X_s, 30000), **constants)
        slept = srcnb.sleep(net_s, X_s.mean(axis=0), c, random_state=seed).net
        after.append(accuracy(slept, X_s))
    print(f"{name}, 17 shared pixels, ten seeds: {after}")
    assert set(after) == {50 if name == "LTP only" else 100}


# %%
# What shrinks does all of it; growth is not needed here, and alone it brings nothing back.
#
# Where it fails
# --------------
# Ten seeds for each number of shared pixels. The more the images share, the more the new outputs
# are driven by shared pixels, whose weights are positive and frozen.

overlaps, seeds, table = (11, 13, 15, 17, 19, 21, 23), range(10), {}
for overlap in overlaps:
    pairs = []
    for seed in seeds:
        X_s, net_s = learn_two_tasks(overlap, 20, seed)
        c = presets.PAPER["patches"].config(net_s, X_s, 30000)
        slept = srcnb.sleep(net_s, X_s.mean(axis=0), c, random_state=seed).net
        pairs.append((accuracy(net_s, X_s), accuracy(slept, X_s)))
    table[overlap] = np.array(pairs)

figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
for i, (name, style, colour) in enumerate(
    (("before", "s--", RED), ("after the sleep", "o-", BLUE))
):
    axes.plot(overlaps, [t[:, i].mean() for t in table.values()], style, color=colour, label=name)
for overlap, t in table.items():
    axes.plot(overlap + np.linspace(-0.3, 0.3, 10), t[:, 1], ".", color="black", markersize=3)
axes.plot([], [], ".", color="black", label="after the sleep, each seed")
axes.set(xlabel="pixels shared by all images, of 25", ylabel="accuracy (%)", ylim=(0, 105))
axes.set_xticks(overlaps)
axes.legend(loc="lower left", fontsize=8)
axes.grid(alpha=0.3)
print("19 shared pixels, after the sleep, ten seeds:", table[19][:, 1].tolist())
print("21 shared pixels, after the sleep, ten seeds:", table[21][:, 1].tolist())
assert len(set(table[19][:, 1].tolist())) > 1 and table[21][:, 1].mean() < 60

# %%
# With 19 shared pixels seeds disagree; with 21 or more the sleep hardly helps. Note that 100 % in
# one run at 19 would have been a true observation and a wrong conclusion.
#
# Digits, two hidden layers
# -------------------------
# Constants that were found for one network do not fit another. So here the library finds them. What
# is new in the cell:
#
# - ``srcnb.sleep`` without a config *calibrates* (``srcnb.calibrate``): it runs the network for
#   some steps without plasticity, finds thresholds at which each hidden layer fires at a chosen
#   rate, and takes inc and dec in units of the layer's own weights.
# - The output layer is silent on purpose: only hidden layers sleep, and no output weight changes.
# - ``SampleInput(n_samples=1, keep=0.2)``: each step has one random image of the *current* task as
#   its x, with each pixel kept with probability 0.2 and 0 otherwise. Earlier tasks are not in it.
# - ``init="large_hidden"``: hidden weights start twice as large as usual (±1/√n_{l-1}), output
#   weights at a fifth. ``batch_size=0.01``: a hundredth of the task's images.
# - ``homeostasis`` brings all outputs to one scale when the network is read; chapter 7 explains it.
#
# Three times a task, an epoch of training and then a sleep. The picture is of the last sleep:

data = datasets.load("digits")
sequence = tasks.class_incremental(data, groups=2)
net = srcnb.MLP(
    (64, 100, 100, 10), dropout=0.25, init="large_hidden", dtype="float64", random_state=0
)
sleep_input = srcnb.SampleInput(n_samples=1, keep=0.2)
for task in sequence:
    sleep_input.update(task.X)
    for _ in range(3):
        net.fit(task.X, task.y, epochs=1, batch_size=0.01, learning_rate=0.0125)
        before = net.copy()
        net = srcnb.sleep(net, sleep_input, random_state=0).net


def of_tasks(net):
    """Percent recognised of each task's test images, all ten outputs compared."""
    return {
        f"task {i}": 100 * np.mean(net.predict(task.X_test) == task.y_test)
        for i, task in enumerate(sequence, 1)
    }


seen = activity.observe(before, partial(srcnb.sleep, before, sleep_input, None, 0), of_tasks)
sleep_pictures.draw_sleep(seen, plt.figure(figsize=(9, 9), layout="constrained"))

start, end = seen.accuracy.iloc[0], seen.accuracy.iloc[-1]
assert end["task 5"] > 85 and end["task 4"] > start["task 4"]
assert all(end[f"task {i}"] < 30 for i in (1, 2, 3)) and not seen.result.spike_counts[3].any()
own = 100 * np.mean(net.predict(data.X_test) == data.y_test)
even = srcnb.homeostasis(net, sequence[-1].X, range(10), keep=0.3, random_state=0)
scaled = 100 * np.mean(even.predict(data.X_test) == data.y_test)
print(f"all ten digits: {own:.0f} % by the network's own outputs, {scaled:.0f} % with even outputs")

# %%
# What to see in the picture: spikes are fewer from layer to layer, and the output has none; weights
# of both hidden layers grow (above 0) and shrink (below). At the bottom, by the network's own
# outputs: task 5, just learnt, hardly suffers, task 4 comes back in part, tasks 1 to 3 by little.
#
# The last number is with all outputs brought to one scale at the end (``srcnb.homeostasis``), as
# the library does it. How much of it is due to the sleep? That is chapter 7.
#
# Exercise 1: sleep on the new images only
# ----------------------------------------
# The sleep above knew the mean of *all* images, so something of task 1 was kept. Is that needed?
# With 21 shared pixels it failed. Find a sleep input made from the *new* images X[2:] only that
# does better there. Write ``sleep_input_of(new)``: it gets images 2 and 3, (2, 100), and returns x,
# (100,).


def check_1(sleep_input_of):
    """Whether all images are recognised after sleeping on it, for five seeds."""
    for seed in range(5):
        X_s, net_s = learn_two_tasks(21, 20, seed)
        c = presets.PAPER["patches"].config(net_s, X_s, 30000)
        slept = srcnb.sleep(net_s, sleep_input_of(X_s[2:]), c, random_state=seed).net
        assert accuracy(slept, X_s) == 100


# %%
# Exercise 2: how long?
# ---------------------
# From which multiple of 250 steps on were all four images recognised in the first sleep of this
# chapter, without a lapse afterwards? Find it in ``moments`` and ``recognised``.


def check_2(n_steps):
    """Whether it is right from there on, and not 250 steps before."""
    right = np.array(recognised).min(axis=1) == 100
    i = moments.index(n_steps)
    assert right[i:].all() and not right[i - 1]


# %%
# Solutions
# ---------
# .. admonition:: Solution of exercise 1
#    :collapsible: closed
#
#    Their mean is enough:
#
#    .. code-block:: python
#
#       check_1(lambda new: new.mean(axis=0))
#
#    Pixels of images 0 and 1 never fire then: p = 0, and their weights to outputs 2 and 3 shrink at
#    every spike. So the sleep does better *without* anything of task 1. It is no replay of task 1.
#
# .. admonition:: Solution of exercise 2
#    :collapsible: closed
#
#    .. code-block:: python
#
#       wrong = np.flatnonzero(np.array(recognised).min(axis=1) < 100)
#       check_2(moments[wrong[-1] + 1])
#
#    A few thousand of 30,000 steps were enough.

save_open("tutorial-figures", "6")
