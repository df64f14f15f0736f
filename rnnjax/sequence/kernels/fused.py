"""A gated cell over a whole sequence, with a derivative for the whole sequence.

Differentiating a scan carries every weight gradient through the loop and keeps whatever the step
happened to compute. Here the input projection is one product before the loop, the loop does only
what must wait for the step before (`h @ w_h` and `pointwise`), the backward loop emits the
gradients of the gates, and each weight gradient is one product over time × batch after it.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import GatedCell, Params, State
from rnnjax.products import outer, product
from rnnjax.sequence.blocks import in_blocks
from rnnjax.sequence.masks import Masks, beside, clear, select

# Steps whose projected inputs are in memory at once where nothing is kept for a gradient: few
# enough to stay near the caches, enough for efficient products.
_BLOCK = 256


class Plan(NamedTuple):
    """What does not change while a program runs."""

    cell: GatedCell
    reverse: bool


class Kept(NamedTuple):
    """What the forward pass keeps for the backward pass."""

    params: Params
    xs: Array
    state: State  # before the first step
    masks: Masks
    states: State  # after each step, leaves (time, *batch, hidden)
    gates: tuple[Array, ...]  # see `_gates`


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
    leaf of the state, and the gates, once or (where `cell.additive` is False) twice.
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

    if len(xs) < 2 * _BLOCK:
        return run(xs, state, masks)
    return in_blocks(run, xs, state, masks, size=_BLOCK, reverse=plan.reverse)


def _run_fwd(
    plan: Plan, params: Params, xs: Array, state: State, masks: Masks
) -> tuple[tuple[State, Array], Kept]:
    final, (states, gates) = _forward(plan, params, xs, state, masks)
    return (final, states.h), Kept(params, xs, state, masks, states, gates)


def _gates(cell: GatedCell, g_x: Array, g_h: Array) -> tuple[Array, ...]:
    """Return what `pointwise` depends on beside the state: the gates' sum, or both summands."""
    return (g_x + g_h,) if cell.additive else (g_x, g_h)


def _pointwise(cell: GatedCell, gates: tuple[Array, ...], state: State, own: Params) -> State:
    """Return the cell's `pointwise`, as a function of `_gates`."""
    g_x, g_h = gates if len(gates) == 2 else (gates[0], jnp.zeros_like(gates[0]))
    return cell.pointwise(g_x, g_h, state, **own)


def _forward(
    plan: Plan, params: Params, xs: Array, state: State, masks: Masks
) -> tuple[State, tuple[State, tuple[Array, ...]]]:
    cell, dtype = plan.cell, plan.cell.compute_dtype(params, xs)
    own = cell.own(params, xs.ndim - 1, dtype)
    w_h = params["w_h"].astype(dtype)
    g_x = cell.project(params, xs)

    def body(state: State, inputs: tuple[list[Array], Masks]) -> tuple[State, Any]:
        g_x, (valid, fresh) = inputs
        state = clear(fresh, state)
        gates = _gates(cell, jnp.concatenate(g_x, -1), product(state.h, w_h, dtype))
        state = select(valid, _pointwise(cell, gates, state, own), state)
        return state, (state, gates[-1])

    # Where gates are used one by one, each is an array of its own: a loop that reads several
    # slices of one buffer is not vectorised by XLA's CPU backend.
    parts = [g_x] if cell.additive else jnp.split(g_x, cell.num_gates, -1)
    final, (states, kept) = jax.lax.scan(body, state, (parts, masks), reverse=plan.reverse)
    return final, (states, (kept,) if cell.additive else (g_x, kept))


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

    def body(carry: Any, inputs: Any) -> tuple[Any, tuple[Array, ...]]:
        d_state, d_own = carry
        d_h, gates, before, (valid, fresh) = inputs
        d_state = d_state._replace(h=d_state.h + d_h)
        _, pullback = jax.vjp(partial(_pointwise, cell), gates, before, own_rows)
        d_gates, d_before, d_own_now = pullback(select(valid, d_state, _zeros(d_state)))
        d_recurrent = product(d_gates[-1], w_h_t, dtype)
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
        "b": _sum_rows(d_gates[0]),
        **jax.tree.map(_sum_rows, d_own),
    }
    d_params = {name: value.astype(params[name].dtype) for name, value in d_params.items()}
    d_xs = product(d_gates[0], params["w_x"].T, dtype).astype(xs.dtype)
    return d_params, d_xs, d_state, None


_run.defvjp(_run_fwd, _run_bwd)


def _weight_gradients(xs: Array, hs: Array, d_gates: tuple[Array, ...], params: Params) -> Params:
    """Return the gradients of `w_x` and `w_h`.

    Where both have the same gates' gradients on their right, they are one product: a taller
    matrix is nearer the machine's peak.
    """
    if len(d_gates) == 1:
        both = outer(jnp.concatenate([xs, hs], -1), d_gates[0], xs.dtype, params["w_x"])
        w_x, w_h = jnp.split(both, [xs.shape[-1]])
    else:
        w_x = outer(xs, d_gates[0], xs.dtype, params["w_x"])
        w_h = outer(hs, d_gates[1], xs.dtype, params["w_h"])
    return {"w_x": w_x, "w_h": w_h}


def _states_before(plan: Plan, kept: Kept) -> State:
    """Return the state that each step started from."""

    def shift(first: Array, after: Array) -> Array:
        if plan.reverse:
            return jnp.concatenate([after[1:], first[None]])
        return jnp.concatenate([first[None], after[:-1]])

    return clear(kept.masks.fresh, jax.tree.map(shift, kept.state, kept.states))


def _zeros(tree: Any) -> Any:
    return jax.tree.map(jnp.zeros_like, tree)


def _sum_rows(values: Array) -> Array:
    """Return the sum over all axes but the last."""
    return values.sum(axis=tuple(range(values.ndim - 1)))
