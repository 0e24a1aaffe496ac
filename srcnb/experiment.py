"""The runner: methods × seeds over a sequence of tasks → a tidy DataFrame."""

from contextlib import contextmanager

import numpy as np

from srcnb.checks import check_choice, check_int, check_list
from srcnb.methods import METHODS

COLUMNS = ["method", "seed", "stage", "phase", "task", "accuracy"]


def run_experiment(tasks, protocol, methods=("sequential", "src", "parallel"), seeds=5, save=None):
    """Run each method with each seed and measure the accuracy at every stage.

    Parameters
    ----------
    tasks : list of Task
    protocol : Protocol
    methods : sequence of names, of srcnb.methods.METHODS
    seeds : int or sequence of ints
        An int n stands for seeds 0 … n - 1.
    save : callable or None
        Called with the DataFrame so far whenever a method has finished with a seed.

    Returns
    -------
    DataFrame with one row per measurement: method, seed, stage (tasks trained so far), phase
    ("train" or "sleep"), task ("all", or a task's number from 1, as a string), accuracy in percent
    of that task's test samples, over all classes. Ordered by these, methods as they were asked
    for and phases in time. A progress bar goes to a terminal's stderr.
    """
    from tqdm import tqdm

    methods = check_list("methods", methods)
    for name in methods:
        check_choice("methods", name, METHODS)
    if not methods or len(set(methods)) != len(methods):
        raise ValueError(f"methods must name at least one method, each once; got {methods}")
    if isinstance(seeds, (int, np.integer)):
        seeds = range(check_int("seeds", seeds, low=1))
    seeds = [check_int("seeds", seed) for seed in check_list("seeds", seeds)]
    if not seeds or len(set(seeds)) != len(seeds):
        raise ValueError(f"seeds must name at least one seed, each once; got {seeds}")
    if not tasks:
        raise ValueError("tasks must hold at least one task, got an empty list")

    rows = []
    runs = [(name, seed) for seed in seeds for name in methods]
    with tqdm(total=len(runs), unit="run", disable=None) as bar:
        for name, seed in runs:
            bar.set_description(f"seed {seed}, {name}")
            with naming(f"{name}, seed {seed}"):
                for stage, phase, model in METHODS[name](tasks, protocol, seed):
                    for task, accuracy in measure(model, tasks).items():
                        rows.append((name, seed, stage, phase, task, accuracy))
                    bar.set_postfix(stage=stage)
            bar.update()
            if save is not None:
                save(_tidy(rows, methods))
    return _tidy(rows, methods)


@contextmanager
def naming(what):
    """Errors of bad values or of numbers that overflow say in which run they came."""
    try:
        yield
    except (ValueError, OverflowError) as error:
        # Not type(error): UnicodeDecodeError, for one, takes other arguments.
        kind = OverflowError if isinstance(error, OverflowError) else ValueError
        raise kind(f"{what}: {error}") from error


def measure(model, tasks):
    """Accuracy in percent on all test samples together ("all") and on each task's ("1", "2", …).

    An oracle that has ``predict_task(X, task)`` is told the task; others ``predict(X)``.
    """
    predict = getattr(model, "predict_task", lambda X, task: model.predict(X))
    right = [predict(task.X_test, task) == task.y_test for task in tasks]
    accuracy = {"all": 100 * float(np.mean(np.concatenate(right)))}
    accuracy.update({str(i): 100 * float(np.mean(r)) for i, r in enumerate(right, 1)})
    return accuracy


def _tidy(rows, methods):
    import pandas as pd

    def rank(row):
        method, seed, stage, phase, task, _ = row
        return (
            methods.index(method),
            seed,
            stage,
            ("train", "sleep").index(phase),
            0 if task == "all" else int(task),
        )

    return pd.DataFrame(sorted(rows, key=rank), columns=COLUMNS)
