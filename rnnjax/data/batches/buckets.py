"""Batches of sentences of like length, so that little is padded and few shapes compile."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np


def choose_borders(lengths: np.ndarray, count: int) -> tuple[int, ...]:
    """At most `count` lengths to pad to, the longest among them, that pad least in all.

    Args:
      lengths: (sentences,) integers.
      count: at least 1.

    Returns:
      Increasing lengths, each at least 1. They are the exact optimum, by dynamic programming over
      the distinct lengths.
    """
    if count < 1:
        raise ValueError(f"count is {count}; it must be at least 1")
    values, numbers = np.unique(np.maximum(lengths, 1), return_counts=True)
    before = np.concatenate([[0], np.cumsum(numbers)])
    # cost[i, j]: places taken by the sentences of the distinct lengths i to j, padded to the last.
    cost = values[None, :] * (before[None, 1:] - before[:-1, None])
    cost = np.where(np.tri(len(values), k=-1, dtype=bool), np.iinfo(np.int64).max // 4, cost)
    best, starts = cost[0] if len(values) else cost[:0], []
    for _ in range(min(count, len(values)) - 1):
        # A further bucket from length i on, after the best ones before it.
        options = np.concatenate([[0], best[:-1]])[:, None] + cost
        starts.append(options.argmin(axis=0))
        best = options.min(axis=0)
    borders, last = [], len(values) - 1
    for start in reversed(starts):
        borders.append(int(values[last]))
        last = int(start[last]) - 1
        if last < 0:
            break
    if last >= 0:
        borders.append(int(values[last]))
    return tuple(reversed(borders))


@dataclass(frozen=True, eq=False)
class Buckets:
    """Which sentences make up which batch.

    Attributes:
      lengths: (sentences,) integers, the tokens of each.
      borders: increasing lengths to pad to; what is longer than the last is padded to the next
        power of two above it.
      batch_size: most sentences in a batch.
      max_tokens: most tokens in a batch, padding included; a longer sentence is a batch by itself.
      seed: seed of the order; each epoch has its own.
    """

    lengths: np.ndarray
    borders: tuple[int, ...]
    batch_size: int
    max_tokens: int = 16_384
    seed: int = 0

    def __post_init__(self) -> None:
        if not len(self.lengths):
            raise ValueError("lengths are empty; there must be at least one sentence")
        for name in ("batch_size", "max_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if any(a >= b for a, b in pairwise((0, *self.borders))):
            raise ValueError(f"borders are {self.borders}; they must be positive and increase")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; it must be at least 0")

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one epoch."""
        return len(self._batches)

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """The shapes (batch, length) that occur."""
        return [(self._rows(length), length) for length in self._members]

    def at(self, step: int) -> tuple[np.ndarray, int]:
        """The batch of `step`, counted from 0 over all epochs.

        Each epoch shuffles the sentences of a bucket and the order of all batches. Where a bucket
        does not fill its last batch, that one has rows -1, for no sentence.

        Returns:
          The sentences, (batch,) integers, and the length to pad them to.
        """
        if step < 0:
            raise ValueError(f"step is {step}; it must be at least 0")
        epoch, number = divmod(step, self.steps_per_epoch)
        order, shuffled = self._of_epoch(epoch)
        length, first = self._batches[order[number]]
        return self._cut(shuffled[length], length, first), length

    def in_order(self) -> Iterator[tuple[np.ndarray, int]]:
        """All sentences once, as `at` gives them, shortest first."""
        for length, first in self._batches:
            yield self._cut(self._members[length], length, first), length

    @cached_property
    def _members(self) -> dict[int, np.ndarray]:
        """The sentences of each length to pad to."""
        place = np.searchsorted(np.array(self.borders, np.int64), self.lengths)
        above = 2 ** np.ceil(np.log2(np.maximum(self.lengths, 1))).astype(np.int64)
        padded = np.array([*self.borders, 0])[place]
        padded = np.where(place == len(self.borders), above, padded)
        return {int(length): np.flatnonzero(padded == length) for length in np.unique(padded)}

    @cached_property
    def _batches(self) -> list[tuple[int, int]]:
        """The length, and the place in its bucket of the first sentence, of each batch."""
        return [
            (length, first)
            for length, members in self._members.items()
            for first in range(0, len(members), self._rows(length))
        ]

    @cached_property
    def _of_epoch(self) -> Callable[[int], tuple[np.ndarray, dict[int, np.ndarray]]]:
        """`_shuffled`, which keeps the last epoch's: steps come in order."""
        return lru_cache(maxsize=1)(self._shuffled)

    def _shuffled(self, epoch: int) -> tuple[np.ndarray, dict[int, np.ndarray]]:
        rng = np.random.default_rng([self.seed, epoch])
        members = {length: rng.permutation(rows) for length, rows in self._members.items()}
        return rng.permutation(len(self._batches)), members

    def _rows(self, length: int) -> int:
        return max(1, min(self.batch_size, self.max_tokens // length))

    def _cut(self, members: np.ndarray, length: int, first: int) -> np.ndarray:
        rows = np.full(self._rows(length), -1, np.int64)
        cut = members[first : first + len(rows)]
        rows[: len(cut)] = cut
        return rows
