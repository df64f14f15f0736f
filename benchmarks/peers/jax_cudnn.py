"""cuDNN's LSTM through `jax.experimental.rnn`: NVIDIA GPUs, float32 or TF32, batch first."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import rnn

from benchmarks.cases import LayerCase, Unsupported
from benchmarks.peers.through_jax import layer_programs, only
from benchmarks.program import Program
from benchmarks.reference import make_work


def layer(case: LayerCase) -> tuple[dict[str, Program], dict[str, float]]:
    """Return the case's programs, checked."""
    only(case, "jax-cudnn", "lengths")
    if jax.default_backend() != "gpu":
        raise Unsupported("jax-cudnn: needs an NVIDIA GPU")
    if case.cell != "LSTM" or case.dtype == "bfloat16":
        raise Unsupported("jax-cudnn: it only has an LSTM in float32")
    work, hidden, batch = make_work(case), case.width, case.batch
    w = work.weights[0][0]
    lengths = np.full(batch, case.time) if work.lengths is None else work.lengths
    steps = jnp.asarray(lengths, jnp.int32)
    flat = [w["w_x"].T.ravel(), w["w_h"].T.ravel(), w["b"], np.zeros_like(w["b"])]
    # None would be JAX's setting, of which "default" is refused there.
    names = jax.lax.Precision
    precision = names.HIGHEST if case.dtype == "float32" else names.HIGH  # TF32

    def apply(weights: Any, xs: jax.Array) -> jax.Array:
        zero = jnp.zeros((1, batch, hidden))
        return rnn.lstm(
            xs,
            zero,
            zero,
            weights,
            steps,
            input_size=hidden,
            hidden_size=hidden,
            num_layers=1,
            dropout=0.0,
            bidirectional=False,
            precision=precision,
        )[0]

    return layer_programs(case, work, apply, np.concatenate(flat), batch_first=True)
