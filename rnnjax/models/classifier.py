"""Classification of sentences: one label for all tokens."""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Core, State, output_size
from rnnjax.checks import check_rate, check_tokens
from rnnjax.linen import RNN
from rnnjax.models.embedder import TokenEmbedder
from rnnjax.models.interface import Batch, BatchLoss, entries, label_loss
from rnnjax.models.pooling import (
    Pooling,
    PoolState,
    check_pooling,
    initial_pool,
    pool,
    pool_step,
)
from rnnjax.sequence.masks import within
from rnnjax.serialization import serializable


@serializable
class ClassifierState(NamedTuple):
    """The state of a classifier after some tokens."""

    core: State
    pooled: PoolState


class Classifier(nn.Module):
    """Classifies sentences.

        logits = pool(core(embedder(words, characters))) @ kernel + bias

    With attention, the score of an output y is v . tanh(W y + b) (Yang et al. 2016, "Hierarchical
    Attention Networks for Document Classification"). Dropout is on if and only if `apply` gets a
    "dropout" rng.

    Attributes:
      labels: names of the labels; the id of a label is its index.
      embedder: makes a vector of each token.
      core: the recurrent core. The method `step` needs one that can step.
      pooling: how the outputs become one vector: "last", "mean", "max" or "attention".
      dropout: dropout rate of the pooled vector.
      dtype: compute dtype of the last layers; embedder and core have their own. Logits are float32.

    Example:
      >>> embedder = rx.models.TokenEmbedder(vocab_size=9, embed_size=3)
      >>> model = rx.models.Classifier(("bad", "good"), embedder, rx.GRU(4))
      >>> words, lengths = jnp.ones((2, 5), int), jnp.array([5, 3])
      >>> logits, variables = model.init_with_output(jax.random.key(0), words, None, lengths)
      >>> logits.shape
      (2, 2)
    """

    labels: tuple[str, ...]
    embedder: TokenEmbedder
    core: Core
    pooling: Pooling = "max"
    dropout: float = 0.0
    dtype: Any = None

    per_token: ClassVar[bool] = False

    def setup(self) -> None:
        """Check the attributes and make the parts."""
        check_rate("dropout", self.dropout)
        self.drop = nn.Dropout(self.dropout)
        check_pooling(self.pooling)
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels must be distinct and at least one, got {self.labels}")
        self.rnn = RNN(self.core)
        self.head = nn.Dense(len(self.labels), dtype=self.dtype)
        if self.pooling == "attention":
            self.attention = nn.Dense(output_size(self.core), dtype=self.dtype)
            self.query = nn.Dense(1, use_bias=False, dtype=self.dtype)

    def __call__(
        self, words: Array, characters: Array | None = None, lengths: Array | None = None
    ) -> Array:
        """Return the logits `(batch, labels)`, float32; arguments are those of `Tagger`."""
        check_tokens("words", words)
        if lengths is None:
            lengths = jnp.full(words.shape[:1], words.shape[1])
        characters = None if characters is None else jnp.swapaxes(characters, 0, 1)
        xs = self.embedder(words.T, characters, within(words.shape, lengths).T)
        _, ys = self.rnn(xs, lengths=lengths)
        return self._logits(
            pool(self.pooling, self.core, ys.astype(jnp.float32), lengths, self._scores(ys))
        )

    def batch_logits(self, batch: Batch) -> Array:
        """Return the logits; see `SentenceModel`."""
        words, lengths = entries(batch, "words", "lengths")
        return self(words, batch.get("characters"), lengths)

    def batch_loss(self, batch: Batch, carry: Any = None) -> BatchLoss:
        """Return the loss of the labels that are known, in nats; see `SentenceModel`."""
        return label_loss(self.batch_logits(batch), batch)

    def batch_answers(self, batch: Batch) -> tuple[Array, BatchLoss]:
        """Return the labels' probabilities and the loss; see `SentenceModel`."""
        logits = self.batch_logits(batch)
        return jax.nn.softmax(logits), label_loss(logits, batch)

    def step(
        self, state: ClassifierState, word: Array, characters: Array | None = None
    ) -> tuple[ClassifierState, Array]:
        """Read one token; return the new state, and the logits `(batch, labels)` so far."""
        core, y = self.rnn.step(state.core, self.embedder(word, characters))
        pooled = pool_step(self.pooling, state.pooled, y.astype(jnp.float32), self._scores(y))
        return ClassifierState(core, pooled), self._logits(pooled.value)

    def initial_state(self, batch_shape: Sequence[int] = ()) -> ClassifierState:
        """Return the state before the first token."""
        return ClassifierState(
            self.core.initial_state(batch_shape),
            initial_pool(tuple(batch_shape), output_size(self.core)),
        )

    def _scores(self, ys: Array) -> Array | None:
        """Return the attention scores `(..., 1)`, float32, of outputs `(..., features)`."""
        if self.pooling != "attention":
            return None
        return self.query(jnp.tanh(self.attention(ys))).astype(jnp.float32)

    def _logits(self, pooled: Array) -> Array:
        pooled = self.drop(pooled, deterministic=not self.has_rng("dropout"))
        return self.head(pooled).astype(jnp.float32)
