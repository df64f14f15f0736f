"""Reading pre-trained word vectors."""

import math
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np


def read_vectors(path: str | Path, wanted: Collection[str]) -> dict[str, np.ndarray]:
    """Read the vectors of the `wanted` words from a text file of GloVe or word2vec.

    A line is a word and its numbers, separated by single spaces, in UTF-8; a first line of two
    whole numbers is word2vec's header, the number of words and of numbers a word. The file is
    read line by line, and only the vectors of wanted words are kept: (numbers,) float32 each.
    Of a word that occurs twice the first vector is taken. A wanted word that the file lacks has
    the vector of its lower-cased form, if that is there, and else is left out.

    As in GloVe's largest file a word may hold spaces; its last part must then be no number,
    for that would be one number too many. ValueError names the file where it has more or fewer
    vectors than its header says. It names file and line where a line has not
    as many numbers as the header says or else the first line has, is not UTF-8, or gives a
    wanted word anything but finite numbers (those of other words are not looked at); it names
    the file where that cannot be read or is empty.
    """
    needed = {form for word in wanted for form in (word, word.lower())}
    found: dict[str, np.ndarray] = {}
    try:
        with open(path, "rb") as file:
            for place, word, numbers in _rows(file, path):
                if word in needed and word not in found:
                    found[word] = _vector(numbers, place)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    sources = ((word, word if word in found else word.lower()) for word in wanted)
    return {word: found[source] for word, source in sources if source in found}


def coverage(counts: Mapping[str, int], vectors: Collection[str]) -> str:
    """What share of the words with `counts`, and of their occurrences, have `vectors`."""
    found = [word for word in counts if word in vectors]
    occurrences = sum(counts.values())
    types = len(found) / max(1, len(counts))
    tokens = sum(counts[word] for word in found) / max(1, occurrences)
    return (
        f"vectors for {types:.1%} of {len(counts):,} words, "
        f"{tokens:.1%} of their {occurrences:,} occurrences"
    )


def _rows(file: BinaryIO, path: str | Path) -> Iterator[tuple[str, str, list[bytes]]]:
    """The file's words, each with its place, for error messages, and its numbers unread."""
    size, count, promised = 0, 0, None
    for i, line in enumerate(file, 1):
        place = f"{path}, line {i}"
        line = line.rstrip()
        if not size:
            first = line.split(b" ")
            size = _size(first, place)
            if _is_header(first):
                promised = int(first[0])
                continue
        count += 1
        row = line.rsplit(b" ", size)
        if len(row) != size + 1 or _has_one_more(row[0]):
            raise ValueError(f"{place} must be a word and {size} numbers, but is {_cut(line)}")
        yield place, _decoded(row[0], place), row[1:]
    if promised is not None and count != promised:
        raise ValueError(f"{path} has {count} vectors; its first line says {promised}")
    if not size:
        raise ValueError(f"{path} is empty; it must hold word vectors")


def _is_header(row: list[bytes]) -> bool:
    return len(row) == 2 and row[0].isdigit() and row[1].isdigit()


def _size(first: list[bytes], place: str) -> int:
    """How many numbers the file has a word, by its first line."""
    size = int(first[1]) if _is_header(first) else len(first) - 1
    if size < 1:
        raise ValueError(
            f"{place} must be a word and its numbers, or word2vec's header, but is "
            f"{_cut(b' '.join(first))}"
        )
    return size


def _has_one_more(word: bytes) -> bool:
    """Whether the last part of a word with spaces is a number."""
    if b" " not in word:
        return False
    try:
        return math.isfinite(float(word.rpartition(b" ")[2]))
    except ValueError:
        return False


def _decoded(word: bytes, place: str) -> str:
    try:
        return word.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{place}: the word must be UTF-8, but {word!r} is not") from error


def _vector(numbers: list[bytes], place: str) -> np.ndarray:
    try:
        # What is too large for float32 is refused below rather than warned of.
        with np.errstate(over="ignore"):
            vector = np.array([float(number) for number in numbers]).astype(np.float32)
    except ValueError as error:
        raise ValueError(f"{place}: {error}; all but the word must be numbers") from error
    if not np.isfinite(vector).all():
        raise ValueError(f"{place} has numbers that are not finite in float32")
    return vector


def _cut(line: bytes) -> str:
    shown = line.decode("utf-8", errors="replace")
    return f"{shown[:60]!r}{'...' if len(shown) > 60 else ''}"
