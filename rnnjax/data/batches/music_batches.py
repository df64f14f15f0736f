"""Batches of polyphonic music, transposed, as a function of the step."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rnnjax.checks.values import check_at_least
from rnnjax.data.batches.buckets import Buckets
from rnnjax.data.encoding.encoded import Encoded
from rnnjax.data.readers.music import KEYS


@dataclass(frozen=True, eq=False)
class MusicBatches:
    """Batches of whole pieces, each shifted by some semitones.

    Each time, a piece gets a shift that is drawn anew, among those that keep all its keys on the
    piano. The seed of `buckets` and the step determine it.

    Attributes:
      encoded: the pieces; see `encode_music`.
      buckets: which pieces are in which batch.
      down: the most semitones to shift a piece downwards.
      up: the most semitones to shift a piece upwards.

    Raises:
      ValueError: `down` or `up` is negative.

    Example:
      >>> encoded = rx.data.encode_music([((0, 4), (2,)), ((39,),)])
      >>> buckets = rx.data.Buckets(encoded.lengths, (2,), batch_size=2)
      >>> batch = rx.data.MusicBatches(encoded, buckets, down=5, up=6).at(0)
      >>> batch["chords"].shape, int(batch["chords"].min())
      ((2, 2, 2), -1)
    """

    encoded: Encoded
    buckets: Buckets
    down: int = 0
    up: int = 0

    def __post_init__(self) -> None:
        check_at_least(0, down=self.down, up=self.up)

    def at(self, step: int) -> dict[str, np.ndarray]:
        """Return the batch of `step`, counted from 0 over all epochs; see `Encoded.batch`."""
        rows, length = self.buckets.at(step)
        batch = self.encoded.batch(self.buckets.own(rows), length)
        rng = np.random.default_rng([self.buckets.seed, step])
        lowest, highest = (np.where(rows < 0, 0, ends[rows]) for ends in self._ranges)
        shifts = rng.integers(
            -np.minimum(lowest, self.down), np.minimum(KEYS - 1 - highest, self.up), endpoint=True
        )
        chords = batch["chords"]
        shifted = chords + self.buckets.own(shifts).astype(np.int32)[:, None, None]
        batch["chords"] = np.where(chords < 0, chords, shifted)
        return batch

    @cached_property
    def _ranges(self) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and the highest key of each piece; of rests alone, the reverse."""
        chords, lengths = self.encoded.inputs["chords"], self.encoded.lengths
        piece = np.repeat(np.arange(len(lengths)), lengths)
        lowest, highest = np.full(len(lengths), KEYS - 1), np.zeros(len(lengths), np.int64)
        np.minimum.at(lowest, piece, np.where(chords < 0, KEYS - 1, chords).min(axis=1))
        np.maximum.at(highest, piece, chords.max(axis=1))
        return lowest, highest
