"""Recurrent highway networks."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.activation import packed_activation
from rnnjax.cells.base import Params
from rnnjax.cells.gated import GatedCell
from rnnjax.checks import check_positive
from rnnjax.products import Multiply, multiplied
from rnnjax.serialization import serializable


@serializable
class RHNState(NamedTuple):
    """State of an `RHN` cell.

    Example:
      >>> rx.RHN(4).initial_state((2,)).h.shape
      (2, 4)
    """

    h: Array  # (*batch, hidden)


@serializable
class RHNGates(NamedTuple):
    """Gates of the first layer of an `RHN` cell, in packed order."""

    g: Array  # (*batch, hidden), the candidate
    t: Array  # (*batch, hidden), the transform gate


@dataclass(frozen=True, eq=False)
class RHN(GatedCell[RHNState]):
    """Recurrent highway network (Zilly et al. 2017, arXiv:1607.03474), carry gates coupled.

        g, t = tanh(a_1), sigmoid(a_1);   a_1 = x @ w_x + b + h @ w_h          the first layer
        g, t = tanh(a_k), sigmoid(a_k);   a_k = s @ w_r[k] + b_r[k]            each deeper layer
        s' = t * g + (1 - t) * s                                               after each layer

    A step goes through `depth` highway layers, from s = h to h' = s. Only the first reads the
    input. Each layer needs a product that waits for the layer before.

    Args:
      hidden_size: width of the state and of the output.
      depth: number of layers in a step.
      transform_bias: added to the initial biases of the transform gates, in all layers; negative,
        so that a new cell mostly keeps its state. Without biases it adds nothing.

    Example:
      >>> cell = rx.RHN(4, depth=3)
      >>> params = cell.init(jax.random.key(0), input_size=5)
      >>> {name: array.shape for name, array in params.items()}
      {'w_x': (5, 8), 'w_h': (4, 8), 'b': (8,), 'w_r': (2, 4, 8), 'b_r': (16,)}
      >>> state, y = cell.step(params, cell.initial_state((2,)), jnp.ones((2, 5)))
      >>> y.shape
      (2, 4)
    """

    depth: int = 2
    transform_bias: float = -2.0

    gate_names: ClassVar[tuple[str, ...]] = RHNGates._fields
    state_type: ClassVar[Any] = RHNState
    additive_gates: ClassVar[tuple[str, ...]] = RHNGates._fields
    sigmoid_gates: ClassVar[tuple[str, ...]] = ("t",)
    has_products: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(depth=self.depth)

    def own_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the deeper layers' parameters; those of `b_r` are end to end."""
        deeper = self.depth - 1
        if not deeper:
            return {}
        bias = {"b_r": (deeper * 2 * self.hidden_size,)} if self.use_bias else {}
        return {"w_r": (deeper, *self.recurrent_shape()), **bias}

    def own(self, params: Params, rank: int, dtype: Any) -> dict[str, Any]:
        """Return the deeper layers' parameters, apart: in a loop, each slice would be a copy."""
        return {
            n: tuple(a) if n == "w_r" else a for n, a in super().own(params, rank, dtype).items()
        }

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`; each layer's as the first's."""
        keys = jax.random.split(key, self.depth)
        first, *deeper = (super(RHN, self).init(k, input_size) for k in keys)
        for params in (first, *deeper) if self.use_bias else ():
            params["b"] = params["b"].at[self.columns("t")].add(self.transform_bias)
        if deeper:
            first["w_r"] = jnp.stack([params["w_h"] for params in deeper])
            if self.use_bias:
                first["b_r"] = jnp.concatenate([params["b"] for params in deeper])
        return first

    def gates(self, g_x: Array, g_h: Array, state: RHNState, **own: Any) -> RHNGates:
        """Return the activated gates of the first layer; see `GatedCell.gates`."""
        return _open(g_x + g_h)

    def pointwise(
        self,
        g_x: Array,
        g_h: Array,
        state: RHNState,
        *,
        multiply: Multiply = multiplied,
        **own: Any,
    ) -> RHNState:
        """Return the state after a step; see `GatedCell.pointwise`."""
        s, (g, t) = state.h, _open(g_x + g_h)
        s = t * g + (1 - t) * s
        for k in range(self.depth - 1):
            a = multiply(self.times, s, own["w_r"][k])
            if self.use_bias:
                a += jnp.split(own["b_r"], self.depth - 1, -1)[k]
            g, t = _open(a)
            s = t * g + (1 - t) * s
        return RHNState(s)


def _open(gates: Array) -> RHNGates:
    return RHNGates(*packed_activation(gates, ("tanh", "sigmoid")))
