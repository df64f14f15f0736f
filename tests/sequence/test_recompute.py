"""`recompute` stores less and computes the same."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import compare_cell, random_inputs, random_params

import rnnjax as rx


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("name", "implementation"),
    [
        ("gru_before", "scan"),
        ("lstm", "fused"),
        ("gru", "fused"),
        pytest.param("lstm", "scan", marks=pytest.mark.full),
        pytest.param("gru", "scan", marks=pytest.mark.full),
    ],
)
def test_computing_the_gates_again_changes_nothing(name, implementation):
    reverse = name == "lstm"
    compare_cell(name, "both", implementation=implementation, reverse=reverse, recompute=True)


@pytest.mark.parametrize("implementation", ["scan", "fused"])
def test_computing_again_keeps_the_states_between_blocks_only(implementation):
    core, steps = rx.LSTM(3), 36
    params = random_params(core, dtype=np.float32)
    xs = random_inputs(steps, (4,), dtype=np.float32)

    def kept(recompute):
        options = {"implementation": implementation, "recompute": recompute}
        run = lambda p: rx.unroll(core, p, xs, **options)[1]  # noqa: E731
        pullback = jax.eval_shape(lambda p: jax.vjp(run, p)[1], params)
        return sum(leaf.size for leaf in jax.tree.leaves(pullback))

    state, blocks = 2 * 4 * 3, 6
    assert kept(True) <= blocks * state + xs.size + 250  # and the parameters
    assert kept(False) >= steps * 3 * state  # the states, and twice as much in gates


class Direction:
    """A cell of a user's own whose step has no derivative at an input of zero."""

    output_size = 2

    def init(self, key, input_size):
        return {"w": jnp.eye(input_size)}

    def initial_state(self, batch_shape=()):
        return jnp.zeros((*batch_shape, 2))

    def step(self, params, state, x):
        state = 0.5 * state + x / jnp.linalg.norm(x, axis=-1, keepdims=True) @ params["w"]
        return state, state


@pytest.mark.parametrize("reverse", [False, True])
def test_computing_again_runs_no_steps_of_its_own(reverse):
    core, xs = Direction(), random_inputs(7, (3,), dtype=np.float32)[..., :2]
    params = core.init(None, 2)

    def loss(params, recompute):
        ys = rx.unroll(core, params, xs, reverse=reverse, recompute=recompute)[1]
        return jnp.sum(ys**2)

    slope = jax.jit(jax.grad(loss), static_argnums=1)
    want, got = (slope(params, recompute)["w"] for recompute in (False, True))
    np.testing.assert_allclose(got, want, rtol=1e-5)


@pytest.mark.parametrize("steps", [0, 1, 3, 4])
def test_computing_again_over_an_empty_batch(steps):
    core = rx.LSTM(3)
    params = random_params(core, dtype=np.float32)
    xs = random_inputs(steps, (0,), dtype=np.float32)
    assert rx.unroll(core, params, xs, recompute=True)[1].shape == (steps, 0, 3)
