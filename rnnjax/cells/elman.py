"""Simple recurrent networks."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.nn import initializers

from rnnjax.cells.activation import sigmoid
from rnnjax.cells.base import Initializer
from rnnjax.cells.gated import GatedCell
from rnnjax.checks import check_choices
from rnnjax.closures import as_value
from rnnjax.products import accumulator
from rnnjax.serialization import serializable

_ACTIVATIONS = {"tanh": jnp.tanh, "relu": jax.nn.relu, "sigmoid": sigmoid}


@serializable
class ElmanState(NamedTuple):
    """State of an `Elman` cell.

    Example:
      >>> rx.Elman(4).initial_state((2,)).h.shape
      (2, 4)
    """

    h: Array  # (*batch, hidden)


@dataclass(frozen=True, eq=False)
class Elman(GatedCell[ElmanState]):
    """Simple recurrent network (Elman 1990, "Finding structure in time").

        h' = activation(x @ w_x + b + h @ w_h)

    Args:
      hidden_size: width of the state and of the output.
      activation: "tanh", "relu" or "sigmoid".

    Example:
      >>> cell = rx.Elman(4, activation="relu")
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> state, y = cell.step(params, cell.initial_state((2,)), jnp.ones((2, 3)))
      >>> y.shape
      (2, 4)
    """

    activation: Literal["tanh", "relu", "sigmoid"] = "tanh"

    gate_names: ClassVar[tuple[str, ...]] = ("h",)
    state_type: ClassVar[Any] = ElmanState
    additive_gates: ClassVar[tuple[str, ...]] = ("h",)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices(self)

    def pointwise(self, g_x: Array, g_h: Array, state: ElmanState, **own: Array) -> ElmanState:
        """Return the state after a step; see `GatedCell.pointwise`."""
        return ElmanState(_ACTIVATIONS[self.activation](g_x + g_h))


@dataclass(frozen=True, eq=False)
class IndRNN(Elman):
    """Independently recurrent network (Li et al. 2018, arXiv:1803.04831).

        h' = activation(x @ w_x + b + u * h)

    Each unit sees only itself, so there is no product that waits, and `w_h` is a vector u. Over n
    steps, a relu unit scales gradients by u^n at most: the paper keeps |u| <= 2^(1 / n).

    Args:
      hidden_size: width of the state and of the output.
      activation: "relu", "tanh" or "sigmoid".
      recurrent_init: initialiser of `u`, `(hidden,)`: from U(0, 1). For the paper's range,
        `jax.nn.initializers.uniform(2 ** (1 / n))`.

    Example:
      >>> cell = rx.IndRNN(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> {name: array.shape for name, array in params.items()}
      {'w_x': (3, 4), 'b': (4,), 'u': (4,)}
      >>> state, y = cell.step(params, cell.initial_state((2,)), jnp.ones((2, 3)))
      >>> y.shape
      (2, 4)
    """

    activation: Literal["tanh", "relu", "sigmoid"] = "relu"
    recurrent_init: Initializer = field(
        default=as_value(initializers.uniform(1.0)), kw_only=True, repr=False
    )

    additive_gates: ClassVar[tuple[str, ...]] = ()
    input_gates: ClassVar[tuple[str, ...]] = ("h",)

    def own_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of the recurrent weights."""
        return {"u": (self.hidden_size,)}

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`."""
        shape, wide = self.own_shapes()["u"], accumulator(self.param_dtype)
        u = self.recurrent_init(jax.random.fold_in(key, 1), shape, wide).astype(self.param_dtype)
        return {**super().init(key, input_size), "u": u}

    def pointwise(self, g_x: Array, g_h: Array, state: ElmanState, **own: Array) -> ElmanState:
        """Return the state after a step; see `GatedCell.pointwise`."""
        return ElmanState(_ACTIVATIONS[self.activation](g_x + own["u"] * state.h))
