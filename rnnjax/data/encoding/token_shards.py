"""Tokens in files that are mapped into memory, so that they need not fit into it."""

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnnjax.data.vocabularies.vocabulary import Vocabulary
from rnnjax.files import read_with_digest

INDEX, VOCABULARY, VERSION = "index.json", "vocabulary.json", 1
_OPEN = 256  # files that are mapped at once: each counts among those that a process may open


@dataclass(frozen=True, eq=False)
class TokenShards:
    """A text as token ids in files, which is read like an array `(n,)` of int32.

    Slices, and arrays of positions, are read from the files that hold them; nothing else is.

    Attributes:
      files: the files, with nothing in them but ids.
      counts: the number of tokens in each.
      stored: the dtype of the ids in the files.

    Example:
      >>> np.arange(5, dtype="<u2").tofile("0.bin"), np.arange(5, 9, dtype="<u2").tofile("1.bin")
      (None, None)
      >>> tokens = rx.data.TokenShards((Path("0.bin"), Path("1.bin")), (5, 4), "<u2")
      >>> len(tokens), tokens[3:7], tokens[np.array([[0, -1], [4, 5]])].tolist()
      (9, array([3, 4, 5, 6], dtype=int32), [[0, 8], [4, 5]])
    """

    files: tuple[Path, ...]
    counts: tuple[int, ...]
    stored: str

    ndim = 1
    dtype = np.dtype(np.int32)

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def shape(self) -> tuple[int]:
        """The number of tokens, as of an array."""
        return (len(self),)

    def __getitem__(self, where: slice | np.ndarray) -> np.ndarray:
        if isinstance(where, slice):
            first, last, step = where.indices(len(self))
            if step != 1:
                raise IndexError(f"slices must have no step, got {step}")
            return self._slice(first, max(first, last))
        places = np.where(where < 0, where + len(self), where).ravel()
        if places.size and not 0 <= places.min() <= places.max() < len(self):
            raise IndexError(f"positions must lie in the {len(self):,} tokens, got {where}")
        shard = np.searchsorted(self._starts, places, side="right") - 1
        found = np.empty(places.shape, np.int32)
        # Neighbours are mostly of one file: the rows of a chunk are.
        borders = np.flatnonzero(np.diff(shard)) + 1
        within = places - self._starts[shard]
        for first, last in pairwise([0, *borders.tolist(), len(places)]):
            if last > first:
                found[first:last] = self._map(int(shard[first]))[within[first:last]]
        return found.reshape(where.shape)

    def _slice(self, first: int, last: int) -> np.ndarray:
        parts = [np.zeros(0, np.int32)]
        for shard in range(len(self.files)):
            start = self._starts[shard]
            if first < self._starts[shard + 1] and last > start:
                parts.append(self._map(shard)[max(0, first - start) : last - start])
        return np.concatenate(parts, dtype=np.int32)

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.cumsum([0, *self.counts])

    @cached_property
    def _map(self) -> Any:
        def mapped(shard: int) -> np.ndarray:
            whole = np.memmap(self.files[shard], self.stored, "r", shape=(self.counts[shard],))
            return np.asarray(whole)  # which is quicker to index than a memmap

        return lru_cache(_OPEN)(mapped)


TokenArray = np.ndarray | TokenShards  # a text as ids, in memory or not


class TokenCorpus(NamedTuple):
    """A corpus that `write_shards` wrote; `test` is empty if there is no test split.

    Attributes:
      vocabulary: the vocabulary of its tokens.
      sentences: whether empty lines were left out, as models of sentences want it.
      train, valid, test: the splits.
      digest: a digest of all of them and of the vocabulary.

    Example:
      >>> _ = Path("text.txt").write_text("to be or not to be that is the question")
      >>> blocks = rx.data.LargeText.find("text.txt", (0.5, 0.5, 0)).blocks(size=10)
      >>> rx.data.write_shards(Path("tokens"), blocks, rx.data.Vocabulary.bytes())
      >>> corpus = rx.data.open_shards("tokens")
      >>> corpus.vocabulary.kind, len(corpus.train), len(corpus.valid), len(corpus.test)
      ('byte', 12, 28, 0)
    """

    vocabulary: Vocabulary
    sentences: bool
    train: TokenShards
    valid: TokenShards
    test: TokenShards
    digest: str


def is_shards(folder: Path) -> bool:
    """Return whether a folder is one of `write_shards`, which may not have finished.

    Example:
      >>> rx.data.is_shards(Path("."))
      False
    """
    return (folder / VOCABULARY).is_file() and not (folder / "model.json").exists()


def open_shards(folder: str | Path) -> TokenCorpus:
    """Return the corpus that `write_shards` wrote; its tokens stay in the files.

    Raises:
      ValueError: a file is missing, damaged or cut short, or the vocabulary is another one; the
        message names it. Damage within a shard of the right size is found by `write_shards` alone.

    Example:
      >>> _ = Path("text.txt").write_text("to be or not to be that is the question")
      >>> blocks = rx.data.LargeText.find("text.txt", (0.5, 0.5, 0)).blocks(size=10)
      >>> rx.data.write_shards(Path("tokens"), blocks, rx.data.Vocabulary.bytes())
      >>> rx.data.open_shards("tokens").train[:5].tolist()
      [116, 111, 32, 98, 101]
    """
    folder = Path(folder)
    index = read_index(folder)
    vocabulary = Vocabulary.load(folder / VOCABULARY)
    if vocabulary.digest != index["vocabulary"]:
        raise ValueError(f"{folder / VOCABULARY} must be the vocabulary of the shards beside it")
    splits = {}
    for name, shards in index["splits"].items():
        files, counts = [folder / each["file"] for each in shards], [e["tokens"] for e in shards]
        for path, tokens in zip(files, counts, strict=True):
            want = tokens * np.dtype(index["dtype"]).itemsize
            got = path.stat().st_size if path.is_file() else 0
            if got != want:
                raise ValueError(
                    f"{path} must have {want:,} bytes, got {got:,}: the shard was cut short; "
                    "`rnnjax lm prepare` writes it again"
                )
        splits[name] = TokenShards(tuple(files), tuple(counts), index["dtype"])
    return TokenCorpus(vocabulary, index["sentences"], digest=index["digest"], **splits)


def read_index(folder: Path) -> dict[str, Any]:
    """Return what `write_shards` wrote of its shards; ValueError if it is damaged or missing."""
    path = folder / INDEX
    if not path.exists():
        raise ValueError(f"{folder} must have {INDEX}: the same `rnnjax lm prepare` again ends it")
    data = read_with_digest(path)
    try:
        index: dict[str, Any] = json.loads(data)
        version = index["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not an index of shards: {error!r}") from error
    if version != VERSION:
        raise ValueError(f"{path} must be of version {VERSION}, got {version}")
    return index
