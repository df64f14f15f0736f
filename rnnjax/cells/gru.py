"""Gated recurrent units."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.activation import sigmoid
from rnnjax.cells.base import Params
from rnnjax.cells.gated import GatedCell
from rnnjax.cells.noise import Units, dropped
from rnnjax.products import Multiply, multiplied
from rnnjax.serialization import serializable


@serializable
class GRUState(NamedTuple):
    """State of a `GRU` cell.

    Example:
      >>> rx.GRU(4).initial_state((2,)).h.shape
      (2, 4)
    """

    h: Array  # (*batch, hidden)


@serializable
class GRUGates(NamedTuple):
    """Gates of a `GRU` cell, in packed order, wherever its reset is; its candidate n follows."""

    r: Array  # (*batch, hidden)
    z: Array  # (*batch, hidden)


@dataclass(frozen=True, eq=False)
class GRU(GatedCell[GRUState]):
    """Gated recurrent unit (Cho et al. 2014, arXiv:1406.1078).

        r, z = sigmoid(x @ w_x + b + h @ w_h)
        n = tanh(x @ w_xn + b_n + r * (h @ w_hn + b_hn))    reset after the product (cuDNN)
        n = tanh(x @ w_xn + b_n + (r * h) @ w_hn)           reset before it (the paper's)
        h' = (1 - z) * n + z * h

    Gates are packed r, z, n, as in PyTorch and cuDNN. With the reset before the product, there is
    no `b_hn`, and this product waits for that of the gates. Without a bias, there is neither `b`
    nor `b_hn`.

    Args:
      hidden_size: width of the state and of the output.
      reset_after: whether the reset comes after the product.

    Example:
      >>> cell = rx.GRU(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> {name: array.shape for name, array in params.items()}
      {'w_x': (3, 12), 'w_h': (4, 12), 'b': (12,), 'b_hn': (4,)}
      >>> state, y = cell.step(params, cell.initial_state((2,)), jnp.ones((2, 3)))
      >>> y.shape
      (2, 4)
    """

    reset_after: bool = True

    gate_names: ClassVar[tuple[str, ...]] = (*GRUGates._fields, "n")
    state_type: ClassVar[Any] = GRUState
    additive_gates: ClassVar[tuple[str, ...]] = GRUGates._fields
    sigmoid_gates: ClassVar[tuple[str, ...]] = GRUGates._fields

    has_products: ClassVar[bool] = True

    @property
    def num_recurrent_gates(self) -> int:
        """The number of gates that `recur` returns: n too, if the reset comes after the product."""
        return self.num_gates - (not self.reset_after)

    def own_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of the recurrent bias of n, which the reset gate scales, or of `w_h`."""
        if not self.reset_after:
            return {"w_h": self.recurrent_shape()}
        return {"b_hn": (self.hidden_size,)} if self.use_bias else {}

    def own(self, params: Params, rank: int, dtype: Any) -> dict[str, Any]:
        """Return the parameters that `pointwise` reads; of `w_h`, the columns of n."""
        own = super().own(params, rank, dtype)
        if not self.reset_after:
            own["w_h"] = own["w_h"][..., self.columns("n").start // self.heads :]
        return own

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`."""
        params = super().init(key, input_size)
        if "b_hn" in self.own_shapes():
            key = jax.random.fold_in(key, 1)
            params["b_hn"] = self.bias_init(key, (self.hidden_size,), self.param_dtype)
        return params

    def gates(self, g_x: Array, g_h: Array, state: GRUState, **own: Any) -> GRUGates:
        """Return the activated gates; see `GatedCell.gates`."""
        return self._open(*self._split(g_x, g_h))

    def pointwise(
        self,
        g_x: Array,
        g_h: Array,
        state: GRUState,
        dropout: Units | None = None,
        *,
        multiply: Multiply = multiplied,
        **own: Any,
    ) -> GRUState:
        """Return the state after a step; see `GatedCell.pointwise`."""
        # Split once, not again in `gates`: the derivative of a split whose parts are not all used
        # is a padding and a sum.
        xs, hs = self._split(g_x, g_h)
        r, z = self._open(xs, hs)
        if not self.reset_after:
            h_n = multiply(self.times, r * state.h, own["w_h"])
        else:
            h_n = r * (hs[-1] + own["b_hn"] if self.use_bias else hs[-1])
        n = dropped(dropout, jnp.tanh(xs[-1] + h_n))
        return GRUState((1 - z) * n + z * state.h)

    def _split(self, g_x: Array, g_h: Array) -> tuple[list[Array], list[Array]]:
        return jnp.split(g_x, self.num_gates, -1), jnp.split(g_h, self.num_recurrent_gates, -1)

    def _open(self, xs: list[Array], hs: list[Array]) -> GRUGates:
        """Return the gates, given their projected inputs and states."""
        return GRUGates(sigmoid(xs[0] + hs[0]), sigmoid(xs[1] + hs[1]))
