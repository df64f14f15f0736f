"""Norms of numbers whose squares would overflow or underflow."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array


def norm(a: Array, axes: Sequence[int]) -> Array:
    """Return the root of the sum of squares over `axes`, of complex numbers those of their moduli.

    Numbers are divided by the largest one before they are squared, as gradients over many steps may
    be very small or large. The gradient is 0 if all numbers are 0.
    """
    axes = tuple(axes)
    a = jnp.abs(a) if jnp.iscomplexobj(a) else a
    largest = jnp.abs(a).max(axis=axes, keepdims=True, initial=0.0)
    # The norm does not depend on the unit, and the derivative of the unit could overflow.
    unit = jax.lax.stop_gradient(jnp.where((largest > 0) & jnp.isfinite(largest), largest, 1))
    squares = ((a / unit) ** 2).sum(axis=axes)
    # The slope of the root at 0 is infinite: `where` must also hide 0 from the root itself.
    root = jnp.where(squares == 0, 0, jnp.sqrt(jnp.where(squares == 0, 1, squares)))
    return root * unit.squeeze(axes)
