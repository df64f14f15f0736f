"""Which words of two sentences are translations of each other."""

from collections.abc import Sequence

import numpy as np

from rnnjax.checks.values import check_at_least
from rnnjax.data.encoding.encoded import ragged

Words = Sequence[str]

_TENSION = 4.0  # how much a word prefers one at the same place of the other sentence
_UNLINKED = 0.08  # how often a word has no translation
_LEAST = 0.1  # a link must be as likely as this, in both directions together


def align_words(
    pairs: Sequence[tuple[Words, Words]], *, iterations: int = 8
) -> list[dict[int, int]]:
    """Return which words of translated sentences are translations of each other.

    IBM's model 1 is fitted in both directions by expectation maximisation. It tells how likely word
    j of one sentence is the translation of word i of the other:

        P(i | j) ∝ exp(-4 |i / m - j / n|) t(second_j | first_i)

    where 8 % are kept for words without a translation. Two words are linked if each is the
    likeliest for the other, and if the product of both probabilities is at least 0.1.

    Sources: Brown et al. 1993 (model 1); Dyer et al. 2013, fast_align (the preference for the
    diagonal); Liang et al. 2006 (agreement of both directions).

    Args:
      pairs: sentences and their translations, each split into words. An empty sentence has no
        links.
      iterations: rounds of expectation maximisation.

    Returns:
      For each pair the links, from a position in the first sentence to one in the second. A
      position is in one link at most.

    Raises:
      ValueError: `iterations` is less than 1, or a sentence is not split.

    Example:
      >>> pairs = [("the dog", "der hund"), ("the cat", "die katze"), ("a dog", "ein hund")]
      >>> rx.data.align_words([(a.split(), b.split()) for a, b in pairs])[0]
      {0: 0, 1: 1}
    """
    check_at_least(1, iterations=iterations)
    for number, pair in enumerate(pairs, 1):
        if any(isinstance(sentence, str) for sentence in pair):
            raise ValueError(f"pairs must be split into words, got {pair!r} as pair {number}")
    first, second = (_Side([pair[side] for pair in pairs]) for side in (0, 1))
    i, j = _cells(first.starts, second.starts)
    i_place, j_place = first.places[i], second.places[j]
    near = np.exp(-_TENSION * np.abs(i_place - j_place))
    likely = _posterior(first, second, i, j, near, iterations)
    likely *= _posterior(second, first, j, i, near, iterations)
    return _links(first, second, i, j, likely)


def switch_words(
    first: Words,
    second: Words,
    links: dict[int, int],
    share: float,
    generator: np.random.Generator,
) -> tuple[list[str], list[str]]:
    """Return both sentences with some linked words replaced by their translations.

    An encoder that is pre-trained on such sentences meets the words of both languages in the same
    contexts (code-switching; Qin et al. 2020, arXiv:2006.06402; Yang et al. 2020, AAAI 34(05)).

    Args:
      first: a sentence.
      second: its translation.
      links: what `align_words` returns for the two.
      share: the probability that a linked word is replaced; drawn for each sentence anew.
      generator: draws which.

    Raises:
      ValueError: `share` is no probability.

    Example:
      >>> generator = np.random.default_rng(0)
      >>> rx.data.switch_words(["the", "dog"], ["der", "hund"], {1: 1}, 1.0, generator)
      (['the', 'hund'], ['der', 'dog'])
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie in [0, 1], got {share!r}")
    switched = list(first), list(second)
    for i, j in links.items():
        if generator.random() < share:
            switched[0][i] = second[j]
        if generator.random() < share:
            switched[1][j] = first[i]
    return switched


class _Side:
    """All sentences of one language, one after the other.

    Attributes:
      starts: `(sentences + 1,)`, where each starts.
      ids: `(words,)`, a number for each different word.
      places: `(words,)`, from 0 to 1: where in its sentence a word stands.
    """

    def __init__(self, sentences: Sequence[Words]) -> None:
        self.starts = ragged(sentences)
        words = [word for sentence in sentences for word in sentence]
        known = {word: number for number, word in enumerate(dict.fromkeys(words))}
        self.ids = np.array([known[word] for word in words], np.int64)
        self.size = len(known)
        lengths = np.diff(self.starts)
        inside = np.arange(len(words)) - np.repeat(self.starts[:-1], lengths)
        self.places = (inside + 0.5) / np.repeat(lengths, lengths)


def _cells(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return all twos of words of one pair, as positions in the two sides."""
    rows, columns = np.diff(first), np.diff(second)
    counts = rows * columns
    inside = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    width = np.repeat(columns, counts)
    return (
        np.repeat(first[:-1], counts) + inside // np.maximum(width, 1),
        np.repeat(second[:-1], counts) + inside % np.maximum(width, 1),
    )


def _posterior(
    source: _Side, target: _Side, i: np.ndarray, j: np.ndarray, near: np.ndarray, iterations: int
) -> np.ndarray:
    """Return P(i | j) of each cell: that word j of the target translates word i of the source."""
    near = near * (1 - _UNLINKED) / np.bincount(j, near, len(target.ids))[j]
    keys, of = np.unique(source.ids[i] * target.size + target.ids[j], return_inverse=True)
    spoken = keys // max(target.size, 1)
    translation: np.ndarray = np.ones(len(keys))
    alone: np.ndarray = np.ones(target.size)  # of words without a translation
    for _ in range(iterations):
        linked = near * translation[of]
        unlinked = _UNLINKED * alone[target.ids]
        total = np.bincount(j, linked, len(target.ids)) + unlinked
        linked /= total[j]
        counts = np.bincount(of, linked, len(keys))
        translation = counts / np.bincount(spoken, counts, source.size)[spoken]
        alone = np.bincount(target.ids, unlinked / total, target.size)
        alone = alone / max(alone.sum(), 1e-300)
    return linked


def _links(
    first: _Side, second: _Side, i: np.ndarray, j: np.ndarray, likely: np.ndarray
) -> list[dict[int, int]]:
    """Return the cells that are the likeliest of their row and of their column, by sentence."""
    best_i, best_j = np.zeros(len(first.ids)), np.zeros(len(second.ids))
    np.maximum.at(best_i, i, likely)
    np.maximum.at(best_j, j, likely)
    chosen = np.flatnonzero((likely >= _LEAST) & (likely == best_i[i]) & (likely == best_j[j]))
    links: list[dict[int, int]] = [{} for _ in first.starts[1:]]
    where = np.searchsorted(first.starts, i[chosen], side="right") - 1
    for sentence, a, b in zip(where.tolist(), i[chosen].tolist(), j[chosen].tolist(), strict=True):
        one, other = a - int(first.starts[sentence]), b - int(second.starts[sentence])
        # Of two equal words, both may be as likely.
        if one not in links[sentence] and other not in links[sentence].values():
            links[sentence][one] = other
    return links
