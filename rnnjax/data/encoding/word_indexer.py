"""Encoding labelled sentences as arrays of word and character ids."""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from rnnjax.checks.values import check_at_least
from rnnjax.data.encoding.encoded import Encoded, id_answer, names_of, ragged, target_ids
from rnnjax.data.readers.records import Paired, Sentences, Tagged
from rnnjax.data.readers.text import composed
from rnnjax.data.vocabularies.lexicon import PAD, Lexicon
from rnnjax.files import read_with_digest, write_with_digest


@dataclass(frozen=True)
class WordIndexer:
    """Encodes sentences of words and their tags or labels.

    Attributes:
      words: ids of words.
      characters: ids of characters; None if a model does not read them.
      targets: names of tags or labels; the id of a target is its index.
      max_word_length: characters to keep of a word, at least 2. Half of them come from its start
        and half from its end, where prefixes and suffixes are.
      paired: whether sentences come in pairs. A row then has the tokens of both, and the input
        "first_lengths" is the number of tokens of the first.

    Raises:
      ValueError: `max_word_length` is below 2.

    Example:
      >>> sentences = [rx.data.Tagged(("Ada", "wrote"), ("NOUN", "VERB"))]
      >>> indexer = rx.data.fit_indexer(sentences, max_word_length=5)
      >>> encoded = indexer.encode(sentences)
      >>> encoded.inputs["words"].shape, encoded.inputs["characters"].shape
      ((2,), (2, 5))
    """

    words: Lexicon
    characters: Lexicon | None
    targets: tuple[str, ...]
    max_word_length: int = 16
    paired: bool = False

    def __post_init__(self) -> None:
        check_at_least(2, max_word_length=self.max_word_length)

    @classmethod
    def load(cls, path: Path) -> "WordIndexer":
        """Return the indexer that `save` wrote.

        Raises:
          ValueError: the file cannot be read or is damaged; the message names it.
        """
        data = read_with_digest(path)
        try:
            stored: dict[str, Any] = json.loads(data)
            words, characters = stored.pop("words"), stored.pop("characters")
            characters = None if characters is None else _lexicon(**characters)
            return cls(_lexicon(**words), characters, tuple(stored.pop("targets")), **stored)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is not a saved indexer: {error!r}") from error

    def save(self, path: Path) -> None:
        """Write the indexer to `path` as JSON, completely or not at all."""
        write_with_digest(path, json.dumps(dataclasses.asdict(self)) + "\n")

    def encode(self, sentences: Sentences) -> Encoded:
        """Return sentences as arrays; a target that is not among `targets` becomes `NO_TARGET`.

        Raises:
          ValueError: the number of tags of a sentence differs from its tokens, or sentences are
            single and pairs are wanted, or the other way round.
        """
        if any(isinstance(sentence, Paired) != self.paired for sentence in sentences):
            wanted = "pairs" if self.paired else "single"
            raise ValueError(f"sentences must be {wanted}, as paired is {self.paired}")
        starts = ragged([sentence.tokens for sentence in sentences])
        tokens = list(chain.from_iterable(sentence.tokens for sentence in sentences))
        inputs = {"words": self.words.encode(tokens)}
        if self.characters is not None:
            inputs["characters"] = self._spell(tokens)
        tagged = any(isinstance(sentence, Tagged) for sentence in sentences)
        targets = id_answer(target_ids(self.targets, sentences), per_token=tagged)
        if not self.paired:
            return Encoded(starts, inputs, {"targets": targets})
        firsts = [len(each.first) for each in sentences if isinstance(each, Paired)]
        wholes = {"first_lengths": np.array(firsts, np.int32)}
        return Encoded(starts, inputs, {"targets": targets}, wholes)

    def _spell(self, tokens: Sequence[str]) -> np.ndarray:
        """Return the ids of each token's characters, `(tokens, max_word_length)`, padded."""
        assert self.characters is not None
        tokens = [composed(token) for token in tokens]
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
    """Return the indexer of training sentences: their words, characters, and tags or labels.

    It is for pairs if they are pairs.

    Args:
      sentences: the training sentences.
      more_words: words that are known from elsewhere; see `Lexicon.of`.
      characters: whether to index characters; they keep their case and digits.
      lowercase: see `Lexicon`; for words only.
      fold_digits: see `Lexicon`; for words only.
      max_word_length: see `WordIndexer`.

    Example:
      >>> indexer = rx.data.fit_indexer([rx.data.Labelled(("what", "fun"), "good")])
      >>> indexer.targets, indexer.words.symbols
      (('good',), ('fun', 'what'))
    """
    tokens = list(chain.from_iterable(sentence.tokens for sentence in sentences))
    return WordIndexer(
        Lexicon.of(tokens, more_words, lowercase=lowercase, fold_digits=fold_digits),
        Lexicon.of(chain.from_iterable(map(composed, tokens))) if characters else None,
        names_of(sentences),
        max_word_length,
        any(isinstance(sentence, Paired) for sentence in sentences),
    )


def _lexicon(symbols: list[str], **others: Any) -> Lexicon:
    return Lexicon(tuple(symbols), **others)
