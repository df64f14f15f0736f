"""Gated recurrent units."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.activation import sigmoid
from rnnjax.cells.base import Params
from rnnjax.cells.gated import GatedCell
from rnnjax.cells.noise import Noise, Units, dropped
from rnnjax.products import as_given
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

    Gates are packed r, z, n, as in PyTorch and cuDNN. With the reset after the product, this is a
    gated cell and uses the fast path. With the reset before it, there is no `b_hn`, a second
    product waits for the first, and the cell runs with `scan`. Without a bias, there is neither `b`
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

    @property
    def is_gated(self) -> bool:
        """Whether the reset comes after the product."""
        return self.reset_after and type(self).step is GRU.step

    def own_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of the recurrent bias of n, which the reset gate scales."""
        return {"b_hn": (self.hidden_size,)} if self.reset_after and self.use_bias else {}

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`."""
        params = super().init(key, input_size)
        if "b_hn" in self.own_shapes():
            key = jax.random.fold_in(key, 1)
            params["b_hn"] = self.bias_init(key, (self.hidden_size,), self.param_dtype)
        return params

    def gates(self, g_x: Array, g_h: Array, state: GRUState, **own: Array) -> GRUGates:
        """Return the activated gates; see `GatedCell.gates`."""
        return self._open(*(jnp.split(g, self.num_gates, -1) for g in (g_x, g_h)))

    def pointwise(
        self, g_x: Array, g_h: Array, state: GRUState, dropout: Units | None = None, **own: Array
    ) -> GRUState:
        """Return the state after a step; see `GatedCell.pointwise`."""
        # Split once, not again in `gates`: the derivative of a split whose parts are not all used
        # is a padding and a sum.
        xs, hs = (jnp.split(g, self.num_gates, -1) for g in (g_x, g_h))
        r, z = self._open(xs, hs)
        h_n = hs[-1] + own["b_hn"] if self.use_bias else hs[-1]
        return self._mix(z, dropped(dropout, jnp.tanh(xs[-1] + r * h_n)), state)

    def step(
        self, params: Params, state: GRUState, x: Array, noise: Noise | None = None
    ) -> tuple[GRUState, Array]:
        """Return the state after reading `x` `(*batch, input_size)`, and the output."""
        if self.reset_after:
            return super().step(params, state, x, noise)
        before = self.widen(params, state, x)
        dtype = self.compute_dtype(params, x)
        w_gates, w_n = jnp.split(params["w_h"], [self.columns("n").start // self.heads], -1)

        def recur(w_h: Array, h: Array) -> Array:
            return self.recur({"w_h": w_h}, h.astype(dtype))

        xs = jnp.split(self.project(params, x), self.num_gates, -1)
        r, z = self._open(xs, jnp.split(recur(w_gates, before.h), self.num_gates - 1, -1))
        after = self._mix(z, jnp.tanh(xs[-1] + recur(w_n, r * before.h)), before)
        return as_given(after, state), after.h.astype(dtype)

    def _mix(self, z: Array, n: Array, state: GRUState) -> GRUState:
        return GRUState((1 - z) * n + z * state.h)

    def _open(self, xs: list[Array], hs: list[Array]) -> GRUGates:
        """Return the gates, given their projected inputs and states."""
        return GRUGates(sigmoid(xs[0] + hs[0]), sigmoid(xs[1] + hs[1]))
