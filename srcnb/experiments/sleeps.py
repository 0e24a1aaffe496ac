"""A sleep as a file: random state, constants and sleep input, to sleep again from the network.

The sleep input is kept as it was: its class and its attributes, without pickle.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import SeedSequence

from srcnb.io import replacing
from srcnb.methods.base import SleepRecord
from srcnb.spiking.config import SleepConfig
from srcnb.validation import Array

FORMAT, VERSION = "srcnb sleep", 1


@dataclass(frozen=True, eq=False)
class SavedSleep:
    """A SleepRecord as what a file holds.

    Attributes
    ----------
    header : dict that JSON can hold: random_state, config, engine, alone, and the sleep input's
        class and plain attributes
    arrays : the sleep input's attributes that are arrays
    """

    header: Mapping[str, Any]
    arrays: Mapping[str, Array]

    @classmethod
    def of(cls, record: SleepRecord) -> "SavedSleep":
        """A copy, which stays as it is when the run goes on.

        TypeError for a sleep input with attributes other than arrays, numbers, strings, None and
        tuples of these.
        """
        kind = type(record.sleep_input)
        arrays, state = {}, {}
        for name, value in vars(record.sleep_input).items():
            if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
                arrays[name] = value.copy()
            else:
                state[name] = _plain(f"{name} of the sleep input {kind.__qualname__}", value)
        header = {
            "random_state": {
                "entropy": _plain("random_state", record.random_state.entropy),
                "spawn_key": _plain("random_state", record.random_state.spawn_key),
            },
            "config": {f.name: getattr(record.config, f.name) for f in fields(record.config)},
            "engine": record.engine,
            "alone": record.alone,
            "sleep_input": {"class": f"{kind.__module__}:{kind.__qualname__}", "state": state},
        }
        return cls(header, arrays)

    def write(self, path: Path) -> None:
        """Write it to a file of NumPy's .npz format, whole or not at all."""
        text = json.dumps({"format": FORMAT, "format_version": VERSION, **self.header})
        with replacing(path) as temporary, open(temporary, "wb") as file:
            arrays: dict[str, Any] = {f"state_{name}": a for name, a in self.arrays.items()}
            np.savez_compressed(file, header=np.array(text), **arrays)

    @classmethod
    def read(cls, path: Path) -> "SavedSleep":
        """What :meth:`write` wrote; ValueError that names a file that is damaged or another."""
        try:
            with np.load(path, allow_pickle=False) as file:
                header = json.loads(str(file["header"]))
                if (header["format"], header["format_version"]) != (FORMAT, VERSION):
                    raise ValueError(f"its header is not that of a {FORMAT}, version {VERSION}")
                names = [name for name in file.files if name != "header"]
                return cls(header, {n.removeprefix("state_"): file[n] for n in names})
        except FileNotFoundError:
            raise
        except Exception as error:  # a damaged file makes NumPy and zipfile raise nearly anything
            raise ValueError(f"{path} can't be read as a sleep of srcnb: {error}") from error

    @property
    def config(self) -> SleepConfig:
        """The SleepConfig."""
        return SleepConfig(**self.header["config"])

    @property
    def random_state(self) -> SeedSequence:
        """The SeedSequence."""
        state = self.header["random_state"]
        return SeedSequence(state["entropy"], spawn_key=tuple(state["spawn_key"]))

    def sleep_input(self, kind: type | None = None) -> Any:
        """The sleep input, as it was; ``kind`` is its class, needed for one that is not srcnb's.

        ValueError for a class that is not srcnb's, or another than ``kind``.
        """
        module, _, name = self.header["sleep_input"]["class"].partition(":")
        if kind is None:
            # No other module is imported because a file names it.
            if module.split(".")[0] != "srcnb":
                raise ValueError(
                    f"sleep_input must be given: the class {module}.{name} is your own"
                )
            found: Any = import_module(module)
            kind = reduce(getattr, name.split("."), found)
        elif getattr(kind, "__qualname__", None) != name:
            raise ValueError(f"sleep_input must be the class {module}.{name}, got {kind!r}")
        sleep_input: Any = object.__new__(kind)
        for attribute, value in self.header["sleep_input"]["state"].items():
            setattr(sleep_input, attribute, _tuples(value))
        for attribute, array in self.arrays.items():
            setattr(sleep_input, attribute, array)
        return sleep_input


def _plain(what: str, value: Any) -> Any:
    """A value as what JSON can hold; TypeError that says ``what`` it is."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (list, tuple)):
        return [_plain(what, v) for v in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"save_networks can't keep {what}, a {type(value).__name__}")


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
