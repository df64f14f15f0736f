"""LSTM whose inputs and states scale each other before the step."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.activation import sigmoid
from rnnjax.cells.base import Params
from rnnjax.cells.lstm import LSTM, LSTMGates, LSTMState
from rnnjax.cells.noise import Units
from rnnjax.checks import check_positive
from rnnjax.products import Multiply, accumulator, cast, lead, multiplied, times


@dataclass(frozen=True, eq=False)
class MogrifierLSTM(LSTM):
    """Mogrifier LSTM (Melis, Kocisky and Blunsom 2020, arXiv:1909.01792), with full rank.

        x = 2 sigmoid(h @ q[0]) * x,   then   h = 2 sigmoid(x @ r[0]) * h,   then with q[1], ...
        h', c' = the step of an LSTM from x, h and c

    Input and state scale each other in turn, `rounds` times, before an `LSTM` reads them. Each of
    the products waits for the one before.

    Args:
      hidden_size: width of the state and of the output.
      forget_bias: see `LSTM`.
      rounds: number of scalings; the paper's best models have 4 to 6.

    Example:
      >>> cell = rx.MogrifierLSTM(4, rounds=3)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> {name: array.shape for name, array in params.items()}
      {'w_x': (3, 16), 'w_h': (4, 16), 'b': (16,), 'q': (2, 4, 3), 'r': (1, 3, 4)}
      >>> state, y = cell.step(params, cell.initial_state((2,)), jnp.ones((2, 3)))
      >>> y.shape
      (2, 4)
    """

    rounds: int = 5

    additive_gates: ClassVar[tuple[str, ...]] = ()
    has_products: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(rounds=self.rounds)

    @property
    def num_recurrent_gates(self) -> int:
        """0: `pointwise` computes all products with h."""
        return 0

    def param_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter, by name, for inputs of width `input_size`."""
        q = ((self.rounds + 1) // 2, self.hidden_size, input_size)
        r = {"r": (self.rounds // 2, input_size, self.hidden_size)} if self.rounds > 1 else {}
        return {**super().param_shapes(input_size), "q": q, **r}

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`."""
        keys = iter(jax.random.split(jax.random.fold_in(key, 1), self.rounds))

        def draw(count: int, *shape: int) -> Array:
            wide = accumulator(self.param_dtype)
            drawn = [self.kernel_init(next(keys), shape, wide) for _ in range(count)]
            return jnp.stack(drawn).astype(self.param_dtype)

        shapes, params = self.param_shapes(input_size), super().init(key, input_size)
        return params | {name: draw(*shapes[name]) for name in ("q", "r") if name in shapes}

    def own(self, params: Params, rank: int, dtype: Any) -> dict[str, Any]:
        """Return all parameters, which `pointwise` reads."""
        own: dict[str, Any] = cast(params, dtype)
        if self.use_bias:
            own["b"] = lead(params["b"].astype(accumulator(dtype)), rank)
        # Apart before the loop: in it, each slice would be copied at each step.
        return own | {name: tuple(own[name]) for name in ("q", "r") if name in own}

    def project(self, params: Params, x: Array) -> Array:
        """Return `x`."""
        return x.astype(accumulator(self.compute_dtype(params, x)))

    def gates(
        self,
        g_x: Array,
        g_h: Array,
        state: LSTMState,
        *,
        dropout: Units | None = None,
        multiply: Multiply = multiplied,
        **own: Any,
    ) -> LSTMGates:
        """Return the activated gates; see `GatedCell.gates`."""
        x, h = g_x, state.h
        for k in range(self.rounds):
            if k % 2 == 0:
                x = 2 * sigmoid(multiply(times, h, own["q"][k // 2])) * x
            else:
                h = 2 * sigmoid(multiply(times, x, own["r"][k // 2])) * h
        g_x, g_h = multiply(times, x, own["w_x"]), multiply(self.times, h, own["w_h"])
        if self.use_bias:
            g_x = g_x + own["b"]
        return super().gates(g_x, g_h, state, dropout=dropout)
