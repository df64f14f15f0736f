"""Stopping a run between two steps, not within one."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class InterruptedRunError(Exception):
    """The run was interrupted and saved its state.

    Example:
      >>> raise rx.train.InterruptedRunError("interrupted at step 3 of 9")
      Traceback (most recent call last):
      rnnjax.train.interrupt.InterruptedRunError: interrupted at step 3 of 9
    """


@contextmanager
def deferred_interrupts() -> Iterator[Callable[[], bool]]:
    """Delay Ctrl-C and SIGTERM; yield a function that returns whether there was one.

    A second Ctrl-C interrupts immediately. Outside the main thread nothing is delayed, as Python
    delivers no signals there.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def note(number: int, frame: Any) -> None:
        if received and number == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(number)

    previous = {s: signal.signal(s, note) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
