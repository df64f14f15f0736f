"""Forecasts compared with simple ones: tables and a picture."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnjax.baselines import LinearForecaster, persistence, seasonal_persistence
from rnnjax.data import Series
from rnnjax.extras import require
from rnnjax.metrics import coverage, crps_quantiles, mae, nrmse, rmse
from rnnjax.trained.regressor import LEVELS, Forecast, TrainedRegressor
from rnnjax_experiments.forecast.data import Spans, origins_to_test
from rnnjax_experiments.forecast.presets import ForecastExperiment
from rnnjax_experiments.shared.command_line import print_table

_BAND = 0, len(LEVELS) - 1  # of 80 per cent
_NAMES = "RMSE", "MAE", "NRMSE", "CRPS", "within 80 %"
_SHOWN = 6  # horizons of the second table, at most


class Tested(NamedTuple):
    """The forecasts of each series by one forecaster, and what came."""

    forecasts: list[Forecast]
    targets: list[np.ndarray]

    def mean_of(self, metric: Callable[[Forecast, np.ndarray], float]) -> float:
        """Return the mean of a metric over the series."""
        pairs = zip(self.forecasts, self.targets, strict=True)
        return float(np.nanmean([metric(*pair) for pair in pairs]))

    @property
    def has_bands(self) -> bool:
        """Whether the quantiles differ."""
        return any(np.ptp(each.quantiles, axis=-1).any() for each in self.forecasts)


def tested(trained: TrainedRegressor, series: Sequence[Series], stride: int) -> Tested:
    """Return the forecasts of a model for the test part of some series."""
    target = trained.encoder.target
    forecasts = [
        trained.forecast(each, origins_to_test(each, trained.horizons, stride)) for each in series
    ]
    pairs = zip(forecasts, series, strict=True)
    return Tested(forecasts, [found.targets(each.columns[target]) for found, each in pairs])


def simple(
    experiment: ForecastExperiment, series: Sequence[Series], horizons: np.ndarray
) -> dict[str, Tested]:
    """Return the simple forecasts for the same origins and horizons as those of a model.

    Raises:
      ValueError: a series is too short, or there is no known value to learn from or to test on.
    """
    assert experiment.target is not None  # as it is resolved
    assert experiment.season is not None
    ends = [Spans.of(each).train[1] for each in series]
    steps = min(experiment.linear_steps, min(ends) // 4)
    targets = []
    found: dict[str, list[Forecast]] = {
        "persistence": [],
        f"seasonal ({experiment.season})": [],
        f"linear ({steps})": [],
    }
    for each, end in zip(series, ends, strict=True):
        values = each.columns[experiment.target]
        origins = origins_to_test(each, horizons, experiment.stride)
        places = origins, horizons
        last = persistence(values, *places)
        season = seasonal_persistence(values, *places, experiment.season)
        line = LinearForecaster.fit(values, end, steps=steps, horizons=horizons)
        means = last, np.where(np.isnan(season), last, season), line.predict(values, origins)
        for forecasts, mean in zip(found.values(), means, strict=True):
            quantiles = np.repeat(mean[..., None], len(LEVELS), axis=-1)
            forecasts.append(Forecast(*places, mean, quantiles))
        targets.append(forecasts[-1].targets(values))
    if all(np.isnan(each).all() for each in targets):
        raise ValueError(
            f"the last fifth must have a known value of {experiment.target} to test on"
        )
    return {name: Tested(each, targets) for name, each in found.items()}


def print_report(title: str, rows: Mapping[str, Tested]) -> None:
    """Print the errors of some forecasters, and those by the number of steps ahead."""
    first = next(iter(rows.values()))
    known = sum(int((~np.isnan(each)).sum()) for each in first.targets)
    horizons = first.forecasts[0].horizons
    print_table(
        f"{title}, {_steps(horizons)} ahead, {known:,} known values",
        ("forecast", *_NAMES),
        [(name, *_cells(errors(each))) for name, each in rows.items()],
    )
    if len(horizons) == 1:
        return
    shown = np.unique(np.linspace(0, len(horizons) - 1, _SHOWN).round().astype(int))
    print_table(
        f"{title}, NRMSE by the steps ahead",
        ("forecast", *map(str, horizons[shown])),
        [
            (name, *(_number(each.mean_of(_nrmse_at(i))) for i in shown))
            for name, each in rows.items()
        ],
    )


def errors(each: Tested) -> dict[str, float]:
    """Return the errors of a forecaster by their names."""
    found = {
        "RMSE": each.mean_of(lambda found, targets: rmse(found.mean, targets)),
        "MAE": each.mean_of(lambda found, targets: mae(found.mean, targets)),
        "NRMSE": each.mean_of(lambda found, targets: nrmse(found.mean, targets)),
        "CRPS": each.mean_of(
            lambda found, targets: crps_quantiles(found.quantiles, targets, LEVELS)
        ),
    }
    return found | ({"within 80 %": 100 * each.mean_of(_covered)} if each.has_bands else {})


def plot_forecasts(series: Series, found: Forecast, target: str, picture: Path) -> None:
    """Draw forecasts with their bands of 80 per cent, and what came.

    With several horizons, it is three forecasts, each from one step on. With one, it is the
    forecasts of some steps in a row.

    Args:
      series: the series.
      found: its forecasts.
      target: the column that is forecast.
      picture: file to write.
    """
    require("matplotlib", "plots").use("Agg")
    plt = require("matplotlib.pyplot", "plots")
    several = len(found.horizons) > 1
    panels = 3 if several else 1
    figure, rows = plt.subplots(
        panels, 1, figsize=(8, 2.2 * panels + 1), layout="constrained", squeeze=False
    )
    for number, axes in enumerate(rows[:, 0]):
        if several:
            row = (2 * number + 1) * len(found.origins) // (2 * panels)
            places = found.origins[row] + found.horizons
            mean, quantiles = found.mean[row], found.quantiles[row]
            shown = np.arange(max(0, 2 * found.origins[row] - places[-1]), places[-1] + 1)
            axes.axvline(series.times[found.origins[row]], color="gray", linestyle=":")
        else:
            rows_shown = slice(len(found.origins) // 2, len(found.origins) // 2 + 240)
            places = (found.origins + found.horizons[0])[rows_shown]
            mean, quantiles = found.mean[rows_shown, 0], found.quantiles[rows_shown, 0]
            shown = places
        times = series.times[places]
        axes.plot(series.times[shown], series.columns[target][shown], color="black", linewidth=1)
        axes.plot(times, mean, color="C0", marker=".")
        low, high = quantiles[:, _BAND[0]], quantiles[:, _BAND[1]]
        axes.fill_between(times, low, high, color="C0", alpha=0.25)
        axes.set_ylabel(target)
        axes.tick_params(axis="x", labelrotation=15, labelsize=8)
        axes.grid(alpha=0.3)
    rows[0, 0].set_title(
        f"forecasts {_steps(found.horizons)} ahead (blue, band of 80 %), and what came (black)",
        fontsize=10,
    )
    figure.savefig(picture, dpi=120)
    plt.close(figure)


def _covered(found: Forecast, targets: np.ndarray) -> float:
    return coverage(found.quantiles[..., _BAND[0]], found.quantiles[..., _BAND[1]], targets)


def _nrmse_at(place: int) -> Callable[[Forecast, np.ndarray], float]:
    return lambda found, targets: nrmse(found.mean[:, place], targets[:, place])


def _steps(horizons: np.ndarray) -> str:
    first, last = int(horizons[0]), int(horizons[-1])
    return f"{last} step" + "s" * (last > 1) if first == last else f"{first} to {last} steps"


def _cells(found: Mapping[str, float]) -> list[str]:
    return [_number(found[name]) if name in found else "" for name in _NAMES]


def _number(value: float) -> str:
    return f"{value:.4g}"
