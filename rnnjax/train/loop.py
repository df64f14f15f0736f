"""The training loop: the same for every task."""

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from rnnjax.checks import check_positive
from rnnjax.folders import make_folder
from rnnjax.models.interface import Batch
from rnnjax.placement import Placement, placement_of
from rnnjax.train.checkpoint import Checkpoints, digest
from rnnjax.train.hosts import Requests, as_first, check_same, is_first, own_copy
from rnnjax.train.interrupt import InterruptedRunError, deferred_interrupts
from rnnjax.train.lock import owned
from rnnjax.train.log import MetricsLog
from rnnjax.train.peak import least_seconds
from rnnjax.train.profile import trace_of
from rnnjax.train.progress import ProgressReport
from rnnjax.train.step import UPDATE_METRICS, Metrics, TrainState, TrainStep

# A record has the last value of these metrics, and the mean of all others since the last record.
_LAST_COUNTS = {*UPDATE_METRICS} - {"loss"}


class DivergedError(Exception):
    """The run has diverged: several gradients in a row were not finite.

    Example:
      >>> raise rx.train.DivergedError("stopped at step 3")
      Traceback (most recent call last):
      rnnjax.train.loop.DivergedError: stopped at step 3
    """


class FitResult(NamedTuple):
    """The result of `fit`.

    Attributes:
      state: the last state.
      best: the lowest monitored value of an evaluation.
      seconds: time of the run, evaluations included, summed over all resumes.

    Example:
      >>> state = rx.train.TrainState(jnp.array(4), {}, (), None)
      >>> rx.train.FitResult(state, best=0.5, seconds=1.0).best
      0.5
    """

    state: TrainState
    best: float
    seconds: float


@dataclass(frozen=True)
class Schedule:
    """The length of a run, and when it logs, evaluates and saves.

    Attributes:
      total_steps: number of updates.
      evaluations: number of evaluations, evenly spaced; the last one is after the last step.
      log_every: steps between records of the training loss.
      save_every: seconds between checkpoints; each evaluation saves one as well.
      max_skipped: the run ends after this many skipped updates in a row.
      patience: the run ends after this many evaluations in a row without a new best; None: never.

    Raises:
      ValueError: a number is below 1.

    Example:
      >>> schedule = rx.train.Schedule(total_steps=1000, evaluations=10)
      >>> schedule.log_every
      20
    """

    total_steps: int
    evaluations: int
    log_every: int = 20
    save_every: float = 60.0
    max_skipped: int = 10
    patience: int | None = None

    def __post_init__(self) -> None:
        """Check that every count is positive."""
        counts = ("total_steps", "evaluations", "log_every", "max_skipped")
        check_positive(**{name: getattr(self, name) for name in counts})
        if self.patience is not None:
            check_positive(patience=self.patience)


def fit(
    folder: Path,
    state: TrainState,
    train_step: TrainStep,
    batch_at: Callable[[int], Batch],
    evaluate: Callable[[Any], dict[str, float]],
    schedule: Schedule,
    *,
    tokens_per_step: int,
    monitor: str = "loss",
    on_record: Callable[[dict[str, Any]], None] | None = None,
    placement: Placement | None = None,
    profile: int = 0,
) -> FitResult:
    """Train to the end of the schedule, and resume if the folder has an unfinished run.

    The folder gets `metrics.jsonl` and checkpoints: `latest/` (two complete states) and `best/`
    (the parameters of the best evaluation). The batch and the random key are functions of the step.
    Therefore a run that is killed at any time and started again ends with the same bits.

    A record of "train" has the loss and what else the update and the loss measure, means since the
    last record; "seconds" since the start of the run; "tokens_per_second", of all devices, and
    "tokens_per_second_per_device" if there are several; "reading", the share of the time that
    `batch_at` takes, in which a device may wait; and "share_of_peak", the share of the operations
    of a device's data sheet that the products of matrices use, where its kind is known.

    Several processes, joined by `jax.distributed.initialize`, all call this with the same
    arguments. Process 0 writes and prints; a signal to any of them stops all.

    Args:
      folder: the folder of the run.
      state: the state before the first step; its memory is reused.
      train_step: the update, from `make_train_step`.
      batch_at: returns the batch of a step, counted from 0; of several processes, each returns its
        own rows, `placement.share` of them.
      evaluate: returns metrics, given parameters on the devices of this process.
      schedule: length of the run, and when to log, evaluate and save.
      tokens_per_step: number of tokens in a batch, for the rates in the log.
      monitor: the metric that decides which evaluation is the best; lower is better.
      on_record: called with each record, right after it was written to `metrics.jsonl`: a dict of
        "split" ("train" or "valid"), "step" and the numbers. They are as they are: NaN, where the
        file has null. A run that resumes repeats the records since its last checkpoint. An
        exception ends the run, which can be resumed.
      placement: the devices of the run, which may change when it resumes; by default those of the
        mesh that the parameters lie on, or one device.
      profile: number of steps, after the first ten, of which `jax.profiler` writes a trace to
        `profile/`, for TensorBoard, XProf or Perfetto.

    Raises:
      InterruptedRunError: Ctrl-C or SIGTERM; the state was saved.
      DivergedError: `schedule.max_skipped` updates in a row were skipped, or no evaluation gave a
        finite number.
      ValueError: `folder` cannot be made or written to, or another process trains there, or
        `evaluate` returns no `monitor`, or the devices cannot divide a batch or a table, or
        processes have different settings or versions.
      OSError: a checkpoint could not be written, or `folder` was renamed or removed.

    Example:
      >>> def loss_fn(params, carry, batch, key):
      ...     return (params["w"] - batch["x"]) ** 2, carry
      >>> optimizer = rx.train.Optimizer(learning_rate=0.1).make(total_steps=4, steps_per_epoch=4)
      >>> state = rx.train.init_state({"w": jnp.zeros(())}, optimizer, carry=None)
      >>> result = rx.train.fit(
      ...     Path("quadratic"), state, rx.train.make_train_step(loss_fn, optimizer, seed=0),
      ...     batch_at=lambda step: {"x": 1.0},
      ...     evaluate=lambda params: {"loss": float((params["w"] - 1.0) ** 2)},
      ...     schedule=rx.train.Schedule(total_steps=4, evaluations=1), tokens_per_step=1,
      ... )
      step ...
      >>> int(result.state.step), result.best < 1
      (4, True)
    """
    make_folder(folder)
    several = jax.process_count() > 1
    if several:
        saved = {f"steps in {folder}, which all must see": Checkpoints(folder / "latest", 2).steps}
        check_same(schedule=repr(schedule), monitor=monitor, state=digest(state), **saved)
    with owned(folder) if is_first() else nullcontext(lambda: True) as is_there:
        run = _Run(folder, is_there, evaluate, schedule, monitor, on_record)
        placement = placement or placement_of(state.params) or Placement.of(None if several else 1)
        return _fit(run, state, train_step, batch_at, tokens_per_step, placement, profile)


def _fit(
    run: "_Run",
    state: TrainState,
    train_step: TrainStep,
    batch_at: Callable[[int], Batch],
    tokens_per_step: int,
    placement: Placement,
    profile: int,
) -> FitResult:
    folder, schedule, monitor = run.folder, run.schedule, run.monitor
    state = run.resume(placement.state(state))
    train_step = placement.keep_state(train_step, state)
    first = int(jax.device_get(state.step))
    pending: Metrics | None = None
    requests = Requests()
    with (
        deferred_interrupts() as interrupted,
        ProgressReport(
            schedule.total_steps, first, tokens_per_step, placement.mesh.size, is_first()
        ) as progress,
        trace_of(folder / "profile", first, profile) as trace,
    ):
        for step in range(first + 1, schedule.total_steps + 1):
            if run.is_stale():
                break
            with progress.reading():
                batch = batch_at(step - 1)
            placement.check_batch(batch)
            # Put it there explicitly, as `jax.transfer_guard("disallow")` wants it.
            batch = placement.batch(batch)
            if step == first + 1:
                devices = placement.mesh.devices.ravel()
                progress.least = least_seconds(train_step, state, batch, devices)
            state, metrics = train_step(state, batch)
            trace(step, metrics)
            # Read the metrics of the previous step while the device runs this one.
            if pending is not None:
                run.record(step - 1, pending, progress)
            pending = metrics
            stop, save = requests(interrupted(), run.is_overdue())
            if stop or save or run.is_evaluation(step):
                run.record(step, metrics, progress)
                pending = None
                run.pause(step, state, progress)
                requests.forget()
            if stop:
                raise InterruptedRunError(
                    f"interrupted at step {step} of {schedule.total_steps}; saved in {folder}, "
                    "the same command resumes the run"
                )
    if math.isinf(run.best):
        raise DivergedError(
            f"no evaluation of {monitor!r} gave a number: nothing was saved as best. A lower "
            f"learning rate or a tighter clip may help. Checkpoints in {folder} are intact"
        )
    return FitResult(state, run.best, run.seconds)


class _Run:
    """What `fit` keeps besides the state: files, times, and the best value so far."""

    def __init__(
        self,
        folder: Path,
        is_there: Callable[[], bool],
        evaluate: Callable[[Any], dict[str, float]],
        schedule: Schedule,
        monitor: str,
        on_record: Callable[[dict[str, Any]], None] | None,
    ) -> None:
        self.folder, self.schedule, self.monitor = folder, schedule, monitor
        self.best, self._since_best = float("inf"), 0
        self._evaluate, self._is_there = evaluate, is_there
        self._saved_step = 0
        self._latest = Checkpoints(folder / "latest", keep=2)
        self._best = Checkpoints(folder / "best", keep=1)
        self._log, self._on_record = MetricsLog(folder / "metrics.jsonl"), on_record
        self._recent: list[dict[str, float]] = []  # of the steps since the last record
        self._saved = self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    def resume(self, state: TrainState) -> TrainState:
        restored = self._latest.restore(self._tree(state))
        if is_first():
            self._log.rewind(restored[0] if restored else 0)
        if restored is None:
            return state
        step, tree = restored
        self.best, self._since_best = float(tree["best"]), int(tree["since_best"])
        self._start -= float(tree["seconds"])
        self._saved_step = step
        if is_first():
            print(f"resuming at step {step} of {self.schedule.total_steps}")
        return tree["state"]

    def is_stale(self) -> bool:
        """Return whether there was no new best for as long as the schedule allows."""
        return self._since_best >= (self.schedule.patience or math.inf)

    def is_evaluation(self, step: int) -> bool:
        total, count = self.schedule.total_steps, self.schedule.evaluations
        return step * count // total > (step - 1) * count // total

    def is_overdue(self) -> bool:
        """Return whether the last checkpoint is older than the schedule wants it."""
        return time.monotonic() - self._saved > self.schedule.save_every

    def record(self, step: int, metrics: Metrics, progress: ProgressReport) -> None:
        """Log the metrics of a step, and stop the run if it has diverged."""
        values = {name: float(value) for name, value in jax.device_get(metrics).items()}
        self._recent.append(values)
        progress.step(step, values["loss"])
        if step % self.schedule.log_every == 0:
            for name in values.keys() - _LAST_COUNTS:
                values[name] = float(np.mean([each[name] for each in self._recent]))
            values |= {**progress.rates(step), "seconds": self.seconds}
            self._check_folder(step)
            self._write("train", step, values)
            self._recent.clear()
        if values["skipped_in_a_row"] >= self.schedule.max_skipped:
            raise DivergedError(
                f"stopped at step {step}: the gradients of {self.schedule.max_skipped} updates "
                "in a row were not finite; a lower learning rate or a tighter clip may help. "
                f"Checkpoints in {self._latest.folder.parent} are intact"
            )

    def pause(self, step: int, state: TrainState, progress: ProgressReport) -> None:
        """Evaluate if an evaluation is due, and save."""
        start = time.monotonic()
        if self.is_evaluation(step):
            found = self._evaluate(own_copy(state.params))
            if self.monitor not in found:
                raise ValueError(f"monitor must be of {sorted(found)}, got {self.monitor!r}")
            values = {name: float(number) for name, number in found.items()}
            value = as_first(values[self.monitor])
            self._check_folder(step)
            best = value < self.best
            self._since_best = 0 if best else self._since_best + 1
            if best:
                self.best = value
                self._best.save(step, {"params": state.params})
            self._write("valid", step, {**values, "seconds": self.seconds})
            progress.evaluated(step, self.monitor, value, best)
        self._check_folder(step)
        self._latest.save(step, self._tree(state))
        self._saved, self._saved_step = time.monotonic(), step
        progress.pause(self._saved - start)

    def _write(self, split: str, step: int, values: dict[str, float]) -> None:
        if not is_first():
            return
        self._log.append(split, step, values)
        if self._on_record is not None:
            self._on_record({"split": split, "step": step, **values})

    def _check_folder(self, step: int) -> None:
        """Stop the run if its folder has another place now: a save would be half of a run."""
        if not self._is_there():
            raise FileNotFoundError(
                f"stopped at step {step}: {self.folder} was renamed or removed, and nothing was "
                f"written since. A run resumes in a renamed folder, from step {self._saved_step}"
            )

    def _tree(self, state: TrainState) -> dict[str, Any]:
        numbers = {"best": self.best, "since_best": self._since_best, "seconds": self.seconds}
        return {"state": state, **jax.tree.map(np.asarray, numbers)}


def load_best(folder: Path, params: Any) -> Any:
    """Return the parameters of the best evaluation of the run in `folder`.

    Args:
      folder: the folder of the run.
      params: parameters of the same model, or their shapes.

    Raises:
      ValueError: there is no such checkpoint, or it does not fit.

    Example:
      >>> rx.train.Checkpoints(Path("trained/best"), keep=1).save(4, {"params": {"w": jnp.ones(2)}})
      >>> rx.train.load_best(Path("trained"), {"w": jnp.zeros(2)})["w"].tolist()
      [1.0, 1.0]
    """
    restored = Checkpoints(folder / "best", keep=1).restore({"params": params})
    if restored is None:
        raise ValueError(f"{folder} holds no trained model yet: there is no checkpoint in 'best'")
    return restored[1]["params"]
