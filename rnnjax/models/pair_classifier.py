"""Classification of pairs of sentences, such as inference and paraphrase."""

from typing import Any

import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Core
from rnnjax.checks import check_integers, check_tokens, concrete
from rnnjax.models.embedder import TokenEmbedder
from rnnjax.models.interface import Batch, entries
from rnnjax.models.label_head import LabelHead
from rnnjax.models.label_model import LabelModel
from rnnjax.models.pooled_reader import PooledReader
from rnnjax.models.pooling import Pooling
from rnnjax.models.recurrent import Recurrent
from rnnjax.sequence.masks import within


class PairClassifier(LabelModel, Recurrent):
    """Classifies pairs of sentences, each of which a recurrent reader makes a vector of.

        u = pool(core(embedder(first)));  v = pool(core(embedder(second)))
        logits = head([u, v, |u - v|, u * v])

    Sources: Mou et al. 2016, arXiv:1512.08422; Conneau et al. 2017, arXiv:1705.02364 (InferSent).
    The head is that of `Classifier`. Dropout is on if and only if `apply` gets a "dropout" rng.

    Attributes:
      labels: names of the labels; the id of a label is its index.
      embedder: makes a vector of each token, of both sentences.
      core: the recurrent core.
      pooling: see `Classifier`.
      shared: whether one reader reads both sentences; otherwise each has its own weights.
      dropout: dropout rate of the features, and of the hidden layer.
      dtype: compute dtype of the last layers; embedder and core have their own. Logits are float32.
      hidden: width of a hidden layer before the logits; None for no such layer.
      implementation: see `rnnjax.unroll`.

    Example:
      >>> embedder = rx.models.TokenEmbedder(vocab_size=9, embed_size=3)
      >>> model = rx.models.PairClassifier(("no", "yes"), embedder, rx.GRU(4))
      >>> words, first_lengths = jnp.ones((2, 5), int), jnp.array([2, 3])
      >>> logits, variables = model.init_with_output(jax.random.key(0), words, first_lengths)
      >>> logits.shape
      (2, 2)
    """

    labels: tuple[str, ...]
    embedder: TokenEmbedder
    core: Core
    pooling: Pooling = "max"
    shared: bool = True
    dropout: float = 0.0
    dtype: Any = None
    hidden: int | None = None

    def setup(self) -> None:
        """Make the parts."""
        self.reader = PooledReader(
            self.core, self.pooling, self.dtype, implementation=self.implementation
        )
        if not self.shared:
            self.second_reader = PooledReader(
                self.core, self.pooling, self.dtype, implementation=self.implementation
            )
        self.head = LabelHead(self.labels, self.hidden, self.dropout, self.dtype)

    def __call__(
        self,
        words: Array,
        first_lengths: Array,
        characters: Array | None = None,
        lengths: Array | None = None,
    ) -> Array:
        """Return the logits `(batch, labels)`, float32.

        Args:
          words: `(batch, time)` ids: those of the first sentence, those of the second, padding.
          first_lengths: `(batch,)`, the number of tokens of each first sentence.
          characters: `(batch, time, length)` ids, padded with 0; None if the embedder reads none.
          lengths: `(batch,)`, the number of tokens of both sentences; None counts all. Words and
            characters in the padding have no effect.

        Raises:
          ValueError: a wrong shape or dtype, or a first sentence that is longer than both.
        """
        check_tokens("words", words)
        if lengths is None:
            lengths = jnp.full(words.shape[:1], words.shape[1])
        _check_first("first_lengths", first_lengths, lengths)
        first = self._read(self.reader, words, characters, first_lengths)
        # Bring the second sentence to the front of its row.
        places = first_lengths[:, None] + jnp.arange(words.shape[1])[None]
        places = jnp.minimum(places, words.shape[1] - 1)
        words = jnp.take_along_axis(words, places, axis=1)
        if characters is not None:
            characters = jnp.take_along_axis(characters, places[..., None], axis=1)
        reader = self.reader if self.shared else self.second_reader
        second = self._read(reader, words, characters, lengths - first_lengths)
        features = [first, second, jnp.abs(first - second), first * second]
        return self.head(jnp.concatenate(features, axis=-1))

    def batch_logits(self, batch: Batch) -> Array:
        """Return the logits; see `SentenceModel`."""
        words, first, lengths = entries(batch, "words", "first_lengths", "lengths")
        return self(words, first, batch.get("characters"), lengths)

    def _read(
        self, reader: PooledReader, words: Array, characters: Array | None, lengths: Array
    ) -> Array:
        """Return vectors `(batch, features)` of the sentences at the front of each row."""
        characters = None if characters is None else jnp.swapaxes(characters, 0, 1)
        xs = self.embedder(words.T, characters, within(words.shape, lengths).T)
        return reader(xs, lengths)


def _check_first(name: str, values: Array, lengths: Array) -> None:
    """Raise `ValueError` unless `values` are integers between 0 and `lengths`."""
    check_integers(name, values, lengths.shape)
    found, ends = concrete(values), concrete(lengths)
    if found is not None and ends is not None and ((found < 0) | (found > ends)).any():
        raise ValueError(f"{name} must lie between 0 and lengths, got {found} for {ends}")
