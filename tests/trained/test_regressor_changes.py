"""Forecasts of changes from the last known value."""

import jax
import numpy as np
import pytest

import rnnjax as rx
from rnnjax.baselines import persistence
from rnnjax.data import Series, SeriesEncoder, Windows
from rnnjax.models import Regressor, ValueHead
from rnnjax.trained import TrainedRegressor

STEPS, ORIGINS = 60, np.array([9, 40, 59])
WALK = np.random.default_rng(0).normal(size=STEPS).cumsum()
WALK[40] = np.nan


def series(values):
    return Series("", np.arange(STEPS), {"x": values})


def trained(horizons, horizon, params=None):
    encoder = SeriesEncoder.fit([series(WALK)], [30], "x", lags=(2,), changes=True)
    model = Regressor(rx.GRU(4), ValueHead(), horizons)
    run = TrainedRegressor(model, params, encoder, 8, horizon, samples=2)
    return run.initialized(0) if params is None else run


@pytest.mark.parametrize("horizons", [(1, 2, 3), (1,)])
def test_a_model_that_says_no_change_is_persistence(horizons):
    params = jax.tree.map(np.zeros_like, trained(horizons, 3).params)
    found = trained(horizons, 3, params).forecast(series(WALK), ORIGINS)
    want = persistence(WALK, ORIGINS, np.arange(1, 4))
    np.testing.assert_allclose(found.mean, want, rtol=1e-5)
    np.testing.assert_allclose(found.quantiles, want[..., None].repeat(9, -1), rtol=1e-5)


def test_changes_that_are_fed_back_add_up():
    params = jax.tree.map(np.zeros_like, trained((1,), 3).params)
    params["output"]["bias"] = np.ones(1)  # of the scale of a change
    run = trained((1,), 3, params)
    _, scale = run.encoder.scales[""]["x"]
    found = run.forecast(series(WALK), ORIGINS)
    want = persistence(WALK, ORIGINS, np.arange(1, 4)) + scale * np.array([1, 2, 3])
    np.testing.assert_allclose(found.mean, want, rtol=1e-5)


def test_forecasts_move_with_the_level():
    run = trained((1, 2, 3), 3)
    one, other = (run.forecast(series(WALK + level), ORIGINS).mean for level in (0, 1000))
    np.testing.assert_allclose(other - 1000, one, atol=2e-3)


def test_targets_of_windows_are_changes():
    encoder = trained((1, 2, 3), 3).encoder
    encoded = encoder.encode(series(WALK))
    windows = Windows([encoded], [(0, STEPS)], 8, (1, 3))
    targets = windows.before(0, np.array([41]))["targets"][0] * encoder.scales[""]["x"][1]
    for row, step in enumerate(range(34, 42)):
        last = WALK[39] if step == 40 else WALK[step]
        want = [WALK[step + 1] - last, WALK[step + 3] - last]
        np.testing.assert_allclose(targets[row], want, atol=1e-5)
