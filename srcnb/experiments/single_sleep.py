"""One sleep under the magnifying glass: how accuracy changes in it, and how late it may come."""

from numpy.random import SeedSequence

from srcnb import protocols
from srcnb.experiment import measure
from srcnb.experiments.class_incremental import five_tasks
from srcnb.experiments.runner import Experiment, mean_sd, measurements

# One sleep is followed through 35,000 steps. Nearly all of it happens in its beginning, so that the
# looks are the further apart the later they come.
STEPS, EVERY = 35000, 20


def worth_a_look(step):
    """Every 20 steps up to 100, every 100 up to 2500, every 2500 to the end."""
    return step <= 100 or (step <= 2500 and step % 100 == 0) or step % 2500 == 0


def tasks_in_a_row(seed, source):
    """Yield (stage, network, its night, tasks) of sequential training: it never sleeps."""
    protocol = protocols.matlab_protocol()
    sequence = five_tasks("mnist", source.data_dir, protocol.cap)
    net, night = protocol.new_network(sequence, seed), protocol.new_night()
    for stage, task in enumerate(sequence, 1):
        net.fit(task.X, task.y, **protocol.training)
        night.learn(task)
        yield stage, net, night, sequence


def run_single(condition, seed, source):
    """Measurements before and after one sleep, the only one, after each number of tasks.

    It is as long as the sleep after that task is in src: 5000 steps more for each task.
    """
    for stage, net, night, sequence in tasks_in_a_row(seed, source):
        slept = night.sleep(net, stage, SeedSequence([seed, stage]))
        yield from measurements([(stage, "train", net), (stage, "sleep", slept)], sequence)


def run_during(condition, seed, source):
    """Measurements at many moments of the first sleep of a network that has learnt it all."""
    *_, (stage, net, night, sequence) = tasks_in_a_row(seed, source)
    rows = []

    def look(step, net):
        if worth_a_look(step):
            for task, accuracy in measure(net, sequence).items():
                rows.append({"step": step, "task": task, "accuracy": accuracy})

    look(0, net)
    night.first_steps, night.more_steps = STEPS, 0
    night.sleep(net, stage, SeedSequence([seed, stage]), callback=look, every=EVERY)
    return rows


def table_single(results):
    """Accuracy on each task before and after the sleep, against the tasks learnt in a row."""
    names = {"train": "before", "sleep": "after"}
    results = results.assign(sleep=results["phase"].map(names))
    return mean_sd(results, ["stage", "sleep"], ["task"])


def table_during(results):
    """Accuracy against steps asleep; of the first 2500, some."""
    shown = [*range(0, 101, EVERY), 200, 300, 500, 1000, 1500, 2000]
    chosen = results["step"].isin(shown) | (results["step"] % 2500 == 0)
    return mean_sd(results[chosen], ["step"], ["task"])


EXPERIMENTS = (
    Experiment(
        "single-sleep",
        "MNIST: one sleep only, after 1 … 5 tasks in a row",
        [{"method": "src"}],
        run_single,
        table_single,
    ),
    Experiment(
        "during-sleep",
        "MNIST: accuracy every 20, 100 and 2500 steps of one sleep after five tasks in a row",
        [{"method": "src"}],
        run_during,
        table_during,
    ),
)
