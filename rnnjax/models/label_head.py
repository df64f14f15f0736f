"""From a vector to the logits of labels."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rnnjax.checks import check_positive, check_rate
from rnnjax.models.dropout import Dropout


class LabelHead(nn.Module):
    """The last layers of a classifier.

        logits = x @ kernel + bias, or tanh(x @ hidden + b) @ kernel + bias

    Dropout, of `x` and of the hidden layer, is on if and only if `apply` gets a "dropout" rng.

    Attributes:
      labels: names of the labels, distinct and at least one.
      hidden: width of the hidden layer; None for no such layer.
      dropout: dropout rate.
      dtype: compute dtype; logits are float32.
    """

    labels: tuple[str, ...]
    hidden: int | None = None
    dropout: float = 0.0
    dtype: Any = None

    def setup(self) -> None:
        """Check the attributes and make the parts."""
        check_rate("dropout", self.dropout)
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels must be distinct and at least one, got {self.labels}")
        if self.hidden is not None:
            check_positive(hidden=self.hidden)
            self.hidden_layer = nn.Dense(self.hidden, dtype=self.dtype)
        self.drop = Dropout(self.dropout)
        self.output = nn.Dense(len(self.labels), dtype=self.dtype)

    def __call__(self, xs: Array) -> Array:
        """Return the logits `(batch, labels)`, float32, of vectors `(batch, features)`."""
        xs = self.drop(xs)
        if self.hidden is not None:
            xs = jnp.tanh(self.hidden_layer(xs))
            xs = self.drop(xs)
        return self.output(xs).astype(jnp.float32)
