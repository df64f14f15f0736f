"""How large activations are over time."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from rnnjax.analysis.norm import norm


class ActivationScale(NamedTuple):
    """What `activation_scale` finds; leaves `(time, *batch)`."""

    rms: Array  # root of the mean square over the units
    zeros: Array  # share of the units that are exactly 0: the silent ones of a rectifier


def activation_scale(ys: Array) -> ActivationScale:
    """Return how large outputs are at each step, and how many of them are zero.

    Args:
      ys: outputs `(time, *batch, units)`, as `rnnjax.unroll` returns them. At padding they are
        zeros, and so is their scale.

    Raises:
      ValueError: `ys` of another shape or dtype.
    """
    ys = jnp.asarray(ys)
    if ys.ndim < 2 or not ys.shape[-1] or not jnp.issubdtype(ys.dtype, jnp.floating):
        raise ValueError(
            f"ys must be floating, of shape (time, *batch, units), got {ys.dtype} {ys.shape}"
        )
    rms = norm(ys.astype(jnp.promote_types(ys.dtype, jnp.float32)), (-1,)) / ys.shape[-1] ** 0.5
    return ActivationScale(rms, (ys == 0).mean(axis=-1))
