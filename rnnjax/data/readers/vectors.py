"""Reading pre-trained word vectors."""

import logging
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from rnnjax.data.readers.files import opened
from rnnjax.data.readers.text import composed

_LOG = logging.getLogger(__name__)


def read_vectors(path: str | Path, wanted: Collection[str]) -> dict[str, np.ndarray]:
    """Return the vectors of the `wanted` words in a text file of GloVe or word2vec.

    A line is a word and its numbers, in UTF-8, separated by single spaces or tabs. A first line of
    two whole numbers is the header of word2vec: the number of words, and of numbers per word. Of a
    file that was cut short, all lines are read, and a warning is logged with their number. The file
    is read line by line, decompressed if it is gzip's, and only the vectors of wanted words are
    kept. If a word occurs twice, its first vector counts. A word may contain spaces, as in the
    largest file of GloVe, but its last part must not be a number.

    Args:
      path: the file.
      wanted: the words to look for.

    Returns:
      The vector of each wanted word, `(numbers,)` float32. A word that the file lacks gets the
      vector of its lower-cased form; if that is missing too, the word is left out.

    Raises:
      ValueError: the file cannot be read, is empty, or has more vectors than its header says. Or a
        line has the wrong number of numbers, is not UTF-8, or gives a wanted word something else
        than finite numbers. The message names the file and the line.

    Example:
      >>> _ = Path("vectors.txt").write_text("the 1 2\\nof 3 4\\n")
      >>> rx.data.read_vectors("vectors.txt", ["The"])
      {'The': array([1., 2.], dtype=float32)}
    """
    needed = {form for word in wanted for form in (word, word.lower())}
    found: dict[str, np.ndarray] = {}
    with opened(path) as file:
        for place, word, numbers in _rows(file, path):
            if word in needed and word not in found:
                found[word] = _vector(numbers, place)
    sources = ((word, word if word in found else word.lower()) for word in wanted)
    return {word: found[source] for word, source in sources if source in found}


def coverage(counts: Mapping[str, int], vectors: Collection[str]) -> str:
    """Return a sentence that says how many words have vectors.

    Args:
      counts: each word of a text, and how often it occurs.
      vectors: the words that have vectors.

    Example:
      >>> rx.data.coverage({"the": 3, "cat": 1}, ["the"])
      'vectors for 50.0% of 2 words, 75.0% of their 4 occurrences'
    """
    found = [word for word in counts if word in vectors]
    occurrences = sum(counts.values())
    types = len(found) / max(1, len(counts))
    tokens = sum(counts[word] for word in found) / max(1, occurrences)
    return (
        f"vectors for {types:.1%} of {len(counts):,} words, "
        f"{tokens:.1%} of their {occurrences:,} occurrences"
    )


def _rows(file: Iterable[bytes], path: str | Path) -> Iterator[tuple[str, str, list[bytes]]]:
    """Yield, for each line, its place for error messages, its word, and its numbers as bytes."""
    size, count, promised = 0, 0, None
    for i, line in enumerate(file, 1):
        place = f"{path}, line {i}"
        line = line.rstrip().replace(b"\t", b" ")
        if not size:
            first = line.split(b" ")
            size = _size(first, place)
            if _is_header(first):
                promised = int(first[0])
                continue
        count += 1
        row = line.rsplit(b" ", size)
        if len(row) != size + 1 or _has_one_more(row[0]):
            raise ValueError(f"{place}: must be a word and {size} numbers, got {_cut(line)}")
        yield place, _decoded(row[0], place), row[1:]
    if not count:
        raise ValueError(f"{path} must contain word vectors, got none")
    if promised is not None and count > promised:
        raise ValueError(
            f"{path} must have {promised} vectors, as its first line says, got {count}"
        )
    if promised is not None and count < promised:
        _LOG.warning(
            "%s was cut short: it has %s of the %s vectors that its first line promises",
            path,
            f"{count:,}",
            f"{promised:,}",
        )


def _is_header(row: list[bytes]) -> bool:
    return len(row) == 2 and row[0].isdigit() and row[1].isdigit()


def _size(first: list[bytes], place: str) -> int:
    """Return how many numbers a word has, by the file's first line."""
    size = int(first[1]) if _is_header(first) else len(first) - 1
    if size < 1:
        raise ValueError(
            f"{place}: must be a word and its numbers, or word2vec's header, got "
            f"{_cut(b' '.join(first))}"
        )
    return size


def _has_one_more(word: bytes) -> bool:
    """Return whether the last part of a word with spaces is a number."""
    if b" " not in word:
        return False
    try:
        return math.isfinite(float(word.rpartition(b" ")[2]))
    except ValueError:
        return False


def _decoded(word: bytes, place: str) -> str:
    try:
        return composed(word.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{place}: the word must be UTF-8, got {word!r}") from error


def _vector(numbers: list[bytes], place: str) -> np.ndarray:
    try:
        # A number too large for float32 becomes infinite, which is an error below.
        with np.errstate(over="ignore"):
            vector = np.array([float(number) for number in numbers]).astype(np.float32)
    except ValueError as error:
        raise ValueError(f"{place}: what follows the word must be numbers: {error}") from error
    if not np.isfinite(vector).all():
        raise ValueError(
            f"{place}: numbers must be finite in float32, got {_cut(b' '.join(numbers))}"
        )
    return vector


def _cut(line: bytes) -> str:
    shown = line.decode("utf-8", errors="replace")
    return f"{shown[:60]!r}{'...' if len(shown) > 60 else ''}"
