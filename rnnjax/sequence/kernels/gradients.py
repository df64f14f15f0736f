"""The gradients of a cell's parts, for all time steps at once except for the recurrent part.

`jax.vjp` computes the gradient of a part, so that a cell may override it. The gradients of the
default parts, matrix products and the state's h, are simpler, and are written out here.
"""

from collections.abc import Callable
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Params, State
from rnnjax.cells.gated import GatedCell
from rnnjax.cells.noise import Noise
from rnnjax.products import Linear, cast, outer, product, times
from rnnjax.sequence.kernels.gates import Gates, pointwise, split


def transpose_of_recur(
    cell: GatedCell, params: Params, dtype: Any
) -> Callable[[Array, Array], Array]:
    """Return a function of the gradient of g_h and of h, which returns the gradient of h."""
    if _recurs_by_one_matrix(cell, params):
        w_h_t = cell.recurrent_columns(params["w_h"]).T.astype(dtype)
        return lambda d_g_h, h: product(d_g_h, w_h_t, dtype)
    narrow = cast(params, dtype)

    def transpose(d_g_h: Array, h: Array) -> Array:
        g_h, pullback = jax.vjp(lambda h: cell.recur(narrow, h.astype(dtype)), h)
        (d_h,) = pullback(d_g_h.astype(g_h.dtype))
        return d_h

    return transpose


def of_project_and_recur(
    cell: GatedCell, params: Params, xs: Array, hs: Array, d_gates: Gates
) -> tuple[Params, Array]:
    """Return the gradients of the parameters and of `xs`.

    Args:
      cell: the cell.
      params: its parameters.
      xs: what `project` read, `(time, *batch, features)`.
      hs: what `recur` read, the h before each step.
      d_gates: the gradients of the gates at each step.
    """
    dtype = cell.compute_dtype(params, xs)
    if is_default(cell, "project") and _recurs_by_one_matrix(cell, params):
        return _of_products(cell, params, xs, hs, d_gates, dtype)
    g_x, to_project = jax.vjp(cell.project, params, xs)
    d_params, d_xs = to_project(d_gates.as_g_x().astype(g_x.dtype))
    d_recurred = _of_recur(cell, params, hs, d_gates.as_g_h(), dtype)
    return d_params | {name: d_params[name] + d for name, d in d_recurred.items()}, d_xs


def _of_recur(cell: GatedCell, params: Params, hs: Array, d_g_h: Array, dtype: Any) -> Params:
    if _recurs_by_one_matrix(cell, params):
        return {"w_h": _widened(outer(hs, d_g_h, dtype, params["w_h"]), params)}
    g_h, pullback = jax.vjp(lambda p: cell.recur(cast(p, dtype), hs.astype(dtype)), params)
    (d_params,) = pullback(d_g_h.astype(g_h.dtype))
    return d_params


def _widened(w_h: Array, params: Params) -> Array:
    """Return the gradient of `w_h`, given that of the columns which `recur` reads."""
    others = params["w_h"].shape[-1] - w_h.shape[-1]
    return jnp.pad(w_h, ((0, 0), (0, others))) if others else w_h


def _of_products(
    cell: GatedCell, params: Params, xs: Array, hs: Array, d_gates: Gates, dtype: Any
) -> tuple[Params, Array]:
    """The same where `project` is x @ w_x + b, or without b, and `recur` is h @ w_h.

    The gradients of the additive gates are those of both products: with them, the gradients of
    both weights are one product. A taller matrix is nearer the machine's peak.
    """
    narrow_xs, narrow_hs = xs.astype(dtype), hs.astype(dtype)
    operands = jnp.concatenate([narrow_xs, narrow_hs], -1)
    w_x, w_h = jnp.split(outer(operands, d_gates.both, dtype, params["w_x"]), [xs.shape[-1]])
    w_x_others = outer(narrow_xs, d_gates.x, dtype, params["w_x"])
    w_h_others = outer(narrow_hs, d_gates.h, dtype, params["w_h"])
    d_params = {
        "w_x": jnp.concatenate([w_x, w_x_others], -1),
        "w_h": _widened(jnp.concatenate([w_h, w_h_others], -1), params),
    }
    if cell.use_bias:
        d_params["b"] = jnp.concatenate([sum_rows(d_gates.both), sum_rows(d_gates.x)])
    w_both, w_others = split(cell, params["w_x"])
    d_xs = product(d_gates.both, w_both.T, dtype) + product(d_gates.x, w_others.T, dtype)
    return d_params, d_xs.astype(xs.dtype)


def of_emit(
    cell: GatedCell, params: Params, states: State, d_ys: Array, dtype: Any
) -> tuple[Params, dict[str, Array]]:
    """Return the gradients of the parameters, and of the states' leaves that `emit` reads."""
    if is_default(cell, "emit"):
        return {}, {"h": d_ys}
    _, pullback = jax.vjp(lambda p, s: cell.emit(cast(p, dtype), s), params, states)
    d_params, d_states = pullback(d_ys)
    return d_params, d_states._asdict()


def of_pointwise(
    cell: GatedCell,
    params: Params,
    noise: Noise | None,
    gates: Gates,
    before: State,
    factors: list[Array],
    d_after: tuple[State, tuple[Array, ...]],
    dtype: Any,
) -> Params:
    """Return the gradients of the matrices that `pointwise` reads; of its vectors, the loop does.

    Args:
      cell: the cell.
      params: its parameters.
      noise: the noise of each step.
      gates: the gates of each step.
      before: the state before each step.
      factors: what `pointwise` multiplied with matrices at each step.
      d_after: the gradients of what `pointwise` returned at each step, and of its products.
      dtype: the compute dtype.
    """

    names = own_matrices(cell, params)
    if not names:
        return {}

    linear: list[Linear] = []

    def all_steps(matrices: Params) -> Any:
        own = cell.own({**params, **matrices}, gates.both.ndim, dtype)
        after, products = pointwise(cell, noise, gates, before, own)
        linear.extend(product.linear for product in products)
        return after, [product.matrix for product in products]

    (_, matrices), pullback = jax.vjp(all_steps, {name: params[name] for name in names})
    d_states, d_products = d_after
    each = zip(linear, factors, matrices, d_products, strict=True)
    (d_params,) = pullback((d_states, [_of_matrix(cell, *product) for product in each]))
    return d_params


def _of_matrix(cell: GatedCell, linear: Linear, a: Array, matrix: Array, d: Array) -> Array:
    """Return the gradient of the matrix, given that of `linear(a, matrix)` at all time steps."""
    plain = linear == cell.times and is_default(cell, "times") and cell.heads == 1
    if plain or linear is times:
        return outer(a, d, matrix.dtype, matrix).astype(matrix.dtype)
    _, pullback = jax.vjp(lambda matrix: linear(a, matrix), matrix)
    (d_matrix,) = pullback(d)
    return d_matrix


def own_matrices(cell: GatedCell, params: Params) -> list[str]:
    """Return the names of the parameters that `pointwise` reads and that are not vectors."""
    own = jax.eval_shape(lambda: cell.own(params, 1, jnp.float32))
    return [name for name in own if params[name].ndim != 1]


def total(params: Params, *gradients: Params) -> Params:
    """Return the sum of gradients, each of some of the parameters, in the parameters' dtypes."""
    found: dict[str, list[Array]] = {name: [] for name in params}
    for each in gradients:
        for name, value in each.items():
            found[name].append(value)
    return {
        name: reduce(jnp.add, found[name] or [jnp.zeros_like(value)]).astype(value.dtype)
        for name, value in params.items()
    }


def sum_rows(values: Array) -> Array:
    """Return the sum over all axes except the last."""
    return values.sum(axis=tuple(range(values.ndim - 1)))


def _recurs_by_one_matrix(cell: GatedCell, params: Params) -> bool:
    """Whether g_h is h @ w_h, of the recurrent columns."""
    default = is_default(cell, "recur") and is_default(cell, "times")
    return default and cell.num_recurrent_gates > 0 and cell.heads == 1


def is_default(cell: GatedCell, part: str) -> bool:
    """Return whether a cell has this part from `GatedCell`."""
    return getattr(type(cell), part) is getattr(GatedCell, part)
