"""The folder of an experiment: a manifest, and a file for each finished cell.

``NAME.cells/manifest.json`` says what the cells are of: experiment, conditions with their
protocols, data by their hashes, and the version of srcnb. A cell is finished when its file is
there; only the process that holds the folder's lock writes. CSV and tables are made from the
files.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from srcnb._version import __version__
from srcnb.datasets import Dataset
from srcnb.experiments.cells import Cell, Experiment, Finished
from srcnb.io import check_folder, locked, replacing
from srcnb.protocol import Call

FORMAT, VERSION = "srcnb cells", 1


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
        return self.path / f"{_name(cell)}.json"

    def write(self, finished: Finished) -> None:
        """Write a finished cell: its networks first, as its rows say that it is whole."""
        for (stage, phase), net in finished.networks.items():
            net.save(self.path / f"{_name(finished.cell)},stage={stage},{phase}.npz")
        cell = finished.cell
        content = {
            "condition": dict(cell.condition),
            "seed": cell.seed,
            "seconds": finished.seconds,
            "rows": finished.rows,
        }
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
                    done = Finished(cell, content["rows"], float(content["seconds"]))
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

    def check_manifest(self, data: Sequence[Dataset]) -> None:
        """Write the manifest, or refuse one of another experiment, version or data.

        Conditions that are new are added to it. ValueError that says what differs.
        """
        new = {
            "format": FORMAT,
            "format_version": VERSION,
            "srcnb": __version__,
            "experiment": self.experiment.name,
            "data": [identity(d) for d in data],
            "conditions": [
                {"condition": dict(c), "protocol": describe(self.experiment.protocol(c))}
                for c in self.experiment.conditions
            ],
        }
        new = json.loads(json.dumps(new))
        if self.manifest.exists():
            old = read_json(self.manifest)
            known = {json.dumps(entry["condition"]): entry for entry in old.get("conditions", [])}
            for key in ("format", "format_version", "srcnb", "experiment", "data"):
                refuse_change(self.path, key, old.get(key), new[key])
            for entry in new["conditions"]:
                key = json.dumps(entry["condition"])
                if key in known:
                    what = ", ".join(f"{k} {v}" for k, v in entry["condition"].items())
                    refuse_change(
                        self.path,
                        f"protocol of {what}",
                        known[key]["protocol"],
                        entry["protocol"],
                    )
                else:
                    known[key] = entry
            new["conditions"] = list(known.values())
            if new == old:
                return
        write_json(self.manifest, new)


@contextmanager
def opened(
    experiment: Experiment, out: str | Path, data: Sequence[Dataset], resume: bool
) -> Iterator[Folder]:
    """The Folder of an experiment in ``out``, locked until the block ends.

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
    if folder.manifest.exists() and not resume:
        raise ValueError(
            f"resume must be set to go on with {folder.path}, which is there already; or choose"
            " another folder"
        )
    folder.path.mkdir(exist_ok=True)
    with locked(folder.path / "lock"):
        folder.check_manifest(data)
        yield folder


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
    if callable(value):
        return f"{value.__module__}.{value.__qualname__}"
    return value


def identity(data: Dataset) -> dict[str, Any]:
    """Name, number of samples and content of a data set."""
    return {"name": data.name, "samples": len(data.X), "sha256": data.fingerprint()}


def _name(cell: Cell) -> str:
    """A file name that says condition and seed."""
    values = {**cell.condition, "seed": cell.seed}
    name = ",".join(f"{key}={value}" for key, value in values.items())
    plain = re.sub(r"[^\w.,=+-]+", "_", name)
    # What was replaced must not make two conditions one.
    return plain if plain == name else f"{plain},{sha256(name.encode()).hexdigest()[:8]}"


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


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as JSON; whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; ValueError that names a damaged one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or no UTF-8
        raise ValueError(f"{path} is damaged: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is damaged: it holds no JSON object")
    return content
