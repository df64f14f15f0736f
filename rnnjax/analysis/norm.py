"""Norms of numbers whose squares would leave the range of their dtype."""

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array


def norm(a: Array, axes: Sequence[int]) -> Array:
    """Return the root of the sum of squares over `axes`.

    What vanishes or explodes over many steps is at home here: numbers are squared only after the
    largest of them has been divided out.
    """
    axes = tuple(axes)
    largest = jnp.abs(a).max(axis=axes, keepdims=True, initial=0.0)
    unit = jnp.where((largest > 0) & jnp.isfinite(largest), largest, 1)
    return jnp.sqrt(((a / unit) ** 2).sum(axis=axes)) * unit.squeeze(axes)
