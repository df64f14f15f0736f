"""Reading polyphonic music: the keys of a piano that sound at each step."""

import json
from typing import Any, NamedTuple

from rnnjax.data.readers.text import Source, read_text

KEYS = 88  # of a piano; key 0 is the lowest, A0

# A piece is the chords of its steps; a chord is the keys that sound, ascending.
Chord = tuple[int, ...]
Piece = tuple[Chord, ...]


class Music(NamedTuple):
    """Pieces to train, validate and test on; `test` is empty if there is no test split.

    A piece is a tuple of chords, one for each step, and a chord the tuple of the keys that sound,
    from 0 (A0) to 87 (C8), ascending; without keys, it is a rest.

    Example:
      >>> music = rx.data.Music([((39, 43), (39,), ())], [], [])
      >>> [len(chord) for chord in music.train[0]]
      [2, 1, 0]
    """

    train: list[Piece]
    valid: list[Piece]
    test: list[Piece]


def read_music(path: Source) -> Music:
    """Return the pieces of a JSON file.

    The file holds `{"train": [piece, ...], "valid": [piece, ...], "test": [piece, ...]}`. A piece
    is a list of steps, a step the list of the keys that sound, integers from 0 to 87. "test" may be
    missing. A key that is listed twice in a step sounds once.

    Args:
      path: the file, compressed by gzip or not.

    Raises:
      ValueError: the file cannot be read or is not JSON of this layout. The message names the file,
        and, as far as it is about one, the split, the piece and the step, both counted from 1, and
        the value.

    Example:
      >>> _ = Path("music.json").write_text('{"train": [[[39, 43], []]], "valid": [[[39]]]}')
      >>> rx.data.read_music("music.json")
      Music(train=[((39, 43), ())], valid=[((39,),)], test=[])
    """
    try:
        found = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: must be JSON: {error.msg}") from error
    except RecursionError:
        raise ValueError(f"{path} must be JSON of splits, got brackets nested too deep") from None
    if not isinstance(found, dict) or not {"train", "valid"} <= set(found) <= {*Music._fields}:
        raise ValueError(
            f'{path} must hold an object with "train", "valid" and perhaps "test", got '
            f"{_shown(list(found) if isinstance(found, dict) else found)}"
        )
    return Music(*(_pieces(found.get(name, []), f"{path}, {name}") for name in Music._fields))


def _pieces(pieces: Any, place: str) -> list[Piece]:
    if not isinstance(pieces, list):
        raise ValueError(f"{place}: a split must be a list of pieces, got {_shown(pieces)}")
    return [_piece(each, f"{place}, piece {number}") for number, each in enumerate(pieces, 1)]


def _piece(steps: Any, place: str) -> Piece:
    if not isinstance(steps, list) or not steps:
        raise ValueError(
            f"{place}: a piece must be a list of at least one step, got {_shown(steps)}"
        )
    return tuple(_chord(keys, f"{place}, step {number}") for number, keys in enumerate(steps, 1))


def _chord(keys: Any, place: str) -> Chord:
    if not isinstance(keys, list):
        raise ValueError(f"{place}: a step must be a list of keys, got {_shown(keys)}")
    for key in keys:
        # JSON's true is an int to Python.
        if type(key) is not int or not 0 <= key < KEYS:
            raise ValueError(
                f"{place}: a key must be an integer from 0 to {KEYS - 1}, got {_shown(key)}; it is "
                "MIDI's number less 21"
            )
    return tuple(sorted(set(keys)))


def _shown(value: Any) -> str:
    """Return a value as the file has it, the start of a long one."""
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
