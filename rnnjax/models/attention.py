"""Attention over the outputs of an encoder."""

from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.checks import check_choice, check_positive
from rnnjax.products import accumulator

AttentionKind = Literal["additive", "dot"]


class Attention(nn.Module):
    """Attention: reads from a memory with queries.

        additive    score = v . tanh(query @ W + b + value @ U)
        dot         score = (query @ W + b) . (value @ U) / sqrt(features)
        weights = softmax(score) over the memory;  context = sum of weights * values

    Sources: Bahdanau et al. 2015, arXiv:1409.0473; Luong et al. 2015, arXiv:1508.04025 ("general",
    scaled as in Vaswani et al. 2017, arXiv:1706.03762).

    Attributes:
      features: width in which queries and memory are compared.
      kind: "additive" or "dot".
      dtype: compute dtype; softmax and weights are float32 or wider.

    Example:
      >>> attention = rx.models.Attention(features=4, kind="dot")
      >>> queries, memory = jnp.ones((2, 3, 4)), jnp.ones((2, 5, 4))
      >>> inside = jnp.ones((2, 5), bool)
      >>> (context, weights), _ = attention.init_with_output(
      ...     jax.random.key(0), queries, memory, memory, inside
      ... )
      >>> context.shape, weights.shape
      ((2, 3, 4), (2, 3, 5))
    """

    features: int
    kind: AttentionKind = "additive"
    dtype: Any = None

    def setup(self) -> None:
        """Check the attributes and make the parts."""
        check_positive(features=self.features)
        check_choice("kind", self.kind, AttentionKind)
        self.query = nn.Dense(self.features, dtype=self.dtype)
        self.key = nn.Dense(self.features, use_bias=False, dtype=self.dtype)
        if self.kind == "additive":
            self.score = nn.Dense(1, use_bias=False, dtype=self.dtype)

    def keys(self, values: Array) -> Array:
        """Return the keys of a memory; they can be used for any number of queries."""
        return self.key(values)

    def __call__(
        self, queries: Array, keys: Array, values: Array, inside: Array
    ) -> tuple[Array, Array]:
        """Return the contexts `(batch, time, width)` and the weights `(batch, time, places)`.

        Args:
          queries: `(batch, time, any width)`.
          keys: `(batch, places, features)`, from the method `keys`.
          values: `(batch, places, width)`, the memory.
          inside: `(batch, places)` bool. Other places have the weight 0; their values must be
            finite. If no place is inside, the context is 0.
        """
        asked, mask = self.query(queries), inside[:, None]
        if self.kind == "additive":
            scores = self.score(jnp.tanh(asked[:, :, None] + keys[:, None]))[..., 0]
        else:
            scores = jnp.einsum("btf,bsf->bts", asked, keys) / self.features**0.5
        scores = scores.astype(accumulator(scores.dtype))
        scores = jnp.where(mask, scores, jnp.finfo(scores.dtype).min)
        weights = jnp.where(mask, jax.nn.softmax(scores), 0)
        return jnp.einsum("bts,bsw->btw", weights.astype(values.dtype), values), weights
