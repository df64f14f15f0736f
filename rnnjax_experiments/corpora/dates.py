"""Written dates and what they are in ISO 8601, made up with a seed: translation with no files."""

from collections.abc import Callable
from datetime import date, timedelta
from itertools import product
from typing import NamedTuple

import numpy as np

from rnnjax.data.batches.parallel import Translation

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ENDINGS = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
_FIRST = date(1950, 1, 1)
_DAYS_IN_ALL = (date(2050, 1, 1) - _FIRST).days

# Each part of a style by itself; numeric months say by their separators in which order they stand.
_WEEKDAYS: tuple[Callable[[date], str], ...] = (
    lambda _: "",
    lambda d: f"{_DAYS[d.weekday()]}, ",
    lambda d: f"{_DAYS[d.weekday()][:3]} ",
    lambda d: f"on {_DAYS[d.weekday()]} ",
)
_NUMBERS: tuple[Callable[[date], str], ...] = (
    lambda d: f"{d.day}",
    lambda d: f"{d.day:02}",
    lambda d: f"{d.day}{_ENDINGS.get(d.day, 'th')}",
    lambda d: f"the {d.day}{_ENDINGS.get(d.day, 'th')}",
)
_NAMES: tuple[Callable[[date], str], ...] = (
    lambda d: _MONTHS[d.month - 1],
    lambda d: _MONTHS[d.month - 1][:3],
    lambda d: _MONTHS[d.month - 1][:3] + ".",
)
_YEARS: tuple[Callable[[date], str], ...] = (
    lambda d: f"{d.year}",
    lambda d: f"'{d.year % 100:02}",
)
_ORDERS = (
    "{day} {month} {year}",
    "{month} {day}, {year}",
    "{day} of {month} {year}",
    "{year}, {month} {day}",
    "{month} {day} {year}",
)
_NUMERIC: tuple[Callable[[date], str], ...] = (
    lambda d: f"{d.day}.{d.month}.{d.year}",
    lambda d: f"{d.day:02}.{d.month:02}.{d.year}",
    lambda d: f"{d.month}/{d.day}/{d.year}",
    lambda d: f"{d.month:02}/{d.day:02}/{d.year}",
    lambda d: f"{d.year}/{d.month}/{d.day}",
    lambda d: f"{d.year}{d.month:02}{d.day:02}",
)
_CASES: tuple[Callable[[str], str], ...] = (str, str.upper, str.lower)


class _Style(NamedTuple):
    weekday: int
    day: int
    month: int
    year: int
    order: int
    case: int


class DateSplits(NamedTuple):
    """Dates to train, develop and test on; the test's combinations of style are new."""

    train: list[Translation]
    dev: list[Translation]
    test: list[Translation]


def written_dates(train: int = 20_000, held_out: int = 2_000, seed: int = 0) -> DateSplits:
    """Make up dates from 1950 to 2049 as people write them, and the same in ISO 8601.

        Friday, the 3rd of May '24  ->  2024-05-03

    A date has perhaps a weekday, then day, month and year in one of several forms and orders,
    perhaps in capitals; two digits of a year are those of the hundred years. A fifth of the
    combinations of forms are met in the test alone, though each form by itself is in training,
    as is every date in figures; no test text is what a combination of training makes of its date.
    `dev` has the styles of training.

    Args:
      train: dates to train on.
      held_out: dates in each of the other splits.
      seed: of all choices.
    """
    rng = np.random.default_rng(seed)
    forms = (_WEEKDAYS, _NUMBERS, _NAMES, _YEARS, _ORDERS, _CASES)
    styles = [_Style(*each) for each in product(*(range(len(form)) for form in forms))]
    styles = [styles[i] for i in rng.permutation(len(styles))]
    new, known = styles[: len(styles) // 5], styles[len(styles) // 5 :]
    return DateSplits(
        [_known(rng, known) for _ in range(train)],
        [_known(rng, known) for _ in range(held_out)],
        [_new(rng, new, set(known)) for _ in range(held_out)],
    )


def _any_date(rng: np.random.Generator) -> date:
    return _FIRST + timedelta(days=int(rng.integers(_DAYS_IN_ALL)))


def _known(rng: np.random.Generator, styles: list[_Style]) -> Translation:
    """A date as training has it: a tenth of them in figures."""
    day = _any_date(rng)
    if rng.random() < 0.1:
        return Translation(_NUMERIC[rng.integers(len(_NUMERIC))](day), day.isoformat())
    return _made(day, styles[rng.integers(len(styles))])


def _new(rng: np.random.Generator, styles: list[_Style], known: set[_Style]) -> Translation:
    """A date that no known style writes so: the 12th looks padded, and May is its short form."""
    while True:
        day, style = _any_date(rng), styles[rng.integers(len(styles))]
        made = _made(day, style)
        days, months = {0, 1, style.day}, {0, 1, style.month}
        alike = (style._replace(day=d, month=m) for d in days for m in months)
        if not any(other in known and _made(day, other) == made for other in alike):
            return made


def _made(day: date, style: _Style) -> Translation:
    text = _ORDERS[style.order].format(
        day=_NUMBERS[style.day](day), month=_NAMES[style.month](day), year=_YEARS[style.year](day)
    )
    return Translation(_CASES[style.case](_WEEKDAYS[style.weekday](day) + text), day.isoformat())
