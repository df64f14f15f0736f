"""The simple recurrent unit."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.nn import initializers

from rnnjax.cells.activation import sigmoid
from rnnjax.cells.base import Initializer, Params
from rnnjax.cells.linear import LinearCell
from rnnjax.checks import check_choices
from rnnjax.closures import as_value
from rnnjax.products import accumulator, product
from rnnjax.serialization import serializable

_UNIFORM = as_value(initializers.variance_scaling(1.0, "fan_in", "uniform"))
_ACTIVATIONS = {"tanh": jnp.tanh, "identity": lambda c: c}


@serializable
class SRUState(NamedTuple):
    """State of an `SRU` cell.

    Example:
      >>> rx.SRU(4).initial_state((2,)).h.shape
      (2, 4)
    """

    h: Array  # (*batch, hidden), the c of the paper


@serializable
class SRUGates(NamedTuple):
    """Gates of an `SRU` cell: of the state and of the output."""

    f: Array  # (*batch, hidden)
    r: Array  # (*batch, hidden)


@dataclass(frozen=True, eq=False)
class SRU(LinearCell[SRUState]):
    """Simple recurrent unit (Lei et al. 2018, arXiv:1709.02755, version 1).

        n = x @ w_xn + b_n
        f, r = sigmoid(x @ w_x + b)
        h' = f * h + (1 - f) * n
        y = r * activation(h') + (1 - r) * x

    Gates are packed n, f, r. Where x is not as wide as y, x @ w_d takes its place in y. The paper
    has no b_n, which is 0 in new parameters. Later versions add v * h to the gates, so that h does
    not enter linearly, and scale x in y. New matrices are those of the later versions: uniform with
    variance 1 / input; biases are 0.

    Args:
      hidden_size: width of the state and of the output.
      activation: "tanh" or "identity".
      kernel_init: initialiser of `w_x`, one gate at a time, and of `w_d`, `(input, hidden)`.

    Example:
      >>> cell = rx.SRU(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> {name: array.shape for name, array in params.items()}
      {'w_x': (3, 12), 'b': (12,), 'w_d': (3, 4)}
      >>> state, y = cell.step(params, cell.initial_state((2,)), jnp.ones((2, 3)))
      >>> y.shape
      (2, 4)
    """

    activation: Literal["tanh", "identity"] = "tanh"
    kernel_init: Initializer = field(default=_UNIFORM, kw_only=True, repr=False)

    gate_names: ClassVar[tuple[str, ...]] = ("n", *SRUGates._fields)
    state_type: ClassVar[Any] = SRUState
    sigmoid_gates: ClassVar[tuple[str, ...]] = SRUGates._fields

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices(self)

    def param_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter, by name, for inputs of width `input_size`."""
        n = self.hidden_size
        w_d = {} if input_size == n else {"w_d": (input_size, n)}
        return {**super().param_shapes(input_size), **w_d}

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`."""
        key, key_d = jax.random.split(key)
        params = super().init(key, input_size)
        if input_size != self.hidden_size:
            w_d = self.kernel_init(
                key_d, (input_size, self.hidden_size), accumulator(self.param_dtype)
            )
            params["w_d"] = w_d.astype(self.param_dtype)
        return params

    def gates(self, params: Params, x: Array, before: Any) -> SRUGates:
        """Return the activated gates; see `LinearCell.gates`."""
        f, r = self.packed(params, x, before, "f", "r")
        return SRUGates(sigmoid(f), sigmoid(r))

    def coefficients(self, params: Params, x: Array, before: Any) -> tuple[Array, Array]:
        """Return a and b of h' = a * h + b; see `LinearCell.coefficients`."""
        n, f = self.packed(params, x, before, "n", "f")
        return sigmoid(f), sigmoid(-f) * n

    def emit(self, params: Params, h: Array, x: Array, before: Any) -> Array:
        """Return r * activation(h) + (1 - r) * x; see `LinearCell.emit`."""
        (r,) = self.packed(params, x, before, "r")
        x = product(x, params["w_d"], params["w_d"].dtype) if "w_d" in params else x.astype(h.dtype)
        return sigmoid(r) * _ACTIVATIONS[self.activation](h) + sigmoid(-r) * x
