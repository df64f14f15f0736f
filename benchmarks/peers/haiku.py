"""Haiku: `hk.dynamic_unroll` over its cores."""

from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases import LayerCase, Unsupported
from benchmarks.peers.through_jax import layer_programs, only
from benchmarks.program import Program
from benchmarks.reference import make_work


def layer(case: LayerCase) -> tuple[dict[str, Program], dict[str, float]]:
    """Return the case's programs, checked. Its GRU resets before the product."""
    only(case, "haiku")
    if case.cell == "Elman":
        raise Unsupported("haiku: its simple core uses relu, not tanh")
    if case.dtype == "bfloat16":
        raise Unsupported("haiku: bfloat16 is not compared")
    core = {"LSTM": hk.LSTM, "GRU": hk.GRU}[case.cell]
    work = make_work(case, recurrent_bias=False)

    def run(xs: jax.Array) -> jax.Array:
        rnn = core(case.width)
        return hk.dynamic_unroll(rnn, xs, rnn.initial_state(xs.shape[1]))[0]

    transformed = hk.without_apply_rng(hk.transform(run))
    shapes = jax.eval_shape(transformed.init, jax.random.key(0), jnp.asarray(work.xs))
    params = _params(case.cell, work.weights[0][0])
    names = jax.tree.structure(shapes)
    params = jax.tree.unflatten(names, [params[k] for m in shapes.values() for k in sorted(m)])
    return layer_programs(case, work, transformed.apply, params, reset_after=False)


def _params(cell: str, w: dict[str, Any]) -> dict[str, Any]:
    if cell == "LSTM":  # one kernel for input and state; gates i, g, f, o; 1 is added to f
        kernel, bias = np.concatenate([w["w_x"], w["w_h"]]), w["b"]
        (ki, kf, kg, ko), (bi, bf, bg, bo) = np.split(kernel, 4, -1), np.split(bias, 4)
        return {
            "w": np.concatenate([ki, kg, kf, ko], -1),
            "b": np.concatenate([bi, bg, bf - 1, bo]),
        }

    # Gates z, r, a, and h' = (1 - z) h + z a: its z is one minus ours.
    def turned(matrix: Any) -> Any:
        r, z, n = np.split(matrix, 3, -1)
        return np.concatenate([-z, r, n], -1)

    return {"b": turned(w["b"]), "w_h": turned(w["w_h"]), "w_i": turned(w["w_x"])}
