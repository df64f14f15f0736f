"""A linear layer and the cross-entropy of its softmax, as one function."""

from functools import partial
from typing import Any

import jax.numpy as jnp
from jax import Array

from rnnjax.checks import check_rate
from rnnjax.losses.linear_head import Plan, linear_loss
from rnnjax.losses.shapes import check_kernel, check_rows


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
    the loss; see `linear_loss`.

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
    check_rate("label_smoothing", label_smoothing)
    check_kernel(features, kernel, bias)
    check_rows(features.shape[:-1], targets, mask)
    if mask is None:
        mask = jnp.ones(targets.shape, bool)
    dtype = jnp.dtype(dtype or jnp.result_type(features, kernel))
    plan = Plan(partial(_judge, label_smoothing), dtype, rows_at_once)
    nats = linear_loss(plan, features, kernel, bias, mask, jnp.where(mask, targets, 0))
    return nats, mask.sum()


def _judge(
    smoothing: float, logits: Array, counts: Array, targets: Array, held: tuple[()]
) -> tuple[Array, Array]:
    """Return the rows' cross-entropy, summed, and its gradient by the logits."""
    classes = logits.shape[1]
    top = jnp.max(logits, axis=1, keepdims=True)
    exps = jnp.exp(logits - top)
    norm = jnp.sum(exps, axis=1, keepdims=True)
    hit = jnp.take_along_axis(logits, targets[:, None], axis=1) * (1 - smoothing)
    if smoothing:
        hit += jnp.mean(logits, axis=1, keepdims=True) * smoothing
    nats = (jnp.log(norm) + top - hit)[:, 0]
    weight = counts[:, None].astype(exps.dtype)
    one_hot = jnp.arange(classes)[None] == targets[:, None]
    d_logits = exps * (weight / norm) - jnp.where(one_hot, weight * (1 - smoothing), 0)
    if smoothing:
        d_logits -= weight * (smoothing / classes)
    return jnp.where(counts, nats, 0).sum(), d_logits
