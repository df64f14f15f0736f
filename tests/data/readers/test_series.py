"""Series in CSV files, and what is wrong with some."""

import re

import numpy as np
import pytest

from rnnjax.data import Frequency, Series, read_series

NAN = np.nan


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def read(tmp_path, text, *args, **options):
    return read_series(write(tmp_path / "s.csv", text), *args, **options)


def days(*rows):
    return "date,t\n" + "".join(f"2026-01-{day:02},{cell}\n" for day, cell in rows)


@pytest.mark.fast
def test_a_time_and_a_value_need_nothing_more(tmp_path):
    text = days((1, "1.5"), (2, ""), (3, "NA"), (4, "nan"), (5, "-2e1"))
    [series] = read(tmp_path, text)
    assert (series.name, str(series.frequency), len(series)) == ("", "1 day", 5)
    np.testing.assert_array_equal(series.columns["t"], [1.5, NAN, NAN, NAN, -20])
    assert str(series.times[0]) == "2026-01-01T00:00:00"
    assert series.frequency.season == 7


FREQUENCIES = {
    "1 year": ("1700", "1701", "1702"),
    "2 months": ("1749-11", "1750-01", "1750-03"),
    "1 month": ("2024-01-31", "2024-02-29", "2024-03-31"),
    "3 months": ("2024-01-15", "2024-04-15", "2024-07-15"),
    "1 week": ("2024-01-31", "2024-02-07", "2024-02-14"),
    "6 hours": ("2024-01-31 18:00", "2024-02-01 00:00", "2024-02-01 06:00"),
    "10 minutes": ("2024-01-31T23:50:00Z", "2024-02-01T00:00:00Z", "2024-02-01T00:10:00Z"),
    "1 hour": ("2024-10-27T01:30+02:00", "2024-10-27T02:30+02:00", "2024-10-27T02:30+01:00"),
    "5 steps": ("0", "5", "10"),
}


@pytest.mark.parametrize("every", FREQUENCIES)
def test_the_frequency_is_found(tmp_path, every):
    times = FREQUENCIES[every]
    [series] = read(tmp_path, "when,t\n" + "".join(f"{time},{i}\n" for i, time in enumerate(times)))
    assert str(series.frequency) == every
    np.testing.assert_array_equal(series.columns["t"], [0, 1, 2])
    ahead = series.frequency.after(series.times[0], np.arange(3))
    np.testing.assert_array_equal(ahead, series.times)


def test_times_after_a_series():
    months = np.array(["2024-10-31", "2024-11-30"], "datetime64[s]")
    every = Frequency.of(months)
    ahead = every.after(months[-1], np.array([1, 2, 3])).astype("datetime64[D]")
    assert ahead.astype(str).tolist() == ["2024-12-31", "2025-01-31", "2025-02-28"]
    assert Frequency("step", 5).after(np.int64(10), np.array([1, 2])).tolist() == [15, 20]
    seasons = [Frequency(*each).season for each in (("month", 1), ("month", 3), ("month", 12))]
    assert seasons == [12, 4, None]
    assert [Frequency("second", s).season for s in (3600, 600, 7 * 86400)] == [24, 144, 52]


def test_parts_of_a_time_categories_and_further_columns(tmp_path):
    text = "No,year,month,day,hour,pm,wind,t\n1,2010,1,1,9,NA,NW,-1\n2,2010,1,1,10,5,NA,0\n"
    [series] = read(tmp_path, text, ["pm", "t"], categories=["wind"])
    assert series.times.astype(str).tolist() == ["2010-01-01T09:00:00", "2010-01-01T10:00:00"]
    assert set(series.columns) == {"pm", "t", "wind"}
    assert series.columns["wind"].tolist() == ["NW", ""]


def test_several_series_and_other_forms_of_cells(tmp_path):
    text = '"place";"day";"t"\n"b";"31.01.2026";"1"\n"a";"31.01.2026";"2"\n"b";"01.02.2026";"3"\n'
    text += '"a";"01.02.2026";"4"\n\n'
    found = read(tmp_path, text, name="place", time=["day"], time_format="%d.%m.%Y")
    assert [each.name for each in found] == ["b", "a"]
    assert [each.columns["t"].tolist() for each in found] == [[1, 3], [2, 4]]


def test_gaps_are_filled_if_that_is_said(tmp_path):
    text = days((1, "1"), (2, "2"), (5, "5"))
    [series] = read(tmp_path, text, gaps="missing")
    np.testing.assert_array_equal(series.columns["t"], [1, 2, NAN, NAN, 5])
    assert len(series.times) == 5
    with pytest.raises(ValueError, match=r"s.csv, line 4: times must lie 1 day apart, got '2026"):
        read(tmp_path, text)


BAD = {
    "line 3: a row must have 2 cells, as the first line has, got 3": days((1, "1"), (2, "2,5")),
    "line 3: t must be a number, or empty or NA where it is missing, got '?2'": days(
        (1, "1"), (2, "?2")
    ),
    "line 2: t must be a number, or empty or NA where it is missing, got 'inf'": days(
        (1, "inf"), (2, "1")
    ),
    "line 3: times must increase, got 2026-01-01T00:00:00 after 2026-01-02T": days(
        (2, "1"), (1, "2")
    ),
    "line 4: times must increase": days((1, "1"), (2, "2"), (2, "3")),
    "line 5: times must lie 1 day apart, got '2026-01-03T12' after '2026-01-03'": days(
        (1, "1"), (2, "2"), (3, "3")
    )
    + "2026-01-03T12,4\n",
    "line 3: date must be a time as ISO 8601 writes it, got 'soon'; time_format": (
        days((1, "1")) + "soon,3\n"
    ),
    "line 2: a series must have at least two times": days((1, "1")),
    "must have a line that names the columns, and a row below it": "date,t\n",
    "name the column to forecast, as there are 2: 'a', 'b'": "date,a,b\n2026-01-01,1,2\n",
    "line 1: there must be a column of values besides the time, got 't'": "t\n1\n2\n",
    "line 1: the first line must name the columns, got '2026-01-01', '1.5'": (
        "2026-01-01,1.5\n2026-01-02,2\n2026-01-03,3\n"
    ),
    "line 2: cells must be quoted as in CSV": 'date,t\n2026-01-01,"1\n',
}


@pytest.mark.parametrize("message", BAD)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path, message):
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        read(tmp_path, BAD[message])
    assert "s.csv" in str(error.value)


def test_the_unnamed_columns_of_a_pandas_series_are_read(tmp_path):
    [series] = read(tmp_path, ",0\n2026-01-01,1.5\n2026-01-02,2\n")
    assert series.columns["0"].tolist() == [1.5, 2]
    [series] = read(tmp_path, ",date,t\n0,2026-01-01,1.5\n1,2026-01-02,2\n")
    assert series.columns["t"].tolist() == [1.5, 2]


def test_a_column_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"line 1: there must be one column 'u', got 'date', 't'"):
        read(tmp_path, days((1, "1"), (2, "2")), ["u"])
    with pytest.raises(ValueError, match="gaps must be one of 'error', 'missing'"):
        read(tmp_path, days((1, "1"), (2, "2")), gaps="none")


def test_a_series_of_ones_own_has_the_frequency_of_its_times():
    assert str(Series("", np.arange(0, 30, 10), {}).frequency) == "10 steps"
    with pytest.raises(ValueError, match="times must be at least two to have a distance, got 1"):
        Series("", np.arange(1), {})
    with pytest.raises(ValueError, match="unit must be one of"):
        Frequency("hour", 1)
    with pytest.raises(ValueError, match="number must be an integer of at least 1"):
        Frequency("second", 0)
