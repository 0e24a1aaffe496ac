"""One sleep under the magnifying glass: how accuracy changes in it, and how late it may come."""

from numpy.random import SeedSequence

from srcnb import protocols
from srcnb.experiment import measure
from srcnb.experiments.class_incremental import five_tasks
from srcnb.experiments.runner import Experiment, mean_sd

EVERY = 2500


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
    """Measurements before and after one sleep, the only one, after each number of tasks."""
    for stage, net, night, sequence in tasks_in_a_row(seed, source):
        slept = night.sleep(net, stage, SeedSequence([seed, stage]))
        for phase, model in (("train", net), ("sleep", slept)):
            for task, accuracy in measure(model, sequence).items():
                yield {"stage": stage, "phase": phase, "task": task, "accuracy": accuracy}


def run_during(condition, seed, source):
    """Measurements every EVERY steps of the first sleep of a network that has learnt five tasks."""
    for stage, net, night, sequence in tasks_in_a_row(seed, source):
        if stage < len(sequence):
            continue
        rows = [{"step": 0, "task": t, "accuracy": a} for t, a in measure(net, sequence).items()]

        def look(step, net, rows=rows, sequence=sequence):
            rows += [
                {"step": step, "task": t, "accuracy": a} for t, a in measure(net, sequence).items()
            ]

        night.sleep(net, stage, SeedSequence([seed, stage]), callback=look, every=EVERY)
        yield from rows


def table_single(results):
    """Accuracy on each task before and after the sleep, against the tasks learnt in a row."""
    names = {"train": "before", "sleep": "after"}
    results = results[results["task"].eq("all") | (results["task"].astype(str) <= "5")]
    results = results.assign(sleep=results["phase"].map(names))
    return mean_sd(results, ["stage", "sleep"], ["task"])


def table_during(results):
    """Accuracy against steps asleep."""
    return mean_sd(results, ["step"], ["task"])


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
        f"MNIST: accuracy every {EVERY:,} steps of one sleep after five tasks in a row",
        [{"method": "src"}],
        run_during,
        table_during,
    ),
)
