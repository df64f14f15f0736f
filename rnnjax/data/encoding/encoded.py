"""Sentences as arrays, and batches of them."""

from collections.abc import Mapping, Sequence, Sized
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from rnnjax.data.readers.records import UNLABELLED, Sentences, Tagged

NO_TARGET = -1  # instead of a tag or label that is unknown, or not one of the model's


class Answer(NamedTuple):
    """What a model learns to answer, of any dtype, and where it is known.

    Attributes:
      values: `(tokens, ...)`, or `(sentences, ...)` if there is one answer per sentence.
      per_token: whether there is one answer per token.
      known: `(tokens,)` or `(sentences,)` bool, True where the answer is known; None: everywhere.

    Example:
      >>> labels = np.array([1, 0], np.int32)
      >>> rx.data.Answer(labels, per_token=False, known=np.array([True, False])).values.shape
      (2,)
    """

    values: np.ndarray
    per_token: bool
    known: np.ndarray | None = None


class Encoded(NamedTuple):
    """Sentences as arrays, concatenated: sentence s has the tokens starts[s] to starts[s + 1] - 1.

    Attributes:
      starts: `(sentences + 1,)` integers, where each sentence starts, and where the last one ends.
      inputs: what a model reads, by the name of its argument, each `(tokens, ...)`; padded with 0.
      answers: what a model learns to answer, by name; padded with 0.
      wholes: inputs of whole sentences, each `(sentences, ...)`; 0 for an empty row.
      marks: what a model neither reads nor answers, such as where words start, each
        `(tokens, ...)`; padded with 0.

    Example:
      >>> sentences = [rx.data.Labelled(("what", "fun"), "good"), rx.data.Labelled(("bad",), "bad")]
      >>> encoded = rx.data.fit_indexer(sentences, characters=False).encode(sentences)
      >>> batch = encoded.batch(np.array([0, 1]), length=3)
      >>> batch["words"].tolist(), batch["targets"].tolist(), batch["lengths"].tolist()
      ([[4, 3, 0], [2, 0, 0]], [1, 0], [2, 1])
    """

    starts: np.ndarray
    inputs: dict[str, np.ndarray]
    answers: dict[str, Answer]
    wholes: Mapping[str, np.ndarray] = MappingProxyType({})
    marks: Mapping[str, np.ndarray] = MappingProxyType({})

    @property
    def lengths(self) -> np.ndarray:
        """The number of tokens of each sentence, `(sentences,)`."""
        return np.diff(self.starts)

    def batch(self, rows: np.ndarray, length: int) -> dict[str, np.ndarray]:
        """Return a batch of sentences, padded.

        Args:
          rows: `(batch,)` integers, the sentences; -1 gives an empty row.
          length: tokens to pad to.

        Returns:
          By name: inputs and marks `(batch, length, ...)`; answers `(batch, length, ...)` or
          `(batch, ...)`, and for each answer "{name}_known" bool, False in the padding; wholes
          `(batch, ...)`; and "lengths" `(batch,)` int32.

        Raises:
          ValueError: a sentence has more than `length` tokens.
        """
        none = rows < 0
        lengths = np.where(none, 0, self.starts[rows + 1] - self.starts[rows]).astype(np.int32)
        if lengths.max(initial=0) > length:
            raise ValueError(
                f"length must be at least {lengths.max()}, the longest sentence's, got {length}"
            )
        inside = np.arange(length) < lengths[:, None]
        where = (self.starts[rows][:, None] + np.arange(length))[inside]
        columns = {**self.inputs, **self.marks}
        batch = {name: _spread(values[where], inside) for name, values in columns.items()}
        for name, (values, per_token, known) in self.answers.items():
            at, real = (where, inside) if per_token else (rows[~none], ~none)
            batch[name] = _spread(values[at], real)
            batch[f"{name}_known"] = real if known is None else _spread(known[at], real)
        for name, values in self.wholes.items():
            batch[name] = _spread(values[rows[~none]], ~none)
        return {**batch, "lengths": lengths}


def ragged(rows: Sequence[Sized]) -> np.ndarray:
    """Return where each of `rows` starts when they are concatenated, and where the last ends."""
    return np.cumsum([0, *map(len, rows)], dtype=np.int64)


def joined(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Return rows of ids concatenated, int32; there may be no rows."""
    return np.concatenate([np.zeros(0, np.int32), *rows]).astype(np.int32)


def names_of(sentences: Sentences) -> tuple[str, ...]:
    """Return the distinct tags or labels of sentences, sorted, without `UNLABELLED`.

    Args:
      sentences: any number of them.

    Example:
      >>> rx.data.names_of([rx.data.Tagged(("Ada", "wrote"), ("NOUN", "VERB"))])
      ('NOUN', 'VERB')
    """
    found = {n for s in sentences for n in (s.tags if isinstance(s, Tagged) else [s.label])}
    return tuple(sorted(found - {UNLABELLED}))


def target_ids(targets: Sequence[str], sentences: Sentences) -> np.ndarray:
    """Return the ids of labels `(sentences,)`, or of tags `(tokens,)`, int32.

    A name that is not among `targets` becomes `NO_TARGET`.

    Raises:
      ValueError: the number of tags of a sentence differs from its tokens.
    """
    names: list[str] = []
    for number, sentence in enumerate(sentences, 1):
        if not isinstance(sentence, Tagged):
            names.append(sentence.label)
            continue
        if len(sentence.tags) != len(sentence.tokens):
            raise ValueError(
                f"sentences must have one tag per token, got {len(sentence.tokens)} tokens and "
                f"{len(sentence.tags)} tags in sentence {number}"
            )
        names.extend(sentence.tags)
    index = {name: i for i, name in enumerate(targets)}
    return np.array([index.get(name, NO_TARGET) for name in names], np.int32)


def id_answer(ids: np.ndarray, *, per_token: bool) -> Answer:
    """Return the answer for ids of tags or labels; `NO_TARGET` is unknown."""
    return Answer(ids, per_token, ids != NO_TARGET)


def _spread(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return an array with `values`, in order, where `inside` is true, and 0 elsewhere."""
    spread = np.zeros((*inside.shape, *values.shape[1:]), values.dtype)
    spread[inside] = values
    return spread
