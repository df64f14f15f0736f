"""Recurrent language models."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.nn import initializers

from rnnjax.cells.base import Core, Initializer, State, output_size
from rnnjax.checks import check_positive, check_range, check_rate, check_steps, check_tokens
from rnnjax.closures import as_value
from rnnjax.linen import RNN
from rnnjax.losses import linear_cross_entropy, sampled_cross_entropy
from rnnjax.models.embedding import Embedding
from rnnjax.models.interface import Batch, BatchLoss, entries
from rnnjax.models.recurrent import Recurrent
from rnnjax.products import affine
from rnnjax.sequence.dropout import sequence_dropout


class LanguageModel(Recurrent):
    """Predicts each next token from the previous ones.

    Sources: Mikolov et al. 2010; Zaremba et al. 2014, arXiv:1409.2329.

        x = embedding[token];  h = core(x);  logits = h @ head + bias

    Dropout is on if and only if `apply` gets a "dropout" rng, with one mask per sequence.

    Attributes:
      vocab_size: number of tokens.
      core: the recurrent core; it must be able to `step`, so a `Bidirectional` is not possible.
      embed_size: width of the token embedding; None feeds one-hot vectors to the core.
      tie_embeddings: use the embedding in the output layer (Press and Wolf 2017, arXiv:1608.05859).
        If the core has another width, its outputs are first projected to `embed_size`.
      dropout: dropout rate of the outputs of the embedding and of the core. Dropout between layers
        belongs to `Stack`.
      embedding_init: initialiser of the embedding `(vocab_size, embed_size)`.
      kernel_init: initialiser of the output layer and of the projection.
      num_sampled: with a "dropout" rng, `batch_loss` compares each target with so many random
        tokens, not with all: see `rnnjax.losses.sampled_cross_entropy`. They must be numbered by
        decreasing frequency.
      dtype: compute dtype of embedding and output layer; the core has its own. Logits are float32.
      implementation: see `rnnjax.unroll`.

    Example:
      >>> model = rx.models.LanguageModel(vocab_size=9, core=rx.GRU(4), embed_size=3)
      >>> tokens = jnp.ones((2, 5), int)
      >>> variables = model.init(jax.random.key(0), tokens)
      >>> final, logits = model.apply(variables, tokens)
      >>> final.h.shape, logits.shape
      ((2, 4), (2, 5, 9))
    """

    vocab_size: int
    core: Core
    embed_size: int | None = None
    tie_embeddings: bool = False
    dropout: float = 0.0
    embedding_init: Initializer = as_value(
        initializers.variance_scaling(1.0, "fan_in", "normal", out_axis=0)
    )
    kernel_init: Initializer = as_value(initializers.lecun_normal())
    num_sampled: int | None = None
    dtype: Any = None

    def setup(self) -> None:
        """Check the attributes and make the parts."""
        check_rate("dropout", self.dropout)
        if self.num_sampled is not None:
            check_positive(num_sampled=self.num_sampled)
        if self.is_initializing():  # once is enough, as it traces the core
            check_steps("core", self.core)
        if self.tie_embeddings and self.embed_size is None:
            raise ValueError("embed_size must be given if tie_embeddings is True, got None")
        self.rnn = RNN(self.running_core, self.implementation)
        width = output_size(self.core)
        if self.embed_size is not None:
            self.embedding = Embedding(
                self.vocab_size,
                self.embed_size,
                dtype=self.dtype,
                embedding_init=self.embedding_init,
            )
            if self.tie_embeddings and width != self.embed_size:
                self.projection = nn.Dense(
                    self.embed_size, dtype=self.dtype, kernel_init=self.kernel_init
                )
        if not self.tie_embeddings:
            self.kernel = self.param("kernel", self.kernel_init, (width, self.vocab_size))
        self.bias = self.param("bias", initializers.zeros, (self.vocab_size,))

    def __call__(
        self,
        tokens: Array,
        initial_state: State | None = None,
        *,
        lengths: Array | None = None,
        resets: Array | None = None,
    ) -> tuple[State, Array]:
        """Return the final state and the logits of each next token.

        Args:
          tokens: `(batch, time)` integers below `vocab_size`.
          initial_state: the core's state before the first token; None is the zero state.
          lengths: `(batch,)`, the number of tokens of each row; see `rnnjax.unroll`.
          resets: `(batch, time)` bool, True where another text starts; see `rnnjax.unroll`.

        Returns:
          The final state, and logits `(batch, time, vocab_size)`, float32; those at [b, t] predict
          the token after `tokens[b, t]`.

        Raises:
          ValueError: `tokens` have a wrong rank or dtype, or concrete tokens are out of range.
        """
        final, outputs = self.features(tokens, initial_state, lengths=lengths, resets=resets)
        return final, self.logits(outputs)

    def features(
        self,
        tokens: Array,
        initial_state: State | None = None,
        *,
        lengths: Array | None = None,
        resets: Array | None = None,
    ) -> tuple[State, Array]:
        """Return the final state and the core's outputs `(batch, time, features)`, with dropout."""
        self.check_tokens(tokens, ndim=2)
        xs = self._drop(self._embed(tokens.T))
        resets = None if resets is None else resets.T
        final, ys = self.rnn(xs, initial_state, lengths=lengths, resets=resets)
        return final, jnp.swapaxes(self._drop(ys), 0, 1)

    def logits(self, features: Array) -> Array:
        """Return the logits `(..., vocab_size)`, float32, of features `(..., width)`."""
        return affine(*self._head(features), self.bias, self.dtype)

    def cross_entropy(
        self,
        tokens: Array,
        targets: Array,
        initial_state: State | None = None,
        *,
        mask: Array | None = None,
        resets: Array | None = None,
    ) -> tuple[State, Array, Array]:
        """Return the final state, the sum of the cross-entropy in nats, and the number of targets.

        It does not store all logits; see `rnnjax.losses.linear_cross_entropy`.

        Args:
          tokens: `(batch, time)` integers.
          targets: `(batch, time)` integers, the next tokens.
          initial_state: the core's state before the first token; None is the zero state.
          mask: `(batch, time)` bool, True where a target counts; None counts all.
          resets: `(batch, time)` bool, True where another text starts.
        """
        final, head = self.head(tokens, initial_state, resets=resets)
        nats, count = linear_cross_entropy(*head, targets, mask, dtype=self.dtype)
        return final, nats, count

    def batch_loss(self, batch: Batch, carry: State | None = None) -> BatchLoss:
        """Return the cross-entropy of a chunk of text in nats; see `Model`.

        Args:
          batch: a batch of `rnnjax.data.Chunks` or of `rnnjax.data.PackedSentences`.
          carry: the final state of the previous chunk. If the batch is "fresh", the initial state
            is used instead.
        """
        tokens, targets = entries(batch, "inputs", "targets")
        if carry is not None:
            (fresh,) = entries(batch, "fresh")
            start = self.initial_state(tokens.shape[:1])
            carry = jax.tree.map(lambda a, b: jnp.where(fresh, a, b), start, carry)
        mask, resets = batch.get("mask"), batch.get("resets")
        if self.num_sampled is None or not self.has_rng("dropout"):
            found = self.cross_entropy(tokens, targets, carry, mask=mask, resets=resets)
            final, nats, count = found
            return BatchLoss(nats, count, final)
        final, head = self.head(tokens, carry, resets=resets)
        key, drawn = self.make_rng("dropout"), self.num_sampled
        nats, count = sampled_cross_entropy(*head, targets, key, num_sampled=drawn, mask=mask)
        return BatchLoss(nats, count, final)

    def head(
        self,
        tokens: Array,
        initial_state: State | None = None,
        *,
        resets: Array | None = None,
    ) -> tuple[State, tuple[Array, Array, Array]]:
        """Return the final state and the factors of the logits, for losses that compute them.

        Arguments are those of `__call__`. With features `(batch, time, width)`, kernel
        `(width, vocab_size)` and bias `(vocab_size,)`, logits are features @ kernel + bias.
        """
        final, features = self.features(tokens, initial_state, resets=resets)
        features, kernel = self._head(features)
        return final, (features, kernel, self.bias)

    def step(self, state: State, token: Array) -> tuple[State, Array]:
        """Read one token `(batch,)`; return the new state and the logits `(batch, vocab_size)`."""
        self.check_tokens(token, ndim=1)
        state, y = self.rnn.step(state, self._embed(token))
        return state, self.logits(y)

    def initial_state(self, batch_shape: Sequence[int] = ()) -> State:
        """Return the core's zero state."""
        return self.running_core.initial_state(batch_shape)

    def _head(self, features: Array) -> tuple[Array, Array]:
        """Return the factors of the last product: features, and a kernel (width, vocab_size)."""
        if not self.tie_embeddings:
            return features, self.kernel
        if features.shape[-1] != self.embed_size:
            features = self.projection(features)
        return features, self.embedding.embedding.T

    def _embed(self, tokens: Array) -> Array:
        if self.embed_size is None:
            return jax.nn.one_hot(tokens, self.vocab_size, dtype=self.dtype or jnp.float32)
        return self.embedding(tokens)

    def _drop(self, xs: Array) -> Array:
        if not self.has_rng("dropout"):
            return xs
        return sequence_dropout(self.make_rng("dropout"), xs, self.dropout)

    @property
    def running_core(self) -> Core:
        """The core that reads the embedded tokens."""
        return self.core

    @nn.nowrap
    def check_tokens(self, tokens: Array | np.ndarray, ndim: int) -> None:
        """Raise `ValueError` unless `tokens` are integers below `vocab_size` with `ndim` axes."""
        check_tokens("tokens", tokens, ndim)
        check_range("tokens", tokens, self.vocab_size)
