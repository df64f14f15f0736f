"""A trained model that forecasts series."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnjax.data import Series, SeriesEncoder, Windows
from rnnjax.decoding import sample_paths
from rnnjax.models import Regressor
from rnnjax.models.interface import Batch
from rnnjax.trained import run_files
from rnnjax.trained.base import Trained
from rnnjax.trained.export import Parts
from rnnjax.trained.programs import COUNT, Argument, Program, step_program

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class Forecast(NamedTuple):
    """Forecasts of a series, in the unit of its target.

    Attributes:
      origins: `(origins,)`, the last step that each forecast knows.
      horizons: `(horizons,)`, how many steps ahead the forecasts are.
      mean: `(origins, horizons)`.
      quantiles: `(origins, horizons, levels)`.

    Example:
      >>> origins, horizons = np.array([9]), np.array([1, 2])
      >>> forecast = rx.trained.Forecast(origins, horizons, np.zeros((1, 2)), np.zeros((1, 2, 9)))
      >>> forecast.targets(np.arange(11.0)).tolist()
      [[10.0, nan]]
    """

    origins: np.ndarray
    horizons: np.ndarray
    mean: np.ndarray
    quantiles: np.ndarray

    def targets(self, values: np.ndarray) -> np.ndarray:
        """Return the values `(steps,)` of a series at the steps that are forecast; NaN beyond."""
        places = self.origins[:, None] + self.horizons
        inside = places < len(values)
        return np.where(inside, values[np.where(inside, places, 0)], np.nan)


@dataclass(frozen=True)
class TrainedRegressor(Trained):
    """A trained `Regressor` with the columns and the scales of its series.

    Attributes:
      encoder: columns and scales.
      history: number of steps that the model reads before a forecast.
      horizon: number of steps ahead of the last forecast. A model that forecasts the next step only
        gets there by feeding samples back.
      batch_size: the largest number of windows in a batch.
      samples: number of samples, where they are fed back.

    Example:
      >>> values = np.sin(np.arange(50.0))
      >>> series = rx.data.Series("", np.arange(50), {"wave": values})
      >>> encoder = rx.data.SeriesEncoder.fit([series], [40], "wave")
      >>> model = rx.models.Regressor(rx.GRU(4), horizons=(1, 2, 3))
      >>> trained = rx.trained.TrainedRegressor(model, None, encoder, history=10, horizon=3)
      >>> trained.initialized(seed=0).forecast(series, np.array([40, 49])).mean.shape
      (2, 3)
    """

    model: Regressor
    encoder: SeriesEncoder
    history: int
    horizon: int
    batch_size: int = 32
    samples: int = 100

    settings: ClassVar[tuple[str, ...]] = ("history", "horizon", "batch_size", "samples")

    @property
    def feeds_back(self) -> bool:
        """Whether forecasts are samples that are fed back."""
        return self.horizon > self.model.horizons[-1]

    @property
    def horizons(self) -> np.ndarray:
        """How many steps ahead the forecasts are, `(horizons,)`."""
        return np.arange(1, self.horizon + 1) if self.feeds_back else np.array(self.model.horizons)

    def init(self, seed: int) -> Any:
        """Return new parameters of the model."""
        inputs = jnp.zeros((1, 1, self.encoder.input_size))
        size = self.encoder.known_size
        known = jnp.zeros((1, 1, len(self.model.horizons), size)) if size else None
        return jax.jit(self.model.init)(jax.random.key(seed), inputs, known)["params"]

    def save_text(self, folder: Path) -> None:
        """Write the columns and the scales."""
        self.encoder.save(folder / "series.json")

    @classmethod
    def load_text(cls, folder: Path) -> dict[str, Any]:
        """Return the columns and the scales."""
        return {"encoder": SeriesEncoder.load(folder / "series.json")}

    def sizes(self) -> tuple[Any, Any]:
        """Return nothing to compare: the parameters are of the encoder's sizes."""
        return None, None

    def exports(self, examples: Sequence[str] = ()) -> Parts:
        """Return a program that forecasts after whole windows, and one for each step of a stream.

        Inputs and outputs are scaled as `SeriesEncoder` does, and with its `changes` they are
        changes; NaN is a missing value. Examples, which are texts, are not read.
        """
        model, encoder = self.model, self.encoder

        def run(params: Any, **batch: Array) -> dict[str, Array]:
            outputs = _outputs(model, params, batch)
            return {"outputs": outputs, "mean": outputs[..., 0]}

        whole = {"inputs": Argument(f"batch, time, {encoder.input_size}", "float32")}
        step = {"inputs": Argument(f"batch, {encoder.input_size}", "float32")}
        if encoder.known_size:
            ahead = f"batch, {len(model.horizons)}, {encoder.known_size}"
            whole["known"] = step["known"] = Argument(ahead, "float32")
        programs = {
            "forecast": Program(run, {**whole, "lengths": COUNT}),
            "step": step_program(model, model.core, step, "outputs"),
        }
        text = {
            **vars(encoder),
            "frequency": vars(encoder.frequency),
            "history": self.history,
            "horizons": model.horizons,
        }
        title = "Forecast a wave: python run.py."
        script = run_files.script(title, run_files.ZEROS, run_files.FORECAST)
        return Parts(programs, text, script)

    def forecast(
        self,
        series: Series,
        origins: np.ndarray | None = None,
        levels: Sequence[float] = LEVELS,
        seed: int = 0,
    ) -> Forecast:
        """Return forecasts of a series, from one or more of its steps on.

        Args:
          series: the series; its name is one of those of training.
          origins: `(origins,)`, the last step that each forecast knows; by default one, the last
            step whose target is known.
          levels: the levels of the quantiles.
          seed: seed of the samples, where they are fed back.

        Raises:
          ValueError: the series does not fit, as in `SeriesEncoder.encode`, or it has no such step.
        """
        encoded = self.encoder.encode(series)
        if origins is None:
            known = np.flatnonzero(~np.isnan(encoded.target))
            if not known.size:
                raise ValueError("series must have a known value to forecast from, got none")
            origins = known[-1:]
        if origins.size and not (origins.min() >= 0 and origins.max() < len(series)):
            raise ValueError(
                f"origins must be steps of the series of {len(series)}, got "
                f"{origins.min()} to {origins.max()}"
            )
        horizons = self.model.horizons
        windows = Windows(
            [encoded],
            [(0, len(series) + horizons[-1])],
            self.history,
            horizons,
            batch_size=min(self.batch_size, max(1, len(origins))),
        )
        batches = [
            origins[first : first + windows.batch_size]
            for first in range(0, len(origins), windows.batch_size)
        ]
        parts = [self._forecast(series, windows, each, levels, seed) for each in batches]
        mean, quantiles = (np.concatenate(part) for part in zip(*parts, strict=True))
        last = np.zeros(1) if encoded.last is None else encoded.last[origins]
        restored = partial(self.encoder.unscaled, series.name)
        return Forecast(
            origins,
            self.horizons,
            restored(last[:, None] + mean),
            restored(last[:, None, None] + quantiles),
        )

    def _forecast(
        self,
        series: Series,
        windows: Windows,
        origins: np.ndarray,
        levels: Sequence[float],
        seed: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the means and the quantiles of a batch, scaled."""
        batch = windows.before(0, origins)
        steps = self.horizon if self.feeds_back else self.model.horizons[-1]
        future = np.stack([self.encoder.future(series, origin, steps) for origin in origins])
        future = np.pad(future, ((0, len(batch["lengths"]) - len(origins)), (0, 0), (0, 0)))
        if self.feeds_back:
            drawn = sample_paths(
                self.model,
                self.variables,
                batch["inputs"],
                future,
                # Each batch has its own samples.
                jax.random.fold_in(jax.random.key(seed), int(origins[0])),
                samples=self.samples,
                lengths=batch["lengths"],
                lags=self.encoder.lags,
            )
            paths = np.asarray(drawn)[: len(origins)]
            if self.encoder.changes:  # each sample is a change from the one before
                paths = paths.cumsum(axis=-1)
            return paths.mean(axis=1), np.moveaxis(np.quantile(paths, levels, axis=1), 0, -1)
        if future.shape[-1]:
            batch["known"] = future[:, np.array(self.model.horizons) - 1]
        outputs = np.asarray(_outputs(self.model, self.params, batch))[: len(origins)]
        head = self.model.head
        return head.mean(outputs), head.quantiles(outputs, levels)


@partial(jax.jit, static_argnums=0)
def _outputs(model: Regressor, params: Any, batch: Batch) -> Array:
    read = model.apply(
        {"params": params}, batch["inputs"], batch.get("known"), batch["lengths"], method="start"
    )
    return cast(tuple[Any, Array], read)[1]
