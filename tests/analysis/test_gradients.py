"""Gradients over time, against `jax.jacobian` of the composed steps and against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import (
    CELLS,
    assert_close,
    random_inputs,
    random_params,
    random_state,
    some_full,
    spoil,
)

import rnnjax as rx
from rnnjax.analysis import gradient_norms, random_probes

CORES = {**CELLS, "stack": rx.Stack((rx.LSTM(3), rx.GRU(2)), residual=True)}
KEY = jax.random.key(0)


def by_jacobian(core, params, xs, state, length):
    """Return, for one sequence, the norms of the Jacobians of its last output, state by state."""

    def last(state, t):
        for x in xs[t:length]:
            state, y = core.step(params, state, x)
        return y

    rows = []
    for t in range(len(xs)):
        jacobian = jax.jacobian(last)(state, t) if t < length else state
        rows.append(jax.tree.map(lambda j, t=t: jnp.sqrt((j**2).sum()) * (t < length), jacobian))
        state = core.step(params, state, xs[t])[0]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", some_full(CORES, ["gru_before", "stack"]))
def test_norms_are_those_of_the_jacobians(name):
    core, lengths = CORES[name], (4, 2, 0)
    params, states = random_params(core), random_state(core, (3,))
    xs = random_inputs(4, (3,))

    @jax.jit
    def norms(params, xs, states):
        return gradient_norms(core, params, xs, states, lengths=jnp.array(lengths))

    @jax.jit
    def oracle(params, xs, states):
        rows = []
        for row, length in enumerate(lengths):
            state = jax.tree.map(lambda leaf, row=row: leaf[row], states)
            rows.append(by_jacobian(core, params, xs[:, row], state, length))
        return jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=1), *rows)

    got = norms(params, spoil(xs, lengths), states)
    assert jax.tree.leaves(got)[0].shape == (4, 3)
    assert_close(got, oracle(params, xs, states))


@pytest.mark.usefixtures("x64")
@settings(max_examples=4, deadline=None)
@given(time=st.integers(0, 3), batch=st.sampled_from([(), (2,), (2, 1)]), count=st.integers(1, 3))
def test_shapes_and_any_probes(time, batch, count):
    """Norms add up over probes as squares, and over the batch not at all."""
    core, xs = rx.LSTM(3), random_inputs(time, batch)
    params, probes = random_params(core), random_inputs(count, (), 3, seed=5)

    @jax.jit
    def together_and_alone(probes):
        alone = [gradient_norms(core, params, xs, probes=probe[None]) for probe in probes]
        squares = jax.tree.map(lambda *leaves: sum(leaf**2 for leaf in leaves) ** 0.5, *alone)
        return gradient_norms(core, params, xs, probes=probes), squares

    norms, squares = together_and_alone(probes)
    assert isinstance(norms, rx.LSTMState)
    assert norms.h.shape == norms.c.shape == (time, *batch)
    assert_close(norms, squares)


@pytest.mark.usefixtures("x64")
def test_random_probes_estimate_without_bias():
    """The mean over all sixteen vectors of signs is exact: so is the expectation."""
    core, xs = rx.GRU(4), random_inputs(6, ())
    params = random_params(core)
    signs = jnp.array(np.stack(np.meshgrid(*[[-1.0, 1.0]] * 4), -1).reshape(-1, 4))
    norms = jax.jit(lambda probes: gradient_norms(core, params, xs, probes=probes).h)
    exact, mean = norms(jnp.eye(4)), norms(signs / 16**0.5)
    np.testing.assert_allclose(mean, exact, rtol=1e-12)
    probes = random_probes(KEY, 3, 4)
    np.testing.assert_allclose(jnp.abs(probes), 3**-0.5, rtol=1e-12)
    assert len(np.unique(random_probes(KEY, 64, 4) > 0, axis=0)) > 8
    estimate = norms(random_probes(KEY, 4000, 4))
    np.testing.assert_allclose(estimate, exact, rtol=0.05)


def test_a_rectifier_that_stays_positive_multiplies_by_its_weights():
    core = rx.Elman(4, activation="relu", recurrent_init=rx.initializers.identity(0.5))
    params = {**core.init(KEY, 2), "w_x": jnp.ones((2, 4))}
    norms = jax.jit(gradient_norms, static_argnums=0)(core, params, jnp.ones((6, 3, 2)))
    want = 2 * 0.5 ** np.arange(6, 0, -1)  # the norm of the identity of 4 units is 2
    np.testing.assert_allclose(norms.h, np.tile(want[:, None], 3), rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_squares_may_leave_the_range_of_the_dtype(scale):
    core = rx.Elman(4, activation="relu", recurrent_init=rx.initializers.identity(scale))
    params = {**core.init(KEY, 2), "w_x": jnp.ones((2, 4))}
    norms = jax.jit(gradient_norms, static_argnums=0)(core, params, jnp.ones((1, 2)))
    np.testing.assert_allclose(norms.h, 2 * scale, rtol=1e-6)


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e30])
def test_a_norm_has_a_gradient(scale):
    """At 0, where what is read after a sequence's end is, it is 0."""
    core = rx.Elman(4, activation="relu", recurrent_init=rx.initializers.identity(scale))
    params = {**core.init(KEY, 2), "w_x": jnp.ones((2, 4))}

    @jax.jit
    @jax.grad
    def slope(params):
        return gradient_norms(core, params, jnp.ones((2, 2)), lengths=1).h.sum()

    want = np.eye(4) / 2 * (scale > 0)  # of the root of the sum of squares
    np.testing.assert_allclose(slope(params)["w_h"], want, rtol=1e-6)


def test_bfloat16():
    core, run = rx.LSTM(4, dtype=jnp.bfloat16), jax.jit(gradient_norms, static_argnums=0)
    params = core.init(KEY, 2)
    norms, exact = (run(each, params, jnp.ones((3, 2))) for each in (core, rx.LSTM(4)))
    assert norms.h.dtype == norms.c.dtype == np.float32
    np.testing.assert_allclose(norms.c, exact.c, rtol=0.05)


BAD = {
    "core": (lambda: gradient_norms(rx.LSTM, {}, jnp.ones((2, 2))), "core must have init"),
    "backwards": (
        lambda: gradient_norms(rx.Bidirectional(rx.LSTM(3)), {}, jnp.ones((2, 2))),
        "Bidirectional has no step",
    ),
    "xs": (
        lambda: gradient_norms(rx.LSTM(3), rx.LSTM(3).init(KEY, 2), jnp.ones(2)),
        r"xs must have shape \(time, \*batch, features\), got \(2,\)",
    ),
    "lengths": (
        lambda: gradient_norms(
            rx.LSTM(3), rx.LSTM(3).init(KEY, 2), jnp.ones((2, 1, 2)), lengths=[3]
        ),
        "lengths must lie between 0 and.*2; got 3",
    ),
    "probes": (
        lambda: gradient_norms(
            rx.LSTM(3), rx.LSTM(3).init(KEY, 2), jnp.ones((2, 2)), probes=jnp.ones((1, 4))
        ),
        r"probes must have shape.*\(count, 3\), got \(1, 4\)",
    ),
    "count": (lambda: random_probes(KEY, 0, 3), "count must be an integer of at least 1, got 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()
