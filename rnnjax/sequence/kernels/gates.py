"""The gates of a cell, as a kernel stores them."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from rnnjax.cells import noise as noisy
from rnnjax.cells.base import Params, State
from rnnjax.cells.gated import GatedCell
from rnnjax.cells.noise import Noise


class Gates(NamedTuple):
    """The gates that `pointwise` reads, or their gradients; each kind may have no width."""

    both: Array  # g_x + g_h, of the additive gates
    x: Array  # g_x of the others, input gates included
    h: Array  # g_h of the others, which input gates do not have

    def as_g_x(self) -> Array:
        """Return the gradient of g_x, where these are gradients."""
        return jnp.concatenate([self.both, self.x], -1)

    def as_g_h(self) -> Array:
        """Return the gradient of g_h, where these are gradients."""
        return jnp.concatenate([self.both, self.h], -1)


def split(cell: GatedCell, packed: Array) -> tuple[Array, Array]:
    """Return the additive gates of g_x, or of what has its columns, and the others."""
    width = packed.shape[-1] // cell.num_gates
    additive, others = jnp.split(packed, [cell.num_additive_gates * width], -1)
    return additive, others


def gathered(cell: GatedCell, g_x: Array, g_h: Array) -> Gates:
    """Return `Gates` of what `pointwise` reads."""
    both, x = split(cell, g_x)
    h_both, h = jnp.split(g_h, [both.shape[-1]], -1)
    return Gates(both + h_both, x, h)


def pointwise(
    cell: GatedCell, noise: Noise | None, gates: Gates, state: State, own: Params
) -> State:
    """Return the cell's `pointwise` with noise, as a function of `Gates`."""
    g_x = jnp.concatenate([gates.both, gates.x], -1)
    g_h = jnp.concatenate([jnp.zeros_like(gates.both), gates.h], -1)
    return noisy.pointwise(cell, noise, g_x, g_h, state, own)
