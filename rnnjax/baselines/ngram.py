"""An n-gram language model with interpolated Kneser-Ney smoothing."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class _Level:
    """The k-grams of the training text, for one k; a (k-1)-gram is their context.

    `keys` (m,), sorted: context id * vocab_size + last token; a k-gram's id is its place here.
    `counts` (m,): the count c(h w) that the estimate of this level is made from.
    `totals`, `kinds` (contexts,): the sum of these counts, and how many are above zero, for
    each context h.
    """

    keys: np.ndarray
    counts: np.ndarray
    totals: np.ndarray
    kinds: np.ndarray
    discount: float

    def ids(self, keys: np.ndarray) -> np.ndarray:
        """The ids of the k-grams with these keys, -1 where the training text has none."""
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, places, -1)


@dataclass(frozen=True, eq=False)
class NGram:
    """An n-gram model of integer tokens, smoothed by interpolated Kneser-Ney.

    The probability of token w after history h of k - 1 tokens, and h' that history without its
    first token, is

        p_k(w | h) = max(c(h w) - D_k, 0) / c(h .) + D_k N(h .) / c(h .) p_{k-1}(w | h')

    where c counts, on the highest level, occurrences and, below, the different tokens that the
    n-gram follows; c(h .) is its sum over w, N(h .) the number of w with c(h w) > 0, and p_0 is
    uniform, so that nothing has probability zero. A level that has never seen h passes
    p_{k-1} on. D_k = n_1 / (n_1 + 2 n_2), with n_j the number of k-grams whose c is j.

    Source: Kneser and Ney, "Improved backing-off for m-gram language modeling" (1995), in the
    interpolated form of Chen and Goodman, "An empirical study of smoothing techniques for
    language modeling" (1999).
    """

    levels: tuple[_Level, ...]
    vocab_size: int

    @classmethod
    def fit(cls, tokens: np.ndarray, order: int, vocab_size: int) -> "NGram":
        """Count the n-grams of up to `order` tokens in `tokens`, (n,) integers.

        ValueError if `order` is below 1, the text shorter than `order`, or a token not in
        [0, `vocab_size`).
        """
        tokens = _checked(tokens, vocab_size, "tokens")
        if not 1 <= order <= len(tokens):
            raise ValueError(
                f"order is {order}; it must be at least 1 and at most "
                f"the number of tokens, {len(tokens)}"
            )
        # grams[k][i] is the id of the k-gram that begins at token i. One k-gram is its prefix's
        # id and one more token: this keeps the keys small however large vocab_size ** k is.
        keys = [np.zeros(1, np.int64)]
        grams = [np.zeros(len(tokens) + 1, np.int64)]
        for k in range(1, order + 1):
            seen, ids = np.unique(
                grams[-1][: len(tokens) - k + 1] * vocab_size + tokens[k - 1 :],
                return_inverse=True,
            )
            keys.append(seen)
            grams.append(ids)
        counts = [_follows(grams[k], grams[k + 1]) for k in range(1, order)]
        counts.append(np.bincount(grams[order]))
        return cls(
            tuple(
                _level(keys[k], counts[k - 1], vocab_size, len(keys[k - 1]))
                for k in range(1, order + 1)
            ),
            vocab_size,
        )

    def log_probabilities(self, tokens: np.ndarray, context: np.ndarray) -> np.ndarray:
        """The natural logarithm of each token's probability given all before it: (n,) float64.

        `tokens` (n,) are read after `context` (m,), which may be empty; a history that is
        shorter than the order is used as far as it goes. ValueError if a token of either is
        not in [0, vocab_size).
        """
        tokens = _checked(tokens, self.vocab_size, "tokens")
        context = _checked(context, self.vocab_size, "context")
        text = np.concatenate([context, tokens])
        probabilities = np.full(len(text), 1 / self.vocab_size)
        # The id of the (k-1)-gram before each token and a place behind the last, -1 if unseen.
        before = np.zeros(len(text) + 1, np.int64)
        for level in self.levels:
            history = before[:-1]
            known = history >= 0
            ids = np.full(len(text), -1)
            ids[known] = level.ids(history[known] * self.vocab_size + text[known])
            probabilities = _interpolated(level, history, ids, probabilities)
            before = np.concatenate([[-1], ids])
        return np.log(probabilities[len(context) :])


def _follows(shorter: np.ndarray, longer: np.ndarray) -> np.ndarray:
    """How many different tokens each k-gram follows, from the ids of k- and (k+1)-grams."""
    _, first = np.unique(longer, return_index=True)
    return np.bincount(shorter[first + 1], minlength=int(shorter.max()) + 1)


def _level(keys: np.ndarray, counts: np.ndarray, vocab_size: int, contexts: int) -> _Level:
    context = keys // vocab_size
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return _Level(
        keys=keys,
        counts=counts,
        totals=np.bincount(context, counts, contexts),
        kinds=np.bincount(context, counts > 0, contexts),
        # A text without any count of 1 gives no estimate; 0 would give zero probabilities.
        discount=once / (once + 2 * twice) if once else 0.5,
    )


def _interpolated(
    level: _Level, history: np.ndarray, ids: np.ndarray, lower: np.ndarray
) -> np.ndarray:
    totals = np.where(history >= 0, level.totals[history], 0)
    counts = np.where(ids >= 0, level.counts[ids], 0)
    estimate = np.maximum(counts - level.discount, 0)
    reserved = level.discount * level.kinds[history]
    return np.where(totals > 0, (estimate + reserved * lower) / np.maximum(totals, 1), lower)


def _checked(tokens: np.ndarray, vocab_size: int, name: str) -> np.ndarray:
    if tokens.ndim != 1 or not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(
            f"{name} have shape {tokens.shape} and dtype {tokens.dtype}; they must be (n,) integers"
        )
    if tokens.size and not 0 <= tokens.min() <= tokens.max() < vocab_size:
        raise ValueError(
            f"{name} are from {tokens.min()} to {tokens.max()}; "
            f"with vocab_size {vocab_size} they must be from 0 to {vocab_size - 1}"
        )
    return tokens.astype(np.int64)
