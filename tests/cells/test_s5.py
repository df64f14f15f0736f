"""S5: its equation, the numbers of a port, initial values and errors."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import assert_close
from published import assert_published, directions

import rnnjax as rx

KEY = jax.random.key(0)
CELL = rx.S5(3, state_size=6)
GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "s5.npz")


def published(p, state, x):
    b, c = (np.split(p[name], 2, axis) for name, axis in (("w_x", 1), ("w_y", 0)))
    rate, step = p["lambda_re"] + 1j * p["lambda_im"], np.exp(p["log_step"])
    a = np.exp(step * rate)
    h = a * state.h + (x @ (b[0] + 1j * b[1])) * (a - 1) / rate
    return (h,), 2 * (h @ (c[0] + 1j * c[1])).real + x @ p["w_d"]


@directions
@pytest.mark.usefixtures("x64")
def test_equation(reverse):
    assert_published(CELL, published, reverse=reverse)


def test_numbers_of_s5_pytorch():
    cell = rx.S5(4, state_size=6)
    params = {name: jnp.asarray(GOLDEN[name]) for name in cell.param_shapes(4)}

    def run(xs):
        final, ys = rx.unroll(cell, params, xs, rx.S5State(jnp.asarray(GOLDEN["h0"])))
        return (GOLDEN["out"] * ys).sum(), (ys, final.h)

    d_xs, results = jax.jit(jax.grad(run, has_aux=True))(GOLDEN["xs"])
    assert_close(results, (GOLDEN["ys"], GOLDEN["h"]), 1e-5, 1e-5)
    assert_close(d_xs, GOLDEN["d_xs"], 1e-4, 1e-5)


@pytest.mark.usefixtures("x64")
def test_initial_values():
    eigenvalues = GOLDEN["eigenvalues"]
    eigenvalues = np.sort_complex(eigenvalues[eigenvalues.imag < 0])
    cell = rx.S5(5, state_size=16, blocks=2, param_dtype="float64")
    params = cell.init(KEY, 3)
    assert {name: a.shape for name, a in params.items()} == cell.param_shapes(3)
    got = np.asarray(params["lambda_re"] + 1j * params["lambda_im"])
    for block in np.split(got, 2):
        np.testing.assert_allclose(np.sort_complex(block), eigenvalues, rtol=1e-6)
    assert (np.log(0.001) <= params["log_step"]).all()
    assert (params["log_step"] <= np.log(0.1)).all()
    assert "b" in rx.S5(4, use_bias=True).init(KEY, 3)


def eye(key, shape, dtype):
    return jnp.eye(*shape, dtype=dtype)


@pytest.mark.usefixtures("x64")
def test_new_matrices_are_in_the_basis_of_the_hippo_matrix():
    n, blocks = 8, 2
    options = {"kernel_init": eye, "output_init": eye, "param_dtype": "float64"}
    params = rx.S5(n, blocks=blocks, **options).init(KEY, n)
    b, c = (np.split(params[name], 2, axis) for name, axis in (("w_x", 1), ("w_y", 0)))
    vectors, rate = b[0] - 1j * b[1], params["lambda_re"] + 1j * params["lambda_im"]
    k = np.arange(n // blocks)
    hippo = -np.tril(np.sqrt(np.outer(2 * k + 1, 2 * k + 1)), -1) - np.diag(k + 1)
    normal = hippo + np.sqrt(np.outer(k + 0.5, k + 0.5))
    half = (vectors * rate[None]) @ vectors.conj().T  # the other half is its conjugate
    np.testing.assert_allclose(2 * half.real, np.kron(np.eye(blocks), normal), atol=1e-12)
    np.testing.assert_allclose((c[0] + 1j * c[1]).T, (1 + 1j) * vectors, atol=1e-12)


def test_small_steps_are_precise():
    cell = rx.S5(8, dt_min=1e-5, dt_max=2e-5)
    params = cell.init(KEY, 3)
    params["w_d"] *= 0
    xs = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    got = rx.unroll(cell, params, xs)[1]
    p = {name: np.asarray(a, np.float64) for name, a in params.items()}
    state, want = rx.S5State(np.zeros(4)), []
    for x in xs:
        leaves, y = published(p, state, x.astype(float))
        state = rx.S5State(*leaves)
        want.append(y)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6 * np.abs(want).max())


def test_bad_description():
    with pytest.raises(ValueError, match=r"state_size.*multiple of 2 \* blocks = 4, got 6"):
        rx.S5(3, state_size=6, blocks=2)
    with pytest.raises(ValueError, match=r"default hidden_size.* = 2, got 3"):
        rx.S5(3)
    with pytest.raises(ValueError, match="state_size must be an integer of at least 1, got 0"):
        rx.S5(3, state_size=0)
    with pytest.raises(ValueError, match=r"0 < dt_min < dt_max, got 0\.1, 0\.1"):
        rx.S5(4, dt_min=0.1)
    with pytest.raises(ValueError, match=r"finite and .*, got 0\.001, inf"):
        rx.S5(4, dt_max=float("inf"))
