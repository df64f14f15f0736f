"""A trace of some steps of a run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax

_BEFORE = 10  # steps: the first ones compile


@contextmanager
def trace_of(folder: Path, first: int, steps: int) -> Iterator[Callable[[int, Any], None]]:
    """Yield what is called after each step with its number and metrics; it starts and ends a trace.

    Args:
      folder: where `jax.profiler` writes.
      first: the number of steps done before.
      steps: the number of steps in the trace; 0 for none.
    """
    begin, end = first + _BEFORE, first + _BEFORE + steps
    running = False

    def after(step: int, metrics: Any) -> None:
        nonlocal running
        if steps and step in (begin, end):
            jax.block_until_ready(metrics)
            if step == begin:
                jax.profiler.start_trace(folder)
            else:
                jax.profiler.stop_trace()
            running = step == begin

    try:
        yield after
    finally:
        if running:  # the run ended within these steps
            jax.profiler.stop_trace()
