"""Make docs/sleep.html, one sleep to play with, from traces of srcnb: one file, no network.

``python docs/make_sleep_page.py`` takes about a minute. A small network, 100-12-4, learns four
overlapping patches in two tasks and sleeps once, with each of three seeds and three gates.
The page shows what ``srcnb.trace`` recorded, rounded to the units below, and computes nothing that
the library computes. Its text, style and code are in docs/sleep_page.
"""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import srcnb
from srcnb.experiments.patches import N_IMAGES, N_PIXELS, images
from srcnb.io import PathLike, replacing
from srcnb.spiking.config import GATES
from srcnb.spiking.reference import GATE_FUNCTIONS

HERE = Path(__file__).parent
PAGE, PARTS = HERE / "sleep.html", HERE / "sleep_page"
SEEDS = (0, 1, 2)
# The constants below were chosen on seeds 10 to 15; these are for the mean and sd on the page.
MORE_SEEDS = tuple(range(20, 40))
SIZES, TASKS, OVERLAP = (N_PIXELS, 12, N_IMAGES), ((0, 1), (2, 3)), 12
# Copies of each image, to learn from and to test on, and the share of their pixels that differ.
COPIES, NOISE = 100, 0.1
CONFIG = srcnb.SleepConfig(
    n_steps=300, alpha=(1, 1), beta=(5, 1.5), inc=0.01, dec=0.005, max_rate=120
)
EVERY = 10  # steps between two looks at the accuracy
# What the integers on the page count: weights in 1/10,000, membranes and impulses in 1/1000.
W_UNIT, V_UNIT = 1e-4, 1e-3


@dataclass(frozen=True)
class Learnt:
    """A network that has learnt both tasks, one after the other, before it sleeps.

    Attributes
    ----------
    seed : int
    net : MLP, float32
    patches : (4, 100), the images without noise
    new : (n, 100), the images of the second task that it learnt from
    tests : for each task (X, y), noisy images that it has not seen
    after_first : accuracy on the first task when only that had been learnt
    """

    seed: int
    net: srcnb.MLP
    patches: np.ndarray
    new: np.ndarray
    tests: list[tuple[np.ndarray, np.ndarray]]
    after_first: float

    def accuracies(self, net: srcnb.MLP) -> list[float]:
        """Accuracy on the old and the new task, in [0, 1]."""
        return [float(np.mean(net.predict(X) == y)) for X, y in self.tests]

    def sleep_input(self) -> srcnb.MeanInput:
        """The mean of the four images: all that is kept of the old task."""
        sleep_input = srcnb.MeanInput()
        sleep_input.update(self.patches)
        return sleep_input


def learn(seed: int) -> Learnt:
    """Two tasks of two images each, learnt from noisy copies."""
    rng = np.random.default_rng(seed)
    patches = images(OVERLAP, rng)

    def noisy(classes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        y = np.repeat(classes, COPIES)
        X = patches[y]
        return np.where(rng.random(X.shape) < NOISE, 1 - X, X), y

    training, tests = ([noisy(classes) for classes in TASKS] for _ in range(2))
    net = srcnb.MLP(SIZES, dtype="float64", random_state=seed)
    accuracies = []
    for X, y in training:
        net.fit(X, y, epochs=3, batch_size=10, learning_rate=0.05, momentum=0.5)
        accuracies.append(float(np.mean(net.predict(tests[0][0]) == tests[0][1])))
    # Rounded, so that a processor on which sums round otherwise has the same sleep.
    weights = [(np.round(W * 1024) / 1024).astype(np.float32) for W in net.weights]
    net = srcnb.MLP.from_arrays(weights)
    return Learnt(seed, net, patches, training[1][0], tests, accuracies[0])


def config_of(gate: str) -> srcnb.SleepConfig:
    """The constants of the sleep, the same for all seeds and gates."""
    return replace(CONFIG, gate=gate)


def trace_of(learnt: Learnt, gate: str) -> srcnb.Trace:
    """The sleep, all of its neurons watched."""
    neurons = {layer: range(SIZES[layer]) for layer in (1, 2)}
    return srcnb.trace(
        learnt.net, learnt.sleep_input(), config_of(gate), learnt.seed, neurons=neurons
    )


def accuracies_of(learnt: Learnt, config: srcnb.SleepConfig) -> tuple[list[Any], list[Any]]:
    """During the same sleep: accuracies (old, new), and the answers to the four images."""
    accuracies, answers = [], []

    def look(step: int, net: srcnb.MLP) -> None:
        accuracies.append(learnt.accuracies(net))
        answers.append(net.predict(learnt.patches).tolist())

    look(0, learnt.net)
    srcnb.sleep(learnt.net, learnt.sleep_input(), config, learnt.seed, callback=look, every=EVERY)
    return accuracies, answers


def at_the_end(learnt: Learnt, config: srcnb.SleepConfig) -> list[float]:
    """Accuracies (old, new) after a sleep."""
    return learnt.accuracies(srcnb.sleep(learnt.net, learnt.sleep_input(), config, learnt.seed).net)


def without_sleep(learnt: Learnt) -> list[float]:
    """The control: outputs brought to one scale, with masked images of the new task."""
    classes = range(N_IMAGES)
    even = srcnb.homeostasis(learnt.net, learnt.new, classes, keep=0.3, random_state=learnt.seed)
    return learnt.accuracies(even)


def packed(values: Any, dtype: str, unit: float = 1) -> str:
    """Numbers as little-endian integers that count ``unit``, in base64."""
    rounded = np.round(np.asarray(values, np.float64) / unit)
    limits = np.iinfo(dtype)
    if rounded.size and not (limits.min <= rounded.min() and rounded.max() <= limits.max):
        raise ValueError(f"values must fit {dtype} in units of {unit}, got {rounded.max()}")
    return base64.b64encode(rounded.astype(np.dtype(dtype).newbyteorder("<")).tobytes()).decode()


def packed_spikes(spikes: pd.DataFrame, layer: int) -> dict[str, str]:
    """Steps and neurons of the spikes of a layer."""
    of_layer = spikes[spikes["layer"] == layer]
    return {
        "step": packed(of_layer["step"], "uint16"),
        "neuron": packed(of_layer["neuron"], "uint8"),
    }


def rows_after(trace: srcnb.Trace, W: np.ndarray, layer: int) -> np.ndarray:
    """The weights of each neuron that fires, after it did: (n_spikes, n_pre), spike by spike."""
    W = W.copy()
    changes = trace.changes(layer)
    by_spike = dict(iter(changes.groupby(["step", "neuron"])))
    spikes = trace.membranes(layer).query("spike")
    rows = []
    for step, neuron in zip(spikes["step"], spikes["neuron"], strict=True):
        changed = by_spike.get((step, neuron))
        if changed is not None:
            W[neuron, changed["pre"]] = changed["after"]
        rows.append(W[neuron].copy())
    return np.array(rows).reshape(len(rows), W.shape[1])


def packed_trace(learnt: Learnt, gate: str) -> tuple[dict[str, Any], dict[str, str]]:
    """One sleep as the page reads it; and its input spikes, which are those of all gates."""
    trace = trace_of(learnt, gate)
    spikes = trace.spikes()
    layers = []
    for layer in (1, 2):
        membranes = trace.membranes(layer)
        rows = rows_after(trace, learnt.net.weights[layer - 1], layer)
        layers.append(
            {
                "spikes": packed_spikes(spikes, layer),
                "membrane": packed(membranes["membrane"], "int32", V_UNIT),
                "impulse": packed(membranes["impulse"], "int32", V_UNIT),
                "after": packed(rows, "int16", W_UNIT),
            }
        )
    accuracies, answers = accuracies_of(learnt, config_of(gate))
    sleep = {
        "layers": layers,
        "accuracy": accuracies,
        "answers": answers,
        "onlyDec": at_the_end(learnt, replace(config_of(gate), inc=0)),
    }
    return sleep, packed_spikes(spikes, 0)


def packed_seed(seed: int) -> dict[str, Any]:
    """A network and its sleeps with each gate."""
    learnt = learn(seed)
    sleeps, inputs = zip(*(packed_trace(learnt, gate) for gate in GATES), strict=True)
    if any(spikes != inputs[0] for spikes in inputs):
        raise RuntimeError(f"the gates of seed {seed} must have the same input spikes")
    return {
        "seed": seed,
        "images": ["".join(str(int(x)) for x in image) for image in learnt.patches],
        "weights": [packed(W, "int16", W_UNIT) for W in learnt.net.weights],
        "input": inputs[0],
        "afterFirst": learnt.after_first,
        "homeostasis": without_sleep(learnt),
        "sleeps": dict(zip(GATES, sleeps, strict=True)),
    }


def mean_sd(values: Iterable[list[float]]) -> list[list[float]]:
    """[mean, sd] of the old task, and of the new one."""
    table = np.array(list(values))
    return np.stack([table.mean(axis=0), table.std(axis=0, ddof=1)], axis=1).round(4).tolist()


def over_more_seeds() -> dict[str, Any]:
    """Accuracies of further seeds: before the sleep, after it, and of the controls."""
    more = [learn(seed) for seed in MORE_SEEDS]
    return {
        "n": len(more),
        "before": mean_sd(learnt.accuracies(learnt.net) for learnt in more),
        "homeostasis": mean_sd(without_sleep(learnt) for learnt in more),
        "sleeps": {g: mean_sd(at_the_end(one, config_of(g)) for one in more) for g in GATES},
        "onlyDec": {
            g: mean_sd(at_the_end(one, replace(config_of(g), inc=0)) for one in more) for g in GATES
        },
    }


def gate_curves() -> dict[str, list[list[float]]]:
    """(w, g(w)) of each gate over the weights that occur, for a picture."""
    w = np.unique(np.concatenate([np.linspace(-1, 1, 41), np.linspace(-0.01, 0.01, 41)]))
    return {
        gate: np.stack([w, GATE_FUNCTIONS[gate](w)], axis=1).round(4).tolist() for gate in GATES
    }


def page_data(seeds: Iterable[int] = SEEDS) -> dict[str, Any]:
    """All that the page shows, but for the further seeds."""
    names = ("n_steps", "alpha", "beta", "inc", "dec", "decay", "max_rate", "dt", "gate_width")
    return {
        "config": {name: getattr(CONFIG, name) for name in names},
        "sizes": SIZES,
        "overlap": OVERLAP,
        "every": EVERY,
        "copies": COPIES,
        "noise": NOISE,
        "units": {"w": W_UNIT, "v": V_UNIT},
        "gates": gate_curves(),
        "seeds": [packed_seed(seed) for seed in seeds],
    }


def page(data: dict[str, Any]) -> str:
    """The page: template, style and code in one, with the data as JSON."""
    text = (PARTS / "template.html").read_text(encoding="utf-8")
    parts = {
        "style": (PARTS / "style.css").read_text(encoding="utf-8"),
        "code": (PARTS / "page.js").read_text(encoding="utf-8"),
        # "</" would end the element that holds it.
        "data": json.dumps(data, separators=(",", ":")).replace("</", "<\\/"),
    }
    for name, part in parts.items():
        before, after = text.split(f"/*{name}*/")
        text = before + part + after
    return text


def data_of(text: str) -> dict[str, Any]:
    """The data of a page that :func:`page` made."""
    return dict(json.loads(text.split('type="application/json">')[1].split("</script>")[0]))


def main(path: PathLike = PAGE) -> None:
    """Write the page."""
    text = page({**page_data(), "more": over_more_seeds()})
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    print(f"{path}: {len(text.encode()) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
