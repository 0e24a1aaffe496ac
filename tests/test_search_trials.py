"""Trials of a search: what one is scored by, and what is trained once."""

import time
from dataclasses import replace

import numpy as np
import pytest

from srcnb import MLP, search_space
from srcnb.experiments.cells import accuracies
from srcnb.methods.controls import Homeostatic
from srcnb.methods.src import src
from srcnb.search_trials import Job, forget, run_fresh, run_trial, storage
from srcnb.tasks import class_incremental

optuna = pytest.importorskip("optuna")


@pytest.fixture
def job(tmp_path, toy_data, protocol):
    """A job on toy data, and no networks of another one."""
    forget()
    base = search_space.with_targets(replace(protocol, hidden=(12, 12), homeostasis=0.5, cap=25))
    yield Job("a", str(tmp_path / "journal"), toy_data, base, 2, (3, 4))
    forget()


@pytest.fixture
def fits(monkeypatch):
    """The classes of each MLP.fit that trains."""
    seen, fit = [], MLP.fit

    def recording(net, X, y, **options):
        if options["epochs"]:
            seen.append(tuple(np.unique(y)))
        return fit(net, X, y, **options)

    monkeypatch.setattr(MLP, "fit", recording)
    return seen


def point(job, **change):
    return search_space.start(job.base) | {"n_steps": 200} | change


@pytest.mark.slow
@pytest.mark.parametrize(
    ("groups", "per_task", "every"), [(2, 1, 1), (3, 1, 1), (2, 2, 1), (2, 2, 2)]
)
def test_the_score_is_that_of_the_method(job, toy_data, groups, per_task, every):
    """To the last bit, though the first task is not trained again; on what is held out."""
    schedule = replace(job.base.schedule, per_task=per_task, every=every)
    job = replace(job, classes_per_task=groups, base=replace(job.base, schedule=schedule))
    made = point(job)
    protocol = search_space.protocol_of(job.base, made)
    tasks = class_incremental(toy_data.validation_split(random_state=7), groups, cap=protocol.cap)
    *_, last = src(tasks, protocol, 7)
    expected = accuracies(last.model, tasks)["all"]
    assert 20 < expected < 100
    assert [run_fresh(job, 5, made, 7) for _ in range(2)] == [(5, 7, expected)] * 2


@pytest.mark.slow
def test_networks_before_the_first_sleep_are_trained_once(job, fits):
    for seed in (3, 4, 3, 4):
        run_fresh(job, 0, point(job), seed)
        run_fresh(job, 0, point(job, rho=0.3), seed)
    assert fits.count((0, 1)) == 2 and fits.count((2, 3)) == fits.count((4, 5)) == 8
    # Of no more seeds than the job has, and of no other job.
    for seed in (5, 3):
        run_fresh(job, 0, point(job), seed)
    assert fits.count((0, 1)) == 4
    run_fresh(replace(job, key="b"), 0, point(job), 3)
    assert fits.count((0, 1)) == 5


def study_of(job):
    return optuna.create_study(
        storage=storage(job.journal), study_name="srcnb", direction="maximize", load_if_exists=True
    )


def test_a_trial(job):
    study = study_of(job)
    study.enqueue_trial(point(job))
    started = time.perf_counter()
    score = run_trial(job, 0)
    seconds = time.perf_counter() - started
    [trial] = study_of(job).trials
    assert 0 <= trial.user_attrs["seconds"] < seconds + 0.01  # it is rounded
    assert trial.params == pytest.approx(point(job)) and trial.state.name == "COMPLETE"
    scores = [run_fresh(job, 0, trial.params, seed)[2] for seed in job.seeds]
    assert trial.user_attrs["scores"] == scores and trial.value == score == np.mean(scores)
    assert trial.intermediate_values == {0: scores[0], 1: np.mean(scores)}


def test_a_point_without_a_sleep_is_worth_nothing(job):
    """An input can't fire if its features are never kept."""
    study = study_of(job)
    study.enqueue_trial(point(job, keep=1e-9))
    assert run_trial(job, 0) == 0
    [trial] = study_of(job).trials
    assert trial.user_attrs["scores"] == [0]  # the other seeds are not tried
    assert trial.value == 0 and "sleep_input must be above 0" in trial.user_attrs["error"]


def test_pruned_after_a_seed(job):
    """A trial whose first seed is below the median of five others; the second is not run."""
    study = study_of(job)
    for _ in range(5):
        trial = study.ask()
        for step in (0, 1):
            trial.report(100.0, step)
        study.tell(trial, 100.0)
    study.enqueue_trial(point(job))
    assert run_trial(job, 5) == 0
    last = study_of(job).trials[-1]
    assert last.state.name == "PRUNED" and [*last.intermediate_values] == [0]
    assert len(last.user_attrs["scores"]) == 1


@pytest.mark.slow
def test_what_a_trial_tries_follows_from_its_number(job):
    """So that processes with the same trials before them do not try the same."""
    made = []
    for i, number in enumerate((1, 1, 2)):
        other = replace(job, key=str(i), journal=f"{job.journal}{i}")
        study_of(other)
        run_trial(other, number)
        made.append(study_of(other).trials[0].params)
    assert made[0] == made[1] != made[2]
    for name, value in made[0].items():
        low, high = search_space.SPACE[name]
        assert low <= value <= high and made[2][name] != value or name == "n_samples"


def test_bad_data_end_the_search(job, toy_data):
    """What is wrong with every trial is said at the first."""
    one = np.r_[np.flatnonzero(toy_data.y != 5), np.flatnonzero(toy_data.y == 5)[:1]]
    study_of(job)
    with pytest.raises(ValueError, match="class"):
        run_trial(replace(job, data=replace(toy_data, X=toy_data.X[one], y=toy_data.y[one])), 0)


def test_homeostasis_is_that_of_the_point(job, monkeypatch):
    seen, init = [], Homeostatic.__init__

    def recording(self, rng, keep, at):
        seen.append((keep, at))
        init(self, rng, keep, at)

    monkeypatch.setattr(Homeostatic, "__init__", recording)
    run_fresh(job, 0, point(job, homeostasis=0.2), 3)
    assert seen == [(0.2, "prediction")]
