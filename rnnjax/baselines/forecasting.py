"""Simple forecasts of a series, to compare with; missing values are NaN."""

from dataclasses import dataclass

import numpy as np

from rnnjax.data.encoding.series_encoder import last_known as last_known


def persistence(values: np.ndarray, origins: np.ndarray, horizons: np.ndarray) -> np.ndarray:
    """Return forecasts that the last known value stays, `(origins, horizons)`.

    Args:
      values: `(steps,)`, the series.
      origins: `(origins,)`, the last step that is known to each forecast.
      horizons: `(horizons,)`, how many steps ahead to forecast.

    Example:
      >>> rx.baselines.persistence(np.array([1.0, 4.0, 2.0]), np.array([1]), np.array([1, 2]))
      array([[4., 4.]])
    """
    return np.repeat(last_known(values)[origins][:, None], len(horizons), axis=1)


def seasonal_persistence(
    values: np.ndarray, origins: np.ndarray, horizons: np.ndarray, season: int
) -> np.ndarray:
    """Return as forecasts the last known values a whole number of seasons before.

    Args:
      values: see `persistence`, as the other arguments.
      origins: see `persistence`.
      horizons: see `persistence`.
      season: steps of a season, such as 24 for hours.

    Example:
      >>> values, origins = np.array([1.0, 4.0, 2.0, 5.0]), np.array([3])
      >>> rx.baselines.seasonal_persistence(values, origins, np.array([1, 2, 3]), season=2)
      array([[2., 5., 2.]])
    """
    known = np.full(len(values), np.nan)
    for phase in range(min(season, len(values))):
        known[phase::season] = last_known(values[phase::season])
    back = -(-horizons // season) * season
    places = origins[:, None] + horizons - back
    return np.where(places >= 0, known[np.maximum(places, 0)], np.nan)


@dataclass(frozen=True)
class LinearForecaster:
    """A linear function of the last values of a series, for each number of steps ahead.

    Missing values of the history are the last known ones; before the first known one, they are the
    mean of those that it learnt from. Build it with `fit`.

    Attributes:
      weights: `(steps + 1, horizons)`, the latest step first, and the constant at the end.
      horizons: `(horizons,)`.
      mean: the mean of the values that it learnt from.

    Example:
      >>> values = np.arange(20.0)
      >>> line = rx.baselines.LinearForecaster.fit(values, 15, steps=2, horizons=np.array([1, 3]))
      >>> line.predict(values, np.array([19])).round(3).tolist()
      [[20.0, 22.0]]
    """

    weights: np.ndarray
    horizons: np.ndarray
    mean: float

    @classmethod
    def fit(
        cls, values: np.ndarray, end: int, *, steps: int, horizons: np.ndarray, ridge: float = 1e-6
    ) -> "LinearForecaster":
        """Return the forecaster with the least squared error on the first part of a series.

        Args:
          values: `(steps,)`, the series.
          end: number of the first values that are learnt from.
          steps: number of the last values that are read.
          horizons: `(horizons,)`, how many steps ahead to forecast.
          ridge: penalty on the squared weights, but not the constant, of standardised values,
            relative to the number of targets.

        Raises:
          ValueError: no target is known that has enough steps before it.
        """
        known = values[:end][~np.isnan(values[:end])]
        if not known.size:
            raise ValueError(f"values must have a known one among the first {end}")
        mean, scale = known.mean(), known.std() or 1.0
        scaled = (values - mean) / scale
        columns = []
        for horizon in horizons:
            origins = np.arange(steps - 1, end - horizon)
            read, targets = _history(scaled, origins, steps, 0.0), scaled[origins + horizon]
            use = ~np.isnan(targets)
            if not use.any():
                raise ValueError(
                    f"the first {end} values must have a target that is known {horizon} steps "
                    f"after {steps} others"
                )
            read, targets = read[use], targets[use]
            penalty = np.diag([ridge * len(targets)] * steps + [0.0])
            weights = np.linalg.lstsq(read.T @ read + penalty, read.T @ targets, rcond=None)[0]
            constant = scale * weights[-1] + mean - mean * weights[:-1].sum()
            columns.append(np.append(weights[:-1], constant))
        return cls(np.stack(columns, axis=1), np.asarray(horizons), float(mean))

    def predict(self, values: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """Return forecasts `(origins, horizons)`.

        Args:
          values: `(steps,)`, the series.
          origins: `(origins,)`, the last step that is known to each forecast.
        """
        return _history(values, origins, len(self.weights) - 1, self.mean) @ self.weights


def _history(values: np.ndarray, origins: np.ndarray, steps: int, first: float) -> np.ndarray:
    """Return the last known values and a one, `(origins, steps + 1)`, the latest step first."""
    filled = last_known(values)
    filled = np.where(np.isnan(filled), first, filled)
    places = np.maximum(origins[:, None] - np.arange(steps), 0)
    return np.concatenate([filled[places], np.ones((len(origins), 1))], axis=1)
