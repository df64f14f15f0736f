"""Reading a text as it is typed, one step a token."""

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
    """What a language model expects after a text that changes at its end.

    Every state on the way is kept: a token more costs one step, and a token taken back costs none.

    Args:
      model: the model; its step is jitted once.
      variables: its variables, `{"params": ...}`.
      start: the token that a text is read after.
      initial_state: the state before it, of batch 1; None is the zero state.
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
        """Read up to the end of a text, `tokens` from its beginning; return the steps it took."""
        tokens = [int(token) for token in tokens]
        self.model.check_tokens(np.array([*tokens, 0], np.int32), ndim=1)
        pairs = zip(tokens, self._tokens, strict=False)
        same = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
        same = min(len(tokens), len(self._tokens)) if same is None else same
        # At each moment the states of `_tokens` must be there: reading may be interrupted.
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
        """The logarithm of each next token's probability, `(vocab,)` float32."""
        return np.asarray(self._read[-1][1][0])

    def _step(self, state: State, token: int) -> tuple[State, Array]:
        return step(self.model, self.variables, state, jnp.array([token], jnp.int32))


@partial(jax.jit, static_argnums=0)
def step(model: LanguageModel, variables: Any, state: State, token: Array) -> tuple[State, Array]:
    """Read a token `(batch,)`; return the state and log-probabilities `(batch, vocab)`."""
    read = model.apply(variables, state, token, method="step")
    state, logits = cast(tuple[State, Array], read)
    return state, jax.nn.log_softmax(logits)
