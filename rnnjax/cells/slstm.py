"""LSTM with exponential gates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.activation import sigmoid
from rnnjax.cells.gated import GatedCell
from rnnjax.cells.noise import Units, dropped
from rnnjax.checks import check_choices
from rnnjax.serialization import serializable

# The first m: the logarithm of no weight at all, but finite.
_NOTHING = -1e30


@serializable
class SLSTMState(NamedTuple):
    """State of an `SLSTM` cell: exp(m) * c and exp(m) * n are the sums that c / n divides.

    Example:
      >>> state = rx.SLSTM(4).initial_state((2,))
      >>> state.h.shape, state.m.shape
      ((2, 4), (2, 4))
    """

    h: Array  # (*batch, hidden), as are all
    c: Array  # the cell
    n: Array  # the normaliser
    m: Array  # the stabiliser, in log space; a cell that has read nothing has a very low one


@serializable
class SLSTMGates(NamedTuple):
    """Gates of an `SLSTM` cell, in packed order; i and f are stabilised, and so at most 1."""

    i: Array  # (*batch, hidden), as are all
    f: Array
    z: Array
    o: Array


@dataclass(frozen=True, eq=False)
class SLSTM(GatedCell[SLSTMState]):
    """LSTM with exponential gates, the sLSTM of xLSTM (Beck et al. 2024, arXiv:2405.04517).

        a = x @ w_x + b + h @ w_h, of each gate
        log f = log sigmoid(a_f), or a_f;   z = tanh(a_z);   o = sigmoid(a_o)
        m' = max(log f + m, a_i)
        i = exp(a_i - m');   f = exp(log f + m - m')
        c' = f * c + i * z;   n' = f * n + i;   h' = o * c' / n'

    m is a stabiliser: h does not depend on it, but neither i nor f overflows. Gates are packed i,
    f, z, o. In the paper, `w_h` has four heads. The authors' code begins with w_h = 0, which is
    `recurrent_init=jax.nn.initializers.zeros`, and with biases of f from 5 to -7 within a head.

    Args:
      hidden_size: width of the state and of the output.
      forget_gate: "sigmoid" or "exp", which the paper both allows.
      forget_bias: added to the initial bias of the forget gate; without a bias it adds nothing.

    Example:
      >>> cell = rx.SLSTM(4, heads=2)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> {name: array.shape for name, array in params.items()}
      {'w_x': (3, 16), 'w_h': (2, 2, 8), 'b': (16,)}
      >>> state, y = cell.step(params, cell.initial_state((5,)), jnp.ones((5, 3)))
      >>> y.shape
      (5, 4)
    """

    forget_gate: Literal["sigmoid", "exp"] = "sigmoid"
    forget_bias: float = 1.0

    gate_names: ClassVar[tuple[str, ...]] = SLSTMGates._fields
    state_type: ClassVar[Any] = SLSTMState
    additive_gates: ClassVar[tuple[str, ...]] = SLSTMGates._fields
    sigmoid_gates: ClassVar[tuple[str, ...]] = ("i", "f", "o")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices(self)

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`."""
        params = super().init(key, input_size)
        if self.use_bias:
            params["b"] = params["b"].at[self.columns("f")].add(self.forget_bias)
        return params

    def initial_state(self, batch_shape: Sequence[int] = ()) -> SLSTMState:
        """Return the state before the first step: zeros, and in m the logarithm of almost 0."""
        zeros = super().initial_state(batch_shape)
        return zeros._replace(m=jnp.full_like(zeros.m, _NOTHING))

    def gates(self, g_x: Array, g_h: Array, state: SLSTMState, **own: Array) -> SLSTMGates:
        """Return the activated gates; see `GatedCell.gates`."""
        return self._open(g_x + g_h, state.m)[0]

    def pointwise(
        self, g_x: Array, g_h: Array, state: SLSTMState, dropout: Units | None = None, **own: Array
    ) -> SLSTMState:
        """Return the state after a step; see `GatedCell.pointwise`."""
        (i, f, z, o), m = self._open(g_x + g_h, state.m)
        c, n = f * state.c + i * dropped(dropout, z), f * state.n + i
        return SLSTMState(o * c / n, c, n, m)

    def _open(self, gates: Array, m: Array) -> tuple[SLSTMGates, Array]:
        """Return the gates and the new stabiliser."""
        i, f, z, o = jnp.split(gates, 4, -1)
        log_f = f if self.forget_gate == "exp" else jax.nn.log_sigmoid(f)
        kept = log_f + m
        m = jnp.maximum(kept, i)
        return SLSTMGates(jnp.exp(i - m), jnp.exp(kept - m), jnp.tanh(z), sigmoid(o)), m
