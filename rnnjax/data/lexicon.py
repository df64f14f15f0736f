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
      symbols: the strings, normalised, most frequent first.
      frequent: how many of them, from the front, occurred more than once in training; the others
        are what a model may learn the unknown by.
      lowercase: whether case is folded before looking up.
      fold_digits: whether every digit is read as 0.
    """

    symbols: tuple[str, ...]
    frequent: int
    lowercase: bool = False
    fold_digits: bool = False

    def __post_init__(self) -> None:
        if len(set(self.symbols)) != len(self.symbols):
            raise ValueError("symbols must be distinct, but some occur twice")
        if not 0 <= self.frequent <= len(self.symbols):
            raise ValueError(f"frequent is {self.frequent}; symbols are {len(self.symbols)}")

    @classmethod
    def of(
        cls,
        strings: Iterable[str],
        more: Iterable[str] = (),
        *,
        lowercase: bool = False,
        fold_digits: bool = False,
    ) -> "Lexicon":
        """The distinct strings of a training text, then those of `more`; ties by spelling.

        `more` are strings that the training text lacks and that are known all the same, because
        something else, such as a file of vectors, knows them.
        """
        normal = cls((), 0, lowercase, fold_digits).normal
        counts = Counter(map(normal, strings))
        ranked = sorted(counts, key=lambda s: (-counts[s], s))
        others = sorted({*map(normal, more)} - counts.keys())
        frequent = sum(count > 1 for count in counts.values())
        return cls((*ranked, *others), frequent, lowercase, fold_digits)

    def __len__(self) -> int:
        return len(self.symbols) + _SPECIAL

    @property
    def first_rare(self) -> int:
        """The id from which on strings occurred once in training, or not at all."""
        return self.frequent + _SPECIAL

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
