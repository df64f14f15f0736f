"""Quasi-recurrent neural networks."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.activation import sigmoid
from rnnjax.cells.base import Params
from rnnjax.cells.elman import ElmanState
from rnnjax.cells.linear import LinearCell
from rnnjax.checks import check_choices
from rnnjax.products import product
from rnnjax.serialization import serializable


@serializable
class QRNNState(NamedTuple):
    """State of a `QRNN` cell of width 2; one of width 1 has an `ElmanState`.

    Example:
      >>> rx.QRNN(4).initial_state((2,)).before.shape
      (2, 12)
    """

    h: Array  # (*batch, hidden), the c of the paper
    before: Array  # (*batch, gates * hidden), what the input before adds to the gates


@serializable
class QRNNGates(NamedTuple):
    """Gates of a `QRNN` cell; None if its pooling lacks one."""

    i: Array | None = None  # (*batch, hidden)
    f: Array | None = None  # (*batch, hidden)
    o: Array | None = None  # (*batch, hidden)


@dataclass(frozen=True, eq=False)
class QRNN(LinearCell[QRNNState]):
    """Quasi-recurrent neural network (Bradbury et al. 2017, arXiv:1611.01576).

        z = tanh(x @ w_xz + x_before @ w_pz + b_z)
        f, o = sigmoid(x @ w_x + x_before @ w_p + b)
        h' = f * h + (1 - f) * z
        y = o * h'

    The gates are a convolution over the inputs, of width 2, that begins with an input of zeros,
    after a reset too. Gates are packed z, f, o. The paper does not say how parameters start:
    kernels are drawn as those of all cells here, biases are 0.

    Args:
      hidden_size: width of the state and of the output.
      width: how many inputs a gate reads, 2 or 1. Of width 1, there is no `w_p`.
      pooling: "fo" as above; "f" without the output gate, y = h'; or "ifo" with an input gate,
        h' = f * h + i * z, packed z, i, f, o.

    Example:
      >>> cell = rx.QRNN(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> {name: array.shape for name, array in params.items()}
      {'w_x': (3, 12), 'b': (12,), 'w_p': (3, 12)}
      >>> state, y = cell.step(params, cell.initial_state((2,)), jnp.ones((2, 3)))
      >>> y.shape
      (2, 4)
    """

    width: Literal[1, 2] = 2
    pooling: Literal["f", "fo", "ifo"] = "fo"

    gate_names: ClassVar[tuple[str, ...]] = ("z", "f", "o")
    state_type: ClassVar[Any] = QRNNState
    sigmoid_gates: ClassVar[tuple[str, ...]] = ("f", "o")

    def __post_init__(self) -> None:
        check_choices(self)
        object.__setattr__(self, "sigmoid_gates", tuple(self.pooling))
        object.__setattr__(self, "gate_names", ("z", *self.pooling))
        if self.width == 1:
            object.__setattr__(self, "state_type", ElmanState)
        super().__post_init__()

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each leaf of the state, by name, without batch axes."""
        before = {"before": (self.num_gates * self.hidden_size,)} if self.remembers else {}
        return {"h": (self.hidden_size,), **before}

    def param_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter, by name, for inputs of width `input_size`."""
        shapes = super().param_shapes(input_size)
        return {**shapes, "w_p": shapes["w_x"]} if self.remembers else shapes

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`."""
        key_x, key_p = jax.random.split(key)
        w_p = {"w_p": super().init(key_p, input_size)["w_x"]} if self.remembers else {}
        return {**super().init(key_x, input_size), **w_p}

    def remember(self, params: Params, x: Array) -> Array:
        """Return x @ w_p; see `LinearCell.remember`."""
        return product(x, params["w_p"], self.compute_dtype(params, x))

    def gates(self, params: Params, x: Array, before: Any) -> QRNNGates:
        """Return the activated gates; see `LinearCell.gates`."""
        packed = self.packed(params, x, before, *self.sigmoid_gates)
        return QRNNGates(**dict(zip(self.sigmoid_gates, map(sigmoid, packed), strict=True)))

    def coefficients(self, params: Params, x: Array, before: Any) -> tuple[Array, Array]:
        """Return a and b of h' = a * h + b; see `LinearCell.coefficients`."""
        inner = [gate for gate in self.gate_names if gate != "o"]
        z, *i, f = self.packed(params, x, before, *inner)
        return sigmoid(f), sigmoid(i[0] if i else -f) * jnp.tanh(z)

    def emit(self, params: Params, h: Array, x: Array, before: Any) -> Array:
        """Return o * h, or h without an output gate; see `LinearCell.emit`."""
        if "o" not in self.pooling:
            return h
        (o,) = self.packed(params, x, before, "o")
        return sigmoid(o) * h
