"""Initialisers that recurrent networks want and `jax.nn.initializers` lacks.

The rest is there already: `orthogonal`, `glorot_uniform`, and `variance_scaling(3.0, "fan_in",
"normal")` for the N(0, 3/n) of the courses' experiments with rectifiers.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Initializer


def identity(scale: float = 1.0) -> Initializer:
    """Return an initialiser that makes `scale` times the identity matrix.

    With it and zero biases an `Elman(activation="relu")` is the IRNN of Le, Jaitly and Hinton
    2015 (arXiv:1504.00941). It raises `ValueError` for a shape that is not square.
    """

    def init(key: Array, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
        del key
        if len(shape) != 2 or shape[0] != shape[1]:
            raise ValueError(f"identity() makes square matrices, got shape {tuple(shape)}")
        return scale * jnp.eye(shape[0], dtype=dtype)

    return init


def uniform(bound: float) -> Initializer:
    """Return an initialiser that draws from U(-bound, bound)."""

    def init(key: Array, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init
