"""Running over a sequence in blocks, to use less memory."""

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
    size: int,
    reverse: bool,
) -> tuple[State, Array]:
    """Return the results of `run` on a sequence, computed in blocks of `size` steps.

    Intermediate arrays of `run` then exist for one block at a time. Steps that do not fill a block
    come first, and run separately.
    """
    count, border = divmod(xs.shape[0], size)
    short = jax.tree.map(lambda a: a[:border], (xs, masks))
    long = jax.tree.map(lambda a: a[border:], (xs, masks))

    def body(state: State, block: tuple[Array, Masks]) -> tuple[State, Array]:
        xs, masks = block
        return run(xs, state, masks)

    def run_blocks(state: State) -> tuple[State, Array]:
        blocks: Any = jax.tree.map(lambda a: a.reshape(count, size, *a.shape[1:]), long)
        final, ys = jax.lax.scan(body, state, blocks, reverse=reverse)
        return final, ys.reshape(count * size, *ys.shape[2:])

    def run_short(state: State) -> tuple[State, Array]:
        return run(short[0], state, short[1])

    if not border:
        return run_blocks(state)
    if reverse:
        state, late = run_blocks(state)
        state, early = run_short(state)
    else:
        state, early = run_short(state)
        state, late = run_blocks(state)
    return state, jnp.concatenate([early, late])
