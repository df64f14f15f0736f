"""The LSTM with a recurrent projection: its equation, initial values and errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from published import assert_published, directions

import rnnjax as rx

CELL = rx.ProjectedLSTM(4, projection_size=2)
KEY = jax.random.key(0)


def published(p, state, x):
    i, f, g, o = np.split(x @ p["w_x"] + p["b"] + state.h @ p["w_h"], 4, -1)
    i, f, o = (1 / (1 + np.exp(-a)) for a in (i, f, o))
    c = f * state.c + i * np.tanh(g)
    h = (o * np.tanh(c)) @ p["w_r"]
    return (h, c), h


@directions
@pytest.mark.usefixtures("x64")
def test_equation(reverse):
    assert_published(CELL, published, reverse=reverse)


def test_initial_values():
    cell = rx.ProjectedLSTM(8, projection_size=3)
    params, plain = cell.init(KEY, 5), rx.LSTM(8).init(KEY, 5)
    assert {name: a.shape for name, a in params.items()} == cell.param_shapes(5)
    for gate in np.split(params["w_h"], 4, -1):  # rows of an orthogonal matrix
        np.testing.assert_allclose(gate @ gate.T, np.eye(3), atol=1e-5)
    for name in ("w_x", "b"):
        np.testing.assert_array_equal(params[name], plain[name])
    bound = np.sqrt(6 / (8 + 3))
    assert 0.7 * bound < np.abs(params["w_r"]).max() <= bound
    low = rx.ProjectedLSTM(8, projection_size=3, param_dtype="bfloat16")
    assert {a.dtype for a in low.init(KEY, 5).values()} == {jnp.dtype("bfloat16")}
    assert "w_r" in rx.ProjectedLSTM(8, projection_size=3, use_bias=False).init(KEY, 5)


def test_it_is_a_layer_of_a_stack():
    core = rx.Stack((rx.Bidirectional(CELL), CELL))
    _, ys = rx.unroll(core, core.init(KEY, 3), jnp.ones((5, 2, 3)))
    assert (core.output_size, ys.shape) == (2, (5, 2, 2))
    assert CELL.is_gated
    assert rx.ProjectedLSTM(4, projection_size=3) != CELL


def test_bad_description():
    with pytest.raises(ValueError, match=r"projection_size must be an integer of.*got 0"):
        rx.ProjectedLSTM(4, projection_size=0)
    params = CELL.init(KEY, 3)
    with pytest.raises(ValueError, match=r"w_r must have shape \(4, 2\), got \(4, 1\)"):
        CELL.step({**params, "w_r": params["w_r"][:, :1]}, CELL.initial_state(), jnp.ones(3))
