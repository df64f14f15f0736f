"""Metrics of predicted labels, tags and spans."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rnnjax.schemes import spans


class Score(NamedTuple):
    """Counts of gold, predicted and correct items, with precision, recall and F1.

    Attributes:
      gold: number of items in the gold data.
      predicted: number of predicted items.
      correct: number of predicted items that are right.

    Example:
      >>> score = rx.metrics.Score(gold=4, predicted=2, correct=2)
      >>> score.precision, score.recall, round(score.f1, 3)
      (1.0, 0.5, 0.667)
    """

    gold: int
    predicted: int
    correct: int

    @property
    def precision(self) -> float:
        """The share of predicted items that are right; 0 if nothing was predicted."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """The share of gold items that were found; 0 if there are none."""
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall, 2 correct / (gold + predicted)."""
        total = self.gold + self.predicted
        return 2 * self.correct / total if total else 0.0


def accuracy(gold: Sequence[Hashable], predicted: Sequence[Hashable]) -> float:
    """Return the share of predictions that are right; NaN if there are none.

    Args:
      gold: the right labels.
      predicted: the predicted labels.

    Raises:
      ValueError: the numbers of labels differ.

    Example:
      >>> rx.metrics.accuracy(["a", "b"], ["a", "a"])
      0.5
    """
    _check(gold, predicted)
    if not gold:
        return float("nan")
    return sum(a == b for a, b in zip(gold, predicted, strict=True)) / len(gold)


def label_scores(gold: Sequence[str], predicted: Sequence[str]) -> dict[str, Score]:
    """Return the score of every label that occurs in `gold` or `predicted`, by name.

    Args:
      gold: the right labels.
      predicted: the predicted labels.

    Raises:
      ValueError: the numbers of labels differ.

    Example:
      >>> rx.metrics.label_scores(["a", "b"], ["a", "a"])["a"]
      Score(gold=1, predicted=2, correct=1)
    """
    _check(gold, predicted)
    return _scores(gold, predicted, (a for a, b in zip(gold, predicted, strict=True) if a == b))


def span_scores(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]
) -> dict[str, Score]:
    """Return the score of every kind of span in tagged sentences, by name.

    A span is right if its kind, start and end are right. Spans are read as conlleval reads them, in
    any scheme (`rnnjax.schemes.spans`). `total` of the result is the score of conlleval.

    Args:
      gold: the right tags of each sentence.
      predicted: the predicted tags of each sentence.

    Raises:
      ValueError: the numbers of sentences, or of the tags of a sentence, differ.

    Example:
      >>> rx.metrics.span_scores([["B-PER", "I-PER", "O"]], [["B-PER", "O", "O"]])
      {'PER': Score(gold=1, predicted=1, correct=0)}
    """
    _check(gold, predicted)
    there, found, right = Counter[str](), Counter[str](), Counter[str]()
    for wanted, given in zip(gold, predicted, strict=True):
        _check(wanted, given)
        a, b = set(spans(wanted)), set(spans(given))
        for counts, group in ((there, a), (found, b), (right, a & b)):
            counts.update(span.kind for span in group)
    return _scores(there.elements(), found.elements(), right.elements())


def total(scores: Mapping[str, Score]) -> Score:
    """Return the score of all kinds together; its F1 is the micro F1.

    Args:
      scores: the score of each kind.

    Example:
      >>> rx.metrics.total({"a": rx.metrics.Score(1, 2, 1), "b": rx.metrics.Score(1, 0, 0)})
      Score(gold=2, predicted=2, correct=1)
    """
    return Score(*(sum(counts) for counts in zip((0, 0, 0), *scores.values(), strict=True)))


def macro_f1(scores: Mapping[str, Score]) -> float:
    """Return the unweighted mean of the F1 of all kinds; 0 if there are none.

    Args:
      scores: the score of each kind.

    Example:
      >>> scores = {"a": rx.metrics.Score(1, 1, 1), "b": rx.metrics.Score(1, 0, 0)}
      >>> rx.metrics.macro_f1(scores)
      0.5
    """
    return float(np.mean([score.f1 for score in scores.values()])) if scores else 0.0


def confusion(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """Return the confusion matrix: entry [i, j] counts label i predicted as label j.

    Args:
      gold: the right labels.
      predicted: the predicted labels.
      labels: all labels, in the order of the result.

    Returns:
      `(labels, labels)` int64.

    Raises:
      ValueError: the numbers of labels differ, or a label is not among `labels`.

    Example:
      >>> rx.metrics.confusion(["a", "b"], ["a", "a"], ["a", "b"]).tolist()
      [[1, 0], [1, 0]]
    """
    _check(gold, predicted)
    places = {label: i for i, label in enumerate(labels)}
    unknown = {*gold, *predicted} - places.keys()
    if unknown:
        raise ValueError(f"labels must contain every label, got none of {sorted(unknown)}")
    counts = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(counts, ([places[a] for a in gold], [places[b] for b in predicted]), 1)
    return counts


def _scores(
    gold: Iterable[str], predicted: Iterable[str], correct: Iterable[str]
) -> dict[str, Score]:
    there, found, right = Counter(gold), Counter(predicted), Counter(correct)
    names = sorted({*there, *found})
    return {name: Score(there[name], found[name], right[name]) for name in names}


def _check(gold: Sequence[object], predicted: Sequence[object]) -> None:
    if len(gold) != len(predicted):
        raise ValueError(
            f"gold and predicted must have the same length, got {len(gold)} and {len(predicted)}"
        )
