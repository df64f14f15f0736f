"""Cross-entropy of a softmax, in float32 or better whatever the model computes in."""

import jax
import jax.numpy as jnp
import optax
from jax import Array

from rnnjax.checks import check_rate
from rnnjax.losses.shapes import check_rows
from rnnjax.products import accumulator


def cross_entropy(
    logits: Array, targets: Array, mask: Array | None = None, *, label_smoothing: float = 0.0
) -> tuple[Array, Array]:
    """Return the summed cross-entropy in nats, and how many targets it sums.

        - sum over positions that count of log softmax(logits)[target]

    Sums rather than means, so that chunks and shards of different sizes add up exactly.

    Args:
      logits: `(..., classes)`.
      targets: `(...)` integers in [0, classes), which is not checked.
      mask: `(...)` bool, True where a position counts; None counts all. What stands at the
        others, NaN included, reaches neither value nor gradient.
      label_smoothing: e in [0, 1), the share of each target spread evenly over all classes
        (Szegedy et al. 2016, arXiv:1512.00567): the target's log-probability counts 1 - e, and
        the mean of all log-probabilities e.

    Raises:
      ValueError: shapes that do not fit.
    """
    check_rate("label_smoothing", label_smoothing)
    check_rows(logits.shape[:-1], targets, mask)
    if mask is None:
        mask = jnp.ones(targets.shape, bool)
    # Before the softmax, not after: a NaN that is computed makes NaN gradients even if dropped.
    logits = jnp.where(mask[..., None], logits.astype(accumulator(logits.dtype)), 0.0)
    targets = jnp.where(mask, targets, 0)
    nats = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
    if label_smoothing:
        # The mean of - log softmax is the log of the norm less the mean of the logits.
        even = jax.nn.logsumexp(logits, axis=-1) - logits.mean(axis=-1)
        nats = (1 - label_smoothing) * nats + label_smoothing * even
    return jnp.where(mask, nats, 0.0).sum(), mask.sum()
