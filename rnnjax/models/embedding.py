"""Embeddings of ids."""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.sharding import PartitionSpec

from rnnjax.sharding import automatic, spec_of


class Embedding(nn.Embed):
    """`nn.Embed`, whose vectors are divided over devices like their ids on every kind of mesh."""

    def __call__(self, inputs: Array) -> Array:
        """Return the vectors `(..., features)` of ids `(...)`."""
        (table,) = self.promote_dtype(self.embedding, dtype=self.dtype, inexact=False)
        spec = PartitionSpec(*spec_of(inputs), None)
        return automatic(lambda table, ids: jnp.take(table, ids, axis=0), table, inputs, spec=spec)
