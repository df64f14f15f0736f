"""Cross-entropy of a softmax, in float32 or better whatever the model computes in."""

import jax.numpy as jnp
import optax
from jax import Array

from rnnjax.products import accumulator


def cross_entropy(logits: Array, targets: Array, mask: Array | None = None) -> tuple[Array, Array]:
    """Return the summed cross-entropy in nats, and how many targets it sums.

        - sum over positions that count of log softmax(logits)[target]

    Sums rather than means, so that chunks and shards of different sizes add up exactly.

    Args:
      logits: `(..., classes)`.
      targets: `(...)` integers.
      mask: `(...)` bool, True where a position counts; None counts all. What stands at the
        others, NaN included, reaches neither value nor gradient.

    Raises:
      ValueError: shapes that do not fit.
    """
    if targets.shape != logits.shape[:-1]:
        raise ValueError(
            f"targets must have the shape of logits without the last axis, "
            f"{logits.shape[:-1]}, got {targets.shape}"
        )
    if mask is None:
        mask = jnp.ones(targets.shape, bool)
    if mask.shape != targets.shape:
        raise ValueError(f"mask must have the shape of targets, {targets.shape}, got {mask.shape}")
    # Before the softmax, not after: a NaN that is computed makes NaN gradients even if dropped.
    logits = jnp.where(mask[..., None], logits.astype(accumulator(logits.dtype)), 0.0)
    targets = jnp.where(mask, targets, 0)
    nats = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
    return jnp.where(mask, nats, 0.0).sum(), mask.sum()
