"""Classification of sentences: one label for all tokens."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Core
from rnnjax.checks import check_tokens
from rnnjax.models.embedder import TokenEmbedder
from rnnjax.models.interface import Batch, entries
from rnnjax.models.label_head import LabelHead
from rnnjax.models.label_model import LabelModel
from rnnjax.models.pooled_reader import PooledReader, ReaderState, initial_reader_state
from rnnjax.models.pooling import Pooling
from rnnjax.models.recurrent import Recurrent
from rnnjax.sequence.masks import within


class Classifier(LabelModel, Recurrent):
    """Classifies sentences.

        u = pool(core(embedder(words, characters)))
        logits = u @ kernel + bias, or tanh(u @ hidden + b) @ kernel + bias

    With attention, the score of an output y is v . tanh(W y + b) (Yang et al. 2016, "Hierarchical
    Attention Networks for Document Classification"). Dropout is on if and only if `apply` gets a
    "dropout" rng.

    Attributes:
      labels: names of the labels; the id of a label is its index.
      embedder: makes a vector of each token.
      core: the recurrent core. The method `step` needs one that can step.
      pooling: how the outputs become one vector: "last", "mean", "max" or "attention".
      dropout: dropout rate of the pooled vector, and of the hidden layer.
      dtype: compute dtype of the last layers; embedder and core have their own. Logits are float32.
      hidden: width of a hidden layer between pooling and logits; None for no such layer.
      implementation: see `rnnjax.unroll`.

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
    hidden: int | None = None

    def setup(self) -> None:
        """Make the parts."""
        self.reader = PooledReader(
            self.core, self.pooling, self.dtype, implementation=self.implementation
        )
        self.head = LabelHead(self.labels, self.hidden, self.dropout, self.dtype)

    def __call__(
        self, words: Array, characters: Array | None = None, lengths: Array | None = None
    ) -> Array:
        """Return the logits `(batch, labels)`, float32; arguments are those of `Tagger`."""
        check_tokens("words", words)
        if lengths is None:
            lengths = jnp.full(words.shape[:1], words.shape[1])
        characters = None if characters is None else jnp.swapaxes(characters, 0, 1)
        xs = self.embedder(words.T, characters, within(words.shape, lengths).T)
        return self.head(self.reader(xs, lengths))

    def batch_logits(self, batch: Batch) -> Array:
        """Return the logits; see `SentenceModel`."""
        words, lengths = entries(batch, "words", "lengths")
        return self(words, batch.get("characters"), lengths)

    def step(
        self, state: ReaderState, word: Array, characters: Array | None = None
    ) -> tuple[ReaderState, Array]:
        """Read one token; return the new state, and the logits `(batch, labels)` so far."""
        state, vector = self.reader.step(state, self.embedder(word, characters))
        return state, self.head(vector)

    def initial_state(self, batch_shape: Sequence[int] = ()) -> ReaderState:
        """Return the state before the first token."""
        return initial_reader_state(self.core, batch_shape)
