"""Equations of cells as cells of Flax Linen, as a user writes them for `nn.RNN`.

Parameters have the names and shapes of rnnjax's, so that both compute with the same weights.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jax.nn import sigmoid

Params = dict[str, Array]
# Takes parameters, the state's leaves and an input; returns the new leaves and the output.
Step = Callable[[Params, Any, Array], tuple[Any, Array]]


class Equation(nn.RNNCellBase):
    """The cell of Flax for a cell of rnnjax."""

    cell: Any

    @nn.compact
    def __call__(self, carry: Any, inputs: Array) -> tuple[Any, Array]:
        """Return the state after a step, and the output."""
        width = inputs.shape[-1]
        shapes = jax.eval_shape(lambda key: self.cell.init(key, width), jax.random.key(0))
        zeros = nn.initializers.zeros
        params = {n: self.param(n, zeros, s.shape, s.dtype) for n, s in shapes.items()}
        return EQUATIONS[type(self.cell).__name__](params, carry, inputs)

    def initialize_carry(self, rng: Array, input_shape: tuple[int, ...]) -> Any:
        """Return the state before the first step."""
        return tuple(self.cell.initial_state(input_shape[:-1]))

    @property
    def num_feature_axes(self) -> int:
        """The number of axes of the features."""
        return 1


def elman(p: Params, state: Any, x: Array) -> tuple[Any, Array]:
    """h' = tanh(x @ w_x + h @ w_h + b)."""
    (h,) = state
    h = jnp.tanh(x @ p["w_x"] + h @ p["w_h"] + p["b"])
    return (h,), h


def lstm(p: Params, state: Any, x: Array) -> tuple[Any, Array]:
    """Long short-term memory."""
    h, c = state
    i, f, g, o = jnp.split(x @ p["w_x"] + h @ p["w_h"] + p["b"], 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
    h = sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def gru(p: Params, state: Any, x: Array) -> tuple[Any, Array]:
    """Gated recurrent unit, reset after the product."""
    (h,) = state
    x_r, x_z, x_n = jnp.split(x @ p["w_x"] + p["b"], 3, -1)
    h_r, h_z, h_n = jnp.split(h @ p["w_h"], 3, -1)
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    n = jnp.tanh(x_n + r * (h_n + p["b_hn"]))
    h = (1 - z) * n + z * h
    return (h,), h


def indrnn(p: Params, state: Any, x: Array) -> tuple[Any, Array]:
    """Independently recurrent network with relu."""
    (h,) = state
    h = jax.nn.relu(x @ p["w_x"] + p["u"] * h + p["b"])
    return (h,), h


def rhn(p: Params, state: Any, x: Array) -> tuple[Any, Array]:
    """Recurrent highway network."""
    (s,) = state
    gates = x @ p["w_x"] + s @ p["w_h"] + p["b"]
    biases = p["b_r"].reshape(len(p["w_r"]), -1)
    for k in range(len(p["w_r"]) + 1):
        if k > 0:
            gates = s @ p["w_r"][k - 1] + biases[k - 1]
        g, t = jnp.split(gates, 2, -1)
        s = sigmoid(t) * jnp.tanh(g) + (1 - sigmoid(t)) * s
    return (s,), s


def mogrifier_lstm(p: Params, state: Any, x: Array) -> tuple[Any, Array]:
    """LSTM whose input and state scale each other first."""
    h, c = state
    for k in range(len(p["q"]) + len(p["r"])):
        if k % 2 == 0:
            x = 2 * sigmoid(h @ p["q"][k // 2]) * x
        else:
            h = 2 * sigmoid(x @ p["r"][k // 2]) * h
    return lstm(p, (h, c), x)


def slstm(p: Params, state: Any, x: Array) -> tuple[Any, Array]:
    """LSTM with exponential gates, of one head."""
    h, c, n, m = state
    i, f, z, o = jnp.split(x @ p["w_x"] + h @ p["w_h"] + p["b"], 4, -1)
    kept = jax.nn.log_sigmoid(f) + m
    m = jnp.maximum(kept, i)
    i, f = jnp.exp(i - m), jnp.exp(kept - m)
    c, n = f * c + i * jnp.tanh(z), f * n + i
    h = sigmoid(o) * c / n
    return (h, c, n, m), h


def peephole_lstm(p: Params, state: Any, x: Array) -> tuple[Any, Array]:
    """LSTM whose gates see c."""
    h, c = state
    i, f, g, o = jnp.split(x @ p["w_x"] + h @ p["w_h"] + p["b"], 4, -1)
    c = sigmoid(f + p["p_f"] * c) * c + sigmoid(i + p["p_i"] * c) * jnp.tanh(g)
    h = sigmoid(o + p["p_o"] * c) * jnp.tanh(c)
    return (h, c), h


def coupled_lstm(p: Params, state: Any, x: Array) -> tuple[Any, Array]:
    """LSTM that forgets as much as it writes."""
    h, c = state
    i, g, o = jnp.split(x @ p["w_x"] + h @ p["w_h"] + p["b"], 3, -1)
    c = (1 - sigmoid(i)) * c + sigmoid(i) * jnp.tanh(g)
    h = sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def normalized(a: Array) -> Array:
    """Layer normalisation without gain and bias."""
    return (a - a.mean(-1, keepdims=True)) / jnp.sqrt(a.var(-1, keepdims=True) + 1e-5)


def layer_norm_lstm(p: Params, state: Any, x: Array) -> tuple[Any, Array]:
    """LSTM with layer normalisation."""
    h, c = state
    a = p["gain_x"] * normalized(x @ p["w_x"]) + p["gain_h"] * normalized(h @ p["w_h"]) + p["b"]
    i, f, g, o = jnp.split(a, 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
    h = sigmoid(o) * jnp.tanh(p["gain_c"] * normalized(c) + p["b_c"])
    return (h, c), h


def layer_norm_gru(p: Params, state: Any, x: Array) -> tuple[Any, Array]:
    """GRU with layer normalisation, of r and z together."""
    (h,) = state

    def parts(a: Array, gain: Array) -> list[Array]:
        rz, n = jnp.split(a, [2 * h.shape[-1]], -1)
        return jnp.split(gain * jnp.concatenate([normalized(rz), normalized(n)], -1), 3, -1)

    b_r, b_z, b_n = jnp.split(p["b"], 3)
    x_r, x_z, x_n = parts(x @ p["w_x"], p["gain_x"])
    h_r, h_z, h_n = parts(h @ p["w_h"], p["gain_h"])
    r, z = sigmoid(x_r + b_r + h_r), sigmoid(x_z + b_z + h_z)
    n = jnp.tanh(x_n + b_n + r * (h_n + p["b_hn"]))
    h = (1 - z) * n + z * h
    return (h,), h


def mgu(p: Params, state: Any, x: Array) -> tuple[Any, Array]:
    """Minimal gated unit."""
    (h,) = state
    x_f, x_n = jnp.split(x @ p["w_x"] + p["b"], 2, -1)
    w_f, w_n = jnp.split(p["w_h"], 2, -1)
    f = sigmoid(x_f + h @ w_f)
    h = (1 - f) * h + f * jnp.tanh(x_n + (f * h) @ w_n)
    return (h,), h


def ugrnn(p: Params, state: Any, x: Array) -> tuple[Any, Array]:
    """Update gate network."""
    (h,) = state
    g, c = jnp.split(x @ p["w_x"] + h @ p["w_h"] + p["b"], 2, -1)
    h = sigmoid(g) * h + (1 - sigmoid(g)) * jnp.tanh(c)
    return (h,), h


EQUATIONS: dict[str, Step] = {
    "Elman": elman,
    "LSTM": lstm,
    "GRU": gru,
    "IndRNN": indrnn,
    "RHN": rhn,
    "MogrifierLSTM": mogrifier_lstm,
    "SLSTM": slstm,
    "PeepholeLSTM": peephole_lstm,
    "CoupledLSTM": coupled_lstm,
    "LayerNormLSTM": layer_norm_lstm,
    "LayerNormGRU": layer_norm_gru,
    "MGU": mgu,
    "UGRNN": ugrnn,
}
