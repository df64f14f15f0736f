"""Dropout with one mask for a whole sequence."""

import jax.numpy as jnp
from jax import Array

from rnnjax.parts import bernoulli


def sequence_dropout(key: Array, xs: Array, rate: float) -> Array:
    """Return `xs` `(time, *batch, features)` with dropout, with the same mask at all steps.

    Each value of a step's features has its own; those of an image are its places and channels.
    The other features are scaled by 1 / (1 - rate), so that the expectation does not change (Gal
    and Ghahramani 2016, arXiv:1512.05287).

    Example:
      >>> ys = rx.sequence.sequence_dropout(jax.random.key(0), jnp.ones((5, 2, 3)), rate=0.5)
      >>> bool((ys == ys[:1]).all()), sorted(set(ys.ravel().tolist()))
      (True, [0.0, 2.0])
    """
    if rate == 0:
        return xs
    keep = bernoulli(key, 1 - rate, (1, *xs.shape[1:]), axis=1)
    return jnp.where(keep, xs / (1 - rate), jnp.zeros_like(xs))
