"""Reading a sequence into one vector."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Core, State, output_size
from rnnjax.linen import RNN
from rnnjax.models.pooling import (
    Pooling,
    PoolState,
    check_pooling,
    initial_pool,
    pool,
    pool_step,
)
from rnnjax.models.recurrent import Recurrent
from rnnjax.serialization import serializable


@serializable
class ReaderState(NamedTuple):
    """The state of a reader after some inputs."""

    core: State
    pooled: PoolState


class PooledReader(Recurrent):
    """Reads a sequence into one vector: a core, and the pooling of its outputs.

        u = pool(core(xs))

    With attention, the score of an output y is v . tanh(W y + b) (Yang et al. 2016, "Hierarchical
    Attention Networks for Document Classification").

    Attributes:
      core: the recurrent core. The method `step` needs one that can step.
      pooling: how the outputs become one vector: "last", "mean", "max" or "attention".
      dtype: compute dtype of the scores; vectors are float32.
      implementation: see `rnnjax.unroll`.
    """

    core: Core
    pooling: Pooling
    dtype: Any = None

    def setup(self) -> None:
        """Check the attributes and make the parts."""
        check_pooling(self.pooling)
        self.rnn = RNN(self.core, self.implementation)
        if self.pooling == "attention":
            self.attention = nn.Dense(output_size(self.core), dtype=self.dtype)
            self.query = nn.Dense(1, use_bias=False, dtype=self.dtype)

    def __call__(self, xs: Array, lengths: Array) -> Array:
        """Return vectors `(batch, features)` of `xs` `(time, batch, features)`; 0 of no inputs."""
        _, ys = self.rnn(xs, lengths=lengths)
        return pool(self.pooling, self.core, ys.astype(jnp.float32), lengths, self._scores(ys))

    def step(self, state: ReaderState, x: Array) -> tuple[ReaderState, Array]:
        """Read one input `(batch, features)`; return the new state, and the vector so far."""
        core, y = self.rnn.step(state.core, x)
        pooled = pool_step(self.pooling, state.pooled, y.astype(jnp.float32), self._scores(y))
        return ReaderState(core, pooled), pooled.value

    def _scores(self, ys: Array) -> Array | None:
        """Return the attention scores `(..., 1)`, float32, of outputs `(..., features)`."""
        if self.pooling != "attention":
            return None
        return self.query(jnp.tanh(self.attention(ys))).astype(jnp.float32)


def initial_reader_state(core: Core, batch_shape: Sequence[int]) -> ReaderState:
    """Return the state of a reader with that core before the first input."""
    return ReaderState(
        core.initial_state(batch_shape), initial_pool(tuple(batch_shape), output_size(core))
    )
