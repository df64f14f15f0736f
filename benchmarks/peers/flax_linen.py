"""Flax Linen: `nn.RNN` with its fastest cell."""

from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp

import rnnjax as rx
from benchmarks.cases import LayerCase
from benchmarks.peers.ours import core_of, params_of
from benchmarks.peers.through_jax import layer_programs, only
from benchmarks.program import Program
from benchmarks.reference import make_work


def cell_of(cell: str, width: int, dtype: Any = None) -> Any:
    """Return the fastest cell of a kind."""
    kinds = {"LSTM": nn.OptimizedLSTMCell, "GRU": nn.GRUCell, "Elman": nn.SimpleCell}
    return kinds[cell](width, dtype=dtype)


def cell_params(cell: str, w: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a cell of a kind."""
    return rx.interop.linen.dump(getattr(rx, cell)(len(w["w_h"])), w)["cell"]


def layer(case: LayerCase) -> tuple[dict[str, Program], dict[str, float]]:
    """Return the case's programs, checked."""
    only(case, "flax-linen", "bidirectional", "lengths", "layers", "reverse")
    work = make_work(case)
    lengths = None if work.lengths is None else jnp.asarray(work.lengths)
    dtype = jnp.bfloat16 if case.dtype == "bfloat16" else None

    def module(reverse: bool) -> Any:
        cell = cell_of(case.cell, case.width, dtype)
        return nn.RNN(cell, time_major=True, reverse=reverse, keep_order=reverse)

    if case.bidirectional:
        layers = [nn.Bidirectional(module(False), module(False), time_major=True)] * case.layers
    else:
        layers = [module(case.reverse)] * case.layers
    dumped = rx.interop.linen.dump(core_of(case), params_of(work.weights))
    params = [{"params": each} for each in (dumped if case.layers > 1 else [dumped])]

    def apply(params: Any, xs: jax.Array) -> jax.Array:
        for rnn, variables in zip(layers, params, strict=True):
            xs = cast(jax.Array, rnn.apply(variables, xs, seq_lengths=lengths))
        return xs

    return layer_programs(case, work, apply, params)
