"""Flax NNX: `nnx.RNN` with its fastest cell."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from benchmarks.cases import LayerCase
from benchmarks.peers.through_jax import layer_programs, only
from benchmarks.program import Program
from benchmarks.reference import make_work


def layer(case: LayerCase) -> tuple[dict[str, Program], dict[str, float]]:
    """Return the case's programs, checked. Its GRU has no b_hn, so it is 0 here."""
    only(case, "flax-nnx")
    work = make_work(case, recurrent_bias=False)
    dtype = jnp.bfloat16 if case.dtype == "bfloat16" else None
    kinds = {"LSTM": nnx.OptimizedLSTMCell, "GRU": nnx.GRUCell, "Elman": nnx.SimpleCell}
    cell: Any = kinds[case.cell](case.width, case.width, dtype=dtype, rngs=nnx.Rngs(0))
    _fill(case.cell, cell, work.weights[0][0])
    graph, params, *rest = nnx.split(nnx.RNN(cell, time_major=True), nnx.Param, ...)

    def apply(params: Any, xs: jax.Array) -> jax.Array:
        fresh = jax.tree.map(jnp.asarray, rest)  # running it changes its random state
        return nnx.merge(graph, params, *fresh)(xs)

    return layer_programs(case, work, apply, params)


def _fill(kind: str, cell: Any, w: dict[str, Any]) -> None:
    """Give a cell its weights."""
    at_h = kind == "LSTM"  # where the bias is
    _set(cell.dense_i, {"kernel": w["w_x"]} | ({} if at_h else {"bias": w["b"]}))
    _set(cell.dense_h, {"kernel": w["w_h"]} | ({"bias": w["b"]} if at_h else {}))


def _set(dense: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        getattr(dense, name).set_value(jnp.asarray(value))
