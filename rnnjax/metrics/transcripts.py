"""Metrics of transcripts: how many symbols were replaced, left out or added."""

from collections.abc import Sequence
from typing import Any, NamedTuple


class Edits(NamedTuple):
    """How many edits lead from references to hypotheses.

    Attributes:
      substitutions: symbols that are another one in the hypothesis.
      insertions: symbols that only the hypothesis has.
      deletions: symbols that only the reference has.
      symbols: the number of symbols of the references.

    Example:
      >>> edits = rx.metrics.edits("314", "3144")
      >>> edits.insertions, edits.errors, edits.symbols
      (1, 1, 3)
    """

    substitutions: int
    insertions: int
    deletions: int
    symbols: int

    @property
    def errors(self) -> int:
        """The edit distance: the number of all edits."""
        return self.substitutions + self.insertions + self.deletions

    @property
    def rate(self) -> float:
        """Errors per symbol of the references; NaN without a symbol. It may exceed 1."""
        return self.errors / self.symbols if self.symbols else float("nan")


def edits(reference: Sequence[Any], hypothesis: Sequence[Any]) -> Edits:
    """Return the fewest edits that lead from a reference to a hypothesis.

    All edits cost 1 (Levenshtein 1966). Of several ways with the fewest edits, it is one with the
    most substitutions.

    Args:
      reference: the true symbols: a string, or a sequence of words or ids.
      hypothesis: the symbols that a model has read.

    Example:
      >>> rx.metrics.edits("kitten", "sitting")
      Edits(substitutions=2, insertions=1, deletions=0, symbols=6)
    """
    # Of each beginning of the hypothesis: substitutions, insertions, deletions.
    row = [(0, j, 0) for j in range(len(hypothesis) + 1)]
    for symbol in reference:
        before, row = row, [(row[0][0], 0, row[0][2] + 1)]
        for j, other in enumerate(hypothesis):
            same, (subs, ins, dels) = symbol == other, before[j]
            options = [
                (subs + (not same), ins, dels),
                (row[j][0], row[j][1] + 1, row[j][2]),
                (before[j + 1][0], before[j + 1][1], before[j + 1][2] + 1),
            ]
            row.append(min(options, key=lambda each: (sum(each), -each[0])))
    return Edits(*row[-1], len(reference))


def total_edits(references: Sequence[Sequence[Any]], hypotheses: Sequence[Sequence[Any]]) -> Edits:
    """Return the edits of many transcripts, summed; `rate` of it is the symbol error rate.

    Args:
      references: the true transcripts; one may be empty, and all that is read is then inserted.
      hypotheses: what a model has read, one for each reference.

    Raises:
      ValueError: the numbers of references and hypotheses differ.

    Example:
      >>> rx.metrics.total_edits(["314", "", "15"], ["314", "2", "1"]).rate
      0.4
    """
    if len(references) != len(hypotheses):
        raise ValueError(
            "references and hypotheses must be as many, got "
            f"{len(references)} and {len(hypotheses)}"
        )
    pairs = zip(references, hypotheses, strict=True)
    found = [edits(*pair) for pair in pairs]
    return Edits(*(sum(each[i] for each in found) for i in range(len(Edits._fields))))
