"""Forecasts of real values: train, evaluate, predict.

$ rnnjax forecast train                     # a series that is generated
$ rnnjax forecast train own --data temperatures.csv
$ rnnjax forecast predict --run runs/temperatures --data temperatures.csv
"""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnnjax.data import Series
from rnnjax.inference import evaluate as evaluate_loss
from rnnjax.train import plot_curves
from rnnjax.trained import TrainedRegressor
from rnnjax.trained.regressor import LEVELS
from rnnjax_experiments.forecast.data import (
    Spans,
    fit_encoder,
    read,
    resolved,
    shown_times,
    windows,
)
from rnnjax_experiments.forecast.presets import DESCRIPTIONS, PRESETS, ForecastExperiment
from rnnjax_experiments.forecast.report import (
    Tested,
    errors,
    plot_forecasts,
    print_report,
    simple,
    tested,
)
from rnnjax_experiments.shared.command_line import Commands, presets
from rnnjax_experiments.shared.export import export
from rnnjax_experiments.shared.going_on import From
from rnnjax_experiments.shared.recipe import train as train_run
from rnnjax_experiments.shared.run_folder import digest, open_run

if TYPE_CHECKING:
    Preset = ForecastExperiment
else:
    Preset = presets(PRESETS, DESCRIPTIONS)


def train(
    experiment: Preset = PRESETS["mackey_glass"],
    data: Path | None = None,
    out: Path | None = None,
    from_: From = None,
    tensorboard: bool = False,
) -> None:
    """Train a model that forecasts series, or go on with a run that stopped.

    Args:
      experiment: a preset, any part of which may be changed.
      data: a CSV file, whose first line names the columns: a time, and one or more columns of
        numbers. It is split in time: 60 per cent to train, 20 to develop and 20 to test on. By
        default the Mackey-Glass series, which is generated.
      out: the run's folder: configuration, scales, metrics, checkpoints, plots; by default under
        runs/.
      from_: a run to go on from: its parameters, as far as they fit, are the start, and its
        settings the defaults, unless a preset is named.
      tensorboard: write TensorBoard events as well.
    """
    experiment.check()
    series = read(experiment, data)
    experiment = resolved(experiment, series)
    _say(experiment, series)
    out = out or Path("runs") / (data.resolve().stem if data else "mackey-glass")
    assert experiment.horizon is not None  # as it is resolved
    horizons = np.arange(experiment.every, experiment.horizon + 1, experiment.every)
    beside = simple(experiment, series, horizons)  # first: what cannot be tested is not trained
    trained = _train(experiment, series, out, from_, tensorboard)
    found = tested(trained, series, experiment.stride)
    print_report(f"test, {experiment.target}", {"this model": found, **beside})
    plot_curves(out / "metrics.jsonl", out / "curves.png", unit="loss a value")
    plot_forecasts(series[0], found.forecasts[0], trained.encoder.target, out / "forecasts.png")
    print(f"forecasts: {out / 'forecasts.png'}\ncurves: {out / 'curves.png'}\nmodel: {out}")


def evaluate(run: tuple[Path, ...], data: Path | None = None) -> None:
    """Print the errors of trained models and simple forecasts on the last fifth of a file.

    Args:
      run: the runs' folders, all with the same target and horizons.
      data: a file as `train` reads it; by default the series that is generated.
    """
    if not run:
        raise ValueError("there must be at least one run to evaluate")
    opened = {str(each): open_run(each, ForecastExperiment) for each in run}
    experiment, first = next(iter(opened.values()))
    series = read(experiment, data)
    rows: dict[str, Tested] = {}
    for name, (_, trained) in opened.items():
        if trained.encoder.target != first.encoder.target or (
            trained.horizons.tolist() != first.horizons.tolist()
        ):
            raise ValueError(
                f"run must be folders with the same target and horizons, got {name} beside {run[0]}"
            )
        rows[name] = tested(trained, series, experiment.stride)
    print_report(
        f"{data or 'Mackey-Glass'}, {experiment.target}",
        {**rows, **simple(experiment, series, first.horizons)},
    )
    if len(run) > 1:
        _print_spread(list(rows.values()))


def predict(run: Path, data: Path | None = None, out: Path | None = None) -> None:
    """Forecast what comes after the last known value of each series in a file, as CSV.

    A row has the series' name (if there are several), the time, the mean, and quantiles.

    Args:
      run: the run's folder.
      data: a file as `train` reads it; by default the series that is generated.
      out: the file to write; by default standard output.
    """
    experiment, trained = open_run(run, ForecastExperiment)
    rows = [row for each in read(experiment, data) for row in _forecast_rows(trained, each)]
    named = experiment.series is not None
    header = ("series", "time", "mean", *(f"q{level:g}" for level in LEVELS))
    table = [header, *rows] if named else [row[1:] for row in (header, *rows)]
    if out is None:
        csv.writer(sys.stdout, lineterminator="\n").writerows(table)
        return
    with out.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(table)


def _train(
    experiment: ForecastExperiment,
    series: Sequence[Series],
    out: Path,
    source: Path | None,
    tensorboard: bool,
) -> TrainedRegressor:
    """Train in the folder `out`, or go on with the run that stopped there."""
    assert experiment.horizon is not None  # as it is resolved
    assert experiment.history is not None
    encoder, model = fit_encoder(experiment, series), experiment.model(experiment.horizon)
    learnt, dev = windows(experiment, encoder, series, model.horizons)
    start = TrainedRegressor(
        model,
        None,
        encoder,
        experiment.history,
        experiment.horizon,
        experiment.batch_size,
        experiment.samples,
    ).initialized(experiment.seed)
    print(f"{start.size:,} parameters; {learnt.size:,} windows of {experiment.history} steps")
    held_out = list(dev.in_order())
    if all(np.isnan(batch["targets"]).all() for batch in held_out):
        raise ValueError(f"the fourth fifth must have a known {experiment.target} to develop on")

    def measure(trained: TrainedRegressor) -> dict[str, float]:
        return {"loss": evaluate_loss(trained.model, trained.params, held_out)[0]}

    return train_run(
        out,
        experiment,
        start,
        digest(repr(encoder), [each.inputs for each in learnt.series]),
        batch_at=learnt.at,
        evaluate=measure,
        schedule=experiment.schedule(),
        steps_per_epoch=learnt.steps,
        tokens_per_step=experiment.batch_size * experiment.history,
        source=source,
        tensorboard=tensorboard,
    )


def _say(experiment: ForecastExperiment, series: Sequence[Series]) -> None:
    """Print what was found in the series, and what follows from it."""
    steps = sum(map(len, series))
    missing = sum(int(np.isnan(each.columns[str(experiment.target)]).sum()) for each in series)
    spans = Spans.of(series[0])
    times = shown_times(np.array([series[0].times[start] for start, _ in spans]))
    print(
        f"{experiment.target}: {len(series)} series, {steps:,} steps, one every "
        f"{series[0].frequency}, {missing:,} missing; train, develop and test from "
        f"{', '.join(times)}\n"
        f"reads {experiment.history} steps, forecasts {experiment.horizon}; a season is "
        f"{experiment.season}; calendar: {', '.join(experiment.calendar or ()) or 'none'}"
    )


def _print_spread(rows: Sequence[Tested]) -> None:
    values = {name: [errors(each)[name] for each in rows] for name in errors(rows[0])}
    print(
        f"{len(rows)} runs, mean and standard deviation: "
        + "; ".join(
            f"{name} {np.mean(each):.4g} ± {np.std(each):.2g}" for name, each in values.items()
        )
    )


def _forecast_rows(trained: TrainedRegressor, series: Series) -> list[tuple[str, ...]]:
    found = trained.forecast(series)
    times = series.frequency.after(series.times[found.origins[0]], found.horizons)
    values = np.concatenate([found.mean[0][:, None], found.quantiles[0]], axis=1)
    return [
        (series.name, time, *(f"{value:.6g}" for value in row))
        for time, row in zip(shown_times(times), values, strict=True)
    ]


COMMANDS: Commands = {"train": train, "evaluate": evaluate, "predict": predict, "export": export}
