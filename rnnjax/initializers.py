"""Initialisers for recurrent networks that `jax.nn.initializers` does not have.

`jax.nn.initializers` has the others: `orthogonal`, `glorot_uniform`, and
`variance_scaling(3.0, "fan_in", "normal")` for N(0, 3/n).
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Initializer
from rnnjax.checks import check_at_least


def identity(scale: float = 1.0) -> Initializer:
    """Return an initialiser that makes `scale` times the identity matrix.

    An `Elman(activation="relu")` with this recurrent matrix and zero biases is the IRNN of Le,
    Jaitly and Hinton 2015 (arXiv:1504.00941).

    Args:
      scale: the value on the diagonal.

    Raises:
      ValueError: from the initialiser, if the shape is not square.

    Example:
      >>> rx.initializers.identity(0.5)(jax.random.key(0), (2, 2)).tolist()
      [[0.5, 0.0], [0.0, 0.5]]
    """

    def init(key: Array, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
        del key
        if len(shape) != 2 or shape[0] != shape[1]:
            raise ValueError(f"shape must be square, got {tuple(shape)}")
        return scale * jnp.eye(shape[0], dtype=dtype)

    return init


def uniform(bound: float) -> Initializer:
    """Return an initialiser that draws from U(-bound, bound).

    Args:
      bound: the largest absolute value.

    Example:
      >>> w = rx.initializers.uniform(0.1)(jax.random.key(0), (4, 4))
      >>> bool(abs(w).max() <= 0.1)
      True
    """

    def init(key: Array, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


def chrono(max_steps: int) -> Initializer:
    """Return an initialiser of an `LSTM`'s bias for dependencies of up to `max_steps` steps.

        b_f = log u,  b_i = - log u,  u from U(1, max_steps - 1),  the other biases 0

    The time over which a unit forgets then varies between units, from one step to `max_steps`
    (Tallec and Ollivier 2018, arXiv:1804.11188). Use it with `forget_bias=0`.

    Args:
      max_steps: the longest dependency, in steps, at least 3.

    Raises:
      ValueError: `max_steps` is below 3.

    Example:
      >>> cell = rx.LSTM(8, bias_init=rx.initializers.chrono(100), forget_bias=0.0)
      >>> cell.init(jax.random.key(0), input_size=2)["b"].shape
      (32,)
    """
    check_at_least(3, max_steps=max_steps)

    def init(key: Array, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
        i, _, g, o = jnp.split(jnp.zeros(shape, dtype), 4)
        spans = jnp.log(jax.random.uniform(key, i.shape, dtype, 1, max_steps - 1))
        return jnp.concatenate([i - spans, spans, g, o])

    return init
