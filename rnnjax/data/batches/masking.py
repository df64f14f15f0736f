"""Hiding tokens for a model to tell."""

import numpy as np

_MASKED, _RANDOM = 0.8, 0.1  # shares of the chosen tokens; the rest stays as it is


def mask_tokens(
    tokens: np.ndarray,
    maskable: np.ndarray,
    rng: np.random.Generator,
    *,
    vocabulary: np.ndarray,
    mask_id: int,
    share: float = 0.15,
    starts: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Choose tokens at random and hide them (BERT; Devlin et al. 2019, arXiv:1810.04805).

    Of each row, `share` of the tokens that may be chosen are, rounded, and at least one where there
    is any: a fixed number, as BERT's, so that every sentence teaches something. Of the chosen,
    each by itself, 80 % become `mask_id`, 10 % a random token, and 10 % stay. The same state of
    `rng` gives the same result; another draw for each epoch is what RoBERTa calls dynamic.

    With `starts`, whole words are chosen: `share` of a row's words, rounded, at least one, with
    all tokens of each. Every word is as likely as another, however long, so the share of tokens is
    right on average. What happens to a token is still drawn for each by itself, as in BERT.

    Args:
      tokens: `(batch, time)` integers.
      maskable: `(batch, time)` bool, False for padding and special tokens.
      rng: the source of randomness.
      vocabulary: `(ids,)` integers, what random tokens are drawn from.
      mask_id: the id that hides a token.
      share: in (0, 1].
      starts: `(batch, time)` bool, True where a word starts; a word ends where the next one
        starts, or before a token that is not maskable. None chooses single tokens.

    Returns:
      The tokens that a model reads, and which were chosen, `(batch, time)`: `tokens` are the
      targets there.

    Raises:
      ValueError: a wrong shape, dtype or share, or an empty vocabulary.
    """
    _check(tokens, maskable, vocabulary, share, starts)
    chosen = _choose(maskable, rng, share, starts)
    fate = rng.random(tokens.shape)
    others = vocabulary[rng.integers(len(vocabulary), size=tokens.shape)]
    inputs = np.where(fate < _MASKED, mask_id, np.where(fate < _MASKED + _RANDOM, others, tokens))
    return np.where(chosen, inputs, tokens).astype(tokens.dtype), chosen


def _choose(
    maskable: np.ndarray, rng: np.random.Generator, share: float, starts: np.ndarray | None
) -> np.ndarray:
    """Choose among the words, `(batch, time)`; without `starts` a token is a word."""
    first = maskable
    if starts is not None:
        before = np.pad(maskable, ((0, 0), (1, 0)))[:, :-1]
        first = maskable & (starts | ~before)
    words = first.sum(axis=1, keepdims=True)
    wanted = np.minimum(words, np.maximum(1, np.rint(share * words)))
    scores = np.where(first, rng.random(first.shape), np.inf)
    ranks = scores.argsort(axis=1).argsort(axis=1)
    # Each token's first of its word: the last one at or before it.
    where = np.maximum.accumulate(np.where(first, np.arange(first.shape[1]), 0), axis=1)
    return maskable & np.take_along_axis(ranks < wanted, where, axis=1)


def _check(
    tokens: np.ndarray,
    maskable: np.ndarray,
    vocabulary: np.ndarray,
    share: float,
    starts: np.ndarray | None,
) -> None:
    if tokens.ndim != 2 or not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(
            f"tokens have shape {tokens.shape} and dtype {tokens.dtype}; "
            "they must be (batch, time) integers"
        )
    for name, marks in (("maskable", maskable), ("starts", starts)):
        if marks is not None and (marks.shape != tokens.shape or marks.dtype != np.bool_):
            raise ValueError(
                f"{name} has shape {marks.shape} and dtype {marks.dtype}; "
                f"it must be bool of the tokens' shape {tokens.shape}"
            )
    if vocabulary.ndim != 1 or not len(vocabulary):
        raise ValueError(
            f"vocabulary has shape {vocabulary.shape}; it must be (ids,), at least one"
        )
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}; it must lie in (0, 1]")
