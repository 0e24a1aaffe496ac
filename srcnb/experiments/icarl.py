"""iCaRL with and without sleep: memory, epochs, its exemplars, and both of its classifiers."""

from dataclasses import replace
from functools import partial

from srcnb import protocols
from srcnb.experiments.class_incremental import five_tasks, shuffled_pairs
from srcnb.experiments.runner import Experiment, at_the_end, mean_sd, measurements
from srcnb.methods import icarl

CLASSIFIERS = ("nearest_mean", "head")
# Published for memories of 100 to 500, and of more.
SMALL = (114.365720, 0.042289, 0.005498, 38.451454, 22.198208, 6.893450, 4.253433)
LARGE = (27.393650, 0.019093, 0.060217, 9.625520, 34.737610, 31.296881, 2.023822)
# By herding everywhere; at random as well where the memory is so small that it matters.
CONDITIONS = [
    {"memory": memory, "exemplars": exemplars, "epochs": epochs, "sleeps": sleeps}
    for memory, exemplars in [
        (100, "herding"),
        (100, "random"),
        (1000, "herding"),
        (2000, "herding"),
    ]
    for epochs in (1, 2, 4, 10)
    for sleeps in (False, True)
]


def run(condition, seed, source):
    """Measurements of both classifiers after the last task and its sleep."""
    memory = condition["memory"]
    base = protocols.matlab_protocol()
    protocol = replace(
        base,
        network={**base.network, "output": "softmax"},
        training={**base.training, "epochs": condition["epochs"]},
        new_night=partial(protocols.MatlabNight, SMALL if memory <= 500 else LARGE),
    )
    # The pairs of classes come in a random order, as in the source.
    sequence = five_tasks("mnist", source.data_dir, order=shuffled_pairs(10, seed))
    for stage, phase, model in icarl.run(
        sequence,
        protocol,
        seed,
        sleeps=condition["sleeps"],
        memory=memory,
        selection=condition["exemplars"],
    ):
        if stage < len(sequence):
            continue
        for classifier in CLASSIFIERS:
            one = [(stage, phase, getattr(model, classifier))]
            for row in measurements(one, sequence):
                yield {"classifier": classifier, **row}


def table(results):
    """Accuracy over all classes at the end, both classifiers."""
    last = at_the_end(results, [*CONDITIONS[0], "classifier"])
    names = {"nearest_mean": "nearest mean", "head": "softmax head"}
    sleeps = last["sleeps"].map({False: "iCaRL", True: "iCaRL + src"})
    last = last.assign(what=sleeps + ", " + last["classifier"].map(names))
    return mean_sd(last, ["memory", "exemplars", "epochs"], ["what"])


EXPERIMENT = Experiment(
    "icarl",
    "iCaRL on MNIST: memory, exemplars, epochs; with and without sleep; both classifiers",
    CONDITIONS,
    run,
    table,
)
