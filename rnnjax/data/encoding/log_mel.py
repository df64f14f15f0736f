"""Features of sound: the logarithm of its power in bands that are equally wide on the mel scale."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rnnjax.checks.values import check_positive


def hertz_to_mel(hertz: float | np.ndarray) -> np.ndarray:
    """Return frequencies in mel, a scale on which equal steps sound equally wide.

        mel = 2595 log10(1 + hertz / 700)

    (O'Shaughnessy 1987, "Speech Communication".)

    Args:
      hertz: any number of frequencies.

    Example:
      >>> [round(float(mel)) for mel in rx.data.hertz_to_mel(np.array([0.0, 1000.0, 4000.0]))]
      [0, 1000, 2146]
    """
    return 2595 * np.log10(1 + np.asarray(hertz) / 700)


@dataclass(frozen=True)
class LogMel:
    """Settings of log-mel features, and what computes them.

        frame[t, k] = log(floor + sum over f of filter[k, f] |DFT(window * samples of t)[f]|^2)

    The filters are triangles, whose corners are the centres of their neighbours, equally far from
    each other in mel; see `hertz_to_mel`. Windows are Hann's. The power of a window is divided by
    the squared sum of its weights, so that a tone's does not depend on the window's length.

    Then each filter's frames are normalised to mean 0 and variance 1, over the recording, whose
    samples are first scaled to a mean square of 1. With a fixed mean and scale, as a model needs
    that reads while frames come, samples are not scaled.

    Attributes:
      rate: samples a second.
      window: duration of a window, in seconds.
      hop: time from one window to the next, in seconds.
      filters: number of filters.
      lowest: where the first filter begins, in Hz.
      highest: where the last filter ends, in Hz, at most half the rate.
      floor: power that is added, so that silence is not minus infinity. A sine from -1 to 1 has a
        power of 1/4 at its frequency.
      mean: of each filter, to subtract; None takes the mean of each recording.
      scale: of each filter, to divide by; None takes the standard deviation of each recording.

    Raises:
      ValueError: a setting is out of range, or a filter has no frequency of the transform.

    Example:
      >>> features = rx.data.LogMel(rate=8000, filters=20)
      >>> features(np.sin(np.arange(8000)).astype(np.float32)).shape
      (99, 20)
    """

    rate: int
    window: float = 0.025
    hop: float = 0.01
    filters: int = 40
    lowest: float = 60.0
    highest: float = 3800.0
    floor: float = 3e-5
    mean: tuple[float, ...] | None = None
    scale: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check_positive(rate=self.rate, filters=self.filters)
        if not 0 <= self.lowest < self.highest <= self.rate / 2:
            raise ValueError(
                "lowest and highest must lie between 0 and half the rate and increase, got "
                f"{self.lowest} and {self.highest} Hz at {self.rate} samples a second"
            )
        if not self.window * self.rate >= 2 or not self.hop * self.rate >= 1:
            raise ValueError(
                "window must be at least 2 samples and hop at least 1, got "
                f"{self.window} and {self.hop} seconds at {self.rate} samples a second"
            )
        if not self.floor > 0:
            raise ValueError(f"floor must be positive, got {self.floor}")
        if (self.mean is None) != (self.scale is None):
            raise ValueError("mean and scale must be given both, or neither")
        for name in ("mean", "scale"):
            values = getattr(self, name)
            if values is not None and len(values) != self.filters:
                raise ValueError(
                    f"{name} must have one number for each of {self.filters} filters, got "
                    f"{len(values)}"
                )
        empty = np.flatnonzero(self.matrix.sum(axis=1) == 0)
        if empty.size:
            raise ValueError(
                f"filters must be few enough that each has a frequency, got {self.filters}: "
                f"number {empty[0] + 1} has none"
            )

    @property
    def sizes(self) -> tuple[int, int]:
        """The window and the hop, in samples."""
        return round(self.window * self.rate), round(self.hop * self.rate)

    @cached_property
    def matrix(self) -> np.ndarray:
        """The filters, `(filters, frequencies)` float32, by the frequencies of the transform."""
        size = _transform_size(self.sizes[0])
        mels = hertz_to_mel(np.arange(size // 2 + 1) * self.rate / size)
        low, high = hertz_to_mel(np.array([self.lowest, self.highest]))
        corners = np.linspace(low, high, self.filters + 2)
        step = corners[1] - corners[0]
        return np.maximum(0, 1 - np.abs(mels - corners[1:-1, None]) / step).astype(np.float32)

    @cached_property
    def _weights(self) -> np.ndarray:
        weights = np.hanning(self.sizes[0] + 2)[1:-1]  # without the two that are zero
        return (weights / weights.sum()).astype(np.float32)

    def frames(self, samples: int) -> int:
        """Return the number of frames of a recording: the last window may end after it."""
        window, hop = self.sizes
        return 1 + max(0, -(-(samples - window) // hop))

    def log_power(self, samples: np.ndarray) -> np.ndarray:
        """Return the features of samples `(n,)` before they are normalised, `(frames, filters)`."""
        if samples.ndim != 1 or not len(samples):
            raise ValueError(f"samples must have shape (n,), n at least 1, got {samples.shape}")
        window, hop = self.sizes
        if self.mean is None:
            samples = samples / np.float32(max(np.sqrt(np.mean(samples**2)), 1e-6))
        count = self.frames(len(samples))
        padded = np.pad(samples, (0, (count - 1) * hop + window - len(samples)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
        spectrum = np.fft.rfft(windows * self._weights, _transform_size(window))
        power = spectrum.real**2 + spectrum.imag**2
        # Not a product by BLAS, whose threads get in the way of JAX's.
        bands = np.einsum("tf,kf->tk", power, self.matrix)
        return np.log(bands + np.float32(self.floor))

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Return the features of samples `(n,)`, normalised, `(frames, filters)` float32."""
        return self.normalized(self.log_power(samples))

    def normalized(self, frames: np.ndarray) -> np.ndarray:
        """Return features `(frames, filters)` of one recording normalised."""
        mean = frames.mean(axis=0) if self.mean is None else np.array(self.mean, np.float32)
        scale = frames.std(axis=0) if self.scale is None else np.array(self.scale, np.float32)
        return ((frames - mean) / np.maximum(scale, 1e-3)).astype(np.float32)

    def fitted(self, recordings: Sequence[np.ndarray]) -> "LogMel":
        """Return features with the mean and scale of all frames of some recordings.

        Args:
          recordings: samples `(n,)` of each.
        """
        none = dataclasses.replace(self, mean=(0.0,) * self.filters, scale=(1.0,) * self.filters)
        frames = np.concatenate([none.log_power(each) for each in recordings]).astype(np.float64)
        mean, scale = tuple(frames.mean(axis=0).tolist()), tuple(frames.std(axis=0).tolist())
        return dataclasses.replace(self, mean=mean, scale=scale)


def _transform_size(window: int) -> int:
    return 1 << (window - 1).bit_length()
