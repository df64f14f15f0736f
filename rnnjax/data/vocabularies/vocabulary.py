"""Vocabularies of words, pieces of words, characters or bytes."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rnnjax.checks.values import check_at_least, check_choices, check_ids
from rnnjax.data.readers.text import composed
from rnnjax.data.vocabularies import byte_pairs
from rnnjax.files import read_with_digest, write_with_digest

Kind = Literal["word", "piece", "char", "byte"]

UNKNOWN = "<unk>"
END = "<eos>"

_BYTES = tuple(map(chr, range(256)))
_BLOCK = 2**14  # characters, whose words a cache holds
_UNITS = {"word": "word", "piece": "piece", "char": "character", "byte": "byte"}


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a text and their ids: `symbols[i]` is the token with id i.

    Build one with `characters`, `words`, `pieces`, `bytes` or `load`. Words are separated by white
    space; `<unk>` (id 0) replaces words that the vocabulary lacks, and `<eos>` (id 1) ends every
    line. The symbol of byte i is `chr(i)`. A character is a code point, so that there are few: a
    letter and a mark that have no common form are two, and so are the parts of an emoji. Pieces of
    words are strings of bytes, so they lack no word.

    Attributes:
      kind: what a token is, "word", "piece", "char" or "byte".
      symbols: the tokens, all distinct.
      merges: the pairs of ids that are merged to pieces, in order; () for other kinds.

    Raises:
      ValueError: `kind` is unknown, or the symbols do not fit the kind.

    Example:
      >>> vocabulary = rx.data.Vocabulary.characters("hello")
      >>> vocabulary.encode("hole")
      array([2, 4, 3, 1], dtype=int32)
      >>> vocabulary.decode([2, 1, 3, 3, 4])
      'hello'
    """

    kind: Kind
    symbols: tuple[str, ...]
    merges: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        check_choices(self)
        if not all(isinstance(symbol, str) for symbol in self.symbols):
            raise ValueError("symbols must all be strings")
        if len(set(self.symbols)) != len(self.symbols):
            raise ValueError("symbols must be distinct, got some twice")
        if self.kind == "byte" and self.symbols != _BYTES:
            raise ValueError("symbols of kind 'byte' must be those of Vocabulary.bytes()")
        if self.kind == "piece" and self.symbols != byte_pairs.merged(self.merges):
            raise ValueError("symbols of kind 'piece' must be the bytes and what merges make")
        if self.kind != "piece" and self.merges:
            raise ValueError(f"merges must be () for {self.kind!r}, got {len(self.merges)}")
        if self.kind == "word" and self.symbols[:2] != (UNKNOWN, END):
            raise ValueError(f"symbols of kind 'word' must begin with {UNKNOWN} and {END}")
        if self.kind == "char" and "\n" not in self.symbols:
            raise ValueError("symbols of kind 'char' must include a newline")
        if self.kind == "char" and any(len(symbol) != 1 for symbol in self.symbols):
            raise ValueError("symbols of kind 'char' must be single characters")

    @classmethod
    def characters(cls, text: str) -> "Vocabulary":
        """Return the characters of `text`, sorted by code point; a newline is always included."""
        return cls("char", tuple(sorted({*composed(text), "\n"})))

    @classmethod
    def words(cls, text: str, max_size: int | None = None, min_count: int = 1) -> "Vocabulary":
        """Return `<unk>`, `<eos>`, then the words of `text`, the most frequent first.

        Args:
          text: the training text. Ties are sorted by spelling.
          max_size: the largest number of symbols, `<unk>` and `<eos>` included; at least 3.
          min_count: words that occur less often are left out, so that a model sees `<unk>` in
            training.

        Raises:
          ValueError: `max_size` is below 3.
        """
        return cls.of_counts(Counter(composed(text).split()), max_size, min_count)

    @classmethod
    def of_counts(
        cls, counts: Mapping[str, int], max_size: int | None = None, min_count: int = 1
    ) -> "Vocabulary":
        """Return `words` of a text whose words occur so often; see `count_words`."""
        if max_size is not None:
            check_at_least(3, max_size=max_size)
        special = {UNKNOWN, END}
        kept = (word for word in counts if counts[word] >= min_count and word not in special)
        ranked = sorted(kept, key=lambda word: (-counts[word], word))
        return cls("word", (UNKNOWN, END, *ranked)[:max_size])

    @classmethod
    def pieces(cls, text: str, max_size: int) -> "Vocabulary":
        """Return the bytes and pieces of words that byte-pair encoding learns from `text`.

        Source: Sennrich et al. 2016, arXiv:1508.07909, over bytes as in Radford et al. 2019. The
        space before a word belongs to its first piece. Any text can be encoded, and decoded to the
        character. Needs the extra "subwords", as does `encode`.

        Args:
          text: the training text.
          max_size: the largest number of symbols; at least 257. There are fewer if not enough pairs
            occur twice.

        Raises:
          ValueError: `max_size` is below 257.
        """
        check_at_least(len(_BYTES) + 1, max_size=max_size)
        merges = byte_pairs.learn_merges(composed(text), max_size)
        return cls("piece", byte_pairs.merged(merges), merges)

    @classmethod
    def bytes(cls) -> "Vocabulary":
        """Return the vocabulary of the 256 bytes; it encodes any text, as UTF-8."""
        return cls("byte", _BYTES)

    @classmethod
    def load(cls, path: str | Path) -> "Vocabulary":
        """Return the vocabulary that `save` wrote.

        Raises:
          ValueError: the file cannot be read or is damaged; the message names it.
        """
        data = read_with_digest(Path(path))
        try:
            stored = json.loads(data)
            kind, symbols = stored["kind"], tuple(stored["symbols"])
            pairs = stored.get("merges", ())  # which older files lack
            return cls(kind, symbols, tuple((first, second) for first, second in pairs))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is not a saved vocabulary: {error!r}") from error

    def save(self, path: str | Path) -> None:
        """Write the vocabulary to `path` as JSON, completely or not at all."""
        stored = {"kind": self.kind, "symbols": self.symbols, "merges": self.merges}
        write_with_digest(Path(path), json.dumps(stored) + "\n")

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def start(self) -> int:
        """The id of the token before the first one of a text or sentence."""
        return self._index[END if self.kind == "word" else "\n"]

    @property
    def unit(self) -> str:
        """What one token is: "word", "piece", "character" or "byte"."""
        return _UNITS[self.kind]

    def encode(self, text: str) -> np.ndarray:
        """Return the ids of `text`, `(tokens,)` int32.

        There is one id for each character, byte of UTF-8, piece or word. Unknown words get the id
        of `<unk>`, and every line ends with `<eos>`, even if the text does not end with a newline.

        Raises:
          ValueError: the vocabulary lacks a character.
        """
        text = composed(text)
        if self.kind == "word":
            return self._encode_words(text)
        if self.kind == "char":
            return self._encode_characters(text)
        if self.kind == "piece":
            return byte_pairs.encode(self._tokenizer, text)
        return np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int32)

    def unknown(self, text: str) -> list[str]:
        """Return the words of `text` that become `<unk>`, in order; none of other tokens."""
        if self.kind != "word":
            return []
        return [word for word in composed(text).split() if word not in self._index]

    def decode(self, ids: np.ndarray | Sequence[int]) -> str:
        """Return the text of `ids`.

        Words are joined by spaces, and `<eos>` ends a line. Bytes that are not UTF-8 become U+FFFD.

        Args:
          ids: `(tokens,)` integers.

        Raises:
          ValueError: an id is outside the vocabulary.
        """
        ids = np.asarray(ids, np.int64)
        check_ids("ids", ids, len(self))
        if self.kind != "word":
            text = "".join(map(self.symbols.__getitem__, ids.tolist()))
            # Pieces and bytes are written as the characters of the same numbers, which is Latin-1.
            return text if self.kind == "char" else text.encode("latin-1").decode(errors="replace")
        words = ["\n" if i == self.start else self.symbols[i] for i in ids.tolist()]
        # No symbol contains white space, so all spaces come from the join.
        return " ".join(words).replace(" \n", "\n").replace("\n ", "\n")

    @cached_property
    def _index(self) -> "_Index":
        return _Index({symbol: i for i, symbol in enumerate(self.symbols)})

    @cached_property
    def digest(self) -> str:
        """The SHA-256 digest of the tokens and their ids, in hexadecimal digits."""
        stored = json.dumps([self.kind, self.symbols, self.merges])
        return hashlib.sha256(stored.encode("utf-8")).hexdigest()

    @cached_property
    def _tokenizer(self) -> Any:
        return byte_pairs.make_tokenizer(self.merges)

    def _encode_words(self, text: str) -> np.ndarray:
        if text and not text.endswith("\n"):
            text += "\n"
        found = [np.zeros(0, np.int32)]
        for lines in blocks_of_lines(text):
            words = lines.replace("\n", f" {END} ").split()
            found.append(np.fromiter(map(self._index.__getitem__, words), np.int32, len(words)))
        return np.concatenate(found)

    def _encode_characters(self, text: str) -> np.ndarray:
        known = _code_points("".join(self.symbols))
        # The last entry is for every code point above the largest in the vocabulary.
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
            f"text must contain only the vocabulary's {len(self)} characters, got "
            f"{text[offset]!r} at offset {offset}{f' (line {line})' if line > 1 else ''}: "
            f"the characters are {shown!r}{'...' if len(self) > 100 else ''}"
        )


class _Index(dict[str, int]):
    """The ids of symbols; a word that is missing has that of `<unk>`, the first."""

    def __missing__(self, symbol: str) -> int:
        return 0


def blocks_of_lines(text: str) -> Iterator[str]:
    """Yield a text in blocks of lines: their words are split and looked up while in a cache."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + _BLOCK) + 1 or len(text)
        yield text[start:end]
        start = end


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), np.uint32)
