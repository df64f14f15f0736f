"""Checks of what models are given, and what lengths mean, batch first."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnjax.cells.base import Core


def within(shape: tuple[int, ...], lengths: Array | None) -> Array:
    """Return which of `(batch, time)` tokens count.

    Raises:
      ValueError: `lengths` of a wrong shape or dtype, or, where concrete, out of range.
    """
    if lengths is None:
        return jnp.ones(shape, bool)
    check_integers("lengths", lengths, shape[:1])
    check_range("lengths", lengths, shape[1] + 1)
    return jnp.arange(shape[1])[None] < lengths[:, None]


def check_tokens(name: str, tokens: Array, ndim: int = 2) -> None:
    """Raise `ValueError` unless tokens are integers `(batch, time)`, or `(batch,)` of `ndim` 1."""
    if tokens.ndim != ndim or not jnp.issubdtype(tokens.dtype, jnp.integer):
        shape = ("(batch,)", "(batch, time)")[ndim - 1]
        raise ValueError(
            f"{name} must be integers of shape {shape}, got {tokens.dtype} {tokens.shape}"
        )


def check_integers(name: str, values: Any, shape: tuple[int, ...]) -> None:
    """Raise `ValueError` unless `values` are integers of that shape."""
    if values.shape != shape or not jnp.issubdtype(values.dtype, jnp.integer):
        raise ValueError(
            f"{name} must be integers of shape {shape}, got {values.dtype} {values.shape}"
        )


def check_range(name: str, values: Array, end: int) -> None:
    """Raise `ValueError` where `values` are concrete and not all in [0, end)."""
    if isinstance(values, jax.core.Tracer) or not values.size:
        return
    # As numpy: under a trace, JAX would trace even the minimum of a concrete array.
    concrete = np.asarray(values)
    low, high = concrete.min(), concrete.max()
    if low < 0 or high >= end:
        raise ValueError(f"{name} must lie in [0, {end}), got values from {low} to {high}")


def check_steps(name: str, core: Core) -> None:
    """Raise `ValueError` where a core that has to go token by token cannot `step`."""

    def one(key: Array) -> Any:
        return core.step(core.init(key, 1), core.initial_state(), jnp.zeros(1))

    try:
        jax.eval_shape(one, jax.random.key(0))
    except ValueError as error:
        raise ValueError(f"{name} must be able to step, and {core!r} is not: {error}") from error
