"""Cross-entropy of independent outputs that are on or off, in float32 or wider."""

import jax.numpy as jnp
import optax
from jax import Array

from rnnjax.losses.shapes import check_rows
from rnnjax.products import accumulator


def binary_cross_entropy(
    logits: Array, targets: Array, mask: Array | None = None
) -> tuple[Array, Array]:
    """Return the sum of the cross-entropy in nats, and the number of positions.

        - sum over positions that count, and over outputs i, of log p_i(target_i)
        p_i(on) = sigmoid(logit_i)

    Args:
      logits: `(..., outputs)`.
      targets: `(..., outputs)` bool, True for on.
      mask: `(...)` bool, True where a position counts; None counts all. Values at the other
        positions, even NaN, do not affect the loss or its gradient.

    Raises:
      ValueError: shapes do not fit, or targets are not bool.

    Example:
      >>> targets = jnp.array([[True, False, True], [False, False, False]])
      >>> nats, count = rx.losses.binary_cross_entropy(jnp.zeros((2, 3)), targets)
      >>> round(float(nats), 3), int(count)  # 6 log 2
      (4.159, 2)
    """
    if targets.dtype != jnp.bool_ or targets.shape != logits.shape:
        raise ValueError(
            f"targets must be bool of shape {logits.shape}, got {targets.dtype} {targets.shape}"
        )
    check_rows(logits.shape[:-1], None, mask)
    if mask is None:
        mask = jnp.ones(logits.shape[:-1], bool)
    # Mask before all else, not after: a NaN makes NaN gradients even if it is dropped later.
    logits = jnp.where(mask[..., None], logits, 0.0)
    logits = logits.astype(accumulator(logits.dtype))
    nats = optax.sigmoid_binary_cross_entropy(logits, targets.astype(logits.dtype)).sum(axis=-1)
    return jnp.where(mask, nats, 0.0).sum(), mask.sum()
