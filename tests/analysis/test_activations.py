"""The scale of activations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax as rx
from rnnjax.analysis import activation_scale


def test_scale():
    ys = jnp.array([[[3.0, -4.0, 0.0, 0.0]], [[0.0] * 4], [[1e30, 1e30, 1e30, 1e30]]])
    scale = jax.jit(activation_scale)(ys)
    np.testing.assert_allclose(scale.rms, [[2.5], [0], [1e30]], rtol=1e-6)
    np.testing.assert_array_equal(scale.zeros, [[0.5], [1], [0]])


def test_infinities_show_themselves():
    scale = activation_scale(jnp.array([[jnp.inf, 1.0], [jnp.nan, 1.0]]))
    np.testing.assert_array_equal(scale.rms, [jnp.inf, jnp.nan])


@pytest.mark.parametrize(("variance", "grows"), [(3.0, True), (1.5, False)])
def test_half_of_the_variance_survives_a_rectifier(variance, grows):
    """N(0, v/n) multiplies the mean square by v/2: the courses' experiment, its first steps."""
    init = jax.nn.initializers.variance_scaling(variance, "fan_in", "normal")
    cell = rx.Elman(400, activation="relu", recurrent_init=init)
    params = jax.jit(cell.init, static_argnums=1)(jax.random.key(0), 1)
    state = rx.ElmanState(jax.random.normal(jax.random.key(1), (8, 400)))
    run = jax.jit(lambda *args: activation_scale(rx.unroll(cell, *args)[1]))
    rms, zeros = run(params, jnp.zeros((2, 8, 1)), state)
    np.testing.assert_allclose(rms[0] ** 2, variance / 2, rtol=0.3)
    assert np.all((rms[1] > rms[0]) == grows)
    np.testing.assert_allclose(zeros, 0.5, atol=0.15)


def test_padding_is_neither_large_nor_silent():
    ys = jnp.ones((3, 2, 4)).at[2, 1].set(0)
    scale = jax.jit(lambda ys: activation_scale(ys, lengths=[3, 2]))(ys)
    np.testing.assert_array_equal(scale.rms, [[1, 1], [1, 1], [1, 0]])
    np.testing.assert_array_equal(scale.zeros, 0)


def test_bad_lengths():
    with pytest.raises(ValueError, match=r"lengths must lie between 0 and.*3; got 4"):
        activation_scale(jnp.ones((3, 2, 4)), lengths=[3, 4])


def test_bfloat16():
    assert activation_scale(jnp.ones((2, 3), jnp.bfloat16)).rms.dtype == np.float32


@pytest.mark.parametrize("ys", [jnp.ones(3), jnp.ones((2, 0)), jnp.ones((2, 3), jnp.int32)])
def test_bad_input(ys):
    with pytest.raises(ValueError, match=r"ys must be floating.*\(time, \*batch, units\), got"):
        activation_scale(ys)
