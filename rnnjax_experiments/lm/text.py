"""Text as a trained language model reads it: log-probabilities, words to come."""

import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnjax.checks import check_positive
from rnnjax.data import Vocabulary
from rnnjax.decoding import Stream, completions
from rnnjax.trained import TrainedLanguageModel
from rnnjax.trained.language_model import start_ids
from rnnjax_experiments.lm.presets import LanguageModelExperiment
from rnnjax_experiments.shared.run_folder import open_run
from rnnjax_experiments.shared.unknown_words import say_unknown, unknown_in_lines


def load(run: Path) -> TrainedLanguageModel:
    """Return the language model that a run trained."""
    trained: TrainedLanguageModel = open_run(run, LanguageModelExperiment)[1]
    return trained


def single_token(vocabulary: Vocabulary, text: str) -> int:
    """Return the id of a text of one token, at which to stop."""
    ids = start_ids(vocabulary, text)[1:]
    # An unknown word would be <unk>, at which no text should end by mistake.
    if len(ids) != 1 or vocabulary.unknown(text):
        raise ValueError(f"stop must be one {vocabulary.unit} of the vocabulary, got {text!r}")
    return int(ids[0])


class Scores(NamedTuple):
    """The log-probabilities of texts in nats, and without the spelling of unknown words."""

    whole: np.ndarray
    plain: np.ndarray
    lengths: np.ndarray


def score_texts(
    trained: TrainedLanguageModel, texts: Sequence[str], places: Sequence[str]
) -> Scores:
    """Return the log-probability of each text as a line, its end included, and its tokens.

    ValueError names the place of a text that has a character which the vocabulary lacks.
    """
    for text, place in zip(texts, places, strict=True):
        try:
            trained.vocabulary.encode(text)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from error
    unknown = unknown_in_lines(trained.vocabulary, texts)
    say_unknown(unknown)
    if unknown.any() and trained.spelling is None:
        print("the run has no spelling.json: unknown words cost no spelling", file=sys.stderr)
    logs, lengths = trained.log_probabilities(texts)
    return Scores(logs, logs + trained.spelling_costs(texts), lengths)


class Suggestion(NamedTuple):
    """A word, its probability, and its probability among the words that the model knows."""

    word: str
    share: float
    plain: float


class Suggester:
    """The likeliest next words after texts that change at their end.

    Args:
      trained: the model.
      count: how many words.
    """

    def __init__(self, trained: TrainedLanguageModel, count: int) -> None:
        check_positive(count=count)
        if trained.vocabulary.kind == "piece":
            raise ValueError(
                "run must be of a model of words, characters or bytes, got one of pieces: a word "
                "that is begun may end in the middle of one"
            )
        self._vocabulary, self._spelling = trained.vocabulary, trained.spelling
        self._count = count
        self._stream = Stream(trained.model, trained.variables, trained.vocabulary.start)
        self._inside = np.array([_is_inside(symbol) for symbol in trained.vocabulary.symbols])
        if trained.vocabulary.kind == "byte":
            self._inside[128:] = True  # parts of letters, for the most part
        # A step from the state of another is compiled by itself, and so are those side by side:
        # now, before anybody waits.
        self._stream.read([trained.vocabulary.start])
        self._answer("", "")

    def after(self, text: str) -> tuple[list[Suggestion], int, float]:
        """Return words and their probabilities, the steps that reading took, and all seconds."""
        before = time.perf_counter()
        begun = text.split()[-1] if text and not text[-1].isspace() else ""
        whole = text[: len(text) - len(begun)] if self._vocabulary.kind == "word" else text
        steps = self._stream.read(start_ids(self._vocabulary, whole)[1:].tolist())
        words = self._answer(text, begun)
        return words, steps, time.perf_counter() - before

    def _answer(self, text: str, begun: str) -> list[Suggestion]:
        return self._words(begun) if self._vocabulary.kind == "word" else self._ends(text)

    def _words(self, begun: str) -> list[Suggestion]:
        """Return the likeliest words that begin so, with their shares among all that do."""
        shares = np.exp(self._stream.log_probabilities.astype(np.float64))
        symbols = self._vocabulary.symbols
        fits = [i for i, word in enumerate(symbols) if i > 1 and word.startswith(begun)]
        best = sorted(fits, key=lambda i: -shares[i])[: self._count]
        known, unknown = shares[fits].sum(), 0.0
        if self._spelling is not None:
            (log,) = self._spelling.log_probabilities([begun], whole=False)
            unknown = shares[0] * np.exp(log)
        return [
            Suggestion(symbols[i], float(shares[i] / (known + unknown)), float(shares[i] / known))
            for i in best
        ]

    def _ends(self, text: str) -> list[Suggestion]:
        """Return what the last word of a text may become, if it is begun, or the next words."""
        begun = len(text)
        while begun and _is_inside(text[begun - 1]):
            begun -= 1
        found = completions(self._stream, self._inside, count=self._count, begun=begun < len(text))
        decode = self._vocabulary.decode
        pairs = ((text[begun:] + decode(c.tokens), math.exp(c.log_probability)) for c in found)
        return [Suggestion(word, share, share) for word, share in pairs]


def _is_inside(symbol: str) -> bool:
    """Return whether a character is part of a word."""
    return symbol.isalnum() or symbol in "_'"
