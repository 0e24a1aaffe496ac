"""Dataset, and data sets by name: digits, MNIST, Fashion-MNIST. own_data.py reads users' files."""

import gzip
import logging
import os
import struct
import zlib
from dataclasses import dataclass, replace
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from srcnb.validation import (
    DTYPES,
    Array,
    check_array,
    check_choice,
    check_instance,
    check_int,
    check_labels,
    check_list,
    check_memory,
    check_path,
    check_real,
)

logger = logging.getLogger(__name__)

# Name → (the folder of its IDX files, its name on OpenML).
MNISTS = {
    "mnist": ("mnist", "mnist_784"),
    "fashion-mnist": ("fashion-mnist", "Fashion-MNIST"),
}
NAMES = ("digits", *MNISTS)
# Of an expanded IDX file: MNIST has 47 million. A few megabytes may be the gzip of gigabytes.
MAX_IDX_BYTES = 1 << 30
# The share of digits that is held out as its test set; the split is always the same.
DIGITS_TEST_FRACTION = 0.25
_N_TRAIN, _N_PIXELS = 60_000, 784
# About what a list of the classes, and of the tasks of them, takes for each.
_BYTES_PER_CLASS = 200


@dataclass(frozen=True)
class Dataset:
    """Samples with labels 0 … n_classes - 1, split into training and test.

    The features may have any scale, but a sleep input takes intensities in [0, 1] only.

    Attributes
    ----------
    name : str
    X, X_test : (n, n_features) float arrays; of other types than float32 and float64: float32
    y, y_test : (n,) int arrays
    n_classes : int
    shape : (rows, columns) of the images, or None for feature vectors
    labels : what the classes 0 … n_classes - 1 are called where they come from, each, or None
    """

    name: str
    X: Array
    y: Array
    X_test: Array
    y_test: Array
    n_classes: int
    shape: tuple[int, int] | None = None
    labels: tuple[Any, ...] | None = None

    def __post_init__(self) -> None:
        check_instance("name", self.name, str, "a string")
        check_int("n_classes", self.n_classes, low=2)
        check_memory(f"n_classes={self.n_classes}", self.n_classes * _BYTES_PER_CLASS)
        if self.labels is not None:
            labels = tuple(check_list("labels", self.labels))
            if not len(labels) == len(set(map(str, labels))) == self.n_classes:
                raise ValueError(
                    f"labels must name each of the {self.n_classes} classes, got {len(labels)}:"
                    f" {', '.join(map(repr, labels[:10]))}"
                )
            object.__setattr__(self, "labels", labels)
        for part in ("", "_test"):
            X = getattr(self, f"X{part}")
            dtype = X.dtype if isinstance(X, np.ndarray) and X.dtype in DTYPES else np.float32
            X = check_array(f"X{part}", X, 2, dtype)
            y = check_labels(f"y{part}", getattr(self, f"y{part}"), len(X), self.n_classes)
            object.__setattr__(self, f"X{part}", X)
            object.__setattr__(self, f"y{part}", y)
        n_features = self.X.shape[1]
        if n_features != self.X_test.shape[1]:
            raise ValueError(
                f"X_test must have {n_features} columns like X, got {self.X_test.shape[1]}"
            )
        if self.shape is not None:
            shape = tuple(check_int("shape", n, low=1) for n in check_list("shape", self.shape))
            if len(shape) != 2 or prod(shape) != n_features:
                raise ValueError(
                    f"shape must be the rows and columns of {n_features} pixels, got {shape}"
                )
            object.__setattr__(self, "shape", shape)

    def fingerprint(self) -> str:
        """A hash of the samples and labels of both parts, with their shapes and dtypes: 64 hex."""
        digest = sha256()
        for array in (self.X, self.y, self.X_test, self.y_test):
            digest.update(f"{array.dtype.str} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def validation_split(self, fraction: float = 0.25, random_state: int = 0) -> "Dataset":
        """The same data set without its test part: a stratified share of X is held out instead.

        For choosing hyper-parameters, for which the test set must never be used.
        """
        from sklearn.model_selection import train_test_split

        check_real("fraction", fraction, 0, 1, low_open=True, high_open=True)
        check_int("random_state", random_state)
        try:
            X, X_test, y, y_test = train_test_split(
                self.X, self.y, test_size=fraction, stratify=self.y, random_state=random_state
            )
        except ValueError as error:
            raise ValueError(
                f"fraction must leave each class samples in both parts, got {fraction}: {error}"
            ) from error
        return replace(self, X=X, y=y, X_test=X_test, y_test=y_test)


def load(name: str = "digits", data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load a Dataset, its features scaled to [0, 1], float32.

    Parameters
    ----------
    name : "digits" | "mnist" | "fashion-mnist"
        digits: scikit-learn's 1797 images of 8×8 pixels, a stratified quarter of them for testing.
    data_dir : path or None
        The folder that holds ``mnist/`` and ``fashion-mnist/`` with the sets' four IDX .gz files.
        None: the folder in the environment variable SRCNB_DATA; where that is not set either, the
        set is fetched once by scikit-learn's ``fetch_openml``, which caches it.

    Raises
    ------
    ValueError
        For an unknown name, or an IDX file that is truncated, not gzip, or of the wrong magic.
    FileNotFoundError
        Where the folder lacks a file.
    """
    check_choice("name", name, NAMES)
    if name == "digits":
        logger.info("digits: from scikit-learn, %g of it for testing", DIGITS_TEST_FRACTION)
        return _digits()
    folder, openml_name = MNISTS[name]
    given = "data_dir"
    if data_dir is None:
        given, data_dir = "SRCNB_DATA", os.environ.get("SRCNB_DATA") or None
    if data_dir is not None:
        path = check_path("data_dir", data_dir) / folder
        logger.info("%s: from the folder %s, by %s", name, path, given)
        X, y, X_test, y_test = _from_folder(path)
    else:
        logger.info("%s: from OpenML's %r, or scikit-learn's cache of it", name, openml_name)
        X, y, X_test, y_test = _from_openml(openml_name)
    X, X_test = (a.reshape(len(a), -1).astype(np.float32) / 255 for a in (X, X_test))
    return Dataset(name, X, y, X_test, y_test, n_classes=10, shape=(28, 28))


def read_idx(path: str | os.PathLike[str], n_dims: int) -> Array:
    """Read a gzipped IDX file of unsigned bytes (the format of MNIST) with ``n_dims`` dimensions.

    The header is big-endian: two zero bytes, the type (8: unsigned byte), the number of
    dimensions, then each dimension as 4 bytes. Raises ValueError that names the file.
    """
    path = check_path("path", path)
    if check_int("n_dims", n_dims, low=1) > 255:
        raise ValueError(f"n_dims must be at most 255, got {n_dims}")
    magic = bytes((0, 0, 8, n_dims))
    header = 4 + 4 * n_dims
    try:
        with gzip.open(path) as file:
            raw = file.read(header)
            if raw[:4] != magic:
                raise ValueError(
                    f"{path} must start with the magic {magic.hex()}, got {raw[:4].hex()!r}"
                )
            if len(raw) < header:
                raise ValueError(
                    f"{path} is truncated: {len(raw)} bytes, its header alone has {header}"
                )
            shape = struct.unpack(f">{n_dims}I", raw[4:])
            n_bytes = prod(shape)  # of Python ints, which have no largest one
            if n_bytes > MAX_IDX_BYTES:
                raise ValueError(
                    f"{path} must have at most {MAX_IDX_BYTES:,} bytes, and its header says"
                    f" {shape}, {n_bytes:,} bytes"
                )
            # Not all of it: a few megabytes may be the gzip of many gigabytes.
            content = file.read(n_bytes + 1)
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a gzip file, or damaged: {error}") from None
    except EOFError:
        raise ValueError(f"{path} is truncated: its gzip stream ends early") from None
    if len(content) != n_bytes:
        short = len(content) < n_bytes
        what = f"truncated: {len(content)}" if short else f"too long: over {n_bytes}"
        raise ValueError(f"{path} is {what} bytes for shape {shape}")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _digits() -> Dataset:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=DIGITS_TEST_FRACTION, stratify=y, random_state=0
    )
    return Dataset("digits", X, y, X_test, y_test, n_classes=10, shape=(8, 8))


def _from_folder(folder: Path) -> list[Array]:
    parts = []
    for prefix in ("train", "t10k"):
        for kind, n_dims in (("images-idx3", 3), ("labels-idx1", 1)):
            path = folder / f"{prefix}-{kind}-ubyte.gz"
            if not path.is_file():
                raise FileNotFoundError(f"data_dir must hold {path}, which is not there")
            parts.append(read_idx(path, n_dims))
            if not len(parts[-1]) or parts[-1].shape[1:] != (28, 28)[: n_dims - 1]:
                raise ValueError(
                    f"{path} must hold images of 28×28 pixels, or labels; got shape"
                    f" {parts[-1].shape}"
                )
    for i in (0, 2):
        if len(parts[i]) != len(parts[i + 1]):
            raise ValueError(
                f"{folder} must have one label per image,"
                f" got {len(parts[i])} images and {len(parts[i + 1])} labels"
            )
    return parts


def _from_openml(name: str) -> list[Array]:
    from sklearn.datasets import fetch_openml

    try:
        X, y = fetch_openml(name, version=1, return_X_y=True, as_frame=False)
    except OSError as error:
        raise ConnectionError(
            f"could not fetch {name} from OpenML ({error}); set data_dir or SRCNB_DATA to a"
            " folder with the IDX files instead"
        ) from error
    if X.shape != (70_000, _N_PIXELS):
        raise ValueError(f"OpenML's {name} must have shape (70000, {_N_PIXELS}), got {X.shape}")
    y = y.astype(np.int64)
    # OpenML keeps the original order: the 60,000 training images come first.
    return [X[:_N_TRAIN], y[:_N_TRAIN], X[_N_TRAIN:], y[_N_TRAIN:]]
