"""Masked language models."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.nn import initializers

from rnnjax.losses import linear_cross_entropy
from rnnjax.models.interface import Batch, BatchLoss
from rnnjax.models.transformer_encoder import TransformerConfig, TransformerEncoder
from rnnjax.products import affine
from rnnjax.sequence.masks import within


class MaskedLanguageModel(nn.Module):
    """Predicts masked tokens from their context (BERT; Devlin et al. 2019, arXiv:1810.04805).

        h = norm(gelu(encoder(tokens) @ W + b));  logits = h @ token_embedding.T + bias

    `rnnjax.data.mask_tokens` masks tokens. The parameters under "encoder" are those of a
    `TransformerEncoder` with the same config, and can be used for another task.

    Attributes:
      config: the architecture of the encoder.

    Example:
      >>> config = rx.models.TransformerConfig(
      ...     vocab_size=9, hidden_size=4, layers=1, heads=2, feedforward_size=8, max_length=5
      ... )
      >>> model = rx.models.MaskedLanguageModel(config)
      >>> logits, variables = model.init_with_output(jax.random.key(0), jnp.ones((2, 5), int))
      >>> logits.shape
      (2, 5, 9)
    """

    config: TransformerConfig

    def setup(self) -> None:
        """Make the parts."""
        config = self.config
        self.encoder = TransformerEncoder(config)
        self.transform = nn.Dense(config.hidden_size, dtype=config.dtype)
        self.norm = nn.LayerNorm(dtype=config.dtype)
        self.bias = self.param("bias", initializers.zeros, (config.vocab_size,))

    def __call__(self, tokens: Array, lengths: Array | None = None, **ids: Array | None) -> Array:
        """Return the logits `(batch, time, vocab_size)`, float32.

        Arguments are those of `TransformerEncoder`; `ids` are its segments, languages and
        positions. The logits at [b, t] predict the token at [b, t]; in the padding they have no
        meaning.
        """
        features = self.encoder(tokens, lengths, **ids)
        return affine(*self._head(features), self.bias, self.config.dtype)

    def cross_entropy(
        self,
        tokens: Array,
        targets: Array,
        chosen: Array,
        lengths: Array | None = None,
        **ids: Array | None,
    ) -> tuple[Array, Array]:
        """Return the sum of the cross-entropy of the chosen targets in nats, and their number.

        It does not store all logits, and computes few logits of tokens that were not chosen; see
        `rnnjax.losses.linear_cross_entropy`.

        Args:
          tokens: `(batch, time)` ids, some of them masked.
          targets: `(batch, time)` ids, the original tokens.
          chosen: `(batch, time)` bool, True where a target counts; the padding never counts.
          lengths: `(batch,)`, the number of tokens of each row; None counts all.
          **ids: segments, languages and positions; see `TransformerEncoder`.
        """
        head, targets, mask = self.chosen_head(tokens, targets, chosen, lengths, **ids)
        return linear_cross_entropy(*head, targets, mask, dtype=self.config.dtype)

    def chosen_head(
        self,
        tokens: Array,
        targets: Array,
        chosen: Array,
        lengths: Array | None = None,
        **ids: Array | None,
    ) -> tuple[tuple[Array, Array, Array], Array, Array]:
        """Return the last linear layer with the chosen tokens first, their targets, and a mask.

        Arguments are those of `cross_entropy`. For losses that are fused with the last layer.

        Returns:
          Features `(time, batch, hidden)`, kernel `(hidden, vocab_size)` and bias `(vocab_size,)`;
          targets `(time, batch)`; and which of them count, `(time, batch)` bool.
        """
        features = self.encoder(tokens, lengths, **ids)
        features, kernel = self._head(features)
        mask = chosen & within(tokens.shape, lengths)
        # Sort the chosen tokens of each sentence to the front, and put time first: the rows that
        # count are then contiguous, and the loss skips the chunks without any.
        order = jnp.argsort(~mask, axis=1)
        features = jnp.take_along_axis(features, order[..., None], axis=1)
        targets, mask = (jnp.take_along_axis(array, order, axis=1) for array in (targets, mask))
        return (jnp.swapaxes(features, 0, 1), kernel, self.bias), targets.T, mask.T

    def batch_loss(self, batch: Batch, carry: Any = None) -> BatchLoss:
        """Return the loss of a batch of `rnnjax.data.MaskedBatches` in nats; see `Model`."""
        return BatchLoss(*self.cross_entropy(**batch))

    def _head(self, features: Array) -> tuple[Array, Array]:
        """Return the factors of the last product: features, and a kernel (hidden, vocab_size)."""
        hidden = nn.gelu(self.transform(features), approximate=False)
        return self.norm(hidden), self.encoder.token_embedding.embedding.T
