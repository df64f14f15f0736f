"""The recurrent highway network: its equation, initial values and errors."""

import jax
import numpy as np
import pytest
from published import assert_published, directions

import rnnjax as rx

KEY = jax.random.key(0)


def published(p, state, x):
    s = state.h
    a = x @ p["w_x"] + p["b"] + s @ p["w_h"]
    deeper = [(p["w_r"][k], p["b_r"].reshape(-1, a.size)[k]) for k in range(len(p["w_r"]))]
    for w, b in [*deeper, (None, None)]:
        g, t = np.tanh(a[: a.size // 2]), 1 / (1 + np.exp(-a[a.size // 2 :]))
        s = g * t + s * (1 - t)
        a = a if w is None else s @ w + b
    return (s,), s


@directions
@pytest.mark.usefixtures("x64")
def test_equation(reverse):
    assert_published(rx.RHN(4, depth=3), published, reverse=reverse)


@pytest.mark.usefixtures("x64")
def test_heads_are_blocks_in_every_layer():
    cell, plain = rx.RHN(4, depth=3, heads=2), rx.RHN(4, depth=3)
    params = cell.init(KEY, 3)
    assert {name: a.shape for name, a in params.items()} == cell.param_shapes(3)

    def dense(w_h):
        gates = np.split(w_h, 2, -1)
        return np.concatenate([jax.scipy.linalg.block_diag(*blocks) for blocks in gates], -1)

    wide = {"w_h": dense(params["w_h"]), "w_r": np.stack([*map(dense, params["w_r"])])}
    x, state = np.ones((2, 3)), rx.RHNState(np.linspace(-1, 1, 8).reshape(2, 4))
    got, want = cell.step(params, state, x), plain.step({**params, **wide}, state, x)
    np.testing.assert_allclose(got[1], want[1], atol=1e-6)


def test_initial_values():
    cell = rx.RHN(8, depth=3)
    params = cell.init(KEY, 5)
    assert {name: a.shape for name, a in params.items()} == cell.param_shapes(5)
    for matrix in (params["w_h"], *params["w_r"]):
        for gate in np.split(matrix, 2, -1):
            np.testing.assert_allclose(gate @ gate.T, np.eye(8), atol=1e-5)
    assert np.abs(params["w_r"][0] - params["w_r"][1]).max() > 0.1
    np.testing.assert_array_equal(params["b"], [0] * 8 + [-2] * 8)
    np.testing.assert_array_equal(params["b_r"], ([0] * 8 + [-2] * 8) * 2)
    assert set(rx.RHN(8, depth=1).init(KEY, 5)) == {"w_x", "w_h", "b"}
    assert set(rx.RHN(8, use_bias=False).init(KEY, 5)) == {"w_x", "w_h", "w_r"}


def test_half_precision_without_biases_and_saturation():
    cell = rx.RHN(4, depth=2, use_bias=False, dtype="bfloat16")
    params, xs = cell.init(KEY, 3), jax.random.normal(KEY, (6, 2, 3))
    final, ys = rx.unroll(cell, params, xs)
    want = rx.unroll(rx.RHN(4, depth=2, use_bias=False), params, xs)[1]
    assert (final.h.dtype.name, ys.dtype.name) == ("float32", "bfloat16")
    np.testing.assert_allclose(ys.astype("float32"), want, atol=0.05)
    assert list(rx.analysis.gate_saturation(cell, params, xs)) == ["t"]


def test_bad_description():
    with pytest.raises(ValueError, match="depth must be an integer of at least 1, got 0"):
        rx.RHN(4, depth=0)
