"""Running over a sequence in blocks, to use less memory."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import State
from rnnjax.sequence.kernels.kernel import Steps
from rnnjax.sequence.masks import Masks


def in_blocks(
    run: Callable[[Array, State, Masks], tuple[State, Steps]],
    xs: Array,
    state: State,
    masks: Masks,
    *,
    size: int,
    reverse: bool,
) -> tuple[State, Steps]:
    """Return the results of `run` on a sequence, computed in blocks of `size` steps.

    Intermediate arrays of `run` then exist for one block at a time. Steps that do not fill a block
    come first, and run separately.
    """
    count, border = divmod(xs.shape[0], size)
    short = jax.tree.map(lambda a: a[:border], (xs, masks))
    long = jax.tree.map(lambda a: a[border:], (xs, masks))

    def body(state: State, block: tuple[Array, Masks]) -> tuple[State, Steps]:
        xs, masks = block
        return run(xs, state, masks)

    def run_blocks(state: State) -> tuple[State, Steps]:
        blocks: Any = jax.tree.map(lambda a: a.reshape(count, size, *a.shape[1:]), long)
        final, steps = jax.lax.scan(body, state, blocks, reverse=reverse)
        return final, jax.tree.map(lambda a: a.reshape(count * size, *a.shape[2:]), steps)

    def run_short(state: State) -> tuple[State, Steps]:
        return run(short[0], state, short[1])

    if not border:
        return run_blocks(state)
    if reverse:
        state, late = run_blocks(state)
        state, early = run_short(state)
    else:
        state, early = run_short(state)
        state, late = run_blocks(state)
    return state, jax.tree.map(lambda *parts: jnp.concatenate(parts), early, late)
