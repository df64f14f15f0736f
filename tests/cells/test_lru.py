"""The linear recurrent unit: its equation, initial values and errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from published import assert_published, directions

import rnnjax as rx

KEY = jax.random.key(0)


def published(p, state, x):
    b, c = (np.split(p[name], 2, axis) for name, axis in (("w_x", 1), ("w_y", 0)))
    eigenvalues = np.exp(-np.exp(p["nu"]) + 1j * np.exp(p["theta"]))
    h = eigenvalues * state.h + np.exp(p["gamma"]) * (x @ (b[0] + 1j * b[1]))
    return (h,), (h @ (c[0] + 1j * c[1])).real + x @ p["w_d"]


@directions
@pytest.mark.usefixtures("x64")
def test_equation(reverse):
    assert_published(rx.LRU(4), published, reverse=reverse)


def test_initial_values_are_on_the_ring():
    cell = rx.LRU(2000, r_min=0.5, r_max=0.9, max_phase=0.3)
    params = cell.init(KEY, 2)
    assert {name: a.shape for name, a in params.items()} == cell.param_shapes(2)
    modulus, angle = np.exp(-np.exp(params["nu"])), np.exp(params["theta"])
    np.testing.assert_allclose(modulus.min(), 0.5, rtol=0.01)
    np.testing.assert_allclose(modulus.max(), 0.9, rtol=0.01)
    np.testing.assert_allclose((modulus**2).mean(), (0.25 + 0.81) / 2, rtol=0.02)  # uniform area
    np.testing.assert_allclose([angle.mean(), angle.max()], [0.15, 0.3], rtol=0.05)
    np.testing.assert_allclose(np.exp(2 * params["gamma"]), 1 - modulus**2, rtol=1e-4)
    np.testing.assert_allclose(params["w_x"].var(), 1 / 4, rtol=0.1)
    np.testing.assert_allclose(params["w_y"].var(), 1 / 2000, rtol=0.1)


def test_defaults_are_finite():
    params = rx.LRU(500).init(KEY, 3)
    assert all(np.isfinite(a).all() for a in params.values())
    assert "b" in rx.LRU(4, use_bias=True).init(KEY, 3)


def test_the_output_is_real_in_the_compute_dtype():
    cell = rx.LRU(4, dtype="bfloat16")
    params = cell.init(KEY, 3)
    final, ys = rx.unroll(cell, params, jnp.ones((5, 2, 3)))
    assert (ys.dtype, final.h.dtype) == (jnp.bfloat16, jnp.complex64)
    _, precise = rx.unroll(rx.LRU(4), params, jnp.ones((5, 2, 3)))
    np.testing.assert_allclose(ys.astype(float), precise, atol=0.1)


def test_analysis_of_a_complex_state():
    cell = rx.LRU(3)
    params, xs = cell.init(KEY, 2), jnp.ones((2, 1, 2))
    a = np.exp(-np.exp(params["nu"]) + 1j * np.exp(params["theta"]))
    jacobian = rx.analysis.step_jacobian(cell, params, cell.initial_state((1,)), xs[0])
    # Real and imaginary parts are numbers of their own.
    want = np.block([[np.diag(a.real), np.diag(-a.imag)], [np.diag(a.imag), np.diag(a.real)]])
    np.testing.assert_allclose(jacobian[0], want, atol=1e-6)
    c = np.split(params["w_y"], 2)
    norms = rx.analysis.gradient_norms(cell, params, xs).h[:, 0]
    for norm, power in zip(norms, (2, 1), strict=True):
        want = np.linalg.norm((a**power)[:, None] * (c[0] + 1j * c[1]))
        np.testing.assert_allclose(norm, want, rtol=1e-5)


def test_bad_description():
    with pytest.raises(ValueError, match=r"r_min < r_max <= 1, got 0\.9, 0\.5"):
        rx.LRU(4, r_min=0.9, r_max=0.5)
    with pytest.raises(ValueError, match=r"max_phase must be.* above 0, got 0"):
        rx.LRU(4, max_phase=0)
    with pytest.raises(ValueError, match="max_phase must be finite and above 0, got inf"):
        rx.LRU(4, max_phase=float("inf"))
    with pytest.raises(ValueError, match="input_size must be an integer of at least 1, got 0"):
        rx.LRU(4).init(KEY, 0)
    cell = rx.LRU(4)
    with pytest.raises(ValueError, match=r"state\.h must be complex, got float32"):
        rx.unroll(cell, cell.init(KEY, 3), jnp.ones((5, 2, 3)), rx.LRUState(jnp.zeros((2, 4))))
