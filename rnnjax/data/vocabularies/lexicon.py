"""Between strings, words or characters, and their ids."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

PAD, UNKNOWN = 0, 1
_SPECIAL = 2

_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Lexicon:
    """Strings and their ids: `symbols[i]` has the id `i + 2`; 0 is padding, 1 what is not here.

    Attributes:
      symbols: the strings, normalised.
      known: how many of them, from the front, there is more to know of than one occurrence; by the
        others a model may learn what the unknown is like.
      lowercase: whether case is folded before looking up.
      fold_digits: whether every digit is read as 0.
    """

    symbols: tuple[str, ...]
    known: int
    lowercase: bool = False
    fold_digits: bool = False

    def __post_init__(self) -> None:
        if len(set(self.symbols)) != len(self.symbols):
            raise ValueError("symbols must be distinct, but some occur twice")
        if not 0 <= self.known <= len(self.symbols):
            raise ValueError(f"known is {self.known}; symbols are {len(self.symbols)}")

    @classmethod
    def of(
        cls,
        strings: Iterable[str],
        more: Iterable[str] = (),
        *,
        lowercase: bool = False,
        fold_digits: bool = False,
    ) -> "Lexicon":
        """The distinct strings of a training text and of `more`, the known ones first.

        Those of the text that occur more than once are known, and so are `more`, because
        something else, such as a file of vectors, says what they are. The most frequent come
        first, ties by spelling.
        """
        normal = cls((), 0, lowercase, fold_digits).normal
        counts = Counter(map(normal, strings))
        known = {*map(normal, more), *(string for string in counts if counts[string] > 1)}
        ranked = sorted({*counts, *known}, key=lambda s: (s not in known, -counts[s], s))
        return cls(tuple(ranked), len(known), lowercase, fold_digits)

    def __len__(self) -> int:
        return len(self.symbols) + _SPECIAL

    @property
    def first_rare(self) -> int:
        """The id from which on strings occurred once in training, and nothing else knows them."""
        return self.known + _SPECIAL

    def normal(self, string: str) -> str:
        """The string as it is looked up."""
        if self.lowercase:
            string = string.lower()
        return _DIGIT.sub("0", string) if self.fold_digits else string

    def encode(self, strings: Sequence[str]) -> np.ndarray:
        """The ids of `strings`: (strings,) int32."""
        ids = (self._index.get(self.normal(string), UNKNOWN) for string in strings)
        return np.fromiter(ids, np.int32, len(strings))

    @cached_property
    def _index(self) -> dict[str, int]:
        return {symbol: i + _SPECIAL for i, symbol in enumerate(self.symbols)}
