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
from rnnjax.models.interface import Batch, BatchLoss, entries
from rnnjax.models.label_model import weights_of
from rnnjax.models.recurrent import Recurrent
from rnnjax.schemes import Scheme, allowed
from rnnjax.sequence.dropout import sequence_dropout
from rnnjax.sequence.masks import within


class Tagger(Recurrent):
    """Tags each token of a sentence (Huang et al. 2015; Lample et al. 2016, arXiv:1603.01360).

        emissions = core(embedder(words, characters)) @ kernel + bias

    The emissions give the tags by a softmax at each token, or by a conditional random field over
    the whole sentence (`rnnjax.crf`). Dropout is on if and only if `apply` gets a "dropout" rng.

    `loss`, `predict` and `marginals` take emissions, either of a whole sentence (`__call__`) or of
    a stream (`step`).

    Attributes:
      tags: names of the tags; the id of a tag is its index.
      embedder: makes a vector of each token.
      core: the recurrent core. The method `step` needs one that can step.
      crf: use a conditional random field, so that tags depend on each other.
      scheme: with `crf`, the scheme of spans; tag sequences that violate it get probability 0.
      dropout: dropout rate of the core's outputs, with one mask per sentence.
      dtype: compute dtype of the last layer; embedder and core have their own. Emissions are
        float32.
      implementation: see `rnnjax.unroll`.

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
            raise ValueError(f"crf must be True for scheme {self.scheme!r}, got False")
        if self.scheme is not None:
            allowed(self.tags, self.scheme)  # raises if the scheme does not have a tag
        self.rnn = RNN(self.core, self.implementation)
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
          characters: `(batch, time, length)` ids, padded with 0; None if the embedder reads none.
          lengths: `(batch,)`, the number of tokens of each row; None counts all. Words and
            characters in the padding have no effect.
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
        self,
        emissions: Array,
        tags: Array,
        lengths: Array | None = None,
        *,
        class_weights: Array | None = None,
    ) -> tuple[Array, Array]:
        """Return the sum of - log p(tags) in nats, and the number of tags that count.

        Args:
          emissions: `(batch, time, tags)`.
          tags: `(batch, time)` integers; a negative one is unknown and does not count.
          lengths: `(batch,)` or None.
          class_weights: `(tags,)`, what each tag counts; the second result is then the sum of the
            weights. A CRF has none: its loss is that of a whole sentence.

        Raises:
          ValueError: `class_weights` are given with a CRF.
        """
        known = (tags >= 0) & within(tags.shape, lengths)
        if not self.crf:
            weights = weights_of(jnp.maximum(tags, 0), class_weights)
            return cross_entropy(emissions, tags, known, weights=weights)
        if class_weights is not None:
            raise ValueError("class_weights must be None with crf: its loss is of whole sentences")
        logs = chain.log_likelihood(_swap(emissions), tags.T, self._transitions(), lengths)
        return -logs.sum(), known.sum()

    def predict(self, emissions: Array, lengths: Array | None = None) -> Array:
        """Return the best tags `(batch, time)` int32, 0 in the padding.

        With a CRF, this is the most likely sequence; otherwise, the most likely tag of each token.
        """
        if not self.crf:
            best = emissions.argmax(axis=-1).astype(jnp.int32)
            return jnp.where(within(best.shape, lengths), best, 0)
        tags, _ = chain.viterbi(_swap(emissions), self._transitions(), lengths)
        return tags.T

    def marginals(self, emissions: Array, lengths: Array | None = None) -> Array:
        """Return the probability of each tag at each token, `(batch, time, tags)`; 0 in padding."""
        if not self.crf:
            inside = within(emissions.shape[:-1], lengths)[..., None]
            return jnp.where(inside, jax.nn.softmax(emissions), 0.0)
        return _swap(chain.marginals(_swap(emissions), self._transitions(), lengths))

    def batch_logits(self, batch: Batch) -> Array:
        """Return the emissions; of a CRF, the logarithms of its marginals."""
        emissions = self._emissions(batch)
        if not self.crf:
            return emissions
        # Not - inf, as the difference of two such logits would be NaN.
        tiny = jnp.finfo(emissions.dtype).tiny
        return jnp.log(jnp.maximum(self.marginals(emissions, batch["lengths"]), tiny))

    def batch_loss(
        self, batch: Batch, carry: Any = None, *, class_weights: Array | None = None
    ) -> BatchLoss:
        """Return the loss of the tags that are known, in nats; see `SentenceModel` and `loss`."""
        return self._batch_loss(self._emissions(batch), batch, class_weights)

    def batch_answers(self, batch: Batch) -> tuple[Array, BatchLoss]:
        """Return the best tags and the loss; see `SentenceModel`."""
        emissions = self._emissions(batch)
        return self.predict(emissions, batch["lengths"]), self._batch_loss(emissions, batch)

    def _emissions(self, batch: Batch) -> Array:
        words, lengths = entries(batch, "words", "lengths")
        return self(words, batch.get("characters"), lengths)

    def _batch_loss(
        self, emissions: Array, batch: Batch, class_weights: Array | None = None
    ) -> BatchLoss:
        known, targets = entries(batch, "targets_known", "targets")
        tags = jnp.where(known, targets, -1)
        return BatchLoss(*self.loss(emissions, tags, batch["lengths"], class_weights=class_weights))

    def step(
        self, state: State, word: Array, characters: Array | None = None
    ) -> tuple[State, Array]:
        """Read one token; return the new state and its emissions `(batch, tags)`, float32.

        Args:
          state: the state of the core.
          word: `(batch,)`.
          characters: `(batch, length)`; None if the embedder reads none.
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
    """Swap the axes of batch and time."""
    return jnp.swapaxes(array, 0, 1)
