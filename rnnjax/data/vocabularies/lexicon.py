"""Ids of strings, such as words or characters."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rnnjax.data.readers.text import composed

PAD, UNKNOWN = 0, 1
_SPECIAL = 2

_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Lexicon:
    """Strings and their ids: `symbols[i]` has id i + 2; id 0 is padding and id 1 is unknown.

    Attributes:
      symbols: the strings, normalised and distinct.
      known: how many of them, from the front, are well known. The others occurred only once, and a
        model may learn from them what unknown words are like.
      lowercase: convert strings to lower case before looking them up.
      fold_digits: read every digit as 0.

    Raises:
      ValueError: a symbol occurs twice, or `known` is not between 0 and the number of symbols.

    Example:
      >>> words = rx.data.Lexicon.of("the cat saw the dog".split())
      >>> words.symbols
      ('the', 'cat', 'dog', 'saw')
      >>> words.encode(["the", "dog", "ran"])
      array([2, 4, 1], dtype=int32)
      >>> words.encode(["the", "dog", "ran"], words.missing(["a", "ran"]))
      array([2, 4, 7], dtype=int32)
    """

    symbols: tuple[str, ...]
    known: int
    lowercase: bool = False
    fold_digits: bool = False

    def __post_init__(self) -> None:
        if len(set(self.symbols)) != len(self.symbols):
            raise ValueError("symbols must be distinct, got some twice")
        if not 0 <= self.known <= len(self.symbols):
            raise ValueError(f"known must lie in [0, {len(self.symbols)}], got {self.known}")

    @classmethod
    def of(
        cls,
        strings: Iterable[str],
        more: Iterable[str] = (),
        *,
        lowercase: bool = False,
        fold_digits: bool = False,
    ) -> "Lexicon":
        """Return a lexicon of the distinct strings, the known ones first.

        A string is known if it occurs more than once or is one of `more`. The most frequent come
        first; ties are sorted by spelling.

        Args:
          strings: the strings of a training text, with repetitions.
          more: strings that are known from elsewhere, such as words with pre-trained vectors.
          lowercase: see `Lexicon`.
          fold_digits: see `Lexicon`.
        """
        normal = cls((), 0, lowercase, fold_digits).normal
        counts = Counter(map(normal, strings))
        known = {*map(normal, more), *(string for string in counts if counts[string] > 1)}
        ranked = sorted({*counts, *known}, key=lambda s: (s not in known, -counts[s], s))
        return cls(tuple(ranked), len(known), lowercase, fold_digits)

    def __len__(self) -> int:
        return len(self.symbols) + _SPECIAL

    @property
    def names(self) -> tuple[str | int, ...]:
        """What each id stands for: the string, of padding and of the unknown the id."""
        return (PAD, UNKNOWN, *self.symbols)

    @property
    def first_rare(self) -> int:
        """The first id of the strings that are not known: those with this id or a larger one."""
        return self.known + _SPECIAL

    def normal(self, string: str) -> str:
        """Return the string in the form that is looked up."""
        string = composed(string)
        if self.lowercase:
            string = string.lower()
        return _DIGIT.sub("0", string) if self.fold_digits else string

    def encode(self, strings: Sequence[str], more: Sequence[str] = ()) -> np.ndarray:
        """Return the ids of `strings`, `(strings,)` int32.

        Args:
          strings: the strings.
          more: strings of one text that get the ids from `len(lexicon)` on, as `missing` returns
            them; see `rnnjax.models.PointerGenerator`.
        """
        own = {string: len(self) + i for i, string in enumerate(more)}
        normal = map(self.normal, strings)
        ids = (self._index.get(each, own.get(each, UNKNOWN)) for each in normal)
        return np.fromiter(ids, np.int32, len(strings))

    def missing(self, strings: Iterable[str]) -> tuple[str, ...]:
        """Return the distinct strings that the lexicon lacks, normalised, in order."""
        normal = dict.fromkeys(map(self.normal, strings))
        return tuple(string for string in normal if string not in self._index)

    def decode(self, ids: Sequence[int], more: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the strings of `ids`, without padding.

        Args:
          ids: integers, none of them that of the unknown string.
          more: see `encode`.

        Raises:
          ValueError: an id has no string.
        """
        end = len(self) + len(more)
        if wrong := [i for i in ids if not (i == PAD or _SPECIAL <= i < end)]:
            raise ValueError(f"ids must be 0 or lie in [{_SPECIAL}, {end}), got {wrong[0]}")
        known = len(self)
        return tuple(
            self.symbols[i - _SPECIAL] if i < known else more[i - known] for i in ids if i != PAD
        )

    @cached_property
    def _index(self) -> dict[str, int]:
        return {symbol: i + _SPECIAL for i, symbol in enumerate(self.symbols)}
