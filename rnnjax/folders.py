"""Folders that hold what is to be written there."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def make_folder(path: Path) -> None:
    """Make a folder, with those above it, if it is not there, and check that files fit into it.

    Raises:
      ValueError: it cannot be made, is something else, cannot be written to, or has a name that is
        not UTF-8.
    """
    check_name(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except FileExistsError as error:
        raise ValueError(f"{path} must be a folder, got something else") from error
    except OSError as error:
        raise ValueError(f"cannot write to the folder {path}: {error.strerror}") from error


def check_name(path: Path) -> None:
    """Raise `ValueError` unless the whole name of a folder is UTF-8, as Orbax needs it."""
    whole = path.absolute()
    try:
        str(whole).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"the name of a folder of checkpoints must be UTF-8, got {os.fsencode(whole)!r}"
        ) from error


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder; it is renamed to `path` without an error, and removed otherwise.

    Raises:
      ValueError: there is something at `path`, or the folder cannot be made.
    """
    if path.exists() or path.is_symlink():
        raise ValueError(f"{path} must be a new folder, and is there already")
    make_folder(path.absolute().parent)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.mkdir()
        yield unfinished
        unfinished.rename(path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
