"""Patches: four tiny images, two tasks, one layer of weights; what overlap does to forgetting.

The source gives each image 100/6 - overlap pixels of its own, so that from an overlap of 16 on all
four are the same; here each has 25 pixels on, ``overlap`` of which are on in all four. Its two
epochs of task 2, a step of SGD each, can't undo the four of task 1: so there are more as well.
"""

from functools import partial

import numpy as np

from srcnb.asleep.dreams import MeanDream
from srcnb.experiments.runner import Experiment, mean_sd
from srcnb.mlp import MLP
from srcnb.protocols import MatlabNight
from srcnb.tasks import Dataset, class_incremental

N_PIXELS, N_ON, N_IMAGES = 100, 25, 4
CONSTANTS = (64, 0.0035, 0.0002, 1.045, 4.25)
TRAINING = dict(batch_size=2, learning_rate=0.05, momentum=0.5, reset_momentum=False)
FIRST_EPOCHS, SECOND_EPOCHS = 4, (2, 4, 20)
STEPS = 30000
OVERLAPS = (1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25)


def images(overlap, rng):
    """The four images, float32 (4, 100), their pixels in a random order."""
    X = np.zeros((N_IMAGES, N_PIXELS), np.float32)
    X[:, :overlap] = 1
    own = N_ON - overlap
    for i in range(N_IMAGES):
        X[i, overlap + i * own : overlap + (i + 1) * own] = 1
    return X[:, rng.permutation(N_PIXELS)]


def run(condition, seed, source):
    """Accuracy over the four images after task 1, after task 2, and after sleep."""
    X = images(condition["overlap"], np.random.default_rng([seed, 2]))
    labels = np.arange(N_IMAGES)
    data = Dataset("patches", X, labels, X, labels, N_IMAGES, (10, 10))
    net = MLP((N_PIXELS, N_IMAGES), output="softmax", init="matlab", random_state=seed)
    night = MatlabNight(CONSTANTS, MeanDream(), STEPS, 0)
    measure = partial(_measure, data)
    both_epochs = FIRST_EPOCHS, condition["epochs"]
    for stage, (task, epochs) in enumerate(
        zip(class_incremental(data), both_epochs, strict=True), 1
    ):
        net.fit(task.X, task.y, epochs=epochs, **TRAINING)
        night.learn(task)
        yield from measure(net, f"task {stage}")
    yield from measure(night.sleep(net, 1, np.random.SeedSequence([seed, 1])), "sleep")


def _measure(data, net, after):
    right = net.predict(data.X) == data.y
    for task, part in (("all", right), ("1", right[:2]), ("2", right[2:])):
        yield {"after": after, "task": task, "accuracy": 100 * float(part.mean())}


def table(results):
    """Accuracy over all images against the overlap."""
    results = results[results["task"] == "all"].rename(columns={"epochs": "epochs of task 2"})
    return mean_sd(results, ["epochs of task 2", "overlap"], ["after"])


EXPERIMENT = Experiment(
    "patches",
    "four tiny images: accuracy after task 1, task 2 and sleep, against their overlap",
    [{"epochs": e, "overlap": overlap} for e in SECOND_EPOCHS for overlap in OVERLAPS],
    run,
    table,
)
