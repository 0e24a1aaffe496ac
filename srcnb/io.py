"""Files that are whole or not there, and networks as files: arrays and a header, without pickle.

What a network is made of is not known here: srcnb.low_rank.load is the function for users. State
dicts are in srcnb.state_dict.
"""

import json
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from srcnb.validation import Array, check_path

PathLike: TypeAlias = str | os.PathLike[str]
FORMAT, VERSION = "srcnb network", 1
# NumPy's own: of np.random a file may name nothing else.
BIT_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")


@contextmanager
def replacing(path: PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` and rename it onto ``path`` if all went well.

    The temporary name is hidden and another one each time, so that processes and threads may write
    to one ``path`` at once: the last to finish stays. OSErrors name ``path``.
    """
    path = check_path("path", path)
    if not path.name:
        raise ValueError(f"path must name a file, got {str(path)!r}")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        # Of a full disk the system does not say where; pandas raises some without a number.
        ours = error.filename is None or str(error.filename) == str(temporary)
        if ours and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        with suppress(OSError):  # it may be that there is no folder
            temporary.unlink()


@contextmanager
def locked(path: PathLike) -> Iterator[None]:
    """Hold an exclusive lock on the file ``path``, made if need be, until the block ends.

    It is the operating system's lock: a process that ends, however it ends, leaves none behind.
    ValueError that names the file if another process holds it.
    """
    with open(path, "ab+") as file:
        try:
            try:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except ImportError:  # Windows
                import msvcrt

                file.seek(0)
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError as error:
            raise ValueError(f"another process is at work here: it holds {path}") from error
        yield


def check_folder(name: str, folder: PathLike, files: Iterable[str] = ()) -> Path:
    """Make ``folder`` if need be and return it as a Path.

    ValueError if it, or one of the ``files`` in it, can't be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"{name} must be a folder that can be written, got {folder}: {error}"
        ) from None
    for file in files:
        if (folder / file).is_dir():
            raise ValueError(f"{name} must have room for {file}, but {folder / file} is a folder")
    return folder


def is_state_dict(path: PathLike) -> bool:
    """Whether the name of ``path`` says that it is a state dict of PyTorch or the like."""
    return check_path("path", path).suffix == ".safetensors"


def write_network(
    path: PathLike,
    header: Mapping[str, Any],
    parameters: Sequence[Array],
    velocity: Sequence[Array] = (),
) -> None:
    """Write an .npz file of the arrays and, as JSON, the ``header``; whole or not at all.

    Format and version are added to the header. ``path`` is used as it is, whatever its ending, but
    ValueError for that of another format.
    """
    if is_state_dict(path):
        raise ValueError(
            f"path must not end with .safetensors, got {path}: the file is of NumPy's .npz format"
        )
    whole = {"format": FORMAT, "version": VERSION, **header}
    # Bit generators have arrays and numbers of NumPy in their states.
    text = json.dumps(whole, default=lambda value: value.tolist())
    arrays: dict[str, Any] = {f"parameter_{i}": p for i, p in enumerate(parameters)}
    arrays |= {f"velocity_{i}": v for i, v in enumerate(velocity)}
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, header=np.array(text), **arrays)


def read_network(path: PathLike) -> tuple[dict[str, Any], list[Array], list[Array]]:
    """Header, parameters and velocity of a file of :func:`write_network`.

    ValueError that names the file if it is damaged, of another kind, or of a later version;
    FileNotFoundError if it is not there.
    """
    try:
        with open(path, "rb") as raw:
            # What is no zip file NumPy takes for a pickle, and says how to run what is in it.
            if raw.read(4) not in (b"PK\x03\x04", b"PK\x05\x06"):
                raise ValueError("it is no .npz file")
            raw.seek(0)
            with np.load(raw, allow_pickle=False) as file:
                header = json.loads(str(file["header"])) if "header" in file else None
                if not isinstance(header, dict) or header.get("format") != FORMAT:
                    what = "it has no header" if header is None else "its header is not that"
                    raise ValueError(f"{what} of a {FORMAT}")
                version = header.get("version")
                if type(version) is not int or not 1 <= version <= VERSION:
                    raise ValueError(
                        f"it has version {version!r} of the format, and this srcnb reads {VERSION}"
                    )
                return header, _numbered(file, "parameter"), _numbered(file, "velocity")
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged file makes NumPy and zipfile raise nearly anything
        what = str(error)
        if "allow_pickle" in what:
            what = "it holds Python objects in place of numbers"
        raise ValueError(f"{path} can't be read as a network of srcnb: {what}") from error


def _numbered(file: Mapping[str, Any], name: str) -> list[Array]:
    """The arrays NAME_0, NAME_1, … of a file."""
    numbered = [f"{name}_{i}" for i in range(sum(key.startswith(f"{name}_") for key in file))]
    for key in numbered:
        if key not in file:
            raise ValueError(f"it lacks {key!r}")
    return [np.asarray(file[key]) for key in numbered]


def generator_state(name: str, rng: np.random.Generator) -> dict[str, Any]:
    """The state of ``rng``; ValueError for a bit generator that a file can't bring back."""
    kind = type(rng.bit_generator).__name__
    if kind not in BIT_GENERATORS:
        raise ValueError(f"{name} must be of {', '.join(BIT_GENERATORS)} to be saved, got {kind}")
    return dict(rng.bit_generator.state)


def generator(name: str, state: Any) -> np.random.Generator:
    """The generator of a :func:`generator_state` that went through JSON.

    ValueError that starts with ``name`` for any other ``state``.
    """
    kind = state.get("bit_generator") if isinstance(state, dict) else None
    if kind not in BIT_GENERATORS:
        got = repr(state if kind is None else kind)
        raise ValueError(f"{name} must be of {', '.join(BIT_GENERATORS)}, got {got[:60]}")
    bit_generator = getattr(np.random, kind)()
    try:
        # NumPy does not check where in its buffer it is, and would read beyond it.
        position = state["state"]["pos"] if kind == "MT19937" else state.get("buffer_pos", 0)
        if not 0 <= position <= (624 if kind == "MT19937" else 4):
            raise ValueError(f"position {position}")
        bit_generator.state = state
        # Nor does it refuse all numbers that it cuts off.
        taken = json.loads(json.dumps(bit_generator.state, default=lambda value: value.tolist()))
        if taken != state:
            raise ValueError("numbers out of range")
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        what = f"{type(error).__name__}: {error}"
        raise ValueError(f"{name} must be a state of {kind}, got {what}") from error
    return np.random.Generator(bit_generator)
