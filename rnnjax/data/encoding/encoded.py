"""Sentences as arrays, and the batches cut from them."""

from collections.abc import Mapping, Sequence, Sized
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from rnnjax.data.readers.records import UNLABELLED, Sentences, Tagged

NO_TARGET = -1  # in place of a tag or label that is not known, or not one of the model's


class Encoded(NamedTuple):
    """Sentences as arrays, end to end; sentence s holds the tokens from starts[s] to starts[s + 1].

    Attributes:
      starts: (sentences + 1,) where each starts.
      inputs: what a model reads, by the name of its argument, each (tokens, ...); padded with 0.
      answers: what it is to say, each (tokens, ...) or, of whole sentences, (sentences, ...):
        integers, the "targets", are padded with `NO_TARGET`, all else with 0.
      tagged: whether answers are of tokens.
      wholes: what a model reads of whole sentences, each (sentences, ...); 0 for no sentence.
    """

    starts: np.ndarray
    inputs: dict[str, np.ndarray]
    answers: dict[str, np.ndarray]
    tagged: bool
    wholes: Mapping[str, np.ndarray] = MappingProxyType({})

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each sentence, (sentences,)."""
        return np.diff(self.starts)

    def batch(self, rows: np.ndarray, length: int) -> dict[str, np.ndarray]:
        """The sentences `rows` (batch,), padded to `length` tokens; row -1 is an empty one.

        Returns:
          Inputs (batch, length, ...), answers (batch, length, ...) or (batch, ...), wholes
          (batch, ...), and `lengths` (batch,).

        Raises:
          ValueError: a sentence has more than `length` tokens.
        """
        none = rows < 0
        lengths = np.where(none, 0, self.starts[rows + 1] - self.starts[rows]).astype(np.int32)
        if lengths.max(initial=0) > length:
            raise ValueError(f"length is {length}; a sentence has {lengths.max()} tokens")
        inside = np.arange(length) < lengths[:, None]
        where = (self.starts[rows][:, None] + np.arange(length))[inside]
        batch = {name: _spread(values[where], inside, 0) for name, values in self.inputs.items()}
        for name, values in self.answers.items():
            fill = NO_TARGET if np.issubdtype(values.dtype, np.integer) else 0
            if self.tagged:
                batch[name] = _spread(values[where], inside, fill)
            else:
                batch[name] = _spread(values[rows[~none]], ~none, fill)
        for name, values in self.wholes.items():
            batch[name] = _spread(values[rows[~none]], ~none, 0)
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


def _spread(values: np.ndarray, inside: np.ndarray, fill: int) -> np.ndarray:
    """The values where `inside` is true, in order, and `fill` elsewhere."""
    spread = np.full((*inside.shape, *values.shape[1:]), fill, values.dtype)
    spread[inside] = values
    return spread
