"""Chunks of a text for truncated backpropagation through time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rnnjax.checks.values import check_at_least, check_positive, check_text
from rnnjax.data.batches.share import WHOLE, Share, check_share, own_rows
from rnnjax.data.encoding.token_shards import TokenArray


@dataclass(frozen=True, eq=False)
class Chunks:
    """Chunks of a text for training; the step alone determines a chunk.

    The text is cut into `batch_size` contiguous streams, whose lengths differ by at most one. A
    step reads `length` tokens of each: row b of a chunk continues where row b of
    the previous chunk ended, so a model can carry its state from chunk to chunk. Every token is a
    target once in an epoch. The last chunk of an epoch may be short: a mask says what counts.

    Each epoch begins at a random token and goes on at the beginning of the text after its end, so
    that streams and chunks are cut at other places; a text that fits into one chunk is read from
    its beginning. `seed` and the step determine a chunk, so a run needs only its step to resume.

    Attributes:
      tokens: the text, `(n,)` integers, an array or `TokenShards`: at least `batch_size` *
        `length`, or one if there is one stream.
      batch_size: number of streams, at least 1.
      length: tokens per step, at least 1.
      start: the token before the first one of the text.
      seed: seed of where epochs begin, at least 0.
      share: which part of each batch `at` returns, counted from 0, and the number of parts: the
        rows of one of several processes. The parts are contiguous and equally large.

    Raises:
      ValueError: `tokens` are too few or not integers, a number is too small, or the parts do not
        divide the batch.

    Example:
      >>> chunks = rx.data.Chunks(np.arange(1, 9), batch_size=2, length=3, start=0, seed=0)
      >>> chunks.at(0)["inputs"].tolist(), chunks.at(0)["targets"].tolist()
      ([[6, 7, 0], [2, 3, 4]], [[7, 8, 1], [3, 4, 5]])
      >>> chunks.at(1)["targets"].tolist(), chunks.at(1)["mask"].tolist()
      ([[2, 0, 0], [6, 0, 0]], [[True, False, False], [True, False, False]])
    """

    tokens: TokenArray
    batch_size: int
    length: int
    start: int
    seed: int
    share: Share = WHOLE

    def __post_init__(self) -> None:
        check_text("tokens", self.tokens)
        check_positive(batch_size=self.batch_size, length=self.length)
        check_at_least(0, seed=self.seed)
        check_share(self.share, batch_size=self.batch_size)
        needed = self.length * self.batch_size if self.batch_size > 1 else 1
        if len(self.tokens) < needed:
            raise ValueError(
                f"tokens must be at least {needed} for batch_size {self.batch_size} and length "
                f"{self.length}, got {len(self.tokens)}; use a smaller batch_size or length"
            )

    @property
    def steps_per_epoch(self) -> int:
        """The number of chunks in one epoch."""
        longest = -(-len(self.tokens) // self.batch_size)
        return -(-longest // self.length)

    def at(self, step: int) -> dict[str, np.ndarray]:
        """Return the chunk of `step`, counted from 0 over all epochs.

        Returns:
          "inputs" and "targets", `(rows, length)` int32, where the targets are the tokens that
          follow the inputs; "mask", `(rows, length)` bool, False where the chunk is padded with
          `start`, all for the rows of `share`; and "fresh", `()` bool, True if the chunk is the
          first of its epoch, where the state starts at zero.

        Raises:
          ValueError: `step` is negative.
        """
        check_at_least(0, step=step)
        epoch, chunk = divmod(step, self.steps_per_epoch)
        count, begin = len(self.tokens), 0
        if self.steps_per_epoch > 1:
            begin = int(np.random.default_rng([self.seed, epoch]).integers(count))
        row = np.arange(self.batch_size)[own_rows(self.share, self.batch_size), None]
        first, end = (each * count // self.batch_size for each in (row, row + 1))
        read = first + chunk * self.length + np.arange(self.length)
        mask = read < end
        where = (begin + read) % count
        return token_chunk(self.tokens, where, self.start, mask) | {
            "mask": mask,
            "fresh": np.asarray(chunk == 0),
        }


def evaluation_chunks(
    tokens: TokenArray, batch_size: int, length: int, start: int, overlap: int = 0
) -> Iterator[dict[str, np.ndarray]]:
    """Return an iterator over chunks of a text in which every token is a target exactly once.

    The text is cut into `batch_size` contiguous streams of the same length; the last streams may be
    shorter or empty. Each stream but the first begins with the last `overlap` tokens of the one
    before, which do not count again: a model reads them to have a state. Each stream is cut into
    chunks as in `Chunks`. All chunks have the same shape, so that a model is compiled once.

    Args:
      tokens: the text, `(n,)` integers, at least one.
      batch_size: number of streams, at least 1.
      length: tokens per chunk, at least 1.
      start: the token before the first one of the text.
      overlap: tokens that two streams share, at least 0.

    Yields:
      "inputs" and "targets", `(batch_size, length)` int32; "mask", `(batch_size, length)` bool,
      False where the chunk is padded with `start`; and "fresh", `()` bool, True for the first.

    Raises:
      ValueError: `tokens` are empty or not integers, or a number is too small.

    Example:
      >>> chunks = list(rx.data.evaluation_chunks(np.arange(1, 6), 2, 2, start=0))
      >>> chunks[0]["targets"].tolist(), chunks[0]["inputs"].tolist()
      ([[1, 2], [4, 5]], [[0, 1], [3, 4]])
      >>> chunks[1]["mask"].tolist()
      [[True, False], [False, False]]
    """
    check_text("tokens", tokens)
    check_positive(batch_size=batch_size, length=length)
    if not len(tokens):
        raise ValueError("tokens must be at least one, got none")
    check_at_least(0, overlap=overlap)
    return _evaluation_chunks(tokens, batch_size, length, start, overlap)


def _evaluation_chunks(
    tokens: TokenArray, batch_size: int, length: int, start: int, overlap: int
) -> Iterator[dict[str, np.ndarray]]:
    # What a stream adds to those before it; the first one, with nothing before it, adds all.
    new = max(1, -(-(len(tokens) - overlap) // batch_size))
    for done in range(0, overlap + new, length):
        within = done + np.arange(length)
        where = new * np.arange(batch_size)[:, None] + within
        inside = (within < overlap + new) & (where < len(tokens))
        mask = inside & ((within >= overlap) | (np.arange(batch_size) == 0)[:, None])
        yield token_chunk(tokens, np.where(inside, where, 0), start, inside) | {
            "mask": mask,
            "fresh": np.asarray(done == 0),
        }


def token_chunk(
    tokens: TokenArray, where: np.ndarray, start: int, inside: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the tokens before and at positions of the text; `start` is before the first."""
    before = np.where(where > 0, tokens[where - 1], start)
    return {
        "inputs": np.where(inside, before, start).astype(np.int32),
        "targets": np.where(inside, tokens[where], start).astype(np.int32),
    }
