"""Masking tokens that a model learns to predict."""

import numpy as np

_MASKED, _RANDOM = 0.8, 0.1  # shares of the chosen tokens; the others are kept


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
    """Return tokens of which a random share is masked, and which these are.

    Source: BERT (Devlin et al. 2019, arXiv:1810.04805). In each row, `share` of the maskable tokens
    are chosen: the number is rounded, and at least one if there are any, so that a model learns
    from every sentence. Of the chosen tokens, 80 % become `mask_id`, 10 % a random token, and 10 %
    are kept; this is drawn independently for each token. The same state of `rng` gives the same
    result. New masks for every epoch are what RoBERTa calls dynamic masking.

    With `starts`, whole words are chosen: `share` of the words of a row, and all tokens of each.
    Long and short words are equally likely, so the share of tokens is right on average.

    Args:
      tokens: `(batch, time)` integers.
      maskable: `(batch, time)` bool, False for padding and special tokens.
      rng: the random generator.
      vocabulary: `(ids,)` integers, the tokens that random ones are drawn from.
      mask_id: the id of the mask token.
      share: share of the tokens or words to choose, in (0, 1].
      starts: `(batch, time)` bool, True where a word starts. A word ends where the next one starts,
        or before a token that is not maskable. None chooses single tokens.

    Returns:
      The tokens that a model reads, like `tokens`, and the chosen ones, `(batch, time)` bool; the
      targets there are `tokens`.

    Raises:
      ValueError: a wrong shape, dtype or share, or an empty vocabulary.

    Example:
      >>> tokens = np.array([[2, 7, 9, 8, 3]])
      >>> inputs, chosen = rx.data.mask_tokens(
      ...     tokens, tokens > 4, np.random.default_rng(0), vocabulary=np.arange(5, 10), mask_id=4
      ... )
      >>> inputs.tolist(), chosen.tolist()
      ([[2, 7, 9, 4, 3]], [[False, False, False, True, False]])
    """
    _check(tokens, maskable, vocabulary, share, starts)
    chosen = _choose(maskable, rng, share, starts)
    fate = rng.random(tokens.shape)
    others = vocabulary[rng.integers(len(vocabulary), size=tokens.shape)]
    inputs = np.where(fate < _MASKED, mask_id, np.where(fate < _MASKED + _RANDOM, others, tokens))
    return np.where(chosen, inputs, tokens).astype(tokens.dtype), chosen


def check_share(share: float) -> None:
    """Raise `ValueError` unless 0 < share <= 1."""
    if not 0 < share <= 1:
        raise ValueError(f"share must lie in (0, 1], got {share}")


def _choose(
    maskable: np.ndarray, rng: np.random.Generator, share: float, starts: np.ndarray | None
) -> np.ndarray:
    """Return which tokens are chosen, `(batch, time)`; without `starts` a token is a word."""
    first = maskable
    if starts is not None:
        before = np.pad(maskable, ((0, 0), (1, 0)))[:, :-1]
        first = maskable & (starts | ~before)
    words = first.sum(axis=1, keepdims=True)
    wanted = np.minimum(words, np.maximum(1, np.rint(share * words)))
    scores = np.where(first, rng.random(first.shape), np.inf)
    ranks = scores.argsort(axis=1).argsort(axis=1)
    # The first token of each token's word: the last start at or before it.
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
            f"tokens must be integers of shape (batch, time), got {tokens.dtype} {tokens.shape}"
        )
    for name, marks in (("maskable", maskable), ("starts", starts)):
        if marks is not None and (marks.shape != tokens.shape or marks.dtype != np.bool_):
            raise ValueError(
                f"{name} must be bool of the tokens' shape {tokens.shape}, got {marks.dtype} "
                f"{marks.shape}"
            )
    if vocabulary.ndim != 1 or not len(vocabulary):
        raise ValueError(
            f"vocabulary must have shape (ids,) and at least one id, got {vocabulary.shape}"
        )
    check_share(share)
