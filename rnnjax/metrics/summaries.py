"""Metrics of summaries."""

import re
from collections.abc import Sequence
from typing import NamedTuple

_WORD = re.compile(r"[a-z0-9]+")


class Rouge(NamedTuple):
    """How much of a text another one has.

    Attributes:
      precision: share of the hypothesis that the reference has.
      recall: share of the reference that the hypothesis has.
      f: their harmonic mean; 0 if both are 0.

    Example:
      >>> rx.metrics.Rouge(precision=1.0, recall=0.5, f=2 / 3).recall
      0.5
    """

    precision: float
    recall: float
    f: float


def rouge_l(hypotheses: Sequence[str], references: Sequence[str]) -> Rouge:
    """Return the mean ROUGE-L of texts, from 0 to 1.

    Of each pair, with L the length of the longest common subsequence of their words,

        precision = L / words of the hypothesis;  recall = L / words of the reference
        f = 2 precision recall / (precision + recall)

    or 0 if a text has no words. Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of
    Summaries", with beta = 1. Words are runs of the letters a to z and digits, in lower case, as in
    the package `rouge-score` without stemming.

    Args:
      hypotheses: the summaries of a model, at least one.
      references: the reference of each.

    Raises:
      ValueError: there are no hypotheses, or the numbers differ.

    Example:
      >>> rx.metrics.rouge_l(["a cat sat."], ["The cat sat down"])
      Rouge(precision=0.6666666666666666, recall=0.5, f=0.5714285714285715)
    """
    if not hypotheses or len(hypotheses) != len(references):
        raise ValueError(
            "hypotheses must be at least one and as many as references, got "
            f"{len(hypotheses)} and {len(references)}"
        )
    each = [_rouge_l(*pair) for pair in zip(hypotheses, references, strict=True)]
    return Rouge(*(sum(values) / len(each) for values in zip(*each, strict=True)))


def _rouge_l(hypothesis: str, reference: str) -> Rouge:
    ours, theirs = (_WORD.findall(text.lower()) for text in (hypothesis, reference))
    common = _longest_common(ours, theirs)
    if not common:
        return Rouge(0.0, 0.0, 0.0)
    precision, recall = common / len(ours), common / len(theirs)
    return Rouge(precision, recall, 2 * precision * recall / (precision + recall))


def _longest_common(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """Return the length of the longest common subsequence."""
    best = [0] * (len(theirs) + 1)  # with the words of ours so far, of each start of theirs
    for word in ours:
        before = best
        best = [0]
        for place, other in enumerate(theirs):
            same = before[place] + 1 if word == other else 0
            best.append(max(same, before[place + 1], best[place]))
    return best[-1]
