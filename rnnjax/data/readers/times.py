"""Times of series: how they are read, and at which regular distance they lie."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np

from rnnjax.checks.values import check_choice, check_positive

Unit = Literal["second", "month", "step"]
_DAY = 24 * 60 * 60
_SECONDS = {"week": 7 * _DAY, "day": _DAY, "hour": 3600, "minute": 60, "second": 1}
_MONTH = np.timedelta64(1, "M")
# Steps in the period that is usual for a unit.
_SEASONS = {3600: 24, _DAY: 7, 7 * _DAY: 52}


@dataclass(frozen=True)
class Frequency:
    """The distance between two times of a regular series.

    Attributes:
      unit: "second", "month", or "step" if times are plain numbers, counted in whole steps.
      number: how many of them; a day has 86,400 seconds, a year 12 months.

    Raises:
      ValueError: the unit is not known, or the number is not positive.

    Example:
      >>> times = np.array(["2026-01-01T00", "2026-01-01T06", "2026-01-01T18"], "datetime64[s]")
      >>> every = rx.data.Frequency.of(times)
      >>> str(every), every.positions(times).tolist()
      ('6 hours', [0, 1, 3])
    """

    unit: Unit
    number: int

    def __post_init__(self) -> None:
        check_choice("unit", self.unit, Unit)
        check_positive(number=self.number)

    @classmethod
    def of(cls, times: np.ndarray) -> "Frequency":
        """Return the most frequent distance of sorted times.

        Times on the same day of each month, or on the last, lie at a number of months.

        Args:
          times: `(steps,)` datetime64 or integers, increasing, at least two.
        """
        if len(times) < 2:
            raise ValueError(f"times must be at least two to have a distance, got {len(times)}")
        if times.dtype.kind != "M":
            return cls("step", _most_frequent(times))
        months = _months(times)
        if _same_day(times) and (np.diff(months) > 0).all():
            return cls("month", _most_frequent(months))
        return cls("second", _most_frequent(times.astype("datetime64[s]").astype(np.int64)))

    @property
    def season(self) -> int | None:
        """The steps of the usual period: of a day if hourly, a week if daily, otherwise a year.

        None if there is none, as for years.
        """
        if self.unit == "month":
            return 12 // self.number if self.number < 12 and 12 % self.number == 0 else None
        if self.unit == "step":
            return None
        if self.number < _DAY:
            return _DAY // self.number if _DAY % self.number == 0 else None
        return _SEASONS.get(self.number)

    def positions(self, times: np.ndarray) -> np.ndarray:
        """Return how many steps each time is after the first one, `(steps,)`.

        It is -1 for a time that lies between two steps.

        Args:
          times: `(steps,)`, sorted.
        """
        if self.unit == "month":
            count = _months(times)
        elif self.unit == "second":
            count = times.astype("datetime64[s]").astype(np.int64)
        else:
            count = times
        after = count - count[:1]
        whole = after % self.number == 0
        return np.where(whole, after // self.number, -1)

    def after(self, time: np.generic, steps: np.ndarray) -> np.ndarray:
        """Return the times that lie a number of steps after a time.

        Args:
          time: a datetime64, or an integer for the unit "step".
          steps: `(...)` integers.
        """
        far = np.asarray(steps, np.int64) * self.number
        if self.unit == "step":
            return np.asarray(time) + far
        if self.unit == "second":
            return time.astype("datetime64[s]") + far.astype("timedelta64[s]")
        month = time.astype("datetime64[M]")
        months = month + far.astype("timedelta64[M]")
        if _is_last_day(time):
            return (months + _MONTH).astype("datetime64[s]") - _day_end(time)
        return months.astype("datetime64[s]") + (time - month.astype("datetime64[s]"))

    def __str__(self) -> str:
        if self.unit == "second":
            name, size = next(each for each in _SECONDS.items() if self.number % each[1] == 0)
        elif self.unit == "month" and self.number % 12 == 0:
            name, size = "year", 12
        else:
            name, size = self.unit, 1
        number = self.number // size
        return f"{number} {name}" + "s" * (number > 1)


def parse_times(cells: Sequence[str], pattern: str | None = None) -> tuple[np.ndarray, int | None]:
    """Return times as an array, and the index of the first cell that is none (None: all are).

    Args:
      cells: years ("2026"), months ("2026-01"), or dates and times as ISO 8601 has them; one with
        an offset is converted to UTC. Whole numbers of which some are no years count steps.
      pattern: a format for `datetime.strptime`, if times are not written so.
    """
    if pattern is None and all(re.fullmatch(r"-?\d+(\.0*)?", cell) for cell in cells):
        numbers = np.array([int(float(cell)) for cell in cells], np.int64)
        if not ((numbers >= 1000) & (numbers < 3000)).all():
            return numbers, None
        return (numbers - 1970).astype("datetime64[Y]").astype("datetime64[s]"), None
    found = []
    for index, cell in enumerate(cells):
        try:
            found.append(np.datetime64(_parsed(cell, pattern), "s"))
        except ValueError:
            return np.array(found, "datetime64[s]"), index
    return np.array(found, "datetime64[s]"), None


def _parsed(cell: str, pattern: str | None) -> datetime:
    if pattern is not None:
        time = datetime.strptime(cell, pattern)
    elif re.fullmatch(r"\d{4}(-\d\d)?", cell):
        time = datetime.fromisoformat(f"{cell}-01" if "-" in cell else f"{cell}-01-01")
    else:
        time = datetime.fromisoformat(cell)
    return time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)


def _most_frequent(counts: np.ndarray) -> int:
    (distance, _), *_ = Counter(np.diff(counts).tolist()).most_common(1)
    return int(distance)


def _months(times: np.ndarray) -> np.ndarray:
    return times.astype("datetime64[M]").astype(np.int64)


def _same_day(times: np.ndarray) -> bool:
    within = times - times.astype("datetime64[M]")
    return bool((within == within[0]).all()) or all(map(_is_last_day, times))


def _is_last_day(time: np.generic) -> bool:
    day = time.astype("datetime64[D]")
    return bool(
        (day + np.timedelta64(1, "D")).astype("datetime64[M]") > day.astype("datetime64[M]")
    )


def _day_end(time: np.generic) -> np.timedelta64:
    """Return how long before the next month a time on the last day of a month is."""
    return (time.astype("datetime64[M]") + _MONTH).astype("datetime64[s]") - time
