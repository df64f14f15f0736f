"""Batches of sentences of similar length, for little padding and few compiled shapes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np

from rnnjax.checks.values import check_at_least, check_positive
from rnnjax.data.batches.share import WHOLE, Share, check_share, own_rows


def choose_borders(lengths: np.ndarray, count: int) -> tuple[int, ...]:
    """Return the lengths to pad sentences to that need the least padding in total.

    Dynamic programming over the distinct lengths finds the exact optimum: `count` rounds of
    O(n log n) for n distinct lengths.

    Args:
      lengths: `(sentences,)` integers, the tokens of each sentence.
      count: the largest number of lengths to pad to, at least 1.

    Returns:
      Increasing lengths, each at least 1; the last one is the longest sentence's.

    Raises:
      ValueError: `count` is below 1.

    Example:
      >>> rx.data.choose_borders(np.array([2, 2, 3, 9, 10]), 2)
      (3, 10)
    """
    check_positive(count=count)
    values, numbers = np.unique(np.maximum(lengths, 1), return_counts=True)
    before = np.concatenate([[0], np.cumsum(numbers)])
    # best[j]: the fewest tokens of the distinct lengths up to j, padding included.
    best, starts = values * before[1:], []
    for _ in range(min(count, len(values)) - 1):
        best, start = _one_more_bucket(best, values, before)
        starts.append(start)
    borders, last = [], len(values) - 1
    for start in reversed(starts):
        borders.append(int(values[last]))
        last = int(start[last]) - 1
        if last < 0:
            break
    if last >= 0:
        borders.append(int(values[last]))
    return tuple(reversed(borders))


def _one_more_bucket(
    best: np.ndarray, values: np.ndarray, before: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the costs with one more bucket, and the distinct length at which the last one starts.

    The start never decreases as lengths grow. So the start for the middle length halves the search
    for those on either side of it.
    """
    reached = np.concatenate([[0], best[:-1]])  # by the buckets before one that starts at i
    costs, starts = np.empty_like(best), np.empty_like(best)
    todo = [(0, len(values), 0, len(values) - 1)]
    while todo:
        first, end, low, high = todo.pop()
        if first == end:
            continue
        middle = (first + end) // 2
        start = np.arange(low, min(middle, high) + 1)
        options = reached[start] + values[middle] * (before[middle + 1] - before[start])
        place = int(options.argmin())
        costs[middle], starts[middle] = options[place], low + place
        todo += [(first, middle, low, low + place), (middle + 1, end, low + place, high)]
    return costs, starts


@dataclass(frozen=True, eq=False)
class Buckets:
    """Says which sentences are in which batch.

    Attributes:
      lengths: `(sentences,)` integers, the tokens of each sentence.
      borders: increasing lengths to pad to, each at least 1. A sentence longer than the last one is
        padded to the next power of two.
      batch_size: the largest number of sentences in a batch.
      max_tokens: the largest number of tokens in a batch, padding included. A longer sentence is a
        batch of its own. Where it allows fewer sentences than `batch_size`, a batch has a power of
        two of them, so that devices and processes can divide it.
      seed: seed of the order, at least 0; every epoch has another order.
      share: which part of each batch `own` returns, counted from 0, and the number of parts: the
        rows of one of several processes. The parts are contiguous and equally large.

    Raises:
      ValueError: there are no sentences, the borders do not increase, a number is too small, or
        the parts do not divide a batch.

    Example:
      >>> buckets = rx.data.Buckets(np.array([2, 9, 3, 10]), (3, 10), batch_size=2)
      >>> buckets.steps_per_epoch
      2
      >>> list(buckets.in_order())
      [(array([0, 2]), 3), (array([1, 3]), 10)]
    """

    lengths: np.ndarray
    borders: tuple[int, ...]
    batch_size: int
    max_tokens: int = 16_384
    seed: int = 0
    share: Share = WHOLE

    def __post_init__(self) -> None:
        if not len(self.lengths):
            raise ValueError("lengths must be of at least one sentence, got none")
        check_positive(batch_size=self.batch_size, max_tokens=self.max_tokens)
        if any(a >= b for a, b in pairwise((0, *self.borders))):
            raise ValueError(f"borders must be positive and increase, got {self.borders}")
        check_at_least(0, seed=self.seed)
        check_share(self.share, batch_size=self.batch_size)
        if self.share != WHOLE:
            for rows, length in self.shapes:
                check_share(self.share, **{f"a batch of sentences of {length} tokens": rows})

    @property
    def steps_per_epoch(self) -> int:
        """The number of batches in one epoch."""
        return len(self._batches)

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """The shapes `(batch, length)` that occur."""
        return [(self._rows(length), length) for length in self._members]

    def at(self, step: int) -> tuple[np.ndarray, int]:
        """Return the batch of `step`, counted from 0 over all epochs.

        Each epoch shuffles the sentences of each bucket, and the order of all batches. If a bucket
        does not fill its last batch, the rows without a sentence are -1.

        Returns:
          The sentences of the whole batch, `(batch,)` integers, and the length to pad them to.

        Raises:
          ValueError: `step` is negative.
        """
        check_at_least(0, step=step)
        epoch, number = divmod(step, self.steps_per_epoch)
        order, shuffled = self._of_epoch(epoch)
        length, first = self._batches[order[number]]
        return self._cut(shuffled[length], length, first), length

    def in_order(self) -> Iterator[tuple[np.ndarray, int]]:
        """Yield the batches of all sentences once, as `at` returns them, the shortest first."""
        for length, first in self._batches:
            yield self._cut(self._members[length], length, first), length

    @cached_property
    def _members(self) -> dict[int, np.ndarray]:
        """The sentences of each bucket, by the length that it pads to."""
        place = np.searchsorted(np.array(self.borders, np.int64), self.lengths)
        above = 2 ** np.ceil(np.log2(np.maximum(self.lengths, 1))).astype(np.int64)
        padded = np.array([*self.borders, 0])[place]
        padded = np.where(place == len(self.borders), above, padded)
        return {int(length): np.flatnonzero(padded == length) for length in np.unique(padded)}

    @cached_property
    def _batches(self) -> list[tuple[int, int]]:
        """For each batch, its length, and the place of its first sentence in the bucket."""
        return [
            (length, first)
            for length, members in self._members.items()
            for first in range(0, len(members), self._rows(length))
        ]

    @cached_property
    def _of_epoch(self) -> Callable[[int], tuple[np.ndarray, dict[int, np.ndarray]]]:
        """`_shuffled` with the last result cached: most steps are of the same epoch."""
        return lru_cache(maxsize=1)(self._shuffled)

    def _shuffled(self, epoch: int) -> tuple[np.ndarray, dict[int, np.ndarray]]:
        rng = np.random.default_rng([self.seed, epoch])
        members = {length: rng.permutation(rows) for length, rows in self._members.items()}
        return rng.permutation(len(self._batches)), members

    def own(self, values: np.ndarray) -> np.ndarray:
        """Return the rows of `share` of an array with a row for each of a whole batch."""
        return values[own_rows(self.share, len(values))]

    def _rows(self, length: int) -> int:
        most = max(1, self.max_tokens // length)
        return self.batch_size if most >= self.batch_size else 2 ** (most.bit_length() - 1)

    def _cut(self, members: np.ndarray, length: int, first: int) -> np.ndarray:
        rows = np.full(self._rows(length), -1, np.int64)
        cut = members[first : first + len(rows)]
        rows[: len(cut)] = cut
        return rows
