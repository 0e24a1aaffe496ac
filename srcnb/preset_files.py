"""Preset files: a protocol as JSON, with where it comes from.

A file names functions only by words of a fixed table; nothing in it is imported or run.
"""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from functools import partial
from typing import Any

import numpy as np

from srcnb.io import PathLike, replacing
from srcnb.mlp import MLP
from srcnb.protocol import Call, Protocol, SleepConstants, SleepSchedule
from srcnb.spiking.calibrate import SleepTargets
from srcnb.spiking.inputs import MeanInput, PatchInput, SampleInput, SegmentInput
from srcnb.validation import check_instance, check_int, check_path

FORMAT, VERSION = "srcnb preset", 1
# What "kind" may be, and what it stands for.
INPUTS: dict[str, Any] = {
    kind.__name__: kind for kind in (MeanInput, PatchInput, SegmentInput, SampleInput)
}
CONSTANTS: dict[str, Any] = {kind.__name__: kind for kind in (SleepConstants, SleepTargets)}


def save_preset(path: PathLike, protocol: Protocol, source: Mapping[str, Any]) -> None:
    """Write ``protocol`` and, for readers, its ``source`` as a file for :func:`load_preset`.

    Parameters
    ----------
    path : its name ends with .json, so that ``presets.get`` knows it for a file
    protocol : Protocol
        Its sleep input is one of srcnb's own.
    source : mapping of what JSON can hold
        Where the numbers come from: data, seeds, scores.

    Raises
    ------
    ValueError, TypeError
        For another ending, a sleep input that is none of INPUTS, and values that JSON can't hold.
    """
    path = check_path("path", path)
    if path.suffix != ".json":
        raise ValueError(f"path must end with .json, got {path}")
    check_instance("protocol", protocol, Protocol, "a Protocol")
    check_instance("source", source, Mapping, "a mapping")
    schedule = protocol.schedule
    content = {
        "format": FORMAT,
        "version": VERSION,
        "source": dict(source),
        "protocol": {
            **_values(protocol),
            "schedule": {
                **_values(schedule),
                "constants": {
                    "kind": type(schedule.constants).__name__,
                    **_values(schedule.constants),
                },
                "sleep_input": _input_as_json(schedule.sleep_input),
            },
        },
    }
    try:
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise type(error)(f"protocol and source must hold what JSON can hold: {error}") from error
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def load_preset(path: PathLike) -> Protocol:
    """The Protocol in a file of :func:`save_preset`, equal to the one that was saved.

    Raises
    ------
    ValueError
        That names the file and the field: for a file that is damaged, of another kind or of a
        later version; for fields that are missing, unknown, or outside their ranges.
    FileNotFoundError
    """
    path = check_path("path", path)
    if not path.is_file():
        raise FileNotFoundError(f"no such preset file: {path}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # no JSON, or no UTF-8
        raise ValueError(f"{path} can't be read as a preset: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{path} can't be read as a preset: its format is not {FORMAT!r}")
    version = content.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        raise ValueError(
            f"{path}: version must be one that this srcnb reads, {VERSION}, got {version!r}"
        )
    where = f"{path}: protocol"
    values = _fields(where, content.get("protocol"), Protocol)
    schedule = _fields(f"{where}.schedule", values["schedule"], SleepSchedule)
    for name, kinds in (("constants", CONSTANTS), ("sleep_input", INPUTS)):
        schedule[name] = _of_kind(f"{where}.schedule.{name}", schedule[name], kinds)
    values["schedule"] = _make(f"{where}.schedule", SleepSchedule, schedule)
    for name, function, given in (
        ("network", MLP, ()),
        ("training", MLP.fit, ("X", "y")),
        ("later_training", MLP.fit, ("X", "y")),
    ):
        _check_options(f"{where}.{name}", values.get(name, {}), function, given)
    protocol: Protocol = _make(where, Protocol, values)
    _make(where, _try, {"protocol": protocol})
    return protocol


def _values(value: Any) -> dict[str, Any]:
    """The fields of a dataclass, mappings as dicts."""
    found = {f.name: getattr(value, f.name) for f in fields(value)}
    return {k: dict(v) if isinstance(v, Mapping) else v for k, v in found.items()}


def _input_as_json(sleep_input: Callable[..., Any]) -> dict[str, Any]:
    """The kind of a sleep input, its keyword arguments, and others as "arguments"."""
    call = sleep_input if isinstance(sleep_input, Call) else Call(sleep_input, (), {})  # type: ignore[arg-type]
    kind = getattr(call.func, "__name__", "")
    if INPUTS.get(kind) is not call.func:
        raise ValueError(
            f"sleep_input must be one of {', '.join(INPUTS)}, or a functools.partial of one, to be"
            f" saved; got {sleep_input!r}"
        )
    named: dict[str, Any] = {"kind": kind, **call.keywords}
    # A partial without any arguments is another thing than the class.
    bare = call is sleep_input and not call.keywords
    return {**named, "arguments": call.args} if call.args or bare else named


def _plain(value: Any) -> Any:
    """Numbers of NumPy as those of Python."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"got {value!r}")


def _refuse_constant(text: str) -> None:
    raise ValueError(f"it holds {text}, which is no number")


def _fields(where: str, values: Any, kind: Any) -> dict[str, Any]:
    """``values`` as keyword arguments of the dataclass ``kind``: its fields, and no others.

    All of them but those with a default, which earlier versions may not have had.
    """
    names = [f.name for f in fields(kind)]
    if not isinstance(values, dict):
        raise ValueError(f"{where} must be an object with {', '.join(names)}, got {values!r:.60}")
    for field in fields(kind):
        if (
            field.name not in values
            and field.default is MISSING
            and field.default_factory is MISSING
        ):
            raise ValueError(f"{where} lacks {field.name}")
    _refuse_unknown(where, values, names)
    return dict(values)


def _refuse_unknown(where: str, values: Iterable[str], names: Iterable[str]) -> None:
    names = list(names)
    for name in values:
        if name not in names:
            raise ValueError(f"{where} must hold {', '.join(names)} only, got {name!r}")


def _of_kind(where: str, values: Any, kinds: Mapping[str, Any]) -> Any:
    """Constants, or what makes a sleep input, from an object with a "kind" of the table."""
    kind = values.get("kind") if isinstance(values, dict) else None
    if not isinstance(kind, str) or kind not in kinds:
        raise ValueError(f"{where}.kind must be one of {', '.join(kinds)}; got {kind!r:.60}")
    values = {name: _tuples(value) for name, value in values.items() if name != "kind"}
    if kinds is CONSTANTS:
        return _make(where, kinds[kind], _fields(where, values, kinds[kind]))
    called = bool(values)
    arguments = values.pop("arguments", ())
    if not isinstance(arguments, tuple):
        raise ValueError(f"{where}.arguments must be a list, got {arguments!r:.60}")
    made = partial(kinds[kind], *arguments, **values)
    _make(where, made, {})
    return made if called else kinds[kind]


def _tuples(value: Any) -> Any:
    """JSON's lists as tuples, which frozen dataclasses and shapes are made of."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _make(where: str, function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """What a function gives; its errors say where the values are."""
    try:
        return function(**values)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{where}: {error}") from error


def _check_options(
    where: str, values: Any, function: Callable[..., Any], given: Iterable[str]
) -> None:
    """Only options of a function, but for those that srcnb gives itself."""
    if not isinstance(values, dict):
        raise ValueError(f"{where} must be an object with options, got {values!r:.60}")
    taken = {"self", "layer_sizes", "random_state", "regularizer", *given}
    _refuse_unknown(
        where, values, [n for n in inspect.signature(function).parameters if n not in taken]
    )


def _try(protocol: Protocol) -> None:
    """Raise for options that a network or its training refuses, without any training."""
    net = MLP((1, 2), random_state=0, **protocol.network)
    for stage in (1, 2):
        training = protocol.training_at(stage)
        check_int("epochs", training.get("epochs", 0))
        net.fit(np.zeros((1, 1)), [0], **{**training, "epochs": 0})
    protocol.check_sleeps()
