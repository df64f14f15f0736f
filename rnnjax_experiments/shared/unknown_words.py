"""How many words of a text a model does not know."""

import sys
from collections.abc import Iterable

import numpy as np

from rnnjax.data import Question, Vocabulary, WordIndexer
from rnnjax.data.readers.records import Sentences
from rnnjax.data.readers.text import composed
from rnnjax.data.vocabularies.lexicon import UNKNOWN
from rnnjax.trained import TrainedQuestionAnswerer, TrainedSentenceModel


def unknown_in_lines(vocabulary: Vocabulary, lines: Iterable[str]) -> np.ndarray:
    """Return for each word of some lines whether a vocabulary lacks it; of no words if it has none.

    The word `<unk>`, which some corpora contain, is in every vocabulary of words.
    """
    if vocabulary.kind != "word":
        return np.zeros(0, bool)
    known = set(vocabulary.symbols)
    return np.array([w not in known for line in lines for w in composed(line).split()], bool)


def unknown_in_sentences(
    trained: TrainedSentenceModel | TrainedQuestionAnswerer, sentences: Sentences | list[Question]
) -> np.ndarray:
    """Return for each word of some sentences whether a model that reads words lacks it."""
    if not isinstance(trained.indexer, WordIndexer):
        return np.zeros(0, bool)
    tokens = [token for sentence in sentences for token in sentence.tokens]
    return trained.indexer.words.encode(tokens) == UNKNOWN


def say_unknown(*unknown: np.ndarray) -> None:
    """Print how many words are unknown, if any; the arrays have a bool for each word."""
    words = np.concatenate([np.zeros(0, bool), *unknown])
    if words.any():
        print(
            f"{words.sum():,} of {words.size:,} words ({words.mean():.1%}) are not in the "
            "vocabulary: the model reads them as unknown",
            file=sys.stderr,
        )
