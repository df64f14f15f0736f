"""Reading CoNLL-U, the format of the Universal Dependencies treebanks."""

import re
from pathlib import Path
from typing import Literal, get_args

from rnnjax.data.readers.columns import blocks, read_lines
from rnnjax.data.readers.records import Tagged

Column = Literal["upos", "xpos", "deprel"]

_COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
# `3-4`, written as one word in the text, and `8.1`, a word that the text leaves out.
_NO_WORD = re.compile(r"\d+[-.]\d+")


def read_conllu(path: str | Path, column: Column = "upos") -> list[Tagged]:
    """Read the words of a CoNLL-U file, tagged with what `column` says of them.

    A line is a word in ten columns separated by tabs, or a comment that begins with `#`; an
    empty line ends a sentence. Ranges of words (`3-4`) and empty nodes (`8.1`) are skipped: it
    is the words that are numbered 1, 2, 3, ... and tagged. A word may hold spaces, and the tag
    `_` (UNLABELLED) stands as it is. A sentence without words is skipped.

    ValueError names file and line where a line has not ten columns, a word is out of order, or
    a form or a tag is empty; it names the file where that cannot be read, and `column` where it
    is none of these.
    """
    if column not in get_args(Column):
        raise ValueError(f"column is {column!r}; it must be one of {get_args(Column)}")
    sentences = (
        _sentence(path, block, _COLUMNS.index(column)) for block in blocks(read_lines(path))
    )
    return [sentence for sentence in sentences if sentence.tokens]


def is_conllu(path: str | Path) -> bool:
    """Whether a file's first line that is neither empty nor a comment is one of CoNLL-U."""
    lines = (line for _, line in read_lines(path))
    first = next((line for line in lines if line and not line.startswith("#")), "")
    row = first.split("\t")
    return len(row) == len(_COLUMNS) and (row[0] == "1" or bool(_NO_WORD.fullmatch(row[0])))


def _sentence(path: str | Path, block: list[tuple[int, str]], column: int) -> Tagged:
    tokens: list[str] = []
    tags: list[str] = []
    for number, line in block:
        if line.startswith("#"):
            continue
        row = line.split("\t")
        if len(row) != len(_COLUMNS):
            raise ValueError(
                f"{path}, line {number} has {len(row)} tab-separated columns; "
                f"it must have {len(_COLUMNS)}"
            )
        if _NO_WORD.fullmatch(row[0]):
            continue
        _check(row, len(tokens) + 1, column, f"{path}, line {number}")
        tokens.append(row[1])
        tags.append(row[column])
    return Tagged(tuple(tokens), tuple(tags))


def _check(row: list[str], word: int, column: int, place: str) -> None:
    if row[0] != str(word):
        raise ValueError(f"{place}: its id is {row[0]!r}; the sentence's next word must be {word}")
    for i in (1, column):
        if not row[i]:
            raise ValueError(f"{place}: its {_COLUMNS[i]} is empty; what is unknown must be '_'")
