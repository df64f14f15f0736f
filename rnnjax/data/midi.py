"""Writing polyphonic music as MIDI files."""

import struct
from pathlib import Path

from rnnjax.checks.values import check_at_least, check_positive
from rnnjax.data.readers.music import Piece

_LOWEST = 21  # MIDI's number of A0, which is key 0
_TICKS = 480  # of a beat
_ON, _OFF, _VELOCITY = 0x90, 0x80, 80
_END = b"\xff\x2f\x00"


def write_midi(
    path: str | Path, piece: Piece, *, beats_per_minute: float = 100.0, steps_per_beat: int = 2
) -> None:
    """Write a piece as a Standard MIDI File of format 0, one track for a piano.

    A key that sounds in several steps one after the other is one note, which is held.

    Args:
      path: the file.
      piece: its chords; see `rnnjax.data.Music`.
      beats_per_minute: the tempo.
      steps_per_beat: how many steps of the piece are one beat, a quarter note.

    Raises:
      ValueError: a setting is out of range, or MIDI cannot have the tempo: it takes at most 16.7
        seconds a beat.
      OSError: the file cannot be written.

    Example:
      >>> rx.data.write_midi("chord.mid", ((39, 43, 46), (39, 43, 46), ()))
      >>> Path("chord.mid").read_bytes()[:4]
      b'MThd'
    """
    check_positive(steps_per_beat=steps_per_beat)
    check_at_least(4, beats_per_minute=beats_per_minute)
    microseconds = round(60e6 / beats_per_minute)
    events = [b"\x00\xff\x51\x03" + microseconds.to_bytes(3, "big")]
    before: frozenset[int] = frozenset()
    now = written = 0  # in ticks
    for step, chord in enumerate((*map(frozenset, piece), frozenset())):
        now = step * _TICKS // steps_per_beat
        ended, begun = sorted(before - chord), sorted(chord - before)
        for kind, key in [*((_OFF, key) for key in ended), *((_ON, key) for key in begun)]:
            note = bytes([kind, key + _LOWEST, _VELOCITY])
            events.append(_variable_length(now - written) + note)
            written = now
        before = chord
    track = b"".join(events) + _variable_length(now - written) + _END
    header = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, _TICKS)
    Path(path).write_bytes(header + struct.pack(">4sI", b"MTrk", len(track)) + track)


def _variable_length(number: int) -> bytes:
    """Return a number in groups of 7 bits, the highest first; all but the last have the 8th bit."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))
