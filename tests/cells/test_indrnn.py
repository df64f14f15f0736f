"""The independently recurrent network: its equation, initial values and errors."""

import jax
import numpy as np
import pytest
from published import assert_published, directions

import rnnjax as rx


@directions
@pytest.mark.usefixtures("x64")
def test_equation(reverse):
    def published(p, state, x):
        h = np.maximum(x @ p["w_x"] + p["b"] + p["u"] * state.h, 0)
        return (h,), h

    assert_published(rx.IndRNN(4), published, reverse=reverse)


def test_initial_values():
    cell = rx.IndRNN(400)
    params = cell.init(jax.random.key(0), 5)
    assert {name: a.shape for name, a in params.items()} == cell.param_shapes(5)
    assert 0 <= params["u"].min() < 0.02
    assert 0.98 < params["u"].max() < 1
    init = jax.nn.initializers.uniform(0.5)
    low = rx.IndRNN(400, recurrent_init=init, param_dtype="bfloat16", use_bias=False)
    assert low.init(jax.random.key(0), 5)["u"].max() <= 0.5
    assert {name: a.dtype.name for name, a in low.init(jax.random.key(0), 5).items()} == {
        "w_x": "bfloat16",
        "u": "bfloat16",
    }
    assert rx.IndRNN(4) == rx.IndRNN(4, activation="relu") != rx.IndRNN(4, activation="tanh")


def test_half_precision():
    cell = rx.IndRNN(4, dtype="bfloat16")
    params = cell.init(jax.random.key(0), 3)
    xs = jax.random.normal(jax.random.key(1), (6, 2, 3))
    final, ys = rx.unroll(cell, params, xs)
    want = rx.unroll(rx.IndRNN(4), params, xs)[1]
    assert (final.h.dtype.name, ys.dtype.name) == ("float32", "bfloat16")
    np.testing.assert_allclose(ys.astype("float32"), want, atol=0.05)


def test_bad_description():
    with pytest.raises(ValueError, match=r"heads must be 1 for IndRNN, whose .* got 2"):
        rx.IndRNN(4, heads=2)
    with pytest.raises(ValueError, match=r"activation must be .*got 'elu'"):
        rx.IndRNN(4, activation="elu")
