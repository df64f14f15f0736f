"""The gates of a cell, as a kernel stores them."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells import noise as noisy
from rnnjax.cells.base import Params, State
from rnnjax.cells.gated import GatedCell
from rnnjax.cells.noise import Noise
from rnnjax.products import Linear


class Gates(NamedTuple):
    """The gates that `pointwise` reads, or their gradients; each kind may have no width."""

    both: Array  # g_x + g_h, of the additive gates
    x: Array  # g_x of the others, input gates included
    h: Array  # g_h of the others, which input gates do not have
    products: tuple[Array, ...] = ()  # the products within `pointwise`, in their order

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


class Product(NamedTuple):
    """A product within `pointwise`, `linear(a, matrix)`."""

    linear: Linear
    a: Array
    matrix: Array


class Stored(NamedTuple):
    """`Gates` as the forward pass stores them, each kind in the arrays that `apart` returns."""

    both: list[Array]
    x: list[Array]
    h: list[Array]
    products: tuple[Array, ...] = ()

    def together(self) -> Gates:
        """Return the gates."""
        return Gates(joined(self.both), joined(self.x), joined(self.h), self.products)


def apart(cell: GatedCell, gates: Array) -> list[Array]:
    """Return each gate in an array of its own, if all are given and the cell's are not `packed`.

    XLA's CPU backend does not vectorise a loop that reads several slices of one buffer.
    """
    complete = gates.shape[-1] == cell.num_gates * cell.hidden_size
    if cell.packed or not complete or cell.num_gates == 1:
        return [gates]
    return jnp.split(gates, cell.num_gates, -1)


def joined(parts: list[Array]) -> Array:
    """Return the array of which `apart` returns the parts."""
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts, -1)


def pointwise_with_products(
    cell: GatedCell, noise: Noise | None, g_x: Array, g_h: Array, state: State, own: Params
) -> tuple[State, tuple[Array, ...]]:
    """Return the cell's `pointwise` with noise, and the products that it computed."""
    found = []

    def multiply(linear: Linear, a: Array, matrix: Array) -> Array:
        found.append(linear(a, matrix))
        return found[-1]

    if cell.has_products:
        own = {**own, "multiply": multiply}
    return noisy.pointwise(cell, noise, g_x, g_h, state, own), tuple(found)


def pointwise(
    cell: GatedCell, noise: Noise | None, gates: Gates, state: State, own: Params
) -> tuple[State, list[Product]]:
    """Return the cell's `pointwise` with noise, as a function of `Gates`, and its products.

    The products are not computed again, and no gradient of their matrices is.
    """
    g_x = jnp.concatenate([gates.both, gates.x], -1)
    g_h = jnp.concatenate([jnp.zeros_like(gates.both), gates.h], -1)
    found: list[Product] = []

    def multiply(linear: Linear, a: Array, matrix: Array) -> Array:
        result = gates.products[len(found)]
        found.append(Product(linear, a, matrix))
        return _known(linear, a, matrix, result)

    if cell.has_products:
        own = {**own, "multiply": multiply}
    return noisy.pointwise(cell, noise, g_x, g_h, state, own), found


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _known(linear: Linear, a: Array, matrix: Array, result: Array) -> Array:
    """Return `result`, with the derivative of `linear` by `a`."""
    return result


@_known.defjvp
def _known_jvp(
    linear: Linear, primals: tuple[Array, ...], tangents: tuple[Array, ...]
) -> tuple[Array, Array]:
    _, matrix, result = primals
    d_a, _, d_result = tangents
    return result, linear(d_a, matrix) + d_result
