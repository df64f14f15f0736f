"""A vector of a text."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Core
from rnnjax.checks import check_range, check_tokens
from rnnjax.linen import RNN
from rnnjax.models.embedding import Embedding
from rnnjax.models.pooling import pool
from rnnjax.models.recurrent import Recurrent
from rnnjax.sequence.masks import within


class TextReader(Recurrent):
    """Makes a vector of a text: the last output of a core.

    Attributes:
      vocab_size: number of tokens.
      embed_size: width of a token's embedding.
      core: the recurrent core; the vector has the width of its output.
      dtype: compute dtype of the embedding; vectors are float32.
      implementation: see `rnnjax.unroll`.

    Example:
      >>> reader = rx.models.TextReader(vocab_size=9, embed_size=3, core=rx.GRU(4))
      >>> text = jnp.ones((2, 5), int), jnp.array([5, 3])
      >>> vectors, variables = reader.init_with_output(jax.random.key(0), text)
      >>> vectors.shape
      (2, 4)
    """

    vocab_size: int
    embed_size: int
    core: Core
    dtype: Any = None

    @nn.compact
    def __call__(self, text: tuple[Array, Array]) -> Array:
        """Return vectors `(batch, features)` of tokens `(batch, time)` and lengths `(batch,)`.

        The vector of a text without tokens is 0.
        """
        tokens, lengths = text
        check_tokens("tokens", tokens)
        # An id out of range makes NaN gradients, even if its own gradient is zero.
        tokens = jnp.where(within(tokens.shape, lengths), tokens, 0)
        check_range("tokens", tokens, self.vocab_size)
        xs = Embedding(self.vocab_size, self.embed_size, dtype=self.dtype, name="embedding")(
            tokens.T
        )
        _, ys = RNN(self.core, self.implementation, name="rnn")(xs, lengths=lengths)
        return pool("last", self.core, ys.astype(jnp.float32), lengths)
