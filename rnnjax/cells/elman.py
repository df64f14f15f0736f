"""The simple recurrent network."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.activation import sigmoid
from rnnjax.cells.base import GatedCell
from rnnjax.checks import check_choices
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
