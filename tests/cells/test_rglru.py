"""The real-gated linear recurrent unit: its equation, Google's numbers, initial values, errors."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import assert_close
from published import assert_published, directions

import rnnjax as rx

KEY = jax.random.key(0)
CELL = rx.RGLRU(4, heads=2)
GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "recurrentgemma_rglru.npz")


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def published(p, state, x):
    u = x @ p["w_x"] + p["b"]
    r, i = (
        sigmoid(np.concatenate([u[:2] @ w[0], u[2:] @ w[1]]) + b)
        for w, b in ((p["w_r"], p["b_r"]), (p["w_i"], p["b_i"]))
    )
    a = np.exp(-8 * r * np.log1p(np.exp(p["decay"])))
    scale = (1 - state.before) + state.before * np.sqrt(1 - a**2)
    h = a * state.h + scale * i * u
    return (h, np.ones(1)), h


@directions
@pytest.mark.usefixtures("x64")
def test_equation(reverse):
    assert_published(CELL, published, reverse=reverse)


def test_numbers_of_recurrentgemma():
    cell = rx.RGLRU(8, heads=2)
    params = {name: jnp.asarray(GOLDEN[name]) for name in cell.own_shapes()}
    params |= {"w_x": jnp.eye(8), "b": jnp.zeros(8)}
    fresh = GOLDEN["positions"] == 0

    def run(params, xs, h0):
        state = rx.RGLRUState(h0, jnp.ones((3, 1)))
        final, ys = rx.unroll(cell, params, xs, state, resets=fresh)
        return (GOLDEN["out"] * jnp.concatenate([ys, final.h[None]])).sum(), (ys, final.h)

    grad = jax.jit(jax.grad(run, (0, 1, 2), has_aux=True))
    gradients, results = grad(params, GOLDEN["xs"], GOLDEN["h0"])
    assert_close(results, (GOLDEN["ys"], GOLDEN["h"]), 1e-5, 1e-5)
    d_params, d_xs, d_h0 = gradients
    assert_close((d_xs, d_h0), (GOLDEN["d_xs"], GOLDEN["d_h0"]), 1e-4, 1e-5)
    for name in cell.own_shapes():
        assert_close(d_params[name], GOLDEN[f"d_{name}"], 1e-4, 1e-5)


def test_the_derivative_is_finite_where_nothing_decays():
    params = {**CELL.init(KEY, 3), "decay": jnp.full(4, -200.0)}  # a = 1

    @partial(jax.jit, static_argnums=0)
    def gradient(kind, params):
        given = {"implementation": kind}
        return jax.grad(lambda p: rx.unroll(CELL, p, jnp.ones((5, 2, 3)), **given)[1].sum())(params)

    for kind in ("scan", "associative"):
        assert all(np.isfinite(a).all() for a in gradient(kind, params).values())


def test_initial_values():
    cell = rx.RGLRU(2000, heads=40)
    params = cell.init(KEY, 5)
    assert {name: a.shape for name, a in params.items()} == cell.param_shapes(5)
    slowest = np.exp(-8 * jax.nn.softplus(params["decay"]))
    np.testing.assert_allclose([slowest.min(), slowest.max()], [0.9, 0.999], atol=1e-3)
    np.testing.assert_allclose(slowest.mean(), (0.9 + 0.999) / 2, atol=2e-3)
    np.testing.assert_allclose(params["w_x"].var(), 1 / 5, rtol=0.1)
    np.testing.assert_allclose([params["w_r"].var(), params["w_i"].var()], 1 / 50, rtol=0.1)
    assert not np.array_equal(params["w_r"], params["w_i"])
    assert set(rx.RGLRU(4, use_bias=False).init(KEY, 3)) == {"w_x", "w_r", "w_i", "decay"}


def test_bad_description():
    with pytest.raises(ValueError, match="heads must divide hidden_size 4, got 3"):
        rx.RGLRU(4, heads=3)
    with pytest.raises(ValueError, match="heads must be an integer of at least 1, got 0"):
        rx.RGLRU(4, heads=0)
    with pytest.raises(ValueError, match=r"w_r must have shape \(2, 2, 2\), got \(1, 4, 4\)"):
        CELL.step(rx.RGLRU(4).init(KEY, 3), CELL.initial_state(), jnp.ones(3))
