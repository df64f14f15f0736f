"""Sentences and their translations: files, and batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnjax.data.batches.buckets import Buckets, choose_borders
from rnnjax.data.encoding.encoded import Answer, Encoded, joined, ragged
from rnnjax.data.readers.columns import read_lines
from rnnjax.data.vocabularies.subwords import END, START, Subwords


class Translation(NamedTuple):
    """A text and what it is in another language, or another form."""

    source: str
    target: str


def read_parallel(source: str | Path, target: str | Path) -> list[Translation]:
    """Read two UTF-8 files that are translations of each other line by line.

    ValueError names the files where one has more lines than the other, or cannot be read.
    """
    ours, theirs = ([line for _, line in read_lines(path)] for path in (source, target))
    if len(ours) != len(theirs):
        raise ValueError(
            f"{source} has {len(ours)} lines and {target} has {len(theirs)}; they must be as "
            "many, translations of each other"
        )
    return [Translation(*pair) for pair in zip(ours, theirs, strict=True)]


@dataclass(frozen=True, eq=False)
class ParallelBatches:
    """What `train.fit` reads of translations: the batch of a step.

    Attributes:
      source: the texts that are read; its input is "source".
      target: those that are written, with the start token in front and the stop token behind; its
        input is "tokens", its answers are "targets".
      buckets: which of them make up a batch, by the longer one of each two.
    """

    source: Encoded
    target: Encoded
    buckets: Buckets

    @classmethod
    def of(
        cls,
        pairs: Sequence[Translation],
        tokenizers: tuple[Subwords, Subwords],
        *,
        shapes: int,
        batch_size: int,
        seed: int,
        max_length: int | None = None,
    ) -> "ParallelBatches":
        """Encode translations, with a tokeniser for each side.

        Args:
          pairs: at least one.
          tokenizers: the source's and the target's.
          shapes: see `choose_borders`.
          batch_size: most translations in a batch.
          seed: see `Buckets`.
          max_length: translations with a side of more tokens, start or stop token included, are
            left out, for a model's memory grows with the product of both sides; None keeps all.

        Raises:
          ValueError: none is short enough.
        """
        ours, theirs = tokenizers
        rows = [(ours.encode(pair.source).ids, theirs.encode(pair.target).ids) for pair in pairs]
        if max_length is not None:
            rows = [row for row in rows if max(len(row[0]), len(row[1]) + 1) <= max_length]
        if not rows:
            raise ValueError(f"max_length is {max_length}; none of {len(pairs)} is so short")
        source, target = _source([row[0] for row in rows]), _target([row[1] for row in rows])
        longer = np.maximum(source.lengths, target.lengths)
        borders = choose_borders(longer, shapes)
        return cls(source, target, Buckets(longer, borders, batch_size, seed=seed))

    def at(self, step: int) -> dict[str, np.ndarray]:
        """The batch of `step`, counted from 0 over all epochs; see `batch`."""
        return self.batch(*self.buckets.at(step))

    def batch(self, rows: np.ndarray, length: int) -> dict[str, np.ndarray]:
        """The translations `rows` (batch,), padded to `length` tokens; row -1 is an empty one.

        Returns:
          "source", "tokens", "targets" and "targets_known" (batch, length), and "source_lengths"
          (batch,).
        """
        source, target = self.source.batch(rows, length), self.target.batch(rows, length)
        del target["lengths"]
        return {"source": source["source"], "source_lengths": source["lengths"], **target}


def encode_source(texts: Sequence[str], tokenizer: Subwords) -> Encoded:
    """Encode texts that are to be read, without start or stop token; the input is "source"."""
    return _source([tokenizer.encode(text).ids for text in texts])


def _source(rows: Sequence[np.ndarray]) -> Encoded:
    return Encoded(ragged(rows), {"source": joined(rows)}, {})


def _target(rows: Sequence[np.ndarray]) -> Encoded:
    before = [np.insert(row, 0, START) for row in rows]
    after = [np.append(row, np.int32(END)) for row in rows]
    answers = {"targets": Answer(joined(after), per_token=True)}
    return Encoded(ragged(before), {"tokens": joined(before)}, answers)
