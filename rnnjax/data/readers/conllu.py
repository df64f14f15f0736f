"""Reading CoNLL-U, the format of the Universal Dependencies treebanks."""

import re
from typing import Literal

from rnnjax.checks.values import check_choice
from rnnjax.data.readers.lines import Line, blocks, read_lines
from rnnjax.data.readers.records import Tagged
from rnnjax.data.readers.tables import plain_lines
from rnnjax.data.readers.text import Source

Column = Literal["upos", "xpos", "deprel"]

_COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
# `3-4`: several words, written as one in the text. `8.1`: a word that the text leaves out.
_NO_WORD = re.compile(r"\d+[-.]\d+")
_NAMES = re.compile(r"\t".join(_COLUMNS), re.IGNORECASE)


def read_conllu(path: Source, column: Column = "upos") -> list[Tagged]:
    """Return the sentences of a CoNLL-U file, each word tagged with its value in `column`.

    A line is either a word, in ten columns separated by tabs, or a comment, which begins with
    `#`. A first line that names the ten columns is skipped. An empty line ends a sentence.
    Only the words that are numbered 1, 2, 3, ... are read: ranges (`3-4`), empty nodes (`8.1`) and
    sentences without words are skipped. A word may
    contain spaces. The tag `_` (`UNLABELLED`) is kept.

    Args:
      path: the file.
      column: "upos", "xpos" or "deprel", the column of the tag.

    Raises:
      ValueError: `column` is unknown, or the file cannot be read. Or a line does not have ten
        columns, a word is out of order, or a form or tag is empty; the message then names the
        file and the line.

    Example:
      >>> line = "1\\tDogs\\tdog\\tNOUN\\t_\\t_\\t0\\troot\\t_\\t_\\n"
      >>> _ = Path("one.conllu").write_text(line)
      >>> rx.data.read_conllu("one.conllu")
      [Tagged(tokens=('Dogs',), tags=('NOUN',))]
    """
    check_choice("column", column, Column)
    lines = plain_lines(read_lines(path), "auto", "no", _NAMES, path)
    sentences = (_sentence(path, block, _COLUMNS.index(column)) for block in blocks(lines))
    return [sentence for sentence in sentences if sentence.tokens]


def is_conllu(path: Source) -> bool:
    """Return whether a file is CoNLL-U, judged by its first line with content.

    Args:
      path: the file.

    Raises:
      ValueError: the file cannot be read.

    Example:
      >>> _ = Path("names.txt").write_text("Ada B-PER\\n")
      >>> rx.data.is_conllu("names.txt")
      False
    """
    lines = (line for _, line in read_lines(path))
    first = next((line for line in lines if line and not line.startswith("#")), "")
    row = first.split("\t")
    begins = row[0] == "1" or _NO_WORD.fullmatch(row[0]) or _NAMES.fullmatch(first)
    return len(row) == len(_COLUMNS) and bool(begins)


def _sentence(path: Source, block: list[Line], column: int) -> Tagged:
    tokens: list[str] = []
    tags: list[str] = []
    for number, line in block:
        if line.startswith("#"):
            continue
        row = line.split("\t")
        if len(row) != len(_COLUMNS):
            raise ValueError(
                f"{path}, line {number}: a line must have {len(_COLUMNS)} columns separated by "
                f"tabs, got {len(row)}"
            )
        if _NO_WORD.fullmatch(row[0]):
            continue
        _check(row, len(tokens) + 1, column, f"{path}, line {number}")
        tokens.append(row[1])
        tags.append(row[column])
    return Tagged(tuple(tokens), tuple(tags))


def _check(row: list[str], word: int, column: int, place: str) -> None:
    if row[0] != str(word):
        raise ValueError(f"{place}: the id must be {word}, the next word's, got {row[0]!r}")
    for i in (1, column):
        if not row[i]:
            raise ValueError(f"{place}: the {_COLUMNS[i]} must not be empty; '_' is unknown")
