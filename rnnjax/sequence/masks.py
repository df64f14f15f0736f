"""What `lengths`, `resets` and `mask` mean, the same for every kernel."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Core, State, feature_axes
from rnnjax.cells.noise import Noise
from rnnjax.checks import check_integers, check_range
from rnnjax.sharding import spec_of


class Masks(NamedTuple):
    """The masks of `lengths`, `mask`, `resets` and noise; None if nothing is masked.

    Attributes:
      valid: `(time, *batch)` bool; a step that is not valid does not change the state.
      fresh: `(time, *batch)` bool; before this step, in reading order, the state is `start`.
      start: the state to start from at each step, leaves `(time, *batch, ...)`; None is the core's
        initial state.
      noise: what changes the steps of a gated cell, leaves `(time, *batch, ...)`.
    """

    valid: Array | None
    fresh: Array | None
    start: State = None
    noise: Noise | None = None


def inside(time: int, lengths: Array) -> Array:
    """Return which of `time` steps are within `lengths` `(*batch,)`, `(time, *batch)` bool."""
    steps = jnp.arange(time).reshape((time,) + (1,) * lengths.ndim)
    return steps < lengths[None]


def within(shape: tuple[int, ...], lengths: Array | None) -> Array:
    """Return which of `(batch, time)` tokens are within `lengths` `(batch,)`; None is all.

    Raises:
      ValueError: `lengths` have a wrong shape or dtype, or concrete ones are out of range.
    """
    if lengths is None:
        return jnp.ones(shape, bool)
    check_integers("lengths", lengths, shape[:1])
    check_range("lengths", lengths, shape[1] + 1)
    return inside(shape[1], lengths).T


def make_masks(
    time: int,
    lengths: Array | None,
    resets: Array | None,
    mask: Array | None = None,
    *,
    reverse: bool,
) -> Masks:
    """Return the masks for a sequence of `time` steps.

    A reset at t cuts the sequence between t - 1 and t. Read forwards, the state starts again
    before step t; read backwards, before step t - 1. Steps outside a sequence's own length
    are not read. `resets` have `time` rows or one more, for the end. Cuts at steps that `mask`
    leaves out have no effect.
    """
    valid = None if lengths is None else inside(time, lengths)
    if mask is not None:
        valid = mask if valid is None else valid & mask
    if resets is None:
        return Masks(valid, None)
    fresh = _rows_of_steps(resets, jnp.zeros_like(resets[:1]), time, reverse)
    if valid is None:
        return Masks(valid, fresh)
    if reverse and mask is not None:
        return Masks(valid, fresh & _cut_after(valid, lengths))
    return Masks(valid, fresh & valid)


def start_of_steps(core: Core, xs: Array, reset: State, state: State, *, reverse: bool) -> State:
    """Return the state to start from at each step, leaves `(time, *batch, ...)`; see `Masks`.

    Args:
      core: the core that reads `xs`.
      xs: `(time, *batch, features)`.
      reset: the state after a reset: leaves `(*batch, ...)`, `(...)`, or `(rows, *batch, ...)` with
        the rows of `resets`.
      state: the initial state, leaves `(*batch, ...)`; the result has its dtypes.
      reverse: whether the steps are read from the last to the first.
    """
    time = xs.shape[0]

    def rows(reset: Array, leaf: Array) -> Array:
        if reset.ndim > leaf.ndim:
            return _rows_of_steps(reset, reset[:1], time, reverse)
        return jnp.broadcast_to(reset, (time, *leaf.shape))

    return steps_beside(core, xs, cast(jax.tree.map(rows, reset, state), state))


def _rows_of_steps(rows: Array, more: Array, time: int, reverse: bool) -> Array:
    """Return the row of each step, given those of the cuts, of which the first is before step 0.

    Read backwards, a step starts at the cut after it; `more` is the row of the end, if that has
    none.
    """
    return jnp.concatenate([rows[1:], more])[:time] if reverse else rows[:time]


def _cut_after(valid: Array, lengths: Array | None) -> Array:
    """Return whether a cut after each step separates steps that count, or is at the end.

    The state may start again at a step that does not count, between two that do.
    """
    time = valid.shape[0]
    after = jnp.concatenate([valid[1:], jnp.zeros_like(valid[:1])])
    end = jnp.arange(time).reshape(-1, *(1,) * (valid.ndim - 1)) + 1
    after |= end == (time if lengths is None else lengths[None])
    return after & (jnp.cumsum(valid, axis=0) > 0)


def select(mask: Array | None, on_true: Any, on_false: Any) -> Any:
    """Return values of two pytrees, selected by a `(*batch,)` mask; None selects `on_true`.

    This is a select, not a product, as the values that are not selected may be NaN.
    """
    if mask is None:
        return on_true

    def choose(a: Array, b: Array) -> Array:
        which = mask.reshape(mask.shape + (1,) * (a.ndim - mask.ndim))
        if which.shape == a.shape and len({spec_of(leaf) for leaf in (which, a, b)}) > 1:
            # Only what `where` broadcasts may be sharded otherwise than its other arguments.
            a, b = (jnp.stack([leaf, leaf], -1) for leaf in (a, b))
            return jnp.where(which[..., None], a, b)[..., 0]
        return jnp.where(which, a, b)

    return jax.tree.map(choose, on_true, on_false)


def restart(fresh: Array | None, start: State, state: State) -> State:
    """Return `start` where a `(*batch,)` mask is True, and `state` elsewhere, in its dtypes.

    A mask of None restarts nothing.
    """
    if fresh is None:
        return state
    return select(fresh, cast(start, state), state)


def cast(tree: Any, like: Any) -> Any:
    """Return `tree` in the dtypes of the leaves of `like`.

    A typed random key, which has no `astype`, stays as it is.
    """
    return jax.tree.map(lambda a, b: a if a.dtype == b.dtype else a.astype(b.dtype), tree, like)


def clear(mask: Array | None, tree: Any) -> Any:
    """Return `tree` with zeros where a `(*batch,)` mask is True; None changes nothing."""
    return tree if mask is None else select(mask, jax.tree.map(jnp.zeros_like, tree), tree)


def beside(core: Core, xs: Array, tree: Any) -> Any:
    """Return `tree`, whose leaves start with the batch axes, sharded over devices like `xs`.

    Under explicit sharding, and inside `jax.shard_map`, the sharding of an array is part of its
    type. The carry of a scan must not change its type, so a zero state needs the sharding of the
    inputs.

    Args:
      core: the core that reads `xs`.
      xs: `(time, *batch, features)`; with no steps there is no carry, and nothing is done.
      tree: leaves `(*batch, ...)`.
    """
    if xs.shape[0] == 0:
        return tree
    return select(jnp.ones_like(xs[0, ..., *_first(core)], bool), tree, tree)


def steps_beside(core: Core, xs: Array, tree: Any) -> Any:
    """Do the work of `beside` on leaves `(time, *batch, ...)`."""
    return select(jnp.ones_like(xs[..., *_first(core)], bool), tree, tree)


def _first(core: Core) -> tuple[int, ...]:
    """Return the index of the first feature of a step."""
    return (0,) * feature_axes(core)
