"""Write the golden file of convolutional LSTMs: of Haiku, Flax Linen and Keras.

    python3.11 -m venv /tmp/peers
    /tmp/peers/bin/pip install jax==0.10.2 dm-haiku==0.0.17 flax==0.12.8 keras==3.15.1
    KERAS_BACKEND=jax /tmp/peers/bin/python tests/golden/make_convolution_golden.py

For each layer, `convolution.npz` holds the inputs "LAYER/xs" `(time, batch, *image, channels)`, the
weights "LAYER/w_x", "LAYER/w_h" and "LAYER/b" as rnnjax has them, and the outputs "LAYER/ys".
"""

from pathlib import Path

import flax.linen as nn
import haiku as hk
import jax
import keras
import numpy as np

TIME, BATCH, CHANNELS, HIDDEN = 4, 2, 2, 3
RNG = np.random.default_rng(0)


def draw(*shape, scale=1.0):
    return (scale * RNG.normal(size=shape)).astype(np.float32)


def redrawn(tree):
    """Return weights in which the biases count too."""
    return jax.tree.map(lambda a: draw(*a.shape, scale=0.4), tree)


def ours(w_x, w_h, bias):
    """Return weights of gates i, g, f, o, whose forget gate adds 1, as rnnjax has them."""

    def reorder(a):
        i, g, f, o = np.split(np.asarray(a), 4, -1)
        return np.concatenate([i, f, g, o], -1)

    b = reorder(bias)
    b[HIDDEN : 2 * HIDDEN] += 1
    return {"w_x": reorder(w_x), "w_h": reorder(w_h), "b": b}


def of_haiku(layer, image, kernel):
    @hk.without_apply_rng
    @hk.transform
    def run(xs):
        core = getattr(hk, layer)(input_shape=image, output_channels=HIDDEN, kernel_shape=kernel)
        return hk.dynamic_unroll(core, xs, core.initial_state(BATCH))[0]

    xs = draw(TIME, BATCH, *image, CHANNELS)
    params = redrawn(run.init(jax.random.key(0), xs))
    names = "input_to_hidden", "hidden_to_hidden"
    x, h = (next(p for path, p in params.items() if path.endswith(name)) for name in names)
    return {"xs": xs, "ys": run.apply(params, xs), **ours(x["w"], h["w"], x["b"] + h["b"])}


def of_linen(image, kernel):
    xs = draw(TIME, BATCH, *image, CHANNELS)
    rnn = nn.RNN(nn.ConvLSTMCell(HIDDEN, kernel))
    params = redrawn(rnn.init(jax.random.key(0), xs.swapaxes(0, 1)))
    ys = rnn.apply(params, xs.swapaxes(0, 1)).swapaxes(0, 1)
    x, h = (params["params"]["cell"][name] for name in ("ih", "hh"))
    return {"xs": xs, "ys": ys, **ours(x["kernel"], h["kernel"], x["bias"] + h["bias"])}


def of_keras(layer, image, kernel):
    xs = draw(TIME, BATCH, *image, CHANNELS)
    made = getattr(keras.layers, layer)(HIDDEN, kernel, padding="same", return_sequences=True)
    made.build((BATCH, TIME, *image, CHANNELS))
    made.set_weights(redrawn(made.get_weights()))
    ys = np.asarray(made(xs.swapaxes(0, 1))).swapaxes(0, 1)
    return {"xs": xs, "ys": ys, **dict(zip(("w_x", "w_h", "b"), made.get_weights(), strict=True))}


if __name__ == "__main__":
    layers = {
        "haiku_2d": of_haiku("Conv2DLSTM", (4, 3), (3, 3)),
        "haiku_3d": of_haiku("Conv3DLSTM", (3, 2, 3), (2, 3, 1)),
        "linen_2d": of_linen((4, 5), (2, 3)),
        "keras_1d": of_keras("ConvLSTM1D", (5,), (3,)),
        "keras_2d": of_keras("ConvLSTM2D", (4, 3), (3, 5)),
    }
    arrays = {f"{n}/{key}": np.asarray(a) for n, each in layers.items() for key, a in each.items()}
    np.savez_compressed(Path(__file__).with_name("convolution.npz"), **arrays)
