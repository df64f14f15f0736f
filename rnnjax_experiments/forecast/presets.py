"""Experiments on forecasting as frozen dataclasses, and their models."""

from dataclasses import dataclass, field
from typing import Literal

from rnnjax.checks import check_at_least, check_positive, check_rate
from rnnjax.models import GaussianHead, Head, QuantileHead, Regressor, StudentTHead, ValueHead
from rnnjax.train import Optimizer, Schedule
from rnnjax_experiments.shared.cores import CellName, CoreConfig

HEADS: dict[str, Head] = {
    "value": ValueHead(),
    "gaussian": GaussianHead(),
    "student_t": StudentTHead(),
    "quantiles": QuantileHead(),
}


@dataclass(frozen=True)
class Columns:
    """What to read from a file."""

    target: str | None = None
    """The column to forecast; by default the only one besides the time."""
    inputs: tuple[str, ...] = ()
    """Further columns of numbers, not known for the future."""
    known: tuple[str, ...] = ()
    """Columns of numbers that are known for the future."""
    categories: tuple[str, ...] = ()
    """Columns of categories, not known for the future."""
    time: tuple[str, ...] = ()
    """The column of the time, or those of its parts; by default those with the usual names, or the
    first."""
    time_format: str | None = None
    """How times are written, for strptime; by default as in ISO 8601."""
    series: str | None = None
    """The column that names the series, if the file has several."""
    gaps: Literal["error", "missing"] = "error"
    """Whether times that are left out are an error, or have missing values."""


@dataclass(frozen=True)
class ForecastExperiment(Columns, CoreConfig):
    """What to train, and how."""

    calendar: tuple[Literal["hour", "weekday", "month"], ...] | None = None
    """Where in the day, the week and the year a time lies; by default all that say something."""
    changes: bool = False
    """Read and forecast changes from the last known value, for series whose level wanders."""
    lags: tuple[int, ...] = ()
    """Values of this many steps earlier are read beside each value."""
    history: int | None = None
    """Steps that are read before a forecast; by default 168, or a quarter of the training part."""
    horizon: int | None = None
    """Steps ahead of the last forecast; by default a season, or 12 steps."""
    every: int = 1
    """Forecast only each step that is a multiple of this one."""
    feed_back: bool = False
    """Forecast the next step only, and feed samples back to get further."""
    samples: int = 100
    """Number of samples that are fed back."""
    season: int | None = None
    """Steps of a season, for seasonal persistence; by default a day of hours, a week of days, a
    year of weeks or months, otherwise the horizon."""
    linear_steps: int = 48
    """How many last values the linear model, to compare with, reads."""
    stride: int = 1
    """Steps between the origins of two forecasts that are tested."""
    head: Literal["value", "gaussian", "student_t", "quantiles"] = "quantiles"
    """What is forecast: a value, a distribution, or the mean and quantiles."""
    hidden_size: int = 64
    """Width of each layer."""
    head_size: int = 32
    """Width of the hidden layer of each forecast."""
    dropout: float = 0.2
    """Dropout on the core's outputs."""
    cell: CellName = "gru"
    """The cell of every layer."""
    batch_size: int = 32
    """Windows in a batch."""
    updates: int = 1500
    """Number of updates."""
    evaluations: int = 15
    """Number of evaluations, evenly spaced."""
    patience: int | None = 5
    """Evaluations in a row without a better development loss that end the run."""
    optimizer: Optimizer = field(default_factory=lambda: Optimizer(learning_rate=3e-3))
    """Optimiser and schedule."""
    seed: int = 0
    """Seed of weights, dropout and windows."""

    def check(self) -> None:
        """Raise `ValueError` where no model could be made."""
        super().check()
        for name in ("history", "horizon", "season", "patience"):
            if getattr(self, name) is not None:
                check_positive(**{name: getattr(self, name)})
        counts = ("every", "samples", "linear_steps", "stride", "head_size", "batch_size")
        check_positive(**{name: getattr(self, name) for name in (*counts, "updates")})
        check_rate("dropout", self.dropout)
        check_at_least(0, seed=self.seed)
        if self.horizon is not None and self.horizon % self.every:
            raise ValueError(
                f"horizon must be a multiple of every, {self.every}, got {self.horizon}"
            )
        if self.feed_back and (self.inputs or self.categories or self.every > 1):
            raise ValueError(
                "feed_back needs inputs that are known for the future, and every step: inputs and "
                "categories must be empty and every 1"
            )
        if self.feed_back and self.head == "quantiles":
            raise ValueError("head must be a distribution or a value to feed back, got 'quantiles'")

    def schedule(self) -> Schedule:
        """Return when things happen."""
        return Schedule(self.updates, self.evaluations, patience=self.patience)

    def model(self, horizon: int) -> Regressor:
        """Return the model for forecasts up to `horizon` steps ahead."""
        return Regressor(
            self.core(),
            HEADS[self.head],
            (1,) if self.feed_back else tuple(range(self.every, horizon + 1, self.every)),
            self.head_size,
            self.dropout,
            self.dtype,
        )


PRESETS = {
    "mackey_glass": ForecastExperiment(
        history=120,
        horizon=84,
        every=12,
        season=50,
        dropout=0.0,
        batch_size=16,
        updates=2000,
        evaluations=10,
        patience=None,
    ),
    "beijing": ForecastExperiment(
        target="pm2.5",
        inputs=("DEWP", "TEMP", "PRES", "Iws", "Is", "Ir"),
        categories=("cbwd",),
        calendar=("hour",),
        history=96,
        horizon=24,
        every=24,
        hidden_size=32,
        head_size=16,
        dropout=0.5,
        updates=400,
        evaluations=10,
        patience=4,
    ),
    "own": ForecastExperiment(),
}
DESCRIPTIONS = {
    "mackey_glass": "The Mackey-Glass series, which is generated; the default, a few minutes.",
    "beijing": "Fine dust in Beijing 24 hours ahead, with the weather; needs the file.",
    "own": "A file of your own.",
}
