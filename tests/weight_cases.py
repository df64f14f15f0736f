"""The cores whose weights `peer_layers` has, and random parameters for them."""

from functools import partial

import jax
import numpy as np

import rnnjax as rx

RNG = np.random.default_rng(3)
# Library -> its layers by the names of `peer_layers`
CORES = {
    "torch": {
        "lstm": rx.LSTM(4),
        "gru": rx.GRU(4),
        "rnn_tanh": rx.Elman(4),
        "rnn_relu": rx.Elman(4, activation="relu"),
        "projected": rx.ProjectedLSTM(4, projection_size=2),
        "lstm_without_bias": rx.LSTM(4, use_bias=False),
        "gru_deep": rx.Stack((rx.Bidirectional(rx.GRU(4)),) * 2),
        "projected_deep": rx.Stack(
            (rx.Bidirectional(rx.ProjectedLSTM(4, projection_size=3, use_bias=False)),) * 3
        ),
    },
    "keras": {
        "lstm": rx.LSTM(4),
        "gru": rx.GRU(4),
        "gru_before": rx.GRU(4, reset_after=False),
        "simple_rnn": rx.Elman(4),
        "simple_rnn_relu": rx.Elman(4, activation="relu"),
        "gru_without_bias": rx.GRU(4, use_bias=False),
        "bidirectional": rx.Bidirectional(rx.LSTM(4)),
        "deep": rx.Stack(
            (
                rx.Bidirectional(rx.GRU(4)),
                rx.LSTM(4),
                rx.Bidirectional(rx.Elman(4, use_bias=False)),
            )
        ),
    },
    "linen": {
        "lstm": rx.LSTM(4),
        "optimized_lstm": rx.LSTM(4),
        "gru": rx.GRU(4),
        "simple": rx.Elman(4),
        "simple_relu": rx.Elman(4, activation="relu"),
        "bidirectional": rx.Bidirectional(rx.LSTM(4)),
        "deep": rx.Stack((rx.Bidirectional(rx.GRU(4)), rx.LSTM(4))),
    },
    "nnx": {
        "lstm": rx.LSTM(4),
        "optimized_lstm": rx.LSTM(4),
        "gru": rx.GRU(4),
        "simple": rx.Elman(4),
        "simple_relu": rx.Elman(4, activation="relu"),
        "bidirectional": rx.Bidirectional(rx.GRU(4)),
    },
    "haiku": {
        "lstm": rx.LSTM(4),
        "gru": rx.GRU(4, reset_after=False),
        "vanilla_rnn": rx.Elman(4, activation="relu"),
        "deep": rx.Stack((rx.LSTM(4),) * 3),
    },
    "equinox": {
        "lstm": rx.LSTM(4),
        "gru": rx.GRU(4),
        "gru_without_bias": rx.GRU(4, use_bias=False),
    },
}
LAYERS = [(library, name) for library, cores in CORES.items() for name in cores]


@partial(jax.jit, static_argnums=0)
def outputs(core, params, xs):
    """Return the outputs of a core; it is compiled once for all libraries that have it."""
    return rx.unroll(core, params, xs)[1]


def untold(library, cell):
    """Return the arguments of `load` that the weights of a cell do not tell."""
    if library == "haiku" or not isinstance(cell, rx.Elman):
        return {}
    return {"activation": cell.activation}


def random_params(core, input_size, dtype=np.float32):
    """Return parameters for a core as numpy arrays, without compiling anything."""
    if isinstance(core, rx.Stack):
        params = {}
        for i, layer in enumerate(core.layers):
            params[f"layer_{i}"] = random_params(layer, input_size, dtype)
            input_size = layer.output_size
        return params
    if isinstance(core, rx.Bidirectional):
        cores = {"forward": core.core, "backward": core.backward or core.core}
        return {way: random_params(cell, input_size, dtype) for way, cell in cores.items()}
    shapes = core.param_shapes(input_size)
    return {name: RNG.normal(size=shape).astype(dtype) for name, shape in shapes.items()}


def without_recurrent_bias(params):
    """Return parameters in which the `b_hn` of each GRU is 0, as Flax NNX has none."""

    def part(path, array):
        return 0 * array if path[-1].key == "b_hn" else array

    return jax.tree_util.tree_map_with_path(part, params)
