"""Metrics of translations."""

from collections.abc import Sequence

from rnnjax.extras import require


def bleu(hypotheses: Sequence[str], references: Sequence[str]) -> tuple[float, str]:
    """Return the BLEU of a corpus, from 0 to 100, and the signature that describes the metric.

    `sacrebleu` compares cased, detokenised texts (Post 2018, arXiv:1804.08771; BLEU: Papineni et
    al. 2002). It needs the extra "translation".

    Args:
      hypotheses: the translations of a model, at least one.
      references: the reference translation of each.

    Raises:
      ValueError: there are no hypotheses, or the numbers differ.

    Example:
      >>> text = ["the cat sat on the mat"]
      >>> score, signature = rx.metrics.bleu(text, text)
      >>> round(score, 1)
      100.0
    """
    _check(hypotheses, references)
    metric = require("sacrebleu", "translation").BLEU()
    score = metric.corpus_score(list(hypotheses), [list(references)]).score
    return score, str(metric.get_signature())


def exact_matches(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Return the share of hypotheses that equal their reference exactly.

    Args:
      hypotheses: the translations of a model, at least one.
      references: the reference translation of each.

    Raises:
      ValueError: there are no hypotheses, or the numbers differ.

    Example:
      >>> rx.metrics.exact_matches(["2026-05-03", "2026-05-04"], ["2026-05-03", "2026-05-05"])
      0.5
    """
    _check(hypotheses, references)
    pairs = list(zip(hypotheses, references, strict=True))
    return sum(ours == theirs for ours, theirs in pairs) / len(pairs)


def _check(hypotheses: Sequence[str], references: Sequence[str]) -> None:
    if not hypotheses or len(hypotheses) != len(references):
        raise ValueError(
            "hypotheses must be at least one and as many as references, got "
            f"{len(hypotheses)} and {len(references)}"
        )
