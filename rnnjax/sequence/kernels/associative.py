"""A linear cell over a whole sequence, in parallel over time.

`coefficients` reads all steps before the recurrence, and `emit` all states after it. The masks are
coefficients too: padding is a = 1, b = 0, and a reset is a = 0, with the state to start from in b.
A cell whose state is a matrix runs in chunks instead.
"""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Params, State, without_features
from rnnjax.cells.linear import LinearCell
from rnnjax.cells.matrix import MatrixCell
from rnnjax.checks import is_known
from rnnjax.products import cast
from rnnjax.sequence.blocks import in_blocks
from rnnjax.sequence.kernels.chunked import chunked
from rnnjax.sequence.kernels.kernel import Call, Kernel, Steps
from rnnjax.sequence.kernels.scan import scan
from rnnjax.sequence.linear_recurrence import linear_recurrence, shifted
from rnnjax.sequence.masks import Masks, clear, restart, select

# Rows (steps × batch) of a block on CPU: few enough to stay in the caches.
_BLOCK_ROWS = 2048


def associative(
    cell: LinearCell,
    params: Params,
    xs: Array,
    state: State,
    masks: Masks,
    *,
    reverse: bool,
    return_states: bool = False,
    unroll_factor: int = 1,
) -> tuple[State, Steps]:
    """Run a linear cell; the same arguments and results as `scan`, to rounding.

    `unroll_factor` has no meaning here: no turn of the loop is one step of the cell. Memory between
    the passes is what JAX keeps of `coefficients` and `emit`, and a and h; on CPU, only their
    products for all steps, and the rest for one block. A `MatrixCell` runs in chunks; or by steps,
    where states within chunks are asked for (`return_states`) or given (`reset_state`), and in
    programs for any number of steps.
    """
    if xs.shape[0] == 0:  # there is no step to run
        return scan(cell, params, xs, state, masks, reverse=reverse, return_states=return_states)
    if isinstance(cell, MatrixCell) and cell.is_matrix:
        if not return_states and masks.start is None and is_known(xs.shape[0]):
            return chunked(cell, params, xs, state, masks, reverse=reverse)
        return scan(cell, params, xs, state, masks, reverse=reverse, return_states=return_states)
    run = partial(_whole, cell, params, reverse=reverse, return_states=return_states)
    if not is_known(*xs.shape):
        return run(xs, state, masks)
    size = max(1, _BLOCK_ROWS // max(1, math.prod(xs.shape[1:-1])))
    if xs.shape[0] < 2 * size:
        return run(xs, state, masks)
    # On CPU, arrays of all steps do not fit into the caches, and computing their elements again is
    # faster than reading them again.
    policy = jax.checkpoint_policies.dots_saveable
    again = jax.checkpoint(run, prevent_cse=False, policy=policy)
    blocks = partial(in_blocks, again, size=size, reverse=reverse)
    return jax.lax.platform_dependent(xs, state, masks, cpu=blocks, default=run)


def _whole(
    cell: LinearCell,
    params: Params,
    xs: Array,
    state: State,
    masks: Masks,
    *,
    reverse: bool,
    return_states: bool,
) -> tuple[State, Steps]:
    dtype = cell.compute_dtype(params, xs)
    steps = without_features(cell, xs.shape)
    starts = cell.initial_state(steps) if masks.start is None else masks.start
    leaves: dict[str, Array] = {}
    was = None
    if cell.remembers:
        after = cell.remember(params, xs)
        if masks.valid is not None:  # at a step that does not count, it is the one before
            zeros = jnp.zeros_like(after)
            after = _run(zeros, after, state.before, masks, starts.before, reverse=reverse)
        was = restart(masks.fresh, starts.before, shifted(state.before, after, reverse=reverse))
        leaves["before"] = after
    a, b = (c.astype(state.h.dtype) for c in cell.coefficients(params, xs, was))
    leaves["h"] = _run(a, b, state.h, masks, starts.h, reverse=reverse)
    ys = cell.emit(cast(params, dtype), leaves["h"], xs, was).astype(dtype)
    ys = clear(None if masks.valid is None else ~masks.valid, ys)
    states: Any = cell.state_type(**leaves)
    final = cell.state_type(**{name: leaf[0 if reverse else -1] for name, leaf in leaves.items()})
    return final, Steps(ys, states if return_states else None)


def _run(a: Array, b: Array, first: Array, masks: Masks, start: Array, *, reverse: bool) -> Array:
    """Return a * h + b for each step, where a step that does not count keeps h."""
    if masks.valid is not None or masks.fresh is not None:
        a = jnp.broadcast_to(a, b.shape)
    if masks.valid is not None:
        a, b = select(masks.valid, (a, b), (jnp.ones_like(a), jnp.zeros_like(b)))
    if masks.fresh is not None:
        cut = (jnp.zeros_like(a), b + a * start.astype(b.dtype))
        a, b = select(masks.fresh, cut, (a, b))
    return linear_recurrence(a, b, first, reverse=reverse)


def _refuses(call: Call) -> str | None:
    linear = isinstance(call.core, LinearCell) and call.core.is_linear
    return None if linear else "it needs a linear cell, whose state enters as h' = a * h + b"


KERNEL = Kernel(associative, _refuses)
