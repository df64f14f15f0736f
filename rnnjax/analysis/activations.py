"""The scale of activations over time."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from rnnjax.analysis.norm import norm
from rnnjax.checks import check_lengths
from rnnjax.products import accumulator
from rnnjax.sequence.masks import clear, make_masks


class ActivationScale(NamedTuple):
    """The result of `activation_scale`.

    Attributes:
      rms: `(time, *batch)`, the root mean square over the units.
      zeros: `(time, *batch)`, the share of units that are exactly 0, such as those that a rectifier
        switches off.

    Example:
      >>> scale = rx.analysis.activation_scale(jnp.array([[0.0, 2.0]]))
      >>> scale.zeros.tolist()
      [0.5]
    """

    rms: Array
    zeros: Array


def activation_scale(ys: Array, *, lengths: Array | Sequence[int] | None = None) -> ActivationScale:
    """Return the root mean square of outputs at each step, and the share of zeros.

    Args:
      ys: outputs `(time, *batch, units)`, from `rnnjax.unroll`.
      lengths: `(*batch,)`; in the padding, both results are 0. See `rnnjax.unroll`.

    Raises:
      ValueError: `ys` or `lengths` have a wrong shape or dtype, or `lengths` are out of range.

    Example:
      >>> scale = rx.analysis.activation_scale(jnp.array([[2.0, -2.0], [0.0, 0.0]]))
      >>> scale.rms.round(3).tolist(), scale.zeros.tolist()
      ([2.0, 0.0], [0.0, 1.0])
    """
    ys = jnp.asarray(ys)
    if ys.ndim < 2 or not ys.shape[-1] or not jnp.issubdtype(ys.dtype, jnp.floating):
        raise ValueError(
            f"ys must be floating, of shape (time, *batch, units), got {ys.dtype} {ys.shape}"
        )
    lengths = check_lengths(lengths, ys.shape[0], ys.shape[1:-1])
    rms = norm(ys.astype(accumulator(ys.dtype)), (-1,)) / ys.shape[-1] ** 0.5
    valid = make_masks(ys.shape[0], lengths, None, reverse=False).valid
    scale = ActivationScale(rms, (ys == 0).mean(axis=-1))
    return scale if valid is None else clear(~valid, scale)
