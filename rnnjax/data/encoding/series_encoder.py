"""From series to arrays that a model reads: columns, scales, lags, calendar, categories."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from rnnjax.checks.values import check_choice, check_positive
from rnnjax.data.readers.series import Series
from rnnjax.data.readers.times import Frequency
from rnnjax.files import read_with_digest, write_with_digest

Calendar = Literal["hour", "weekday", "month"]
_DAY = 24 * 60 * 60
# The longest distance of times at which a part of the calendar says something.
_FINEST = {"hour": _DAY // 2, "weekday": _DAY, "month": 92 * _DAY}

Scale = tuple[float, float]  # of a column: its mean and its standard deviation


class EncodedSeries(NamedTuple):
    """A series as a model reads it; NaN is a missing value.

    Attributes:
      target: `(steps,)` float32, scaled.
      inputs: `(steps, inputs)` float32: the target, its lags, what is known of the future, and the
        other columns.
      known: `(steps, known)` float32, what is known of the future.
      last: `(steps,)` float32, the last known value of the target, from which forecasts count; None
        if they count from 0.

    Example:
      >>> rx.data.EncodedSeries(np.zeros(5), np.zeros((5, 3)), np.zeros((5, 2))).known.shape
      (5, 2)
    """

    target: np.ndarray
    inputs: np.ndarray
    known: np.ndarray
    last: np.ndarray | None = None


@dataclass(frozen=True)
class SeriesEncoder:
    """How series become arrays. Build it with `fit`.

    Every column of numbers is scaled, in each series by itself: its mean becomes 0 and its standard
    deviation 1, over the steps that the model learns from. With `changes`, the target's is divided
    by the standard deviation of its changes.

    Attributes:
      target: the column to forecast.
      frequency: the distance between two times.
      scales: of each series and each of its columns of numbers, mean and standard deviation.
      inputs: further columns of numbers, which are not known for the future.
      known: columns of numbers that are known for the future.
      calendar: parts of the calendar, known for the future: the "hour" is where in the day a time
        lies, "weekday" where in the week, "month" where in the year, each as sine and cosine.
      lags: the model reads beside each value the one of this many steps earlier.
      categories: of each column of categories its categories; the model reads 1 for the one that it
        is and 0 for the others. They are not known for the future.
      changes: the model reads how much the target changed since its last known value, and forecasts
        how much it will change. So it never sees a level, which may leave the range it learnt.

    Raises:
      ValueError: names or lags are not such.

    Example:
      >>> times = np.array(["2026-01-01", "2026-01-02", "2026-01-03"], "datetime64[s]")
      >>> series = rx.data.Series("", times, {"t": np.array([1.0, 3.0, np.nan])})
      >>> encoder = rx.data.SeriesEncoder.fit([series], [2], "t", calendar=("weekday",))
      >>> encoded = encoder.encode(series)
      >>> encoded.target.tolist(), encoded.inputs.shape, encoded.known.shape
      ([-1.0, 1.0, nan], (3, 3), (3, 2))
    """

    target: str
    frequency: Frequency
    scales: Mapping[str, Mapping[str, Scale]]
    inputs: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    calendar: tuple[Calendar, ...] = ()
    lags: tuple[int, ...] = ()
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    changes: bool = False

    def __post_init__(self) -> None:
        for part in self.calendar:
            check_choice("calendar", part, Calendar)
            if self.frequency.unit == "step":
                raise ValueError(f"calendar needs times, and these are plain numbers, got {part!r}")
        check_positive(**{f"lags[{i}]": lag for i, lag in enumerate(self.lags)})
        if len(set(self.numbers)) < len(self.numbers):
            raise ValueError(f"target, inputs and known must differ, got {self.numbers}")

    @classmethod
    def fit(
        cls,
        series: Sequence[Series],
        steps: Sequence[int],
        target: str,
        *,
        inputs: Sequence[str] = (),
        known: Sequence[str] = (),
        calendar: Sequence[Calendar] = (),
        lags: Sequence[int] = (),
        categories: Sequence[str] = (),
        changes: bool = False,
    ) -> "SeriesEncoder":
        """Return an encoder with the scales and the categories of some series.

        Args:
          series: the series, with equal frequencies.
          steps: of each, the number of its first steps that the model learns from.
          target: see the class, as the other arguments.
          inputs: see the class.
          known: see the class.
          calendar: see the class.
          lags: see the class.
          categories: names of columns.
          changes: see the class.

        Raises:
          ValueError: the target of a series has no known value in its first steps.
        """
        scales, found = {}, {name: set[str]() for name in categories}
        for each, end in zip(series, steps, strict=True):
            numbers = {name: each.columns[name][:end] for name in (target, *inputs, *known)}
            if np.isnan(numbers[target]).all():
                raise ValueError(
                    f"{target} must have a value among the first {end} steps of the series"
                    + (f" {each.name!r}" if each.name else "")
                )
            scales[each.name] = {name: _scale(values) for name, values in numbers.items()}
            if changes:
                mean, _ = scales[each.name][target]
                scales[each.name][target] = mean, _scale(_changes(numbers[target]))[1]
            for name in categories:
                found[name] |= set(each.columns[name][:end].tolist()) - {""}
        named = {name: tuple(sorted(seen)) for name, seen in found.items()}
        every, columns = series[0].frequency, (tuple(inputs), tuple(known), tuple(calendar))
        return cls(target, every, scales, *columns, tuple(lags), named, changes)

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns of numbers that are read."""
        return (self.target, *self.inputs, *self.known)

    @property
    def known_size(self) -> int:
        """The number of inputs that are known for the future."""
        return len(self.known) + 2 * len(self.calendar)

    @property
    def input_size(self) -> int:
        """The number of inputs of a step."""
        return (
            1
            + len(self.lags)
            + self.known_size
            + len(self.inputs)
            + sum(map(len, self.categories.values()))
        )

    def encode(self, series: Series) -> EncodedSeries:
        """Return a series as arrays.

        Raises:
          ValueError: it lacks a column, has another frequency, or is none of the series whose
            scales are known.
        """
        self._check(series)
        values = {name: self._scaled(series, name) for name in self.numbers}
        target = values[self.target]
        rows = [values[name] for name in self.known] + self._calendar(series.times)
        known = _columns(rows, len(series))
        read = _changes(target) if self.changes else target
        lags = [_lagged(read, lag) for lag in self.lags]
        others = [values[name] for name in self.inputs]
        for name, categories in self.categories.items():
            cells = series.columns[name]
            # A category that was not there to learn from is as one that is missing.
            seen = np.isin(cells, categories)
            others += [np.where(seen, cells == each, np.nan) for each in categories]
        inputs = _columns([read, *lags, *known.T, *others], len(series))
        last = last_known(target).astype(np.float32) if self.changes else None
        return EncodedSeries(target.astype(np.float32), inputs, known, last)

    def future(self, series: Series, origin: int, steps: int) -> np.ndarray:
        """Return what is known of the steps after `origin`, `(steps, known)` float32.

        Columns of the file are read as far as they go; beyond, they are missing.
        """
        ahead = np.arange(1, steps + 1)
        times = self.frequency.after(series.times[origin], ahead)
        rows = [_from(self._scaled(series, name), origin + ahead) for name in self.known]
        rows += self._calendar(times)
        return _columns(rows, steps)

    def unscaled(self, name: str, values: np.ndarray) -> np.ndarray:
        """Return values of the target of the series `name` in their unit."""
        mean, deviation = self.scales[name][self.target]
        return np.asarray(values, float) * deviation + mean

    def save(self, path: Path) -> None:
        """Write the encoder as JSON."""
        described = {**vars(self), "frequency": vars(self.frequency)}
        write_with_digest(path, json.dumps(described, indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> "SeriesEncoder":
        """Return the encoder that `save` wrote.

        Raises:
          ValueError: the file cannot be read, is damaged, or holds none.
        """
        data = read_with_digest(path)
        try:
            fields: dict[str, Any] = json.loads(data)
            fields["frequency"] = Frequency(**fields["frequency"])
            for name in ("inputs", "known", "calendar", "lags"):
                fields[name] = tuple(fields[name])
            fields["categories"] = {n: tuple(each) for n, each in fields["categories"].items()}
            fields["scales"] = {
                series: {name: (scale[0], scale[1]) for name, scale in columns.items()}
                for series, columns in fields["scales"].items()
            }
            return cls(**fields)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} holds no encoder of series: {error!r}") from error

    def _check(self, series: Series) -> None:
        lacking = {*self.numbers, *self.categories} - set(series.columns)
        if lacking:
            raise ValueError(f"series must have the columns {sorted(lacking)}")
        if series.frequency != self.frequency:
            raise ValueError(
                f"series must have times {self.frequency} apart, got {series.frequency}"
            )
        if series.name not in self.scales:
            raise ValueError(
                f"series must be one of those to learn from, {', '.join(map(repr, self.scales))}, "
                f"got {series.name!r}"
            )

    def _scaled(self, series: Series, name: str) -> np.ndarray:
        mean, deviation = self.scales[series.name][name]
        return (series.columns[name] - mean) / deviation

    def _calendar(self, times: np.ndarray) -> list[np.ndarray]:
        phases = [2 * np.pi * _phase(part, times) for part in self.calendar]
        return [wave(phase) for phase in phases for wave in (np.sin, np.cos)]


def calendar_of(frequency: Frequency) -> tuple[Calendar, ...]:
    """Return the parts of the calendar that say something at times so far apart.

    Example:
      >>> rx.data.calendar_of(rx.data.Frequency("second", 24 * 60 * 60))
      ('weekday', 'month')
    """
    if frequency.unit == "step":
        return ()
    if frequency.unit == "month":
        return ("month",) if frequency.number < 12 else ()
    parts: tuple[Calendar, ...] = ("hour", "weekday", "month")
    return tuple(part for part in parts if frequency.number <= _FINEST[part])


def last_known(values: np.ndarray) -> np.ndarray:
    """Return at each step the last value that is known; NaN before the first one.

    Args:
      values: `(steps,)`.

    Example:
      >>> rx.baselines.last_known(np.array([np.nan, 2.0, np.nan, 3.0])).tolist()
      [nan, 2.0, 2.0, 3.0]
    """
    places = np.where(np.isnan(values), 0, np.arange(len(values)))
    return values[np.maximum.accumulate(places)]


def _changes(values: np.ndarray) -> np.ndarray:
    """Return by how much each value differs from the last known one before it."""
    return values - _lagged(last_known(values), 1)


def _phase(part: Calendar, times: np.ndarray) -> np.ndarray:
    """Return where in the day, the week or the year times lie, in [0, 1)."""
    if part == "month":
        year = times.astype("datetime64[Y]")
        length = (year + np.timedelta64(1, "Y")).astype("datetime64[s]") - year.astype(
            "datetime64[s]"
        )
        return (times - year.astype("datetime64[s]")) / length
    seconds = times.astype("datetime64[s]").astype(np.int64)
    # The first of January 1970 was a Thursday; weeks begin on Mondays.
    period, shift = (_DAY, 0) if part == "hour" else (7 * _DAY, 3 * _DAY)
    return (seconds + shift) % period / period


def _scale(values: np.ndarray) -> Scale:
    known = values[~np.isnan(values)]
    if not known.size:
        return 0.0, 1.0
    deviation = float(known.std())
    return float(known.mean()), deviation if deviation > 0 else 1.0


def _columns(rows: Sequence[np.ndarray], steps: int) -> np.ndarray:
    """Return rows as the columns of an array `(steps, rows)`, float32."""
    return np.stack(rows, axis=1).astype(np.float32) if rows else np.zeros((steps, 0), np.float32)


def _lagged(values: np.ndarray, lag: int) -> np.ndarray:
    return _from(values, np.arange(len(values)) - lag)


def _from(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the values at some places, NaN at those outside."""
    inside = (places >= 0) & (places < len(values))
    return np.where(inside, values[np.where(inside, places, 0)], np.nan)
