"""
3. From activations to spikes
=============================

In a sleep the network has no activations, only spikes: at each step a neuron fires or it does not.
This chapter turns one neuron into a spiking one, then a layer.

**The question.** A hidden unit of chapter 1 has the activation relu(w·x). Give the same neuron
spikes in place of numbers: pixel j fires at random, the more often the brighter x_j is. How often
does the neuron fire, against its activation?

**Your guess,** before you go on: draw the firing rate of many neurons against relu(w·x). Is it a
straight line, or a curve? What happens to neurons with w·x < 0? What if the threshold is very low,
or very high?
"""

# %%
# *May be skipped: imports.*

import matplotlib.pyplot as plt
import numpy as np

import srcnb
from srcnb.experiments.patches import images
from srcnb.plotting import save_open

BLUE, RED, GREEN = "#0072B2", "#D55E00", "#009E73"

# %%
# Input spikes
# ------------
# Time goes in steps of dt = 0.001 s. At each step, pixel j fires with probability k_0 · x_j, where
# x_j in [0, 1] is its intensity and k_0 = 2 · dt · max_rate. ``max_rate`` is a rate in Hz, spikes
# per second, here 64. (The 2 is in paper and replica: so a pixel with x = 1 fires at twice
# ``max_rate``.) To draw a spike, take a random number u, uniform in [0, 1): s_0[j] = 1 if u is
# below k_0 · x_j, else 0. Where k_0 · x_j is above 1, the pixel fires in every step.

dt, max_rate = 0.001, 64.0
k_0 = 2 * dt * max_rate  # spikes per step of a pixel with x = 1
rng = np.random.default_rng(0)


def draw_spikes(x, u, k_0):
    """s_0: x are intensities, u uniform in [0, 1), of the same shape."""
    return u < k_0 * x


# %%
# *May be skipped: the spikes of image 0.*

x = images(17, rng)[0].astype(np.float64)
n_steps = 2000
s_0 = draw_spikes(x, rng.random((n_steps, 100)), k_0)  # (n_steps, 100) of True and False
print(f"spikes per step of pixels with x = 1: {s_0[:, x > 0].mean():.3f}; k_0 = {k_0:.3f}")
assert not s_0[:, x == 0].any()

# %%
# One neuron
# ----------
# It has a *membrane* v, a number that starts at 0. In each step:
#
# 1. impulse: I = α · (sum of the weights of the neurons below that fired) = α · w·s_0
# 2. membrane: v = decay · v + I. Decay is a little below 1: the membrane leaks.
# 3. spike: s = 1 if v ≥ β, the *threshold*, else 0
# 4. reset: v = 0 if it fired. There is no lower bound: v may go far below 0.
#
# α is the *gain*. These are the four functions, for a whole layer at once (v and I have an entry
# for each neuron, W a row; s_{l-1}, ``s_pre`` in the code, are the spikes of the layer below):


def impulse(W, s_pre, alpha):
    """I = α · W s_{l-1}."""
    return alpha * (W @ s_pre)


def integrate(v, I, decay):
    """v = decay · v + I."""
    return decay * v + I


def fire(v, beta):
    """s = (v ≥ β)."""
    return v >= beta


def reset(v, s):
    """v = 0 where the neuron fired."""
    return np.where(s, 0.0, v)


# %%
# All steps of one layer:


def run(W, s_0, alpha, beta, decay=0.999, c=0.0):
    """Spikes and membranes before the reset, (n_steps, n_1) each; c is a constant current."""
    v = np.zeros(len(W))
    spikes, membranes = [], []
    for s in s_0:
        v = integrate(v, impulse(W, s, alpha) + c, decay)
        membranes.append(v)
        spikes.append(fire(v, beta))
        v = reset(v, spikes[-1])
    return np.array(spikes), np.array(membranes)


# %%
# *May be skipped: one of 300 neurons, and plotting.*

W = rng.uniform(-0.3, 0.3, (300, 100))  # 300 neurons, each with its own weights
z = W @ x
one = int(np.argsort(z)[-20])  # one of those with a large w·x
spikes, v = run(W[[one]], s_0[:150], alpha=1.0, beta=2.0)

figure, (top, axes) = plt.subplots(
    2, 1, figsize=(7, 3.8), height_ratios=[1, 2], sharex=True, layout="constrained"
)
top.plot(*np.nonzero(s_0[:150, x > 0]), "|", color="black", markersize=3)
top.set(ylabel="input spikes", yticks=[])
axes.plot(v[:, 0], color=BLUE, label="membrane v")
axes.axhline(2.0, color=RED, linestyle="--", label="threshold β")
axes.plot(np.flatnonzero(spikes), v[spikes], "v", color=RED, label="spike; v becomes 0")
axes.set(xlabel="step", ylabel="v", ylim=(-1.2, 4.6))
axes.legend(loc="upper right", ncols=3, fontsize=9)

# %%
# Rates that follow activations
# -----------------------------
# On average the impulse is α · k_0 · w·x per step. If it is positive, the membrane rises by that
# much a step and needs β / (α · k_0 · w·x) steps to the threshold. So the rate should be (α/β) ·
# k_0 · relu(w·x) spikes per step. Now the curve, for three thresholds:

# %%
# *May be skipped: plotting, and the slope.*

figure, panels = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
rates = {}
for panel, beta in zip(panels, (0.1, 2.0, 400.0), strict=True):
    spikes, _ = run(W, s_0, alpha=1.0, beta=beta)
    rates[beta] = spikes.mean(axis=0)
    panel.plot(z, rates[beta], ".", color=BLUE, label="neurons")
    line = k_0 / beta * np.maximum(np.sort(z), 0)
    panel.plot(np.sort(z), line, "--", color=RED, label="(α/β) · k_0 · relu(w·x)")
    panel.set(title=f"β = {beta:g}, α = 1", xlabel="w·x")
    panel.set_ylim(-0.03 * max(rates[beta].max(), 0.001), 1.4 * max(rates[beta].max(), 0.001))
panels[0].set_ylabel("spikes per step")
panels[0].legend(loc="upper left", fontsize=8)

on = z > 0
correlation = np.corrcoef(rates[2.0], np.maximum(z, 0))[0, 1]
slope = rates[2.0][on] @ z[on] / (z[on] @ z[on])  # by least squares
print(f"β = 2: correlation of rate and activation {correlation:.3f}")
print(
    f"       slope {slope:.4f} in place of k_0 · α/β = {k_0 / 2:.4f}: {slope / (k_0 / 2) - 1:+.0%}"
)
print(f"β = 0.1: the largest rate is {rates[0.1].max():.2f}, on the line {k_0 * z.max() / 0.1:.1f}")
print(f"β = 400: {np.sum(rates[400.0] > 0)} of 300 neurons ever fire")
assert correlation > 0.98 and rates[0.1].max() < 1 and not rates[400.0].any()

# %%
# **The answer.** With a threshold in between it is nearly a straight line, and neurons with w·x < 0
# hardly fire: the relu follows from a threshold and a membrane that may go below 0. The slope
# is a little smaller than expected, because at a reset what was above the threshold is lost, and
# because of the leak.
#
# - Threshold too low: the rate bends. A neuron cannot fire more than once a step, and at each spike
#   most of the membrane is lost. Large activations are no longer told apart. And neurons
#   with w·x < 0 fire, too, when the first spikes are by chance those with positive weights.
# - Threshold too high: *nothing* fires, however long you wait. The leak takes away
#   (1 - decay) · v per step, so v stops at α · k_0 · w·x / (1 - decay). A threshold above that is
#   never reached. **This is a silent layer, the most common failure of a sleep**: nothing fires,
#   so nothing changes, in this layer and in all above.

# %%
# *May be skipped: a sleep says so itself.* (Chapter 6 explains the table.)

print(f"v ends at most near {k_0 * z.max() / 0.001:.0f}; fluctuations are small beside that")
W_two = [W.astype(np.float32), rng.uniform(-0.3, 0.3, (4, 300)).astype(np.float32)]
config = srcnb.SleepConfig(n_steps, alpha=[1, 1], beta=[900, 1], inc=0.01, dec=0.001)
print(srcnb.simulate(W_two, s_0, config))

# %%
# Only β/α matters
# ----------------
# v starts at 0 and is reset to 0, and in between everything is linear. So if α and β of a layer are
# both multiplied by 2, each v doubles, and so does the threshold it is compared with: the same
# spikes, exactly. (With a factor that is no power of 2 numbers are rounded differently, and a
# membrane that is within rounding of its threshold may fire a step earlier or later.) Only θ = β/α
# counts, the threshold in units of summed weights. The paper has seven constants for three layers:
# max_rate, inc, dec (chapter 4), a β for each layer, and a scale for all α. They are really six.
#
# With a constant current c that is added to v at each step, c must be multiplied as well: α = 1,
# β = 2 and c = 0.01 give the same spikes as α = 2, β = 4 and c = 0.02, and not those of α = 2,
# β = 4 and c = 0.01. Such currents are how biases take part (exercise 1).

# %%
# *May be skipped: both claims, checked.*

once, _ = run(W, s_0, alpha=1.0, beta=2.0)
twice, _ = run(W, s_0, alpha=2.0, beta=4.0)
np.testing.assert_array_equal(once, twice)

once, _ = run(W, s_0, alpha=1.0, beta=2.0, c=0.01)
twice, _ = run(W, s_0, alpha=2.0, beta=4.0, c=0.02)
not_doubled, _ = run(W, s_0, alpha=2.0, beta=4.0, c=0.01)
np.testing.assert_array_equal(once, twice)
assert (once != not_doubled).any()

# %%
# The same from the library
# -------------------------
# *This section may be skipped.*
#
# ``srcnb/spiking/reference.py`` has these functions under the same names. (Its ``integrate`` also
# takes the current.) Bit for bit:

from srcnb.spiking import reference

v, s_pre = rng.normal(size=300), s_0[5]
I = impulse(W, s_pre, 1.5)
np.testing.assert_array_equal(I, reference.impulse(W, s_pre, 1.5))
v = integrate(v, I, 0.999)
np.testing.assert_array_equal(
    integrate(v, I, 0.999), reference.integrate(v, I, 0.999, np.zeros(300))
)
s = fire(v, 0.4)
np.testing.assert_array_equal(s, reference.fire(v, 0.4))
np.testing.assert_array_equal(reset(v, s), reference.reset(v, s))

# %%
# Exercise 1: a bias
# ------------------
# A neuron with a bias has the activation relu(w·x + b). Which constant current c, added to v at
# each step, makes its rate follow that? Write ``current(b, alpha, k_0)``. ``check_1`` compares it
# with a bias that comes as spikes: 100 more pixels that are on in every image, each with the weight
# b/100.


def check_1(current):
    """Whether the current changes rates as much as 100 pixels with x = 1 and weights b/100."""
    alpha, beta, b = 1.5, 3.0, rng.uniform(-1, 1, 300)
    rate, _ = run(W, s_0, alpha, beta)
    with_current, _ = run(W, s_0, alpha, beta, c=current(b, alpha, k_0))
    s_more = draw_spikes(np.ones((n_steps, 100)), rng.random((n_steps, 100)), k_0)
    W_more = np.repeat(b[:, None] / 100, 100, axis=1)
    with_pixels, _ = run(np.hstack([W, W_more]), np.hstack([s_0, s_more]), alpha, beta)
    change, expected = (s.mean(axis=0) - rate.mean(axis=0) for s in (with_current, with_pixels))
    assert abs(change @ expected / (expected @ expected) - 1) < 0.05, "too much or too little"


# %%
# Exercise 2: the edge of silence
# -------------------------------
# Find the largest threshold at which neuron ``one`` fires at least once in ``s_0`` (α = 1). No
# search is needed.


def check_2(beta):
    """Whether the neuron fires at beta, and not at a slightly higher threshold."""
    assert run(W[[one]], s_0, 1.0, beta)[0].any()
    assert not run(W[[one]], s_0, 1.0, beta * (1 + 1e-9))[0].any()


# %%
# Solutions
# ---------
# .. admonition:: Solution of exercise 1
#    :collapsible: closed
#
#    The input w·x arrives as α · k_0 · w·x per step on average, so b must arrive in the same unit:
#
#    .. code-block:: python
#
#       check_1(lambda b, alpha, k_0: alpha * k_0 * b)
#
#    In layer l, k_{l-1} takes the place of k_0: the spikes per step of the layer below for an
#    activation of 1, which is the slope that was measured above, about k_{l-2} · α/β of that layer.
#
# .. admonition:: Solution of exercise 2
#    :collapsible: closed
#
#    Up to its first spike a neuron never resets. So let it never fire, and take the largest v:
#
#    .. code-block:: python
#
#       check_2(run(W[[one]], s_0, 1.0, np.inf)[1].max())

save_open("tutorial-figures", "3")
