"""Arrays of .npz files: what they are, before they are read; nothing is unpickled."""

import zipfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib import format as npy

from srcnb.validation import Array

# Of the versions of the format; later ones are for names of fields.
READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class Header(NamedTuple):
    """What an array is before it is read."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def read_headers(path: Path, names: Iterable[str]) -> dict[str, Header]:
    """Of those of the arrays that the file has; a few megabytes may be the zip of gigabytes."""
    headers = {}
    with _members(path) as members:
        sizes = {info.filename: info.file_size for info in members.infolist()}
        for name in names:
            if f"{name}.npy" not in sizes:
                continue
            with _reading(f"{name} of {path}"), members.open(f"{name}.npy") as file:
                version = npy.read_magic(file)
                if version not in READERS:
                    raise ValueError(f"its format has the version {version}")
                shape, _, dtype = READERS[version](file)
                n_bytes, there = prod(shape) * dtype.itemsize, sizes[f"{name}.npy"] - file.tell()
                if min(shape, default=0) < 0 or (not dtype.hasobject and n_bytes != there):
                    raise ValueError(
                        f"its header says shape {shape} of {dtype}, {n_bytes:,} bytes, and there"
                        f" are {there:,}"
                    )
            headers[name] = Header(shape, dtype)
    return headers


def read_arrays(path: Path, names: Iterable[str]) -> dict[str, Array]:
    """These arrays; nothing else in the file is read."""
    arrays = {}
    with _members(path) as members:
        for name in names:
            with _reading(f"{name} of {path}"), members.open(f"{name}.npy") as file:
                arrays[name] = npy.read_array(file, allow_pickle=False)
    return arrays


def _members(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} can't be read as a .npz file: {error}") from error


@contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    # A damaged member makes NumPy and zipfile raise nearly anything.
    except Exception as error:
        raise ValueError(f"{name} can't be read: {error}") from error


def check_numbers(name: str, header: Header, n_dims: Collection[int]) -> None:
    """Raise ValueError for no numbers, other dimensions, or an empty array."""
    refuse_objects(name, header, "float")
    if header.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be an array of numbers, got dtype {header.dtype}")
    if len(header.shape) not in n_dims:
        how = " or 3 (images)" if 3 in n_dims else ""
        raise ValueError(f"{name} must have 2{how} dimensions, got shape {header.shape}")
    if 0 in header.shape:
        raise ValueError(f"{name} must not be empty, got shape {header.shape}")


def refuse_objects(name: str, header: Header, dtype: str) -> None:
    """Raise ValueError, which says how to save the array, for one of Python objects."""
    if header.dtype.hasobject:
        raise ValueError(
            f"{name} holds Python objects, which are not read: save it by .astype({dtype})"
        )
