"""Sentences after each other in rows, for a language model that reads each by itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from rnnjax.checks.values import check_at_least, check_positive, check_text
from rnnjax.data.batches.chunks import token_chunk
from rnnjax.data.batches.share import WHOLE, Share, check_share, own_rows
from rnnjax.data.encoding.token_shards import TokenArray

_BLOCK = 2**22  # tokens that are searched at once


def whole_sentences(tokens: TokenArray, end: int) -> np.ndarray:
    """Return the sentences of a text, each of at least one token and its end.

    Empty ones are left out, and the last one gets an end if it lacks one.

    Args:
      tokens: the text, `(n,)` integers.
      end: the token that ends a sentence.

    Raises:
      ValueError: `tokens` are not integers `(n,)`, or have no sentence.

    Example:
      >>> rx.data.whole_sentences(np.array([0, 3, 4, 0, 0, 5]), end=0).tolist()
      [3, 4, 0, 5, 0]
    """
    check_text("tokens", tokens)
    kept = without_empty(tokens[:], end)
    if not len(kept):
        raise ValueError(f"tokens must have at least one sentence, got {len(tokens)} ends only")
    return kept if kept[-1] == end else np.append(kept, end)


def without_empty(tokens: np.ndarray, end: int) -> np.ndarray:
    """Return a text, or a part that begins with a sentence, without the empty sentences."""
    before = np.concatenate([[end], tokens[:-1]])
    return tokens[(tokens != end) | (before != end)]


@dataclass(frozen=True, eq=False)
class PackedSentences:
    """Chunks of sentences for training; the step alone determines a chunk.

    In each epoch, the sentences are shuffled and follow each other in `batch_size` rows,
    each of which begins with a sentence. A step reads `length` tokens of each row: a sentence may
    go on in the next chunk, so a model carries its state. "resets" is True where a sentence
    begins, before the token `end` is read as its start. Nothing is padded but the ends of the rows
    in the last chunks of an epoch. Every token of every sentence, its end included, is a target
    once in an epoch. Memory holds 24 bytes for each sentence besides the tokens.

    Attributes:
      tokens: the sentences, `(n,)` integers, an array or `TokenShards`, each ended by `end`; see
        `whole_sentences`.
      batch_size: number of rows, at least 1 and at most the number of sentences.
      length: tokens per step, at least 1.
      end: the token that ends a sentence, and is read before its first one.
      seed: seed of the order, at least 0.
      share: which part of each batch `at` returns, counted from 0, and the number of parts: the
        rows of one of several processes. The parts are contiguous and equally large.

    Raises:
      ValueError: there are too few sentences, one is empty, the last one has no end, `tokens` are
        not integers, a number is too small, or the parts do not divide the batch.

    Example:
      >>> tokens = np.array([1, 2, 3, 0, 4, 0, 5, 6, 0])
      >>> packed = rx.data.PackedSentences(tokens, batch_size=1, length=5, end=0, seed=0)
      >>> packed.at(0)["inputs"].tolist(), packed.at(0)["targets"].tolist()
      ([[0, 5, 6, 0, 1]], [[5, 6, 0, 1, 2]])
      >>> packed.at(0)["resets"].tolist()
      [[True, False, False, True, False]]
    """

    tokens: TokenArray
    batch_size: int
    length: int
    end: int
    seed: int
    share: Share = WHOLE

    def __post_init__(self) -> None:
        check_text("tokens", self.tokens)
        check_positive(batch_size=self.batch_size, length=self.length)
        check_at_least(0, seed=self.seed)
        check_share(self.share, batch_size=self.batch_size)
        sentences = len(self._starts) - 1
        if sentences < self.batch_size:
            raise ValueError(
                f"tokens must be at least {self.batch_size} sentences for batch_size "
                f"{self.batch_size}, got {sentences}; use a smaller batch_size"
            )

    @property
    def steps_per_epoch(self) -> int:
        """The number of chunks in one epoch; a few more where rows end unevenly."""
        return -(-len(self.tokens) // (self.batch_size * self.length))

    def at(self, step: int) -> dict[str, np.ndarray]:
        """Return the chunk of `step`, counted from 0 over all epochs.

        Returns:
          "inputs" and "targets", `(rows, length)` int32, where the targets are the tokens that
          follow the inputs; "mask", `(rows, length)` bool, False where a row is padded with `end`;
          "resets", `(rows, length)` bool, True where a sentence begins, all for the rows of
          `share`; and "fresh", `()` bool, True if the chunk is the first of its epoch.

        Raises:
          ValueError: `step` is negative.
        """
        check_at_least(0, step=step)
        epoch, first = 0, 0
        while step >= first + self._steps(epoch):
            first += self._steps(epoch)
            epoch += 1
        rows = self._rows(epoch)
        return rows.chunk(self.tokens, step - first, self.length, self.end, self.share)

    def _steps(self, epoch: int) -> int:
        if epoch not in self._known:
            self._known[epoch] = self._rows(epoch).steps(self.length)
        return self._known[epoch]

    def _rows(self, epoch: int) -> "_Rows":
        if epoch not in self._last:
            self._last.clear()
            draw = np.random.default_rng([self.seed, epoch])
            order = draw.permutation(len(self._starts) - 1)
            self._last[epoch] = _Rows.of(self._starts, order, self.batch_size)
        return self._last[epoch]

    @cached_property
    def _starts(self) -> np.ndarray:
        return _sentence_starts(self.tokens, self.end)

    @cached_property
    def _known(self) -> dict[int, int]:
        return {}  # the number of steps of epochs

    @cached_property
    def _last(self) -> dict[int, "_Rows"]:
        return {}  # the rows of one epoch


def evaluation_sentences(
    tokens: TokenArray, batch_size: int, length: int, end: int
) -> Iterator[dict[str, np.ndarray]]:
    """Return an iterator over the chunks of one epoch of `PackedSentences`, in the text's order.

    Arguments and chunks are those of `PackedSentences`, except that there may be fewer sentences
    than rows.

    Example:
      >>> (chunk,) = rx.data.evaluation_sentences(np.array([1, 2, 0, 3, 0]), 2, 4, end=0)
      >>> chunk["targets"].tolist(), chunk["mask"].sum(axis=1).tolist()
      ([[1, 2, 0, 0], [3, 0, 0, 0]], [3, 2])
    """
    check_text("tokens", tokens)
    check_positive(batch_size=batch_size, length=length)
    starts = _sentence_starts(tokens, end)
    rows = _Rows.of(starts, np.arange(len(starts) - 1), batch_size)
    return (rows.chunk(tokens, each, length, end, WHOLE) for each in range(rows.steps(length)))


def _sentence_starts(tokens: TokenArray, end: int) -> np.ndarray:
    """Return where each sentence starts, and where the last one ends."""
    ends = [
        first + np.flatnonzero(tokens[first : first + _BLOCK] == end)
        for first in range(0, len(tokens), _BLOCK)
    ]
    starts = np.concatenate([[0], *ends]) + 1
    starts[0] = 0
    if len(starts) < 2 or starts[-1] != len(tokens) or np.diff(starts).min() < 2:
        raise ValueError(
            f"tokens must be sentences of at least one token, each ended by {end}, the last one "
            "too; see whole_sentences"
        )
    return starts


class _Rows(NamedTuple):
    """Sentences in an order, laid end to end in rows.

    Attributes:
      starts: where each sentence of the text starts, and where the last one ends.
      order: the sentences, in the order of the rows.
      before: the number of tokens before each of them, and of all.
      borders: of these tokens, the first one of each row, and their number.
    """

    starts: np.ndarray
    order: np.ndarray
    before: np.ndarray
    borders: np.ndarray

    @classmethod
    def of(cls, starts: np.ndarray, order: np.ndarray, batch_size: int) -> "_Rows":
        before = np.zeros(len(starts), np.int64)
        np.cumsum(np.diff(starts)[order], out=before[1:])
        # The row of a sentence is that of its first token, if all rows were equally long.
        ideal = -(-np.arange(batch_size + 1) * before[-1] // batch_size)
        return cls(starts, order, before, before[np.searchsorted(before, ideal)])

    def steps(self, length: int) -> int:
        return int(-(-np.diff(self.borders).max() // length))

    def chunk(
        self, tokens: TokenArray, number: int, length: int, end: int, share: Share
    ) -> dict[str, np.ndarray]:
        row = own_rows(share, len(self.borders) - 1)
        place = self.borders[:-1][row, None] + number * length + np.arange(length)
        mask = place < self.borders[1:][row, None]
        place = np.where(mask, place, 0)
        sentence = np.searchsorted(self.before, place, side="right") - 1
        where = self.starts[self.order[sentence]] + place - self.before[sentence]
        chunk = token_chunk(tokens, where, end, mask)
        # The token before the first of a sentence is the end of one, wherever it comes from.
        return chunk | {
            "mask": mask,
            "resets": chunk["inputs"] == end,
            "fresh": np.asarray(number == 0),
        }
