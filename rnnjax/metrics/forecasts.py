"""Metrics of forecasts of real values; missing targets (NaN) count nowhere."""

import math
from collections.abc import Sequence

import numpy as np


def rmse(forecasts: np.ndarray, targets: np.ndarray) -> float:
    """Return the root mean squared error, in the unit of the targets; NaN without any target.

    Args:
      forecasts: `(...)`.
      targets: `(...)`; NaN is a missing target, which counts nowhere.

    Raises:
      ValueError: shapes differ.

    Example:
      >>> rx.metrics.rmse(np.array([3.0, 0.0, 9.0]), np.array([0.0, 4.0, np.nan]))
      3.5355339059327378
    """
    return math.sqrt(_mean(_errors(forecasts, targets) ** 2))


def mae(forecasts: np.ndarray, targets: np.ndarray) -> float:
    """Return the mean absolute error; arguments are those of `rmse`.

    Example:
      >>> rx.metrics.mae(np.array([3.0, 0.0, 9.0]), np.array([0.0, 4.0, np.nan]))
      3.5
    """
    return _mean(np.abs(_errors(forecasts, targets)))


def nrmse(forecasts: np.ndarray, targets: np.ndarray) -> float:
    """Return the root mean squared error divided by the standard deviation of the targets.

    It is 1 for a forecast that is always the mean of the targets. Arguments are those of `rmse`.

    Example:
      >>> rx.metrics.nrmse(np.array([2.0, 2.0, 9.0]), np.array([1.0, 3.0, np.nan]))
      1.0
    """
    error, known = rmse(forecasts, targets), targets[~np.isnan(targets)]
    deviation = float(known.std()) if known.size else math.nan
    return error / deviation if deviation else math.nan


def coverage(lower: np.ndarray, upper: np.ndarray, targets: np.ndarray) -> float:
    """Return the share of the targets that lie between `lower` and `upper`, both included.

    Args:
      lower: `(...)`, the lower ends of the intervals.
      upper: `(...)`, their upper ends.
      targets: `(...)`; NaN counts nowhere.

    Raises:
      ValueError: shapes differ.

    Example:
      >>> ends = np.zeros(4), np.ones(4)
      >>> rx.metrics.coverage(*ends, np.array([0.5, 1.0, 2.0, np.nan]))
      0.6666666666666666
    """
    below, above = _errors(lower, targets), _errors(upper, targets)
    return _mean(np.where(np.isnan(below), np.nan, (below <= 0) & (above >= 0)))


def crps_gaussian(mean: np.ndarray, scale: np.ndarray, targets: np.ndarray) -> float:
    """Return the mean continuous ranked probability score of normal distributions.

        z = (target - mean) / scale
        CRPS = scale (z (2 Φ(z) - 1) + 2 φ(z) - 1 / √π)

    The score is the integral over all y of (P(Y <= y) - [target <= y])². Lower is better, and that
    of a single value is its absolute error. Source: Gneiting and Raftery 2007, "Strictly proper
    scoring rules, prediction, and estimation".

    Args:
      mean: `(...)`.
      scale: `(...)`, standard deviations, positive.
      targets: `(...)`; NaN counts nowhere.

    Raises:
      ValueError: shapes differ.

    Example:
      >>> round(rx.metrics.crps_gaussian(np.zeros(1), np.ones(1), np.zeros(1)), 4)
      0.2337
    """
    z = -_errors(mean, targets) / scale
    below = 0.5 * (1 + np.vectorize(math.erf, otypes=[float])(z / math.sqrt(2)))
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    return _mean(scale * (z * (2 * below - 1) + 2 * density - 1 / math.sqrt(math.pi)))


def crps_samples(samples: np.ndarray, targets: np.ndarray) -> float:
    """Return the mean continuous ranked probability score of samples.

        CRPS = mean |sample - target| - mean |sample - other sample| / 2

    The second mean is over all pairs, a sample with itself included: the score is that of the
    distribution that has the samples as its values. See `crps_gaussian`.

    Args:
      samples: `(..., samples)`.
      targets: `(...)`; NaN counts nowhere.

    Raises:
      ValueError: shapes differ.

    Example:
      >>> rx.metrics.crps_samples(np.array([[0.0, 1.0]]), np.array([1.0]))
      0.25
    """
    samples = np.sort(samples, axis=-1)
    number = samples.shape[-1]
    # Of sorted samples, the i-th is the larger one of i pairs and the smaller one of the others.
    weights = 2 * np.arange(number) - number + 1
    spread = (samples * weights).sum(axis=-1) / number**2
    errors = np.abs(_errors(samples, np.asarray(targets)[..., None])).mean(axis=-1)
    return _mean(errors - spread)


def crps_quantiles(quantiles: np.ndarray, targets: np.ndarray, levels: Sequence[float]) -> float:
    """Return the mean continuous ranked probability score, approximated from quantiles.

        CRPS = 2 ∫ pinball(level) d level,   approximately twice the mean over the levels

    It is exact in the limit of many evenly spaced levels. If all quantiles are the same value, and
    the levels symmetric, it is the absolute error.

    Args:
      quantiles: `(..., levels)`.
      targets: `(...)`; NaN counts nowhere.
      levels: the level of each quantile, evenly spaced in (0, 1).

    Raises:
      ValueError: shapes differ.

    Example:
      >>> rx.metrics.crps_quantiles(np.zeros((1, 3)), np.array([2.0]), (0.25, 0.5, 0.75))
      2.0
    """
    if quantiles.shape[-1:] != (len(levels),):
        raise ValueError(
            f"quantiles must have {len(levels)} levels on their last axis, got {quantiles.shape}"
        )
    errors = -_errors(quantiles, np.asarray(targets)[..., None])
    level = np.asarray(levels, float)
    return _mean(2 * np.maximum(level * errors, (level - 1) * errors).mean(axis=-1))


def _errors(forecasts: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return forecast - target, NaN where the target is missing."""
    forecasts, targets = np.asarray(forecasts, float), np.asarray(targets, float)
    same = forecasts.shape == targets.shape
    if not same and not (targets.shape[-1:] == (1,) and forecasts.shape[:-1] == targets.shape[:-1]):
        raise ValueError(
            f"forecasts must have the shape of the targets, {targets.shape}, got {forecasts.shape}"
        )
    if (np.isnan(forecasts) & ~np.isnan(targets)).any():
        raise ValueError("forecasts must be numbers wherever the target is known, got NaN")
    return forecasts - targets


def _mean(values: np.ndarray) -> float:
    """Return the mean of the values that are not NaN; NaN if there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan
