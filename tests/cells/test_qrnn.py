"""Quasi-recurrent networks: their equations, options, initial values and errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import random_inputs, random_params
from published import assert_published, directions

import rnnjax as rx
from rnnjax.analysis import gate_saturation

KEY = jax.random.key(0)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def published(cell, p, state, x):
    g = x @ p["w_x"] + p["b"] + (state.before if cell.width == 2 else 0)
    z, *gates = np.split(g, cell.num_gates)
    gates = {name: sigmoid(g) for name, g in zip(cell.pooling, gates, strict=True)}
    h = gates["f"] * state.h + gates.get("i", 1 - gates["f"]) * np.tanh(z)
    leaves = (h, x @ p["w_p"]) if cell.width == 2 else (h,)
    return leaves, gates.get("o", 1) * h


@directions
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("width", "pooling"), [(2, "fo"), (1, "ifo"), pytest.param(2, "f", marks=pytest.mark.full)]
)
def test_equation(width, pooling, reverse):
    cell = rx.QRNN(4, width, pooling)
    assert_published(cell, lambda *args: published(cell, *args), reverse=reverse)


@pytest.mark.usefixtures("x64")
def test_the_gates_are_a_convolution():
    cell = rx.QRNN(4)
    params = random_params(cell, 3)
    xs = random_inputs(6, (), 3)
    kernel = jnp.stack([params["w_p"], params["w_x"]])  # width, input, output
    padded = jnp.pad(xs, ((1, 0), (0, 0)))[None]
    axes = ("NWC", "WIO", "NWC")
    g = jax.lax.conv_general_dilated(padded, kernel, (1,), "VALID", dimension_numbers=axes)
    z, f, o = jnp.split(g[0] + params["b"][None], 3, -1)
    f, h, want = jax.nn.sigmoid(f), jnp.zeros(4), []
    for t in range(6):
        h = f[t] * h + (1 - f[t]) * jnp.tanh(z[t])
        want.append(jax.nn.sigmoid(o[t]) * h)
    np.testing.assert_allclose(rx.unroll(cell, params, xs)[1], np.stack(want), rtol=1e-6)


def test_gates_and_descriptions():
    cell = rx.QRNN(4, 1, "ifo")
    assert cell.gate_names == ("z", "i", "f", "o")
    assert cell.initial_state((2,))._fields == ("h",)
    shares = gate_saturation(rx.QRNN(4), rx.QRNN(4).init(KEY, 3), jnp.ones((5, 2, 3)))
    assert list(shares) == ["f", "o"]
    assert rx.QRNN(4) != rx.QRNN(4, pooling="f")
    assert hash(rx.QRNN(4)) == hash(rx.QRNN(4))
    for made in (cell, rx.QRNN(4, use_bias=False)):
        params = made.init(KEY, 3)
        assert {name: a.shape for name, a in params.items()} == made.param_shapes(3)
    assert not np.array_equal(params["w_x"], params["w_p"])
    with pytest.raises(ValueError, match="width must be one of 1, 2, got 3"):
        rx.QRNN(4, 3)
    with pytest.raises(ValueError, match="pooling must be one of 'f', 'fo', 'ifo', got 'of'"):
        rx.QRNN(4, pooling="of")
