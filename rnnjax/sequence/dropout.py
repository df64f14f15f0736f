"""Dropout with one mask for a whole sequence."""

import jax
import jax.numpy as jnp
from jax import Array


def sequence_dropout(key: Array, xs: Array, rate: float) -> Array:
    """Drop features of `xs` `(time, *batch, features)`, the same at all steps of a sequence.

    What stays is scaled by 1 / (1 - rate), so that the expectation stays what it was
    (Gal and Ghahramani 2016, arXiv:1512.05287).
    """
    if rate == 0:
        return xs
    keep = jax.random.bernoulli(key, 1 - rate, (1, *xs.shape[1:]))
    return jnp.where(keep, xs / (1 - rate), jnp.zeros_like(xs))
