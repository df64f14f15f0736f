"""Sampled softmax: compares a target with a sample of the classes, not with all."""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import PartitionSpec

from rnnjax.checks import check_positive
from rnnjax.losses.cross_entropy import cross_entropy
from rnnjax.losses.shapes import check_classes, check_kernel, check_rows
from rnnjax.products import accumulator, common_dtype, lead, product
from rnnjax.sharding import automatic


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
    """Return the cross-entropy of targets against `num_sampled` random classes.

        - log(exp(a_t) / (exp(a_t) + sum over drawn s != t of exp(a_s) / (num_sampled * q(s))))
        a_k = features @ kernel[:, k] + bias[k]
        q(k) = log((k + 2) / (k + 1)) / log(classes + 1)

    Sources: importance sampling of the norm, Bengio and Senécal 2008, Jean et al. 2015,
    arXiv:1412.2007. Classes must be numbered by decreasing frequency, so that q is close to Zipf's
    law. Train with this loss and evaluate the same parameters with `linear_cross_entropy`: as
    `num_sampled` grows, the value and the gradient tend to those of the full softmax.

    Args:
      features: `(..., width)`.
      kernel: `(width, classes)`; the transposed embedding if it is tied.
      bias: `(classes,)`.
      targets: `(...)` integers in [0, classes); the range is checked
        where targets are concrete, not under jit.
      key: random key.
      num_sampled: number of classes to draw, with replacement; all rows share them.
      mask: `(...)` bool, True where a position counts; None counts all. Values at the other
        positions, even NaN, do not affect the loss or its gradient.

    Returns:
      The sum over the positions that count, in nats, and their number.

    Raises:
      ValueError: shapes do not fit, or `num_sampled` is below 1.

    Example:
      >>> nats, count = rx.losses.sampled_cross_entropy(
      ...     jnp.ones((2, 3)), jnp.zeros((3, 9)), jnp.zeros(9), jnp.array([0, 5]),
      ...     jax.random.key(0), num_sampled=4,
      ... )
      >>> nats.shape, int(count)
      ((), 2)
    """
    check_positive(num_sampled=num_sampled)
    check_kernel(features, kernel, bias)
    check_rows(features.shape[:-1], targets, mask)
    check_classes(targets, mask, bias.shape[0])
    if mask is not None:
        features = jnp.where(mask[..., None], features, 0)
        targets = jnp.where(mask, targets, 0)
    run = partial(_cross_entropy, num_sampled)
    return automatic(run, features, kernel, bias, targets, key, mask, spec=PartitionSpec())


def _cross_entropy(
    num_sampled: int,
    features: Array,
    kernel: Array,
    bias: Array,
    targets: Array,
    key: Array,
    mask: Array | None,
) -> tuple[Array, Array]:
    classes = bias.shape[0]
    drawn = _draw(key, num_sampled, classes)
    dtype = common_dtype(features, kernel)
    # Gather rows of the transposed kernel: in a tied embedding, these are contiguous.
    wide = accumulator(dtype)
    of_target = jnp.sum(features.astype(wide) * kernel.T[targets].astype(wide), axis=-1)
    of_target += bias[targets]
    others = product(features, kernel.T[drawn].T, dtype)
    others += lead(bias[drawn] - _log_expected(drawn, num_sampled, classes), others.ndim)
    others = jnp.where(lead(drawn, others.ndim) == targets[..., None], -jnp.inf, others)
    logits = jnp.concatenate([of_target[..., None], others], axis=-1)
    return cross_entropy(logits, jnp.zeros_like(targets), mask)


def _draw(key: Array, num_sampled: int, classes: int) -> Array:
    """Return classes drawn from q by its inverse, the integer part of (classes + 1)^u - 1."""
    u = jax.random.uniform(key, (num_sampled,))
    drawn = jnp.expm1(u * math.log(classes + 1)).astype(jnp.int32)
    return jnp.clip(drawn, 0, classes - 1)


def _log_expected(ids: Array, num_sampled: int, classes: int) -> Array:
    """Return log(num_sampled * q(id))."""
    return jnp.log(jnp.log1p(1 / (ids.astype(float) + 1)) * (num_sampled / math.log(classes + 1)))
