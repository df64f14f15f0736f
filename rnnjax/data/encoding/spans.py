"""Parts of sentences: text of which nothing but a teacher knows the answers."""

from collections.abc import Iterable, Sequence

import numpy as np


def random_spans(
    sentences: Iterable[Sequence[str]], count: int, *, seed: int
) -> list[tuple[str, ...]]:
    """Return `count` random spans of each sentence, those of one sentence together.

    A span has from two tokens to all of them, each number as likely, at any place as likely; of a
    sentence of one token, and of none, it is the sentence. To learn from a teacher's answers on
    them is the n-gram sampling of Tang et al. 2019 (arXiv:1903.12136), there of up to five tokens.

    Raises:
      ValueError: a negative `count`.
    """
    if count < 0:
        raise ValueError(f"count must be at least 0, got {count}")
    rng = np.random.default_rng(seed)
    return [_span(tuple(tokens), rng) for tokens in sentences for _ in range(count)]


def _span(tokens: tuple[str, ...], rng: np.random.Generator) -> tuple[str, ...]:
    if len(tokens) < 2:
        return tokens
    length = int(rng.integers(2, len(tokens), endpoint=True))
    start = int(rng.integers(0, len(tokens) - length, endpoint=True))
    return tokens[start : start + length]
