"""Data sets from files of the user's own: .npz and .csv with labels, and features of a network."""

import os
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from srcnb.datasets import Dataset
from srcnb.validation import Array, check_array, check_memory

FEATURE_ARRAYS = ("train_x", "train_y", "test_x", "test_y")
# The share of the samples that is held out for testing where a file does not say which.
TEST_FRACTION = 0.25


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
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    if path.suffix == ".npz":
        if target is not None:
            raise ValueError(f"target is for a CSV only, got {target!r} with {path}")
        arrays = _read_npz(path, ("X", "y", "X_test", "y_test"))
        for name in ("X", "y"):
            if name not in arrays:
                raise ValueError(f"{path} must hold X and y; it lacks {name}")
        if ("X_test" in arrays) != ("y_test" in arrays):
            raise ValueError(f"{path} must hold both X_test and y_test, or neither")
    elif path.suffix == ".csv":
        arrays = _read_csv(path, target)
    else:
        raise ValueError(f"path must end with .npz or .csv, got {path}")
    shape = arrays["X"].shape[1:] if arrays["X"].ndim == 3 else None
    X, y = _samples(path, arrays, "")
    if "X_test" in arrays:
        X_test, y_test = _samples(path, arrays, "_test")
    else:
        X, X_test, y, y_test = _split(path, X, y, random_state)
    if X_test.shape[1] != X.shape[1]:
        raise ValueError(f"X_test of {path} must have {X.shape[1]} features, got {X_test.shape[1]}")
    labels, y = np.unique(y, return_inverse=True)
    if len(labels) < 2:
        raise ValueError(f"y of {path} must have at least two classes, got only {labels[0]!r}")
    place = np.searchsorted(labels, y_test).clip(max=len(labels) - 1)
    strange = labels[place] != y_test
    if strange.any():
        raise ValueError(f"y_test of {path} has {y_test[strange][0]!r}, which y has not")
    from sklearn.preprocessing import MinMaxScaler

    scaler = MinMaxScaler(clip=True).fit(X.reshape(-1, 1) if shape else X)

    def scaled(X: Array) -> Array:
        columns = X.reshape(-1, 1) if shape else X
        return np.asarray(scaler.transform(columns).reshape(X.shape), np.float32)

    return Dataset(
        path.stem,
        scaled(X),
        y,
        scaled(X_test),
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
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such file of features: {path}")
    if path.suffix != ".npz":
        how = "; load_features says how to convert a .mat file" if path.suffix == ".mat" else ""
        raise ValueError(f"features_file must end with .npz, got {path}{how}")
    arrays = _read_npz(path, FEATURE_ARRAYS)
    missing = [name for name in FEATURE_ARRAYS if name not in arrays]
    if missing:
        raise ValueError(f"{path} must hold {', '.join(FEATURE_ARRAYS)}; it lacks {missing}")
    X, X_test = (
        check_array(f"{n} of {path}", arrays[n], 2, np.float32) for n in ("train_x", "test_x")
    )
    for name, features in (("train_x", X), ("test_x", X_test)):
        if not features.size:
            raise ValueError(f"{name} of {path} must not be empty, got shape {features.shape}")
        if features.min() < 0:
            raise ValueError(f"{name} of {path} must not be negative, got {features.min()}")
    if not X.max() > 0:
        raise ValueError(
            f"train_x of {path} must hold a positive feature, its largest is {X.max()}"
        )
    y, y_test = _numbers(path, arrays, (len(X), len(X_test)))
    return Dataset(path.stem, X, y, X_test, y_test, int(max(y.max(), y_test.max())) + 1)


def _read_npz(path: Path, names: Iterable[str]) -> dict[str, Array]:
    """Those of the arrays that the file has; nothing else in it is read."""
    arrays = {}
    try:
        with zipfile.ZipFile(path) as members:
            sizes = {info.filename: info.file_size for info in members.infolist()}
    except (OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} can't be read as a .npz file: {error}") from error
    with np.load(path, allow_pickle=False) as file:
        for name in names:
            if name in file.files:
                check_memory(f"{name} of {path}", sizes.get(f"{name}.npy", 0))
                try:
                    arrays[name] = file[name]
                # A damaged member makes NumPy and zipfile raise nearly anything.
                except Exception as error:
                    raise ValueError(f"{name} of {path} can't be read: {error}") from error
    return arrays


def _read_csv(path: Path, target: str | None) -> dict[str, Any]:
    import pandas as pd

    try:
        table = pd.read_csv(path)
    except (ValueError, OSError) as error:  # a ParserError is a ValueError
        raise ValueError(f"{path} can't be read as a CSV file: {error}") from error
    columns = [str(column) for column in table.columns]
    if target is None:
        raise ValueError(f"target must name the column of the labels in {path}: one of {columns}")
    if target not in columns:
        raise ValueError(f"target must be a column of {path}, one of {columns}; got {target!r}")
    if table[target].isna().any():
        line = int(np.argmax(table[target].isna())) + 2
        raise ValueError(f"column {target!r} of {path} has no label in line {line}")
    features = table.drop(columns=target)
    if not features.size:
        raise ValueError(f"X of {path} must not be empty, got shape {features.shape}")
    for column in features:
        if features[column].dtype.kind not in "biuf":
            raise ValueError(
                f"column {column!r} of {path} must hold numbers, got"
                f" {features[column].iloc[0]!r}: encode it, or leave it out"
            )
    return {"X": features.to_numpy(np.float64), "y": table[target].to_numpy()}


def _samples(path: Path, arrays: dict[str, Any], part: str) -> tuple[Array, Array]:
    """X as finite float64 (n, n_features), y as (n,) numbers or strings."""
    X, y = np.asarray(arrays[f"X{part}"]), np.asarray(arrays[f"y{part}"])
    if X.ndim == 3:
        X = X.reshape(len(X), -1)
    X = check_array(f"X{part} of {path}", X, 2, np.float64)
    if not X.size:
        raise ValueError(f"X{part} of {path} must not be empty, got shape {X.shape}")
    if y.shape not in ((len(X),), (len(X), 1)):
        raise ValueError(f"y{part} of {path} must have shape ({len(X)},), got {y.shape}")
    y = y.ravel()
    if y.dtype.kind == "f":
        check_array(f"y{part} of {path}", y, 1)
    elif y.dtype.kind == "O":
        y = y.astype(str)
    elif y.dtype.kind not in "biuU":
        raise ValueError(f"y{part} of {path} must hold numbers or strings, got dtype {y.dtype}")
    return X, y


def _split(path: Path, X: Array, y: Array, random_state: int) -> list[Array]:
    """A stratified split, the test part last: X, X_test, y, y_test."""
    from sklearn.model_selection import train_test_split

    try:
        parts = train_test_split(
            X, y, test_size=TEST_FRACTION, stratify=y, random_state=random_state
        )
    except ValueError as error:
        raise ValueError(f"y of {path} can't be split by classes: {error}") from error
    return list(parts)


def _numbers(path: Path, arrays: dict[str, Any], lengths: tuple[int, int]) -> list[Array]:
    """Labels of both parts as (n,) ints from 0, from one-hot rows or from numbers."""
    names = ("train_y", "test_y")
    parts = [np.asarray(arrays[name]) for name in names]
    one_hot, also_test = (y.ndim == 2 and 1 not in y.shape for y in parts)
    if one_hot != also_test:
        raise ValueError(
            f"train_y and test_y of {path} must both be numbers or both one-hot rows,"
            f" got shapes {parts[0].shape} and {parts[1].shape}"
        )
    numbers = []
    for name, y, n in zip(names, parts, lengths, strict=True):
        name = f"{name} of {path}"
        y = check_array(name, y, 2) if one_hot else check_array(name, y.ravel(), 1)
        if len(y) != n:
            raise ValueError(f"{name} must have a label for each of the {n} samples, got {len(y)}")
        if one_hot:
            if not (np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all()):
                raise ValueError(f"{name} must be labels, or one-hot rows, got shape {y.shape}")
            y = y.argmax(axis=1)
        elif not (y == np.floor(y)).all():
            raise ValueError(f"{name} must be whole numbers, got {y[y != np.floor(y)][0]}")
        elif y.max() > n:
            raise ValueError(f"{name} must be labels up to its {n} samples, got {y.max():.0f}")
        numbers.append(y.astype(np.int64))
    first, first_test = (0, 0) if one_hot else (int(y.min()) for y in numbers)
    if first not in (0, 1):
        raise ValueError(f"labels of {path} must start at 0 or 1, got {first}")
    if first_test < first:
        raise ValueError(f"test_y of {path} has {first_test}, and train_y starts at {first}")
    if not one_hot and first == 0 and numbers[1].max() > numbers[0].max():
        raise ValueError(
            f"test_y of {path} has {numbers[1].max()}, and train_y ends at {numbers[0].max()}"
        )
    return [y - first for y in numbers]
