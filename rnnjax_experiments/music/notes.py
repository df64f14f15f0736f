"""Names of notes: C4 is middle C, C#4 and Db4 the key above it."""

import re

from rnnjax.data.readers.music import KEYS, Chord

_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SIGNS = {"": 0, "#": 1, "b": -1}
_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_C0 = -9  # the key that C0 would have; A0 is key 0


def chord_of(text: str) -> Chord:
    """Return the keys of notes with white space between them, such as "C4 E4 G4".

    Raises:
      ValueError: one is no note, or not on the piano.
    """
    return tuple(sorted({_key(name) for name in text.split()}))


def name_of(key: int) -> str:
    """Return the name of a key's note, such as C#4."""
    octave, within = divmod(key - _C0, 12)
    return f"{_NAMES[within]}{octave}"


def _key(name: str) -> int:
    found = re.fullmatch(r"([A-G])([#b]?)(\d)", name)
    key = _C0 + 12 * int(found[3]) + _LETTERS[found[1]] + _SIGNS[found[2]] if found else -1
    if not 0 <= key < KEYS:
        raise ValueError(f"chord must be notes from A0 to C8, such as C4 F#4 Bb4, got {name!r}")
    return key
