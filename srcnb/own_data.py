"""Data sets from files of the user's own: .npz and .csv with labels, and features of a network."""

import csv
import logging
import os
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from math import prod
from pathlib import Path

import numpy as np

from srcnb.datasets import Dataset
from srcnb.npz import Header, check_numbers, read_arrays, read_headers, refuse_objects
from srcnb.validation import Array, check_array, check_int, check_memory, check_path

logger = logging.getLogger(__name__)

FEATURE_ARRAYS = ("train_x", "train_y", "test_x", "test_y")
# The share of the samples that is held out for testing where a file does not say which.
TEST_FRACTION = 0.25
# Numbers that are scaled at a time.
BLOCK = 1 << 20


def load_file(
    path: str | os.PathLike[str], target: str | None = None, random_state: int = 0
) -> Dataset:
    """Load a Dataset of any labels and features, the features scaled to [0, 1].

    Each feature is scaled by its smallest and largest value in the training part, as features may
    have units of their own, and a sleep input is an intensity; the pixels of images (3-D ``X``) all
    by the same two, so that pictures stay pictures. What the test part has beyond is cut off; a
    feature that never changes is 0.

    Parameters
    ----------
    path : a file whose name ends with
        ".npz": arrays ``X`` (n, n_features), or (n, rows, columns) for images, and ``y`` (n,);
        perhaps ``X_test`` and ``y_test``;
        ".csv": a table with a header, whose other columns than ``target`` are the features.
    target : the column of the labels, for a CSV only
    random_state : int
        Of the stratified split, which holds out a quarter where the file has no test part.

    Returns
    -------
    Dataset
        Labels, numbers or strings, are 0 … n_classes - 1 in sorted order; ``labels`` has what they
        were.

    Raises
    ------
    ValueError
        That names the file, and the array or column: for what is missing, damaged, not a number,
        empty; for a class of one sample that would have to be split, a single class, or test
        labels that the training part does not have.
    FileNotFoundError
    """
    path = check_path("path", path)
    check_int("random_state", random_state)
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    if path.suffix == ".npz":
        if target is not None:
            raise ValueError(f"target is for a CSV only, got {target!r} with {path}")
        arrays = _read_samples(path)
    elif path.suffix == ".csv":
        arrays = _read_csv(path, target)
    else:
        raise ValueError(f"path must end with .npz or .csv, got {path}")
    for name in arrays.keys() & {"y", "y_test"}:
        if arrays[name].dtype.kind == "f":
            check_array(f"{name} of {path}", arrays[name], arrays[name].ndim)
    X, y = arrays["X"], arrays["y"].ravel()
    if "X_test" in arrays:
        X_test, y_test = arrays["X_test"], arrays["y_test"].ravel()
        rows, rows_test = np.arange(len(y)), np.arange(len(y_test))
    else:
        rows, rows_test = _split(path, y, random_state)
        logger.info(
            "%s has no test part: %d of %d samples are held out", path, len(rows_test), len(y)
        )
        X_test, y, y_test = X, y[rows], y[rows_test]
    labels, y = np.unique(y, return_inverse=True)
    if len(labels) < 2:
        raise ValueError(f"y of {path} must have at least two classes, got only {labels.item()!r}")
    place = np.searchsorted(labels, y_test).clip(max=len(labels) - 1)
    strange = labels[place] != y_test
    if strange.any():
        raise ValueError(f"y_test of {path} has {y_test[strange][0].item()!r}, which y has not")
    from sklearn.preprocessing import MinMaxScaler

    shape = X.shape[1:] if X.ndim == 3 else None
    scaler = MinMaxScaler(clip=True)
    for _, block in _blocks(f"X of {path}", X, rows):
        scaler.partial_fit(block)
    logger.info("features of %s: scaled to [0, 1] by its %d training samples", path, len(rows))

    def scaled(name: str, X: Array, rows: Array) -> Array:
        result = np.empty((len(rows), prod(X.shape[1:])), np.float32)
        for part, block in _blocks(name, X, rows):
            result[part] = scaler.transform(block).reshape(-1, result.shape[1])
        return result

    name_test = f"X_test of {path}" if "X_test" in arrays else f"X of {path}"
    return Dataset(
        path.stem,
        scaled(f"X of {path}", X, rows),
        y,
        scaled(name_test, X_test, rows_test),
        place,
        len(labels),
        shape,
        tuple(labels.tolist()),
    )


def load_features(path: str | os.PathLike[str]) -> Dataset:
    """Load a Dataset of feature vectors from a file, such as CIFAR10's or CUB200's.

    A .mat file, as the paper's code has them, is converted by one line: ``np.savez("f.npz", **{k: v
    for k, v in scipy.io.loadmat("f.mat").items() if k[0] != "_"})``. It is not read here, as
    SciPy's reader can end the process on a damaged one.

    Parameters
    ----------
    path : a .npz file with arrays
        ``train_x`` (n, n_features), ``test_x``, ``train_y`` and ``test_y``. Labels are numbers
        from 0 or from 1, of shape (n,) or (n, 1), or one-hot, (n, n_classes), both in the same
        way. Features must not be negative, and are left as they are.

    Raises
    ------
    ValueError
        For another kind of file, arrays that are missing, empty or do not fit, or negative
        features.
    FileNotFoundError
    """
    path = check_path("path", path)
    if not path.is_file():
        raise FileNotFoundError(f"no such file of features: {path}")
    if path.suffix != ".npz":
        how = "; load_features says how to convert a .mat file" if path.suffix == ".mat" else ""
        raise ValueError(f"features_file must end with .npz, got {path}{how}")
    headers = read_headers(path, FEATURE_ARRAYS)
    missing = [name for name in FEATURE_ARRAYS if name not in headers]
    if missing:
        raise ValueError(f"{path} must hold {', '.join(FEATURE_ARRAYS)}; it lacks {missing}")
    one_hot = _check_features(path, headers)
    # As read, and features as float32, labels as float64, each with two masks of what is finite.
    n_bytes = (prod(h.shape) * (h.dtype.itemsize + 10) for h in headers.values())
    check_memory(f"reading {path}", sum(n_bytes))
    arrays = read_arrays(path, headers)
    X, X_test = (
        check_array(f"{n} of {path}", arrays.pop(n), 2, np.float32) for n in ("train_x", "test_x")
    )
    for name, features in (("train_x", X), ("test_x", X_test)):
        if features.min() < 0:
            raise ValueError(f"{name} of {path} must not be negative, got {features.min()}")
    if not X.max() > 0:
        raise ValueError(
            f"train_x of {path} must hold a positive feature, its largest is {X.max()}"
        )
    y, y_test = _numbers(path, arrays, one_hot)
    return Dataset(path.stem, X, y, X_test, y_test, int(y.max()) + 1)


def _read_samples(path: Path) -> dict[str, Array]:
    """X and y, perhaps X_test and y_test, whose shapes and dtypes fit; read only where they do."""
    headers = read_headers(path, ("X", "y", "X_test", "y_test"))
    for name in ("X", "y"):
        if name not in headers:
            raise ValueError(f"{path} must hold X and y; it lacks {name}")
    if ("X_test" in headers) != ("y_test" in headers):
        raise ValueError(f"{path} must hold both X_test and y_test, or neither")
    n_bytes = 0
    for part in ("", "_test") if "X_test" in headers else ("",):
        X, y = headers[f"X{part}"], headers[f"y{part}"]
        check_numbers(f"X{part} of {path}", X, (2, 3))
        if y.shape not in ((X.shape[0],), (X.shape[0], 1)):
            raise ValueError(f"y{part} of {path} must have shape ({X.shape[0]},), got {y.shape}")
        refuse_objects(f"y{part} of {path}", y, "str")
        if y.dtype.kind not in "biufU":
            raise ValueError(f"y{part} of {path} must hold numbers or strings, got dtype {y.dtype}")
        # As read, as float32, and two masks of what is finite. Labels are sorted.
        n_bytes += prod(X.shape) * (X.dtype.itemsize + 6) + prod(y.shape) * 3 * y.dtype.itemsize
    shape = headers["X"].shape[1:]
    shape_test = headers.get("X_test", headers["X"]).shape[1:]
    if shape != shape_test:
        what = f"{shape[0]} features" if len(shape) == 1 else f"images of shape {shape}"
        got = shape_test[0] if len(shape) == len(shape_test) == 1 else shape_test
        raise ValueError(f"X_test of {path} must have {what}, got {got}")
    strings = headers["y"].dtype.kind == "U"
    if (headers.get("y_test", headers["y"]).dtype.kind == "U") != strings:
        what = "strings" if strings else "numbers"
        dtype = headers["y_test"].dtype
        raise ValueError(f"y_test of {path} must hold {what} like y, got dtype {dtype}")
    check_memory(f"reading {path}", n_bytes)
    return read_arrays(path, headers)


def _check_features(path: Path, headers: dict[str, Header]) -> bool:
    """Whether the labels are one-hot rows; ValueError unless shapes and dtypes fit."""
    for name in ("train_x", "test_x"):
        check_numbers(f"{name} of {path}", headers[name], (2,))
    train, test = (headers[name].shape for name in ("train_y", "test_y"))
    one_hot, also_test = (len(shape) == 2 and 1 not in shape for shape in (train, test))
    if one_hot != also_test:
        raise ValueError(
            f"train_y and test_y of {path} must both be numbers or both one-hot rows,"
            f" got shapes {train} and {test}"
        )
    for part in ("train", "test"):
        n, y = headers[f"{part}_x"].shape[0], headers[f"{part}_y"]
        name = f"{part}_y of {path}"
        n_labels = y.shape[0] if one_hot else prod(y.shape)
        if n_labels != n:
            raise ValueError(
                f"{name} must have a label for each of the {n} samples, got {n_labels}"
            )
        check_numbers(name, y, range(4))
    for kind, width in (("x", headers["train_x"].shape[1]), ("y", train[-1] if one_hot else None)):
        shape = headers[f"test_{kind}"].shape
        if width is not None and shape[1] != width:
            raise ValueError(
                f"test_{kind} of {path} must have {width} columns like train_{kind}, got {shape[1]}"
            )
    return one_hot


def _blocks(name: str, X: Array, rows: Array) -> Iterator[tuple[slice, Array]]:
    """These rows of X as finite float64 for a scaler: (which of the rows, (n, n_features)).

    In blocks, as all of it may be eight times what X is. Images are (n · n_features, 1).
    """
    step = max(1, BLOCK // prod(X.shape[1:]))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        block = X[rows[part]].astype(np.float64)
        bad = ~np.isfinite(block)
        if bad.any():
            first, *rest = (int(i) for i in np.argwhere(bad)[0])
            where = (int(rows[start + first]), *rest)
            raise ValueError(f"{name} must be finite, got {X[where]} at index {where}")
        yield part, block.reshape(-1, 1) if X.ndim == 3 else block


def _split(path: Path, y: Array, random_state: int) -> list[Array]:
    """A stratified split: the rows of the training part, and those of the test part."""
    from sklearn.model_selection import train_test_split

    try:
        parts = train_test_split(
            np.arange(len(y)), test_size=TEST_FRACTION, stratify=y, random_state=random_state
        )
    except ValueError as error:
        raise ValueError(f"y of {path} can't be split by classes: {error}") from error
    return list(parts)


def _read_csv(path: Path, target: str | None) -> dict[str, Array]:
    import pandas as pd

    try:
        rows = [cells for _, cells in islice(_lines(path), 2)]
        table = pd.read_csv(path, low_memory=False)
    except (ValueError, OSError, csv.Error) as error:  # a ParserError is a ValueError
        raise ValueError(f"{path} can't be read as a CSV file: {error}") from error
    columns = [str(column) for column in table.columns]
    for name in columns:
        if re.match(r"Unnamed: \d", name):
            raise ValueError(
                f"column {name!r} of {path} has no name in the header: leave it out; if it is the"
                " index that DataFrame.to_csv writes, index=False does"
            )
    twice = [name for name, times in Counter(rows[0]).items() if times > 1]
    if twice:
        raise ValueError(f"{path} must have each column once, {twice[0]!r} is there twice")
    # Which would make pandas take the first value for an index.
    if len(rows[-1]) > len(rows[0]):
        raise ValueError(
            f"{path} must have a name for each column, got {len(rows[0])} names and a row of"
            f" {len(rows[-1])} values"
        )
    if target is None:
        raise ValueError(f"target must name the column of the labels in {path}: one of {columns}")
    if target not in columns:
        raise ValueError(f"target must be a column of {path}, one of {columns}; got {target!r}")
    missing = table[target].isna()
    if missing.any():
        line = _line(path, int(np.argmax(missing)))
        raise ValueError(f"column {target!r} of {path} has no label in line {line}")
    features = table.drop(columns=target)
    if not features.size:
        raise ValueError(f"X of {path} must not be empty, got shape {features.shape}")
    X = np.empty(features.shape)
    for j, column in enumerate(features.columns):
        X[:, j] = pd.to_numeric(features[column], errors="coerce")
        bad = ~np.isfinite(X[:, j])
        if bad.any():
            row = int(np.argmax(bad))
            raise ValueError(
                f"column {column!r} of {path} must hold finite numbers, got"
                f" {features[column].tolist()[row]!r} in line {_line(path, row)}: encode it, or"
                " leave it out"
            )
    y = table[target].to_numpy()
    return {"X": X, "y": y.astype(str) if y.dtype.kind == "O" else y}


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV that are not empty: the line where each ends, from 1, and its cells."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        for cells in reader:
            if len(cells) > 1 or "".join(cells).strip():
                yield reader.line_num, cells


def _line(path: Path, row: int) -> int:
    """The line of a row below the header."""
    try:
        return next(islice(_lines(path), row + 1, None))[0]
    except (csv.Error, StopIteration):  # a cell that only pandas reads
        return row + 2


def _numbers(path: Path, arrays: dict[str, Array], one_hot: bool) -> tuple[Array, Array]:
    """Labels of both parts as (n,) ints from 0, from one-hot rows or from numbers."""
    numbers = []
    for name in ("train_y", "test_y"):
        y = arrays[name] if one_hot else arrays[name].ravel()
        name = f"{name} of {path}"
        y = check_array(name, y, y.ndim)
        if one_hot:
            if not (np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all()):
                raise ValueError(f"{name} must be labels, or one-hot rows, got shape {y.shape}")
            y = y.argmax(axis=1)
        elif not (y == np.floor(y)).all():
            raise ValueError(f"{name} must be whole numbers, got {y[y != np.floor(y)][0]}")
        numbers.append(y)
    y, y_test = numbers
    if y.max() > len(y):
        raise ValueError(
            f"train_y of {path} must be labels up to its {len(y)} samples, got {y.max():.0f}"
        )
    first = 0 if one_hot else y.min()
    if first not in (0, 1):
        raise ValueError(f"labels of {path} must start at 0 or 1, got {first:.0f}")
    strange = ~np.isin(y_test, y)
    if strange.any():
        raise ValueError(f"test_y of {path} has {y_test[strange][0]:.0f}, which train_y has not")
    return (y - first).astype(np.int64), (y_test - first).astype(np.int64)
