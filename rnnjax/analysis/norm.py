"""Norms of numbers whose squares would leave the range of their dtype."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array


def norm(a: Array, axes: Sequence[int]) -> Array:
    """Return the root of the sum of squares over `axes`.

    What vanishes or explodes over many steps is at home here: numbers are squared only after the
    largest of them has been divided out. The gradient where all are 0 is 0.
    """
    axes = tuple(axes)
    largest = jnp.abs(a).max(axis=axes, keepdims=True, initial=0.0)
    # The norm does not depend on the unit, whose own derivative would leave the range after all.
    unit = jax.lax.stop_gradient(jnp.where((largest > 0) & jnp.isfinite(largest), largest, 1))
    squares = ((a / unit) ** 2).sum(axis=axes)
    # The root's slope at 0 is infinite, and what `where` drops makes NaN gradients: hide it twice.
    root = jnp.where(squares == 0, 0, jnp.sqrt(jnp.where(squares == 0, 1, squares)))
    return root * unit.squeeze(axes)
