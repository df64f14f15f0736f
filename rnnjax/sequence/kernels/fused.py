"""A gated cell over a whole sequence, with a derivative for the whole sequence.

The derivative of a scan passes every weight gradient through the loop and stores everything that
the step computes. Here `project` reads all steps before the loop, and `emit` reads all states after
it. The loop computes only what must wait for the previous step, `recur` and `pointwise`. The
backward loop computes their transposes and stores the gradients of the gates. After it, the
gradients of the weights are computed from these for all time steps at once (`gradients.py`).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells import noise as noisy
from rnnjax.cells.base import Params, State, without_features
from rnnjax.cells.gated import GatedCell
from rnnjax.cells.noise import Noise
from rnnjax.checks import check_floating, check_positive, is_known
from rnnjax.closures import dtype_name
from rnnjax.products import accumulator, cast
from rnnjax.sequence.blocks import in_blocks
from rnnjax.sequence.kernels import gradients
from rnnjax.sequence.kernels.gates import (
    Gates,
    Stored,
    apart,
    gathered,
    joined,
    pointwise,
    pointwise_with_products,
    split,
)
from rnnjax.sequence.kernels.kernel import Call, Kernel, Steps
from rnnjax.sequence.kernels.scan import scan
from rnnjax.sequence.linear_recurrence import shifted
from rnnjax.sequence.masks import Masks, beside, clear, restart, select
from rnnjax.varying import gradient_of

# Rows (steps × batch × places of an image) of projected inputs in memory if no gradient is needed:
# few enough to stay in the caches, and enough for efficient products.
_BLOCK_ROWS = 4096


@dataclass(frozen=True)
class Fused:
    """Settings of `implementation="fused"`, which can be given in its place.

    Args:
      unroll: how many steps are one turn of the loops, forwards and backwards, if `unroll` of
        rnnjax is given no `unroll_factor`, which means the same.
      residual_dtype: the dtype in which states and gates wait for the backward pass, such as
        bfloat16; None keeps all their digits. Outputs and final states are the same, gradients
        are as exact as what they are computed from (docs/benchmarks.md).

    Raises:
      ValueError: an argument is out of range.

    Example:
      >>> cell = rx.LSTM(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> settings = rx.sequence.Fused(unroll=4, residual_dtype=jnp.bfloat16)
      >>> final, ys = rx.unroll(cell, params, jnp.ones((5, 2, 3)), implementation=settings)
      >>> ys.shape
      (5, 2, 4)
    """

    unroll: int = 1
    residual_dtype: Any = None

    def __post_init__(self) -> None:
        check_positive(unroll=self.unroll)
        check_floating(residual_dtype=self.residual_dtype)
        # By name, so that equal settings are equal however the dtype was given.
        object.__setattr__(self, "residual_dtype", dtype_name(self.residual_dtype))


class Plan(NamedTuple):
    """The static arguments of the kernel."""

    cell: GatedCell
    reverse: bool
    return_states: bool
    unroll_factor: int
    forward: "Forward"
    residual_dtype: str | None = None


class Computed(NamedTuple):
    """What a forward pass computes at each step."""

    states: State  # after each step, leaves (time, *batch, ...)
    gates: Stored  # leaves (time, *batch, ..., width), in the residual dtype
    rounded: State = None  # the states in the residual dtype, if there is one


# Takes a plan, parameters, inputs, a state and masks; returns the final state, and what is computed
# at each step. It is hashable.
Forward = Callable[[Plan, Params, Array, State, Masks], tuple[State, Computed]]


class Kept(NamedTuple):
    """What the forward pass stores for the backward pass."""

    params: Params
    xs: Array
    state: State  # before the first step
    masks: Masks
    states: State  # after each step, leaves (time, *batch, ...), maybe rounded
    gates: Stored  # of each step, leaves (time, *batch, ..., width), maybe rounded


def fused(
    cell: GatedCell,
    params: Params,
    xs: Array,
    state: State,
    masks: Masks,
    *,
    reverse: bool,
    return_states: bool = False,
    unroll_factor: int = 1,
    forward: Forward | None = None,
    residual_dtype: str | None = None,
) -> tuple[State, Steps]:
    """Run a gated cell; the same arguments and results as `scan`, to rounding.

    It has reverse-mode derivatives of any order and can be vmapped over any argument. It has no
    forward-mode derivative (`jax.jvp`, `jax.jacfwd`, `jax.linearize`); `scan` has one. A forward
    derivative of a reverse one (`jax.hessian`) works.

    Memory between the passes, for each step and batch row, in units of hidden_size: one for each
    leaf of the state, one for each additive gate and each input gate, two for each other gate, and
    the width of each product within `pointwise`.

    `forward` computes the states in place of `by_loop`; `residual_dtype` is that of `Fused`.
    """
    if xs.shape[0] == 0:  # there is no step to run, and no previous state
        return scan(cell, params, xs, state, masks, reverse=reverse, return_states=return_states)
    # A derivative must return the type of its argument, so make any mapping a plain dict.
    try:
        plan = Plan(cell, reverse, return_states, unroll_factor, forward or by_loop, residual_dtype)
        final, steps = _run(plan, dict(params), xs, state, masks)
    except TypeError as error:
        # JAX says so here, but under jit only when it compiles, which is out of reach.
        if "forward-mode" not in str(error):
            raise
        raise TypeError(
            'the fused path has no forward-mode derivative: unroll needs implementation="scan" '
            "for jax.jvp, jax.jacfwd and jax.linearize"
        ) from error
    invalid = None if masks.valid is None else ~masks.valid
    ys = clear(invalid, steps.ys.astype(cell.compute_dtype(params, xs)))
    return final, steps._replace(ys=ys)


def _refuses(call: Call) -> str | None:
    gated = isinstance(call.core, GatedCell) and call.core.is_gated
    return None if gated else "it needs a gated cell, in which one linear map waits"


def kernel(settings: Fused) -> Kernel:
    """Return the kernel with these settings; `unroll` reaches it as `unroll_factor`."""
    return Kernel(partial(fused, residual_dtype=settings.residual_dtype), _refuses)


KERNEL = Kernel(fused, _refuses)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _run(plan: Plan, params: Params, xs: Array, state: State, masks: Masks) -> tuple[State, Steps]:
    """Return the final state, and what each step gives before it is cleared at padding."""

    def run(xs: Array, state: State, masks: Masks) -> tuple[State, Steps]:
        final, computed = plan.forward(plan, params, xs, state, masks)
        return final, _steps(plan, params, xs, computed.states)

    if not is_known(*xs.shape):
        return run(xs, state, masks)
    size = max(1, _BLOCK_ROWS // max(1, math.prod(xs.shape[1:-1])))
    if xs.shape[0] < 2 * size:
        return run(xs, state, masks)
    return in_blocks(run, xs, state, masks, size=size, reverse=plan.reverse)


def _run_fwd(
    plan: Plan, params: Params, xs: Array, state: State, masks: Masks
) -> tuple[tuple[State, Steps], Kept]:
    final, (states, gates, rounded) = plan.forward(plan, params, xs, state, masks)
    kept = Kept(params, xs, state, masks, states if rounded is None else rounded, gates)
    dtype = _dtype(plan, kept)
    if plan.residual_dtype == jnp.dtype(dtype).name and _emits_h(plan):
        # The default output is h in this dtype. So the loop need not write an h of all digits too.
        states = states._replace(h=_widened(plan, dtype, kept.states.h))
    return (final, _steps(plan, params, xs, states)), kept


def _emits_h(plan: Plan) -> bool:
    """Return whether nothing of a state is shown but its h as the output."""
    return gradients.is_default(plan.cell, "emit") and not plan.return_states


def _steps(plan: Plan, params: Params, xs: Array, states: State) -> Steps:
    ys = plan.cell.emit(cast(params, plan.cell.compute_dtype(params, xs)), states)
    return Steps(ys, states if plan.return_states else None)


def by_loop(
    plan: Plan, params: Params, xs: Array, state: State, masks: Masks
) -> tuple[State, Computed]:
    """Return the final state, and what each step computes, one step after the other."""
    cell, dtype = plan.cell, plan.cell.compute_dtype(params, xs)
    initial, narrow = cell.initial_state(without_features(cell, xs.shape)[1:]), cast(params, dtype)
    g_x = cell.project(params, xs)
    own = cell.own(params, g_x.ndim - 1, dtype)
    parts = apart(cell, g_x)

    def body(state: State, inputs: tuple[list[Array], Masks]) -> tuple[State, Any]:
        parts, (valid, fresh, start, noise) = inputs
        state = restart(fresh, initial if start is None else start, state)
        h = noisy.read(noise, state.h).astype(dtype)
        g_x, g_h = joined(parts), cell.recur(narrow, h)
        after, products = pointwise_with_products(cell, noise, g_x, g_h, state, own)
        state = select(valid, after, state)
        gates = gathered(cell, g_x, g_h)
        kept = apart(cell, gates.both), apart(cell, gates.h), products
        # Rounded here, so that the loop does not write what is not kept.
        rounded = _rounded(plan, state) if plan.residual_dtype else None
        return state, (state, _rounded(plan, kept), rounded)

    loop = partial(jax.lax.scan, reverse=plan.reverse, unroll=plan.unroll_factor)
    final, (states, (both, h, products), rounded) = loop(body, state, (parts, masks))
    _, x = split(cell, joined(parts))
    gates = Stored(both, apart(cell, _rounded(plan, x)), h, products)
    return final, Computed(states, gates, rounded)


def _run_bwd(plan: Plan, kept: Kept, cotangents: tuple[State, Steps]) -> tuple[Any, ...]:
    cell, params, xs, dtype = plan.cell, kept.params, kept.xs, _dtype(plan, kept)
    d_final, d_steps = cotangents
    masks = kept.masks
    before = states_before(plan, xs, kept.state, masks, kept.states)
    wide = partial(_widened, plan, dtype)
    states = wide(kept.states)
    d_emitting, d_emitted = gradients.of_emit(cell, params, states, d_steps.ys, dtype)
    if plan.return_states:
        d_emitted = _add(d_steps.states, d_emitted)._asdict()
    d_state, d_own, d_gates, d_states, d_start, factors = _backward(
        plan, kept, before, d_final, d_emitted
    )
    noise = masks.noise
    hs = noisy.read(noise, before.h)
    d_linear, d_xs = gradients.of_project_and_recur(cell, params, xs, hs, d_gates)
    gates, before = wide((kept.gates.together(), before))
    d_after = d_states, d_gates.products
    d_matrices = gradients.of_pointwise(cell, params, noise, gates, before, factors, d_after, dtype)
    d_params = gradients.total(params, d_linear, d_own, d_matrices, d_emitting)
    primals = (params, xs, kept.state, masks.start)
    *d_primals, d_start = gradient_of(primals, (d_params, d_xs, d_state, d_start))
    return *d_primals, Masks(None, None, d_start)


def _backward(
    plan: Plan, kept: Kept, before: State, d_final: State, d_emitted: dict[str, Array]
) -> tuple[State, Params, Gates, State, State, list[Array]]:
    """Return the gradients of the first state, own vectors, gates, states, and of `Masks.start`.

    Those of the states are of what `pointwise` returned at each step; None where no matrix of
    `pointwise` needs them. The last result is what `pointwise` multiplied with matrices.
    """
    cell, params, xs, dtype = plan.cell, kept.params, kept.xs, _dtype(plan, kept)
    batch = without_features(cell, xs.shape)[1:]
    own = cell.own(params, jax.tree.leaves(kept.gates)[0].ndim - 1, dtype)
    matrices = {name: own.pop(name) for name in gradients.own_matrices(cell, params)}
    # Own vectors get one row a sequence, so that their gradients are summed over time within
    # the pointwise part of the loop and over the batch once, after it.
    own_rows = {
        name: jnp.broadcast_to(value, (*batch, *value.shape[len(batch) :]))
        for name, value in own.items()
    }
    own_rows = beside(cell, xs, own_rows)
    transpose = gradients.transpose_of_recur(cell, params, dtype)

    def run(noise: Noise | None, gates: Gates, before: State, own: Params) -> Any:
        after, products = pointwise(cell, noise, gates, before, {**own, **matrices})
        return after, [product.a for product in products]

    def body(carry: Any, inputs: Any) -> tuple[Any, Any]:
        d_state, d_own = carry
        d_emitted, rounded, (valid, fresh, start, noise) = inputs
        stored, before = _widened(plan, dtype, rounded)
        d_state = _add(d_state, d_emitted)
        arguments = stored.together(), before, own_rows
        _, pullback, factors = jax.vjp(partial(run, noise), *arguments, has_aux=True)
        d_after = select(valid, d_state, _zeros(d_state))
        d_gates, d_before, d_own_now = pullback(d_after)
        d_h = noisy.read(noise, transpose(d_gates.as_g_h(), before.h))
        d_before = _add(d_before, {"h": d_h})
        d_state = select(valid, d_before, d_state)
        d_start = None if start is None else clear(~fresh, d_state)
        d_state = clear(fresh, d_state)
        d_own = jax.tree.map(jnp.add, d_own, d_own_now)
        return (d_state, d_own), (d_gates, d_after if matrices else None, d_start, factors)

    (d_state, d_own), (d_gates, d_states, d_start, factors) = jax.lax.scan(
        body,
        (d_final, _zeros(own_rows)),
        (d_emitted, (kept.gates, before), kept.masks),
        reverse=not plan.reverse,
        unroll=plan.unroll_factor,
    )
    return d_state, jax.tree.map(gradients.sum_rows, d_own), d_gates, d_states, d_start, factors


def states_before(plan: Plan, xs: Array, state: State, masks: Masks, states: State) -> State:
    """Return the state that each step started from, given those after each step."""

    def shift(state: Array, states: Array) -> Array:
        return shifted(state.astype(states.dtype), states, reverse=plan.reverse)

    start = masks.start
    if start is None:
        start = plan.cell.initial_state(without_features(plan.cell, xs.shape))
    return restart(masks.fresh, start, jax.tree.map(shift, state, states))


def _rounded(plan: Plan, tree: Any) -> Any:
    """Return what is kept between the passes in the dtype in which it is kept."""
    if plan.residual_dtype is None:
        return tree
    return jax.tree.map(lambda leaf: leaf.astype(plan.residual_dtype), tree)


def _widened(plan: Plan, dtype: Any, tree: Any) -> Any:
    """Return what was kept in the dtype in which the step computes it."""
    if plan.residual_dtype is None:
        return tree
    return jax.tree.map(lambda leaf: leaf.astype(accumulator(dtype)), tree)


def _dtype(plan: Plan, kept: Kept) -> Any:
    return plan.cell.compute_dtype(kept.params, kept.xs)


def _add(state: State, leaves: dict[str, Array]) -> State:
    """Return `state` with something added to some of its leaves."""
    return state._replace(**{name: getattr(state, name) + d for name, d in leaves.items()})


def _zeros(tree: Any) -> Any:
    return jax.tree.map(jnp.zeros_like, tree)


_run.defvjp(_run_fwd, _run_bwd)
