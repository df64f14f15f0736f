"""Reading and writing recordings: WAV files of one channel, 16 bits a sample."""

import wave
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnjax.checks.values import check_positive
from rnnjax.files import replacing

_FULL = 32_768  # of a sample of 16 bits


class Recording(NamedTuple):
    """A recording of one channel.

    Attributes:
      samples: `(n,)` float32 in [-1, 1).
      rate: samples a second.

    Example:
      >>> rx.data.Recording(np.zeros(4000, np.float32), rate=8000).seconds
      0.5
    """

    samples: np.ndarray
    rate: int

    @property
    def seconds(self) -> float:
        """The duration."""
        return len(self.samples) / self.rate


def read_wav(path: str | Path, rate: int | None = None) -> Recording:
    """Return the recording in a WAV file of one channel, 16 bits a sample, not compressed.

    Args:
      path: the file.
      rate: the number of samples a second that it must have; None takes any.

    Raises:
      ValueError: the file cannot be read, is of another format or rate, is cut short, or has no
        sample; the message names the file.

    Example:
      >>> rx.data.write_wav("beep.wav", rx.data.Recording(np.array([0.0, 0.5, -1.0]), 8000))
      >>> rx.data.read_wav("beep.wav").samples.tolist()
      [0.0, 0.5, -1.0]
    """
    try:
        with open(path, "rb") as file, wave.open(file) as content:
            kind, data = content.getparams(), content.readframes(content.getnframes())
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    except (wave.Error, EOFError) as error:
        reason = str(error) or "it ends within its header"
        raise ValueError(f"{path} must be a WAV file of 16-bit samples: {reason}") from error
    if kind.nchannels != 1 or kind.sampwidth != 2:
        raise ValueError(
            f"{path} must have 1 channel of 16 bits a sample, got {kind.nchannels} of "
            f"{8 * kind.sampwidth} bits"
        )
    if rate is not None and kind.framerate != rate:
        raise ValueError(f"{path} must have {rate} samples a second, got {kind.framerate}")
    if len(data) != 2 * kind.nframes:
        raise ValueError(
            f"{path} must have the {kind.nframes} samples that its header tells, got "
            f"{len(data) // 2}: it is cut short"
        )
    if not data:
        raise ValueError(f"{path} must have samples, got none")
    samples = np.frombuffer(data, "<i2").astype(np.float32) / _FULL
    return Recording(samples, kind.framerate)


def write_wav(path: str | Path, recording: Recording) -> None:
    """Write a recording as a WAV file that `read_wav` reads, completely or not at all.

    Args:
      path: the file.
      recording: samples outside [-1, 1) are clipped.

    Raises:
      ValueError: the samples have not one axis, or the rate is not positive.

    Example:
      >>> rx.data.write_wav("silence.wav", rx.data.Recording(np.zeros(80), 8000))
      >>> rx.data.read_wav("silence.wav").seconds
      0.01
    """
    samples, rate = recording
    check_positive(rate=rate)
    if np.ndim(samples) != 1:
        raise ValueError(f"samples must have shape (n,), got {np.shape(samples)}")
    data = np.clip(np.round(np.asarray(samples) * _FULL), -_FULL, _FULL - 1).astype("<i2")
    with replacing(Path(path)) as unfinished, wave.open(str(unfinished), "wb") as content:
        content.setparams((1, 2, rate, len(data), "NONE", "not compressed"))
        content.writeframes(data.tobytes())
