"""Long short-term memory."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.activation import packed_activation
from rnnjax.cells.gated import GatedCell
from rnnjax.cells.noise import Units, dropped
from rnnjax.checks import check_positive
from rnnjax.products import Multiply, accumulator, multiplied, times
from rnnjax.serialization import serializable


@serializable
class LSTMState(NamedTuple):
    """State of an `LSTM` cell; the h of a `ProjectedLSTM` is narrower.

    Example:
      >>> state = rx.LSTM(4).initial_state((2,))
      >>> state.h.shape, state.c.shape
      ((2, 4), (2, 4))
    """

    h: Array  # (*batch, hidden)
    c: Array  # (*batch, hidden)


@serializable
class LSTMGates(NamedTuple):
    """Gates of an `LSTM` cell, in packed order."""

    i: Array  # (*batch, hidden), as are all
    f: Array
    g: Array
    o: Array

    def write(self, c: Array) -> Array:
        """Return c after the step, given c before it."""
        return self.f * c + self.i * self.g


@dataclass(frozen=True, eq=False)
class LSTM(GatedCell[LSTMState]):
    """Long short-term memory with forget gates (Gers, Schmidhuber and Cummins 2000).

        i, f, o = sigmoid(x @ w_x + b + h @ w_h);   g = tanh(the same)
        c' = f * c + i * g
        h' = o * tanh(c')

    Gates are packed i, f, g, o, as in PyTorch and cuDNN.

    Args:
      hidden_size: width of the state and of the output.
      forget_bias: added to the initial bias of the forget gate in `b` (Jozefowicz, Zaremba and
        Sutskever 2015 recommend 1); without a bias it adds nothing.

    Example:
      >>> cell = rx.LSTM(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> {name: array.shape for name, array in params.items()}
      {'w_x': (3, 16), 'w_h': (4, 16), 'b': (16,)}
      >>> state, y = cell.step(params, cell.initial_state((2,)), jnp.ones((2, 3)))
      >>> y.shape, state.c.shape
      ((2, 4), (2, 4))
    """

    forget_bias: float = 1.0

    gate_names: ClassVar[tuple[str, ...]] = LSTMGates._fields
    state_type: ClassVar[Any] = LSTMState
    packed: ClassVar[bool] = True
    additive_gates: ClassVar[tuple[str, ...]] = LSTMGates._fields
    sigmoid_gates: ClassVar[tuple[str, ...]] = ("i", "f", "o")

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`."""
        params = super().init(key, input_size)
        if self.use_bias:
            params["b"] = params["b"].at[self.columns("f")].add(self.forget_bias)
        return params

    def gates(
        self,
        g_x: Array,
        g_h: Array,
        state: LSTMState,
        *,
        dropout: Units | None = None,
        **own: Any,
    ) -> LSTMGates:
        """Return the activated gates; see `GatedCell.gates`."""
        kinds = ["sigmoid" if g in self.sigmoid_gates else "tanh" for g in self.gate_names]
        i, f, g, o = packed_activation(g_x + g_h, kinds)
        return LSTMGates(i, f, dropped(dropout, g), o)

    def pointwise(
        self, g_x: Array, g_h: Array, state: LSTMState, dropout: Units | None = None, **own: Any
    ) -> LSTMState:
        """Return the state after a step; see `GatedCell.pointwise`."""
        gates = self.gates(g_x, g_h, state, dropout=dropout, **own)
        c = gates.write(state.c)
        return LSTMState(gates.o * jnp.tanh(c), c)


@dataclass(frozen=True, eq=False)
class ProjectedLSTM(LSTM):
    """LSTM with a recurrent projection (Sak, Senior and Beaufays 2014, arXiv:1402.1128).

        i, f, o = sigmoid(x @ w_x + b + h @ w_h);   g = tanh(the same)
        c' = f * c + i * g
        h' = (o * tanh(c')) @ w_r

    The state's h, which is the output, is narrower than c. So `w_h` is smaller than an `LSTM`'s,
    which makes wide cells cheaper. As in PyTorch's `proj_size`, there are no peepholes.

    Args:
      hidden_size: width of c and of the gates.
      projection_size: width of h and of the output.
      forget_bias: see `LSTM`.

    Example:
      >>> cell = rx.ProjectedLSTM(8, projection_size=2)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> {name: array.shape for name, array in params.items()}
      {'w_x': (3, 32), 'w_h': (2, 32), 'b': (32,), 'w_r': (8, 2)}
      >>> state, y = cell.step(params, cell.initial_state((5,)), jnp.ones((5, 3)))
      >>> y.shape, state.c.shape
      ((5, 2), (5, 8))
    """

    projection_size: int = field(kw_only=True)

    has_products: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(projection_size=self.projection_size)

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each leaf of the state, by name, without batch axes."""
        return {"h": (self.projection_size,), "c": (self.hidden_size,)}

    def own_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of the projection."""
        return {"w_r": (self.hidden_size, self.projection_size)}

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`."""
        shape, wide = self.own_shapes()["w_r"], accumulator(self.param_dtype)
        w_r = self.kernel_init(jax.random.fold_in(key, 1), shape, wide).astype(self.param_dtype)
        return {**super().init(key, input_size), "w_r": w_r}

    def pointwise(
        self,
        g_x: Array,
        g_h: Array,
        state: LSTMState,
        dropout: Units | None = None,
        *,
        multiply: Multiply = multiplied,
        **own: Any,
    ) -> LSTMState:
        """Return the state after a step; see `GatedCell.pointwise`."""
        h, c = super().pointwise(g_x, g_h, state, dropout)
        return LSTMState(multiply(times, h, own["w_r"]), c)
