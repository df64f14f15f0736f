"""Parts of a batch, computed one after another with the random masks of the whole batch.

Row r of the batch belongs to part r modulo the number of parts. So a batch whose rows are divided
over devices is cut into parts without moving a row, if each device has as many rows of each part.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array


class Part(NamedTuple):
    """A part of a batch.

    Attributes:
      number: which part, `()` integer, counted from 0.
      parts: how many there are.
      rows: the rows of each.
    """

    number: Array
    parts: int
    rows: int


_current: ContextVar[Part | None] = ContextVar("part", default=None)


@contextmanager
def computing(part: Part) -> Iterator[None]:
    """Within it, what is traced is the computation of a part: `bernoulli` draws for its rows."""
    token = _current.set(part)
    try:
        yield
    finally:
        _current.reset(token)


def is_whole() -> bool:
    """Return whether what is computed is a whole batch, not a part."""
    return _current.get() is None


def cut(tree: Any, parts: int) -> Any:
    """Return arrays `(rows, *)` as `(parts, rows / parts, *)`."""
    return jax.tree.map(
        lambda leaf: jnp.swapaxes(jnp.reshape(leaf, (-1, parts, *leaf.shape[1:])), 0, 1), tree
    )


def joined(tree: Any) -> Any:
    """Return arrays `(parts, rows / parts, *)` as `(rows, *)`, the inverse of `cut`."""
    return jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1).reshape(-1, *leaf.shape[2:]), tree)


def bernoulli(key: Array, p: float | Array, shape: tuple[int, ...], *, axis: int) -> Array:
    """Return `jax.random.bernoulli`; in a part of a batch, the rows that the whole batch would get.

    Args:
      key: random key.
      p: probability of True.
      shape: the shape of the result.
      axis: the axis of the rows. A row may take several places there, one after another.
    """
    part = _current.get()
    if part is None:
        return jax.random.bernoulli(key, p, shape)
    axis %= len(shape)
    places, rest = divmod(shape[axis], part.rows)
    if rest:
        raise ValueError(
            f"a mask in a part of a batch must have {part.rows} rows on axis {axis}, got {shape}"
        )
    whole = *shape[:axis], part.rows, part.parts, places, *shape[axis + 1 :]
    mask = jax.random.bernoulli(key, p, whole)
    mask = jax.lax.dynamic_index_in_dim(mask, part.number, axis + 1, keepdims=False)
    return mask.reshape(shape)
