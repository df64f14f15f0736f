"""Recurrent layers of other libraries with random weights, and whole models of PyTorch.

A library is imported where its layers are made.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

os.environ["KERAS_BACKEND"] = "jax"  # Keras reads it at its first import
TIME, BATCH, FEATURES, HIDDEN = 5, 2, 3, 4
RNG = np.random.default_rng(0)
XS = np.random.default_rng(1).normal(size=(TIME, BATCH, FEATURES)).astype(np.float32)
TOKENS = np.random.default_rng(2).integers(0, 7, (TIME, BATCH))


@dataclass
class Layer:
    """A layer of a library."""

    weights: Callable[[], Any]  # as `load` takes them
    put: Callable[[Any], Any]  # takes them as `dump` returns them
    run: Callable[[np.ndarray], Any]  # (time, batch, features) in and out
    dump: dict[str, Any] = field(default_factory=dict)  # arguments of `dump`


def randomly(array):
    """Return other numbers in the shape of an array, none of them 0 or 1."""
    return RNG.normal(scale=0.7, size=np.shape(array)).astype(np.float32)


def torch_layers():
    import torch

    def layer(kind, **options):
        module = kind(FEATURES, HIDDEN, **options)
        for parameter in module.parameters():
            parameter.data = torch.from_numpy(randomly(parameter.detach()))

        def put(weights):
            module.load_state_dict({name: torch.from_numpy(a) for name, a in weights.items()})

        def run(xs):
            return module(torch.from_numpy(xs))[0].detach().numpy()

        return Layer(module.state_dict, put, run)

    lstm, gru, rnn = torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN
    return {
        "lstm": lambda: layer(lstm),
        "gru": lambda: layer(gru),
        "rnn_tanh": lambda: layer(rnn),
        "rnn_relu": lambda: layer(rnn, nonlinearity="relu"),
        "projected": lambda: layer(lstm, proj_size=2),
        "lstm_without_bias": lambda: layer(lstm, bias=False),
        "gru_deep": lambda: layer(gru, num_layers=2, bidirectional=True),
        "projected_deep": lambda: layer(
            lstm, proj_size=3, num_layers=3, bidirectional=True, bias=False
        ),
    }


def keras_layers():
    import keras

    def layer(*layers):
        xs = keras.Input((TIME, FEATURES))
        ys = xs
        for each in layers:
            ys = each(ys)
        model = keras.Model(xs, ys)
        model.set_weights([randomly(a) for a in model.get_weights()])
        single = len(layers) == 1

        def weights():
            found = [each.get_weights() for each in layers]
            return found[0] if single else found

        def put(weights):
            for each, arrays in zip(layers, [weights] if single else weights, strict=True):
                each.set_weights(arrays)

        def run(xs):
            return np.asarray(model(xs.swapaxes(0, 1))).swapaxes(0, 1)

        return Layer(weights, put, run)

    def make(kind, **options):
        return getattr(keras.layers, kind)(HIDDEN, return_sequences=True, **options)

    def both(kind, **options):
        return keras.layers.Bidirectional(make(kind, **options))

    return {
        "lstm": lambda: layer(make("LSTM")),
        "gru": lambda: layer(make("GRU")),
        "gru_before": lambda: layer(make("GRU", reset_after=False)),
        "simple_rnn": lambda: layer(make("SimpleRNN")),
        "simple_rnn_relu": lambda: layer(make("SimpleRNN", activation="relu")),
        "gru_without_bias": lambda: layer(make("GRU", use_bias=False)),
        "bidirectional": lambda: layer(both("LSTM")),
        "deep": lambda: layer(both("GRU"), make("LSTM"), both("SimpleRNN", use_bias=False)),
    }


def linen_layers():
    import flax.linen as nn

    def layer(*layers):
        held, xs = [], jnp.zeros((1, 1, FEATURES))
        for each in layers:
            xs, variables = jax.eval_shape(each.init_with_output, jax.random.key(0), xs)
            held.append(jax.tree.map(randomly, variables["params"]))
        single = len(layers) == 1

        def put(weights):
            held[:] = [weights] if single else weights

        def run(xs):
            for each, params in zip(layers, held, strict=True):
                xs = jax.jit(each.apply)({"params": params}, xs)
            return np.asarray(xs)

        return Layer(lambda: held[0] if single else held, put, run)

    def rnn(kind, **options):
        return nn.RNN(getattr(nn, kind)(HIDDEN, **options), time_major=True)

    def both(kind):
        return nn.Bidirectional(rnn(kind), rnn(kind), time_major=True)

    return {
        "lstm": lambda: layer(rnn("LSTMCell")),
        "optimized_lstm": lambda: layer(rnn("OptimizedLSTMCell")),
        "gru": lambda: layer(rnn("GRUCell")),
        "simple": lambda: layer(rnn("SimpleCell")),
        "simple_relu": lambda: layer(rnn("SimpleCell", activation_fn=nn.relu)),
        "bidirectional": lambda: layer(both("OptimizedLSTMCell")),
        "deep": lambda: layer(both("GRUCell"), rnn("LSTMCell")),
    }


def nnx_layers():
    from flax import nnx

    def layer(module, **dump):
        nnx.update(module, jax.tree.map(randomly, nnx.state(module, nnx.Param)))

        def put(weights):
            nnx.update(module, weights)

        def run(xs):
            return np.asarray(nnx.jit(lambda module, xs: module(xs))(module, xs))

        return Layer(lambda: nnx.state(module, nnx.Param), put, run, dump)

    def rnn(kind, **options):
        cell = getattr(nnx, kind)(FEATURES, HIDDEN, rngs=nnx.Rngs(0), **options)
        return nnx.RNN(cell, time_major=True, rngs=nnx.Rngs(0))

    def both(kind):
        return nnx.Bidirectional(rnn(kind), rnn(kind), time_major=True, rngs=nnx.Rngs(0))

    return {
        "lstm": lambda: layer(rnn("LSTMCell")),
        "optimized_lstm": lambda: layer(rnn("OptimizedLSTMCell"), optimized=True),
        "gru": lambda: layer(rnn("GRUCell")),
        "simple": lambda: layer(rnn("SimpleCell")),
        "simple_relu": lambda: layer(rnn("SimpleCell", activation_fn=nnx.relu)),
        "bidirectional": lambda: layer(both("GRUCell")),
    }


def haiku_layers():
    import haiku as hk

    def layer(make):
        def forward(xs):
            core = make()
            return hk.dynamic_unroll(core, xs, core.initial_state(xs.shape[1]))[0]

        transformed = hk.without_apply_rng(hk.transform(forward))
        shapes = jax.eval_shape(transformed.init, jax.random.key(0), jnp.asarray(XS))
        held = [jax.tree.map(randomly, shapes)]

        def put(weights):
            held[0] = weights

        return Layer(lambda: held[0], put, lambda xs: jax.jit(transformed.apply)(held[0], xs))

    return {
        "lstm": lambda: layer(lambda: hk.LSTM(HIDDEN)),
        "gru": lambda: layer(lambda: hk.GRU(HIDDEN)),
        "vanilla_rnn": lambda: layer(lambda: hk.VanillaRNN(HIDDEN)),
        "deep": lambda: layer(lambda: hk.DeepRNN([hk.LSTM(HIDDEN) for _ in range(3)])),
    }


def equinox_layers():
    import equinox as eqx

    def layer(kind, **options):
        cell = kind(FEATURES, HIDDEN, key=jax.random.key(0), **options)
        held = [jax.tree.map(randomly, cell)]

        def put(weights):
            def where(cell):
                return [getattr(cell, name) for name in weights]

            held[0] = eqx.tree_at(where, cell, [jnp.asarray(a) for a in weights.values()])

        def run(xs):
            def step(state, x):
                state = jax.vmap(held[0])(x, state)
                return state, state[0] if kind is eqx.nn.LSTMCell else state

            zero = jnp.zeros((xs.shape[1], HIDDEN))
            start = (zero, zero) if kind is eqx.nn.LSTMCell else zero
            return np.asarray(jax.lax.scan(step, start, jnp.asarray(xs))[1])

        return Layer(lambda: held[0], put, run)

    return {
        "lstm": lambda: layer(eqx.nn.LSTMCell),
        "gru": lambda: layer(eqx.nn.GRUCell),
        "gru_without_bias": lambda: layer(eqx.nn.GRUCell, use_bias=False),
    }


# Room of rnnjax.interop -> (the module that it needs here, its layers)
LIBRARIES = {
    "torch": ("torch", torch_layers),
    "keras": ("keras", keras_layers),
    "linen": ("flax", linen_layers),
    "nnx": ("flax", nnx_layers),
    "haiku": ("haiku", haiku_layers),
    "equinox": ("equinox", equinox_layers),
}


def layers_of(library):
    """Return functions that make the layers of a library, by name."""
    RNG.bit_generator.state = np.random.default_rng(0).bit_generator.state
    return LIBRARIES[library][1]()


def language_models():
    """Return models in the layout of pytorch/examples, word_language_model, by name."""
    import torch

    RNG.bit_generator.state = np.random.default_rng(0).bit_generator.state

    class RNNModel(torch.nn.Module):
        def __init__(self, kind, tied, **options):
            super().__init__()
            self.encoder = torch.nn.Embedding(7, HIDDEN if tied else FEATURES)
            width = self.encoder.embedding_dim
            self.rnn = kind(width, HIDDEN, num_layers=2, **options)
            self.decoder = torch.nn.Linear(HIDDEN, 7)
            for parameter in self.parameters():
                parameter.data = torch.from_numpy(randomly(parameter.detach()))
            if tied:
                self.decoder.weight = self.encoder.weight

        def forward(self, tokens):  # (time, batch)
            return self.decoder(self.rnn(self.encoder(tokens))[0])

    return {
        "lstm": RNNModel(torch.nn.LSTM, tied=False),
        "gru_tied": RNNModel(torch.nn.GRU, tied=True),
        "rnn_relu": RNNModel(torch.nn.RNN, tied=False, nonlinearity="relu"),
    }
