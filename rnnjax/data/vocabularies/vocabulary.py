"""Vocabularies: between text and token ids."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from rnnjax.files import write_whole

Kind = Literal["word", "char", "byte"]

UNKNOWN = "<unk>"
END = "<eos>"

_BYTES = tuple(map(chr, range(256)))
_UNITS = {"word": "word", "char": "character", "byte": "byte"}


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a text and their ids: `symbols[i]` is the token with id `i`.

    Build one with `characters`, `words`, `bytes` or `load`. Words are what white space
    separates; `<unk>` (id 0) stands for a word the vocabulary lacks and `<eos>` (id 1) ends
    every line. Of bytes, symbol `i` is `chr(i)`.
    """

    kind: Kind
    symbols: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind is {self.kind!r}; it must be one of {get_args(Kind)}")
        if not all(isinstance(symbol, str) for symbol in self.symbols):
            raise ValueError("symbols must all be strings")
        if len(set(self.symbols)) != len(self.symbols):
            raise ValueError("symbols must be distinct, but some occur twice")
        if self.kind == "byte" and self.symbols != _BYTES:
            raise ValueError("symbols of kind 'byte' must be the 256 that Vocabulary.bytes() has")
        if self.kind == "word" and self.symbols[:2] != (UNKNOWN, END):
            raise ValueError(f"symbols of kind 'word' must begin with {UNKNOWN} and {END}")
        if self.kind == "char" and "\n" not in self.symbols:
            raise ValueError("symbols of kind 'char' must include a newline")
        if self.kind == "char" and any(len(symbol) != 1 for symbol in self.symbols):
            raise ValueError("symbols of kind 'char' must be single characters")

    @classmethod
    def characters(cls, text: str) -> "Vocabulary":
        """The distinct characters of `text` in code-point order, always with a newline."""
        return cls("char", tuple(sorted({*text, "\n"})))

    @classmethod
    def words(cls, text: str, max_size: int | None = None, min_count: int = 1) -> "Vocabulary":
        """`<unk>`, `<eos>`, then the words of `text`, most frequent first, ties by spelling.

        `max_size` bounds the number of symbols, those two included (at least 3, else
        ValueError). Words that occur fewer than `min_count` times are left out, so that a model
        of the text meets `<unk>` in it.
        """
        if max_size is not None and max_size < 3:
            raise ValueError(
                f"max_size is {max_size}; it must be at least 3: {UNKNOWN}, {END} and one word"
            )
        counts = Counter(text.split())
        for symbol in (UNKNOWN, END):
            counts.pop(symbol, None)
        kept = (word for word in counts if counts[word] >= min_count)
        ranked = sorted(kept, key=lambda word: (-counts[word], word))
        return cls("word", (UNKNOWN, END, *ranked)[:max_size])

    @classmethod
    def bytes(cls) -> "Vocabulary":
        """The 256 byte values: any text can be encoded, as its UTF-8."""
        return cls("byte", _BYTES)

    @classmethod
    def load(cls, path: str | Path) -> "Vocabulary":
        """Read what `save` wrote; ValueError names the file if it cannot be read or is broken."""
        try:
            stored = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls(stored["kind"], tuple(stored["symbols"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is not a saved vocabulary: {error!r}") from error

    def save(self, path: str | Path) -> None:
        """Write the vocabulary to `path` as JSON, wholly or not at all."""
        stored = {"kind": self.kind, "symbols": self.symbols}
        write_whole(Path(path), json.dumps(stored) + "\n")

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def start(self) -> int:
        """The id of the token that a split or a sentence is read after."""
        return self._index[END if self.kind == "word" else "\n"]

    @property
    def unit(self) -> str:
        """What one token is: "word", "character" or "byte"."""
        return _UNITS[self.kind]

    def encode(self, text: str) -> np.ndarray:
        """The ids of `text`: (tokens,) int32.

        Characters give one id each, and one that the vocabulary lacks is a ValueError. Bytes
        give one id per byte of UTF-8. Words give one id each, unknown ones that of `<unk>`,
        and every line ends with `<eos>`, whether or not the text ends with a newline.
        """
        if self.kind == "word":
            return self._encode_words(text)
        if self.kind == "char":
            return self._encode_characters(text)
        return np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int32)

    def decode(self, ids: np.ndarray | Sequence[int]) -> str:
        """The text of `ids` (tokens,).

        Words are joined by spaces and `<eos>` ends a line; bytes that are no UTF-8 become
        U+FFFD. An id outside the vocabulary is a ValueError.
        """
        ids = np.asarray(ids, np.int64)
        if ids.size and not 0 <= ids.min() <= ids.max() < len(self):
            raise ValueError(
                f"ids are from {ids.min()} to {ids.max()}; "
                f"the vocabulary's are from 0 to {len(self) - 1}"
            )
        if self.kind == "byte":
            return ids.astype(np.uint8).tobytes().decode("utf-8", errors="replace")
        if self.kind == "char":
            return "".join(map(self.symbols.__getitem__, ids.tolist()))
        words = ["\n" if i == self.start else self.symbols[i] for i in ids.tolist()]
        # No symbol holds white space, so these spaces are only ever those of the join.
        return " ".join(words).replace(" \n", "\n").replace("\n ", "\n")

    @cached_property
    def _index(self) -> dict[str, int]:
        return {symbol: i for i, symbol in enumerate(self.symbols)}

    def _encode_words(self, text: str) -> np.ndarray:
        if text and not text.endswith("\n"):
            text += "\n"
        words = text.replace("\n", f" {END} ").split()
        ids = map(self._index.get, words, repeat(self._index[UNKNOWN]))
        return np.fromiter(ids, np.int32, len(words))

    def _encode_characters(self, text: str) -> np.ndarray:
        known = _code_points("".join(self.symbols))
        # The last entry serves every code point above the vocabulary's largest.
        table = np.full(int(known.max()) + 2, -1, np.int32)
        table[known] = np.arange(len(known))
        ids = table[np.minimum(_code_points(text), len(table) - 1)]
        if ids.size and ids.min() < 0:
            self._raise_unknown(text, int(np.argmax(ids < 0)))
        return ids

    def _raise_unknown(self, text: str, offset: int) -> None:
        shown = "".join(self.symbols[:100])
        line = text.count("\n", 0, offset) + 1
        raise ValueError(
            f"character {text[offset]!r} at offset {offset}"
            f"{f' (line {line})' if line > 1 else ''} is not in the vocabulary of "
            f"{len(self)} characters: {shown!r}{'...' if len(self) > 100 else ''}"
        )


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), np.uint32)
