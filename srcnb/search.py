"""A search for the sleep of the user's own case, by Optuna, on held-out training data.

A trial is a point of ``search_space.SPACE``, scored seed by seed. Trials are in a journal in the
folder of the search, which several processes share; so a search that was killed goes on there.
"""

import datetime
import logging
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from srcnb import presets, search_space
from srcnb._version import __version__
from srcnb.datasets import Dataset
from srcnb.io import PathLike, check_folder, locked, replacing
from srcnb.preset_files import save_preset
from srcnb.protocol import Protocol
from srcnb.validation import check_instance, check_int, check_intensities, check_path

if TYPE_CHECKING:
    import optuna
    import pandas as pd

    from srcnb.search_trials import Job

logger = logging.getLogger(__name__)

FORMAT, VERSION = "srcnb search", 1
# What is in the folder of a search.
MANIFEST, JOURNAL, LOCK = "search.json", "search.journal", "search.lock"
TRIALS, PICTURE, PRESET = "search.csv", "search.png", "preset.json"
# The seeds with which the best trials run again start here.
FRESH = 100
# More are a slip of the finger: they would take years.
MAX_TRIALS = 1_000_000


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes
    ----------
    protocol : Protocol, the best one
    trials : DataFrame with one row per trial
        trial, state ("complete" or "pruned"), accuracy (the mean over its seeds, in percent), seeds
        (how many), the parameters, seconds, error (why a sleep was not possible, or None), and
        fresh, fresh_sd: mean and sd over the fresh seeds of those that ran again.
    importances : dict of parameter → share of what it explains of the accuracy, by fANOVA; empty
        where there are too few trials
    source : dict, where the protocol comes from, as it is in its preset file
    """

    protocol: Protocol
    trials: "pd.DataFrame"
    importances: dict[str, float]
    source: dict[str, Any]


def search(
    data: Dataset,
    protocol: Protocol | None = None,
    *,
    n_trials: int = 100,
    seeds: int | Sequence[int] = 2,
    classes_per_task: int = 2,
    finalists: int = 5,
    jobs: int = 1,
    out: PathLike | None = None,
) -> SearchResult:
    """Search for SleepTargets and a sleep input for ``data`` and the network of ``protocol``.

    For each seed a quarter of the training set is held out; networks learn the rest, class after
    class, and sleep. A trial is scored by the accuracy on that quarter, over all classes, after the
    last sleep, a mean over the seeds. After each seed a trial whose mean is below the median of the
    others is pruned. At the end the best trials run again with fresh seeds and splits, and the best
    mean of those wins. The test set is not used.

    Parameters
    ----------
    data : Dataset, its features in [0, 1]
    protocol : Protocol or None
        Its network, training and schedule are kept; what is searched are its SleepTargets (the
        default ones in place of SleepConstants), the lengths of its sleeps, and a SampleInput. Its
        ``homeostasis`` is searched as well, unless it is None. None: ``presets.calibrated()``.
    n_trials : int >= 1
        Trials in all, those that are in ``out`` among them.
    seeds : int or sequence of ints
        An int n stands for seeds 0 … n - 1.
    classes_per_task : int >= 1
    finalists : int >= 1
        So many of the best trials run again, each with as many fresh seeds.
    jobs : int
        Processes, of one thread each; -1: as many as there are cores. With one, the same call gives
        the same result.
    out : folder, or None
        Gets the trials as they are finished, and at the end search.csv, search.png and preset.json,
        a file for :func:`srcnb.preset_files.load_preset`. A folder that has a search of the same
        data and protocol already is gone on with. None: nothing is kept.

    Returns
    -------
    SearchResult

    Raises
    ------
    ImportError
        Without Optuna.
    ValueError, TypeError
        For parameters that are out of range; a folder that is of another search, says what differs;
        if no trial gave a sleep.
    RuntimeError
        If a process was ended from outside. What is finished is in ``out``.
    """
    try:
        import optuna
    except ImportError as error:
        raise ImportError("search needs Optuna: pip install 'srcnb[tune]'") from error
    from srcnb.experiments.runner import check_seeds
    from srcnb.experiments.workers import check_jobs
    from srcnb.search_trials import Job, forget

    check_instance("data", data, Dataset, "a Dataset")
    check_intensities("data.X", data.X)
    n_trials = check_int("n_trials", n_trials, 1, MAX_TRIALS)
    finalists = check_int("finalists", finalists, 1, MAX_TRIALS)
    jobs = check_jobs(jobs)
    chosen = tuple(check_seeds(seeds))
    # No later line can look at the test set.
    data = replace(data, X_test=data.X[:0], y_test=data.y[:0])
    base = _check_base(protocol)
    groups = check_int("classes_per_task", classes_per_task, low=1)
    temporary = (
        tempfile.TemporaryDirectory() if out is None else nullcontext(check_path("out", out))
    )
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with temporary as name:
            folder = check_folder("out", name, [MANIFEST, JOURNAL, TRIALS, PICTURE, PRESET])
            job = Job(secrets.token_hex(8), str(folder / JOURNAL), data, base, groups, chosen)
            with locked(folder / LOCK):
                _check_manifest(job, folder)
                study = _opened(job)
                _run_trials(job, study, n_trials, jobs)
                fresh = _run_again(job, study, finalists, jobs)
                result = _result(job, study, fresh)
                logger.info("chosen by fresh seeds: %s", result.protocol.schedule.constants)
                if out is not None:
                    _write(result, folder)
    finally:
        forget()
        optuna.logging.set_verbosity(verbosity)
    return result


def _check_base(protocol: Protocol | None) -> Protocol:
    """The protocol that is searched, with SleepTargets."""
    if protocol is None:
        protocol = presets.calibrated()
    check_instance("protocol", protocol, Protocol, "a Protocol")
    if not protocol.hidden:
        raise ValueError("protocol must have at least one hidden layer, got none")
    base = search_space.with_targets(replace(protocol, name="tuned"))
    base.check_sleeps()
    return base


def _check_manifest(job: "Job", folder: Path) -> None:
    """Write what the search is of, or refuse a folder in which that is something else."""
    from srcnb.experiments.folder import describe, identity, read_json, refuse_change, write_json

    new = {
        "format": FORMAT,
        "format_version": VERSION,
        "srcnb": __version__,
        "data": identity(job.data),
        "protocol": describe(job.base),
        "classes_per_task": job.classes_per_task,
        "seeds": list(job.seeds),
        "space": {
            name: list(search_space.SPACE[name]) for name in search_space.parameters(job.base)
        },
    }
    if not (folder / MANIFEST).exists():
        write_json(folder / MANIFEST, new)
        return
    old = read_json(folder / MANIFEST)
    for key, value in new.items():
        refuse_change(folder, key, old.get(key), value)


def _opened(job: "Job") -> "optuna.Study":
    """The study of a search; trials that a killed process left have failed."""
    import optuna
    from optuna.trial import TrialState

    from srcnb.search_trials import STUDY, storage

    # Only a killed process can have left one: whoever is at work has the lock of the folder.
    for lock in Path(job.journal).parent.glob(f"{JOURNAL}*.lock"):
        lock.unlink(missing_ok=True)
    try:
        study = optuna.create_study(
            storage=storage(job.journal),
            study_name=STUDY,
            direction="maximize",
            load_if_exists=True,
        )
    except ValueError as error:  # no JSON
        raise ValueError(f"{job.journal} is damaged: {error}") from error
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    if not _finished(study) and not study.get_trials(states=(TrialState.WAITING,)):
        study.enqueue_trial(search_space.start(job.base))
    return study


def _finished(study: "optuna.Study") -> "list[optuna.trial.FrozenTrial]":
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _run_trials(job: "Job", study: "optuna.Study", n_trials: int, jobs: int) -> None:
    """Run trials until there are ``n_trials``, with a progress bar."""
    from srcnb.bars import Bar
    from srcnb.search_trials import run_trial

    done = len(_finished(study))
    logger.info("%d of %d trials are finished, %d process(es)", done, max(n_trials, done), jobs)
    best = max((t.value for t in _finished(study) if t.value is not None), default=0.0)
    calls = [(job, number) for number in range(done, n_trials)]
    with Bar(total=max(n_trials, done), initial=done, unit="trial", disable=None) as bar:
        for score in _outcomes(run_trial, calls, jobs):
            best = max(best, score)
            bar.set_postfix(best=f"{best:.1f}")
            bar.update()


def _run_again(
    job: "Job", study: "optuna.Study", finalists: int, jobs: int
) -> dict[int, dict[int, float]]:
    """{trial: {fresh seed: accuracy}} of the best trials; each is kept in the study at once."""
    from optuna.trial import TrialState

    from srcnb.bars import Bar
    from srcnb.search_trials import run_fresh

    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    slept = [trial for trial in trials if "error" not in trial.user_attrs]
    if not slept:
        raise ValueError(f"no trial gave a sleep: {trials[0].user_attrs['error']}")
    best = sorted(slept, key=lambda trial: -float(trial.value or 0))[:finalists]
    numbers = (seed for seed in range(FRESH, FRESH + finalists + len(job.seeds)))
    seeds = [seed for seed in numbers if seed not in job.seeds][:finalists]
    known = dict(study.user_attrs)
    # Seed by seed, as a process keeps the networks of few seeds.
    calls = [
        (job, trial.number, trial.params, seed)
        for seed in seeds
        for trial in best
        if f"fresh {trial.number} {seed}" not in known
    ]
    total = len(seeds) * len(best)
    with Bar(
        total=total, initial=total - len(calls), unit="run", desc="fresh seeds", disable=None
    ) as bar:
        for number, seed, accuracy in _outcomes(run_fresh, calls, jobs):
            known[f"fresh {number} {seed}"] = accuracy
            study.set_user_attr(f"fresh {number} {seed}", accuracy)
            bar.update()
    return {t.number: {s: known[f"fresh {t.number} {s}"] for s in seeds} for t in best}


def _outcomes(
    function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], jobs: int
) -> Iterator[Any]:
    """What a function gives for each call, as it is done, over processes of one thread each."""
    if jobs == 1 or len(calls) < 2:
        for call in calls:
            yield function(*call)
        return
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    from srcnb.experiments.workers import compile_kernel

    compile_kernel()  # once, not in every process
    with parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1, idle_worker_timeout=30):
        try:
            yield from Parallel(return_as="generator_unordered", batch_size=1)(
                delayed(function)(*call) for call in calls
            )
        except TerminatedWorkerError as error:
            raise RuntimeError(
                "a process of the search was ended; the same call goes on with what is finished"
            ) from error


def _result(
    job: "Job", study: "optuna.Study", fresh: Mapping[int, Mapping[int, float]]
) -> SearchResult:
    """The trials as a table, and the best mean over fresh seeds as a protocol."""
    import pandas as pd

    from srcnb.experiments.folder import identity

    trials = _finished(study)
    rows = [_row(trial, fresh.get(trial.number, {})) for trial in trials]
    table = pd.DataFrame(rows).sort_values("trial", ignore_index=True)
    winner = max(fresh, key=lambda number: float(np.mean([*fresh[number].values()])))
    [point] = [trial.params for trial in trials if trial.number == winner]
    scores = [*fresh[winner].values()]
    source = {
        "by": "srcnb tune",
        "srcnb": __version__,
        "date": datetime.date.today().isoformat(),
        "data": identity(job.data),
        "classes_per_task": job.classes_per_task,
        "trials": len(trials),
        "seeds": list(job.seeds),
        "fresh_seeds": [*fresh[winner]],
        "accuracy_on_held_out_training_data": {
            "mean": round(float(np.mean(scores)), 2),
            "sd": round(float(np.std(scores, ddof=1)), 2) if len(scores) > 1 else None,
        },
    }
    protocol = search_space.protocol_of(job.base, point)
    return SearchResult(protocol, table, _importances(study), source)


def _row(trial: "optuna.trial.FrozenTrial", fresh: Mapping[int, float]) -> dict[str, Any]:
    """A finished trial as a row of SearchResult.trials."""
    scores = trial.user_attrs["scores"]
    again = [*fresh.values()]
    return {
        "trial": trial.number,
        "state": trial.state.name.lower(),
        "accuracy": float(np.mean(scores)),
        "seeds": len(scores),
        "fresh": float(np.mean(again)) if again else np.nan,
        "fresh_sd": float(np.std(again, ddof=1)) if len(again) > 1 else np.nan,
        **trial.params,
        "seconds": trial.user_attrs["seconds"],
        "error": trial.user_attrs.get("error"),
    }


def _importances(study: "optuna.Study") -> dict[str, float]:
    """What share of the accuracy's variance each parameter explains, the largest first."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances
    from optuna.trial import TrialState

    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len({trial.value for trial in complete}) < 2:  # nothing to explain
        return {}
    return dict(get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0)))


def _write(result: SearchResult, folder: Path) -> None:
    """Table, picture and preset file."""
    from srcnb.plotting import plot_search

    with replacing(folder / TRIALS) as temporary:
        result.trials.to_csv(temporary, index=False)
    save_preset(folder / PRESET, result.protocol, result.source)
    plot_search(result.trials, result.importances, folder / PICTURE)
