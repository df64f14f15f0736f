"""LSTM whose inputs and states scale each other before the step."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.activation import sigmoid
from rnnjax.cells.base import Params
from rnnjax.cells.lstm import LSTM
from rnnjax.cells.noise import Noise
from rnnjax.checks import check_positive
from rnnjax.products import accumulator, product


@dataclass(frozen=True, eq=False)
class MogrifierLSTM(LSTM):
    """Mogrifier LSTM (Melis, Kocisky and Blunsom 2020, arXiv:1909.01792), with full rank.

        x = 2 sigmoid(h @ q[0]) * x,   then   h = 2 sigmoid(x @ r[0]) * h,   then with q[1], ...
        h', c' = the step of an LSTM from x, h and c

    Input and state scale each other in turn, `rounds` times, before an `LSTM` reads them. Each of
    the products waits for the one before, so the cell is not a gated cell and runs with `scan`.

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

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(rounds=self.rounds)

    @property
    def is_gated(self) -> bool:
        """False: more than one product waits."""
        return False

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

    def summands(
        self, params: Params, state: Any, x: Array, noise: Noise | None = None
    ) -> tuple[Array, Array, Any]:
        """Return the arguments of `pointwise` and `gates` without the state: g_x, g_h, own."""
        dtype = self.compute_dtype(params, x)
        wide, h = x.astype(accumulator(dtype)), state.h
        for k in range(self.rounds):
            if k % 2 == 0:
                wide = 2 * sigmoid(product(h, params["q"][k // 2], dtype)) * wide
            else:
                h = 2 * sigmoid(product(wide, params["r"][k // 2], dtype)) * h
        return super().summands(params, state._replace(h=h), wide.astype(x.dtype), noise)
