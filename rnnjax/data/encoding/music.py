"""Polyphonic music as arrays."""

from collections.abc import Sequence

import numpy as np

from rnnjax.data.encoding.encoded import Encoded, ragged
from rnnjax.data.readers.music import Piece

NO_KEY = -1  # fills a chord up


def encode_music(pieces: Sequence[Piece]) -> Encoded:
    """Return pieces as arrays, in the form that `rnnjax.models.PolyphonicModel` reads.

    Args:
      pieces: any number of them; see `Music`.

    Returns:
      The input "chords", `(steps, notes)` int32: the keys of each step, ascending, -1 after them;
      `notes` is the largest number of keys in a step, and at least 1.

    Example:
      >>> encoded = rx.data.encode_music([((39, 43), (39,)), ((27,),)])
      >>> encoded.inputs["chords"].tolist(), encoded.lengths.tolist()
      ([[39, 43], [39, -1], [27, -1]], [2, 1])
    """
    chords = [chord for piece in pieces for chord in piece]
    counts = np.array([len(chord) for chord in chords], np.int64)
    keys = np.full((len(chords), counts.max(initial=1)), NO_KEY, np.int32)
    keys[np.arange(keys.shape[1]) < counts[:, None]] = [key for chord in chords for key in chord]
    return Encoded(ragged(pieces), {"chords": keys}, {})
