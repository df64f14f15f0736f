"""LSTM whose inputs and states scale each other before the step."""

from dataclasses import dataclass, fields
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.activation import sigmoid
from rnnjax.cells.base import GatedCell, Params
from rnnjax.cells.lstm import LSTM, LSTMState
from rnnjax.cells.noise import Units
from rnnjax.checks import check_positive
from rnnjax.products import accumulator, product


@dataclass(frozen=True, eq=False)
class MogrifierLSTM(GatedCell[LSTMState]):
    """Mogrifier LSTM (Melis, Kocisky and Blunsom 2020, arXiv:1909.01792), with full rank.

        x = 2 sigmoid(h @ q[0]) * x,   then   h = 2 sigmoid(x @ r[0]) * h,   then with q[1], ...
        h', c' = the step of an LSTM from x, h and c

    Input and state scale each other in turn, `rounds` times, before an `LSTM` reads them. All
    products but the first wait for another one in the same step.

    Args:
      hidden_size: width of the state and of the output.
      rounds: number of scalings; the paper's models have 4 to 6.
      forget_bias: see `LSTM`.

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
    forget_bias: float = 1.0

    gate_names: ClassVar[tuple[str, ...]] = ("x",)  # the first scaling
    state_type: ClassVar[Any] = LSTMState

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(rounds=self.rounds)

    @property
    def _lstm(self) -> LSTM:
        return LSTM(**{field.name: getattr(self, field.name) for field in fields(LSTM)})

    def param_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter, by name, for inputs of width `input_size`."""
        n, h = input_size, self.hidden_size
        q, r = ((self.rounds + 1) // 2, h, n), (self.rounds // 2, n, h)
        return {**self._lstm.param_shapes(n), "q": q, **({"r": r} if self.rounds > 1 else {})}

    def own_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all parameters, for inputs of width 1."""
        return self.param_shapes(1)

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`."""
        keys = iter(jax.random.split(jax.random.fold_in(key, 1), self.rounds))

        def draw(count: int, *shape: int) -> Array:
            wide = accumulator(self.param_dtype)
            drawn = [self.kernel_init(next(keys), shape, wide) for _ in range(count)]
            return jnp.stack(drawn).astype(self.param_dtype)

        shapes, params = self.param_shapes(input_size), self._lstm.init(key, input_size)
        return params | {name: draw(*shapes[name]) for name in ("q", "r") if name in shapes}

    def project(self, params: Params, x: Array) -> Array:
        """Return the input as it is; see `GatedCell.project`."""
        return x.astype(accumulator(self.compute_dtype(params, x)))

    def recur(self, params: Params, h: Array) -> Array:
        """Return what scales the input first; see `GatedCell.recur`."""
        return product(h, params["q"][0], h.dtype)

    def pointwise(
        self, g_x: Array, g_h: Array, state: LSTMState, dropout: Units | None = None, **own: Array
    ) -> LSTMState:
        """Return the state after a step; see `GatedCell.pointwise`."""

        def times(a: Array, matrix: Array) -> Array:
            return product(a, matrix, matrix.dtype)

        x, h = 2 * sigmoid(g_h) * g_x, state.h
        for k in range(1, self.rounds):
            if k % 2:
                h = 2 * sigmoid(times(x, own["r"][k // 2])) * h
            else:
                x = 2 * sigmoid(times(h, own["q"][k // 2])) * x
        g_x = times(x, own["w_x"])
        g_x = g_x + own["b"] if self.use_bias else g_x
        return self._lstm.pointwise(g_x, times(h, own["w_h"]), state, dropout)
