"""A linear layer and the cross-entropy of its softmax, as one function."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import check_positive
from rnnjax.losses.arguments import check_kernel, check_rows, check_smoothing
from rnnjax.products import accumulator, last_first, lead, outer, product


def linear_cross_entropy(
    features: Array,
    kernel: Array,
    bias: Array,
    targets: Array,
    mask: Array | None = None,
    *,
    label_smoothing: float = 0.0,
    dtype: Any = None,
    rows_at_once: int = 1024,
) -> tuple[Array, Array]:
    """Return `cross_entropy` of `features @ kernel + bias`, never holding all logits.

    Rows are taken in chunks, and the gradient, softmax less (smoothed) one-hot, is computed with
    the loss while a chunk's logits are at hand, so that nothing of a row's logits outlives its
    chunk. A chunk in which nothing counts is skipped.

    Args:
      features: `(..., width)`.
      kernel: `(width, classes)`; a tied embedding transposed.
      bias: `(classes,)`.
      targets: `(...)` integers in [0, classes), which is not checked.
      mask: `(...)` bool, True where a position counts; None counts all.
      label_smoothing: see `cross_entropy`.
      dtype: of the products' operands; None is what features and kernel promote to.
      rows_at_once: rows in a chunk; the default makes efficient products, and its logits take
        136 MB at 33,278 classes.

    Returns:
      The summed cross-entropy in nats, and how many targets it sums.

    Raises:
      ValueError: shapes that do not fit.
    """
    check_smoothing(label_smoothing)
    check_positive(rows_at_once=rows_at_once)
    shape = features.shape[:-1]
    check_kernel(features, kernel, bias)
    check_rows(shape, targets, mask)
    if mask is None:
        mask = jnp.ones(shape, bool)
    # Before the product, not after: a NaN that is computed makes NaN gradients even if dropped.
    rows = jnp.where(mask[..., None], features, 0).reshape(-1, features.shape[-1])
    where = jnp.where(mask, targets, 0).reshape(-1)
    dtype = jnp.dtype(dtype or jnp.result_type(features, kernel))
    plan = Plan(dtype, label_smoothing, rows_at_once)
    return _nats(plan, rows, kernel, bias, where, mask.reshape(-1)), mask.sum()


class Plan(NamedTuple):
    """What does not change while a program runs."""

    dtype: Any
    smoothing: float
    rows_at_once: int


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _nats(
    plan: Plan, rows: Array, kernel: Array, bias: Array, targets: Array, mask: Array
) -> Array:
    kernel = kernel.astype(plan.dtype)

    def body(total: Array, chunk: tuple[Array, Array, Array]) -> tuple[Array, None]:
        x, target, counts = chunk
        nats, _, _ = _softmax(plan, x, kernel, bias, target)
        return total + jnp.where(counts, nats, 0).sum(), None

    start = jnp.zeros((), accumulator(plan.dtype))
    return jax.lax.scan(_unless_empty(body), start, _chunks(plan, rows, targets, mask))[0]


def _nats_fwd(
    plan: Plan, rows: Array, kernel: Array, bias: Array, targets: Array, mask: Array
) -> tuple[Array, tuple[Array, Array, Array]]:
    dtype, classes = plan.dtype, bias.shape[0]
    compact = kernel.astype(dtype)
    compact_t = last_first(compact)

    def body(sums: Any, chunk: tuple[Array, Array, Array]) -> tuple[Any, Array]:
        total, d_kernel, d_bias = sums
        x, target, counts = chunk
        nats, exps, norm = _softmax(plan, x, compact, bias, target)
        weight = counts[:, None].astype(exps.dtype)
        one_hot = jnp.arange(classes)[None] == target[:, None]
        hit = jnp.where(one_hot, weight * (1 - plan.smoothing), 0)
        d_logits = exps * (weight / norm) - hit
        if plan.smoothing:
            d_logits -= weight * (plan.smoothing / classes)
        d_logits = d_logits.astype(dtype)
        total += jnp.where(counts, nats, 0).sum()
        d_kernel += outer(x, d_logits, dtype, kernel)
        d_bias += product(jnp.ones((1, x.shape[0])), d_logits, dtype)[0]
        return (total, d_kernel, d_bias), product(d_logits, compact_t, dtype)

    wide = accumulator(dtype)
    zeros = (jnp.zeros((), wide), jnp.zeros(kernel.shape, wide), jnp.zeros(bias.shape, wide))
    chunks = _chunks(plan, rows, targets, mask)
    (total, d_kernel, d_bias), d_rows = jax.lax.scan(_unless_empty(body), zeros, chunks)
    d_rows = d_rows.reshape(-1, rows.shape[1])[: rows.shape[0]]
    gradients = (
        d_rows.astype(rows.dtype),
        d_kernel.astype(kernel.dtype),
        d_bias.astype(bias.dtype),
    )
    return total, gradients


def _nats_bwd(
    plan: Plan, gradients: tuple[Array, Array, Array], cotangent: Array
) -> tuple[Any, ...]:
    scaled = (g * cotangent.astype(g.dtype) for g in gradients)
    return (*scaled, None, None)


_nats.defvjp(_nats_fwd, _nats_bwd)


def _unless_empty(body: Callable[..., Any]) -> Callable[..., Any]:
    """Return a scan's body that does nothing, and gives zeros, where no row counts."""

    def guarded(sums: Any, chunk: tuple[Array, Array, Array]) -> Any:
        _, given = jax.eval_shape(body, sums, chunk)
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), given)
        return jax.lax.cond(chunk[2].any(), body, lambda sums, _: (sums, zeros), sums, chunk)

    return guarded


def _softmax(
    plan: Plan, x: Array, kernel: Array, bias: Array, target: Array
) -> tuple[Array, Array, Array]:
    """Return each row's cross-entropy, its exponentials `(rows, classes)`, and their sum."""
    logits = product(x, kernel, plan.dtype)
    logits += lead(bias.astype(logits.dtype), 2)
    top = jnp.max(logits, axis=1, keepdims=True)
    exps = jnp.exp(logits - top)
    norm = jnp.sum(exps, axis=1, keepdims=True)
    hit = jnp.take_along_axis(logits, target[:, None], axis=1) * (1 - plan.smoothing)
    if plan.smoothing:
        hit += jnp.mean(logits, axis=1, keepdims=True) * plan.smoothing
    return (jnp.log(norm) + top - hit)[:, 0], exps, norm


def _chunks(plan: Plan, rows: Array, targets: Array, mask: Array) -> tuple[Array, Array, Array]:
    """Return rows, targets and mask as `(chunks, chunk, ...)`, filled up with masked rows."""
    count = max(1, -(-rows.shape[0] // plan.rows_at_once))
    size = -(-rows.shape[0] // count)
    fill = count * size - rows.shape[0]

    def cut(values: Array) -> Array:
        widths = ((0, fill),) + ((0, 0),) * (values.ndim - 1)
        return jnp.pad(values, widths).reshape(count, size, *values.shape[1:])

    return cut(rows), cut(targets), cut(mask)
