"""Cross-entropy of a softmax, in float32 or wider for every compute dtype."""

import jax
import jax.numpy as jnp
import optax
from jax import Array

from rnnjax.checks import check_rate
from rnnjax.losses.shapes import check_classes, check_rows
from rnnjax.products import accumulator


def cross_entropy(
    logits: Array,
    targets: Array,
    mask: Array | None = None,
    *,
    label_smoothing: float = 0.0,
    weights: Array | None = None,
) -> tuple[Array, Array]:
    """Return the sum of the cross-entropy in nats, and the number of targets.

        - sum over positions that count of weight * log softmax(logits)[target]

    The loss is a sum, not a mean, so that chunks and shards of different sizes add up exactly.

    Args:
      logits: `(..., classes)`.
      targets: `(...)` integers in [0, classes); the range is checked
        where targets are concrete, not under jit.
      mask: `(...)` bool, True where a position counts; None counts all. Values at the other
        positions, even NaN, do not affect the loss or its gradient.
      label_smoothing: e in [0, 1): the share of each target that is spread evenly over all
        classes (Szegedy et al. 2016, arXiv:1512.00567). The log-probability of the target has the
        weight 1 - e, and the mean of all log-probabilities the weight e.
      weights: `(...)` floats, what each position counts; None: 1. The second result is then the sum
        of the weights, so that their quotient is a weighted mean.

    Raises:
      ValueError: shapes do not fit, or `label_smoothing` is out of range.

    Example:
      >>> nats, count = rx.losses.cross_entropy(jnp.zeros((2, 4)), jnp.array([0, 3]))
      >>> round(float(nats), 3), int(count)  # 2 log 4
      (2.773, 2)
    """
    check_rate("label_smoothing", label_smoothing)
    check_rows(logits.shape[:-1], targets, mask)
    check_classes(targets, mask, logits.shape[-1])
    if weights is not None and weights.shape != targets.shape:
        raise ValueError(f"weights must have shape {targets.shape}, got {weights.shape}")
    if mask is None:
        mask = jnp.ones(targets.shape, bool)
    # Mask before all else, not after: a NaN makes NaN gradients even if it is dropped later.
    logits = jnp.where(mask[..., None], logits, 0.0)
    logits = logits.astype(accumulator(logits.dtype))
    targets = jnp.where(mask, targets, 0)
    nats = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
    if label_smoothing:
        # The mean of - log softmax is the log of the norm minus the mean of the logits.
        even = jax.nn.logsumexp(logits, axis=-1) - logits.mean(axis=-1)
        nats = (1 - label_smoothing) * nats + label_smoothing * even
    if weights is None:
        return jnp.where(mask, nats, 0.0).sum(), mask.sum()
    weights = jnp.where(mask, weights, 0.0).astype(nats.dtype)
    return (weights * nats).sum(), weights.sum()
