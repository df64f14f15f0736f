"""A linear layer and the cross-entropy of its softmax, as one function."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.products import accumulator, last_first, lead, outer, product

# Rows whose logits are held at once: enough for an efficient product, and at 33,278 words 136 MB.
_ROWS = 1024


def linear_cross_entropy(
    features: Array,
    kernel: Array,
    bias: Array,
    targets: Array,
    mask: Array | None = None,
    *,
    dtype: Any = None,
) -> tuple[Array, Array]:
    """Return `cross_entropy(features @ kernel + bias, targets, mask)`, never holding all logits.

    Rows are taken in chunks, and the gradient, softmax less one-hot, is computed with the loss
    while a chunk's logits are at hand, so that nothing of a row's logits outlives its chunk.

    Args:
      features: `(..., width)`.
      kernel: `(width, classes)`; a tied embedding transposed.
      bias: `(classes,)`.
      targets: `(...)` integers.
      mask: `(...)` bool, True where a position counts; None counts all.
      dtype: of the products' operands; None is what features and kernel promote to.

    Returns:
      The summed cross-entropy in nats, and how many targets it sums.

    Raises:
      ValueError: shapes that do not fit.
    """
    shape = features.shape[:-1]
    if kernel.shape != (features.shape[-1], *bias.shape):
        raise ValueError(
            f"kernel must be (width, classes) = {(features.shape[-1], *bias.shape)}, the features' "
            f"width and the bias's shape, got {kernel.shape}"
        )
    if targets.shape != shape:
        raise ValueError(f"targets must have shape {shape}, got {targets.shape}")
    if mask is None:
        mask = jnp.ones(shape, bool)
    if mask.shape != shape:
        raise ValueError(f"mask must have shape {shape}, got {mask.shape}")
    # Before the product, not after: a NaN that is computed makes NaN gradients even if dropped.
    rows = jnp.where(mask[..., None], features, 0).reshape(-1, features.shape[-1])
    where = jnp.where(mask, targets, 0).reshape(-1)
    dtype = jnp.dtype(dtype or jnp.result_type(features, kernel))
    return _nats(dtype, rows, kernel, bias, where, mask.reshape(-1)), mask.sum()


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _nats(
    dtype: Any, rows: Array, kernel: Array, bias: Array, targets: Array, mask: Array
) -> Array:
    kernel = kernel.astype(dtype)

    def body(total: Array, chunk: tuple[Array, Array, Array]) -> tuple[Array, None]:
        x, target, counts = chunk
        nats, _, _ = _softmax(dtype, x, kernel, bias, target)
        return total + jnp.where(counts, nats, 0).sum(), None

    start = jnp.zeros((), accumulator(dtype))
    return jax.lax.scan(body, start, _chunks(rows, targets, mask))[0]


def _nats_fwd(
    dtype: Any, rows: Array, kernel: Array, bias: Array, targets: Array, mask: Array
) -> tuple[Array, tuple[Array, Array, Array]]:
    compact = kernel.astype(dtype)
    compact_t = last_first(compact)

    def body(sums: Any, chunk: tuple[Array, Array, Array]) -> tuple[Any, Array]:
        total, d_kernel, d_bias = sums
        x, target, counts = chunk
        nats, exps, norm = _softmax(dtype, x, compact, bias, target)
        weight = counts[:, None].astype(exps.dtype)
        one_hot = jnp.arange(bias.shape[0])[None] == target[:, None]
        d_logits = (exps * (weight / norm) - jnp.where(one_hot, weight, 0)).astype(dtype)
        total += jnp.where(counts, nats, 0).sum()
        d_kernel += outer(x, d_logits, dtype, kernel)
        d_bias += product(jnp.ones((1, x.shape[0])), d_logits, dtype)[0]
        return (total, d_kernel, d_bias), product(d_logits, compact_t, dtype)

    wide = accumulator(dtype)
    zeros = (jnp.zeros((), wide), jnp.zeros(kernel.shape, wide), jnp.zeros(bias.shape, wide))
    (total, d_kernel, d_bias), d_rows = jax.lax.scan(body, zeros, _chunks(rows, targets, mask))
    d_rows = d_rows.reshape(-1, rows.shape[1])[: rows.shape[0]]
    gradients = (
        d_rows.astype(rows.dtype),
        d_kernel.astype(kernel.dtype),
        d_bias.astype(bias.dtype),
    )
    return total, gradients


def _nats_bwd(
    dtype: Any, gradients: tuple[Array, Array, Array], cotangent: Array
) -> tuple[Any, ...]:
    scaled = (g * cotangent.astype(g.dtype) for g in gradients)
    return (*scaled, None, None)


_nats.defvjp(_nats_fwd, _nats_bwd)


def _softmax(
    dtype: Any, x: Array, kernel: Array, bias: Array, target: Array
) -> tuple[Array, Array, Array]:
    """Return each row's cross-entropy, its exponentials `(rows, classes)`, and their sum."""
    logits = product(x, kernel, dtype)
    logits += lead(bias.astype(logits.dtype), 2)
    top = jnp.max(logits, axis=1, keepdims=True)
    exps = jnp.exp(logits - top)
    norm = jnp.sum(exps, axis=1, keepdims=True)
    hit = jnp.take_along_axis(logits, target[:, None], axis=1)
    return (jnp.log(norm) + top - hit)[:, 0], exps, norm


def _chunks(rows: Array, targets: Array, mask: Array) -> tuple[Array, Array, Array]:
    """Return rows, targets and mask as `(chunks, chunk, ...)`, filled up with masked rows."""
    count = max(1, -(-rows.shape[0] // _ROWS))
    size = -(-rows.shape[0] // count)
    fill = count * size - rows.shape[0]

    def cut(values: Array) -> Array:
        widths = ((0, fill),) + ((0, 0),) * (values.ndim - 1)
        return jnp.pad(values, widths).reshape(count, size, *values.shape[1:])

    return cut(rows), cut(targets), cut(mask)
