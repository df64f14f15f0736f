"""A sequence in blocks, so that less of it is in memory at once."""

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
    """Return what `run` gives on the whole, by running blocks of `size` steps.

    What `run` makes beside its results is made for one block at a time. Steps that fill no block
    stand at the front and are run as they are.
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
