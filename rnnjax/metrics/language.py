"""Metrics of the loss of a language model."""

import math


def perplexity(nats: float) -> float:
    """Return exp(nats), the perplexity of a mean cross-entropy in nats per token.

    The result is infinite if it is too large for a float, for instance for a diverged model.

    Args:
      nats: the mean cross-entropy.

    Example:
      >>> round(rx.metrics.perplexity(4.6), 1)
      99.5
    """
    try:
        return math.exp(nats)
    except OverflowError:
        return math.inf


def bits_per_character(nats: float) -> float:
    """Return nats / ln 2: a mean cross-entropy in bits per character.

    Args:
      nats: the mean cross-entropy in nats per character.

    Example:
      >>> round(rx.metrics.bits_per_character(1.0), 3)
      1.443
    """
    return nats / math.log(2)
