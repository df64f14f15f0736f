"""minGRU and minLSTM: their equations, options and errors."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from published import assert_published, directions

import rnnjax as rx

KEY = jax.random.key(0)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def g(u):
    return np.where(u >= 0, u + 0.5, sigmoid(u))


def min_gru(p, state, x):
    z, n = np.split(x @ p["w_x"] + p["b"], 2)
    h = (1 - sigmoid(z)) * state.h + sigmoid(z) * n
    return (h,), h


def positive_min_lstm(p, state, x):
    f, i, n = np.split(x @ p["w_x"] + p["b"], 3)
    f, i = sigmoid(f), sigmoid(i)
    h = f / (f + i) * state.h + i / (f + i) * g(n)
    return (h,), h


@directions
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("cell", "step"),
    [(rx.MinGRU(4), min_gru), (rx.MinLSTM(4, positive=True), positive_min_lstm)],
)
def test_equation(cell, step, reverse):
    assert_published(cell, step, reverse=reverse)


def test_golden():
    """The minGRU of `minGRU-pytorch`, which is without biases and positive."""
    with np.load(Path(__file__).parents[1] / "golden" / "mingru.npz") as stored:
        golden = dict(stored)
    cell = rx.MinGRU(4, use_bias=False, positive=True)

    def run(params, xs, h0):
        _, ys = rx.unroll(cell, params, xs, rx.MinGRUState(h0))
        return (golden["out"] * ys).sum(), ys

    arguments = {"w_x": golden["w_x"]}, golden["xs"], golden["h0"]
    gradients, ys = jax.jit(jax.grad(run, (0, 1, 2), has_aux=True))(*arguments)
    np.testing.assert_allclose(ys, golden["ys"], rtol=1e-5, atol=1e-5)
    for got, name in zip(jax.tree.leaves(gradients), ("w_x", "xs", "h0"), strict=True):
        want = golden[f"d_{name}"]  # of logarithms in float32, which are less precise
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=5e-5)


def test_gates_that_are_both_closed_have_a_right_quotient():
    cell = rx.MinLSTM(1)
    params = {"w_x": jnp.zeros((1, 3)), "b": jnp.array([-200.0, -201.0, 1.0])}
    state, _ = cell.step(params, rx.MinGRUState(jnp.zeros(1)), jnp.zeros(1))
    np.testing.assert_allclose(state.h, 1 / (1 + np.e), rtol=1e-5)


def test_initial_values():
    params = rx.MinLSTM(4, forget_bias=2.0).init(KEY, 3)
    np.testing.assert_array_equal(params["b"], np.repeat([2.0, 0.0, 0.0], 4))
    low = rx.MinGRU(4, param_dtype="bfloat16", use_bias=False).init(KEY, 3)
    assert {name: a.dtype for name, a in low.items()} == {"w_x": jnp.dtype("bfloat16")}
