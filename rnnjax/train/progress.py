"""The progress of a run, for people."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class ProgressReport:
    """A bar with rate and time left on a terminal; a line an evaluation elsewhere.

    Args:
      total: steps of the run.
      done: steps done before it started.
      tokens_per_step: tokens that one step reads.
    """

    def __init__(self, total: int, done: int, tokens_per_step: int) -> None:
        self._total, self._first, self._tokens = total, done, tokens_per_step
        self._start, self._paused, self._loss = time.monotonic(), 0.0, float("nan")
        self._console = Console(file=sys.stdout)
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]} tokens/s"),
            TimeRemainingColumn(),
            TextColumn("loss {task.fields[loss]:.3f}"),
        )
        live = self._console.is_terminal
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
        """Return tokens a second since the start, evaluations and saves apart."""
        seconds = time.monotonic() - self._start - self._paused
        return (step - self._first) * self._tokens / max(seconds, 1e-9)

    def pause(self, seconds: float) -> None:
        """Leave time that was not spent on training out of the rate."""
        self._paused += seconds

    def step(self, step: int, loss: float) -> None:
        """Show where the run is."""
        self._loss = loss
        rate = f"{self.rate(step):,.0f}"
        self._bar.update(self._task, completed=step, rate=rate, loss=loss)

    def evaluated(self, step: int, monitor: str, value: float, best: bool) -> None:
        """Print the outcome of an evaluation: the metric that is monitored."""
        rate = self.rate(step)
        left = (self._total - step) * self._tokens / rate if rate else 0.0
        self._console.print(
            f"step {step:>{len(str(self._total))}}/{self._total}  train {self._loss:.4f}  "
            f"valid {monitor} {value:.4f}{' *' if best else '  '}  {rate:,.0f} tokens/s  "
            f"{int(left) // 60}:{int(left) % 60:02d} left",
            highlight=False,
        )
