"""The rehearsal sweep: how much old data must be mixed in, with and without sleep."""

from dataclasses import replace
from functools import partial

from srcnb import protocols
from srcnb.experiments.class_incremental import five_tasks
from srcnb.experiments.runner import Experiment, at_the_end, mean_sd, measurements
from srcnb.methods import rehearsal

SHARES = (0.0, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
# The source has constants of its own at 10 %; at every other share the sleep is the one of MNIST.
AT_TEN_PERCENT = (21.0, 0.1, 0.000001, 22.259158, 0.318765, 0.0, 0.1)


def run(condition, seed, source):
    """Measurements after the last task and its sleep."""
    protocol = protocols.matlab_protocol()
    if condition["share"] == 0.1:
        protocol = replace(protocol, new_night=partial(protocols.MatlabNight, AT_TEN_PERCENT))
    sequence = five_tasks("mnist", source.data_dir)
    steps = rehearsal.run(
        sequence, protocol, seed, sleeps=condition["sleeps"], share=condition["share"]
    )
    return measurements(steps, sequence, first_stage=len(sequence))


def table(results):
    """Accuracy over all classes at the end."""
    last = at_the_end(results, ["share", "sleeps"])
    last = last.assign(
        rehearsed=[f"{100 * share:g} %" for share in last["share"]],
        sleeps=last["sleeps"].map({False: "rehearsal", True: "rehearsal + src"}),
    )
    return mean_sd(last, ["rehearsed"], ["sleeps"])


EXPERIMENT = Experiment(
    "rehearsal",
    "MNIST with a share of all earlier data mixed in, with and without sleep",
    [{"share": share, "sleeps": sleeps} for share in SHARES for sleeps in (False, True)],
    run,
    table,
)
