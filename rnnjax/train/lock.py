"""One owner for the folder of a run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows has no such locks; there, nothing is guarded
    fcntl = None  # type: ignore[assignment]


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Keep other processes from training in `folder` until the block ends, or the process does.

    Raises:
      ValueError: another process trains there; the message has its id.
    """
    path = folder / ".owner"
    with _locked(path) as file:
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
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
            if path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                yield file
                return
