"""Showing the progress of a run."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class ProgressReport:
    """A progress bar with rate and remaining time; without a terminal, one line per evaluation.

    Args:
      total: number of steps of the run.
      done: number of steps done before.
      tokens_per_step: number of tokens that a step reads.
      devices: number of devices that share a step.
      shown: whether it prints anything.
    """

    def __init__(
        self, total: int, done: int, tokens_per_step: int, devices: int, shown: bool
    ) -> None:
        self._total, self._first, self._tokens = total, done, tokens_per_step
        self._devices, self._reading = devices, 0.0
        self.least: float | None = None  # seconds that a step takes at the peak of the devices
        self._start, self._paused, self._loss = time.monotonic(), 0.0, float("nan")
        self._console = Console(file=sys.stdout, quiet=not shown)
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("loss {task.fields[loss]:.3f}"),
        )
        live = shown and self._console.is_terminal
        self._bar = Progress(*columns, console=self._console, disable=not live)
        self._task = self._bar.add_task("", total=total, completed=done, rate="-", loss=0.0)

    def __enter__(self) -> "ProgressReport":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    @property
    def seconds(self) -> float:
        """The time since the start, without evaluations and saves."""
        return max(time.monotonic() - self._start - self._paused, 1e-9)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Count the time of the block as time spent on getting a batch."""
        start = time.monotonic()
        yield
        self._reading += time.monotonic() - start

    def rate(self, step: int) -> float:
        """Return the tokens per second since the start, without evaluations and saves."""
        return (step - self._first) * self._tokens / self.seconds

    def rates(self, step: int) -> dict[str, float]:
        """Return what a record says of the speed; `fit` describes it."""
        rate = self.rate(step)
        found = {"tokens_per_second": rate, "reading": self._reading / self.seconds}
        if self._devices > 1:
            found["tokens_per_second_per_device"] = rate / self._devices
        if self.least is not None:
            found["share_of_peak"] = (step - self._first) * self.least / self.seconds
        return found

    def pause(self, seconds: float) -> None:
        """Exclude time from the rate that was not spent on training."""
        self._paused += seconds

    def step(self, step: int, loss: float) -> None:
        """Show the current step and loss."""
        self._loss = loss
        rate = self.rate(step)
        said = f"{rate:,.0f} tokens/s"
        said += f", {rate / self._devices:,.0f} a device" if self._devices > 1 else ""
        self._bar.update(self._task, completed=step, rate=said, loss=loss)

    def evaluated(self, step: int, monitor: str, value: float, best: bool) -> None:
        """Print the monitored metric of an evaluation."""
        rate = self.rate(step)
        left = (self._total - step) * self._tokens / rate if rate else 0.0
        self._console.print(
            f"step {step:>{len(str(self._total))}}/{self._total}  train {self._loss:.4f}  "
            f"valid {monitor} {value:.4f}{' *' if best else '  '}  {rate:,.0f} tokens/s  "
            f"{int(left) // 60}:{int(left) % 60:02d} left",
            highlight=False,
        )
