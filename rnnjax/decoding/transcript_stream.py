"""Transcribing while frames come."""

from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from rnnjax.cells.base import State
from rnnjax.checks import check_steps
from rnnjax.models.transcriber import Transcriber


class TranscriptStream:
    """A transcriber that reads frames as they come, and writes symbols as soon as they are read.

    The symbols are those of `best_path` for the whole sequence.

    Args:
      model: the model, whose core must be able to step; its step is compiled once.
      variables: its variables, `{"params": ...}`.

    Raises:
      ValueError: the core cannot step, as one that reads backwards; from `read`, if frames do not
        fit.

    Example:
      >>> model = rx.models.Transcriber(vocab_size=5, core=rx.GRU(4), stack=2)
      >>> frames = jax.random.normal(jax.random.key(0), (1, 9, 6))
      >>> (logits, steps), variables = model.init_with_output(jax.random.key(1), frames)
      >>> stream = rx.decoding.TranscriptStream(model, variables)
      >>> symbols = stream.read(frames[0, :5]) + stream.read(frames[0, 5:]) + stream.finish()
      >>> best, (length,) = rx.decoding.best_path(logits, steps)
      >>> symbols == best[0, :length].tolist()
      True
    """

    _waiting: np.ndarray | None  # frames of a step that is not complete; None before the first

    def __init__(self, model: Transcriber, variables: Any) -> None:
        check_steps("core", model.core)
        self.model, self.variables = model, variables
        self._start()

    def read(self, frames: ArrayLike) -> list[int]:
        """Read frames `(n, features)`; return the symbols that they add to the transcript."""
        new = np.asarray(frames)
        waiting = self._waiting
        if new.ndim != 2 or (waiting is not None and new.shape[1] != waiting.shape[1]):
            width = "features" if waiting is None else waiting.shape[1]
            raise ValueError(f"frames must have shape (n, {width}), got {new.shape}")
        waiting = new if waiting is None else np.concatenate([waiting, new])
        size = self.model.stack
        end = len(waiting) // size * size
        self._waiting = waiting[end:]
        symbols = [self._step(waiting[at : at + size]) for at in range(0, end, size)]
        return [symbol for symbol in symbols if symbol is not None]

    def finish(self) -> list[int]:
        """Return the symbols of the frames that wait for others, and start a new sequence."""
        waiting, symbol = self._waiting, None
        if waiting is not None and len(waiting):
            symbol = self._step(np.pad(waiting, ((0, self.model.stack - len(waiting)), (0, 0))))
        self._start()
        return [] if symbol is None else [symbol]

    def _start(self) -> None:
        self._state = self.model.initial_state((1,))
        self._last = self.model.blank
        self._waiting = None

    def _step(self, frames: np.ndarray) -> int | None:
        """Return the symbol that a step writes, if any."""
        self._state, best = _step(self.model, self.variables, self._state, frames[None])
        before, self._last = self._last, int(best[0])
        return None if self._last in (before, self.model.blank) else self._last


@partial(jax.jit, static_argnums=0)
def _step(model: Transcriber, variables: Any, state: State, frames: Array) -> tuple[State, Array]:
    """Read the frames of a step; return the state and the best class `(batch,)`."""
    state, logits = cast(tuple[State, Array], model.apply(variables, state, frames, method="step"))
    return state, jnp.argmax(logits, axis=-1)
