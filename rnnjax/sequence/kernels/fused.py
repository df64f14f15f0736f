"""A gated cell over a whole sequence, with a derivative for the whole sequence.

Differentiating a scan carries every weight gradient through the loop and keeps whatever the step
happened to compute. Here the input projection is one product before the loop, the loop does only
what must wait for the step before (`h @ w_h` and `pointwise`), the backward loop emits the
gradients of the gates, and each weight gradient is one product over time × batch after it.
"""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import GatedCell, Params, State
from rnnjax.products import outer, product
from rnnjax.sequence.blocks import in_blocks
from rnnjax.sequence.masks import Masks, beside, clear, restart, select

# Rows (steps × batch) whose projected inputs are in memory at once where nothing is kept for a
# gradient: few enough to stay near the caches, enough for efficient products.
_BLOCK_ROWS = 4096


class Plan(NamedTuple):
    """What does not change while a program runs."""

    cell: GatedCell
    reverse: bool


class Gates(NamedTuple):
    """What `pointwise` depends on beside the state; one of the two kinds may have no width."""

    both: Array  # x @ w_x + b + h @ w_h, of the gates that see no more than this sum
    x: Array  # of the others: x @ w_x + b
    h: Array  # and h @ w_h


class Kept(NamedTuple):
    """What the forward pass keeps for the backward pass."""

    params: Params
    xs: Array
    state: State  # before the first step
    masks: Masks
    states: State  # after each step, leaves (time, *batch, hidden)
    gates: Gates  # of each step, leaves (time, *batch, width)


def fused(
    cell: GatedCell,
    params: Params,
    xs: Array,
    state: State,
    masks: Masks,
    *,
    reverse: bool,
) -> tuple[State, Array]:
    """Run a gated cell; the same arguments and results as `scan`, to rounding.

    It may be differentiated in reverse any number of times and vmapped over anything, but not
    differentiated forwards (`jax.jvp`, `jax.jacfwd`): `scan` may.

    Memory between the passes, for each step and batch row, in units of hidden_size: one for each
    leaf of the state, one for each gate that sees its summands' sum alone, two for each other gate.
    """
    # A derivative has to return the type it was given: a plain dict, whatever mapping came in.
    final, hs = _run(Plan(cell, reverse), dict(params), xs, state, masks)
    invalid = None if masks.valid is None else ~masks.valid
    return final, clear(invalid, hs.astype(cell.compute_dtype(params, xs)))


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _run(plan: Plan, params: Params, xs: Array, state: State, masks: Masks) -> tuple[State, Array]:
    """Return the final state and every step's h."""

    def run(xs: Array, state: State, masks: Masks) -> tuple[State, Array]:
        final, (states, _) = _forward(plan, params, xs, state, masks)
        return final, states.h

    size = max(1, _BLOCK_ROWS // max(1, math.prod(xs.shape[1:-1])))
    if len(xs) < 2 * size:
        return run(xs, state, masks)
    return in_blocks(run, xs, state, masks, size=size, reverse=plan.reverse)


def _run_fwd(
    plan: Plan, params: Params, xs: Array, state: State, masks: Masks
) -> tuple[tuple[State, Array], Kept]:
    final, (states, gates) = _forward(plan, params, xs, state, masks)
    return (final, states.h), Kept(params, xs, state, masks, states, gates)


def _pointwise(cell: GatedCell, gates: Gates, state: State, own: Params) -> State:
    """Return the cell's `pointwise`, as a function of `Gates`."""
    g_x = jnp.concatenate([gates.both, gates.x], -1)
    g_h = jnp.concatenate([jnp.zeros_like(gates.both), gates.h], -1)
    return cell.pointwise(g_x, g_h, state, **own)


def _split(cell: GatedCell, packed: Array) -> tuple[Array, Array]:
    """Return the gates whose summands are seen through their sum alone, and the others."""
    count = cell.num_gates if cell.additive_gates is None else cell.additive_gates
    both, others = jnp.split(packed, [count * cell.hidden_size], -1)
    return both, others


def _forward(
    plan: Plan, params: Params, xs: Array, state: State, masks: Masks
) -> tuple[State, tuple[State, Gates]]:
    cell, dtype = plan.cell, plan.cell.compute_dtype(params, xs)
    own, start = cell.own(params, xs.ndim - 1, dtype), cell.initial_state(xs.shape[1:-1])
    w_h = params["w_h"].astype(dtype)
    g_x = cell.project(params, xs)
    # Where gates are used one by one, each is an array of its own: a loop that reads several
    # slices of one stacked buffer is not vectorised by XLA's CPU backend.
    parts = [g_x] if cell.additive_gates is None else jnp.split(g_x, cell.num_gates, -1)

    def body(state: State, inputs: tuple[list[Array], Masks]) -> tuple[State, Any]:
        parts, (valid, fresh) = inputs
        state = restart(fresh, start, state)
        g_x, g_h = jnp.concatenate(parts, -1), product(state.h, w_h, dtype)
        state = select(valid, cell.pointwise(g_x, g_h, state, **own), state)
        (x_both, _), (h_both, h) = _split(cell, g_x), _split(cell, g_h)
        return state, (state, x_both + h_both, h)

    final, (states, both, h) = jax.lax.scan(body, state, (parts, masks), reverse=plan.reverse)
    _, x = _split(cell, jnp.concatenate(parts, -1))
    return final, (states, Gates(both, x, h))


def _run_bwd(plan: Plan, kept: Kept, cotangents: tuple[State, Array]) -> tuple[Any, ...]:
    cell, params, xs, masks = plan.cell, kept.params, kept.xs, kept.masks
    dtype = cell.compute_dtype(params, xs)
    d_final, d_hs = cotangents

    before = _states_before(plan, kept)
    own = cell.own(params, xs.ndim - 1, dtype)
    # Own parameters get one row a sequence, so that their gradients are summed over time within
    # the pointwise part of the loop and over the batch once, after it.
    own_rows = jax.tree.map(lambda v: jnp.broadcast_to(v, (*xs.shape[1:-1], v.shape[-1])), own)
    own_rows = beside(xs, own_rows)
    w_h_t = params["w_h"].T.astype(dtype)

    def body(carry: Any, inputs: Any) -> tuple[Any, Gates]:
        d_state, d_own = carry
        d_h, gates, before, (valid, fresh) = inputs
        d_state = d_state._replace(h=d_state.h + d_h)
        _, pullback = jax.vjp(partial(_pointwise, cell), gates, before, own_rows)
        d_gates, d_before, d_own_now = pullback(select(valid, d_state, _zeros(d_state)))
        d_recurrent = product(jnp.concatenate([d_gates.both, d_gates.h], -1), w_h_t, dtype)
        d_before = d_before._replace(h=d_before.h + d_recurrent)
        d_state = clear(fresh, select(valid, d_before, d_state))
        return (d_state, jax.tree.map(jnp.add, d_own, d_own_now)), d_gates

    (d_state, d_own), d_gates = jax.lax.scan(
        body,
        (d_final, _zeros(own_rows)),
        (d_hs, kept.gates, before, masks),
        reverse=not plan.reverse,
    )
    d_params = {
        **_weight_gradients(xs.astype(dtype), before.h.astype(dtype), d_gates, params),
        "b": jnp.concatenate([_sum_rows(d_gates.both), _sum_rows(d_gates.x)]),
        **jax.tree.map(_sum_rows, d_own),
    }
    d_params = {name: value.astype(params[name].dtype) for name, value in d_params.items()}
    w_both, w_others = _split(cell, params["w_x"])
    d_xs = product(d_gates.both, w_both.T, dtype) + product(d_gates.x, w_others.T, dtype)
    return d_params, d_xs.astype(xs.dtype), d_state, None


_run.defvjp(_run_fwd, _run_bwd)


def _weight_gradients(xs: Array, hs: Array, d_gates: Gates, params: Params) -> Params:
    """Return the gradients of `w_x` and `w_h`.

    Where both have the same gates' gradients on their right, they are one product: a taller
    matrix is nearer the machine's peak.
    """
    both = outer(jnp.concatenate([xs, hs], -1), d_gates.both, xs.dtype, params["w_x"])
    w_x, w_h = jnp.split(both, [xs.shape[-1]])
    w_x_others = outer(xs, d_gates.x, xs.dtype, params["w_x"])
    w_h_others = outer(hs, d_gates.h, xs.dtype, params["w_h"])
    return {
        "w_x": jnp.concatenate([w_x, w_x_others], -1),
        "w_h": jnp.concatenate([w_h, w_h_others], -1),
    }


def _states_before(plan: Plan, kept: Kept) -> State:
    """Return the state that each step started from."""

    def shift(first: Array, after: Array) -> Array:
        if plan.reverse:
            return jnp.concatenate([after[1:], first[None]])
        return jnp.concatenate([first[None], after[:-1]])

    start = plan.cell.initial_state(kept.xs.shape[:-1])
    return restart(kept.masks.fresh, start, jax.tree.map(shift, kept.state, kept.states))


def _zeros(tree: Any) -> Any:
    return jax.tree.map(jnp.zeros_like, tree)


def _sum_rows(values: Array) -> Array:
    """Return the sum over all axes but the last."""
    return values.sum(axis=tuple(range(values.ndim - 1)))
