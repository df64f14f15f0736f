"""Sampled softmax: a target against a few drawn classes rather than all."""

import math

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.checks import check_positive
from rnnjax.losses.cross_entropy import cross_entropy
from rnnjax.losses.shapes import check_kernel, check_rows
from rnnjax.products import accumulator, lead, product


def sampled_cross_entropy(
    features: Array,
    kernel: Array,
    bias: Array,
    targets: Array,
    key: Array,
    *,
    num_sampled: int,
    mask: Array | None = None,
) -> tuple[Array, Array]:
    """Return the cross-entropy of each target against `num_sampled` classes drawn for all rows.

        - log(exp(a_t) / (exp(a_t) + sum over drawn s != t of exp(a_s) / (num_sampled * q(s))))
        a_k = features @ kernel[:, k] + bias[k]
        q(k) = log((k + 2) / (k + 1)) / log(classes + 1)

    (importance sampling of the norm: Bengio and Senécal 2008, Jean et al. 2015, arXiv:1412.2007).
    Classes must be numbered by falling frequency: q is then near Zipf's law. It trains the model
    that `linear_cross_entropy` evaluates: as `num_sampled` grows, value and gradient tend to those
    of the full softmax.

    Args:
      features: `(..., width)`.
      kernel: `(width, classes)`; a tied embedding transposed.
      bias: `(classes,)`.
      targets: `(...)` integers in [0, classes), which is not checked.
      key: random key.
      num_sampled: classes drawn, with replacement, shared by all rows.
      mask: `(...)` bool, True where a position counts; None counts all. What stands at the
        others, NaN included, reaches neither value nor gradient.

    Returns:
      The sum over positions that count, in nats, and their number.

    Raises:
      ValueError: shapes that do not fit, or `num_sampled` below 1.
    """
    check_positive(num_sampled=num_sampled)
    check_kernel(features, kernel, bias)
    check_rows(features.shape[:-1], targets, mask)
    if mask is not None:
        features = jnp.where(mask[..., None], features, 0)
        targets = jnp.where(mask, targets, 0)
    classes = bias.shape[0]
    drawn = _draw(key, num_sampled, classes)
    dtype = jnp.result_type(features, kernel)
    # Rows of the transposed kernel: what is gathered lies together where an embedding is tied.
    wide = accumulator(dtype)
    of_target = jnp.sum(features.astype(wide) * kernel.T[targets].astype(wide), axis=-1)
    of_target += bias[targets]
    others = product(features, kernel.T[drawn].T, dtype)
    others += lead(bias[drawn] - _log_expected(drawn, num_sampled, classes), others.ndim)
    others = jnp.where(lead(drawn, others.ndim) == targets[..., None], -jnp.inf, others)
    logits = jnp.concatenate([of_target[..., None], others], axis=-1)
    return cross_entropy(logits, jnp.zeros_like(targets), mask)


def _draw(key: Array, num_sampled: int, classes: int) -> Array:
    """Return classes drawn from q, by its inverse: the whole part of (classes + 1)^u - 1."""
    u = jax.random.uniform(key, (num_sampled,))
    drawn = jnp.expm1(u * math.log(classes + 1)).astype(jnp.int32)
    return jnp.clip(drawn, 0, classes - 1)


def _log_expected(ids: Array, num_sampled: int, classes: int) -> Array:
    """Return log(num_sampled * q(id))."""
    return jnp.log(jnp.log1p(1 / (ids + 1.0)) * (num_sampled / math.log(classes + 1)))
