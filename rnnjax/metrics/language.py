"""What is reported of a language model's loss."""

import math


def perplexity(nats: float) -> float:
    """Return exp(nats), the perplexity of a mean cross-entropy in nats a token.

    Infinity where that is beyond a float, as for a model that has diverged.
    """
    try:
        return math.exp(nats)
    except OverflowError:
        return math.inf


def bits_per_character(nats: float) -> float:
    """Return a mean cross-entropy in nats a character as bits a character: nats / ln 2."""
    return nats / math.log(2)
