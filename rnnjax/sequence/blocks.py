"""A sequence in blocks, so that the memory of its gradient grows with the root of its length."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import State
from rnnjax.sequence.masks import Masks


def in_blocks(
    run: Callable[[Array, State, Masks], tuple[State, Array]],
    xs: Array,
    state: State,
    masks: Masks,
    *,
    reverse: bool,
) -> tuple[State, Array]:
    """Return what `run` gives on the whole, by running blocks of about sqrt(time) steps.

    Between forward and backward pass only the state between blocks is kept; the backward pass
    runs each block again (Chen et al. 2016, arXiv:1604.06174).
    """
    steps = xs.shape[0]
    size = max(1, math.isqrt(steps))
    fill = -steps % size
    if fill and masks.valid is None:
        # Steps that do not count fill up the last block.
        masks = masks._replace(valid=jnp.ones_like(xs[..., 0], bool))

    def cut(values: Array) -> Array:
        filled = jnp.pad(values, ((0, fill),) + ((0, 0),) * (values.ndim - 1))
        return filled.reshape(-1, size, *values.shape[1:])

    # Within a scan there is nothing that XLA could merge the repetition with.
    again = jax.checkpoint(run, prevent_cse=False)

    def body(state: State, block: tuple[Array, Masks]) -> tuple[State, Array]:
        xs, masks = block
        return again(xs, state, masks)

    blocks: Any = jax.tree.map(cut, (xs, masks))
    final, ys = jax.lax.scan(body, state, blocks, reverse=reverse)
    return final, ys.reshape(-1, *ys.shape[2:])[:steps]
