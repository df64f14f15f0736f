"""The noise of a gated cell's steps: dropout of what it reads or adds, and zoneout of its state."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.parts import bernoulli


@partial(jax.tree_util.register_dataclass, data_fields=["kept"], meta_fields=["rate"])
@dataclass(frozen=True)
class Units:
    """Which units stay as they are, each with probability 1 - rate.

    Attributes:
      kept: bool, in the shape of what it is for, with a first axis of time before the loop; None
        stands for the expectation.
      rate: the probability that a unit is not kept.
    """

    kept: Array | None
    rate: float


class Noise(NamedTuple):
    """The noise of one step, or of all steps; None is no noise.

    Attributes:
      h: dropout of the h that `recur` reads.
      candidate: dropout of the candidate, which `pointwise` receives as `dropout`.
      state: zoneout of each leaf of the state; empty is none.
    """

    h: Units | None = None
    candidate: Units | None = None
    state: tuple[Units | None, ...] = ()


def drawn(key: Array | None, rate: float, shape: tuple[int, ...], axis: int) -> Units | None:
    """Return units of that shape; without a key, their expectation; None for a rate of 0.

    `axis` is that of the batch.
    """
    if rate == 0:
        return None
    return Units(None if key is None else bernoulli(key, 1 - rate, shape, axis=axis), rate)


def dropped(units: Units | None, x: Array) -> Array:
    """Return `x` with dropout: zero where a unit is not kept, else x / (1 - rate).

    Args:
      units: which units are kept; None, or an expectation, changes nothing.
      x: what is dropped, such as the candidate of a cell in its `pointwise`.

    Example:
      >>> from rnnjax.cells.noise import Units, dropped
      >>> dropped(Units(jnp.array([True, False]), rate=0.5), jnp.ones(2)).tolist()
      [2.0, 0.0]
    """
    if units is None or units.kept is None:
        return x
    return jnp.where(units.kept, x / (1 - units.rate), jnp.zeros_like(x))


def zoned(units: Units | None, old: Array, new: Array) -> Array:
    """Return `new` with zoneout: `old` where a unit is not kept."""
    if units is None:
        return new
    if units.kept is None:
        return units.rate * old + (1 - units.rate) * new
    return jnp.where(units.kept, new, old)


def with_noise(step: Any, noise: Noise | None) -> Any:
    """Return the `step` of a core, with noise if it is given; only a gated cell's takes any."""
    return step if noise is None else partial(step, noise=noise)


def read(noise: Noise | None, h: Array) -> Array:
    """Return the h that `recur` reads. This map is its own transpose."""
    return dropped(noise and noise.h, h)


def pointwise(
    cell: Any, noise: Noise | None, g_x: Array, g_h: Array, state: Any, own: Mapping[str, Any]
) -> Any:
    """Return what the cell's `pointwise` returns, with noise."""
    if noise is None:
        return cell.pointwise(g_x, g_h, state, **own)
    if noise.candidate is not None:
        own = {**own, "dropout": noise.candidate}
    after = cell.pointwise(g_x, g_h, state, **own)
    zones = noise.state or (None,) * len(after)
    return type(after)(*map(zoned, zones, state, after))
