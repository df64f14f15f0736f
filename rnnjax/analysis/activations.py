"""How large activations are over time."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from rnnjax.analysis.norm import norm
from rnnjax.checks import check_lengths
from rnnjax.sequence.masks import clear, make_masks


class ActivationScale(NamedTuple):
    """What `activation_scale` finds; leaves `(time, *batch)`."""

    rms: Array  # root of the mean square over the units
    zeros: Array  # share of the units that are exactly 0: the silent ones of a rectifier


def activation_scale(ys: Array, *, lengths: Array | Sequence[int] | None = None) -> ActivationScale:
    """Return how large outputs are at each step, and how many of them are zero.

    Args:
      ys: outputs `(time, *batch, units)`, as `rnnjax.unroll` returns them.
      lengths: `(*batch,)`; beyond, scale and share are 0. See `rnnjax.unroll`.

    Raises:
      ValueError: `ys` or `lengths` of another shape or dtype, or `lengths` out of range.
    """
    ys = jnp.asarray(ys)
    if ys.ndim < 2 or not ys.shape[-1] or not jnp.issubdtype(ys.dtype, jnp.floating):
        raise ValueError(
            f"ys must be floating, of shape (time, *batch, units), got {ys.dtype} {ys.shape}"
        )
    lengths = check_lengths(lengths, ys.shape[0], ys.shape[1:-1])
    rms = norm(ys.astype(jnp.promote_types(ys.dtype, jnp.float32)), (-1,)) / ys.shape[-1] ** 0.5
    valid = make_masks(ys.shape[0], lengths, None, reverse=False).valid
    scale = ActivationScale(rms, (ys == 0).mean(axis=-1))
    return scale if valid is None else clear(~valid, scale)
