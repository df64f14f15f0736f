"""Between labelled sentences and the arrays that models are trained on."""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnnjax.data.lexicon import PAD, Lexicon
from rnnjax.data.sentences import UNLABELLED, Labelled, Tagged
from rnnjax.files import write_whole

NO_TARGET = -1  # in place of a tag or label that is not known, or not one of the model's


class Encoded(NamedTuple):
    """Sentences as arrays, end to end; sentence s holds the tokens from starts[s] to starts[s + 1].

    Attributes:
      starts: (sentences + 1,) where each starts.
      words: (tokens,) int32.
      characters: (tokens, length) int32, or None.
      targets: (tokens,) int32, the tags; or (sentences,), the labels.
      tagged: whether targets are tags.
    """

    starts: np.ndarray
    words: np.ndarray
    characters: np.ndarray | None
    targets: np.ndarray
    tagged: bool

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each sentence, (sentences,)."""
        return np.diff(self.starts)

    def batch(self, rows: np.ndarray, length: int) -> dict[str, np.ndarray]:
        """The sentences `rows` (batch,), padded to `length` tokens; row -1 is an empty one.

        Returns:
          `words` (batch, length), `lengths` (batch,), `targets` (batch, length) or (batch,), and
          `characters` (batch, length, characters) where there are any.
        """
        lengths = np.where(rows < 0, 0, self.starts[rows + 1] - self.starts[rows]).astype(np.int32)
        inside = np.arange(length) < lengths[:, None]
        where = (self.starts[rows][:, None] + np.arange(length))[inside]
        batch = {"words": _spread(self.words[where], inside, PAD), "lengths": lengths}
        if self.characters is not None:
            batch["characters"] = _spread(self.characters[where], inside, PAD)
        if self.tagged:
            batch["targets"] = _spread(self.targets[where], inside, NO_TARGET)
        else:
            batch["targets"] = np.where(rows < 0, NO_TARGET, self.targets[rows])
        return batch


@dataclass(frozen=True)
class Encoder:
    """What ids stand for.

    Attributes:
      words: the words.
      characters: their characters; None where a model does not read them.
      targets: names of tags or labels; a target's id is its place.
      max_word_length: characters that are kept of a word; of a longer one, half of them from its
        start and half from its end, where most of its form is.
    """

    words: Lexicon
    characters: Lexicon | None
    targets: tuple[str, ...]
    max_word_length: int = 16

    def __post_init__(self) -> None:
        if self.max_word_length < 2:
            raise ValueError(f"max_word_length is {self.max_word_length}; it must be at least 2")

    @classmethod
    def load(cls, path: Path) -> "Encoder":
        """Read what `save` wrote; ValueError names the file if it cannot be read or is broken."""
        try:
            stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            words, characters = stored.pop("words"), stored.pop("characters")
            characters = None if characters is None else _lexicon(**characters)
            return cls(_lexicon(**words), characters, tuple(stored.pop("targets")), **stored)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is not a saved encoder: {error!r}") from error

    def save(self, path: Path) -> None:
        """Write the encoder to `path` as JSON, wholly or not at all."""
        write_whole(path, json.dumps(dataclasses.asdict(self)) + "\n")

    def encode(self, sentences: Sequence[Tagged] | Sequence[Labelled]) -> Encoded:
        """Encode sentences; a target that is not among `targets` becomes `NO_TARGET`.

        Raises:
          ValueError: a tagged sentence has more or fewer tags than tokens.
        """
        lengths = [len(sentence.tokens) for sentence in sentences]
        starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
        tokens = list(chain.from_iterable(sentence.tokens for sentence in sentences))
        characters = None if self.characters is None else self._spell(tokens)
        tagged = any(isinstance(sentence, Tagged) for sentence in sentences)
        words, targets = self.words.encode(tokens), self._targets(sentences)
        return Encoded(starts, words, characters, targets, tagged)

    def _targets(self, sentences: Iterable[Tagged | Labelled]) -> np.ndarray:
        index = {name: i for i, name in enumerate(self.targets)}
        names: list[str] = []
        for number, sentence in enumerate(sentences, 1):
            if isinstance(sentence, Labelled):
                names.append(sentence.label)
                continue
            if len(sentence.tags) != len(sentence.tokens):
                raise ValueError(
                    f"sentence {number} has {len(sentence.tokens)} tokens and "
                    f"{len(sentence.tags)} tags; they must be as many"
                )
            names.extend(sentence.tags)
        return np.array([index.get(name, NO_TARGET) for name in names], np.int32)

    def _spell(self, tokens: Sequence[str]) -> np.ndarray:
        """The ids of each token's characters, (tokens, max_word_length), padded at the end."""
        assert self.characters is not None
        types = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
        spelled = np.full((len(types), self.max_word_length), PAD, np.int32)
        front = self.max_word_length - self.max_word_length // 2
        for token, i in types.items():
            if len(token) > self.max_word_length:
                token = token[:front] + token[front - self.max_word_length :]
            spelled[i, : len(token)] = self.characters.encode(token)
        return spelled[[types[token] for token in tokens]]


def fit_encoder(
    sentences: Sequence[Tagged] | Sequence[Labelled],
    more_words: Iterable[str] = (),
    *,
    characters: bool = True,
    lowercase: bool = False,
    fold_digits: bool = False,
    max_word_length: int = 16,
) -> Encoder:
    """The encoder of a training text: its words, characters, and tags or labels in order.

    Characters keep their case and their digits. `more_words` are those of `Lexicon.of`.
    """
    tokens = list(chain.from_iterable(sentence.tokens for sentence in sentences))
    names = {name for s in sentences for name in ([s.label] if isinstance(s, Labelled) else s.tags)}
    return Encoder(
        Lexicon.of(tokens, more_words, lowercase=lowercase, fold_digits=fold_digits),
        Lexicon.of(chain.from_iterable(tokens)) if characters else None,
        tuple(sorted(names - {UNLABELLED})),
        max_word_length,
    )


def _spread(values: np.ndarray, inside: np.ndarray, fill: int) -> np.ndarray:
    """The values where `inside` is true, in order, and `fill` elsewhere."""
    spread = np.full((*inside.shape, *values.shape[1:]), fill, values.dtype)
    spread[inside] = values
    return spread


def _lexicon(symbols: list[str], **others: Any) -> Lexicon:
    return Lexicon(tuple(symbols), **others)
