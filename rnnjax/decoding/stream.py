"""Reading a text while it is typed, one step per token."""

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnjax.cells.base import State
from rnnjax.models.language_model import LanguageModel


class Stream:
    """A language model that reads a text which changes at its end.

    It keeps the state after every token: another token takes one step, and removing a token takes
    none.

    Args:
      model: the model; its step is compiled once.
      variables: its variables, `{"params": ...}`.
      start: the token before the text.
      initial_state: the state before that token, of batch 1; None is the zero state.

    Raises:
      ValueError: from `read`, if a token is outside the vocabulary.

    Example:
      >>> model = rx.models.LanguageModel(vocab_size=9, core=rx.GRU(4), embed_size=3)
      >>> variables = model.init(jax.random.key(0), jnp.ones((2, 5), int))
      >>> stream = rx.decoding.Stream(model, variables, start=0)
      >>> stream.read([2, 3]), stream.read([2, 3, 1]), stream.read([2])  # steps
      (2, 1, 0)
      >>> stream.log_probabilities.shape
      (9,)
    """

    def __init__(
        self,
        model: LanguageModel,
        variables: Any,
        start: int,
        initial_state: State | None = None,
    ) -> None:
        self.model, self.variables = model, variables
        state = model.initial_state((1,)) if initial_state is None else initial_state
        self._tokens: list[int] = []
        self._read = [self._step(state, start)]

    def read(self, tokens: Sequence[int]) -> int:
        """Read the text `tokens`, given from its beginning; return the number of steps."""
        tokens = [int(token) for token in tokens]
        self.model.check_tokens(np.array([*tokens, 0], np.int32), ndim=1)
        pairs = zip(tokens, self._tokens, strict=False)
        same = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
        same = min(len(tokens), len(self._tokens)) if same is None else same
        # `_read` must always have the states of `_tokens`, as an interrupt may come at any time.
        self._tokens = tokens[:same]
        del self._read[same + 1 :]
        for token in tokens[same:]:
            self._read.append(self._step(self.state, token))
            self._tokens.append(token)
        return len(tokens) - same

    @property
    def state(self) -> State:
        """The state after the text, of batch 1."""
        return self._read[-1][0]

    @property
    def log_probabilities(self) -> np.ndarray:
        """The log-probability of each possible next token, `(vocab,)` float32."""
        return np.asarray(self._read[-1][1][0])

    def _step(self, state: State, token: int) -> tuple[State, Array]:
        return step(self.model, self.variables, state, jnp.array([token], jnp.int32))


@partial(jax.jit, static_argnums=0)
def step(model: LanguageModel, variables: Any, state: State, token: Array) -> tuple[State, Array]:
    """Read a token `(batch,)`; return the state and the log-probabilities `(batch, vocab)`."""
    read = model.apply(variables, state, token, method="step")
    state, logits = cast(tuple[State, Array], read)
    return state, jax.nn.log_softmax(logits)
