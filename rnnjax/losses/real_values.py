"""Losses of real-valued targets, some of which may be missing."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import gammaln

from rnnjax.losses.shapes import check_rows
from rnnjax.products import accumulator


class _Counted(NamedTuple):
    """Targets with 0 where they do not count, and which of them count."""

    targets: Array
    counts: Array

    def select(self, values: Array, other: float = 0.0) -> Array:
        """Return values in float32 or wider, with `other` where the targets do not count."""
        # Before all else: a NaN makes NaN gradients even if it is dropped later.
        values = jnp.where(self.counts, values, other)
        return values.astype(accumulator(values.dtype))

    def total(self, losses: Array) -> tuple[Array, Array]:
        """Return the sum of the losses that count, and their number."""
        return jnp.where(self.counts, losses, 0.0).sum(), self.counts.sum()


def squared_error(
    forecasts: Array, targets: Array, mask: Array | None = None
) -> tuple[Array, Array]:
    """Return the sum of (forecast - target)², and the number of targets that count.

    A forecast that minimises it is the conditional mean.

    Args:
      forecasts: `(...)`, in any unit.
      targets: `(...)`, in the same unit; NaN is a missing target, which counts nowhere.
      mask: `(...)` bool, True where a target counts; None counts all that are not missing. Values
        at the other places, even NaN, do not affect the loss or its gradient.

    Raises:
      ValueError: shapes do not fit.

    Example:
      >>> total, count = rx.losses.squared_error(jnp.zeros(3), jnp.array([1.0, 2.0, jnp.nan]))
      >>> float(total), int(count)
      (5.0, 2)
    """
    counted = _counted(forecasts.shape, targets, mask)
    return counted.total((counted.select(forecasts) - counted.targets) ** 2)


def absolute_error(
    forecasts: Array, targets: Array, mask: Array | None = None
) -> tuple[Array, Array]:
    """Return the sum of |forecast - target|, and the number of targets that count.

    A forecast that minimises it is the conditional median. Arguments are those of `squared_error`.

    Example:
      >>> total, count = rx.losses.absolute_error(jnp.zeros(3), jnp.array([1.0, -2.0, jnp.nan]))
      >>> float(total), int(count)
      (3.0, 2)
    """
    counted = _counted(forecasts.shape, targets, mask)
    return counted.total(jnp.abs(counted.select(forecasts) - counted.targets))


def gaussian_nll(
    mean: Array, scale: Array, targets: Array, mask: Array | None = None
) -> tuple[Array, Array]:
    """Return the sum of the negative log-likelihood of normal distributions, and the number.

        z = (target - mean) / scale
        - log p(target) = z² / 2 + log scale + log(2 π) / 2

    Args:
      mean: `(...)`.
      scale: `(...)`, the standard deviation, positive.
      targets: `(...)`; NaN counts nowhere.
      mask: see `squared_error`.

    Returns:
      Nats, of the density of the targets in their unit, and the number of targets that count.

    Raises:
      ValueError: shapes do not fit.

    Example:
      >>> nats, count = rx.losses.gaussian_nll(jnp.zeros(1), jnp.ones(1), jnp.zeros(1))
      >>> round(float(nats), 4)  # log(2 π) / 2
      0.9189
    """
    counted = _counted(mean.shape, targets, mask)
    scale = counted.select(scale, 1.0)
    z = (counted.targets - counted.select(mean)) / scale
    return counted.total(0.5 * z**2 + jnp.log(scale) + 0.5 * math.log(2 * math.pi))


def student_t_nll(
    mean: Array, scale: Array, freedom: Array, targets: Array, mask: Array | None = None
) -> tuple[Array, Array]:
    """Return the sum of the negative log-likelihood of Student's t distributions, and the number.

        z = (target - mean) / scale,   v = freedom
        - log p(target) = (v + 1) / 2 log(1 + z² / v) + log scale + log(v π) / 2
                          + log Γ(v / 2) - log Γ((v + 1) / 2)

    Its tails are heavier than those of a normal distribution, the more so the smaller v is, so an
    outlier costs less.

    Args:
      mean: `(...)`, the location; it is the mean if v > 1.
      scale: `(...)`, positive. The standard deviation is scale √(v / (v - 2)) if v > 2.
      freedom: `(...)`, v, the degrees of freedom, positive.
      targets: `(...)`; NaN counts nowhere.
      mask: see `squared_error`.

    Returns:
      Nats, of the density of the targets in their unit, and the number of targets that count.

    Raises:
      ValueError: shapes do not fit.

    Example:
      >>> one = jnp.ones(1)
      >>> nats, count = rx.losses.student_t_nll(0 * one, one, one, 0 * one)
      >>> round(float(nats), 4)  # a Cauchy distribution: log π
      1.1447
    """
    counted = _counted(mean.shape, targets, mask)
    scale, v = counted.select(scale, 1.0), counted.select(freedom, 1.0)
    z = (counted.targets - counted.select(mean)) / scale
    norm = jnp.log(scale) + 0.5 * jnp.log(v * math.pi) + gammaln(v / 2) - gammaln((v + 1) / 2)
    return counted.total((v + 1) / 2 * jnp.log1p(z**2 / v) + norm)


def pinball_loss(
    quantiles: Array, targets: Array, levels: Sequence[float], mask: Array | None = None
) -> tuple[Array, Array]:
    """Return the sum over targets of the mean pinball loss over levels, and the number of targets.

        max(level (target - quantile), (level - 1) (target - quantile))

    A value that minimises it is the quantile of that level (Koenker and Bassett 1978).

    Args:
      quantiles: `(..., levels)`, in the unit of the targets.
      targets: `(...)`; NaN counts nowhere.
      levels: the level of each quantile, in (0, 1).
      mask: `(...)`; see `squared_error`.

    Raises:
      ValueError: shapes do not fit, or a level is out of range.

    Example:
      >>> loss, _ = rx.losses.pinball_loss(jnp.zeros((1, 1)), jnp.array([1.0]), levels=(0.9,))
      >>> round(float(loss), 3)
      0.9
    """
    if not all(0 < level < 1 for level in levels):
        raise ValueError(f"levels must lie in (0, 1), got {tuple(levels)}")
    if quantiles.shape[-1:] != (len(levels),):
        raise ValueError(
            f"quantiles must have shape (..., levels) with {len(levels)} levels, "
            f"got {quantiles.shape}"
        )
    counted = _counted(quantiles.shape[:-1], targets, mask)
    each = _Counted(counted.targets[..., None], counted.counts[..., None])
    error = each.targets - each.select(quantiles)
    level = jnp.asarray(levels, error.dtype).reshape((1,) * (error.ndim - 1) + (-1,))
    return counted.total(jnp.maximum(level * error, (level - 1) * error).mean(axis=-1))


def _counted(shape: tuple[int, ...], targets: Array, mask: Array | None) -> _Counted:
    check_rows(shape, targets, mask)
    counts = ~jnp.isnan(targets)
    if mask is not None:
        counts &= mask
    targets = jnp.where(counts, targets, 0.0)
    return _Counted(targets.astype(accumulator(targets.dtype)), counts)
