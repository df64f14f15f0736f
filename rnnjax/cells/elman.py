"""The simple recurrent network."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import GatedCell

Activation = Literal["tanh", "relu"]


class ElmanState(NamedTuple):
    """State of an `Elman` cell."""

    h: Array  # (*batch, hidden)


@dataclass(frozen=True)
class Elman(GatedCell):
    """Simple recurrent network (Elman 1990, "Finding structure in time").

        h' = activation(x @ w_x + b + h @ w_h)

    Args:
      hidden_size: width of the state and of the output.
      activation: "tanh" or "relu".
    """

    activation: Activation = "tanh"

    num_gates: ClassVar[int] = 1
    state_type: ClassVar[Any] = ElmanState

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.activation not in get_args(Activation):
            raise ValueError(f"activation must be 'tanh' or 'relu', got {self.activation!r}")

    def pointwise(self, g_x: Array, g_h: Array, state: ElmanState, **own: Array) -> ElmanState:
        """Return the state after a step; see `GatedCell.pointwise`."""
        activate = jnp.tanh if self.activation == "tanh" else jax.nn.relu
        return ElmanState(activate(g_x + g_h))
