"""Keras 3 on JAX: its layers, called as pure functions, batch first as in Keras."""

import os
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"  # Keras reads it only at its first import

import jax
import keras
import numpy as np

from benchmarks.cases import LayerCase, Unsupported
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

    params = _params(case.cell, work.weights[0][0])
    return layer_programs(case, work, apply, params, batch_first=True)


def _params(cell: str, w: dict[str, Any]) -> list[Any]:
    """Return kernel, recurrent kernel and bias; the GRU's gates are z, r, n, with two biases."""
    if cell != "GRU":
        return [w["w_x"], w["w_h"], w["b"]]

    def turned(matrix: Any) -> Any:
        r, z, n = np.split(matrix, 3, -1)
        return np.concatenate([z, r, n], -1)

    recurrent = np.concatenate([np.zeros(2 * len(w["b_hn"]), np.float32), w["b_hn"]])
    return [turned(w["w_x"]), turned(w["w_h"]), np.stack([turned(w["b"]), recurrent])]
