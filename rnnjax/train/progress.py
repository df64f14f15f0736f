"""Showing the progress of a run."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class ProgressReport:
    """A progress bar with rate and remaining time; without a terminal, one line per evaluation.

    Args:
      total: number of steps of the run.
      done: number of steps done before.
      tokens_per_step: number of tokens that a step reads.
      shown: whether it prints anything.
    """

    def __init__(self, total: int, done: int, tokens_per_step: int, shown: bool) -> None:
        self._total, self._first, self._tokens = total, done, tokens_per_step
        self._start, self._paused, self._loss = time.monotonic(), 0.0, float("nan")
        self._console = Console(file=sys.stdout, quiet=not shown)
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]} tokens/s"),
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

    def rate(self, step: int) -> float:
        """Return the tokens per second since the start, without evaluations and saves."""
        seconds = time.monotonic() - self._start - self._paused
        return (step - self._first) * self._tokens / max(seconds, 1e-9)

    def pause(self, seconds: float) -> None:
        """Exclude time from the rate that was not spent on training."""
        self._paused += seconds

    def step(self, step: int, loss: float) -> None:
        """Show the current step and loss."""
        self._loss = loss
        rate = f"{self.rate(step):,.0f}"
        self._bar.update(self._task, completed=step, rate=rate, loss=loss)

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
