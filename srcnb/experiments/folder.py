"""The folder of an experiment: a manifest, and a file for each finished cell.

``NAME.cells/manifest.json`` says what the cells are of: experiment, its tasks and measurement,
conditions with their protocols, data by their hashes, and the version of srcnb. A cell is finished
when its file is there; only the process that holds the folder's lock writes. CSV and tables are
made from the files. A protocol is what a condition starts from: what a measurement makes of it from
its data (the rate of cub200's sleep, say) is in the files of the saved sleeps.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from errno import ENOTDIR
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from srcnb._version import __version__
from srcnb.datasets import Dataset
from srcnb.experiments.cells import Cell, Condition, Experiment, Finished
from srcnb.experiments.sleeps import SavedSleep
from srcnb.io import check_folder, locked, replacing
from srcnb.low_rank import load
from srcnb.protocol import Call
from srcnb.spiking.report import SleepResult
from srcnb.spiking.sleeping import sleep
from srcnb.validation import check_bool, check_instance, check_int, check_path

FORMAT, VERSION = "srcnb cells", 2
# What two manifests must have alike.
ALIKE = ("format", "format_version", "srcnb", "experiment", "data", "sequence", "measure")


class Folder:
    """Cells of one experiment in a folder that this process has locked; see :func:`opened`.

    Attributes
    ----------
    path : Path of NAME.cells
    csv, table : Paths of NAME.csv and NAME.md beside it
    """

    def __init__(self, experiment: Experiment, out: Path) -> None:
        self.experiment = experiment
        self.path = out / f"{experiment.name}.cells"
        self.csv = out / f"{experiment.name}.csv"
        self.table = out / f"{experiment.name}.md"

    @property
    def manifest(self) -> Path:
        """The file that says what the cells are of."""
        return self.path / "manifest.json"

    def file(self, cell: Cell) -> Path:
        """Where a cell's rows are when it is finished."""
        return self.path / f"{cell.file_name}.json"

    def is_finished(self, cell: Cell, save_networks: bool = False) -> bool:
        """Whether a cell is finished, and its networks are there as well if these are asked for."""
        if not self.file(cell).exists():
            return False
        if not save_networks:
            return True
        saved = read_json(self.file(cell)).get("networks")
        return saved is not None and all((self.path / name).exists() for name in saved)

    def write(self, finished: Finished) -> None:
        """Write a finished cell: its networks first, as its rows say that it is whole.

        TypeError or ValueError for rows that no file can hold.
        """
        cell = finished.cell
        content = {
            "condition": dict(cell.condition),
            "seed": cell.seed,
            "seconds": finished.seconds,
            "rows": [dict(row) for row in finished.rows],
            "networks": None,
        }
        _to_json(content)  # before anything is written
        if finished.networks is not None:
            saved: dict[str, Callable[[Path], object]] = {
                f"{cell.file_name},stage={stage},{phase}.npz": net.save
                for (stage, phase), net in finished.networks.items()
            }
            for stage, slept in finished.sleeps.items():
                saved[f"{cell.file_name},stage={stage},input.npz"] = slept.write
            for name, write in saved.items():
                write(self.path / name)
            content["networks"] = list(saved)
        write_json(self.file(cell), content)

    def finished(self) -> list[Finished]:
        """All finished cells of the conditions in the manifest, in their order, then by seed.

        ValueError that names the file for one that is damaged.
        """
        order = [entry["condition"] for entry in read_json(self.manifest)["conditions"]]
        cells = []
        for path in sorted(self.path.glob("*.json")):
            if path != self.manifest:
                content = read_json(path)
                try:
                    cell = Cell(content["condition"], content["seed"])
                    rank = order.index(cell.condition)
                    rows = [dict(row) for row in content["rows"]]
                    if not rows:
                        raise ValueError("it has no rows")
                    done = Finished(cell, rows, float(content["seconds"]))
                    cells.append((rank, cell.seed, done))
                except (KeyError, TypeError, ValueError) as error:
                    raise ValueError(f"{path} is no cell of {self.manifest}: {error!r}") from error
        return [done for *_, done in sorted(cells, key=lambda entry: entry[:2])]

    def results(self) -> pd.DataFrame:
        """The rows of all finished cells: the conditions' columns, seed, …, seconds."""
        rows = [
            {**done.cell.condition, "seed": done.cell.seed, **row, "seconds": done.seconds}
            for done in self.finished()
            for row in done.rows
        ]
        return pd.DataFrame(rows)

    def check(self, manifest: Mapping[str, Any], resume: bool) -> dict[str, Any]:
        """The manifest of this folder together with a new one; nothing is written.

        ValueError if the folder can't be written, is in use, is there and ``resume`` is not set, or
        if it is of another experiment, version, data, sequence, measurement or protocol: it says
        what differs. Conditions that are new are added.
        """
        _check_room(self.path.parent, [self.csv, self.table, self.csv.with_suffix(".png")])
        if (self.path / "lock").exists():
            with locked(self.path / "lock"):
                pass
        return self.merged(manifest, resume)

    def merged(self, manifest: Mapping[str, Any], resume: bool) -> dict[str, Any]:
        """What :meth:`check` returns, and its refusals of another manifest."""
        if not self.manifest.exists():
            return dict(manifest)
        if not resume:
            raise ValueError(
                f"resume must be set to go on with {self.path}, which is there already; or choose"
                " another folder"
            )
        old = read_json(self.manifest)
        entries = old.get("conditions", [])
        known = {json.dumps(entry["condition"]): entry for entry in entries}
        for key in ALIKE:
            refuse_change(self.path, key, old.get(key), manifest[key])
        for entry in manifest["conditions"]:
            one = known.get(json.dumps(entry["condition"]))
            if one is not None:
                what = ", ".join(f"{k} {v}" for k, v in entry["condition"].items())
                refuse_change(self.path, f"protocol of {what}", one["protocol"], entry["protocol"])
            elif entries and self.experiment.one_protocol:
                refuse_change(self.path, "protocol", entries[0]["protocol"], entry["protocol"])
            known.setdefault(json.dumps(entry["condition"]), entry)
        return {**manifest, "conditions": list(known.values())}


def manifest_of(experiment: Experiment, data: Sequence[Dataset]) -> dict[str, Any]:
    """What the cells of an experiment on these data are of, as JSON holds it."""
    manifest = {
        "format": FORMAT,
        "format_version": VERSION,
        "srcnb": __version__,
        "experiment": experiment.name,
        "data": [identity(d) for d in data],
        "sequence": describe(experiment.sequence),
        "measure": describe(experiment.measure),
        "conditions": [
            {"condition": dict(c), "protocol": describe(experiment.protocol(c))}
            for c in experiment.conditions
        ],
    }
    return dict(json.loads(_to_json(manifest)))


@contextmanager
def opened(
    experiment: Experiment, out: str | Path, manifest: Mapping[str, Any], resume: bool
) -> Iterator[Folder]:
    """The Folder of an experiment in ``out``, with its ``manifest``, locked until the block ends.

    The lock is the operating system's, on the file ``lock`` in it, and ends with the process that
    holds it, however that ends. (On a network file system that has no locks it is no protection.)

    Raises
    ------
    ValueError
        If ``out`` can't be written; if another process has the folder; if something is finished in
        it and ``resume`` is not set; or if it is of another experiment, version or data.
    """
    name = experiment.name
    folder = Folder(
        experiment, check_folder("out", out, [f"{name}.csv", f"{name}.md", f"{name}.png"])
    )
    folder.merged(manifest, resume)
    folder.path.mkdir(exist_ok=True)
    with locked(folder.path / "lock"):
        merged = folder.merged(manifest, resume)
        if not folder.manifest.exists() or merged != read_json(folder.manifest):
            write_json(folder.manifest, merged)
        yield folder


def sleep_again(
    path: str | Path,
    condition: Condition,
    seed: int,
    stage: int,
    *,
    alone: bool = False,
    sleep_input: type | None = None,
    **options: Any,
) -> SleepResult:
    """Repeat a sleep of a run that saved its networks, from what it saved.

    Parameters
    ----------
    path : the folder NAME.cells
    condition, seed : of the cell
    stage : number of tasks trained before the sleep
    alone : bool
        Also where the method changed the network after its sleep (src-step-back) or during it
        (src-save-best): the sleep as it was, without that.
    sleep_input : the class of the sleep input, where it is not one of srcnb's
    **options
        Of :func:`srcnb.sleep`: record, callback, every, …

    Returns
    -------
    SleepResult
        On one kind of processor its ``net`` is the saved one, CELL,stage=K,sleep.npz, bit for bit.

    Raises
    ------
    FileNotFoundError
        If nothing was saved of this sleep.
    ValueError
        For a damaged file, or a network that is not what its sleep gave, unless ``alone`` is set.
    """
    check_bool("alone", alone)
    check_instance("condition", condition, Mapping, "a mapping, such as {'method': 'src'}")
    cell = Cell(condition, check_int("seed", seed))
    start = check_path("path", path) / f"{cell.file_name},stage={check_int('stage', stage, low=1)}"
    saved = SavedSleep.read(Path(f"{start},input.npz"))
    if not (alone or saved.header["alone"]):
        raise ValueError(
            f"alone must be set to repeat the sleep of {start}: its method did more than sleep, so"
            " that the saved network is another"
        )
    net = load(f"{start},train.npz")
    options = {"engine": saved.header["engine"], **options}
    return sleep(net, saved.sleep_input(sleep_input), saved.config, saved.random_state, **options)


def describe(value: Any) -> Any:
    """A protocol, or anything that it is made of, as what JSON can hold."""
    if isinstance(value, (Call, partial)):
        called = {"call": describe(value.func), **describe(value.keywords)}
        return {**called, "arguments": describe(value.args)} if value.args else called
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: describe(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): describe(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [describe(v) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        content = sha256(np.ascontiguousarray(value).data).hexdigest()
        return {"dtype": value.dtype.str, "shape": list(value.shape), "sha256": content}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(value, "__qualname__"):  # a function or a class
        return f"{value.__module__}.{value.__qualname__}"
    kind = type(value)  # an object: what it is made of, as its repr may have an address
    return {
        "call": f"{kind.__module__}.{kind.__qualname__}",
        **describe(getattr(value, "__dict__", {})),
    }


def identity(data: Dataset) -> dict[str, Any]:
    """Name, number of samples and content of a data set."""
    return {"name": data.name, "samples": len(data.X), "sha256": data.fingerprint()}


def _check_room(out: Path, files: Sequence[Path]) -> None:
    """What io.check_folder refuses, without making the folder."""
    try:
        there = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
        if not there.is_dir():
            raise NotADirectoryError(ENOTDIR, f"{there} is no folder")
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise ValueError(
            f"out must be a folder that can be written, got {out}: {error.strerror}"
        ) from None
    for file in files:
        if file.is_dir():
            raise ValueError(f"out must have room for {file.name}, but {file} is a folder")


def refuse_change(path: Path, what: str, old: Any, new: Any) -> None:
    """Raise ValueError, which names the first thing that differs, unless ``old`` is ``new``."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            refuse_change(path, f"{what}: {key}", old.get(key), new.get(key))
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, (one, other) in enumerate(zip(old, new, strict=True)):
            refuse_change(path, f"{what}[{i}]", one, other)
    raise ValueError(f"{path} can't be resumed: its {what} is {old!r}, not {new!r}")


def _to_json(content: Any) -> str:
    """JSON text; NumPy's scalars as what they hold."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.generic):
            return value.item()
        raise TypeError(f"a file can't hold {value!r}, a {type(value).__name__}")

    return json.dumps(content, indent=1, ensure_ascii=False, default=plain)


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as JSON; whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(_to_json(content), encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; ValueError that names a damaged one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or no UTF-8
        raise ValueError(f"{path} is damaged: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is damaged: it holds no JSON object")
    return content
