"""Series as arrays: scales, lags, the calendar, categories."""

import numpy as np
import pytest

from rnnjax.data import Frequency, Series, SeriesEncoder, calendar_of

NAN = np.nan
HOURS = np.arange("2026-03-02T00", "2026-03-03T06", dtype="datetime64[h]").astype("datetime64[s]")
STEPS = len(HOURS)
RANDOM = np.random.default_rng(0)
COLUMNS = {
    "t": np.where(np.arange(STEPS) == 4, NAN, 10 + 3 * RANDOM.normal(size=STEPS)),
    "rain": RANDOM.random(STEPS),
    "plan": np.arange(STEPS) % 2.0,
    "wind": np.array(["N", "S", ""] * 10, object),
}
SERIES = Series("here", HOURS, COLUMNS)


def fitted(**options):
    chosen = {
        "inputs": ("rain",),
        "known": ("plan",),
        "calendar": ("hour", "weekday"),
        "lags": (1, 3),
        "categories": ("wind",),
    }
    return SeriesEncoder.fit([SERIES], [20], "t", **{**chosen, **options})


def test_columns_are_scaled_by_the_part_to_learn_from():
    encoder = fitted()
    encoded = encoder.encode(SERIES)
    learnt = COLUMNS["t"][:20]
    want = (COLUMNS["t"] - np.nanmean(learnt)) / np.nanstd(learnt)
    np.testing.assert_allclose(encoded.target, want, rtol=1e-5)
    assert encoded.target.dtype == encoded.inputs.dtype == encoded.known.dtype == np.float32
    np.testing.assert_allclose(encoder.unscaled("here", encoded.target), COLUMNS["t"], rtol=1e-5)
    spoilt = {**COLUMNS, "t": np.where(np.arange(STEPS) < 20, COLUMNS["t"], 1e5)}
    later = SeriesEncoder.fit([Series("here", HOURS, spoilt)], [20], "t")
    assert later.scales["here"]["t"] == encoder.scales["here"]["t"]


def test_changes_count_from_the_last_known_value():
    encoder = fitted(changes=True)
    encoded = encoder.encode(SERIES)
    values, last, want, before = COLUMNS["t"], NAN, [], []
    for value in values:
        want.append(value - last)
        last = last if np.isnan(value) else value
        before.append(last)
    scale = np.nanstd(want[:20])
    np.testing.assert_allclose(encoded.inputs[:, 0], np.array(want) / scale, rtol=1e-4)
    np.testing.assert_array_equal(encoded.inputs[3:, 2], encoded.inputs[:-3, 0])
    np.testing.assert_allclose(encoder.unscaled("here", encoded.last), before, rtol=1e-5)
    np.testing.assert_allclose(encoder.unscaled("here", encoded.target), values, rtol=1e-5)
    assert fitted().encode(SERIES).last is None


def test_inputs_are_target_lags_known_others_and_categories():
    encoder = fitted()
    encoded = encoder.encode(SERIES)
    assert encoded.inputs.shape == (STEPS, encoder.input_size)
    assert encoder.input_size == 1 + 2 + 5 + 1 + 2
    target = encoded.target
    np.testing.assert_array_equal(encoded.inputs[:, 0], target)
    np.testing.assert_array_equal(encoded.inputs[1:, 1], target[:-1])
    np.testing.assert_array_equal(encoded.inputs[3:, 2], target[:-3])
    assert np.isnan(encoded.inputs[:3, 2]).all()
    np.testing.assert_array_equal(encoded.inputs[:, 3:8], encoded.known)
    # Monday at midnight, when a week begins; the hour and the day go round once each.
    np.testing.assert_allclose(encoded.known[0, 1:], [0, 1, 0, 1], atol=1e-6)
    np.testing.assert_allclose(encoded.known[6, 1:3], [1, 0], atol=1e-6)
    np.testing.assert_allclose(encoded.known[24], encoded.known[0], atol=1)
    np.testing.assert_array_equal(encoded.inputs[:3, -2:], [[1, 0], [0, 1], [NAN, NAN]])


def test_what_is_known_of_the_future_ends_with_the_file_but_the_calendar_goes_on():
    encoder = fitted()
    encoded = encoder.encode(SERIES)
    future = encoder.future(SERIES, STEPS - 3, 4)
    np.testing.assert_allclose(future[:2], encoded.known[-2:], rtol=1e-6)
    assert np.isnan(future[2:, 0]).all()
    assert not np.isnan(future[:, 1:]).any()
    assert fitted(known=(), calendar=()).future(SERIES, 3, 4).shape == (4, 0)


def test_a_part_of_the_year_goes_round_once_a_year():
    years = np.array(["2024-01-01", "2024-07-01", "2025-01-01"], "datetime64[s]")
    series = Series("", years, {"t": np.arange(3.0)}, Frequency("month", 6))
    known = SeriesEncoder.fit([series], [3], "t", calendar=("month",)).encode(series).known
    np.testing.assert_allclose(known, [[0, 1], [0, -1], [0, 1]], atol=0.02)


def test_the_calendar_that_says_something():
    frequencies = [("second", 600), ("second", 86400), ("second", 7 * 86400), ("month", 1)]
    assert [calendar_of(Frequency(*each)) for each in frequencies] == [
        ("hour", "weekday", "month"),
        ("weekday", "month"),
        ("month",),
        ("month",),
    ]
    assert calendar_of(Frequency("month", 12)) == calendar_of(Frequency("step", 1)) == ()


def test_an_encoder_is_saved_and_loaded(tmp_path):
    encoder = fitted()
    encoder.save(tmp_path / "series.json")
    loaded = SeriesEncoder.load(tmp_path / "series.json")
    assert loaded == encoder
    for one, other in zip(encoder.encode(SERIES), loaded.encode(SERIES), strict=True):
        np.testing.assert_array_equal(one, other)
    (tmp_path / "other.json").write_text('{"target": "t"}')
    with pytest.raises(ValueError, match=r"other\.json holds no encoder of series"):
        SeriesEncoder.load(tmp_path / "other.json")


def test_a_constant_or_unknown_column_has_no_scale():
    columns = {"t": np.full(STEPS, 5.0), "u": np.full(STEPS, NAN)}
    series = Series("", HOURS, columns)
    encoder = SeriesEncoder.fit([series], [20], "t", inputs=("u",))
    assert encoder.scales[""] == {"t": (5.0, 1.0), "u": (0.0, 1.0)}
    with pytest.raises(ValueError, match="u must have a value among the first 20 steps"):
        SeriesEncoder.fit([series], [20], "u")


def test_series_that_do_not_fit_are_named():
    encoder = fitted()
    with pytest.raises(ValueError, match="one of those to learn from, 'here', got 'there'"):
        encoder.encode(Series("there", HOURS, COLUMNS))
    with pytest.raises(ValueError, match=r"must have the columns \['rain', 'wind'\]"):
        encoder.encode(Series("here", HOURS, {n: COLUMNS[n] for n in ("t", "plan")}))
    with pytest.raises(ValueError, match="must have times 1 hour apart, got 2 hours"):
        encoder.encode(Series("here", HOURS[::2], {n: c[::2] for n, c in COLUMNS.items()}))
    with pytest.raises(ValueError, match="calendar must be one of"):
        fitted(calendar=("minute",))
    with pytest.raises(ValueError, match="target, inputs and known must differ"):
        fitted(inputs=("t",))
    with pytest.raises(ValueError, match=r"lags\[0\] must be an integer of at least 1, got 0"):
        fitted(lags=(0,))
    with pytest.raises(ValueError, match="calendar needs times"):
        SeriesEncoder.fit(
            [Series("", np.arange(9), {"t": np.arange(9.0)})], [5], "t", calendar=("hour",)
        )
