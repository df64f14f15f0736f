"""Batches of speech for training: each recording is changed in another way at each step."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rnnjax.checks.values import check_at_least, check_positive
from rnnjax.data.batches.buckets import Buckets, choose_borders
from rnnjax.data.batches.share import WHOLE, Share
from rnnjax.data.encoding.log_mel import LogMel
from rnnjax.data.encoding.transcripts import padded_symbols, with_targets


@dataclass(frozen=True)
class SpeechAugmentation:
    """How recordings are changed for training, by random numbers; all 0 changes nothing.

    Time and frequency masks are those of SpecAugment (Park et al. 2019, arXiv:1904.08779), changes
    of speed those of Ko et al. 2015, "Audio augmentation for speech recognition".

    Attributes:
      speed: a recording is played faster or slower by up to this factor, as a natural logarithm;
        its pitch and formants change with it.
      gain: it is made louder or softer by up to so many dB.
      noise: white noise is added to this share of the recordings, 10 to 50 dB below the speech.
      time_masks: number of stretches of time that are hidden.
      time_width: longest of them, in frames.
      frequency_masks: number of bands that are hidden.
      frequency_width: widest of them, in filters.

    Raises:
      ValueError: a number is negative.

    Example:
      >>> frames = np.ones((6, 4), np.float32)
      >>> augmentation = rx.data.SpeechAugmentation(time_masks=1, time_width=3)
      >>> augmentation.masked(frames, np.random.default_rng(0)).sum(axis=1).tolist()
      [4.0, 4.0, 0.0, 0.0, 0.0, 4.0]
    """

    speed: float = 0.0
    gain: float = 0.0
    noise: float = 0.0
    time_masks: int = 0
    time_width: int = 10
    frequency_masks: int = 0
    frequency_width: int = 6

    def __post_init__(self) -> None:
        check_at_least(0, **vars(self))

    def sound(self, samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return samples `(n,)` at another speed, with noise, and louder or softer."""
        samples = change_speed(samples, float(np.exp(rng.uniform(-self.speed, self.speed))))
        if rng.random() < self.noise:
            level = np.sqrt(np.mean(samples**2)) * 10 ** (-rng.uniform(10, 50) / 20)
            samples = samples + np.float32(level) * rng.standard_normal(len(samples), np.float32)
        return samples * np.float32(10 ** (rng.uniform(-self.gain, self.gain) / 20))

    def masked(self, frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return frames `(time, features)` with 0, their mean, in stretches and in bands."""
        frames = frames.copy()
        widths = (self.time_masks, self.time_width), (self.frequency_masks, self.frequency_width)
        for axis, (count, widest) in enumerate(widths):
            for _ in range(count):
                size = frames.shape[axis]
                width = rng.integers(0, min(widest, size) + 1)
                start = rng.integers(0, size - width + 1)
                np.moveaxis(frames, axis, 0)[start : start + width] = 0
        return frames


def change_speed(samples: np.ndarray, factor: float) -> np.ndarray:
    """Return a recording played `factor` times as fast, by linear interpolation.

    Args:
      samples: `(n,)`, n at least 1.
      factor: above 1, it is shorter and higher.

    Example:
      >>> rx.data.change_speed(np.arange(6.0, dtype=np.float32), 2.0).tolist()
      [0.0, 2.0, 4.0]
    """
    places = np.arange(max(1, round(len(samples) / factor))) * factor
    return np.interp(places, np.arange(len(samples)), samples).astype(np.float32)


@dataclass(frozen=True, eq=False)
class SpeechBatches:
    """Batches of recordings and their transcripts, as a function of the step.

    Attributes:
      recordings: the samples `(n,)` of each recording.
      symbols: the ids of each transcript.
      features: what makes frames of samples.
      augmentation: how recordings are changed.
      shapes: number of lengths to pad to; see `choose_borders`.
      batch_size: the largest number of recordings in a batch.
      seed: seed of the order and of the changes.
      share: see `Buckets`; each part changes all recordings of a batch, as each draws after the
        one before.

    Example:
      >>> recordings = [np.ones(900, np.float32), np.ones(500, np.float32)]
      >>> batches = rx.data.SpeechBatches(
      ...     recordings, [np.array([1, 2]), np.array([1])], rx.data.LogMel(8000, filters=20),
      ...     rx.data.SpeechAugmentation(speed=0.1), shapes=1, batch_size=2, seed=0
      ... )
      >>> {name: array.shape for name, array in batches.at(0).items()}
      {'frames': (2, 11, 20), 'targets': (2, 2), 'target_lengths': (2,), 'lengths': (2,)}
    """

    recordings: Sequence[np.ndarray]
    symbols: Sequence[np.ndarray]
    features: LogMel
    augmentation: SpeechAugmentation
    shapes: int
    batch_size: int
    seed: int
    share: Share = WHOLE

    def __post_init__(self) -> None:
        check_positive(shapes=self.shapes, batch_size=self.batch_size)

    @cached_property
    def buckets(self) -> Buckets:
        """Which recordings are in which batch, by their lengths at the slowest speed."""
        slow = np.exp(self.augmentation.speed)
        slowest = [self.features.frames(1 + int(slow * len(each))) for each in self.recordings]
        lengths = np.array(slowest, np.int64)
        return Buckets(
            lengths,
            choose_borders(lengths, self.shapes),
            self.batch_size,
            seed=self.seed,
            share=self.share,
        )

    @cached_property
    def _targets(self) -> tuple[np.ndarray, np.ndarray]:
        return padded_symbols(self.symbols)

    def at(self, step: int) -> dict[str, np.ndarray]:
        """Return the batch of `step`, counted from 0 over all epochs; see `encode_frames`."""
        rows, length = self.buckets.at(step)
        rng = np.random.default_rng([self.seed, step])
        real = rows[rows >= 0]
        frames = [self._drawn(self.recordings[row], rng) for row in real]
        targets, lengths = self._targets
        encoded = with_targets(frames, targets[real], lengths[real], self.features.filters)
        # The rows without a recording come last.
        places = np.where(rows >= 0, np.arange(len(rows)), -1)
        return encoded.batch(self.buckets.own(places), length)

    def _drawn(self, samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        frames = self.features(self.augmentation.sound(samples, rng))
        return self.augmentation.masked(frames, rng)
