"""Writing files completely or not at all, and noticing damage when they are read."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# In the format of `sha256sum`. While a file is replaced, it lists the old and the new one.
DIGESTS = "SHA256SUMS"


def write_whole(path: Path, text: str) -> None:
    """Write `text` to `path` in UTF-8, completely or not at all."""
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path; it is renamed to `path` without an error, and removed otherwise."""
    # Not from tempfile: its files are readable only by their owner, also after renaming.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_with_digest(path: Path, text: str) -> None:
    """Write `text` to `path` as `write_whole` does, so that `read_with_digest` notices damage."""
    with replacing_with_digest(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


@contextmanager
def replacing_with_digest(path: Path) -> Iterator[Path]:
    """Do as `replacing`, and list the digest of the file in `SHA256SUMS` beside it.

    Raises:
      ValueError: that list is damaged.
    """
    with replacing(path) as unfinished:
        yield unfinished
        with unfinished.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        listed = _read_digests(path.parent)
        _write_digests(path.parent, [*listed, (digest, path.name)])
    others = [line for line in listed if line[1] != path.name]
    _write_digests(path.parent, [*others, (digest, path.name)])


def read_with_digest(path: Path) -> bytes:
    """Return the bytes of a file; one without a digest, as of elsewhere, is taken as it is.

    Raises:
      ValueError: the file cannot be read, or differs from what was written.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    known = [digest for digest, name in _read_digests(path.parent) if name == path.name]
    if known and hashlib.sha256(data).hexdigest() not in known:
        raise ValueError(
            f"{path} is damaged: it is not what was written. If it was changed on purpose, delete "
            f"its line in {path.with_name(DIGESTS)}"
        )
    return data


def _read_digests(folder: Path) -> list[tuple[str, str]]:
    """Return the digests and names of the files of a folder."""
    path = folder / DIGESTS
    text = path.read_bytes().decode("utf-8", errors="replace") if path.exists() else ""
    lines = [re.fullmatch("([0-9a-f]{64}) [ *](.+)", line) for line in text.splitlines()]
    if not all(lines):
        raise ValueError(f"{path} is damaged: each line must hold a digest and a name")
    return [(line[1], line[2]) for line in lines if line]


def _write_digests(folder: Path, listed: list[tuple[str, str]]) -> None:
    lines = sorted({(name, f"{digest}  {name}\n") for digest, name in listed})
    write_whole(folder / DIGESTS, "".join(line for _, line in lines))
