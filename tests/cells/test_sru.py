"""The simple recurrent unit: its equation, ASAPP's numbers, initial values and errors."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import assert_close
from published import assert_published, directions

import rnnjax as rx

KEY = jax.random.key(0)
GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "sru.npz")


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def published(p, state, x):
    n, f, r = np.split(x @ p["w_x"] + p["b"], 3)
    h = sigmoid(f) * state.h + (1 - sigmoid(f)) * n
    skip = x @ p["w_d"] if "w_d" in p else x
    return (h,), sigmoid(r) * np.tanh(h) + (1 - sigmoid(r)) * skip


@directions
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("hidden", [4, pytest.param(3, marks=pytest.mark.full)])
def test_equation(hidden, reverse):
    assert_published(rx.SRU(hidden), published, reverse=reverse)


@pytest.mark.parametrize(("name", "activation"), [("same", "tanh"), ("other", "identity")])
def test_numbers_of_asapp(name, activation):
    cell = rx.SRU(4, activation)
    golden = {key.split("/")[1]: GOLDEN[key] for key in GOLDEN if key.startswith(name)}
    params = {key: jnp.asarray(golden[key]) for key in ("w_x", "b", "w_d") if key in golden}

    def run(params, xs, h0):
        final, ys = rx.unroll(cell, params, xs, rx.SRUState(h0))
        return (golden["out"] * ys).sum(), (ys, final.h)

    grad = jax.jit(jax.grad(run, (0, 1, 2), has_aux=True))
    gradients, results = grad(params, golden["xs"], golden["h0"])
    assert_close(results, (golden["ys"], golden["h"]), 1e-5, 1e-6)
    d_params, d_xs, d_h0 = gradients
    assert_close((d_xs, d_h0), (golden["d_xs"], golden["d_h0"]), 1e-4, 1e-5)
    d_params["b"] = d_params["b"].at[:4].set(0.0)  # theirs has no bias there
    assert_close(d_params, {key: golden[f"d_{key}"] for key in params}, 1e-4, 1e-5)


def test_initial_values():
    cell = rx.SRU(500)
    params = cell.init(KEY, 20)
    assert {name: a.shape for name, a in params.items()} == cell.param_shapes(20)
    for name in ("w_x", "w_d"):
        np.testing.assert_allclose(np.abs(params[name]).max(), np.sqrt(3 / 20), rtol=1e-2)
    assert set(rx.SRU(4, use_bias=False).init(KEY, 4)) == {"w_x"}
    with pytest.raises(ValueError, match="one of 'tanh', 'identity', got 'relu'"):
        rx.SRU(4, "relu")
