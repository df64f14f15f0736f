"""Random parts of sentences, which only a teacher can label."""

from collections.abc import Iterable, Sequence

import numpy as np

from rnnjax.checks.values import check_at_least


def random_spans(
    sentences: Iterable[Sequence[str]], count: int, *, seed: int
) -> list[tuple[str, ...]]:
    """Return `count` random spans of each sentence, sentence by sentence.

    A span has at least two tokens. Its length, and then its place, are drawn uniformly. The span of
    a sentence with fewer than two tokens is the sentence. A student that learns a teacher's answers
    on such spans does the n-gram sampling of Tang et al. 2019 (arXiv:1903.12136); they sample up to
    five tokens.

    Args:
      sentences: the tokens of each sentence.
      count: spans of each sentence, at least 0.
      seed: seed of the random numbers.

    Raises:
      ValueError: `count` is negative.

    Example:
      >>> rx.data.random_spans([("what", "a", "bad", "film")], 2, seed=0)
      [('what', 'a', 'bad', 'film'), ('a', 'bad', 'film')]
    """
    check_at_least(0, count=count)
    rng = np.random.default_rng(seed)
    return [_span(tuple(tokens), rng) for tokens in sentences for _ in range(count)]


def _span(tokens: tuple[str, ...], rng: np.random.Generator) -> tuple[str, ...]:
    if len(tokens) < 2:
        return tokens
    length = int(rng.integers(2, len(tokens), endpoint=True))
    start = int(rng.integers(0, len(tokens) - length, endpoint=True))
    return tokens[start : start + length]
