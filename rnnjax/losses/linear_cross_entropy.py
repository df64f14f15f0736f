"""Cross-entropy fused with the output layer."""

from functools import partial
from typing import Any

import jax.numpy as jnp
from jax import Array

from rnnjax.checks import check_rate
from rnnjax.losses.linear_head import Plan, linear_loss
from rnnjax.losses.shapes import check_classes, check_kernel, check_rows
from rnnjax.products import common_dtype


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
    """Return the `cross_entropy` of `features @ kernel + bias`, without storing all logits.

    The rows are processed in chunks. The gradient, the softmax minus the (smoothed) one-hot target,
    is computed together with the loss. It cannot be differentiated forwards (`jax.jvp`);
    `cross_entropy` can.

    Args:
      features: `(..., width)`.
      kernel: `(width, classes)`; the transposed embedding if it is tied.
      bias: `(classes,)`.
      targets: `(...)` integers in [0, classes); the range is checked
        where targets are concrete, not under jit.
      mask: `(...)` bool, True where a position counts; None counts all.
      label_smoothing: see `cross_entropy`.
      dtype: dtype of the operands of products; None promotes features and kernel.
      rows_at_once: rows in a chunk. The default makes efficient products; its logits take 136 MB
        for 33,278 classes.

    Returns:
      The sum of the cross-entropy in nats, and the number of targets.

    Raises:
      ValueError: shapes do not fit, or `label_smoothing` is out of range.

    Example:
      >>> features, kernel, bias = jnp.ones((2, 3)), jnp.zeros((3, 4)), jnp.zeros(4)
      >>> nats, count = rx.losses.linear_cross_entropy(features, kernel, bias, jnp.array([0, 3]))
      >>> round(float(nats), 3), int(count)  # 2 log 4
      (2.773, 2)
    """
    check_rate("label_smoothing", label_smoothing)
    check_kernel(features, kernel, bias)
    check_rows(features.shape[:-1], targets, mask)
    check_classes(targets, mask, bias.shape[0])
    if mask is None:
        mask = jnp.ones(targets.shape, bool)
    dtype = jnp.dtype(dtype or common_dtype(features, kernel))
    plan = Plan(partial(_judge, label_smoothing), dtype, rows_at_once)
    nats = linear_loss(plan, features, kernel, bias, mask, jnp.where(mask, targets, 0))
    return nats, mask.sum()


def _judge(
    smoothing: float, logits: Array, counts: Array, targets: Array, held: tuple[()]
) -> tuple[Array, Array]:
    """Return the sum of the cross-entropy of the rows, and its gradient by the logits."""
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
