"""Between labelled sentences and the arrays that models are trained on."""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from rnnjax.data.encoding.encoded import Encoded, id_answer, names_of, ragged, target_ids
from rnnjax.data.readers.records import Sentences, Tagged
from rnnjax.data.vocabularies.lexicon import PAD, Lexicon
from rnnjax.files import write_whole


@dataclass(frozen=True)
class WordIndexer:
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
    def load(cls, path: Path) -> "WordIndexer":
        """Read what `save` wrote; ValueError names the file if it cannot be read or is broken."""
        try:
            stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            words, characters = stored.pop("words"), stored.pop("characters")
            characters = None if characters is None else _lexicon(**characters)
            return cls(_lexicon(**words), characters, tuple(stored.pop("targets")), **stored)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is not a saved indexer: {error!r}") from error

    def save(self, path: Path) -> None:
        """Write the indexer to `path` as JSON, wholly or not at all."""
        write_whole(path, json.dumps(dataclasses.asdict(self)) + "\n")

    def encode(self, sentences: Sentences) -> Encoded:
        """Encode sentences; a target that is not among `targets` becomes `NO_TARGET`.

        Raises:
          ValueError: a tagged sentence has more or fewer tags than tokens.
        """
        starts = ragged([sentence.tokens for sentence in sentences])
        tokens = list(chain.from_iterable(sentence.tokens for sentence in sentences))
        inputs = {"words": self.words.encode(tokens)}
        if self.characters is not None:
            inputs["characters"] = self._spell(tokens)
        tagged = any(isinstance(sentence, Tagged) for sentence in sentences)
        targets = id_answer(target_ids(self.targets, sentences), per_token=tagged)
        return Encoded(starts, inputs, {"targets": targets})

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


def fit_indexer(
    sentences: Sentences,
    more_words: Iterable[str] = (),
    *,
    characters: bool = True,
    lowercase: bool = False,
    fold_digits: bool = False,
    max_word_length: int = 16,
) -> WordIndexer:
    """The indexer of a training text: its words, characters, and tags or labels in order.

    Characters keep their case and their digits. `more_words` are those of `Lexicon.of`.
    """
    tokens = list(chain.from_iterable(sentence.tokens for sentence in sentences))
    return WordIndexer(
        Lexicon.of(tokens, more_words, lowercase=lowercase, fold_digits=fold_digits),
        Lexicon.of(chain.from_iterable(tokens)) if characters else None,
        names_of(sentences),
        max_word_length,
    )


def _lexicon(symbols: list[str], **others: Any) -> Lexicon:
    return Lexicon(tuple(symbols), **others)
