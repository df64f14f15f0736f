"""One step's Jacobian and its spectrum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import CELLS, random_inputs, random_params, random_state

import rnnjax as rx
from rnnjax.analysis import spectrum, step_jacobian


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", ["relu", "lstm", "gru_before"])
def test_jacobian(name):
    cell = CELLS[name]
    params, state = random_params(cell), random_state(cell, (2, 3))
    (x,) = random_inputs(1, (2, 3))
    jacobian = jax.jit(step_jacobian, static_argnums=0)(cell, params, state, x)
    n = 3 * len(state)
    assert jacobian.shape == (2, 3, n, n)
    row = jax.tree.map(lambda leaf: leaf[1, 2], state)
    blocks = jax.jit(jax.jacobian(lambda s: cell.step(params, s, x[1, 2])[0]))(row)
    want = np.block([[np.asarray(block) for block in line] for line in blocks])
    np.testing.assert_allclose(jacobian[1, 2], want, rtol=1e-12, atol=1e-14)


@pytest.mark.usefixtures("x64")
def test_jacobian_of_a_stack():
    core = rx.Stack((rx.LSTM(3), rx.GRU(2)))
    params, state = random_params(core), random_state(core, ())
    (x,) = random_inputs(1, ())
    jacobian = np.asarray(jax.jit(step_jacobian, static_argnums=0)(core, params, state, x))
    assert jacobian.shape == (8, 8)
    np.testing.assert_array_equal(jacobian[:6, 6:], 0)  # what is above is not seen below
    assert np.abs(jacobian[6:, :3]).max() > 0


@pytest.mark.usefixtures("x64")
def test_jacobian_of_a_matrix_is_its_decays():
    cell = rx.GLA(4, heads=2, key_size=2)
    params, (x,) = random_params(cell), random_inputs(1, (2,))
    state = random_state(cell, (2,))
    (decays,) = gates = cell.gates(params, x, None)
    assert gates.a.shape == (2, 2)  # a key for each head, whose rows have two values
    want = np.eye(4)[None] * np.repeat(np.asarray(decays), 2, -1)[:, None]
    np.testing.assert_allclose(step_jacobian(cell, params, state, x), want, atol=1e-12)


def test_jacobian_of_complex_states_is_that_of_their_parts():
    """The layer above reads only a real part, so there is no complex derivative."""
    core = rx.Stack((rx.LRU(2), rx.GRU(2)))
    params, state = core.init(jax.random.key(0), 2), core.initial_state()
    jacobian = step_jacobian(core, params, state, jnp.ones(2))
    assert jacobian.shape == (6, 6)
    a = np.exp(-np.exp(params["layer_0"]["nu"]) + 1j * np.exp(params["layer_0"]["theta"]))
    turn = np.block([[np.diag(a.real), -np.diag(a.imag)], [np.diag(a.imag), np.diag(a.real)]])
    np.testing.assert_allclose(jacobian[:4, :4], turn, rtol=1e-5)

    def above(real, imag):
        below = rx.LRUState(jax.lax.complex(real, imag))
        return core.step(params, (below, state[1]), jnp.ones(2))[0][1].h

    zero = jnp.zeros(2)
    want = np.concatenate(jax.jacobian(above, (0, 1))(zero, zero), -1)
    np.testing.assert_allclose(jacobian[4:, :4], want, rtol=1e-5, atol=1e-7)


@pytest.mark.usefixtures("x64")
def test_spectrum():
    rotation = np.array([[0.0, -2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 3.0]])
    found = jax.jit(spectrum)(jnp.array([rotation, np.diag([1.0, -5.0, 2.0])]))
    found = jax.tree.map(np.asarray, found)
    np.testing.assert_allclose(found.eigenvalues[0, 0], 3, atol=1e-12)
    np.testing.assert_allclose(sorted(found.eigenvalues[0, 1:].imag), [-2, 2], atol=1e-12)
    np.testing.assert_allclose(found.eigenvalues[1], [-5, 2, 1], atol=1e-12)
    np.testing.assert_allclose(found.singular_values, [[3, 2, 2], [5, 2, 1]], atol=1e-12)


def test_bad_input():
    with pytest.raises(ValueError, match=r"jacobian.*\(\*batch, n, n\), got \(2, 3\)"):
        spectrum(jnp.ones((2, 3)))
    cell = rx.LSTM(3)
    params = cell.init(jax.random.key(0), 2)
    with pytest.raises(ValueError, match=r"state\.h must have shape \(3,\), got \(4,\)"):
        step_jacobian(cell, params, rx.LSTMState(jnp.ones(4), jnp.ones(3)), jnp.ones(2))
