"""Activations of gates."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnjax.products import lead


def sigmoid(a: Array) -> Array:
    """Return tanh(a/2)/2 + 1/2, which is sigmoid(a); halving is exact in floating point."""
    return 0.5 * jnp.tanh(0.5 * a) + 0.5


def packed_activation(gates: Array, kinds: Sequence[str]) -> tuple[Array, ...]:
    """Return the activated gates, which are packed along the last axis of the argument.

    `kinds` has the activation of each gate, "sigmoid" or "tanh". By the equation of `sigmoid`, one
    tanh over contiguous memory is enough for all gates. XLA's CPU backend does not vectorise tanh
    over slices of one buffer.
    """
    hidden = gates.shape[-1] // len(kinds)
    halved = np.repeat([kind == "sigmoid" for kind in kinds], hidden)
    scale = lead(jnp.where(halved, 0.5, 1.0).astype(gates.dtype), gates.ndim)
    shift = lead(jnp.where(halved, 0.5, 0.0).astype(gates.dtype), gates.ndim)
    active = jnp.tanh(gates * scale) * scale + shift
    return tuple(jnp.split(active, len(kinds), axis=-1))
