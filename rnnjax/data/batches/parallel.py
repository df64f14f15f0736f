"""Sentences and their translations: reading and batching."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rnnjax.checks.values import check_choice
from rnnjax.data.batches.buckets import Buckets, choose_borders
from rnnjax.data.batches.share import WHOLE, Share
from rnnjax.data.encoding.encoded import Answer, Encoded, joined, ragged
from rnnjax.data.readers.lines import read_lines
from rnnjax.data.readers.tables import Choice, say_header
from rnnjax.data.readers.text import Source
from rnnjax.data.vocabularies.subwords import END, START, Subwords

_NAMES = ("source", "src"), ("target", "tgt", "translation")  # of the source and of the target


class Translation(NamedTuple):
    """A text and its translation into another language or form.

    Example:
      >>> rx.data.Translation("3 May 2026", "2026-05-03").target
      '2026-05-03'
    """

    source: str
    target: str


def read_parallel(source: Source, target: Source, *, header: Choice = "auto") -> list[Translation]:
    """Return the translations in two UTF-8 files, line by line.

    Args:
      source: the file of the texts.
      target: the file of their translations.
      header: "yes" if the first lines of both files are names, such as `source` and `target`, and
        are not read; "no" if they are texts; "auto": if they are these two.

    Raises:
      ValueError: a file cannot be read, or one has more lines than the other; the message names
        the files.

    Example:
      >>> _ = Path("a.de").write_text("guten Tag\\n"), Path("a.en").write_text("good day\\n")
      >>> rx.data.read_parallel("a.de", "a.en")
      [Translation(source='guten Tag', target='good day')]
    """
    check_choice("header", header, Choice)
    both = list(read_lines(source)), list(read_lines(target))
    if header == "auto" and all(
        lines[0][1].lower() in names for lines, names in zip(both, _NAMES, strict=True)
    ):
        header = "yes"
        for path, lines in zip((source, target), both, strict=True):
            say_header(path, lines[0])
    ours, theirs = ([line for _, line in lines[header == "yes" :]] for lines in both)
    if len(ours) != len(theirs):
        raise ValueError(
            f"{source} and {target} must have the same number of lines, got {len(ours)} and "
            f"{len(theirs)}"
        )
    return [Translation(*pair) for pair in zip(ours, theirs, strict=True)]


@dataclass(frozen=True, eq=False)
class ParallelBatches:
    """Batches of translations, as a function of the step.

    Build them with `of`.

    Attributes:
      source: the texts to read; the input is "source".
      target: the texts to write; the input "tokens" begins with the start token, and the answers
        "targets" end with the stop token.
      buckets: which translations are in which batch, by the length of the longer side.

    Example:
      >>> pairs = [rx.data.Translation("3 May", "05-03"), rx.data.Translation("9 May", "05-09")]
      >>> texts = [text for pair in pairs for text in pair]
      >>> tokenizer = rx.data.reversible_tokenizer(texts, "character", 30)
      >>> batches = rx.data.ParallelBatches.of(
      ...     pairs, (tokenizer, tokenizer), shapes=1, batch_size=2, seed=0
      ... )
      >>> {name: array.shape for name, array in batches.at(0).items()}
      {'source': (2, 6), 'source_lengths': (2,), 'tokens': (2, 6), 'targets': (2, 6), ...}
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
        share: Share = WHOLE,
    ) -> "ParallelBatches":
        """Return batches of translations, with a tokeniser for each side.

        Args:
          pairs: the translations, at least one.
          tokenizers: the tokenisers of the source and of the target.
          shapes: number of lengths to pad to; see `choose_borders`.
          batch_size: the largest number of translations in a batch.
          seed: see `Buckets`.
          max_length: leave out translations with more tokens than this on a side, start or stop
            token included: a model's memory grows with the product of both sides. None keeps all.
          share: see `Buckets`.

        Raises:
          ValueError: no translation is short enough.
        """
        ours, theirs = tokenizers
        rows = [(ours.encode(pair.source).ids, theirs.encode(pair.target).ids) for pair in pairs]
        if max_length is not None:
            rows = [row for row in rows if max(len(row[0]), len(row[1]) + 1) <= max_length]
        if not rows:
            raise ValueError(
                f"max_length must keep at least one of {len(pairs)} translations, got {max_length}"
            )
        source, target = _source([row[0] for row in rows]), _target([row[1] for row in rows])
        longer = np.maximum(source.lengths, target.lengths)
        borders = choose_borders(longer, shapes)
        return cls(source, target, Buckets(longer, borders, batch_size, seed=seed, share=share))

    def at(self, step: int) -> dict[str, np.ndarray]:
        """Return the batch of `step`, counted from 0 over all epochs; see `batch`."""
        rows, length = self.buckets.at(step)
        return self.batch(self.buckets.own(rows), length)

    def batch(self, rows: np.ndarray, length: int) -> dict[str, np.ndarray]:
        """Return a batch of translations, padded.

        Args:
          rows: `(batch,)` integers, the translations; -1 gives an empty row.
          length: tokens to pad to.

        Returns:
          "source", "tokens" and "targets", `(batch, length)` int32; "targets_known",
          `(batch, length)` bool; and "source_lengths", `(batch,)`.
        """
        source, target = self.source.batch(rows, length), self.target.batch(rows, length)
        del target["lengths"]
        return {"source": source["source"], "source_lengths": source["lengths"], **target}


def encode_source(texts: Sequence[str], tokenizer: Subwords) -> Encoded:
    """Return texts to translate as arrays, without start and stop token; the input is "source".

    Args:
      texts: the texts.
      tokenizer: the tokeniser of the source.

    Example:
      >>> tokenizer = rx.data.reversible_tokenizer(["3 May"], "character", 30)
      >>> encoded = rx.data.encode_source(["3 May", "May"], tokenizer)
      >>> encoded.lengths
      array([5, 3])
    """
    return _source([tokenizer.encode(text).ids for text in texts])


def _source(rows: Sequence[np.ndarray]) -> Encoded:
    return Encoded(ragged(rows), {"source": joined(rows)}, {})


def _target(rows: Sequence[np.ndarray]) -> Encoded:
    before = [np.insert(row, 0, START) for row in rows]
    after = [np.append(row, np.int32(END)) for row in rows]
    answers = {"targets": Answer(joined(after), per_token=True)}
    return Encoded(ragged(before), {"tokens": joined(before)}, answers)
