"""Dataset, and data sets by name (digits, MNIST, Fashion-MNIST) or from a file of features."""

import gzip
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from srcnb.validation import DTYPES, Array, check_array, check_choice, check_int, check_labels

# Name → (the folder of its IDX files, its name on OpenML).
MNISTS = {
    "mnist": ("mnist", "mnist_784"),
    "fashion-mnist": ("fashion-mnist", "Fashion-MNIST"),
}
NAMES = ("digits", *MNISTS)
# The share of digits that is held out as its test set; the split is always the same.
DIGITS_TEST_FRACTION = 0.25
FEATURE_ARRAYS = ("train_x", "train_y", "test_x", "test_y")
_N_TRAIN, _N_PIXELS = 60_000, 784


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
    """

    name: str
    X: Array
    y: Array
    X_test: Array
    y_test: Array
    n_classes: int
    shape: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        check_int("n_classes", self.n_classes, low=2)
        for part in ("", "_test"):
            X = np.asarray(getattr(self, f"X{part}"))
            X = check_array(f"X{part}", X, 2, X.dtype if X.dtype in DTYPES else np.float32)
            y = check_labels(f"y{part}", getattr(self, f"y{part}"), len(X), self.n_classes)
            object.__setattr__(self, f"X{part}", X)
            object.__setattr__(self, f"y{part}", y)
        if self.X.shape[1] != self.X_test.shape[1]:
            raise ValueError(
                f"X_test must have {self.X.shape[1]} columns like X, got {self.X_test.shape[1]}"
            )

    def validation_split(self, fraction: float = 0.25, random_state: int = 0) -> "Dataset":
        """The same data set without its test part: a stratified share of X is held out instead.

        For choosing hyper-parameters, which must never see the test set.
        """
        from sklearn.model_selection import train_test_split

        X, X_test, y, y_test = train_test_split(
            self.X, self.y, test_size=fraction, stratify=self.y, random_state=random_state
        )
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
        return _digits()
    folder, openml_name = MNISTS[name]
    data_dir = data_dir or os.environ.get("SRCNB_DATA")
    if data_dir:
        X, y, X_test, y_test = _from_folder(Path(data_dir) / folder)
    else:
        X, y, X_test, y_test = _from_openml(openml_name)
    X, X_test = (a.reshape(len(a), -1).astype(np.float32) / 255 for a in (X, X_test))
    return Dataset(name, X, y, X_test, y_test, n_classes=10, shape=(28, 28))


def load_features(path: str | os.PathLike[str]) -> Dataset:
    """Load a Dataset of feature vectors from a file, such as CIFAR10's or CUB200's.

    Parameters
    ----------
    path : a .npz file, or a .mat file up to version 7.2, with arrays
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
    arrays = _read_arrays(path)
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
    y, y_test = _labels(path, arrays, (len(X), len(X_test)))
    return Dataset(path.stem, X, y, X_test, y_test, int(max(y.max(), y_test.max())) + 1)


def _read_arrays(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat

    readers: dict[str, Callable[[Path], Any]] = {".npz": np.load, ".mat": loadmat}
    if path.suffix not in readers:
        raise ValueError(f"path must end with .mat or .npz, got {path}")
    try:
        return dict(readers[path.suffix](path))
    except Exception as error:  # a damaged file makes them raise nearly anything
        raise ValueError(f"{path} can't be read as a {path.suffix} file: {error}") from error


def _labels(path: Path, arrays: dict[str, Any], lengths: tuple[int, int]) -> list[Array]:
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
        numbers.append(y.astype(np.int64))
    first = 0 if one_hot else min(y.min() for y in numbers)
    if first not in (0, 1):
        raise ValueError(f"labels of {path} must start at 0 or 1, got {first}")
    return [y - first for y in numbers]


def read_idx(path: str | os.PathLike[str], n_dims: int) -> Array:
    """Read a gzipped IDX file of unsigned bytes (the format of MNIST) with ``n_dims`` dimensions.

    The header is big-endian: two zero bytes, the type (8: unsigned byte), the number of
    dimensions, then each dimension as 4 bytes. Raises ValueError that names the file.
    """
    try:
        with gzip.open(path) as file:
            raw = file.read()
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a gzip file, or damaged: {error}") from None
    except EOFError:
        raise ValueError(f"{path} is truncated: its gzip stream ends early") from None
    magic = bytes((0, 0, 8, n_dims))
    if raw[:4] != magic:
        raise ValueError(f"{path} must start with the magic {magic.hex()}, got {raw[:4].hex()!r}")
    header = 4 + 4 * n_dims
    if len(raw) < header:
        raise ValueError(f"{path} is truncated: {len(raw)} bytes, its header alone has {header}")
    shape = struct.unpack(f">{n_dims}I", raw[4:header])
    n_bytes = int(np.prod(shape, dtype=np.int64))
    if len(raw) - header != n_bytes:
        what = "truncated" if len(raw) - header < n_bytes else "too long"
        raise ValueError(f"{path} is {what}: {len(raw) - header} bytes for shape {shape}")
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)


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
