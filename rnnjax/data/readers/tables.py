"""Lines of tables: without a line that names the columns, and without quotes around cells."""

import csv
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from typing import Literal

from rnnjax.checks.values import check_choice
from rnnjax.data.readers.lines import Line
from rnnjax.data.readers.text import Source

_LOG = logging.getLogger(__name__)

# Whether a file has something: "auto" judges by what it holds, and says what was found.
Choice = Literal["auto", "yes", "no"]

_Rows = list[tuple[int, list[str]]]


def plain_lines(
    lines: Iterable[Line], header: Choice, quoted: Choice, names: re.Pattern[str], source: Source
) -> list[Line]:
    """Return the lines of a table as if it had neither names of columns nor quotes around cells.

    Args:
      lines: the lines of a file.
      header: whether the first line with content names the columns; "auto": if `names` fits it.
      quoted: whether cells are in quotes; see `without_quotes`.
      names: the usual names.
      source: the file, for messages.
    """
    check_choice("header", header, Choice)
    plain = without_quotes(list(lines), quoted, source)
    first = next((i for i, (_, line) in enumerate(plain) if line.strip()), None)
    if first is None or header == "no":
        return plain
    if header == "auto":
        if not names.fullmatch(re.sub(" *\t *", "\t", plain[first][1].strip())):
            return plain
        say_header(source, plain[first])
    return plain[:first] + plain[first + 1 :]


def say_header(source: Source, line: Line) -> None:
    """Say which line was recognised as one that names the columns."""
    _LOG.warning('%s, line %d: %r names the columns; header "no" reads it as data', source, *line)


def without_quotes(lines: list[Line], quoted: Choice, source: Source) -> list[Line]:
    """Return the lines with cells as they were before a program wrote them in quotes.

    Such a program doubles the quotes within a cell. A cell may then contain tabs and line ends,
    which become spaces; a row has the number of its first line.

    Args:
      lines: the lines of a file, cells separated by tabs.
      quoted: whether cells are in quotes. "auto": if writing the file anew, as one of the usual
        programs does, gives the same file, and the lines as they are make no better table.
      source: the file, for messages.

    Raises:
      ValueError: `quoted` is "yes", and quotes do not fit; the message names the line.
    """
    check_choice("quoted", quoted, Choice)
    if quoted == "no" or not any('"' in line for _, line in lines):
        return lines
    try:
        rows = _read(lines)
    except csv.Error as error:
        if quoted == "yes":
            raise ValueError(f"{source}, {error}") from error
        rows = []
    if quoted == "auto":
        if not _is_written_so(rows, lines) or _is_better_plain(rows, lines):
            _say_unlike(lines, source)
            return lines
        _LOG.warning('%s: cells are in quotes, which are left out; quoted "no" keeps them', source)
    return [(number, "\t".join(re.sub(r"[\t\n]", " ", c) for c in row)) for number, row in rows]


def _read(lines: list[Line]) -> _Rows:
    reader = csv.reader((f"{line}\n" for _, line in lines), delimiter="\t", strict=True)
    rows: _Rows = []
    try:
        while True:
            first = lines[reader.line_num][0] if reader.line_num < len(lines) else 0
            rows.append((first, next(reader)))
    except StopIteration:
        return rows
    except csv.Error as error:
        raise csv.Error(f"line {first}: cells must be quoted as CSV files are: {error}") from error


# Which cells programs put in quotes: by the cell, and whether it is the row's last.
_STYLES: tuple[Callable[[str, bool], bool], ...] = (
    lambda cell, last: any(c in cell for c in '"\t\n'),  # pandas, Python's csv
    lambda cell, last: any(c in cell for c in '",\t\n'),  # Excel
    lambda cell, last: True,
    lambda cell, last: not _is_number(cell),  # R
    lambda cell, last: not last,
)


def _is_written_so(rows: _Rows, lines: list[Line]) -> bool:
    # A single row in quotes may well be a text that somebody says.
    styles = _STYLES if len(rows) > 1 else _STYLES[:1]
    text = [line for _, line in lines]
    return any(all(a == b for a, b in zip_longest(_written(rows, style), text)) for style in styles)


def _is_better_plain(rows: _Rows, lines: list[Line]) -> bool:
    """Return whether the lines as they are make a better table than the rows.

    A token may be a quote. From one to the next, all looks like a cell with tabs and line ends.
    """
    widths = [line.count("\t") + 1 for _, line in lines]
    plain = (width for width, (_, line) in zip(widths, lines, strict=True) if line)
    if _unusual(len(row) for _, row in rows if row) > _unusual(plain):
        return True
    first = 0
    for _, row in rows:
        last = first + sum(cell.count("\n") for cell in row)
        if first < last and min(widths[first], widths[last]) >= len(row):
            return True  # it begins and ends with whole rows
        first = last + 1
    return False


def _unusual(widths: Iterable[int]) -> int:
    """Return how many rows are not as wide as most of them."""
    counts = Counter(widths)
    return counts.total() - max(counts.values(), default=0)


def _written(rows: _Rows, in_quotes: Callable[[str, bool], bool]) -> Iterator[str]:
    """Yield the lines of rows, with some cells in quotes."""
    for _, row in rows:
        cells = [
            f'"{cell.replace(chr(34), chr(34) * 2)}"' if in_quotes(cell, i == len(row)) else cell
            for i, cell in enumerate(row, 1)
        ]
        yield from "\t".join(cells).split("\n")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _say_unlike(lines: list[Line], source: Source) -> None:
    """Say where a line looks as if its cells were in quotes, though the file is not so."""
    for number, line in lines:
        if re.search(r'(?:^|\t)"(?:[^"\t]|"")*[^"\t]""(?:[^"\t]|"")*"(?:\t|$)', line):
            _LOG.warning(
                "%s, line %d: a cell seems to be in quotes, which are read as text, as other "
                'lines are not written so; quoted "yes" leaves them out',
                source,
                number,
            )
            return
