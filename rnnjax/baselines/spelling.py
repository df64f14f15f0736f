"""The probability of the spelling of a rare word."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from rnnjax.baselines.ngram import NGram
from rnnjax.data import Vocabulary
from rnnjax.data.readers.text import composed
from rnnjax.data.vocabularies.vocabulary import END, UNKNOWN
from rnnjax.files import read_with_digest, write_with_digest

_END, _START, _SYMBOLS = 256, 257, 258  # after the bytes
_ORDER = 5


@dataclass(frozen=True)
class Spelling:
    """An n-gram model of the bytes of rare words, each with its end.

        log p(word) = sum over its bytes b_i, and its end, of log p(b_i | b_{i-4}, ..., b_{i-1})

    A word model has one class, `<unk>`, for all words that its vocabulary lacks. With this
    model, log p(<unk> | history) + log p(word) is the log-probability of such a word, so that an
    unknown word is not likelier than the known ones only because the class is large. The
    probabilities of all spellings sum to at most one: a little is left for what is no UTF-8, and
    for starts within a word.

    Build one with `fit` or `load`.

    Attributes:
      words: the rare words of a training text, all distinct; each counts once.

    Example:
      >>> spelling = rx.baselines.Spelling(("sleeping", "singing", "sleeves"))
      >>> usual, strange = spelling.log_probabilities(["sleeving", "xqzvwkjy"])
      >>> bool(usual > strange)
      True
    """

    words: tuple[str, ...]

    @classmethod
    def fit(cls, text: str, vocabulary: Vocabulary) -> "Spelling":
        """Return the model of the rare words of a text.

        These are the words that the vocabulary lacks, and those that are as rare as the rarest of
        the text: often a text has no unknown words, since its vocabulary was made of it.

        Args:
          text: the training text.
          vocabulary: the words that are known.
        """
        return cls.of_counts(Counter(composed(text).split()), vocabulary)

    @classmethod
    def of_counts(
        cls, counts: Mapping[str, int], vocabulary: Vocabulary, most: int | None = None
    ) -> "Spelling":
        """Return `fit` of a text whose words occur so often, of at most so many of its rare words.

        Args:
          counts: how often each word occurs; see `rnnjax.data.count_words`.
          vocabulary: the words that are known.
          most: about how many rare words to keep, evenly spread over all in the order of their
            spelling; None keeps all.
        """
        special, known = {UNKNOWN, END}, set(vocabulary.symbols)
        least = min((n for word, n in counts.items() if word not in special), default=0)
        rare = (w for w, n in counts.items() if (n == least or w not in known) and w not in special)
        words = sorted(rare)
        return cls(tuple(words[:: 1 if most is None else -(-len(words) // most) or 1]))

    @classmethod
    def load(cls, path: str | Path) -> "Spelling":
        """Return the model that `save` wrote.

        Raises:
          ValueError: the file cannot be read or is damaged; the message names it.
        """
        data = read_with_digest(Path(path))
        try:
            return cls(tuple(map(str, json.loads(data)["words"])))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is not a saved spelling model: {error!r}") from error

    def save(self, path: str | Path) -> None:
        """Write the words to `path` as JSON, completely or not at all."""
        write_with_digest(Path(path), json.dumps({"words": self.words}) + "\n")

    def log_probabilities(self, words: Sequence[str], *, whole: bool = True) -> np.ndarray:
        """Return the log-probability of each word in nats, `(words,)` float64.

        Args:
          words: strings without white space.
          whole: whether the word ends where the string ends. Otherwise the result is the
            log-probability of all words that begin with the string.
        """
        rows = [_symbols(word, whole=whole) for word in words]
        if not rows:
            return np.zeros(0)
        text = np.concatenate(rows)
        logs = self._ngram.log_probabilities(text, np.zeros(0, int))
        begins = np.cumsum([0, *map(len, rows[:-1])])
        return np.add.reduceat(np.where(text == _START, 0.0, logs), begins)

    @cached_property
    def _ngram(self) -> NGram:
        text = np.concatenate([_symbols(word, whole=True) for word in self.words or ("",)])
        return NGram.fit(text, _ORDER, _SYMBOLS)


def _symbols(word: str, *, whole: bool) -> np.ndarray:
    """Return the symbols of a word after so many starts that no history has another word."""
    spelt = [*word.encode("utf-8"), *([_END] if whole else [])]
    return np.array([_START] * (_ORDER - 1) + spelt)
