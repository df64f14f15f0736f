"""Checks of padded text, for sampling and scoring."""

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from rnnjax.checks import concrete
from rnnjax.models.language_model import LanguageModel
from rnnjax.sequence.masks import inside


def padded_text(
    model: LanguageModel, tokens: ArrayLike, lengths: ArrayLike, *, least: int
) -> tuple[Array, Array]:
    """Return tokens `(batch, time)`, with token 0 in the padding, and lengths.

    Time becomes a power of two, so that texts of all lengths compile a few programs.

    Raises:
      ValueError: a shape is wrong; or concrete lengths are outside [least, time], or concrete
        tokens outside the vocabulary.
    """
    tokens, lengths = jnp.asarray(tokens), jnp.asarray(lengths)
    if tokens.ndim != 2 or lengths.shape != tokens.shape[:1]:
        raise ValueError(
            f"tokens must be (batch, time) and lengths (batch,), "
            f"got {tokens.shape} and {lengths.shape}"
        )
    time = tokens.shape[1]
    values = concrete(lengths)
    if values is not None:
        wrong = values[(values < least) | (values > time)]
        if wrong.size:
            raise ValueError(f"lengths must lie between {least} and {time}, got {wrong[0]}")
    tokens = jnp.where(inside(time, lengths).T, tokens, 0)
    model.check_tokens(tokens, ndim=2)
    more = 2 ** math.ceil(math.log2(max(time, 1))) - time
    return jnp.pad(tokens, ((0, 0), (0, more))), lengths
