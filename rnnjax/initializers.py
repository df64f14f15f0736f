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


def chrono(max_steps: int) -> Initializer:
    """Return an initialiser of an `LSTM`'s bias for dependencies of up to `max_steps` steps.

        b_f = log u,  b_i = - log u,  u from U(1, max_steps - 1),  the other biases 0

    so that units forget over spans spread from one step to all (Tallec and Ollivier 2018,
    arXiv:1804.11188). Use it with `forget_bias=0`; it raises `ValueError` for `max_steps` below 3.
    """
    if max_steps < 3:
        raise ValueError(f"max_steps must be at least 3, got {max_steps}")

    def init(key: Array, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
        i, _, g, o = jnp.split(jnp.zeros(shape, dtype), 4)
        spans = jnp.log(jax.random.uniform(key, i.shape, dtype, 1, max_steps - 1))
        return jnp.concatenate([i - spans, spans, g, o])

    return init
