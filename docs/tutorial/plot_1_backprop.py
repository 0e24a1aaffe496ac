"""
1. A network and its backprop
=============================

This chapter builds the network that will learn, forget and sleep in the others: forward pass,
gradient and training, in NumPy, from nothing. At the end it is compared with ``srcnb.MLP``.

*The algorithm* of these chapters is sleep replay consolidation (SRC): between tasks a trained
network runs for a while as a spiking one on noise made from images (its *sleep*), and a local rule
changes its weights. *The paper* is Tadros, Krishnan, Ramyaa, Bazhenov, Nature Communications 2022
(doi 10.1038/s41467-022-34938-7), with its authors' code; *the replica* is a PyTorch implementation.

What says *May be skipped* is not on the one-hour path (``docs/tutorial/README.md``); nor are the
exercises, with solutions at the end of each chapter.

**The question.** You have written a gradient by hand. To check it you move one weight by ±h and
look at how much the loss changes: (loss(w + h) - loss(w - h)) / 2h must be the gradient. How small
should h be?

**Your guess,** before you go on: is h = 1e-2, 1e-5 or 1e-12 the best of the three, in numbers of
64 bits?
"""

# %%
# *May be skipped: imports.*

import matplotlib.pyplot as plt
import numpy as np

import srcnb
from srcnb.experiments.patches import images
from srcnb.plotting import save_open

# %%
# The images
# ----------
# Four images of 10×10 pixels with 25 pixels on each. Of these, ``overlap`` pixels are on in *all*
# images, the others in one only. Images 0 and 1 will be task 1, images 2 and 3 task 2. Each image
# is a row of 100 numbers.

overlap = 17
X = images(overlap, np.random.default_rng(0)).astype(np.float64)
y = np.arange(4)

# %%
# *May be skipped: plotting.*

figure, panels = plt.subplots(1, 4, figsize=(8, 2.8), layout="constrained")
for i, panel in enumerate(panels):
    shared = X.sum(axis=0) == 4
    panel.imshow((X[i] + (X[i] * shared)).reshape(10, 10), cmap="cividis", vmin=0, vmax=2)
    panel.set(xticks=[], yticks=[], title=f"image {i}, task {1 + i // 2}")
figure.supxlabel("yellow: on in all images, grey: on in this one only, dark: off", fontsize=10)

# %%
# The forward pass
# ----------------
# Layer l has weights W_l, an array (n_l, n_{l-1}): a row for each neuron of the layer, a column for
# each neuron below. So W_l[i, j] is the weight from neuron j (*pre*) to neuron i (*post*). The same
# letters are used in all chapters. (In code a list of layers counts from 0: ``W[0]`` is W_1.)
#
# - Inputs of a layer: z_l = a_{l-1} W_lᵀ, for a batch of n rows at once.
# - Hidden layers: a_l = relu(z_l) = max(z_l, 0).
# - The last layer: softmax, e^z over the sum of all e^z, so that outputs are probabilities. (The
#   largest z is taken off first, which changes nothing but avoids overflow.)
#
# There are no biases: paper and replica do without.


def forward(X, W):
    """Activations [a_0, …, a_L] of a batch X (n, n_0)."""
    a = [X]
    for W_l in W:
        z = a[-1] @ W_l.T
        a.append(np.maximum(z, 0))
    e = np.exp(z - z.max(axis=1, keepdims=True))
    a[-1] = e / e.sum(axis=1, keepdims=True)
    return a


def loss(X, y, W):
    """Cross-entropy: minus the log of the probability of the right class, mean over the batch."""
    return -np.log(forward(X, W)[-1][np.arange(len(X)), y]).mean()


# %%
# The gradient
# ------------
# How much does the loss change with each weight? Start at the top and go down, by the chain rule.
#
# - At the inputs of the softmax, δ_L = ∂loss/∂z_L = (a_L - y) / n, with y as 1 for the right class
#   and 0 for the others: what the network says minus what it should say, over the n rows of the
#   batch, as the loss is their mean. (Softmax and cross-entropy belong together because this comes
#   out so simply.)
# - z_l = a_{l-1} W_lᵀ, so ∂loss/∂W_l = δ_lᵀ a_{l-1}: the error above times the activity below.
# - One layer down: δ_{l-1} = δ_l W_l, times the derivative of relu, which is 1 where a_{l-1} > 0
#   and 0 elsewhere. A hidden unit that is off gets no gradient.


def gradients(X, y, W):
    """∂loss/∂W_l for each layer, in a list like W."""
    a = forward(X, W)
    delta = (a[-1] - np.eye(len(W[-1]))[y]) / len(X)
    found = []
    for layer in range(len(W) - 1, -1, -1):
        found.insert(0, delta.T @ a[layer])
        delta = (delta @ W[layer]) * (a[layer] > 0)
    return found


# %%
# The check
# ---------
# A network of 100-20-4 neurons with random weights. For some weights of its first layer, compare
# the gradient with the difference (loss(w + h) - loss(w - h)) / 2h, for many h.


def difference(W, layer, i, j, h):
    """The slope of the loss in W[layer][i, j], from two losses."""
    kept = W[layer][i, j]
    losses = []
    for w in (kept + h, kept - h):
        W[layer][i, j] = w
        losses.append(loss(X, y, W))
    W[layer][i, j] = kept
    return (losses[0] - losses[1]) / (2 * h)


# %%
# *May be skipped: the loop over h, and plotting.*

rng = np.random.default_rng(1)
W = [rng.uniform(-0.1, 0.1, (20, 100)), rng.uniform(-0.2, 0.2, (4, 20))]
exact = gradients(X, y, W)
some = [(0, i, j) for i in range(0, 20, 4) for j in np.flatnonzero(X.any(axis=0))[::8]]
hs = 10.0 ** np.arange(-14, 0)
errors = [
    np.linalg.norm([difference(W, *index, h) - exact[0][index[1:]] for index in some])
    / np.linalg.norm([exact[0][index[1:]] for index in some])
    for h in hs
]

figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
axes.loglog(hs, errors, "o-", color="#0072B2")
axes.set(xlabel="h", ylabel="relative error of the difference")
axes.grid(alpha=0.3)
error_at = dict(zip(np.round(np.log10(hs)).astype(int).tolist(), errors, strict=True))
for power in (-2, -5, -12):
    print(f"relative error at h = 1e{power}: {error_at[power]:.0e}")
assert error_at[-5] < 1e-8 and min(error_at[-2], error_at[-12]) > 1e-5

# %%
# **The answer.** 1e-5. A large h gives the slope of a chord, not of the curve: its error grows like
# h², and more where a relu is switched on or off in between. A small h is lost in rounding: two
# losses of about 1 differ in their last digits only, and that difference is divided by a small
# number. From 1e-6 to 1e-3 both errors are small. A gradient with a mistake in it is off at *every*
# h, as the next section shows.

# %%
# A gradient with a mistake
# -------------------------
# *This section may be skipped.*
#
# Leave out the derivative of relu, and compare again: no h makes it right.

a = forward(X, W)
delta = (a[-1] - np.eye(4)[y]) / len(X)
wrong = (delta @ W[1]).T @ X  # without · (a_1 > 0)
numeric = np.array([difference(W, *index, 1e-5) for index in some])
error = np.linalg.norm(numeric - [wrong[index[1:]] for index in some]) / np.linalg.norm(numeric)
print(f"relative error without the relu's derivative: {error:.2f}")
assert error > 0.1

# %%
# Training
# --------
# *This section may be skipped.*
#
# Gradient descent with momentum: v = momentum · v + rate · gradient, then W -= v. The images
# are taken in a random order, two at a time.


def fit(X, y, W, epochs, rng, batch_size=2, rate=0.05, momentum=0.5):
    """Train W, in place."""
    v = [np.zeros_like(W_l) for W_l in W]
    for _ in range(epochs):
        order = rng.permutation(len(X))
        for start in range(0, len(X), batch_size):
            batch = order[start : start + batch_size]
            for W_l, v_l, gradient in zip(W, v, gradients(X[batch], y[batch], W), strict=True):
                v_l *= momentum
                v_l += rate * gradient
                W_l -= v_l


def accuracy(X, y, W):
    """The share of images whose largest output is the right one."""
    return np.mean(forward(X, W)[-1].argmax(axis=1) == y)


print(f"before: loss {loss(X, y, W):.3f}, accuracy {accuracy(X, y, W):.0%}")
fit(X, y, W, epochs=50, rng=rng)
print(f"after:  loss {loss(X, y, W):.3f}, accuracy {accuracy(X, y, W):.0%}")
assert accuracy(X, y, W) == 1

# %%
# All four images are learnt when they are learnt together. (This is *joint training*, the upper
# bound for this network: what it can do when nothing has to be kept.)
#
# The same from the library
# -------------------------
# *This section may be skipped.*
#
# ``srcnb.MLP`` is this network, with options (biases, dropout, float32, other outputs) and
# checks of what it is given. Its ``weights`` have the same shapes. With the same random numbers it
# learns the same weights, but for rounding:

net = srcnb.MLP((100, 20, 4), output="softmax", init=0.1, dtype="float64", random_state=3)
own = [w.copy() for w in net.weights]
for mine, its in zip(gradients(X, y, own), net.gradients(X, y).weights, strict=True):
    np.testing.assert_allclose(mine, its, rtol=1e-12, atol=1e-16)

rng = np.random.default_rng(3)  # the library drew its weights from this one, and goes on with it
for w in own:
    rng.uniform(-0.1, 0.1, w.shape)
net.fit(X, y, epochs=20, batch_size=2, learning_rate=0.05, momentum=0.5)
fit(X, y, own, epochs=20, rng=rng)
for mine, its in zip(own, net.weights, strict=True):
    np.testing.assert_allclose(mine, its, rtol=1e-9, atol=1e-12)


# %%
# From here on we use ``srcnb.MLP``. In chapter 2 the tasks come one after the other.
#
# Exercise 1: another hidden layer
# --------------------------------
# With tanh in place of relu, a_l = tanh(z_l), one line of ``gradients`` changes: what is it that
# the error is multiplied by on its way down? Write a function of the activation a (not of z).
# ``check_1`` compares it with differences.


def check_1(slope):
    """Whether slope(a) is the derivative of tanh at z, where a = tanh(z)."""
    z = np.linspace(-2, 2, 9)
    numeric = (np.tanh(z + 1e-5) - np.tanh(z - 1e-5)) / 2e-5
    np.testing.assert_allclose(slope(np.tanh(z)), numeric, rtol=1e-6)


# %%
# Exercise 2: weight decay
# ------------------------
# Add ½ · l2 · (sum of all squared weights) to the loss. Write ``decayed(X, y, W, l2)``, the
# gradients of that, from ``gradients``. ``check_2`` compares it with the library, which has ``l2``.


def check_2(decayed):
    """Whether decayed(X, y, W, l2) is what srcnb.MLP computes with l2."""
    net = srcnb.MLP((100, 20, 4), dtype="float64", l2=0.3, random_state=0)
    found = decayed(X, y, net.weights, 0.3)
    for mine, its in zip(found, net.gradients(X, y).weights, strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-9, atol=1e-12)


# %%
# Solutions
# ---------
# .. admonition:: Solution of exercise 1
#    :collapsible: closed
#
#    The derivative of tanh(z) is 1 - tanh(z)², so with a at hand nothing has to be computed anew:
#
#    .. code-block:: python
#
#       check_1(lambda a: 1 - a**2)
#
# .. admonition:: Solution of exercise 2
#    :collapsible: closed
#
#    The derivative of ½ · l2 · w² is l2 · w:
#
#    .. code-block:: python
#
#       def decayed(X, y, W, l2):
#           return [g + l2 * w for g, w in zip(gradients(X, y, W), W)]
#
#       check_2(decayed)

# A script saves its pictures; on the page and in a notebook they are shown.
save_open("tutorial-figures", "1")
