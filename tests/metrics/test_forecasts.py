"""Metrics of forecasts beside literal sums and integrals."""

import numpy as np
import pytest
from scipy import integrate, stats

from rnnjax.metrics import coverage, crps_gaussian, crps_quantiles, crps_samples, mae, nrmse, rmse

RANDOM = np.random.default_rng(1)
FORECASTS, TARGETS = RANDOM.normal(size=(2, 5, 4))
TARGETS[1, 2] = TARGETS[4, 0] = np.nan
KNOWN = ~np.isnan(TARGETS)
ERRORS = (FORECASTS - TARGETS)[KNOWN]


def test_errors_leave_out_missing_targets():
    np.testing.assert_allclose(rmse(FORECASTS, TARGETS), np.sqrt((ERRORS**2).mean()))
    np.testing.assert_allclose(mae(FORECASTS, TARGETS), np.abs(ERRORS).mean())
    want = np.sqrt((ERRORS**2).mean()) / TARGETS[KNOWN].std()
    np.testing.assert_allclose(nrmse(FORECASTS, TARGETS), want)
    inside = (np.abs(ERRORS) <= 1).mean()
    np.testing.assert_allclose(coverage(FORECASTS - 1, FORECASTS + 1, TARGETS), inside)


def crps_by_integral(cdf, target):
    below = integrate.quad(lambda y: cdf(y) ** 2, target - 30, target, limit=200)[0]
    above = integrate.quad(lambda y: (1 - cdf(y)) ** 2, target, target + 30, limit=200)[0]
    return below + above


def test_the_score_of_a_normal_distribution_is_the_integral():
    mean, scale, targets = np.array([0.0, 1.0, -2.0]), np.array([1.0, 2.0, 0.5]), np.zeros(3)
    pairs = zip(mean, scale, strict=True)
    want = [crps_by_integral(stats.norm(*each).cdf, 0.0) for each in pairs]
    np.testing.assert_allclose(crps_gaussian(mean, scale, targets), np.mean(want), rtol=1e-6)
    targets[2] = np.nan
    np.testing.assert_allclose(crps_gaussian(mean, scale, targets), np.mean(want[:2]), rtol=1e-6)


def test_the_score_of_samples_is_that_of_their_pairs():
    samples = RANDOM.normal(size=(5, 4, 7))
    pairs = np.abs(samples[..., None] - samples[..., None, :]).mean(axis=(-1, -2))
    each = np.abs(samples - TARGETS[..., None]).mean(axis=-1) - pairs / 2
    np.testing.assert_allclose(crps_samples(samples, TARGETS), each[KNOWN].mean())


def test_the_score_of_many_quantiles_is_nearly_that_of_the_distribution():
    levels = (np.arange(999) + 1) / 1000
    quantiles = np.broadcast_to(stats.norm.ppf(levels), (2, 999))
    targets = np.array([0.3, -2.0])
    want = crps_gaussian(np.zeros(2), np.ones(2), targets)
    np.testing.assert_allclose(crps_quantiles(quantiles, targets, levels), want, rtol=2e-3)


def test_the_score_of_one_value_is_its_absolute_error():
    same = np.repeat(FORECASTS[..., None], 9, axis=-1)
    levels = np.arange(1, 10) / 10
    want = mae(FORECASTS, TARGETS)
    np.testing.assert_allclose(crps_quantiles(same, TARGETS, levels), want)
    np.testing.assert_allclose(crps_samples(same, TARGETS), want)


def test_nothing_known_is_nan_and_bad_shapes_are_named():
    nothing = np.full(3, np.nan)
    found = (
        *(metric(np.zeros(3), nothing) for metric in (rmse, mae, nrmse)),
        coverage(np.zeros(3), np.ones(3), nothing),
        crps_quantiles(np.zeros((3, 1)), nothing, (0.5,)),
    )
    assert np.isnan(found).all()
    assert np.isnan(nrmse(np.zeros(2), np.ones(2)))  # targets that do not differ
    with pytest.raises(ValueError, match=r"shape of the targets, \(3,\), got \(2,\)"):
        rmse(np.zeros(2), nothing)
    with pytest.raises(ValueError, match="wherever the target is known, got NaN"):
        mae(nothing, np.zeros(3))
    with pytest.raises(ValueError, match=r"must have 2 levels on their last axis, got \(3, 1\)"):
        crps_quantiles(np.zeros((3, 1)), nothing, (0.1, 0.9))
