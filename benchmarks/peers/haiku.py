"""Haiku: `hk.dynamic_unroll` over its cores."""

import haiku as hk
import jax

import rnnjax as rx
from benchmarks.cases import LayerCase, Unsupported
from benchmarks.peers.ours import core_of, params_of
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
    weights, ours = params_of(work.weights), core_of(case)
    if case.cell == "GRU":
        ours, weights = rx.GRU(case.width, reset_after=False), {**weights}
        del weights["b_hn"]
    params = rx.interop.haiku.dump(ours, weights)
    return layer_programs(case, work, transformed.apply, params, reset_after=False)
