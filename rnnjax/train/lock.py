"""One owner for the folder of a run."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows has no such locks; there, nothing is guarded
    fcntl = None  # type: ignore[assignment]


@contextmanager
def owned(folder: Path) -> Iterator[Callable[[], bool]]:
    """Keep other processes from training in `folder` until the block ends, or the process does.

    Yield a function that returns whether `folder` is still the one that was opened: it may have
    been renamed or removed, and another one may be in its place.

    Raises:
      ValueError: another process trains there; the message has its id.
    """
    path = folder / ".owner"
    with _locked(path) as file:
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        is_ours = partial(_is_open, path, file)
        try:
            yield is_ours
        finally:
            if is_ours():  # or it would be the file of another owner
                path.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    while True:
        with path.open("a+", encoding="utf-8") as file:
            if fcntl is not None:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError as error:
                    file.seek(0)
                    raise ValueError(
                        f"{path.parent} must have one owner, and process {file.read() or '?'} "
                        "trains there: wait for it, or choose another folder"
                    ) from error
            # The owner before may have removed the file between our opening and our locking it.
            if _is_open(path, file):
                yield file
                return


def _is_open(path: Path, file: IO[str]) -> bool:
    """Return whether an open file is the one that has this path now."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
