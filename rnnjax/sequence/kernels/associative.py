"""A linear cell over a whole sequence, in parallel over time.

`coefficients` reads all steps before the recurrence, and `emit` all states after it. The masks are
coefficients too: padding is a = 1, b = 0, and a reset is a = 0, with the state to start from in b.
"""

from typing import Any

import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Params, State, without_features
from rnnjax.cells.linear import LinearCell
from rnnjax.products import cast
from rnnjax.sequence.kernels.kernel import Call, Kernel, Steps
from rnnjax.sequence.kernels.scan import scan
from rnnjax.sequence.linear_recurrence import linear_recurrence, shifted
from rnnjax.sequence.masks import Masks, clear, restart, select


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
    the passes is what JAX keeps of `coefficients` and `emit`, and a and h.
    """
    if xs.shape[0] == 0:  # there is no step to run
        return scan(cell, params, xs, state, masks, reverse=reverse, return_states=return_states)
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
