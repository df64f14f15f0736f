"""Minimal gated units, whose gates do not see the state."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.activation import sigmoid
from rnnjax.cells.base import Params
from rnnjax.cells.linear import LinearCell
from rnnjax.serialization import serializable


@serializable
class MinGRUState(NamedTuple):
    """State of a `MinGRU` or `MinLSTM` cell.

    Example:
      >>> rx.MinGRU(4).initial_state((2,)).h.shape
      (2, 4)
    """

    h: Array  # (*batch, hidden)


@serializable
class MinGRUGates(NamedTuple):
    """Gate of a `MinGRU` cell; its candidate n follows."""

    z: Array  # (*batch, hidden)


@serializable
class MinLSTMGates(NamedTuple):
    """Gates of a `MinLSTM` cell, in packed order; its candidate n follows."""

    f: Array  # (*batch, hidden)
    i: Array  # (*batch, hidden)


@dataclass(frozen=True, eq=False)
class MinGRU(LinearCell[MinGRUState]):
    """Minimal GRU, parallel over time (Feng et al. 2024, arXiv:2410.01201).

        z = sigmoid(x @ w_xz + b_z)
        n = g(x @ w_xn + b_n)
        h' = (1 - z) * h + z * n

    Gates are packed z, n. g is the identity, as in the paper's text, or its positive function, see
    `positive`. The paper computes with logarithms; sums of products with 0 < 1 - z < 1 do not need
    them, and h may have any sign. Kernels are drawn as those of all cells here, biases are 0; the
    paper leaves both to PyTorch.

    Args:
      hidden_size: width of the state and of the output.
      positive: whether g is the paper's positive function for logarithms: g(u) = u + 0.5 where
        u >= 0, and sigmoid(u) elsewhere.

    Example:
      >>> cell = rx.MinGRU(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> {name: array.shape for name, array in params.items()}
      {'w_x': (3, 8), 'b': (8,)}
      >>> state, y = cell.step(params, cell.initial_state((2,)), jnp.ones((2, 3)))
      >>> y.shape
      (2, 4)
    """

    positive: bool = False

    gate_names: ClassVar[tuple[str, ...]] = (*MinGRUGates._fields, "n")
    state_type: ClassVar[Any] = MinGRUState
    sigmoid_gates: ClassVar[tuple[str, ...]] = MinGRUGates._fields

    def gates(self, params: Params, x: Array, before: Any) -> MinGRUGates:
        """Return the activated gate; see `LinearCell.gates`."""
        z, _ = jnp.split(self.project(params, x), 2, -1)
        return MinGRUGates(sigmoid(z))

    def coefficients(self, params: Params, x: Array, before: Any) -> tuple[Array, Array]:
        """Return a and b of h' = a * h + b; see `LinearCell.coefficients`."""
        z, n = jnp.split(self.project(params, x), 2, -1)
        return sigmoid(-z), sigmoid(z) * (_positive(n) if self.positive else n)


@dataclass(frozen=True, eq=False)
class MinLSTM(LinearCell[MinGRUState]):
    """Minimal LSTM, parallel over time (Feng et al. 2024, arXiv:2410.01201).

        f, i = sigmoid(x @ w_x + b)
        n = g(x @ w_xn + b_n)
        h' = f / (f + i) * h + i / (f + i) * n

    Gates are packed f, i, n. The quotients are computed from logarithms, so that they are right
    where f and i are both near 0. For g, the initial values and `positive`, see `MinGRU`.

    Args:
      hidden_size: width of the state and of the output.
      forget_bias: added to the initial bias of the forget gate in `b`; the paper recommends more
        than 0.
      positive: see `MinGRU`.

    Example:
      >>> cell = rx.MinLSTM(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> {name: array.shape for name, array in params.items()}
      {'w_x': (3, 12), 'b': (12,)}
      >>> state, y = cell.step(params, cell.initial_state((2,)), jnp.ones((2, 3)))
      >>> y.shape
      (2, 4)
    """

    forget_bias: float = 1.0
    positive: bool = False

    gate_names: ClassVar[tuple[str, ...]] = (*MinLSTMGates._fields, "n")
    state_type: ClassVar[Any] = MinGRUState
    sigmoid_gates: ClassVar[tuple[str, ...]] = MinLSTMGates._fields

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`."""
        params = super().init(key, input_size)
        if self.use_bias:
            params["b"] = params["b"].at[self.columns("f")].add(self.forget_bias)
        return params

    def gates(self, params: Params, x: Array, before: Any) -> MinLSTMGates:
        """Return the activated gates; see `LinearCell.gates`."""
        f, i, _ = jnp.split(self.project(params, x), 3, -1)
        return MinLSTMGates(sigmoid(f), sigmoid(i))

    def coefficients(self, params: Params, x: Array, before: Any) -> tuple[Array, Array]:
        """Return a and b of h' = a * h + b; see `LinearCell.coefficients`."""
        f, i, n = jnp.split(self.project(params, x), 3, -1)
        odds = jax.nn.softplus(-i) - jax.nn.softplus(-f)  # log(f / i)
        return sigmoid(odds), sigmoid(-odds) * (_positive(n) if self.positive else n)


def _positive(u: Array) -> Array:
    return jnp.where(u >= 0, u + 0.5, sigmoid(u))
