"""Flax Linen: `nn.RNN` with its fastest cell."""

from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases import LayerCase
from benchmarks.peers.through_jax import layer_programs, only
from benchmarks.program import Program
from benchmarks.reference import make_work


def cell_of(cell: str, width: int, dtype: Any = None) -> Any:
    """Return the fastest cell of a kind."""
    kinds = {"LSTM": nn.OptimizedLSTMCell, "GRU": nn.GRUCell, "Elman": nn.SimpleCell}
    return kinds[cell](width, dtype=dtype)


def cell_params(cell: str, w: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a cell: one dense layer per gate, named i or h and the gate."""
    if cell == "Elman":
        return {"i": {"kernel": w["w_x"], "bias": w["b"]}, "h": {"kernel": w["w_h"]}}
    gates = {"LSTM": "ifgo", "GRU": "rzn"}[cell]
    cut = {name: np.split(w[name], len(gates), -1) for name in ("w_x", "w_h", "b")}
    x_bias = cell == "GRU"  # the LSTM has its bias at h, the GRU at x (and b_hn at h)
    params: dict[str, Any] = {}
    for k, gate in enumerate(gates):
        params[f"i{gate}"] = {"kernel": cut["w_x"][k]} | ({"bias": cut["b"][k]} if x_bias else {})
        params[f"h{gate}"] = {"kernel": cut["w_h"][k]} | ({} if x_bias else {"bias": cut["b"][k]})
    if x_bias:
        params["hn"]["bias"] = w["b_hn"]
    return params


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
    one = [[{"params": {"cell": cell_params(case.cell, w)}} for w in ws] for ws in work.weights]
    params = [_join(module, ws) for module, ws in zip(layers, one, strict=True)]

    def apply(params: Any, xs: jax.Array) -> jax.Array:
        for rnn, variables in zip(layers, params, strict=True):
            xs = cast(jax.Array, rnn.apply(variables, xs, seq_lengths=lengths))
        return xs

    return layer_programs(case, work, apply, params)


def _join(module: Any, weights: list[Any]) -> Any:
    """Return the variables of a layer, given those of its directions."""
    if len(weights) == 1:
        return weights[0]
    parts = [w["params"] for w in weights]
    return {"params": {"forward_rnn": parts[0], "backward_rnn": parts[1]}}
