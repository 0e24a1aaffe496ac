"""A results folder of ``srcnb run`` with saved networks, opened to be looked into; read only."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from srcnb.datasets import Dataset
from srcnb.experiments.cells import Cell
from srcnb.experiments.folder import identity, read_json, sleep_again
from srcnb.low_rank import load
from srcnb.mlp import MLP
from srcnb.output import homeostasis
from srcnb.spiking.report import SleepResult
from srcnb.tasks import Task, class_incremental
from srcnb.validation import check_choice, check_instance, check_int, check_path

PHASES = ("train", "sleep")


class SavedRun:
    """The networks, the tasks and the results of a run.

    Parameters
    ----------
    folder : that of results.csv and results.cells
    data : Dataset that was learnt; its name is :func:`data_name` of the folder

    Attributes
    ----------
    path : Path of results.cells
    results : DataFrame of results.csv
    tasks : list of Task, without the samples that were not trained on
    methods : those with saved networks, in the order of the run

    Raises
    ------
    FileNotFoundError
        For a folder without results.csv or results.cells.
    ValueError
        For other data than the run's, damaged files, and a run that saved no networks of a sleep.
    """

    def __init__(self, folder: str | Path, data: Dataset) -> None:
        check_instance("data", data, Dataset, "a Dataset")
        folder = check_path("folder", folder)
        self.path = folder / "results.cells"
        manifest = read_json(self.path / "manifest.json")
        given, [learnt] = identity(data), manifest["data"]
        if given != learnt:
            raise ValueError(f"data must be those of {self.path}, {learnt}; got {given}")
        # The manifest's of all conditions are the same.
        self._protocol = manifest["conditions"][0]["protocol"]
        groups = manifest["sequence"]["classes_per_task"]
        tasks = class_incremental(data, groups, cap=self._protocol["cap"])
        self.tasks: list[Task] = [_as_trained(task) for task in tasks]
        self.results = _results(folder / "results.csv")
        names = [entry["condition"]["method"] for entry in manifest["conditions"]]
        self._seeds = {
            name: [s for s in sorted(self._seeds_of(name)) if self.saved(name, s)] for name in names
        }
        self.methods = [name for name in names if self._seeds[name]]
        if not self.slept():
            raise ValueError(
                "folder must have networks before and after a sleep, saved by save_networks;"
                f" {folder} has none"
            )

    def _seeds_of(self, method: str) -> set[int]:
        return set(self.results.loc[self.results["method"] == method, "seed"])

    def slept(self) -> list[str]:
        """The methods with networks before and after a sleep."""
        return [m for m in self.methods if any(self.stages(m, s) for s in self.seeds(m))]

    def seeds(self, method: str) -> list[int]:
        """The seeds of a method whose networks are saved."""
        return self._seeds[check_choice("method", method, self._seeds)]

    def saved(self, method: str, seed: int) -> list[tuple[int, str]]:
        """(stage, phase) of each network that is saved."""
        n = len(self.tasks)
        at = [(stage, phase) for stage in range(1, n + 1) for phase in PHASES]
        return [(k, phase) for k, phase in at if self._file(method, seed, k, phase).exists()]

    def stages(self, method: str, seed: int) -> list[int]:
        """The stages with networks before and after a sleep."""
        return [stage for stage, phase in self.saved(method, seed) if phase == "sleep"]

    def net(self, method: str, seed: int, stage: int, phase: str) -> MLP:
        """A saved network; ``phase`` is "train" (before the last sleep of its task) or "sleep"."""
        check_choice("seed", seed, self.seeds(method))
        check_choice("phase", phase, PHASES)
        saved = [k for k, of_phase in self.saved(method, seed) if of_phase == phase]
        check_choice("stage", stage, saved)
        return load(self._file(method, seed, stage, phase))

    def _file(self, method: str, seed: int, stage: int, phase: str) -> Path:
        name = Cell({"method": method}, int(seed)).file_name
        return self.path / f"{name},stage={stage},{phase}.npz"

    def sleep(self, method: str, seed: int, stage: int) -> Callable[..., SleepResult]:
        """What repeats the last sleep of a task; it takes the options of srcnb.sleep."""
        return partial(sleep_again, self.path, {"method": method}, int(seed), stage, alone=True)

    def classes(self, stage: int) -> list[int]:
        """The classes of the task that was learnt at this stage, from 1."""
        check_int("stage", stage, low=1, high=len(self.tasks))
        return [int(c) for c in np.unique(self.tasks[stage - 1].y)]

    def as_measured(self, net: MLP, stage: int) -> MLP:
        """What the protocol predicts by: ``net``, or a copy with its outputs on one scale."""
        keep = self._protocol.get("homeostasis")
        if keep is None:
            return net
        seen = [c for k in range(1, stage + 1) for c in self.classes(k)]
        return homeostasis(net, self.tasks[stage - 1].X, seen, keep, random_state=0)


def _as_trained(task: Task) -> Task:
    """A task whose samples beyond the cap take no memory."""
    X, y = task.X.copy(), task.y.copy()
    return replace(task, X=X, y=y, X_all=X, y_all=y)


def _results(path: Path) -> pd.DataFrame:
    """results.csv; ValueError that names a damaged one."""
    try:
        results = pd.read_csv(path, dtype={"task": str})
    except ValueError as error:  # pandas' own errors, and no UTF-8
        raise ValueError(f"{path} is damaged: {error}") from error
    missing = {"method", "seed", "stage", "phase", "task", "accuracy"} - {*results.columns}
    if missing:
        raise ValueError(f"{path} is damaged: it has no columns {sorted(missing)}")
    return results


def data_name(folder: str | Path) -> str:
    """The name of the data set that a run learnt.

    FileNotFoundError for a folder without results.cells; ValueError for a damaged manifest, or one
    of another experiment than ``srcnb run``.
    """
    path = check_path("folder", folder) / "results.cells" / "manifest.json"
    if not path.exists():
        raise FileNotFoundError(f"folder must be one that srcnb run wrote; {path} is not there")
    manifest = read_json(path)
    try:
        return str(_learnt(manifest)["name"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no manifest of srcnb run: {error!r}") from error


def _learnt(manifest: dict[str, Any]) -> dict[str, Any]:
    """The one data set of a run; KeyError for a manifest that has not what SavedRun needs."""
    [learnt] = manifest["data"]
    manifest["sequence"]["classes_per_task"], manifest["conditions"][0]["protocol"]["cap"]
    return dict(learnt)
