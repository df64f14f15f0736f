"""Sentences after each other in rows, for a language model that reads each by itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rnnjax.checks.values import check_at_least, check_positive, check_text
from rnnjax.data.batches.chunks import token_chunk


def whole_sentences(tokens: np.ndarray, end: int) -> np.ndarray:
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
    before = np.concatenate([[end], tokens[:-1]])
    kept = tokens[(tokens != end) | (before != end)]
    if not len(kept):
        raise ValueError(f"tokens must have at least one sentence, got {len(tokens)} ends only")
    return kept if kept[-1] == end else np.append(kept, end)


@dataclass(frozen=True, eq=False)
class PackedSentences:
    """Chunks of sentences for training; the step alone determines a chunk.

    In each epoch, the sentences are shuffled and follow each other in `batch_size` rows,
    each of which begins with a sentence. A step reads `length` tokens of each row: a sentence may
    go on in the next chunk, so a model carries its state. "resets" is True where a sentence
    begins, before the token `end` is read as its start. Nothing is padded but the ends of the rows
    in the last chunks of an epoch. Every token of every sentence, its end included, is a target
    once in an epoch.

    Attributes:
      tokens: the sentences, `(n,)` integers, each ended by `end`; see `whole_sentences`.
      batch_size: number of rows, at least 1 and at most the number of sentences.
      length: tokens per step, at least 1.
      end: the token that ends a sentence, and is read before its first one.
      seed: seed of the order, at least 0.

    Raises:
      ValueError: there are too few sentences, one is empty, the last one has no end, `tokens` are
        not integers, or a number is too small.

    Example:
      >>> tokens = np.array([1, 2, 3, 0, 4, 0, 5, 6, 0])
      >>> packed = rx.data.PackedSentences(tokens, batch_size=1, length=5, end=0, seed=0)
      >>> packed.at(0)["inputs"].tolist(), packed.at(0)["targets"].tolist()
      ([[0, 5, 6, 0, 1]], [[5, 6, 0, 1, 2]])
      >>> packed.at(0)["resets"].tolist()
      [[True, False, False, True, False]]
    """

    tokens: np.ndarray
    batch_size: int
    length: int
    end: int
    seed: int

    def __post_init__(self) -> None:
        _check(self.tokens, self.batch_size, self.length, self.end)
        check_at_least(0, seed=self.seed)

    @property
    def steps_per_epoch(self) -> int:
        """The number of chunks in one epoch; a few more where rows end unevenly."""
        return -(-len(self.tokens) // (self.batch_size * self.length))

    def at(self, step: int) -> dict[str, np.ndarray]:
        """Return the chunk of `step`, counted from 0 over all epochs.

        Returns:
          "inputs" and "targets", `(batch_size, length)` int32, where the targets are the tokens
          that follow the inputs; "mask", `(batch_size, length)` bool, False where a row is
          padded with `end`; "resets", `(batch_size, length)` bool, True where a sentence begins;
          and "fresh", `()` bool, True if the chunk is the first of its epoch.

        Raises:
          ValueError: `step` is negative.
        """
        check_at_least(0, step=step)
        epoch, first = 0, 0
        while step >= first + self._steps(epoch):
            first += self._steps(epoch)
            epoch += 1
        return _chunk(self.tokens, self._places(epoch), step - first, self.length, self.end)

    def _steps(self, epoch: int) -> int:
        if epoch not in self._known:
            self._known[epoch] = -(-self._places(epoch).shape[1] // self.length)
        return self._known[epoch]

    def _places(self, epoch: int) -> np.ndarray:
        if epoch not in self._last:
            self._last.clear()
            draw = np.random.default_rng([self.seed, epoch])
            order = draw.permutation(int((self.tokens == self.end).sum()))
            self._last[epoch] = _rows(self.tokens, order, self.batch_size, self.end)
        return self._last[epoch]

    @cached_property
    def _known(self) -> dict[int, int]:
        return {}  # the number of steps of epochs

    @cached_property
    def _last(self) -> dict[int, np.ndarray]:
        return {}  # the rows of one epoch


def evaluation_sentences(
    tokens: np.ndarray, batch_size: int, length: int, end: int
) -> Iterator[dict[str, np.ndarray]]:
    """Return an iterator over the chunks of one epoch of `PackedSentences`, in the text's order.

    Arguments and chunks are those of `PackedSentences`, except that there may be fewer sentences
    than rows.

    Example:
      >>> (chunk,) = rx.data.evaluation_sentences(np.array([1, 2, 0, 3, 0]), 2, 4, end=0)
      >>> chunk["targets"].tolist(), chunk["mask"].sum(axis=1).tolist()
      ([[1, 2, 0, 0], [3, 0, 0, 0]], [3, 2])
    """
    _check(tokens, 1, length, end)
    check_positive(batch_size=batch_size)
    places = _rows(tokens, np.arange(int((tokens == end).sum())), batch_size, end)
    chunks = range(-(-places.shape[1] // length))
    return (_chunk(tokens, places, chunk, length, end) for chunk in chunks)


def _check(tokens: np.ndarray, batch_size: int, length: int, end: int) -> None:
    check_text("tokens", tokens)
    check_positive(batch_size=batch_size, length=length)
    ends = tokens == end
    if not len(tokens) or not ends[-1] or ends[0] or (ends[1:] & ends[:-1]).any():
        raise ValueError(
            f"tokens must be sentences of at least one token, each ended by {end}, the last one "
            "too; see whole_sentences"
        )
    if ends.sum() < batch_size:
        raise ValueError(
            f"tokens must be at least {batch_size} sentences for batch_size {batch_size}, got "
            f"{ends.sum()}; use a smaller batch_size"
        )


def _rows(tokens: np.ndarray, order: np.ndarray, batch_size: int, end: int) -> np.ndarray:
    """Return where each row finds its tokens, `(batch_size, longest)`; -1 after its end."""
    ends = np.flatnonzero(tokens == end)
    starts = np.concatenate([[0], ends[:-1] + 1])[order]
    lengths = ends[order] + 1 - starts
    before = np.cumsum(lengths) - lengths  # tokens of the sentences before each
    where = np.repeat(starts - before, lengths) + np.arange(len(tokens))
    # The row of a sentence is that of its first token, if all rows were equally long.
    row = np.repeat(before * batch_size // len(tokens), lengths)
    sizes = np.bincount(row, minlength=batch_size)
    rows = np.full((batch_size, sizes.max()), -1)
    rows[np.arange(sizes.max()) < sizes[:, None]] = where
    return rows


def _chunk(
    tokens: np.ndarray, rows: np.ndarray, number: int, length: int, end: int
) -> dict[str, np.ndarray]:
    part = rows[:, number * length : (number + 1) * length]
    where = np.pad(part, ((0, 0), (0, length - part.shape[1])), constant_values=-1)
    mask = where >= 0
    chunk = token_chunk(tokens, where, end, mask)
    # The token before the first of a sentence is the end of one, wherever it comes from.
    return chunk | {
        "mask": mask,
        "resets": chunk["inputs"] == end,
        "fresh": np.asarray(number == 0),
    }
