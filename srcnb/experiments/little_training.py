"""Little training: 5000 images of all classes, few epochs, then a sleep."""

from dataclasses import replace
from functools import cache, partial

from numpy.random import SeedSequence

from srcnb import datasets, protocols, tasks
from srcnb.experiments.runner import Experiment, mean_sd

# By epochs. The source's training, at rate 0.01.
CONSTANTS = {
    10: (42.162268, 0.022175, 0.076886, 37.312702, 7.101362, 32.780841, 14.308178),
    20: (56.274254, 0.089164, 0.094930, 39.355043, 18.459940, 35.408674, 2.683161),
    40: (29.393650, 0.031111, 0.000001, 8.102056, 26.252258, 33.832234, 2.023822),
}
N_IMAGES, STEPS = 5000, 20000


@cache
def everything(data_dir):
    """All of MNIST as one task, whose capped part is the first 5000 images."""
    return tasks.domain_incremental([datasets.load("mnist", data_dir)], cap=N_IMAGES)


def run(condition, seed, source):
    """Accuracy on the test images and on all training images, before and after the sleep."""
    epochs = condition["epochs"]
    protocol = replace(
        protocols.matlab_protocol(),
        new_night=partial(protocols.MatlabNight, CONSTANTS[epochs], None, STEPS, 0),
    )
    [task] = everything(source.data_dir)
    net = protocol.new_network([task], seed)
    net.fit(task.X, task.y, **{**protocol.training, "epochs": epochs, "learning_rate": 0.01})
    # As in the source the sleep input and α are of all images, not only of the 5000.
    night = protocol.new_night()
    night.learn(task)
    slept = night.sleep(net, 1, SeedSequence([seed, 1]))
    for phase, model in (("train", net), ("sleep", slept)):
        for images, X, y in (
            ("test", task.X_test, task.y_test),
            ("training", task.X_all, task.y_all),
        ):
            accuracy = 100 * float((model.predict(X) == y).mean())
            yield {"phase": phase, "images": images, "accuracy": accuracy}


def table(results):
    """Accuracy before and after the sleep."""
    names = {"train": "before sleep", "sleep": "after sleep"}
    results = results.assign(phase=results["phase"].map(names))
    return mean_sd(results, ["epochs", "images"], ["phase"])


EXPERIMENT = Experiment(
    "little-training",
    "10, 20 or 40 epochs on 5000 images of all classes, before and after a sleep",
    [{"epochs": epochs} for epochs in CONSTANTS],
    run,
    table,
)
