"""The Mogrifier LSTM: its equation, initial values and errors."""

import jax
import numpy as np
import pytest
from published import assert_published, directions

import rnnjax as rx

KEY = jax.random.key(0)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def published(rounds):
    def step(p, state, x):
        h, q, r = state.h, list(p["q"]), list(p.get("r", ()))
        for k in range(1, rounds + 1):
            if k % 2:
                x = 2 * sigmoid(h @ q.pop(0)) * x
            else:
                h = 2 * sigmoid(x @ r.pop(0)) * h
        i, f, g, o = np.split(x @ p["w_x"] + p["b"] + h @ p["w_h"], 4)
        c = sigmoid(f) * state.c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        return (h, c), h

    return step


@directions
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("rounds", [3, *(pytest.param(k, marks=pytest.mark.full) for k in (1, 2))])
def test_equation(rounds, reverse):
    assert_published(rx.MogrifierLSTM(4, rounds=rounds), published(rounds), reverse=reverse)


@pytest.mark.parametrize("rounds", [1, 4])
def test_initial_values(rounds):
    cell, plain = rx.MogrifierLSTM(8, rounds=rounds), rx.LSTM(8)
    params = cell.init(KEY, 5)
    assert {name: a.shape for name, a in params.items()} == cell.param_shapes(5)
    for name, value in plain.init(KEY, 5).items():
        np.testing.assert_array_equal(params[name], value)
    bound = np.sqrt(6 / (5 + 8))
    for matrix in (*params["q"], *params.get("r", ())):
        assert 0.8 * bound < np.abs(matrix).max() <= bound
    assert rx.MogrifierLSTM(8, rounds=rounds) == cell != rx.MogrifierLSTM(8, rounds=2)


def test_half_precision_without_biases_and_saturation():
    cell = rx.MogrifierLSTM(4, use_bias=False, dtype="bfloat16")
    params, xs = cell.init(KEY, 3), jax.random.normal(KEY, (6, 2, 3))
    final, ys = rx.unroll(cell, params, xs)
    want = rx.unroll(rx.MogrifierLSTM(4, use_bias=False), params, xs)[1]
    assert (final.c.dtype.name, ys.dtype.name) == ("float32", "bfloat16")
    np.testing.assert_allclose(ys.astype("float32"), want, atol=0.05)
    assert set(rx.analysis.gate_saturation(cell, params, xs)) == {"i", "f", "o"}


def test_bad_arguments():
    with pytest.raises(ValueError, match="rounds must be an integer of at least 1, got 0"):
        rx.MogrifierLSTM(4, rounds=0)
    cell = rx.MogrifierLSTM(4, rounds=2)
    params = cell.init(KEY, 3)
    with pytest.raises(ValueError, match=r"r must have shape \(1, 3, 4\), got \(1, 2, 4\)"):
        cell.step({**params, "r": params["r"][:, :2]}, cell.initial_state(), np.ones(3))
    with pytest.raises(ValueError, match="core must have a recurrent product"):
        rx.RecurrentDropout(cell, 0.1)
