"""Equinox: its cells in a scan, vmapped over the batch, as in its documentation."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

import rnnjax as rx
from benchmarks.cases import LayerCase, Unsupported
from benchmarks.peers.ours import core_of, params_of
from benchmarks.peers.through_jax import layer_programs, only
from benchmarks.program import Program
from benchmarks.reference import make_work


def layer(case: LayerCase) -> tuple[dict[str, Program], dict[str, float]]:
    """Return the case's programs, checked."""
    only(case, "equinox")
    if case.cell == "Elman":
        raise Unsupported("equinox: no simple recurrent cell")
    if case.dtype == "bfloat16":
        raise Unsupported("equinox: bfloat16 is not compared")
    work, hidden = make_work(case), case.width
    arrays = rx.interop.equinox.dump(core_of(case), params_of(work.weights))
    kind = {"LSTM": eqx.nn.LSTMCell, "GRU": eqx.nn.GRUCell}[case.cell]
    where: Any = lambda cell: [getattr(cell, name) for name in arrays]  # noqa: E731
    cell = kind(hidden, hidden, key=jax.random.key(0))
    cell = eqx.tree_at(where, cell, [jnp.asarray(array) for array in arrays.values()])
    params, static = eqx.partition(cell, eqx.is_array)

    def apply(params: Any, xs: jax.Array) -> jax.Array:
        cell = eqx.combine(params, static)

        def body(state: Any, x: jax.Array) -> Any:
            state = jax.vmap(cell)(x, state)
            return state, state[0] if case.cell == "LSTM" else state

        zero = jnp.zeros((xs.shape[1], hidden))
        return jax.lax.scan(body, (zero, zero) if case.cell == "LSTM" else zero, xs)[1]

    return layer_programs(case, work, apply, params)
