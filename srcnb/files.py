"""Files that are whole or not there: written to a temporary name, then renamed."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path):
    """Yield a temporary path beside ``path`` and rename it onto ``path`` if all went well."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def check_folder(name, folder, files=()):
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
