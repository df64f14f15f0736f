"""Texts in several languages, and their translations, as rows to hide tokens in."""

import re
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnjax.data import (
    Encoded,
    Pieces,
    Subwords,
    align_words,
    join_pieces,
    split_words,
    switch_words,
)
from rnnjax.data.batches.parallel import read_parallel
from rnnjax.data.encoding.pieces import Row
from rnnjax.data.readers.large_text import Block
from rnnjax.data.readers.lines import read_lines, whole_line
from rnnjax_experiments.corpora.docstrings import library_texts

_LANGUAGE = re.compile(r"([A-Za-z][\w-]{1,11})=(.+)", re.DOTALL)


class Text(NamedTuple):
    """A text, or one and its translation, and the languages of each, if files say."""

    parts: tuple[str, ...]
    languages: tuple[str, ...]
    place: str = ""  # file and line


class Rows(NamedTuple):
    """Texts as rows of pieces.

    Attributes:
      train: to train on.
      held_out: to evaluate on.
      digest: a digest of all.
    """

    train: Encoded
    held_out: Encoded
    digest: str


def read_texts(files: Sequence[str]) -> list[Text]:
    """Read files with a text a line, their language perhaps before an equals sign."""
    texts = []
    for name in files:
        language, path = read_language(name)
        for number, line in read_lines(path):
            if line.strip():
                texts.append(Text((line,), language, f"{path}, line {number}"))
    return texts


def python_texts() -> list[Text]:
    """Return what Python says of itself: docstrings, comments, and the manual."""
    return [Text((text,), ()) for text in library_texts()]


def read_pair_files(files: Sequence[str]) -> list[Text]:
    """Read files, in twos, that are translations of each other line by line."""
    if len(files) % 2:
        raise ValueError(f"pairs must be files in twos, got {len(files)}")
    texts = []
    for first, second in zip(files[::2], files[1::2], strict=True):
        (language, path), (other, path_2) = read_language(first), read_language(second)
        if len(language) != len(other):
            raise ValueError(
                f"pairs must both have a language, as in en=file, or neither, got {first} and "
                f"{second}"
            )
        for number, parts in enumerate(read_parallel(path, path_2, header="no"), 1):
            if all(part.strip() for part in parts):
                texts.append(Text(tuple(parts), language + other, f"{path}, line {number}"))
    return texts


def split(texts: Sequence[Text]) -> tuple[list[Text], list[Text]]:
    """Return the texts to train on, and the fiftieth that is held out.

    What is held out is so as a text and in every pair that it is part of.
    """
    kept: list[Text] = []
    held_out: list[Text] = []
    for text in texts:
        (held_out if _is_held_out(text) else kept).append(text)
    if not kept or not held_out:
        raise ValueError(f"{len(texts)} texts are too few to train on and to hold a fiftieth out")
    return kept, held_out


def _is_held_out(text: Text) -> bool:
    return any(zlib.crc32(part.encode()) % 50 == 0 for part in text.parts)


def switched(texts: Sequence[Text], copies: int, share: float, seed: int) -> list[Text]:
    """Return copies of each pair, some of whose words have changed places.

    The words are aligned on the pairs themselves.
    """
    pairs = [text for text in texts if len(text.parts) == 2]
    words = [(split_words(a), split_words(b)) for a, b in (text.parts for text in pairs)]
    links = align_words(words) if copies else []
    generator = np.random.default_rng(seed)
    made = []
    for _ in range(copies):
        for text, sides, of_text in zip(pairs, words, links, strict=True):
            both = switch_words(*sides, of_text, share, generator)
            made.append(text._replace(parts=tuple(map(" ".join, both))))
    return made


def make_rows(
    subwords: Subwords, texts: Sequence[Text], max_length: int, languages: Sequence[str]
) -> Encoded:
    """Return texts as rows of at most `max_length` tokens; longer ones are cut, but not pairs."""
    if not texts:
        raise ValueError("there must be at least one text with a word in it")
    rows, spoken = [], []
    for text in texts:
        if len(text.languages) != (len(text.parts) if languages else 0):
            raise ValueError(
                f"{text.place}: either all files must have a language, as in en=file, or none"
            )
        ids = tuple(_index(languages, name, text.place) for name in text.languages)
        row = tuple(map(subwords.encode, text.parts))
        length = sum(len(part.ids) for part in row) + 3
        if len(row) == 2 and length > max_length:
            raise ValueError(
                f"{text.place}: the pair makes {length} tokens; there are positions for "
                f"{max_length}"
            )
        cut: list[Row] = [row]
        if len(row) == 1:
            cut = [(part,) for part in _cut(row[0], max_length - 2)]
        rows += cut
        spoken += [ids] * len(cut)
    starts, columns = join_pieces(rows, spoken if languages else None)
    names = ["tokens"]
    names += ["languages"] if languages else []
    names += ["positions"] if any(len(row) == 2 for row in rows) else []
    inputs = {name: columns[name] for name in names}
    marks = {"word_starts": columns["word_starts"]}
    # The default of `wholes` cannot be sent from one process to another.
    return Encoded(starts, inputs, {}, wholes={}, marks=marks)


def encode_block(
    subwords: Subwords, max_length: int, held_out: bool, block: Block
) -> Encoded | None:
    """Return those texts of a block that are held out, or the others; None if there are none."""
    place = f"{block.path}, after byte {block.offset:,}"
    lines = (whole_line(line, place) for line in block.text.split("\n"))
    texts = [Text((line,), ()) for line in lines if line.strip()]
    some = [text for text in texts if _is_held_out(text) == held_out]
    return make_rows(subwords, some, max_length, ()) if some else None


def read_language(name: str) -> tuple[tuple[str, ...], str]:
    """Return the language that is said, if any, and the path."""
    match = _LANGUAGE.fullmatch(name)
    return ((match[1],), match[2]) if match else ((), name)


def _index(languages: Sequence[str], name: str, place: str) -> int:
    if name not in languages:
        raise ValueError(f"{place}: there is no language {name!r}, only {', '.join(languages)}")
    return languages.index(name)


def _cut(pieces: Pieces, most: int) -> list[Pieces]:
    """Return the windows of `most` pieces that a text is made of."""
    starts = pieces.starts
    windows = []
    for first in range(0, len(pieces.ids), most):
        inside = slice(first, first + most)
        windows.append(Pieces(pieces.ids[inside], np.flatnonzero(starts[inside])))
    return windows
