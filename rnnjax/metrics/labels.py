"""How well predicted labels, tags and spans agree with the gold ones."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rnnjax.schemes import spans


class Score(NamedTuple):
    """How many things there were, were predicted, and were both."""

    gold: int
    predicted: int
    correct: int

    @property
    def precision(self) -> float:
        """Share of what was predicted that is right; 0 where nothing was predicted."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Share of what there was that was found; 0 where there was nothing."""
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 2 correct / (gold + predicted)."""
        total = self.gold + self.predicted
        return 2 * self.correct / total if total else 0.0


def accuracy(gold: Sequence[Hashable], predicted: Sequence[Hashable]) -> float:
    """Return the share of predictions that are right; NaN of none.

    Raises:
      ValueError: there are more of one than of the other.
    """
    _check(gold, predicted)
    if not gold:
        return float("nan")
    return sum(a == b for a, b in zip(gold, predicted, strict=True)) / len(gold)


def label_scores(gold: Sequence[str], predicted: Sequence[str]) -> dict[str, Score]:
    """Return the score of every label that occurs, gold or predicted, by name.

    Raises:
      ValueError: there are more of one than of the other.
    """
    _check(gold, predicted)
    return _scores(gold, predicted, (a for a, b in zip(gold, predicted, strict=True) if a == b))


def span_scores(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]
) -> dict[str, Score]:
    """Return the score of every kind of span in tagged sentences, by name.

    A span is right where kind, start and end are; spans are those that conlleval reads
    (`rnnjax.schemes.spans`), in whatever scheme. `total` of the result is conlleval's score.

    Raises:
      ValueError: the sentences are not as many, or not as long.
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
    """Return the score of all kinds together; its F1 is the micro F1."""
    return Score(*(sum(counts) for counts in zip((0, 0, 0), *scores.values(), strict=True)))


def macro_f1(scores: Mapping[str, Score]) -> float:
    """Return the mean of the kinds' F1, each kind as much as another; 0 of none."""
    return float(np.mean([score.f1 for score in scores.values()])) if scores else 0.0


def confusion(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """Return how often label i was taken for label j, `(labels, labels)`.

    Raises:
      ValueError: there are more of one than of the other, or a label is not among `labels`.
    """
    _check(gold, predicted)
    places = {label: i for i, label in enumerate(labels)}
    unknown = {*gold, *predicted} - places.keys()
    if unknown:
        raise ValueError(f"labels must hold every label, but lack {sorted(unknown)}")
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
            f"gold and predicted must be as many, got {len(gold)} and {len(predicted)}"
        )
