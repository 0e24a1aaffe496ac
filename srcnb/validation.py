"""What parameters may be: every error names the parameter and the value it got."""

import numbers
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from numpy.ma import MaskedArray  # here, as np.ma would be imported at its first use

Array: TypeAlias = npt.NDArray[Any]
ArrayLike: TypeAlias = npt.ArrayLike
RandomState: TypeAlias = int | np.random.SeedSequence | np.random.Generator | None
T = TypeVar("T")

# The largest number that NumPy takes for a length.
MAX_LENGTH = int(np.iinfo(np.int64).max)
DTYPES = (np.dtype("float32"), np.dtype("float64"))


def check_int(name: str, value: Any, low: float = 0, high: float = np.inf) -> int:
    """Return ``value`` as an int within [low, high]; bools and floats are refused."""
    # To NumPy a time is an integer.
    if isinstance(value, (bool, np.timedelta64)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, got {_short(value)}")
    number = int(value)
    if number < low:
        raise ValueError(f"{name} must be at least {low}, got {_short(number)}")
    if number > high:
        raise ValueError(f"{name} must be at most {high}, got {_short(number)}")
    return number


def check_real(
    name: str,
    value: Any,
    low: float = -np.inf,
    high: float = np.inf,
    *,
    low_open: bool = False,
    high_open: bool = False,
) -> float:
    """Return ``value`` as a finite float within [low, high] (or open at either end)."""
    if isinstance(value, (bool, np.timedelta64)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {_short(value)}")
    try:
        number = float(value)
    except OverflowError:  # an int that no float can hold
        number = np.inf
    too_low = number <= low if low_open else number < low
    too_high = number >= high if high_open else number > high
    if not np.isfinite(number) or too_low or too_high:
        interval = f"{'(' if low_open else '['}{low}, {high}{')' if high_open else ']'}"
        raise ValueError(f"{name} must be a finite number in {interval}, got {_short(value)}")
    return number


def check_bool(name: str, value: Any) -> bool:
    """Return ``value`` if it is True or False, of Python or NumPy."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {_short(value)}")
    return bool(value)


def check_in_dtype(name: str, value: float, dtype: np.dtype[Any]) -> float:
    """Return ``value`` unless it is too large or too small for all the digits of ``dtype``."""
    limits = np.finfo(dtype)
    with np.errstate(over="ignore", under="ignore"):
        rounded = dtype.type(value)
    # Below its smallest normal number a dtype has fewer digits, and soon only 0.
    if not np.isfinite(rounded) or (value and abs(rounded) < limits.smallest_normal):
        what = "too small for" if np.isfinite(rounded) else "too large for"
        raise ValueError(f"{name} is {what} {dtype}, got {value!r}")
    return value


def check_instance(name: str, value: Any, kind: type, how: str) -> None:
    """Raise TypeError, which says ``how`` to make one, unless ``value`` is a ``kind``."""
    if not isinstance(value, kind):
        got = f"the class {value.__name__}" if isinstance(value, type) else _short(value)
        raise TypeError(f"{name} must be {how}, got {got}")


def check_methods(name: str, value: Any, methods: tuple[str, ...]) -> None:
    """Raise TypeError unless ``value`` is an object that has these ``methods``."""
    if isinstance(value, type) or not all(callable(getattr(value, m, None)) for m in methods):
        how = f"an object with the methods {' and '.join(methods)}"
        raise TypeError(f"{name} must be {how}, got {_short(value)}")


def check_choice(name: str, value: T, choices: Iterable[T]) -> T:
    """Return ``value`` if it is one of ``choices``."""
    choices = tuple(choices)
    for choice in choices:
        if isinstance(value, type(choice)) and value == choice:  # an array is equal to many
            return choice
    names = ", ".join(map(repr, choices))
    raise ValueError(f"{name} must be one of {names}; got {_short(value)}")


def check_path(name: str, value: Any) -> Path:
    """Return ``value``, a string or another path, as a Path."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} must be a string or a Path, got {_short(value)}")
    path = Path(value)
    if "\0" in str(path):
        raise ValueError(f"{name} must not hold a null character, got {_short(value)}")
    return path


def check_list(name: str, value: Any) -> list[Any]:
    """Return ``value`` as a list; TypeError unless it can be iterated and has an order.

    Strings are refused as well, and mappings, of which it would have the keys only.
    """
    unfit = (str, bytes, set, frozenset, Mapping)
    if isinstance(value, unfit) or not np.iterable(value):
        raise TypeError(f"{name} must be a list, got {_short(value)}")
    return list(value)


def check_dtype(name: str, value: Any) -> np.dtype[Any]:
    """Return ``value`` as a NumPy dtype, float32 or float64."""
    # None would mean float64 to NumPy.
    if value is not None:
        try:
            dtype: np.dtype[Any] = np.dtype(value)
            if dtype in DTYPES:
                return dtype
        except TypeError:
            pass
    raise ValueError(f"{name} must be 'float32' or 'float64', got {_short(value)}")


def check_array(name: str, value: Any, ndim: int, dtype: Any = None) -> Array:
    """Return ``value`` as a finite float array of ``ndim`` dimensions (in ``dtype``, if given)."""
    given = _numbers(name, value, "numbers")
    if given.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} dimension(s), got shape {given.shape}")
    with np.errstate(over="ignore"):
        array = given.astype(dtype or np.result_type(given.dtype, np.float32), copy=False)
    bad = ~np.isfinite(array)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        kind = f" in {array.dtype}" if np.isfinite(given[where]) else ""
        raise ValueError(f"{name} must be finite{kind}, got {given[where]} at index {where}")
    return np.asarray(array)


def check_vectors(name: str, value: Any, lengths: list[int], dtype: np.dtype[Any]) -> list[Array]:
    """Return ``value`` as a list of finite vectors of these ``lengths`` in ``dtype``."""
    items = enumerate(check_list(name, value))
    vectors = [check_array(f"{name}[{i}]", v, 1, dtype) for i, v in items]
    if [len(v) for v in vectors] != lengths:
        raise ValueError(f"{name} must have lengths {lengths}, got {[len(v) for v in vectors]}")
    return vectors


def check_zero_one(name: str, value: Any) -> Array:
    """Return ``value`` as a bool array of its shape; ValueError unless it holds 0 and 1 only."""
    array = _numbers(name, value, "bool or 0/1")
    if array.dtype != bool:
        bad = (array != 0) & (array != 1)
        if bad.any():
            raise ValueError(f"{name} must be 0 or 1, got {array[bad][0]}")
    return np.asarray(array.astype(bool, copy=False))


def check_intensities(name: str, X: Any) -> Array:
    """Return ``X`` as an (n, n_0) float array; ValueError unless all of it lies in [0, 1]."""
    refuse_mask(name, X)
    if not (isinstance(X, np.ndarray) and X.dtype in DTYPES):
        X = check_array(name, X, 2, np.float32)
    if X.ndim != 2 or not X.shape[1]:
        raise ValueError(f"{name} must have 2 dimensions, and columns, got shape {X.shape}")
    # Written so that NaN fails as well.
    if X.size and not (X.min() >= 0 and X.max() <= 1):
        bad = X[~((X >= 0) & (X <= 1))][0]
        raise ValueError(f"{name} must be intensities in [0, 1], got {bad}")
    return np.asarray(X)


def check_width(name: str, array: Array, width: int) -> None:
    """Raise unless the (n, width) ``array`` has ``width`` columns."""
    if array.shape[1] != width:
        raise ValueError(
            f"{name} must have {width} columns, the width of the network, got shape {array.shape}"
        )


def check_inputs(name: str, X: Any, width: int, dtype: np.dtype[Any]) -> Array:
    """Return ``X`` as a finite (n, width) array of the network's width and dtype."""
    X = check_array(name, X, 2, dtype)
    check_width(name, X, width)
    return np.asarray(X)


def check_samples(name: str, X: Any, width: int, dtype: np.dtype[Any]) -> Array:
    """Return ``X`` as :func:`check_inputs` does; ValueError if it has no row."""
    X = check_inputs(name, X, width, dtype)
    if not len(X):
        raise ValueError(f"{name} must hold at least one sample, got shape {X.shape}")
    return np.asarray(X)


def check_labels(name: str, y: Any, n_samples: int, n_classes: int) -> Array:
    """Return ``y`` as an (n_samples,) int array of labels in 0 … n_classes - 1."""
    y = _array(name, y, "labels")
    if y.dtype.kind in "OSU":
        raise TypeError(
            f"{name} must hold integer labels, got {_short(y.ravel()[0] if y.size else y)}:"
            " sklearn.preprocessing.LabelEncoder makes them of names"
        )
    if y.dtype.kind == "f":
        check_array(name, y, y.ndim)
    if y.ndim != 1 or len(y) != n_samples:
        how = f"; {name}.ravel() has it" if y.shape == (n_samples, 1) else ""
        raise ValueError(f"{name} must have shape ({n_samples},), got {y.shape}{how}")
    if y.dtype.kind not in "iuf" or not np.all(y == np.floor(y)):
        raise TypeError(f"{name} must hold integer labels, got dtype {y.dtype}")
    outside = (y < 0) | (y >= n_classes)
    if outside.any():
        raise ValueError(
            f"{name} must hold labels in 0 … {n_classes - 1}, got {y[outside][0]}"
            f" at index {int(np.argmax(outside))}"
        )
    return np.asarray(y, np.int64)


def check_targets(
    name: str, y: Any, shape: tuple[int, int], dtype: np.dtype[Any], sum_to_one: bool
) -> Array:
    """Return ``y`` as an array of ``shape`` (n, n_classes), whose rows may have to sum to 1."""
    targets = check_array(name, y, 2, dtype)
    if targets.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {targets.shape}")
    if sum_to_one and not np.allclose(targets.sum(axis=1), 1, atol=1e-3):
        raise ValueError(f"{name} must sum to 1 in each row, as the output is a softmax")
    if sum_to_one and targets.min() < 0:
        raise ValueError(f"{name} must not be negative, got {targets.min()}")
    return targets


def check_labels_or_targets(
    name: str, y: Any, shape: tuple[int, int], dtype: np.dtype[Any], sum_to_one: bool
) -> Array:
    """Return ``y`` as targets of ``shape`` (n, n_classes) if it is 2-D, as labels (n,) if not."""
    y = _array(name, y, "labels")
    if y.ndim == 2:
        return check_targets(name, y, shape, dtype, sum_to_one)
    return check_labels(name, y, *shape)


def check_masks(name: str, masks: Any, shapes: list[tuple[int, int]]) -> list[Array]:
    """Return ``masks`` as a list of bool arrays; ValueError for other shapes than these."""
    arrays = [check_zero_one(f"{name}[{i}]", m) for i, m in enumerate(check_list(name, masks))]
    if [m.shape for m in arrays] != shapes:
        raise ValueError(f"{name} must have shapes {shapes}, got {[m.shape for m in arrays]}")
    return arrays


def check_like(name: str, arrays: list[Array], others: list[Array]) -> list[Array]:
    """Return ``arrays`` if they are finite and of the shapes and dtypes of ``others``."""
    got, expected = ([f"{a.dtype} {a.shape}" for a in many] for many in (arrays, others))
    if got != expected:
        raise ValueError(f"{name} must be {', '.join(expected)}; got {', '.join(got)}")
    return [check_array(f"{name}[{i}]", a, a.ndim) for i, a in enumerate(arrays)]


def check_activations(values: Iterable[Array]) -> None:
    """Raise OverflowError unless the values of layers 1 … L, logits at the end, are finite.

    An infinity in a hidden layer may become 0 in the next, so that logits alone do not tell.
    """
    for layer, z in enumerate(values, 1):
        if not np.isfinite(z).all():
            raise OverflowError(
                f"weights of layers 1 … {layer} or X are too large, or NaN: layer {layer} has"
                f" values that are not finite in {z.dtype}"
            )


def check_memory(name: str, n_bytes: int) -> None:
    """Raise ValueError if ``n_bytes`` are more than the memory of this machine."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows does not say
        memory = 1 << 40
    if n_bytes > memory:
        raise ValueError(
            f"{name} takes {n_bytes / 1e9:,.0f} GB, and this machine has {memory / 1e9:,.0f}"
        )


def check_rng(name: str, random_state: RandomState) -> np.random.Generator:
    """Return a ``numpy.random.Generator`` from None, an int, a SeedSequence or a Generator."""
    if isinstance(random_state, np.random.SeedSequence):
        # A copy, as spawning would change the caller's, and with it the next run.
        random_state = np.random.SeedSequence(
            random_state.entropy,
            spawn_key=random_state.spawn_key,
            pool_size=random_state.pool_size,
        )
    try:
        if isinstance(random_state, (np.random.RandomState, bool)):
            raise TypeError
        return np.random.default_rng(random_state)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must be None, a non-negative int, a SeedSequence or a Generator,"
            f" got {_short(random_state)}"
        ) from None


def check_weights(name: str, weights: Any) -> list[Array]:
    """Return the weights as a list of C-ordered arrays of one dtype whose shapes chain.

    ``weights`` is a list of (n_l, n_{l-1}) arrays, all float32 or all float64. The arrays are not
    copied where they already fit.
    """
    layers = enumerate(check_list(name, weights))
    weights = [_array(f"{name}[{i}]", w, "numbers") for i, w in layers]
    if not weights:
        raise ValueError(f"{name} must hold at least one layer, got an empty list")
    dtypes = {w.dtype for w in weights}
    if len(dtypes) != 1 or dtypes.pop() not in DTYPES:
        got = ", ".join(str(w.dtype) for w in weights)
        raise TypeError(f"{name} must be all float32 or all float64, got {got}")
    for i, w in enumerate(weights):
        check_array(f"{name}[{i}]", w, 2)
        if 0 in w.shape:
            raise ValueError(f"{name}[{i}] must not be empty, got shape {w.shape}")
        if i and w.shape[1] != weights[i - 1].shape[0]:
            raise ValueError(
                f"{name} must chain: {name}[{i}] has shape {w.shape}, but {name}[{i - 1}]"
                f" has {weights[i - 1].shape[0]} rows"
            )
    return [np.ascontiguousarray(w) for w in weights]


def refuse_mask(name: str, value: Any) -> None:
    """Raise TypeError for a masked array or a list of them.

    NumPy would drop the mask, and use what it hides.
    """
    if isinstance(value, MaskedArray):
        raise TypeError(f"{name} must not be a masked array: drop or fill what is masked")
    if isinstance(value, (list, tuple)):
        for i, row in enumerate(value):
            if isinstance(row, MaskedArray):
                refuse_mask(f"{name}[{i}]", row)


def _numbers(name: str, value: Any, what: str) -> Array:
    """Return ``value`` as an array; TypeError, which says ``what`` it must hold, for no numbers."""
    array = _array(name, value, what)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of {what}, got {_short(value)}")
    return array


def _array(name: str, value: Any, what: str) -> Array:
    """Return ``value`` as an array; TypeError if none can be made, as of rows of other lengths."""
    refuse_mask(name, value)
    try:
        return np.asarray(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be an array of {what}, got {_short(value)}") from None


def _short(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # such as that of an int of more than 4300 digits
        text = f"an unprintable {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."
