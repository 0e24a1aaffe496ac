"""A search: what it gives and writes, resumed, in parallel, and without a look at the test set."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import srcnb
from srcnb import SampleInput, SleepTargets, presets, search
from srcnb import search_space as space
from srcnb.preset_files import load_preset
from srcnb.protocol import SleepSchedule

optuna = pytest.importorskip("optuna")

FILES = ["preset.json", "search.csv", "search.journal", "search.json", "search.lock", "search.png"]


@pytest.fixture
def tiny_search(toy_data, protocol):
    """A search of two trials with one seed on toy data, unless told otherwise."""
    short = SleepSchedule(
        SleepTargets(200, rate=0.02), partial(SampleInput, n_samples=1, keep=0.5), 200, 20
    )
    training = {**protocol.training, "epochs": 2}
    base = replace(protocol, hidden=(12, 12), schedule=short, training=training)

    def run(data=toy_data, base=base, **options):
        return search(data, base, **(dict(n_trials=2, seeds=1, finalists=1) | options))

    run.base = base
    return run


def comparable(trials):
    """A table without numbers of trials and times, which differ from run to run."""
    return trials.drop(columns=["trial", "seconds"])


@pytest.mark.slow
def test_what_it_gives_and_writes(tiny_search, tmp_path):
    result = tiny_search(n_trials=4, seeds=[3, 4], finalists=2, out=tmp_path)
    trials = result.trials
    assert trials["trial"].tolist() == [0, 1, 2, 3] and set(trials["seeds"]) == {2}
    assert trials["accuracy"].between(0, 100).all() and set(trials["state"]) == {"complete"}
    # The best two ran again, and the best of these is the result.
    again = trials[trials["fresh"].notna()]
    assert len(again) == 2
    assert again["accuracy"].min() >= trials["accuracy"].drop(again.index).max()
    best = again.loc[again["fresh"].idxmax()]
    point = {n: best[n] for n in space.parameters(tiny_search.base)}
    point |= {n: int(point[n]) for n in ("n_steps", "n_samples")}
    assert result.protocol == replace(space.protocol_of(tiny_search.base, point), name="tuned")
    score = result.source["accuracy_on_held_out_training_data"]
    assert score == {"mean": round(best["fresh"], 2), "sd": round(best["fresh_sd"], 2)}
    assert result.source["fresh_seeds"] == [100, 101] and result.source["trials"] == 4
    assert set(result.importances) == set(point)
    assert sum(result.importances.values()) == pytest.approx(1)
    # The files say the same.
    assert sorted(p.name for p in tmp_path.iterdir()) == FILES
    assert load_preset(tmp_path / "preset.json") == result.protocol
    file = pd.read_csv(tmp_path / "search.csv")
    pd.testing.assert_frame_equal(file.drop(columns="error"), trials.drop(columns="error"))
    assert trials["error"].isna().all()
    text = (tmp_path / "preset.json").read_text()
    assert str(tmp_path) not in text and '"name": "toy"' in text


def test_the_first_trial_is_what_the_protocol_does(tiny_search):
    result = tiny_search(n_trials=1)
    expected = replace(tiny_search.base, name="tuned")
    assert result.protocol == expected
    assert result.source["fresh_seeds"] == [100]
    assert result.importances == {} and result.trials["fresh_sd"].isna().all()


def test_fresh_seeds_are_others(tiny_search):
    source = tiny_search(n_trials=1, seeds=[100, 102], finalists=2).source
    assert source["seeds"] == [100, 102] and source["fresh_seeds"] == [101, 103]


@pytest.mark.slow
def test_the_test_set_is_not_looked_at(tiny_search, toy_data):
    """Not even its shape: what comes out is the same with another one."""
    other = replace(toy_data, X_test=-1e9 * np.ones((3, 20)), y_test=np.array([5, 5, 5]))
    one, two = (tiny_search(data=data) for data in (toy_data, other))
    assert one.protocol == two.protocol and one.source == two.source
    pd.testing.assert_frame_equal(comparable(one.trials), comparable(two.trials))


@pytest.mark.slow
def test_a_folder_is_gone_on_with(tiny_search, tmp_path, monkeypatch):
    """The same as in one go, and more trials only add to it."""
    whole = tiny_search(n_trials=3, out=tmp_path / "whole")
    tiny_search(n_trials=1, out=tmp_path / "part")
    part = tiny_search(n_trials=3, out=tmp_path / "part")
    pd.testing.assert_frame_equal(
        comparable(part.trials).drop(columns=["fresh", "fresh_sd"]),
        comparable(whole.trials).drop(columns=["fresh", "fresh_sd"]),
    )
    assert part.protocol == whole.protocol
    # Fewer trials than there are: nothing is run again.
    monkeypatch.setattr(srcnb.MLP, "fit", None)
    again = tiny_search(n_trials=2, out=tmp_path / "whole")
    assert again.protocol == whole.protocol
    pd.testing.assert_frame_equal(again.trials, whole.trials)


def test_a_folder_of_another_search_is_refused(tiny_search, toy_data, tmp_path):
    tiny_search(n_trials=1, out=tmp_path)
    before = (tmp_path / "preset.json").read_bytes()
    X = toy_data.X.copy()
    X[0, 0] = 0.5
    base = tiny_search.base
    for change, message in (
        (dict(seeds=2), r"its seeds is \[0\], not \[0, 1\]"),
        (dict(classes_per_task=3), "its classes_per_task is 2, not 3"),
        (dict(base=replace(base, hidden=(12, 13))), r"its protocol: hidden\[1\] is 12, not 13"),
        (dict(base=replace(base, homeostasis=0.5)), "its protocol: homeostasis is None, not 0.5"),
        (dict(data=replace(toy_data, X=X)), "its data: sha256 is '.*', not '"),
    ):
        with pytest.raises(ValueError, match=message):
            tiny_search(out=tmp_path, **change)
    assert (tmp_path / "preset.json").read_bytes() == before


def test_a_damaged_journal_is_named(tiny_search, tmp_path):
    tiny_search(n_trials=1, out=tmp_path)
    (tmp_path / "search.journal").write_text("no JSON\n")
    with pytest.raises(ValueError, match="search.journal is damaged: "):
        tiny_search(out=tmp_path)


@pytest.mark.slow
def test_a_trial_that_was_cut_off_is_run_again(tiny_search, tmp_path, monkeypatch):
    """With the same numbers: the result is that of a search that was not."""
    from srcnb import search_trials

    whole = tiny_search(n_trials=3)
    score, calls = search_trials._score, []

    def cut_off(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return score(*arguments)

    monkeypatch.setattr(search_trials, "_score", cut_off)
    with pytest.raises(KeyboardInterrupt):
        tiny_search(n_trials=3, out=tmp_path)
    assert not (tmp_path / "preset.json").exists()
    lock = tmp_path / "search.journal.lock"
    lock.touch()  # as of a process that was killed while it wrote
    create = optuna.create_study

    def unlocked(**options):
        assert not lock.exists()
        return create(**options)

    monkeypatch.setattr(optuna, "create_study", unlocked)
    result = tiny_search(n_trials=3, out=tmp_path)
    storage = search_trials.storage(str(tmp_path / "search.journal"))
    states = [
        trial.state.name
        for trial in create(storage=storage, study_name="srcnb", load_if_exists=True).trials
    ]
    assert states == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert result.protocol == whole.protocol and result.trials["trial"].tolist() == [0, 2, 3]
    pd.testing.assert_frame_equal(comparable(result.trials), comparable(whole.trials))


def test_no_sleep_in_any_trial(tiny_search, toy_data):
    """Its reason is said: here, an input of zeros."""
    empty = replace(toy_data, X=np.zeros_like(toy_data.X))
    with pytest.raises(ValueError, match="no trial gave a sleep: sleep_input must be above 0"):
        tiny_search(empty, n_trials=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(n_trials=0), "n_trials must be at least 1, got 0"),
        (dict(n_trials=10**9), "n_trials must be at most 1000000, got 1000000000"),
        (dict(finalists=10**30), "finalists must be at most 1000000, got"),
        (dict(out=5), "out must be a string or a Path, got 5"),
        (dict(finalists=0), "finalists must be at least 1, got 0"),
        (dict(seeds=[1, 1]), "seeds must name .* each once"),
        (dict(jobs=0), "jobs must be at least 1, or -1"),
        (dict(classes_per_task=0), "classes_per_task must be at least 1, got 0"),
        (dict(data=3), "data must be a Dataset, got 3"),
        (dict(base=3), "protocol must be a Protocol, got 3"),
        (dict(base=replace(presets.own(), hidden=())), "protocol must have at least one hidden"),
        (dict(out="/proc/here"), "out must be a folder that can be written"),
    ],
)
def test_bad_arguments(tiny_search, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        tiny_search(**options)


def test_features_outside_0_and_1(tiny_search, toy_data):
    with pytest.raises(ValueError, match=r"data.X must be intensities in \[0, 1\]"):
        tiny_search(data=replace(toy_data, X=toy_data.X * 2))


def test_without_optuna(tiny_search, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)  # as if it were not installed
    with pytest.raises(ImportError, match=r"search needs Optuna: pip install 'srcnb\[tune\]'"):
        tiny_search()


def test_verbosity_is_as_before(tiny_search):
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.DEBUG)
    try:
        tiny_search(n_trials=1)
        assert optuna.logging.get_verbosity() == optuna.logging.DEBUG
    finally:
        optuna.logging.set_verbosity(before)


SCRIPT = """
import sys
from dataclasses import replace
from srcnb import datasets, presets, search
data = datasets.load("digits")
data = replace(data, X=data.X[:300], y=data.y[:300])
base = replace(presets.own(), hidden=(20, 20), homeostasis=0.25)
result = search(data, base, n_trials=12, jobs=int(sys.argv[2]), out=sys.argv[1], finalists=2)
print(len(result.trials), result.trials["state"].eq("pruned").sum())
"""


@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="signals as on POSIX")
@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_in_the_middle(tmp_path, jobs):
    """Twice; then it goes on to exactly so many trials, and prunes some."""
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(jobs)]
    for size in (1500, 9000):
        process = subprocess.Popen(command, start_new_session=True)
        journal = Path(tmp_path) / "search.journal"
        for _ in range(1200):
            if journal.exists() and journal.stat().st_size > size:
                break
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "preset.json").exists()
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    n_trials, pruned = map(int, done.stdout.split())
    assert n_trials == 12 and pruned >= 1
    assert sorted(p.name for p in tmp_path.iterdir()) == FILES
    trials = pd.read_csv(tmp_path / "search.csv")
    assert trials["trial"].is_unique and set(trials.loc[trials["state"] == "pruned", "seeds"]) == {
        1
    }
    load_preset(tmp_path / "preset.json")
