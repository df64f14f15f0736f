"""From frames and transcripts to arrays."""

from collections.abc import Sequence

import numpy as np

from rnnjax.data.encoding.encoded import Encoded, ragged


def frames_needed(symbols: np.ndarray) -> int:
    """Return the fewest steps of a model that a transcript needs.

    It is one for each symbol, and one for the blank between two equal neighbours; see
    `rnnjax.losses.ctc_loss`.

    Args:
      symbols: `(n,)` ids.

    Example:
      >>> rx.data.frames_needed(np.array([3, 3, 1]))
      4
    """
    return len(symbols) + int((symbols[1:] == symbols[:-1]).sum())


def encode_frames(
    frames: Sequence[np.ndarray], symbols: Sequence[np.ndarray], features: int
) -> Encoded:
    """Return sequences of frames with their transcripts, in the form that a `Transcriber` reads.

    Args:
      frames: of each sequence its frames `(n, features)`.
      symbols: of each sequence the ids of its transcript, `(n,)`.
      features: the number of features of a frame.

    Returns:
      The input "frames", and of each sequence "targets", padded with 0 to a power of two, and
      "target_lengths".

    Example:
      >>> frames = [np.ones((5, 2)), np.ones((3, 2))]
      >>> encoded = rx.data.encode_frames(frames, [np.array([1, 2, 1]), np.array([2])], features=2)
      >>> batch = encoded.batch(np.array([1, 0]), length=6)
      >>> batch["frames"].shape, batch["targets"].tolist(), batch["target_lengths"].tolist()
      ((2, 6, 2), [[2, 0, 0, 0], [1, 2, 1, 0]], [1, 3])
    """
    return with_targets(frames, *padded_symbols(symbols), features)


def with_targets(
    frames: Sequence[np.ndarray], targets: np.ndarray, lengths: np.ndarray, features: int
) -> Encoded:
    """Return what `encode_frames` does, of targets that are padded already."""
    inputs = np.concatenate([np.zeros((0, features)), *frames]).astype(np.float32)
    wholes = {"targets": targets, "target_lengths": lengths}
    return Encoded(ragged(frames), {"frames": inputs}, {}, wholes)


def padded_symbols(symbols: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return transcripts padded to a power of two, so that few shapes occur, and their lengths."""
    lengths = np.array([len(each) for each in symbols], np.int32)
    width = 1 << max(int(lengths.max(initial=1)) - 1, 0).bit_length()
    targets = np.zeros((len(symbols), width), np.int32)
    for row, each in zip(targets, symbols, strict=True):
        row[: len(each)] = each
    return targets, lengths
