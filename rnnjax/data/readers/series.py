"""Reading time series from CSV files."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from rnnjax.checks.values import check_choice
from rnnjax.data.readers.lines import read_lines
from rnnjax.data.readers.text import Source
from rnnjax.data.readers.times import Frequency, parse_times

# How a file writes that a value is not known, besides an empty cell; in lower case.
MISSING = ("na", "nan", "n/a", "null", "none")
# Usual names of the column, or of the columns together, that say the time.
_TIMES = ("time", "date", "datetime", "timestamp", "ds", "month", "year")
_PARTS = ("year", "month", "day", "hour", "minute", "second")

Gaps = Literal["error", "missing"]


@dataclass(frozen=True, eq=False)
class Series:
    """A regular series of values, with one or more columns.

    Attributes:
      name: what the file calls it; "" if the file has one series only.
      times: `(steps,)` datetime64[s], or integers that count steps.
      columns: of each column `(steps,)` float64, NaN where a value is missing, or strings of a
        column of categories, "" where one is missing.
      frequency: the distance between two times.

    Example:
      >>> times = np.array(["2026-01-01", "2026-01-02"], "datetime64[s]")
      >>> series = rx.data.Series("", times, {"t": np.array([1.5, np.nan])})
      >>> str(series.frequency)
      '1 day'
    """

    name: str
    times: np.ndarray
    columns: dict[str, np.ndarray]
    frequency: Frequency = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.frequency is None:
            object.__setattr__(self, "frequency", Frequency.of(self.times))

    def __len__(self) -> int:
        return len(self.times)


def read_series(
    path: Source,
    columns: Sequence[str] = (),
    *,
    categories: Sequence[str] = (),
    time: Sequence[str] = (),
    time_format: str | None = None,
    name: str | None = None,
    gaps: Gaps = "error",
) -> list[Series]:
    """Return the series of a CSV file, whose first line names the columns.

    Commas, semicolons or tabs separate cells, whichever the first line has most of. Empty cells,
    `NA`, `NaN` and the like are missing values.

    Args:
      path: the file, UTF-8.
      columns: names of the columns of numbers to read; by default the only column with a name that
        is neither a time nor that of a series.
      categories: names of columns of categories to read, such as a direction of the wind.
      time: the column that says the time, or several, such as year, month, day and hour. By default
        one named time, date, datetime, timestamp or ds; or columns named year, month and so on; or
        the first column.
      time_format: see `datetime.strptime`; by default, times are as ISO 8601 writes them, years,
        months, or whole numbers that count steps.
      name: the column that names the series of a row, if the file has several series.
      gaps: whether a time that lies further away than the others is an "error"; "missing" fills the
        gap with missing values.

    Returns:
      The series in the order of the file, all with the same frequency, the most frequent distance
      of times in the first one.

    Raises:
      ValueError: the file cannot be read; or a column is not there, a row has too many or too few
        cells, a cell is no number or no time, times are not sorted or not regular; the message
        names the file, the line and the cell.

    Example:
      >>> _ = Path("t.csv").write_text("date,t\\n2026-01-01,1.5\\n2026-01-02,NA\\n2026-01-03,2\\n")
      >>> [series] = rx.data.read_series("t.csv")
      >>> series.columns["t"].tolist(), str(series.frequency)
      ([1.5, nan, 2.0], '1 day')
    """
    check_choice("gaps", gaps, Gaps)
    table = _Table(path)
    time = tuple(time) or table.time_columns(name)
    columns = tuple(columns) or (table.only_value({*time, *categories, name}),)
    table.check(*time, *columns, *categories, *(() if name is None else (name,)))
    groups: dict[str, list[int]] = {}
    for row in range(len(table.rows)):
        groups.setdefault("" if name is None else table.cell(row, name), []).append(row)
    found: list[Series] = []
    for each, rows in groups.items():
        times = table.times(rows, time, time_format)
        every = found[0].frequency if found else table.frequency(rows, times)
        places = table.places(rows, time, times, every, gaps)
        values: dict[str, np.ndarray] = {}
        for column in columns:
            values[column] = np.full(places[-1] + 1, np.nan)
            values[column][places] = [table.number(row, column) for row in rows]
        for column in categories:
            values[column] = np.full(places[-1] + 1, "", object)
            values[column][places] = [_known(table.cell(row, column)) for row in rows]
        whole = every.after(times[0], np.arange(places[-1] + 1))
        found.append(Series(each, whole, values, every))
    return found


class _Table:
    """The cells of a file, with the line of each row."""

    def __init__(self, path: Source) -> None:
        self.path = path
        lines = list(read_lines(path))
        delimiter = max(",;\t", key=lines[0][1].count)
        header, *rows = _cells(lines, delimiter, path) or [(1, [])]
        self.header = [cell.strip() for cell in header[1]]
        self.rows = rows
        if self.header and all(map(_is_value, self.header)):
            raise ValueError(
                f"{path}, line 1: the first line must name the columns, got "
                f"{', '.join(map(repr, self.header))}"
            )
        if not rows:
            raise ValueError(f"{path} must have a line that names the columns, and a row below it")
        for number, row in rows:
            if len(row) != len(self.header):
                raise ValueError(
                    f"{path}, line {number}: a row must have {len(self.header)} cells, as the "
                    f"first line has, got {len(row)}"
                )

    def check(self, *names: str) -> None:
        """Raise `ValueError` unless the file has columns of these names, each once."""
        for name in names:
            if self.header.count(name) != 1:
                raise ValueError(
                    f"{self.path}, line 1: there must be one column {name!r}, got "
                    f"{', '.join(map(repr, self.header))}"
                )

    def time_columns(self, name: str | None) -> tuple[str, ...]:
        lower = {column.lower(): column for column in self.header}
        parts = [lower[part] for part in _PARTS if part in lower]
        if len(parts) > 1 and "year" in lower:
            return tuple(parts)
        usual = [lower[each] for each in _TIMES if each in lower]
        return tuple(usual[:1] or [column for column in self.header if column != name][:1])

    def only_value(self, others: set[str | None]) -> str:
        # Without a name, it is the row's number, as pandas writes it.
        values = [column for column in self.header if column and column not in others]
        if not values:
            raise ValueError(
                f"{self.path}, line 1: there must be a column of values besides the time, got "
                f"{', '.join(map(repr, self.header))}"
            )
        if len(values) != 1:
            raise ValueError(
                f"{self.path}, line 1: name the column to forecast, as there are {len(values)}: "
                f"{', '.join(map(repr, values))}"
            )
        return values[0]

    def cell(self, row: int, column: str) -> str:
        return self.rows[row][1][self.header.index(column)].strip()

    def place(self, row: int) -> str:
        return f"{self.path}, line {self.rows[row][0]}"

    def number(self, row: int, column: str) -> float:
        cell = self.cell(row, column)
        try:
            value = float(_known(cell) or "nan")
        except ValueError:
            value = math.inf
        if math.isinf(value):
            raise ValueError(
                f"{self.place(row)}: {column} must be a number, or empty or NA where it is "
                f"missing, got {cell!r}"
            )
        return value

    def times(self, rows: list[int], columns: tuple[str, ...], pattern: str | None) -> np.ndarray:
        cells = [self.time(row, columns) for row in rows]
        times, wrong = parse_times(cells, pattern)
        if wrong is not None:
            wanted = "a time as ISO 8601 writes it" if pattern is None else repr(pattern)
            raise ValueError(
                f"{self.place(rows[wrong])}: {' '.join(columns)} must be {wanted}, "
                f"got {cells[wrong]!r}"
                + ("" if pattern else "; time_format says how others are written: '%d.%m.%Y'")
            )
        return times

    def time(self, row: int, columns: tuple[str, ...]) -> str:
        cells = [self.cell(row, column) for column in columns]
        if len(cells) == 1:
            return cells[0]
        date, clock = [cell.zfill(2) for cell in cells[:3]], [cell.zfill(2) for cell in cells[3:]]
        return "-".join(date) + ("T" + ":".join(clock) if clock else "")

    def frequency(self, rows: list[int], times: np.ndarray) -> Frequency:
        if len(times) < 2:
            raise ValueError(f"{self.place(rows[0])}: a series must have at least two times")
        self._check_sorted(rows, times)
        return Frequency.of(times)

    def places(
        self,
        rows: list[int],
        columns: tuple[str, ...],
        times: np.ndarray,
        every: Frequency,
        gaps: Gaps,
    ) -> np.ndarray:
        """Return at which step of the regular series each row is."""
        self._check_sorted(rows, times)
        places = every.positions(times)
        wrong = np.flatnonzero(places < 0)
        if not wrong.size and gaps == "error":
            wrong = np.flatnonzero(np.diff(places) != 1) + 1
        if wrong.size:
            row = rows[int(wrong[0])]
            raise ValueError(
                f"{self.place(row)}: times must lie {every} apart, got "
                f"{self.time(row, columns)!r} after {self.time(rows[int(wrong[0]) - 1], columns)!r}"
                + ("" if gaps == "missing" else '; gaps "missing" fills gaps with missing values')
            )
        return places

    def _check_sorted(self, rows: list[int], times: np.ndarray) -> None:
        wrong = np.flatnonzero(times[1:] <= times[:-1])
        if wrong.size:
            before, after = times[wrong[0]], times[wrong[0] + 1]
            raise ValueError(
                f"{self.place(rows[int(wrong[0]) + 1])}: times must increase, got {after} after "
                f"{before}"
            )


def _cells(
    lines: list[tuple[int, str]], delimiter: str, path: Source
) -> list[tuple[int, list[str]]]:
    """Return the cells of each row with the number of its first line; empty lines are skipped."""
    reader = csv.reader((line + "\n" for _, line in lines), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    first = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append((first, row))
            first = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f"{path}, line {first}: cells must be quoted as in CSV: {error}"
        ) from error
    return rows


def _is_value(cell: str) -> bool:
    """Return whether a cell of the first line is a number or a time, and so names no column."""
    try:
        float(cell or "nothing")
        return True
    except ValueError:
        return parse_times([cell])[1] is None


def _known(cell: str) -> str:
    """Return a cell, "" if it says that a value is missing."""
    return "" if cell.lower() in MISSING else cell
