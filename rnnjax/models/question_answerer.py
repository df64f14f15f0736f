"""Answering questions about a text by pointing at a span of it."""

from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Core, output_size
from rnnjax.checks import check_integers, check_positive, check_range, check_rate, check_tokens
from rnnjax.linen import RNN
from rnnjax.losses import cross_entropy
from rnnjax.models.attention import Attention
from rnnjax.models.dropout import Dropout
from rnnjax.models.embedding import Embedding
from rnnjax.models.interface import Batch, BatchLoss, entries
from rnnjax.models.pooled_reader import PooledReader
from rnnjax.models.recurrent import Recurrent
from rnnjax.sequence.masks import within

# The logit of what cannot be: finite, so that rows without any place have no NaN.
_NEVER = -1e9


class QuestionAnswerer(Recurrent):
    """Answers a question about a story by pointing at where the answer starts and ends.

        q = pool(question_core(embed(question)))
        a[t] = attention from embed(story[t]) over embed(question)
        y = story_core([embed(story), a])
        p(start = s) = softmax over s of y[s] . (q @ A)
        p(end = e | start = s) = softmax over e >= s of y[e] . (q @ B + y[s] @ C)

    So the probabilities of all spans sum to one, and an answer is never empty. Sources: Chen et al.
    2017, arXiv:1704.00051, for the aligned question and the bilinear pointers; Wang and Jiang 2016,
    arXiv:1608.07905, for pointing at the start first. Dropout is on if and only if `apply` gets a
    "dropout" rng.

    Attributes:
      vocab_size: number of words.
      embed_size: width of the word embeddings.
      question_core: the core that reads questions; their vector is the mean of its outputs,
        weighted by attention.
      story_core: the core that reads stories; one that reads both ways knows at each word what
        comes later.
      dropout: dropout rate of the embeddings, of the story's outputs, and of the question's vector.
      dtype: compute dtype of all parts except the cores, which have their own; logits are float32.
      implementation: see `rnnjax.unroll`.

    Example:
      >>> model = rx.models.QuestionAnswerer(
      ...     9, 3, question_core=rx.GRU(4), story_core=rx.Bidirectional(rx.GRU(4))
      ... )
      >>> story, question = jnp.ones((2, 5), int), jnp.ones((2, 3), int)
      >>> lengths = jnp.array([5, 4]), jnp.array([3, 2])
      >>> logits, variables = model.init_with_output(jax.random.key(0), story, question, *lengths)
      >>> logits.shape  # log p(start, end)
      (2, 5, 5)
    """

    vocab_size: int
    embed_size: int
    question_core: Core
    story_core: Core
    dropout: float = 0.0
    dtype: Any = None

    per_token: ClassVar[bool] = False

    def setup(self) -> None:
        """Check the attributes and make the parts."""
        check_rate("dropout", self.dropout)
        check_positive(vocab_size=self.vocab_size, embed_size=self.embed_size)
        self.embedding = Embedding(
            self.vocab_size,
            self.embed_size,
            dtype=self.dtype,
            embedding_init=nn.initializers.normal(0.1),
        )
        self.question_reader = PooledReader(
            self.question_core, "attention", self.dtype, implementation=self.implementation
        )
        self.align = Attention(self.embed_size, "dot", self.dtype)
        self.story_reader = RNN(self.story_core, self.implementation)
        width = self.story_width
        self.start = nn.Dense(width, use_bias=False, dtype=self.dtype)
        self.end = nn.Dense(width, use_bias=False, dtype=self.dtype)
        self.end_from_start = nn.Dense(width, use_bias=False, dtype=self.dtype)
        self.drop = Dropout(self.dropout)

    @property
    def story_width(self) -> int:
        """The width of the story's outputs."""
        return output_size(self.story_core)

    def __call__(
        self, story: Array, question: Array, story_lengths: Array, question_lengths: Array
    ) -> Array:
        """Return log p(start, end) of all spans, `(batch, time, time)`, float32.

        Args:
          story: `(batch, time)` ids.
          question: `(batch, words)` ids.
          story_lengths: `(batch,)`, the words of each story. The padding has no effect.
          question_lengths: `(batch,)`, the words of each question.

        Returns:
          At [b, s, e], for the span of the words s to e, both included. Spans that are not in the
          story, or end before they start, have some -1e9; of a story without words, all do.
        """
        starts, ends = self._pointers(story, question, story_lengths, question_lengths)
        return jax.nn.log_softmax(starts)[:, :, None] + jax.nn.log_softmax(ends)

    def batch_loss(self, batch: Batch, carry: Any = None) -> BatchLoss:
        """Return - log p(answer) in nats; see `Model`.

        A batch has "words", "lengths", "question" and "question_lengths"; "starts" and "ends"
        `(batch,)`, the first and the last word of the answer; and "starts_known", bool.
        """
        starts, ends = self._pointers(*_read(batch))
        return _loss(starts, ends, batch)

    def batch_answers(self, batch: Batch) -> tuple[Array, BatchLoss]:
        """Return the first and the last word of the likeliest span, `(batch, 2)`, and the loss."""
        starts, ends = self._pointers(*_read(batch))
        logs = jax.nn.log_softmax(starts)[:, :, None] + jax.nn.log_softmax(ends)
        start = logs.max(axis=2).argmax(axis=1)
        end = _from_start(logs, start).argmax(axis=1)
        return jnp.stack([start, end], axis=-1), _loss(starts, ends, batch)

    def _pointers(
        self, story: Array, question: Array, story_lengths: Array, question_lengths: Array
    ) -> tuple[Array, Array]:
        """Return the logits of starts `(batch, time)`, and of ends `(batch, start, end)`."""
        asked, in_question = self._embed("question", question, question_lengths)
        xs, in_story = self._embed("story", story, story_lengths)
        aligned, _ = self.align(xs, self.align.keys(asked), asked, in_question)
        read = jnp.swapaxes(jnp.concatenate([xs, aligned], axis=-1), 0, 1)
        _, ys = self.story_reader(read, lengths=story_lengths)
        ys = self._dropped(jnp.swapaxes(ys, 0, 1))
        q = self._dropped(self.question_reader(jnp.swapaxes(asked, 0, 1), question_lengths))
        starts = jnp.einsum("btw,bw->bt", ys, self.start(q)).astype(jnp.float32)
        wanted = self.end(q)[:, None] + self.end_from_start(ys)
        ends = jnp.einsum("bsw,bew->bse", wanted, ys).astype(jnp.float32)
        places = jnp.arange(story.shape[1])
        after = (places[:, None] <= places[None])[None] & in_story[:, None]
        return jnp.where(in_story, starts, _NEVER), jnp.where(after, ends, _NEVER)

    def _embed(self, name: str, words: Array, lengths: Array) -> tuple[Array, Array]:
        """Return embeddings of `words`, and which of them are within `lengths`."""
        check_tokens(name, words)
        check_integers(f"{name}_lengths", lengths, words.shape[:1])
        inside = within(words.shape, lengths)
        words = jnp.where(inside, words, 0)
        check_range(name, words, self.vocab_size)
        return self._dropped(self.embedding(words)), inside

    def _dropped(self, xs: Array) -> Array:
        return self.drop(xs)


def _read(batch: Batch) -> tuple[Array, Array, Array, Array]:
    story, question, lengths, asked = entries(
        batch, "words", "question", "lengths", "question_lengths"
    )
    return story, question, lengths, asked


def _loss(starts: Array, ends: Array, batch: Batch) -> BatchLoss:
    first, last, known = entries(batch, "starts", "ends", "starts_known")
    total, number = cross_entropy(starts, first, known)
    return BatchLoss(total + cross_entropy(_from_start(ends, first), last, known)[0], number)


def _from_start(values: Array, starts: Array) -> Array:
    """Return the values `(batch, end)` of those `(batch, start, end)` at the given starts."""
    return jnp.take_along_axis(values, starts[:, None, None], axis=1)[:, 0]
