"""Simple forecasts beside literal ones, and beside figures that are known of real data."""

from pathlib import Path

import numpy as np
import pytest

from rnnjax.baselines import LinearForecaster, last_known, persistence, seasonal_persistence
from rnnjax.data import read_series
from rnnjax.metrics import mae, rmse

NAN = np.nan
BEIJING = Path(__file__).resolve().parents[3] / "shared/data/beijing-air/pollution.csv"


def test_persistence_is_the_last_known_value():
    values = np.array([NAN, 2.0, NAN, NAN, 5.0])
    np.testing.assert_array_equal(last_known(values), [NAN, 2, 2, 2, 5])
    found = persistence(values, np.array([0, 3, 4]), np.array([1, 7]))
    np.testing.assert_array_equal(found, [[NAN, NAN], [2, 2], [5, 5]])


def test_seasonal_persistence_is_the_last_known_value_of_the_same_phase():
    values = np.arange(10.0)
    values[7] = NAN
    horizons = np.arange(1, 8)
    found = seasonal_persistence(values, np.array([9]), horizons, 3)
    # Step 10 is as 7, which is missing, and so as 4.
    np.testing.assert_array_equal(found, [[4, 8, 9, 4, 8, 9, 4]])
    np.testing.assert_array_equal(
        seasonal_persistence(values, np.array([1]), horizons[:1], 3), [[NAN]]
    )


def test_a_linear_model_finds_a_linear_law():
    random, steps = np.random.default_rng(0), 400
    values = np.zeros(steps)
    for now in range(2, steps):
        values[now] = 1.0 + 0.5 * values[now - 1] - 0.3 * values[now - 2] + random.normal() / 50
    line = LinearForecaster.fit(values, 300, steps=2, horizons=np.array([1, 2]))
    np.testing.assert_allclose(line.weights[:, 0], [0.5, -0.3, 1.0], atol=0.1)
    origins = np.arange(300, 390)
    found = line.predict(values, origins)
    assert rmse(found[:, 0], values[origins + 1]) < 0.025
    np.testing.assert_allclose(
        found[:, 0],
        values[origins] * line.weights[0, 0]
        + values[origins - 1] * line.weights[1, 0]
        + line.weights[2, 0],
    )


def test_what_comes_after_the_part_to_learn_from_is_not_read():
    values = np.random.default_rng(0).normal(size=60)
    spoilt = np.where(np.arange(60) < 40, values, 1e6)
    horizons = np.array([1, 5])
    one, other = (LinearForecaster.fit(v, 40, steps=3, horizons=horizons) for v in (values, spoilt))
    np.testing.assert_array_equal(one.weights, other.weights)


def test_too_little_to_learn_from_is_named():
    with pytest.raises(ValueError, match="must have a known one among the first 4"):
        LinearForecaster.fit(np.full(9, NAN), 4, steps=1, horizons=np.array([1]))
    with pytest.raises(ValueError, match="known 2 steps after 3 others"):
        LinearForecaster.fit(np.arange(9.0), 4, steps=3, horizons=np.array([2]))


@pytest.mark.skipif(not BEIJING.exists(), reason=f"{BEIJING} is not there")
def test_the_errors_on_beijings_air_are_those_that_are_known():
    [series] = read_series(BEIJING, ["pm2.5"])
    values, horizons = series.columns["pm2.5"], np.array([1, 24])
    assert str(series.frequency) == "1 hour"
    assert np.isnan(values).sum() == 2067
    first, second = int(0.6 * len(values)), int(0.8 * len(values))
    line = LinearForecaster.fit(values, first, steps=48, horizons=horizons)
    want = {1: (22.05, 11.92, 21.81, 12.06), 24: (98.69, 67.25, 84.35, 62.09)}
    for place, horizon in enumerate(horizons):
        origins = np.arange(second, len(values)) - horizon
        targets = values[origins + horizon]
        known = ~np.isnan(values[origins])
        stays, linear = values[origins][known], line.predict(values, origins)[:, place]
        found = (
            *(metric(stays, targets[known]) for metric in (rmse, mae)),
            *(metric(linear, targets) for metric in (rmse, mae)),
        )
        np.testing.assert_allclose(found, want[horizon], atol=0.006)
