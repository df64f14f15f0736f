"""The series of an experiment: read, split in time, and cut into windows."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnjax.data import Series, SeriesEncoder, Windows, calendar_of, read_series
from rnnjax.data.batches.windows import Span
from rnnjax_experiments.corpora.mackey_glass import mackey_glass
from rnnjax_experiments.forecast.presets import ForecastExperiment
from rnnjax_experiments.shared.hardware import placement

_LONGEST = 168  # of a history, by default


class Spans(NamedTuple):
    """The steps of a series to train, develop and test on, as slices: 60, 20 and 20 per cent."""

    train: Span
    dev: Span
    test: Span

    @classmethod
    def of(cls, series: Series) -> "Spans":
        """Return the spans of a series, which follow one another in time."""
        steps = len(series)
        first, second = int(0.6 * steps), int(0.8 * steps)
        return cls((0, first), (first, second), (second, steps))


def read(experiment: ForecastExperiment, data: Path | None) -> list[Series]:
    """Return the series of a file, or the one that is generated."""
    if data is None:
        series = mackey_glass()
        if experiment.target not in (None, *series.columns):
            raise ValueError(f"data must be a file to forecast {experiment.target!r}, got none")
        return [series]
    target = () if experiment.target is None else (experiment.target,)
    if not target and (experiment.inputs or experiment.known):
        raise ValueError("target must be named if inputs or known are")
    return read_series(
        data,
        (*target, *experiment.inputs, *experiment.known),
        categories=experiment.categories,
        time=experiment.time,
        time_format=experiment.time_format,
        name=experiment.series,
        gaps=experiment.gaps,
    )


def resolved(experiment: ForecastExperiment, series: Sequence[Series]) -> ForecastExperiment:
    """Return the experiment with what depends on the series, where it is not given."""
    every = series[0].frequency
    target = experiment.target or next(iter(series[0].columns))
    horizon = experiment.horizon or every.season or 12
    horizon = -(-horizon // experiment.every) * experiment.every
    shortest = min(Spans.of(each).train[1] for each in series)
    calendar = calendar_of(every) if experiment.calendar is None else experiment.calendar
    return dataclasses.replace(
        experiment,
        target=target,
        calendar=calendar,
        horizon=horizon,
        history=experiment.history or max(2, min(_LONGEST, shortest // 4)),
        season=experiment.season or every.season or horizon,
    )


def fit_encoder(experiment: ForecastExperiment, series: Sequence[Series]) -> SeriesEncoder:
    """Return the encoder with the scales of the training part."""
    assert experiment.target is not None  # as it is resolved
    assert experiment.calendar is not None
    return SeriesEncoder.fit(
        series,
        [Spans.of(each).train[1] for each in series],
        experiment.target,
        inputs=experiment.inputs,
        known=experiment.known,
        calendar=experiment.calendar,
        lags=experiment.lags,
        categories=experiment.categories,
        changes=experiment.changes,
    )


def windows(
    experiment: ForecastExperiment,
    encoder: SeriesEncoder,
    series: Sequence[Series],
    horizons: tuple[int, ...],
) -> tuple[Windows, Windows]:
    """Return the windows to train and to develop on.

    A quarter of a window has no targets: there, a core knows little of the series.
    """
    assert experiment.history is not None  # as it is resolved
    encoded = [encoder.encode(each) for each in series]
    spans = [Spans.of(each) for each in series]
    return tuple(  # type: ignore[return-value]
        Windows(
            encoded,
            [getattr(each, part) for each in spans],
            experiment.history,
            horizons,
            warmup=experiment.history // 4,
            batch_size=experiment.batch_size,
            seed=experiment.seed,
            share=share,
        )
        for part, share in (("train", placement().share), ("dev", (0, 1)))
    )


def shown_times(times: np.ndarray) -> list[str]:
    """Return times as text, all as exact as the most exact one needs."""
    return list(
        np.datetime_as_string(times, "auto") if times.dtype.kind == "M" else map(str, times)
    )


def origins_to_test(series: Series, horizons: np.ndarray, stride: int) -> np.ndarray:
    """Return the steps from which a series is forecast to test: all targets are in the test part.

    Raises:
      ValueError: there is no such step.
    """
    start, end = Spans.of(series).test
    origins = np.arange(max(0, start - horizons[0]), end - horizons[-1], stride)
    if not origins.size:
        raise ValueError(
            f"the last fifth of a series must have more steps than the horizon of {horizons[-1]}, "
            f"got {end - start}" + (f" in {series.name!r}" if series.name else "")
        )
    return origins
