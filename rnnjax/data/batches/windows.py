"""Batches of windows of series, as a function of the step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rnnjax.checks.values import check_at_least, check_positive
from rnnjax.data.batches.share import WHOLE, Share, check_share, own_rows
from rnnjax.data.encoding.series_encoder import EncodedSeries

Span = tuple[int, int]  # steps of a series, as in a slice


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of series, with what comes after each of their steps.

    At each step of a window the model forecasts the values `horizons` steps later, or how much they
    will differ from the last known value, if the series has these. Only targets
    within the series' span count, and only those of steps that have at least `warmup` steps of the
    window before them. All others are NaN.

    Attributes:
      series: the series.
      spans: of each series, the steps whose values are targets, as in a slice.
      history: the most steps of a window.
      horizons: how many steps ahead the targets lie, increasing.
      warmup: the first steps of a window, after which no target counts: a recurrent core knows too
        little there.
      batch_size: windows in a batch.
      seed: seed of the windows that are drawn.
      share: which part of each batch `at` returns, counted from 0, and the number of parts: the
        rows of one of several processes. The parts are contiguous and equally large.

    Raises:
      ValueError: a number is out of range, no target lies in a span, or the parts do not divide the
        batch.

    Example:
      >>> series = rx.data.EncodedSeries(np.arange(9.0), np.arange(9.0)[:, None], np.zeros((9, 0)))
      >>> windows = rx.data.Windows([series], [(0, 9)], 4, (1, 2), batch_size=2)
      >>> batch = windows.at(0)
      >>> {name: each.shape for name, each in batch.items()}
      {'inputs': (2, 4, 1), 'targets': (2, 4, 2), 'lengths': (2,)}
      >>> bool((batch["targets"][:, 0] == batch["inputs"][:, 0] + [1, 2]).all())
      True
    """

    series: Sequence[EncodedSeries]
    spans: Sequence[Span]
    history: int
    horizons: tuple[int, ...]
    warmup: int = 0
    batch_size: int = 32
    seed: int = 0
    share: Share = WHOLE

    def __post_init__(self) -> None:
        check_positive(history=self.history, batch_size=self.batch_size, first=self.horizons[0])
        check_at_least(0, warmup=self.warmup, seed=self.seed)
        check_share(self.share, batch_size=self.batch_size)
        if list(self.horizons) != sorted(set(self.horizons)):
            raise ValueError(f"horizons must increase, got {self.horizons}")
        if self.warmup >= self.history:
            raise ValueError(
                f"warmup must be smaller than the history of {self.history}, got {self.warmup}"
            )
        if not self.size:
            raise ValueError(
                f"spans must have room for a window of more than {self.warmup} steps and a target "
                f"{self.horizons[0]} steps later, got {list(self.spans)}"
            )

    @property
    def size(self) -> int:
        """The number of different windows that can be drawn."""
        return sum(end - start for start, end in self._ends())

    @property
    def steps(self) -> int:
        """The number of batches whose windows have about as many targets as there are."""
        targets = sum(max(0, end - start) for start, end in self.spans)
        return max(1, round(targets / ((self.history - self.warmup) * self.batch_size)))

    def at(self, step: int) -> dict[str, np.ndarray]:
        """Return the batch of `step`: windows drawn by the seed and the step, all equally likely.

        Returns:
          "inputs" `(batch, history, inputs)`; "targets" `(batch, history, horizons)`; "lengths"
          `(batch,)`, the steps of each window; and, if anything is known of the future, "known"
          `(batch, history, horizons, known)`, what is known of the steps of the targets.
        """
        rng = np.random.default_rng([self.seed, step])
        ends = self._ends()
        sizes = np.cumsum([0, *(end - start for start, end in ends)])
        drawn = rng.integers(0, sizes[-1], self.batch_size)
        rows = np.searchsorted(sizes, drawn, side="right") - 1
        lasts = [ends[i][0] + n - sizes[i] for i, n in zip(rows, drawn, strict=True)]
        windows = list(zip(rows, lasts, strict=True))
        return self._batch(windows[own_rows(self.share, self.batch_size)])

    def in_order(self) -> Iterator[dict[str, np.ndarray]]:
        """Yield batches of windows in which each target of the spans counts once.

        Those of the first steps of a series, before which there is no history, do not.
        """
        stride = self.history - self.warmup
        found = [
            (i, last)
            for i, (start, end) in enumerate(self.spans)
            for last in range(
                max(start - self.horizons[-1], self.warmup) + stride - 1,
                end - self.horizons[0] + stride - 1,
                stride,
            )
        ]
        for first in range(0, len(found), self.batch_size):
            yield self._filled(found[first : first + self.batch_size])

    def before(self, index: int, origins: np.ndarray) -> dict[str, np.ndarray]:
        """Return windows of the series `index` that end with the steps `origins`; see `at`.

        Args:
          index: which series.
          origins: `(windows,)`, at most `batch_size`; the batch is filled up with empty rows.
        """
        return self._filled([(index, origin) for origin in origins])

    def _ends(self) -> list[Span]:
        """Return, for each series, the last steps of the windows that can be drawn, as a slice."""
        found = []
        for start, end in self.spans:
            stop = end - self.horizons[0]
            first = max(start - self.horizons[0], min(self.history, stop) - 1, self.warmup)
            found.append((first, max(first, stop)))
        return found

    def _filled(self, windows: Sequence[tuple[int, int]]) -> dict[str, np.ndarray]:
        return self._batch([*windows, *[(0, -1)] * (self.batch_size - len(windows))])

    def _batch(self, windows: Sequence[tuple[int, int]]) -> dict[str, np.ndarray]:
        parts = [self._window(*window) for window in windows]
        return {name: np.stack([part[name] for part in parts]) for name in parts[0]}

    def _window(self, index: int, last: int) -> dict[str, np.ndarray]:
        """Return the window of a series that ends with the step `last`, padded to `history`."""
        series, (start, end) = self.series[index], self.spans[index]
        places = max(0, last - self.history + 1) + np.arange(self.history)
        length = max(0, min(last, len(series.target) - 1) - places[0] + 1)
        ahead = places[:, None] + np.array(self.horizons)
        counts = (np.arange(self.history) >= self.warmup) & (np.arange(self.history) < length)
        counts = counts[:, None] & (ahead >= start) & (ahead < min(end, len(series.target)))
        targets = _at(series.target, ahead)
        if series.last is not None:
            targets -= _at(series.last, places)[:, None]
        found: dict[str, np.ndarray] = {
            "inputs": _at(series.inputs, places),
            "targets": np.where(counts, targets, np.float32(np.nan)),
            "lengths": np.array(length, np.int32),
        }
        return found | ({"known": _at(series.known, ahead)} if series.known.shape[1] else {})


def _at(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return values at some steps; those after the last one are NaN."""
    inside = places < len(values)
    found = values[np.where(inside, places, 0)]
    found[~inside] = np.nan
    return found
