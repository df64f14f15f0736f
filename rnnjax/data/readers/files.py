"""Opening the files of a corpus, compressed by gzip or not."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def opened(path: str | Path) -> Iterator[io.BufferedIOBase]:
    """Open a file or a pipe to read its bytes, decompressed if it is gzip's.

    Raises:
      ValueError: the file cannot be read, or is damaged or cut short; here, or while it is read.
    """
    try:
        with open(path, "rb") as file:
            # No UTF-8 begins with these two bytes, and a pipe has no name to tell by.
            if file.peek(2)[:2] == b"\x1f\x8b":
                with gzip.GzipFile(fileobj=file) as content:
                    yield content
            else:
                yield file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} must be a whole gzip file, got a damaged one: {error}") from error
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error


def uncompressed(path: Path) -> Path:
    """Return the name that a file has when it is decompressed, without `.gz`."""
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path
