"""Text of any size, encoded into files of tokens."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnnjax.data.batches.packed_sentences import without_empty
from rnnjax.data.encoding.token_shards import INDEX, VERSION, VOCABULARY, read_index
from rnnjax.data.processes import in_order
from rnnjax.data.readers.large_text import Block
from rnnjax.data.readers.text import Corpus
from rnnjax.data.vocabularies.vocabulary import Vocabulary
from rnnjax.files import replacing, write_with_digest
from rnnjax.folders import make_folder

SHARD = 2**28  # bytes of text


class _Shard(NamedTuple):
    """A shard that is there, or is to be written: its split, and its number in the split."""

    split: int
    number: int

    @property
    def name(self) -> str:
        return f"{Corpus._fields[self.split]}-{self.number:05d}.bin"


def write_shards(
    out: Path,
    blocks: Iterable[Block],
    vocabulary: Vocabulary,
    *,
    sentences: bool = False,
    processes: int = 1,
    shard: int = SHARD,
) -> None:
    """Encode text into the folder `out`, for `open_shards`; shards that are there are kept.

    A shard is written whole or not at all, and the index last. So what is interrupted goes on
    where it stopped, if it is called with the same arguments. If all shards are there, those are
    written again whose digests are wrong. Memory holds a few blocks a process.

    Args:
      out: the folder, made if it is not there.
      blocks: the text; see `LargeText.blocks`. Without validation text, the training text
        validates too.
      vocabulary: the vocabulary; the ids have the smallest unsigned type that holds it.
      sentences: leave out empty lines; see `whole_sentences`.
      processes: how many processes encode; the files do not depend on it.
      shard: bytes of text after which a new shard begins.

    Raises:
      ValueError: the text is damaged or not UTF-8, the vocabulary lacks a character, or there is
        no training text; or `out` holds shards of another vocabulary.

    Example:
      >>> _ = Path("text.txt").write_text("to be or not to be that is the question")
      >>> blocks = rx.data.LargeText.find("text.txt", (1, 0, 0)).blocks()
      >>> rx.data.write_shards(Path("tokens"), blocks, rx.data.Vocabulary.bytes())
      >>> corpus = rx.data.open_shards("tokens")
      >>> corpus.vocabulary.decode(corpus.train[:5]), corpus.train.stored
      ('to be', '|u1')
    """
    dtype = _smallest(len(vocabulary)).newbyteorder("<").str
    make_folder(out)
    if (out / VOCABULARY).exists() and Vocabulary.load(out / VOCABULARY) != vocabulary:
        raise ValueError(f"{out} holds shards of another vocabulary: choose another folder")
    vocabulary.save(out / VOCABULARY)
    for unfinished in out.glob(".*.bin.*.tmp"):
        unfinished.unlink()
    if (out / INDEX).exists():
        _remove_damaged(out)
    encode = partial(_encode, vocabulary, sentences, dtype)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in Corpus._fields}
    for each, parts in groupby(
        in_order(encode, _jobs(out, blocks, shard), processes), itemgetter(0)
    ):
        path = out / each.name
        if path.exists():
            list(parts)
        else:
            with replacing(path) as unfinished, unfinished.open("wb") as file:
                file.writelines(ids for _, ids in parts)
        tokens = path.stat().st_size // np.dtype(dtype).itemsize
        if tokens:
            found[Corpus._fields[each.split]].append(
                {"file": each.name, "tokens": tokens, "digest": _digest(path)}
            )
    if not found["train"]:
        raise ValueError("blocks must have training text, got none")
    found["valid"] = found["valid"] or found["train"]
    index = {
        "version": VERSION,
        "vocabulary": vocabulary.digest,
        "sentences": sentences,
        "dtype": dtype,
        "splits": found,
    }
    digest = hashlib.sha256(json.dumps(index).encode()).hexdigest()
    write_with_digest(out / INDEX, json.dumps({**index, "digest": digest}, indent=1) + "\n")


def _smallest(size: int) -> np.dtype:
    return next(np.dtype(kind) for kind in "BHI" if size - 1 <= np.iinfo(kind).max)


def _remove_damaged(out: Path) -> None:
    for shards in read_index(out)["splits"].values():
        for each in shards:
            path = out / each["file"]
            if path.exists() and _digest(path) != each["digest"]:
                path.unlink()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _jobs(out: Path, blocks: Iterable[Block], size: int) -> Iterator[tuple[_Shard, Block | None]]:
    """Yield each block with its shard; None for the blocks of shards that are there."""
    shard, filled = _Shard(-1, 0), 0
    for block in blocks:
        if block.split != shard.split:
            shard, filled = _Shard(block.split, 0), 0
            there = (out / shard.name).exists()
        elif filled >= size:
            shard, filled = shard._replace(number=shard.number + 1), 0
            there = (out / shard.name).exists()
        filled += len(block.data)
        yield shard, None if there else block


def _encode(
    vocabulary: Vocabulary, sentences: bool, dtype: str, job: tuple[_Shard, Block | None]
) -> tuple[_Shard, bytes]:
    shard, block = job
    if block is None:
        return shard, b""
    ids = vocabulary.encode(block.text)
    if block.goes_on and vocabulary.kind == "word":
        ids = ids[:-1]  # the end of the line
    if sentences:
        ids = without_empty(ids, vocabulary.start)
    return shard, ids.astype(dtype).tobytes()
