"""Sentences as arrays, and the batches cut from them."""

from collections.abc import Mapping, Sequence, Sized
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from rnnjax.data.readers.records import UNLABELLED, Sentences, Tagged

NO_TARGET = -1  # in place of a tag or label that is not known, or not one of the model's


class Answer(NamedTuple):
    """What a model is to say, of any dtype, and where it is known.

    Attributes:
      values: (tokens, ...), or of whole sentences (sentences, ...).
      per_token: which of the two.
      known: (tokens,) or (sentences,) bool; None: everywhere.
    """

    values: np.ndarray
    per_token: bool
    known: np.ndarray | None = None


class Encoded(NamedTuple):
    """Sentences as arrays, end to end; sentence s holds the tokens from starts[s] to starts[s + 1].

    Attributes:
      starts: (sentences + 1,) where each starts.
      inputs: what a model reads, by the name of its argument, each (tokens, ...); padded with 0.
      answers: what it is to say, by name; padded with 0.
      wholes: what a model reads of whole sentences, each (sentences, ...); 0 for no sentence.
      marks: what neither is read nor answered, such as where words start, each (tokens,);
        padded with 0.
    """

    starts: np.ndarray
    inputs: dict[str, np.ndarray]
    answers: dict[str, Answer]
    wholes: Mapping[str, np.ndarray] = MappingProxyType({})
    marks: Mapping[str, np.ndarray] = MappingProxyType({})

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each sentence, (sentences,)."""
        return np.diff(self.starts)

    def batch(self, rows: np.ndarray, length: int) -> dict[str, np.ndarray]:
        """The sentences `rows` (batch,), padded to `length` tokens; row -1 is an empty one.

        Returns:
          Inputs and marks (batch, length, ...), answers (batch, length, ...) or (batch, ...), and
          for each answer `{name}_known`, bool, False in the padding; wholes (batch, ...), and
          `lengths` (batch,).

        Raises:
          ValueError: a sentence has more than `length` tokens.
        """
        none = rows < 0
        lengths = np.where(none, 0, self.starts[rows + 1] - self.starts[rows]).astype(np.int32)
        if lengths.max(initial=0) > length:
            raise ValueError(f"length is {length}; a sentence has {lengths.max()} tokens")
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
    """Where each of `rows` starts if they stand end to end, and where the last ends."""
    return np.cumsum([0, *map(len, rows)], dtype=np.int64)


def joined(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of ids end to end, int32; there may be none."""
    return np.concatenate([np.zeros(0, np.int32), *rows]).astype(np.int32)


def names_of(sentences: Sentences) -> tuple[str, ...]:
    """The tags or labels of sentences, each once and in order; `UNLABELLED` is none."""
    found = {n for s in sentences for n in (s.tags if isinstance(s, Tagged) else [s.label])}
    return tuple(sorted(found - {UNLABELLED}))


def target_ids(targets: Sequence[str], sentences: Sentences) -> np.ndarray:
    """The ids of sentences' labels (sentences,), or of their tags (tokens,), int32.

    What is not among `targets` becomes `NO_TARGET`; ValueError names the sentence that has more or
    fewer tags than tokens.
    """
    names: list[str] = []
    for number, sentence in enumerate(sentences, 1):
        if not isinstance(sentence, Tagged):
            names.append(sentence.label)
            continue
        if len(sentence.tags) != len(sentence.tokens):
            raise ValueError(
                f"sentence {number} has {len(sentence.tokens)} tokens and "
                f"{len(sentence.tags)} tags; they must be as many"
            )
        names.extend(sentence.tags)
    index = {name: i for i, name in enumerate(targets)}
    return np.array([index.get(name, NO_TARGET) for name in names], np.int32)


def id_answer(ids: np.ndarray, *, per_token: bool) -> Answer:
    """The answer that is the id of a tag or label, known unless it is `NO_TARGET`."""
    return Answer(ids, per_token, ids != NO_TARGET)


def _spread(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The values where `inside` is true, in order, and 0 elsewhere."""
    spread = np.zeros((*inside.shape, *values.shape[1:]), values.dtype)
    spread[inside] = values
    return spread
