"""Keras 3 on JAX: its layers, called as pure functions, batch first as in Keras."""

import os
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"  # Keras reads it only at its first import

import jax
import keras

import rnnjax as rx
from benchmarks.cases import LayerCase, Unsupported
from benchmarks.peers.ours import core_of, params_of
from benchmarks.peers.through_jax import layer_programs, only
from benchmarks.program import Program
from benchmarks.reference import make_work


def layer(case: LayerCase) -> tuple[dict[str, Program], dict[str, float]]:
    """Return the case's programs, checked."""
    only(case, "keras")
    if case.dtype == "bfloat16":
        raise Unsupported("keras: bfloat16 is not compared")
    work = make_work(case)
    kind = {"LSTM": keras.layers.LSTM, "GRU": keras.layers.GRU, "Elman": keras.layers.SimpleRNN}
    rnn = kind[case.cell](case.width, return_sequences=True)
    rnn.build((case.batch, case.time, case.width))
    fixed = [v.value for v in rnn.non_trainable_variables]

    def apply(params: Any, xs: jax.Array) -> jax.Array:
        return rnn.stateless_call(params, fixed, xs)[0]

    params = rx.interop.keras.dump(core_of(case), params_of(work.weights))
    return layer_programs(case, work, apply, params, batch_first=True)
