"""Forecasts as a person meets them."""

import csv
import dataclasses
import io
import os
import re
import shutil
import signal

import numpy as np
import pytest
from lm_runs import assert_fails, assert_same_end
from sentence_runs import table, write

import rnnjax as rx
from rnnjax.data import Series, Windows, read_series
from rnnjax.metrics import rmse
from rnnjax.trained import TrainedRegressor
from rnnjax_experiments.forecast import commands as forecast
from rnnjax_experiments.forecast.data import Spans, fit_encoder, origins_to_test

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SMALL = (
    *("--hidden-size", "8", "--head-size", "8", "--dropout", "0", "--batch-size", "8"),
    *("--updates", "60", "--evaluations", "3", "--learning-rate", "0.03", "--history", "24"),
)
STEPS = 400


@pytest.fixture(scope="module")
def cli(cli_of):
    return cli_of(forecast.COMMANDS)


def temperatures():
    """Hours of a temperature with a daily wave, some missing; the wave's height changes by day."""
    random = np.random.default_rng(0)
    hours = np.arange(STEPS)
    height = np.repeat(random.uniform(1, 5, STEPS // 24 + 1), 24)[:STEPS]
    values = 10 + height * np.sin(2 * np.pi * hours / 24) + 0.1 * random.normal(size=STEPS)
    return np.where(random.random(STEPS) < 0.05, np.nan, values)


def csv_of(values, first="2026-01-01T00"):
    times = np.arange(len(values)).astype("timedelta64[h]") + np.datetime64(first, "h")
    cells = ("NA" if np.isnan(value) else f"{value:.3f}" for value in values)
    return "time,t\n" + "".join(
        f"{time}:00,{cell}\n" for time, cell in zip(times, cells, strict=True)
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write(tmp_path_factory.mktemp("weather") / "temps.csv", csv_of(temperatures()))


@pytest.fixture(scope="module")
def trained(data, cli):
    """A run on a file with just a time and a value: its folder and what it printed."""
    folder = data.parent / "run"
    code, out, err = cli("train", "own", "--data", data, "--out", folder, *SMALL)
    assert code == 0, err
    return folder, out


def test_a_series_is_forecast_beside_simple_forecasts(trained, data, cli, tmp_path):
    folder, out = trained
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "series.json", "model.json", "forecasts.png", "curves.png"} < names
    assert "one every 1 hour" in out
    assert "forecasts 24; a season is 24; calendar: hour, weekday, month" in out
    rows = table(out, "test, t, 1 to 24 steps ahead")
    linear, season = "linear (48)", "seasonal (24)"
    assert set(rows) == {"forecast", "this model", "persistence", season, linear}
    errors = {name: float(cells[0]) for name, cells in rows.items() if name != "forecast"}
    assert errors["this model"] < errors["persistence"]
    assert rows["persistence"][1] == rows["persistence"][3]  # the CRPS of a value is its error
    assert rows[linear][-1] == ""  # and it has no interval
    by_steps = table(out, "test, t, NRMSE by the steps ahead")
    assert by_steps["forecast"] == ["1", "6", "10", "15", "19", "24"]
    code, again, _ = cli("evaluate", "--run", folder, "--data", data)
    assert code == 0
    assert rows["this model"] in table(again, str(data)).values()
    other = shutil.copytree(folder, tmp_path / "other")
    code, twice, _ = cli("evaluate", "--run", folder, other, "--data", data)
    assert f"2 runs, mean and standard deviation: RMSE {rows['this model'][0]} ± 0" in (
        " ".join(twice.split())
    )


def test_the_model_of_a_run_is_opened_and_gives_the_same_errors(trained, data):
    folder, out = trained
    run = rx.load_run(folder)
    assert isinstance(run, TrainedRegressor)
    [series] = read_series(data)
    values = series.columns["t"]
    origins = origins_to_test(series, run.horizons, 1)
    assert (origins[0] + 1, origins[-1] + 24) == (Spans.of(series).test[0], STEPS - 1)
    found = run.forecast(series, origins)
    targets = np.array([[values[o + h] for h in range(1, 25)] for o in origins])
    np.testing.assert_array_equal(found.targets(values), targets)
    want = table(out, "test, t, 1 to 24 steps ahead")["this model"][0]
    assert f"{rmse(found.mean, targets):.4g}" == want
    assert (np.diff(found.quantiles, axis=-1) >= 0).all()


def test_a_forecast_knows_nothing_of_what_comes_after_its_origin(trained, data):
    run = rx.load_run(trained[0])
    [series] = read_series(data)
    origin = np.array([300])
    spoilt = Series(
        "", series.times, {"t": np.where(np.arange(STEPS) <= 300, series.columns["t"], 99)}
    )
    for one, other in zip(run.forecast(series, origin), run.forecast(spoilt, origin), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="origins must be steps of the series of 400, got 400"):
        run.forecast(series, np.array([400]))
    with pytest.raises(ValueError, match="must have a known value to forecast from"):
        run.forecast(Series("", series.times, {"t": np.full(STEPS, np.nan)}))


def test_forecasts_are_written_as_a_table(trained, data, cli, tmp_path):
    values = temperatures()[:100]
    values[-2:] = np.nan
    new = write(tmp_path / "new.csv", csv_of(values, "2026-03-01T00"))
    code, out, err = cli("predict", "--run", trained[0], "--data", new)
    assert code == 0, err
    header, *rows = csv.reader(io.StringIO(out))
    assert header == ["time", "mean", *(f"q0.{i}" for i in range(1, 10))]
    assert len(rows) == 24
    # From the last known value on, two hours before the end.
    assert rows[0][0] == "2026-03-05T02:00"
    assert rows[-1][0] == "2026-03-06T01:00"
    numbers = np.array([row[1:] for row in rows], float)
    assert np.isfinite(numbers).all()
    assert cli("predict", "--run", trained[0], "--data", new, "--out", tmp_path / "f.csv")[0] == 0
    assert (tmp_path / "f.csv").read_text() == out


def test_what_is_wrong_is_one_line_and_makes_no_run(trained, data, cli, tmp_path):
    call = ("train", "own", "--out", tmp_path / "run", "--data")
    text = csv_of(temperatures())
    ragged = write(tmp_path / "ragged.csv", text.replace("\n", ",3\n", 3).replace(",3", "", 2))
    assert_fails(cli(*call, ragged), "ragged.csv, line 3", "2 cells", "got 3")
    word = write(tmp_path / "word.csv", re.sub(r"(T04:00),.*", r"\1,warm", text, count=1))
    assert_fails(cli(*call, word), "word.csv, line 6", "t must be a number", "'warm'")
    lines = text.splitlines(keepends=True)
    twice = write(tmp_path / "twice.csv", "".join([*lines[:9], *lines[8:]]))
    assert_fails(cli(*call, twice), "twice.csv, line 10", "times must increase")
    gap = write(tmp_path / "gap.csv", "".join([*lines[:9], *lines[10:]]))
    assert_fails(cli(*call, gap), "gap.csv, line 10", "1 hour apart", "missing")
    assert_fails(cli(*call, data, "--target", "u"), "one column 'u'", "'time', 't'")
    assert_fails(cli(*call, data, "--inputs", "t"), "target must be named")
    assert_fails(cli(*call, data, "--history", "0"), "history must be an integer of at least 1")
    assert_fails(cli(*call, data, "--horizon", "7", "--every", "2"), "multiple of every, 2, got 7")
    assert_fails(cli(*call, data, "--feed-back"), "head must be a distribution", "'quantiles'")
    assert_fails(cli(*call, data, "--horizon", "90"), "more steps than the horizon of 90, got 80")
    assert_fails(cli("train", "beijing"), "data must be a file to forecast 'pm2.5'")
    assert_fails(cli("evaluate", "--run"), "at least one run")
    assert_fails(cli("predict", "--run", trained[0]), "data must be a file to forecast 't'")
    short = write(tmp_path / "short.csv", "".join(lines[:20]))
    assert_fails(cli(*call, short), "fifth of a series must have more steps")
    for first, message in (
        (240, "fourth fifth must have a known t"),
        (320, "last fifth must have"),
    ):
        values = np.where(np.arange(STEPS) < first - 24, temperatures(), np.nan)
        values[first + 80 :] = 1
        unknown = write(tmp_path / "unknown.csv", csv_of(values))
        assert_fails(cli(*call, unknown), message)
    assert not (tmp_path / "run").exists()


@pytest.mark.full  # another training
def test_samples_are_fed_back_in_several_series_with_gaps_lags_and_known_columns(cli, tmp_path):
    lines = ["place,day,t,open"]
    days = np.arange("2026-01-01", "2026-05-31", dtype="datetime64[D]")
    for place, shift in (("a", 0), ("b", 100)):
        for number, day in enumerate(days):
            if number != 30:
                value = shift + number % 7 + (number % 2) * 3
                lines.append(f"{place},{day},{value},{number % 2}")
    several = write(tmp_path / "days.csv", "\n".join(lines) + "\n")
    call = ("train", "own", "--data", several, "--out", tmp_path / "run", *SMALL)
    options = ("--target", "t", "--series", "place", "--gaps", "missing", "--known", "open")
    more = ("--feed-back", "--head", "student_t", "--lags", "7", "--samples", "20")
    code, out, err = cli(*call, *options, *more, "--horizon", "4", "--updates", "200")
    assert code == 0, err
    assert "2 series, 300 steps" in out
    rows = table(out, "test, t, 1 to 4 steps ahead")
    assert float(rows["this model"][0]) < float(rows["persistence"][0])
    code, out, _ = cli("predict", "--run", tmp_path / "run", "--data", several)
    assert code == 0
    rows = list(csv.reader(io.StringIO(out)))
    assert [row[0] for row in rows] == ["series", *["a"] * 4, *["b"] * 4]
    assert {row[1] for row in rows[1:]} == {f"2026-05-{day}" for day in range(31, 32)} | {
        "2026-06-01",
        "2026-06-02",
        "2026-06-03",
    }


@pytest.mark.slow  # two trainings
def test_a_run_that_is_interrupted_goes_on_and_ends_the_same(
    trained, data, cli, tmp_path, monkeypatch
):
    call = ("train", "own", "--data", data, "--out", tmp_path / "run", *SMALL)
    at = Windows.at

    def stopping(windows, step):
        if step == 30:
            os.kill(os.getpid(), signal.SIGINT)
        return at(windows, step)

    with monkeypatch.context() as patch:
        patch.setattr(Windows, "at", stopping)
        code, _, err = cli(*call)
    assert code == 130
    assert re.search(r"interrupted at step 31 of", err)
    code, out, _ = cli(*call)
    assert code == 0
    assert_same_end(tmp_path / "run", trained[0])
    assert table(out, "test, t") == table(trained[1], "test, t")
    changed = write(tmp_path / "temps.csv", csv_of(temperatures() + 1))
    assert_fails(cli(*call[:3], changed, *call[4:]), "the data changed", "choose another --out")


def test_without_data_it_is_the_mackey_glass_series(cli, tmp_path, monkeypatch):
    seen = []

    def train(experiment, series, *_):
        seen.append((experiment, series))
        raise ValueError("that is all")

    made = Series("", np.arange(1000), {"x": np.arange(1000.0)})
    monkeypatch.setattr("rnnjax_experiments.forecast.data.mackey_glass", lambda: made)
    monkeypatch.setattr(forecast, "_train", train)
    assert_fails(cli("train", "--out", tmp_path / "run"), "that is all")
    [(experiment, series)] = seen
    assert series == [made]
    assert fit_encoder(dataclasses.replace(experiment, changes=True), series).changes
    assert (experiment.target, experiment.horizon, experiment.calendar) == ("x", 84, ())
