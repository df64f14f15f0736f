"""Reading tagged text in columns, such as CoNLL-2003's and WikiANN's."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from rnnjax.data.readers.records import Tagged
from rnnjax.data.readers.text import read_text
from rnnjax.schemes import detect


def read_columns(path: str | Path) -> list[Tagged]:
    """Read a UTF-8 file with one token a line and a blank line between sentences.

    The token is the first column and its tag the last. Tabs alone separate the columns of a
    line that holds one, so that a token may hold spaces (WikiANN); else spaces do
    (CoNLL-2003's four columns). A line that begins with -DOCSTART- counts as a blank one, and
    so does one of nothing but spaces and tabs.

    ValueError names file and line where the token or the tag is empty, where there are fewer
    than 2 columns and where there are not as many as in the lines before; it names the file
    where that cannot be read. Where tags look like spans but obey no scheme, it names file and
    lines too; see `rnnjax.schemes.detect`.
    """
    sentences: list[Tagged] = []
    lines: list[int] = []  # of each sentence's first token
    width = 0
    for block in blocks(map(_without_marks, read_lines(path))):
        rows = []
        for number, line in block:
            row = _cells(line)
            width = width or len(row)
            _check(row, width, f"{path}, line {number}")
            rows.append(row)
        sentences.append(Tagged(tuple(row[0] for row in rows), tuple(row[-1] for row in rows)))
        lines.append(block[0][0])

    def place(sentence: int, token: int) -> str:
        return f"line {lines[sentence] + token}"

    try:
        detect((sentence.tags for sentence in sentences), place)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return sentences


def read_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    r"""The lines of a UTF-8 file, each with its number, from 1.

    Lines end with \n or \r\n, which is taken off, as is a byte order mark. Nothing else ends a
    line: a token may hold what Unicode calls a line separator. A line end at the end of the
    file begins no further line.
    """
    text = read_text(path).removeprefix("\ufeff").removesuffix("\n")
    return ((i, line.removesuffix("\r")) for i, line in enumerate(text.split("\n"), 1))


def blocks(lines: Iterable[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    """The runs of lines between empty lines, none of them empty, as `read_lines` gives them."""
    block: list[tuple[int, str]] = []
    for number, line in lines:
        if line:
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _without_marks(numbered: tuple[int, str]) -> tuple[int, str]:
    number, line = numbered
    # Of all white space only these two: a no-break space may well be a token.
    blank = line.startswith("-DOCSTART-") or not line.strip(" \t")
    return number, "" if blank else line


def _cells(line: str) -> list[str]:
    if "\t" in line:
        return [cell.strip(" ") for cell in line.split("\t")]
    return re.split(" +", line.strip(" "))


def _check(row: list[str], width: int, place: str) -> None:
    if len(row) < 2:
        raise ValueError(
            f"{place}: {row[0]!r} is one column; a token, then its tag, must be separated by a "
            "tab or by spaces"
        )
    if len(row) != width:
        raise ValueError(f"{place} has {len(row)} columns; the lines before it have {width}")
    if not row[0] or not row[-1]:
        raise ValueError(f"{place}: its {'tag' if row[0] else 'token'} is empty")
