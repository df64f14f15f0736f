"""Which steps count, and where sequences start: one meaning for every kernel."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import State
from rnnjax.checks import check_integers, check_range


class Masks(NamedTuple):
    """What `lengths` and `resets` mean at each step; None where nothing is masked.

    Attributes:
      valid: `(time, *batch)` bool; a step that is not valid leaves the state as it is.
      fresh: `(time, *batch)` bool; before this step, in reading order, the state is the core's
        initial state.
    """

    valid: Array | None
    fresh: Array | None


def inside(time: int, lengths: Array) -> Array:
    """Return which of `time` steps lie within `lengths` `(*batch,)`, `(time, *batch)` bool."""
    steps = jnp.arange(time).reshape((time,) + (1,) * lengths.ndim)
    return steps < lengths[None]


def within(shape: tuple[int, ...], lengths: Array | None) -> Array:
    """Return which of `(batch, time)` tokens lie within `lengths` `(batch,)`; None is all.

    Raises:
      ValueError: `lengths` of a wrong shape or dtype, or, where concrete, out of range.
    """
    if lengths is None:
        return jnp.ones(shape, bool)
    check_integers("lengths", lengths, shape[:1])
    check_range("lengths", lengths, shape[1] + 1)
    return inside(shape[1], lengths).T


def make_masks(time: int, lengths: Array | None, resets: Array | None, *, reverse: bool) -> Masks:
    """Return the masks for a sequence of `time` steps.

    A reset at step t cuts the sequence between t - 1 and t. Read forwards, the state starts
    again before step t; read backwards, before step t - 1. Cuts outside a sequence's own
    length have no effect.
    """
    valid = None
    if lengths is not None:
        valid = inside(time, lengths)
    if resets is None:
        return Masks(valid, None)
    cuts = resets if valid is None else resets & valid
    if reverse:
        cuts = jnp.concatenate([cuts[1:], jnp.zeros_like(cuts[:1])])
    return Masks(valid, cuts)


def select(mask: Array | None, on_true: Any, on_false: Any) -> Any:
    """Choose between two pytrees by a `(*batch,)` mask; a mask of None chooses `on_true`.

    A select, never a product: what is not chosen may hold NaN.
    """
    if mask is None:
        return on_true

    def choose(a: Array, b: Array) -> Array:
        return jnp.where(mask.reshape(mask.shape + (1,) * (a.ndim - mask.ndim)), a, b)

    return jax.tree.map(choose, on_true, on_false)


def restart(fresh: Array | None, start: State, state: State) -> State:
    """Return `start` where a `(*batch,)` mask is set, and `state` elsewhere, in its dtypes.

    `start` is the core's initial state for that batch. A mask of None restarts nothing.
    """
    if fresh is None:
        return state
    return select(fresh, jax.tree.map(lambda a, b: a.astype(b.dtype), start, state), state)


def clear(mask: Array | None, tree: Any) -> Any:
    """Put zeros where a `(*batch,)` mask is set; a mask of None clears nothing."""
    return tree if mask is None else select(mask, jax.tree.map(jnp.zeros_like, tree), tree)


def beside(xs: Array, tree: Any) -> Any:
    """Return `tree`, whose leaves lead with the batch, laid over the devices as `xs` is.

    Under explicit sharding, and inside `jax.shard_map`, where an array lies is part of its type,
    and a scan's carry must not change its type: a zero state has to lie where the inputs do.

    Args:
      xs: `(time, *batch, features)`; with no steps there is no carry, and nothing is done.
      tree: leaves `(*batch, ...)`.
    """
    return select(jnp.ones_like(xs[0, ..., 0], bool), tree, tree) if len(xs) else tree
