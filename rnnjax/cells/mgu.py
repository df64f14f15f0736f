"""The minimal gated unit."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from jax import Array

from rnnjax.cells.activation import sigmoid
from rnnjax.cells.gru import GRU, GRUGates, GRUState
from rnnjax.serialization import serializable


@serializable
class MGUGates(NamedTuple):
    """The gate of an `MGU` cell; its candidate n follows."""

    f: Array  # (*batch, hidden)


@dataclass(frozen=True, eq=False)
class MGU(GRU):
    """Minimal gated unit (Zhou et al. 2016, arXiv:1603.09420).

        f = sigmoid(x @ w_x + b + h @ w_h)
        n = tanh(x @ w_xn + b_n + (f * h) @ w_hn)           the gate before the product (the paper)
        n = tanh(x @ w_xn + b_n + f * (h @ w_hn + b_hn))    the gate after it
        h' = (1 - f) * h + f * n

    This is a `GRU` with r = f and z = 1 - f. Gates are packed f, n. With the gate before the
    product, the second product waits for the first. With the gate after it, the cell has `b_hn`, if
    it has biases. (The last line of Flax's `MGUCell` has f and 1 - f in each other's place.)

    Args:
      hidden_size: width of the state and of the output.
      reset_after: whether the gate comes after the product.

    Example:
      >>> cell = rx.MGU(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> {name: array.shape for name, array in params.items()}
      {'w_x': (3, 8), 'w_h': (4, 8), 'b': (8,)}
      >>> state, y = cell.step(params, cell.initial_state((2,)), jnp.ones((2, 3)))
      >>> y.shape
      (2, 4)
    """

    reset_after: bool = False

    gate_names: ClassVar[tuple[str, ...]] = (*MGUGates._fields, "n")
    additive_gates: ClassVar[tuple[str, ...]] = MGUGates._fields
    sigmoid_gates: ClassVar[tuple[str, ...]] = MGUGates._fields

    def gates(self, g_x: Array, g_h: Array, state: GRUState, **own: Array) -> Any:
        """Return the activated gate; see `GatedCell.gates`."""
        return MGUGates(super().gates(g_x, g_h, state).r)

    def _open(self, xs: list[Array], hs: list[Array]) -> GRUGates:
        f = sigmoid(xs[0] + hs[0])
        return GRUGates(f, 1 - f)
