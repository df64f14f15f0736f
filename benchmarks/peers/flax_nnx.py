"""Flax NNX: `nnx.RNN` with its fastest cell."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

import rnnjax as rx
from benchmarks.cases import LayerCase
from benchmarks.peers.ours import core_of, params_of
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
    rnn = nnx.RNN(cell, time_major=True)
    nnx.update(rnn, rx.interop.nnx.dump(core_of(case), params_of(work.weights), optimized=True))
    graph, params, *rest = nnx.split(rnn, nnx.Param, ...)

    def apply(params: Any, xs: jax.Array) -> jax.Array:
        fresh = jax.tree.map(jnp.asarray, rest)  # running it changes its random state
        return nnx.merge(graph, params, *fresh)(xs)

    return layer_programs(case, work, apply, params)
