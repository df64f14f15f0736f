"""An n-gram language model with interpolated Kneser-Ney smoothing."""

from dataclasses import dataclass

import numpy as np

from rnnjax.checks.values import (
    check_at_least,
    check_ids,
    check_positive,
    check_text,
    check_token,
)


@dataclass(frozen=True, eq=False)
class _Level:
    """The k-grams of the training text, for one k; the first k - 1 tokens are the context.

    `keys` `(m,)`, sorted: context id * vocab_size + last token. The index is the id of a k-gram.
    `counts` `(m,)`: the count c(h w) for the estimate of this level.
    `totals`, `kinds` `(contexts,)`: for each context h, the sum of its counts, and how many of them
    are above zero.
    """

    keys: np.ndarray
    counts: np.ndarray
    totals: np.ndarray
    kinds: np.ndarray
    discount: float

    def ids(self, keys: np.ndarray) -> np.ndarray:
        """Return the ids of the k-grams with these keys; -1 if the training text lacks them."""
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, places, -1)


@dataclass(frozen=True, eq=False)
class NGram:
    """An n-gram model of integer tokens, smoothed by interpolated Kneser-Ney.

    The probability of token w after the history h of k - 1 tokens is

        p_k(w | h) = max(c(h w) - D_k, 0) / c(h .) + D_k N(h .) / c(h .) p_{k-1}(w | h')

    where h' is h without its first token. On the highest level, c(h w) is the number of
    occurrences; on lower levels, it is the number of different tokens before h w. c(h .) is its sum
    over w, and N(h .) the number of w with c(h w) > 0. p_0 is uniform, so no probability is zero.
    If a level has never seen h, p_k is p_{k-1}. D_k = n_1 / (n_1 + 2 n_2), where n_j is the number
    of k-grams with c = j.

    Source: Kneser and Ney, "Improved backing-off for m-gram language modeling" (1995), in the
    interpolated form of Chen and Goodman, "An empirical study of smoothing techniques for
    language modeling" (1999).

    Build one with `fit`.

    Example:
      >>> text = np.array([0, 1, 0, 1, 0, 1])
      >>> model = rx.baselines.NGram.fit(text, order=2, vocab_size=3)
      >>> logs = model.log_probabilities(np.array([1, 2]), context=np.array([0]))
      >>> bool(logs[0] > logs[1])
      True
    """

    levels: tuple[_Level, ...]
    vocab_size: int

    @classmethod
    def fit(cls, tokens: np.ndarray, order: int, vocab_size: int) -> "NGram":
        """Return the model of a text.

        Args:
          tokens: the text, `(n,)` integers in [0, vocab_size).
          order: the largest number of tokens in an n-gram, from 1 to n.
          vocab_size: number of different tokens.

        Raises:
          ValueError: `tokens` are not integers or out of range, or `order` is out of range.
        """
        tokens = _checked(tokens, vocab_size, "tokens")
        if not 1 <= order <= len(tokens):
            raise ValueError(
                f"order must be at least 1 and at most the number of tokens, {len(tokens)}, "
                f"got {order}"
            )
        # grams[k][i] is the id of the k-gram that begins at token i. A key is the id of the prefix
        # and one more token, so that keys stay small even if vocab_size ** k is large.
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
        """Return the natural logarithm of the probability of each token, `(n,)` float64.

        Args:
          tokens: `(n,)` integers. The history of a token is all tokens before it, or as many as the
            order allows.
          context: `(m,)` integers before `tokens`; may be empty.

        Raises:
          ValueError: `tokens` or `context` are not integers in [0, vocab_size).
        """
        tokens = _checked(tokens, self.vocab_size, "tokens")
        context = _checked(context, self.vocab_size, "context")
        text = np.concatenate([context, tokens])
        probabilities = np.full(len(text), 1 / self.vocab_size)
        # The id of the (k-1)-gram before each token, and after the last one; -1 if unseen.
        before = np.zeros(len(text) + 1, np.int64)
        for level in self.levels:
            history = before[:-1]
            known = history >= 0
            ids = np.full(len(text), -1)
            ids[known] = level.ids(history[known] * self.vocab_size + text[known])
            probabilities = _interpolated(level, history, ids, probabilities)
            before = np.concatenate([[-1], ids])
        return np.log(probabilities[len(context) :])

    def probabilities(self, context: np.ndarray) -> np.ndarray:
        """Return the probability of each token after `context`, `(vocab_size,)` float64.

        Args:
          context: `(m,)` integers; may be empty.

        Raises:
          ValueError: `context` are not integers in [0, vocab_size).
        """
        return self._next(_checked(context, self.vocab_size, "context"))

    def sample(
        self,
        num_tokens: int,
        context: np.ndarray,
        *,
        seed: int = 0,
        temperature: float = 1.0,
        stop_token: int | None = None,
    ) -> np.ndarray:
        """Return a random text after `context`, `(tokens,)` int32.

        Args:
          num_tokens: the largest number of tokens.
          context: `(m,)` integers before the text; may be empty.
          seed: the same seed gives the same text.
          temperature: log-probabilities are divided by it; 0 always takes the most likely token.
          stop_token: the text ends with this token.

        Raises:
          ValueError: an argument is out of range.
        """
        check_positive(num_tokens=num_tokens)
        check_at_least(0, temperature=temperature)
        if not np.isfinite(temperature):
            raise ValueError(f"temperature must be finite, got {temperature}")
        if stop_token is not None:
            check_token("stop_token", stop_token, self.vocab_size)
        text = _checked(context, self.vocab_size, "context").tolist()
        begin, draw = len(text), np.random.default_rng(seed)
        for _ in range(num_tokens):
            history = np.array(text[-len(self.levels) :], np.int64)
            shares = _tempered(self._next(history), temperature)
            text.append(int(draw.choice(self.vocab_size, p=shares)))
            if text[-1] == stop_token:
                break
        return np.array(text[begin:], np.int32)

    def _next(self, context: np.ndarray) -> np.ndarray:
        probabilities = np.full(self.vocab_size, 1 / self.vocab_size)
        for k, level in enumerate(self.levels[: len(context) + 1]):
            history = self._id(context[len(context) - k :])
            if history < 0 or not level.totals[history]:
                break  # a longer history is unseen too
            before = history * self.vocab_size
            first, end = np.searchsorted(level.keys, [before, before + self.vocab_size])
            tokens = level.keys[first:end] - before
            total = level.totals[history]
            probabilities *= level.discount * level.kinds[history] / total
            probabilities[tokens] += np.maximum(level.counts[first:end] - level.discount, 0) / total
        return probabilities

    def _id(self, gram: np.ndarray) -> int:
        """Return the id of a k-gram; -1 if the training text lacks it."""
        found = 0
        for level, token in zip(self.levels, gram, strict=False):
            if found >= 0:
                found = int(level.ids(np.array([found * self.vocab_size + token]))[0])
        return found


def _tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities of which the logarithms are divided by a temperature."""
    # Below the smallest normal number, a quotient would overflow.
    if temperature < np.finfo(float).tiny:
        return np.eye(len(probabilities))[probabilities.argmax()]
    powers = np.exp(np.log(probabilities / probabilities.max()) / temperature)
    return powers / powers.sum()


def _follows(shorter: np.ndarray, longer: np.ndarray) -> np.ndarray:
    """Return the number of different tokens before each k-gram, from ids of k- and (k+1)-grams."""
    place = np.zeros(int(longer.max()) + 1, np.int64)
    place[longer] = np.arange(len(longer))  # any place of each: the k-gram in it is the same
    return np.bincount(shorter[place + 1], minlength=int(shorter.max()) + 1)


def _level(keys: np.ndarray, counts: np.ndarray, vocab_size: int, contexts: int) -> _Level:
    context = keys // vocab_size
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return _Level(
        keys=keys,
        counts=counts,
        totals=np.bincount(context, counts, contexts),
        kinds=np.bincount(context, counts > 0, contexts),
        # Without a count of 1 there is no estimate, and a discount of 0 gives probabilities of 0.
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
    check_text(name, tokens)
    check_ids(name, tokens, vocab_size)
    return tokens.astype(np.int64)
