"""The minimal gated unit."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
from jax import Array

from rnnjax.cells.activation import sigmoid
from rnnjax.cells.base import GatedCell, Params
from rnnjax.cells.noise import Units, dropped
from rnnjax.products import product
from rnnjax.serialization import serializable


@serializable
class MGUState(NamedTuple):
    """State of an `MGU` cell.

    Example:
      >>> rx.MGU(4).initial_state((2,)).h.shape
      (2, 4)
    """

    h: Array  # (*batch, hidden)


@serializable
class MGUGates(NamedTuple):
    """The gate of an `MGU` cell; its candidate n follows."""

    f: Array  # (*batch, hidden)


@dataclass(frozen=True, eq=False)
class MGU(GatedCell[MGUState]):
    """Minimal gated unit (Zhou et al. 2016, arXiv:1603.09420).

        f = sigmoid(x @ w_xf + b_f + h @ w_hf)
        n = tanh(x @ w_xn + b_n + (f * h) @ w_hn)
        h' = (1 - f) * h + f * n

    Gates are packed f, n. The gate is applied before the product, as in the paper: the second
    product waits for the first. It is a part of `pointwise`, so the cell uses the fast path all the
    same. (Flax's `MGUCell` has the gate after the product, and 1 - f in place of f in the last
    line.)

    Args:
      hidden_size: width of the state and of the output.

    Example:
      >>> cell = rx.MGU(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> {name: array.shape for name, array in params.items()}
      {'w_x': (3, 8), 'w_h': (4, 8), 'b': (8,)}
      >>> state, y = cell.step(params, cell.initial_state((2,)), jnp.ones((2, 3)))
      >>> y.shape
      (2, 4)
    """

    gate_names: ClassVar[tuple[str, ...]] = (*MGUGates._fields, "n")
    state_type: ClassVar[Any] = MGUState
    additive_gates: ClassVar[tuple[str, ...]] = (*MGUGates._fields, "n")
    sigmoid_gates: ClassVar[tuple[str, ...]] = MGUGates._fields

    def own_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of `w_h`, of which `recur` reads the columns of f, `pointwise` n's."""
        return {"w_h": (self.hidden_size, 2 * self.hidden_size)}

    def recur(self, params: Params, h: Array) -> Array:
        """Return the state's part of f, and nothing for n; see `GatedCell.recur`."""
        f = product(h, params["w_h"][:, self.columns("f")], h.dtype)
        return jnp.concatenate([f, jnp.zeros_like(f)], -1)

    def gates(self, g_x: Array, g_h: Array, state: MGUState, **own: Array) -> MGUGates:
        """Return the activated gate; see `GatedCell.gates`."""
        return MGUGates(sigmoid((g_x + g_h)[..., self.columns("f")]))

    def pointwise(
        self, g_x: Array, g_h: Array, state: MGUState, dropout: Units | None = None, **own: Array
    ) -> MGUState:
        """Return the state after a step; see `GatedCell.pointwise`."""
        f, n = jnp.split(g_x + g_h, 2, -1)
        f, w_n = sigmoid(f), own["w_h"][:, self.columns("n")]
        n = jnp.tanh(n + product(f * state.h, w_n, w_n.dtype))
        return MGUState((1 - f) * state.h + f * dropped(dropout, n))
