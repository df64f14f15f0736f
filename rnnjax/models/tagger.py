"""Sequence labelling: a tag for each token."""

from collections.abc import Sequence
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jax.nn import initializers

from rnnjax import crf as chain
from rnnjax.cells.base import Core, State
from rnnjax.checks import check_rate, check_tokens
from rnnjax.linen import RNN
from rnnjax.losses import cross_entropy
from rnnjax.models.embedder import TokenEmbedder
from rnnjax.models.interface import Batch, BatchLoss
from rnnjax.schemes import Scheme, allowed
from rnnjax.sequence.dropout import sequence_dropout
from rnnjax.sequence.masks import within


class Tagger(nn.Module):
    """Tags each token of a sentence (Huang et al. 2015; Lample et al. 2016, arXiv:1603.01360).

        emissions = core(embedder(words, characters)) @ kernel + bias

    The tags of a sentence follow from the emissions by a softmax at each token, or by a
    conditional random field over all of them (`rnnjax.crf`). Dropout is on exactly where `apply`
    gets a "dropout" rng.

    `loss`, `predict` and `marginals` read emissions, wherever those come from: a whole sentence
    (`__call__`) or a stream (`step`).

    Attributes:
      tags: names of the tags; a tag's id is its place.
      embedder: what makes vectors of tokens.
      core: what runs over time; to `step`, it must be able to.
      crf: whether tags depend on each other.
      scheme: with `crf`, the scheme of spans whose contradictions get probability 0.
      dropout: share of the core's outputs dropped in training, one mask a sentence.
      dtype: compute dtype of the last layer (the others have their own); emissions are float32.

    Example:
      >>> embedder = rx.models.TokenEmbedder(vocab_size=9, embed_size=3)
      >>> model = rx.models.Tagger(("NOUN", "VERB"), embedder, rx.GRU(4))
      >>> words, lengths = jnp.ones((2, 5), int), jnp.array([5, 3])
      >>> emissions, variables = model.init_with_output(jax.random.key(0), words, None, lengths)
      >>> model.apply(variables, emissions, lengths, method="predict").shape
      (2, 5)
    """

    tags: tuple[str, ...]
    embedder: TokenEmbedder
    core: Core
    crf: bool = False
    scheme: Scheme | None = None
    dropout: float = 0.0
    dtype: Any = None

    per_token: ClassVar[bool] = True

    def setup(self) -> None:
        """Check the attributes and make the parts."""
        check_rate("dropout", self.dropout)
        if not self.tags or len(set(self.tags)) != len(self.tags):
            raise ValueError(f"tags must be distinct and at least one, got {self.tags}")
        if self.scheme is not None and not self.crf:
            raise ValueError(f"scheme {self.scheme!r} needs crf=True: it forbids transitions")
        if self.scheme is not None:
            allowed(self.tags, self.scheme)  # raises where the scheme has no such tag
        self.rnn = RNN(self.core)
        self.head = nn.Dense(len(self.tags), dtype=self.dtype)
        if self.crf:
            count = len(self.tags)
            shapes = {"start": (count,), "between": (count, count), "end": (count,)}
            self.scores = {
                name: self.param(name, initializers.zeros, shape) for name, shape in shapes.items()
            }

    def __call__(
        self, words: Array, characters: Array | None = None, lengths: Array | None = None
    ) -> Array:
        """Return the emissions `(batch, time, tags)`, float32.

        Args:
          words: `(batch, time)` ids.
          characters: `(batch, time, length)` ids where the embedder reads them, 0 after a word's
            last; else None.
          lengths: `(batch,)`, how many tokens of each row count; None counts all. What stands in
            the padding, of words and characters, reaches nothing.
        """
        check_tokens("words", words)
        inside = within(words.shape, lengths)
        characters = None if characters is None else _swap(characters)
        xs = self.embedder(words.T, characters, inside.T)
        _, ys = self.rnn(xs, lengths=lengths)
        if self.has_rng("dropout"):
            ys = sequence_dropout(self.make_rng("dropout"), ys, self.dropout)
        return _swap(self.head(ys)).astype(jnp.float32)

    def loss(
        self, emissions: Array, tags: Array, lengths: Array | None = None
    ) -> tuple[Array, Array]:
        """Return the sum of - log p(tags) in nats, and the number of tags that count.

        Args:
          emissions: `(batch, time, tags)`.
          tags: `(batch, time)` integers; a negative one is not known, and counts for nothing.
          lengths: `(batch,)` or None.
        """
        known = (tags >= 0) & within(tags.shape, lengths)
        if not self.crf:
            return cross_entropy(emissions, tags, known)
        logs = chain.log_likelihood(_swap(emissions), tags.T, self._transitions(), lengths)
        return -logs.sum(), known.sum()

    def predict(self, emissions: Array, lengths: Array | None = None) -> Array:
        """Return the best tags `(batch, time)` int32, 0 in the padding.

        With a CRF the likeliest sequence of tags, else the likeliest tag of each token.
        """
        if not self.crf:
            best = emissions.argmax(axis=-1).astype(jnp.int32)
            return jnp.where(within(best.shape, lengths), best, 0)
        tags, _ = chain.viterbi(_swap(emissions), self._transitions(), lengths)
        return tags.T

    def marginals(self, emissions: Array, lengths: Array | None = None) -> Array:
        """Return each tag's probability at each token, `(batch, time, tags)`; 0 in the padding."""
        if not self.crf:
            inside = within(emissions.shape[:-1], lengths)[..., None]
            return jnp.where(inside, jax.nn.softmax(emissions), 0.0)
        return _swap(chain.marginals(_swap(emissions), self._transitions(), lengths))

    def batch_logits(self, batch: Batch) -> Array:
        """Return the emissions; of a CRF, the logarithms of its marginals."""
        emissions = self._emissions(batch)
        if not self.crf:
            return emissions
        # Not - inf, which no difference of logits could do without.
        tiny = jnp.finfo(emissions.dtype).tiny
        return jnp.log(jnp.maximum(self.marginals(emissions, batch["lengths"]), tiny))

    def batch_loss(self, batch: Batch, carry: Any = None) -> BatchLoss:
        """Return the loss of the tags that are known, in nats; see `SentenceModel`."""
        return self._batch_loss(self._emissions(batch), batch)

    def batch_answers(self, batch: Batch) -> tuple[Array, BatchLoss]:
        """Return the best tags and the loss; see `SentenceModel`."""
        emissions = self._emissions(batch)
        return self.predict(emissions, batch["lengths"]), self._batch_loss(emissions, batch)

    def _emissions(self, batch: Batch) -> Array:
        return self(batch["words"], batch.get("characters"), batch["lengths"])

    def _batch_loss(self, emissions: Array, batch: Batch) -> BatchLoss:
        tags = jnp.where(batch["targets_known"], batch["targets"], -1)
        return BatchLoss(*self.loss(emissions, tags, batch["lengths"]))

    def step(
        self, state: State, word: Array, characters: Array | None = None
    ) -> tuple[State, Array]:
        """Read one token; return the new state and its emissions `(batch, tags)`, float32.

        Args:
          state: the core's.
          word: `(batch,)`.
          characters: `(batch, length)` where the embedder reads them.
        """
        state, y = self.rnn.step(state, self.embedder(word, characters))
        return state, self.head(y).astype(jnp.float32)

    def initial_state(self, batch_shape: Sequence[int] = ()) -> State:
        """Return the core's zero state."""
        return self.core.initial_state(batch_shape)

    def _transitions(self) -> chain.Transitions:
        transitions = chain.Transitions(**self.scores)
        if self.scheme is None:
            return transitions
        permitted = map(jnp.asarray, allowed(self.tags, self.scheme))
        return transitions.where(chain.Transitions(*permitted))


def _swap(array: Array) -> Array:
    """Turn batch first into time first, or back."""
    return jnp.swapaxes(array, 0, 1)
