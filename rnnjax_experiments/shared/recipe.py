"""How every script trains: claim the folder, save what is needed, fit, load the best."""

import dataclasses
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol, TypeVar

from rnnjax.models.interface import Batch
from rnnjax.train import Schedule, fit, init_state, load_best, make_train_step, model_loss
from rnnjax.train.hosts import check_same, is_first, own_copy
from rnnjax.train.step import LossFn
from rnnjax_experiments.shared.going_on import going_on
from rnnjax_experiments.shared.hardware import accumulate, placement, profiled_steps
from rnnjax_experiments.shared.run_folder import claim
from rnnjax_experiments.shared.tensorboard import events_in


class Startable(Protocol):
    """A dataclass that holds a model and its parameters, such as a `rnnjax.trained.Trained`."""

    @property
    def model(self) -> Any:
        """The Linen module."""

    @property
    def params(self) -> Any:
        """Its parameters."""

    def save(self, folder: Path) -> None:
        """Write all but the parameters into `folder`."""


Start = TypeVar("Start", bound=Startable)


def train(
    out: Path,
    experiment: Any,
    start: Start,
    data: str,
    *,
    batch_at: Callable[[int], Batch],
    evaluate: Callable[[Start], dict[str, float]],
    schedule: Schedule,
    steps_per_epoch: int,
    tokens_per_step: int,
    loss_fn: LossFn | None = None,
    carry: Any = None,
    monitor: str = "loss",
    source: Path | None = None,
    tensorboard: bool = False,
) -> Start:
    """Train in the folder `out`, from where a run in it stopped; return the best evaluation's.

    Args:
      out: the run's folder.
      experiment: a frozen dataclass with an `optimizer` and a `seed`.
      start: the model before the first step.
      data: a digest of all that the run reads.
      batch_at: the batch of a step.
      evaluate: metrics of the model with other parameters.
      schedule: when things happen.
      steps_per_epoch: of the optimiser's schedule.
      tokens_per_step: tokens in a batch, for the rates that are shown.
      loss_fn: by default the model's own.
      carry: what the first batch starts from.
      monitor: the metric that decides what is best, the lower the better.
      source: a run whose parameters it starts from, as far as they fit; see `going_on`.
      tensorboard: write TensorBoard events as well.
    """
    origin = ""
    if source is not None:
        start, origin = going_on(start, source, out)
    claim(out, experiment, data, origin)
    check_same(accumulate=accumulate())
    if is_first():
        start.save(out)
    optimizer = experiment.optimizer.make(schedule.total_steps, steps_per_epoch)
    events = events_in(out / "tensorboard") if tensorboard and is_first() else nullcontext()
    loss_fn = loss_fn or model_loss(start.model)
    with events as on_record:
        result = fit(
            out,
            init_state(start.params, optimizer, carry),
            make_train_step(loss_fn, optimizer, experiment.seed, accumulate()),
            batch_at,
            lambda params: evaluate(_with_params(start, params)),
            schedule,
            tokens_per_step=tokens_per_step,
            monitor=monitor,
            on_record=on_record,
            placement=placement(),
            profile=profiled_steps(),
        )
    print(
        f"trained in {result.seconds / 60:.1f} minutes, {int(result.state.step):,} of "
        f"{schedule.total_steps:,} steps"
    )
    return _with_params(start, own_copy(load_best(out, result.state.params)))


def _with_params(start: Start, params: Any) -> Start:
    """Return the same model with other parameters."""
    return dataclasses.replace(start, params=params)  # type: ignore[type-var]
