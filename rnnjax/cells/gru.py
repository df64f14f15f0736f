"""Gated recurrent units."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.activation import packed_activation
from rnnjax.cells.base import GatedCell, Params
from rnnjax.products import accumulator, product


class GRUState(NamedTuple):
    """State of a `GRU` cell."""

    h: Array  # (*batch, hidden)


class GRUGates(NamedTuple):
    """Gates of a `GRU` cell, wherever its reset is."""

    r: Array  # (*batch, hidden)
    z: Array  # (*batch, hidden)


@dataclass(frozen=True)
class GRU(GatedCell):
    """Gated recurrent unit (Cho et al. 2014, arXiv:1406.1078).

        r, z = sigmoid(x @ w_x + b + h @ w_h)
        n = tanh(x @ w_xn + b_n + r * (h @ w_hn + b_hn))    reset after the product (cuDNN)
        n = tanh(x @ w_xn + b_n + (r * h) @ w_hn)           reset before it (the paper's)
        h' = (1 - z) * n + z * h

    Gates are packed r, z, n, as PyTorch and cuDNN do. The form with the reset after the product
    is a gated cell and takes the fast paths; the other needs a second product that waits for the
    first, has no `b_hn`, and runs on the scan.

    Args:
      hidden_size: width of the state and of the output.
      reset_after: which of the two.
    """

    reset_after: bool = True

    num_gates: ClassVar[int] = 3
    state_type: ClassVar[Any] = GRUState
    additive: ClassVar[bool] = False
    sigmoid_gates: ClassVar[tuple[str, ...]] = ("r", "z")

    @property
    def is_gated(self) -> bool:
        """Whether the reset comes after the product."""
        return self.reset_after

    @property
    def own_names(self) -> tuple[str, ...]:
        """The recurrent bias of n, which the reset gate scales."""
        return ("b_hn",) if self.reset_after else ()

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`."""
        params = super().init(key, input_size)
        if self.reset_after:
            key = jax.random.fold_in(key, 1)
            params["b_hn"] = self.bias_init(key, (self.hidden_size,), self.param_dtype)
        return params

    def gates(self, g_x: Array, g_h: Array, state: GRUState, **own: Array) -> GRUGates:
        """Return the activated gates; see `GatedCell.gates`."""
        (x_rz, _), (h_rz, _) = self._split(g_x), self._split(g_h)
        return GRUGates(*packed_activation(x_rz + h_rz, ("sigmoid", "sigmoid")))

    def pointwise(self, g_x: Array, g_h: Array, state: GRUState, **own: Array) -> GRUState:
        """Return the state after a step; see `GatedCell.pointwise`."""
        r, z = self.gates(g_x, g_h, state)
        (_, x_n), (_, h_n) = self._split(g_x), self._split(g_h)
        return self._mix(z, jnp.tanh(x_n + r * (h_n + own["b_hn"])), state)

    def step(self, params: Params, state: GRUState, x: Array) -> tuple[GRUState, Array]:
        """Return the state after reading `x` `(*batch, input_size)`, and the output."""
        if self.reset_after:
            return super().step(params, state, x)
        self.check(params, state, x)
        dtype = self.compute_dtype(params, x)
        state = jax.tree.map(lambda leaf: leaf.astype(accumulator(dtype)), state)
        x_rz, x_n = self._split(self.project(params, x))
        w_rz, w_n = self._split(params["w_h"])
        r, z = packed_activation(x_rz + product(state.h, w_rz, dtype), ("sigmoid", "sigmoid"))
        state = self._mix(z, jnp.tanh(x_n + product(r * state.h, w_n, dtype)), state)
        return state, state.h.astype(dtype)

    def _split(self, packed: Array) -> tuple[Array, Array]:
        rz, n = jnp.split(packed, [2 * self.hidden_size], axis=-1)
        return rz, n

    def _mix(self, z: Array, n: Array, state: GRUState) -> GRUState:
        return GRUState((1 - z) * n + z * state.h)
