"""Long short-term memory whose gates see the cell state."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array

from rnnjax.cells.activation import sigmoid
from rnnjax.cells.lstm import LSTM, LSTMGates, LSTMState
from rnnjax.cells.noise import Units, dropped


@dataclass(frozen=True, eq=False)
class PeepholeLSTM(LSTM):
    """LSTM with peepholes (Gers and Schmidhuber 2000, "Recurrent nets that time and count").

        a = x @ w_x + b + h @ w_h, packed i, f, g, o
        i = sigmoid(a_i + p_i * c);   f = sigmoid(a_f + p_f * c);   g = tanh(a_g)
        c' = f * c + i * g
        o = sigmoid(a_o + p_o * c')
        h' = o * tanh(c')

    The gates see the cell state of their own unit, the output gate the new one. Peepholes start at
    0, so a new cell is an `LSTM`. They are weights: a cell without biases has them too.

    Args:
      hidden_size: width of the state and of the output.
      forget_bias: see `LSTM`.

    Example:
      >>> cell = rx.PeepholeLSTM(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> {name: array.shape for name, array in params.items()}
      {'w_x': (3, 16), 'w_h': (4, 16), 'b': (16,), 'p_i': (4,), 'p_f': (4,), 'p_o': (4,)}
      >>> state, y = cell.step(params, cell.initial_state((2,)), jnp.ones((2, 3)))
      >>> y.shape, state.c.shape
      ((2, 4), (2, 4))
    """

    packed: ClassVar[bool] = False

    def own_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the peepholes."""
        return dict.fromkeys(("p_i", "p_f", "p_o"), (self.hidden_size,))

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`."""
        shapes = self.own_shapes().items()
        peepholes = {name: jnp.zeros(shape, self.param_dtype) for name, shape in shapes}
        return {**super().init(key, input_size), **peepholes}

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
        i, f, g, o = jnp.split(g_x + g_h, 4, -1)
        i, f = sigmoid(i + own["p_i"] * state.c), sigmoid(f + own["p_f"] * state.c)
        gates = LSTMGates(i, f, dropped(dropout, jnp.tanh(g)), o)
        return gates._replace(o=sigmoid(o + own["p_o"] * gates.write(state.c)))
