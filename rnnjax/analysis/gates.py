"""Saturation of gates."""

from collections.abc import Sequence
from typing import NamedTuple

from jax import Array

from rnnjax.analysis.watch import watch
from rnnjax.cells.base import Cell, Params, State, feature_axes

LOW, HIGH = 0.1, 0.9


class Saturation(NamedTuple):
    """The saturated shares of a gate's units.

    Attributes:
      low: `(time, *batch)`, the share of closed units, below 0.1.
      high: `(time, *batch)`, the share of open units, above 0.9.

    Example:
      >>> rx.analysis.Saturation(low=jnp.zeros(3), high=jnp.ones(3)).high.shape
      (3,)
    """

    low: Array
    high: Array


def gate_saturation(
    cell: Cell,
    params: Params,
    xs: Array,
    initial_state: State | None = None,
    *,
    lengths: Array | Sequence[int] | None = None,
) -> dict[str, Saturation]:
    """Return the shares of each sigmoid gate below 0.1 and above 0.9, at every step.

    The bounds are those of Karpathy, Johnson and Fei-Fei 2015 (arXiv:1506.02078).

    Args:
      cell: an `LSTM`, a `GRU`, a `MinGRU`, or a cell of your own with `sigmoid_gates` and `gates`.
      params: its parameters.
      xs: inputs `(time, *batch, features)`.
      initial_state: the state before the first step; None is zeros.
      lengths: `(*batch,)`; in the padding, shares are 0. See `rnnjax.unroll`.

    Returns:
      The shares by name of the gate: i, f, o for an LSTM, r, z for a GRU.

    Raises:
      ValueError: `cell` has no gates, or arguments do not fit; see `unroll`.

    Example:
      >>> cell = rx.GRU(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> shares = rx.analysis.gate_saturation(cell, params, jnp.zeros((5, 2, 3)))
      >>> list(shares), shares["r"].low.shape
      (['r', 'z'], (5, 2))
    """
    if not getattr(cell, "sigmoid_gates", ()):
        raise ValueError(f"cell must have gates, like an LSTM or a GRU, got {cell!r}")

    units = tuple(range(-feature_axes(cell), 0))

    def look(state: State, x: Array) -> dict[str, Saturation]:
        gates = cell.open_gates(params, state, x)
        shares = {}
        for name in cell.sigmoid_gates:
            gate = getattr(gates, name)
            shares[name] = Saturation((gate < LOW).mean(units), (gate > HIGH).mean(units))
        return shares

    return watch(cell, look, params, xs, initial_state, lengths)
