"""Whether gates still move."""

from collections.abc import Sequence
from typing import NamedTuple

from jax import Array

from rnnjax.analysis.watch import watch
from rnnjax.cells.base import GatedCell, Params, State
from rnnjax.products import product

LOW, HIGH = 0.1, 0.9


class Saturation(NamedTuple):
    """Shares of a gate's units at either end; leaves `(time, *batch)`."""

    low: Array  # closed: below 0.1
    high: Array  # open: above 0.9


def gate_saturation(
    cell: GatedCell,
    params: Params,
    xs: Array,
    initial_state: State | None = None,
    *,
    lengths: Array | Sequence[int] | None = None,
) -> dict[str, Saturation]:
    """Return which share of each sigmoid gate is below 0.1 and above 0.9, at every step.

    The bounds are those of Karpathy, Johnson and Fei-Fei 2015 (arXiv:1506.02078).

    Args:
      cell: an `LSTM`, a `GRU`, or a gated cell of your own with `sigmoid_gates` and `gates`.
      params: its parameters.
      xs: inputs `(time, *batch, features)`.
      initial_state: the state before the first step; None is zeros.
      lengths: `(*batch,)`; beyond, shares are 0. See `rnnjax.unroll`.

    Returns:
      By the gate's name; i, f, o of an LSTM, r, z of a GRU.

    Raises:
      ValueError: `cell` has no gates, or what `unroll` raises.
    """
    if not getattr(cell, "sigmoid_gates", ()):
        raise ValueError(f"cell must have gates, as an LSTM or a GRU, and {cell!r} has none")

    def look(state: State, x: Array) -> dict[str, Saturation]:
        dtype = cell.compute_dtype(params, x)
        g_h = product(state.h, params["w_h"], dtype)
        own = cell.own(params, x.ndim, dtype)
        gates = cell.gates(cell.project(params, x), g_h, state, **own)
        shares = {}
        for name in cell.sigmoid_gates:
            gate = getattr(gates, name)
            shares[name] = Saturation((gate < LOW).mean(axis=-1), (gate > HIGH).mean(axis=-1))
        return shares

    return watch(cell, look, params, xs, initial_state, lengths)
