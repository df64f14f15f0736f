"""A linear layer and a loss of its logits, in chunks of rows, without storing all logits."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import PartitionSpec

from rnnjax.checks import check_positive, is_known
from rnnjax.products import accumulator, affine, last_first, outer, product
from rnnjax.sharding import automatic, over_rows
from rnnjax.varying import axes_of, gradient_of, varying


class Plan(NamedTuple):
    """The static part of `linear_loss`.

    Attributes:
      judge: `(logits, counts, beside, held) -> (sum, d sum / d logits)`, the loss of one chunk.
        Logits are `(rows, classes)`, and `counts` `(rows,)` is True where a row counts; the
        gradient must be zero in the other rows. `beside` is the chunk of that argument of
        `linear_loss`, `held` the whole argument.
      dtype: dtype of the operands of products.
      rows_at_once: rows in a chunk.
    """

    judge: Callable[[Array, Array, Any, Any], tuple[Array, Array]]
    dtype: Any
    rows_at_once: int


def linear_loss(
    plan: Plan,
    features: Array,
    kernel: Array,
    bias: Array,
    mask: Array,
    beside: Any,
    held: Any = (),
) -> Array:
    """Return the sum of `plan.judge(features @ kernel + bias, ...)` over chunks of rows.

    The gradient is computed together with the loss of a chunk, so no logits are kept after their
    chunk. A chunk without rows that count is skipped.

    Args:
      plan: see `Plan`.
      features: `(..., width)`. Rows that do not count, even NaN, do not affect the loss or its
        gradient.
      kernel: `(width, classes)`.
      bias: `(classes,)`.
      mask: `(...)` bool, True where a row counts.
      beside: arrays `(..., *)`, cut into chunks like the features; they get no gradient.
      held: arrays that every chunk gets whole; they get no gradient.
    """
    check_positive(rows_at_once=plan.rows_at_once)
    run = partial(_in_chunks, plan)
    args = features, kernel, bias, mask, beside, held
    divided = True, False, False, True, True, False
    shared = partial(over_rows, run, mask.shape[0], divided=divided)
    return automatic(shared, *args, spec=PartitionSpec())


def _in_chunks(
    plan: Plan, features: Array, kernel: Array, bias: Array, mask: Array, beside: Any, held: Any
) -> Array:
    # Mask before the product, not after: a NaN makes NaN gradients even if it is dropped later.
    rows = jnp.where(mask[..., None], features, 0)
    number = math.prod(mask.shape)
    if is_known(number):
        count = max(1, -(-number // plan.rows_at_once))
        size = -(-number // count)
    else:
        size = plan.rows_at_once
        count = -(-number // size)

    def cut(values: Array) -> Array:
        """Return `(chunks, chunk, *)`, padded with rows of zeros, which do not count."""
        flat = values.reshape(-1, *values.shape[mask.ndim :])
        widths = ((0, count * size - flat.shape[0]),) + ((0, 0),) * (flat.ndim - 1)
        return jnp.pad(flat, widths).reshape(count, size, *flat.shape[1:])

    return _total(plan, kernel, bias, jax.tree.map(cut, (rows, mask, beside)), held)


Chunks = tuple[Array, Array, Any]  # features, mask, beside


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _total(plan: Plan, kernel: Array, bias: Array, chunks: Chunks, held: Any) -> Array:
    kernel = kernel.astype(plan.dtype)

    def body(total: Array, chunk: Chunks) -> tuple[Array, None]:
        x, counts, beside = chunk
        value, _ = plan.judge(affine(x, kernel, bias, plan.dtype), counts, beside, held)
        return total + value, None

    axes = axes_of(kernel, bias, chunks, held)
    start = varying(jnp.zeros((), accumulator(plan.dtype)), axes)
    return jax.lax.scan(_unless_empty(body, axes), start, varying(chunks, axes))[0]


def _total_fwd(
    plan: Plan, kernel: Array, bias: Array, chunks: Chunks, held: Any
) -> tuple[Array, tuple[Any, Any]]:
    dtype = plan.dtype
    axes = axes_of(kernel, bias, chunks, held)
    compact = kernel.astype(dtype)
    compact_t = last_first(compact)

    def body(sums: Any, chunk: Chunks) -> tuple[Any, Array]:
        total, d_kernel, d_bias = sums
        x, counts, beside = chunk
        value, d_logits = plan.judge(affine(x, compact, bias, dtype), counts, beside, held)
        d_logits = d_logits.astype(dtype)
        d_kernel += outer(x, d_logits, dtype, kernel)
        d_bias += product(jnp.ones((1, x.shape[0])), d_logits, dtype)[0]
        return (total + value, d_kernel, d_bias), product(d_logits, compact_t, dtype)

    wide = accumulator(dtype)
    zeros = (jnp.zeros((), wide), jnp.zeros(kernel.shape, wide), jnp.zeros(bias.shape, wide))
    zeros = varying(zeros, axes)
    (total, d_kernel, d_bias), d_rows = jax.lax.scan(
        _unless_empty(body, axes), zeros, varying(chunks, axes)
    )
    gradients = (
        d_kernel.astype(kernel.dtype),
        d_bias.astype(bias.dtype),
        d_rows.astype(chunks[0].dtype),
    )
    # Of the rows no values are kept, only their type.
    return total, (gradients, (kernel, bias, chunks[0][:0]))


def _total_bwd(plan: Plan, kept: tuple[Any, Any], cotangent: Array) -> tuple[Any, ...]:
    gradients, primals = kept
    scaled = tuple(g * cotangent.astype(g.dtype) for g in gradients)
    d_kernel, d_bias, d_rows = gradient_of(primals, scaled)
    return d_kernel, d_bias, (d_rows, None, None), None


_total.defvjp(_total_fwd, _total_bwd)


def _unless_empty(body: Callable[..., Any], axes: frozenset[str]) -> Callable[..., Any]:
    """Return the body of a scan that skips a chunk without rows that count, and returns zeros."""

    def guarded(sums: Any, chunk: Chunks) -> Any:
        _, given = jax.eval_shape(body, sums, chunk)
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), given)

        def run(sums: Any, chunk: Chunks) -> Any:
            return varying(body(sums, chunk), axes)

        def skip(sums: Any, chunk: Chunks) -> Any:
            return varying((sums, zeros), axes)

        return jax.lax.cond(chunk[1].any(), run, skip, sums, chunk)

    return guarded
