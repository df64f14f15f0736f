"""How good translations are."""

from collections.abc import Sequence

from rnnjax.extras import require


def bleu(hypotheses: Sequence[str], references: Sequence[str]) -> tuple[float, str]:
    """Return BLEU of a corpus, from 0 to 100, and the signature that says how it was counted.

    Texts are compared as they are, cased and detokenised, by `sacrebleu` (Post 2018,
    arXiv:1804.08771; BLEU is of Papineni et al. 2002), of the extra "translation".

    Args:
      hypotheses: translations.
      references: one for each of them.

    Raises:
      ValueError: there are none, or not as many of one as of the other.
    """
    _check(hypotheses, references)
    metric = require("sacrebleu", "translation").BLEU()
    score = metric.corpus_score(list(hypotheses), [list(references)]).score
    return score, str(metric.get_signature())


def exact_matches(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Return the share of hypotheses that are their reference to the letter; errors as `bleu`."""
    _check(hypotheses, references)
    pairs = list(zip(hypotheses, references, strict=True))
    return sum(ours == theirs for ours, theirs in pairs) / len(pairs)


def _check(hypotheses: Sequence[str], references: Sequence[str]) -> None:
    if not hypotheses or len(hypotheses) != len(references):
        raise ValueError(
            "hypotheses must be at least one, and as many as references, got "
            f"{len(hypotheses)} and {len(references)}"
        )
