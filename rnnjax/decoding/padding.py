"""Texts and frames of all lengths in arrays of a few shapes, so that few programs are compiled."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnjax.checks import check_lengths, check_range, check_tokens, concrete, is_known


def grown(count: int) -> int:
    """Return the smallest power of two that is at least `count`, and at least 1."""
    return 1 << max(count - 1, 0).bit_length()


def padded_text(
    tokens: Any,
    lengths: Any,
    vocab_size: int,
    *,
    name: str = "tokens",
    least: int = 0,
    given: int = 0,
) -> tuple[Array, Array]:
    """Return tokens `(batch, time)` int32, with token 0 in the padding, and lengths.

    Time becomes a power of two, plus `given`, the tokens of a text that are no step of the model.

    Raises:
      ValueError: a shape is wrong; or concrete lengths are outside [least, time], or concrete
        tokens outside the vocabulary.
    """
    known = [concrete(each) for each in (tokens, lengths)]
    # In NumPy if possible: each operation of JAX would be a program for each length.
    library: Any = jnp if any(each is None for each in known) else np
    tokens, lengths = library.asarray(tokens), library.asarray(lengths)
    if tokens.ndim != 2 or lengths.shape != tokens.shape[:1]:
        raise ValueError(
            f"{name} must be (batch, time) and lengths (batch,), "
            f"got {tokens.shape} and {lengths.shape}"
        )
    time = tokens.shape[1]
    values = concrete(lengths)
    if values is not None and is_known(time):
        wrong = values[(values < least) | (values > time)]
        if wrong.size:
            raise ValueError(f"lengths must lie between {least} and {time}, got {wrong[0]}")
    check_tokens(name, tokens)
    tokens = library.where(library.arange(time)[None] < lengths[:, None], tokens, 0)
    check_range(name, tokens, vocab_size)
    more = grown(time - given) + given - time if is_known(time) else 0
    padded = library.pad(tokens, ((0, 0), (0, more))).astype(np.int32)
    return jnp.asarray(padded), jnp.asarray(lengths)


def padded_frames(logits: Any, lengths: Any) -> tuple[Array, Array]:
    """Return logits `(batch, time, classes)`, where time becomes a power of two, and lengths.

    Raises:
      ValueError: a shape is wrong, or concrete lengths are out of range.
    """
    if not isinstance(logits, Array):
        logits = np.asarray(logits)
    if logits.ndim != 3:
        raise ValueError(f"logits must have shape (batch, time, classes), got {logits.shape}")
    batch, time, _ = logits.shape
    counted = jnp.full(batch, time, jnp.int32) if lengths is None else lengths
    counted = check_lengths(counted, time, (batch,))
    more = grown(time) - time if is_known(time) else 0
    return _longer(logits, more), jnp.asarray(counted)


def _longer(logits: Array | np.ndarray, more: int) -> Array:
    """Return logits with `more` frames of zeros; in NumPy if possible, as in `padded_text`."""
    widths, values = ((0, 0), (0, more), (0, 0)), concrete(logits)
    if isinstance(logits, Array) and (values is None or not more):
        return jnp.pad(logits, widths)
    place = logits.sharding if isinstance(logits, Array) else None
    return jax.device_put(np.pad(np.asarray(values), widths), place)


def cut(array: Array, count: int) -> Array:
    """Return the first `count` entries of the last axis, without a program for each count."""
    values = concrete(array)
    if values is None or count == array.shape[-1]:
        return array[..., :count]
    return jax.device_put(values[..., :count], array.sharding)
