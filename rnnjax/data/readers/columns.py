"""Reading tagged text in columns, such as CoNLL-2003's and WikiANN's."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from rnnjax.data.readers.records import Tagged
from rnnjax.data.readers.text import read_text
from rnnjax.schemes import detect


def read_columns(path: str | Path) -> list[Tagged]:
    """Return the sentences of a UTF-8 file with one token per line and blank lines between them.

    The first column is the token, the last one its tag. If a line contains tabs, only tabs
    separate its columns, so a token may contain spaces (WikiANN). Otherwise spaces separate them
    (CoNLL-2003). A line that begins with -DOCSTART- counts as blank, and so does a line of spaces
    and tabs.

    Args:
      path: the file.

    Raises:
      ValueError: the file cannot be read. Or a line has fewer than 2 columns, another number of
        columns than the lines before it, or an empty token or tag. Or the tags look like spans
        but follow no scheme (`rnnjax.schemes.detect`). The message names the file and the line.

    Example:
      >>> _ = Path("names.txt").write_text("Ada B-PER\\nLovelace I-PER\\nwrote O\\n")
      >>> rx.data.read_columns("names.txt")
      [Tagged(tokens=('Ada', 'Lovelace', 'wrote'), tags=('B-PER', 'I-PER', 'O'))]
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
    r"""Return the lines of a UTF-8 file, each with its number, counted from 1.

    Lines end with \n or \r\n, which is removed, and so is a byte order mark. Nothing else ends a
    line: a token may contain a Unicode line separator. A line end at the end of the file does not
    start another line.

    Raises:
      ValueError: the file cannot be read, or a carriage return stands within a line. Old
        programs end lines so, and two lines would be read as one.
    """
    lines = read_text(path).removesuffix("\n").split("\n")
    return ((i, whole_line(line, f"{path}, line {i}")) for i, line in enumerate(lines, 1))


def whole_line(line: str, place: str) -> str:
    r"""Return a line without the \r at its end; raise `ValueError` if there is one within it."""
    line = line.removesuffix("\r")
    if "\r" in line:
        raise ValueError(f"{place}: lines must end with \\n or \\r\\n, got a carriage return alone")
    return line


def blocks(lines: Iterable[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    """Yield the groups of lines that empty lines separate; no group is empty."""
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
    # Only these two, not all white space: a no-break space may be a token.
    blank = line.startswith("-DOCSTART-") or not line.strip(" \t")
    return number, "" if blank else line


def _cells(line: str) -> list[str]:
    if "\t" in line:
        return [cell.strip(" ") for cell in line.split("\t")]
    return re.split(" +", line.strip(" "))


def _check(row: list[str], width: int, place: str) -> None:
    if len(row) < 2:
        raise ValueError(
            f"{place}: a line must have at least 2 columns, a token and its tag, separated by a "
            f"tab or spaces, got {row[0]!r}"
        )
    if len(row) != width:
        raise ValueError(
            f"{place}: a line must have as many columns as those before, {width}, got {len(row)}"
        )
    if not row[0] or not row[-1]:
        raise ValueError(f"{place}: the {'tag' if row[0] else 'token'} must not be empty")
