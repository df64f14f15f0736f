"""Long short-term memory with coupled gates."""

from dataclasses import dataclass
from typing import Any, ClassVar

from jax import Array

from rnnjax.cells.activation import packed_activation
from rnnjax.cells.gated import GatedCell
from rnnjax.cells.lstm import LSTM, LSTMGates, LSTMState
from rnnjax.cells.noise import Units, dropped


@dataclass(frozen=True, eq=False)
class CoupledLSTM(LSTM):
    """LSTM that forgets as much as it writes (Greff et al. 2017, arXiv:1503.04069, "CIFG").

        i, o = sigmoid(x @ w_x + b + h @ w_h);   g = tanh(the same)
        c' = (1 - i) * c + i * g
        h' = o * tanh(c')

    Gates are packed i, g, o: the forget gate is 1 - i, which saves a quarter of the parameters.

    Args:
      hidden_size: width of the state and of the output.
      forget_bias: subtracted from the initial bias of the input gate in `b`, which opens the forget
        gate as in an `LSTM`; without a bias it does nothing.

    Example:
      >>> cell = rx.CoupledLSTM(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> {name: array.shape for name, array in params.items()}
      {'w_x': (3, 12), 'w_h': (4, 12), 'b': (12,)}
      >>> state, y = cell.step(params, cell.initial_state((2,)), jnp.ones((2, 3)))
      >>> y.shape, state.c.shape
      ((2, 4), (2, 4))
    """

    gate_names: ClassVar[tuple[str, ...]] = ("i", "g", "o")
    packed: ClassVar[bool] = True
    additive_gates: ClassVar[tuple[str, ...]] = ("i", "g", "o")
    sigmoid_gates: ClassVar[tuple[str, ...]] = ("i", "o")

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`."""
        params = GatedCell.init(self, key, input_size)
        if self.use_bias:
            params["b"] = params["b"].at[self.columns("i")].add(-self.forget_bias)
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
        i, g, o = packed_activation(g_x + g_h, ("sigmoid", "tanh", "sigmoid"))
        return LSTMGates(i, 1 - i, dropped(dropout, g), o)
