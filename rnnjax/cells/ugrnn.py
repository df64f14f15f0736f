"""The update gate network."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from jax import Array

from rnnjax.cells.activation import packed_activation
from rnnjax.cells.gated import GatedCell
from rnnjax.cells.noise import Units, dropped
from rnnjax.serialization import serializable


@serializable
class UGRNNState(NamedTuple):
    """State of a `UGRNN` cell.

    Example:
      >>> rx.UGRNN(4).initial_state((2,)).h.shape
      (2, 4)
    """

    h: Array  # (*batch, hidden)


@serializable
class UGRNNGates(NamedTuple):
    """Gate and candidate of a `UGRNN` cell, in packed order."""

    g: Array  # (*batch, hidden)
    c: Array  # (*batch, hidden)


@dataclass(frozen=True, eq=False)
class UGRNN(GatedCell[UGRNNState]):
    """Update gate network (Collins, Sohl-Dickstein and Sussillo 2017, arXiv:1611.09913).

        g = sigmoid(x @ w_x + b + h @ w_h);   c = tanh(the same)
        h' = g * h + (1 - g) * c

    Gates are packed g, c.

    Args:
      hidden_size: width of the state and of the output.
      forget_bias: added to the initial bias of g in `b`, 1 as in TensorFlow's `UGRNNCell`; without
        a bias it adds nothing.

    Example:
      >>> cell = rx.UGRNN(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> {name: array.shape for name, array in params.items()}
      {'w_x': (3, 8), 'w_h': (4, 8), 'b': (8,)}
      >>> state, y = cell.step(params, cell.initial_state((2,)), jnp.ones((2, 3)))
      >>> y.shape
      (2, 4)
    """

    forget_bias: float = 1.0

    gate_names: ClassVar[tuple[str, ...]] = UGRNNGates._fields
    state_type: ClassVar[Any] = UGRNNState
    additive_gates: ClassVar[tuple[str, ...]] = UGRNNGates._fields
    sigmoid_gates: ClassVar[tuple[str, ...]] = ("g",)

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`."""
        params = super().init(key, input_size)
        if self.use_bias:
            params["b"] = params["b"].at[self.columns("g")].add(self.forget_bias)
        return params

    def gates(self, g_x: Array, g_h: Array, state: UGRNNState, **own: Array) -> UGRNNGates:
        """Return the activated gate and candidate; see `GatedCell.gates`."""
        return UGRNNGates(*packed_activation(g_x + g_h, ("sigmoid", "tanh")))

    def pointwise(
        self, g_x: Array, g_h: Array, state: UGRNNState, dropout: Units | None = None, **own: Array
    ) -> UGRNNState:
        """Return the state after a step; see `GatedCell.pointwise`."""
        g, c = self.gates(g_x, g_h, state)
        return UGRNNState(g * state.h + (1 - g) * dropped(dropout, c))
