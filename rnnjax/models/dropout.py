"""Dropout in models."""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rnnjax.parts import bernoulli


class Dropout(nn.Module):
    """`nn.Dropout` that knows which axis is the batch's; on if there is a "dropout" rng.

    Its masks do not depend on the parts in which a batch is computed: see `accumulate` of
    `rnnjax.train.make_train_step`. Those of `nn.Dropout` are the same in every part.

    Attributes:
      rate: the share of the values that are dropped, from 0 to below 1.
      axis: the axis of the batch.

    Example:
      >>> rngs = {"dropout": jax.random.key(0)}
      >>> ys = rx.models.Dropout(0.5).apply({}, jnp.ones((2, 3)), rngs=rngs)
      >>> sorted(set(ys.ravel().tolist()))
      [0.0, 2.0]
    """

    rate: float
    axis: int = 0

    @nn.compact
    def __call__(self, xs: Array) -> Array:
        """Return `xs` with dropout, independently for each value."""
        if self.rate == 0 or not self.has_rng("dropout"):
            return xs
        keep = bernoulli(self.make_rng("dropout"), 1 - self.rate, xs.shape, axis=self.axis)
        return jnp.where(keep, xs / (1 - self.rate), jnp.zeros_like(xs))
