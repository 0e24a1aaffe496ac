"""The trials of a search, each in whatever process there is.

Networks before the first sleep depend on the seed only: a process trains them once.
"""

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from srcnb import search_space
from srcnb.datasets import Dataset
from srcnb.experiments.cells import accuracies, one_thread
from srcnb.methods.src import src
from srcnb.mlp import MLP
from srcnb.protocol import Protocol
from srcnb.tasks import Task, class_incremental

if TYPE_CHECKING:
    import optuna

STUDY = "srcnb"


@dataclass(frozen=True)
class Job:
    """What all trials of a search have in common."""

    key: str
    journal: str
    data: Dataset
    base: Protocol
    classes_per_task: int
    seeds: tuple[int, ...]


def storage(journal: str) -> Any:
    """The storage of a study in the file ``journal``, which processes share."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(journal))


# In each process, of one search: what a seed starts with, and the storage of the study.
_prepared: dict[Any, Any] = {}


def forget() -> None:
    """Drop what this process has kept of a search."""
    _prepared.clear()


def _cached(job: Job, name: Any, make: Callable[[], Any]) -> Any:
    """What ``make`` gives, once per search and process; of seeds, no more than the job has."""
    if _prepared.get("key") != job.key:
        _prepared.clear()
        _prepared["key"] = job.key
    if name not in _prepared:
        seeds = [seed for seed in _prepared if isinstance(seed, int)]
        if isinstance(name, int) and len(seeds) >= len(job.seeds):
            del _prepared[seeds[0]]
        _prepared[name] = make()
    return _prepared[name]


def _start(job: Job, seed: int) -> tuple[list[Task], MLP]:
    """The tasks of a seed's split, and the network that is before its first sleep."""
    split = job.data.validation_split(random_state=seed)
    sequence = class_incremental(split, groups=job.classes_per_task, cap=job.base.cap)
    parts = job.base.schedule.parts(1, len(sequence))
    with one_thread():
        net = job.base.new_network(sequence, seed)
        net.fit(sequence[0].X, sequence[0].y, **job.base.training_at(1, parts))
    return sequence, net


def _score(job: Job, point: Mapping[str, Any], seed: int) -> tuple[float, str | None]:
    """Accuracy over all classes of the held-out samples after the last sleep, in percent.

    With None; or 0 and why there is no such sleep, or none that leaves a network.
    """
    sequence, first = _cached(job, seed, lambda: _start(job, seed))
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sleeps that do nothing: they score accordingly
        protocol = search_space.protocol_of(job.base, point)
        try:
            *_, last = src(sequence, protocol, seed, first=first)
        except (ValueError, OverflowError) as error:
            return 0.0, str(error)
        return accuracies(last.model, sequence)["all"], None


def run_fresh(job: Job, number: int, point: Mapping[str, Any], seed: int) -> tuple[int, int, float]:
    """(trial, seed, accuracy) of one of the best trials with a fresh seed."""
    return number, seed, _score(job, point, seed)[0]


def run_trial(job: Job, number: int) -> float:
    """One trial, seed after seed; ``number`` is what its random numbers follow from."""
    import optuna
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.load_study(
        study_name=STUDY,
        storage=_cached(job, "storage", lambda: storage(job.journal)),
        sampler=optuna.samplers.TPESampler(seed=number),
        pruner=optuna.pruners.MedianPruner(),
    )
    trial = study.ask()
    started = time.perf_counter()
    point = _suggest(trial, search_space.parameters(job.base))
    scores: list[float] = []
    state, mean = TrialState.COMPLETE, 0.0
    for i, seed in enumerate(job.seeds):
        score, error = _score(job, point, seed)
        scores.append(score)
        mean = float(np.mean(scores))
        trial.report(mean, i)
        if error is not None:
            trial.set_user_attr("error", error)
            break
        if i + 1 < len(job.seeds) and trial.should_prune():
            state = TrialState.PRUNED
            break
    trial.set_user_attr("scores", scores)
    trial.set_user_attr("seconds", round(time.perf_counter() - started, 2))
    study.tell(trial, None if state == TrialState.PRUNED else mean, state)
    return mean if state == TrialState.COMPLETE else 0.0


def _suggest(trial: "optuna.Trial", names: list[str]) -> dict[str, Any]:
    """A point of the space, of these parameters."""
    point: dict[str, Any] = {}
    for name in names:
        low, high = search_space.SPACE[name]
        if isinstance(low, int) and isinstance(high, int):
            point[name] = trial.suggest_int(name, low, high, log=True)
        else:
            point[name] = trial.suggest_float(name, low, high, log=True)
    return point
