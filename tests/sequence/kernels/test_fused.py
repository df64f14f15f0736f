"""What only the fused kernel does: projecting in blocks, and storing few gates."""

import re
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import (
    CELLS,
    TIME,
    assert_equals_oracle,
    compare_cell,
    random_inputs,
    random_params,
    random_state,
)
from published import assert_published, directions

import rnnjax as rx


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("name", "block"), [("lstm", 2), ("gru", 1)])
def test_long_sequences_are_projected_in_blocks(name, block, reverse, monkeypatch):
    monkeypatch.setattr("rnnjax.sequence.kernels.fused._BLOCK_ROWS", 3 * block)
    compare_cell(name, "both", implementation="fused", reverse=reverse)
    core = CELLS[name]
    params = random_params(core)

    def projected(time, batch):
        """How many steps' input projections are in memory at once, at most."""
        xs = random_inputs(time, (batch,))
        jaxpr = jax.make_jaxpr(lambda xs: rx.unroll(core, params, xs)[1])(xs)
        shape = rf"f64\[(\d+),{batch},{params['w_x'].shape[1]}\]"
        return max(map(int, re.findall(shape, str(jaxpr))))

    assert projected(5, 3) == block
    assert projected(6 * block, 1) == 3 * block
    assert projected(6 * block - 1, 1) == 6 * block - 1  # too short for two blocks
    assert projected(5, 30) == 1  # the batch alone fills a block


def test_of_gates_that_add_up_one_summand_is_kept():
    core, steps, batch = rx.GRU(3), 36, 4
    params = random_params(core, dtype=np.float32)
    xs = random_inputs(steps, (batch,), dtype=np.float32)
    run = lambda xs: rx.unroll(core, params, xs)[1]  # noqa: E731
    pullback = jax.eval_shape(lambda xs: jax.vjp(run, xs)[1], xs)
    kept = sum(leaf.size for leaf in jax.tree.leaves(pullback))
    # A state, r, z, and both summands of n; with both of all three it would be seven.
    assert 5 <= (kept - xs.size) / (steps * batch * 3) < 6


@dataclass(frozen=True)
class Scaled(rx.GatedCell):
    """One gate of each kind: f is additive, n keeps its summands apart, v has no recurrent part."""

    gate_names = ("f", "n", "v")
    additive_gates = ("f",)
    input_gates = ("v",)
    state_type = rx.GRUState

    def pointwise(self, g_x, g_h, state):
        (f_x, n_x, v), (f_h, n_h) = jnp.split(g_x, 3, -1), jnp.split(g_h, 2, -1)
        f = jax.nn.sigmoid(f_x + f_h)
        return rx.GRUState((1 - f) * state.h + f * v * jnp.tanh(n_x + f * n_h))


@directions
@pytest.mark.usefixtures("x64")
def test_input_gates(reverse):
    def published(p, state, x):
        f_x, n_x, v = np.split(x @ p["w_x"] + p["b"], 3)
        f_h, n_h = np.split(state.h @ p["w_h"], 2)
        f = 1 / (1 + np.exp(-f_x - f_h))
        h = (1 - f) * state.h + f * v * np.tanh(n_x + f * n_h)
        return (h,), h

    assert_published(Scaled(4), published, reverse=reverse)


def test_of_input_gates_one_array_is_kept():
    core, steps, batch = Scaled(3), 36, 4
    params = core.init(jax.random.key(0), 2)
    assert {name: leaf.shape for name, leaf in params.items()} == core.param_shapes(2)
    assert params["w_h"].shape == (3, 6)
    xs = random_inputs(steps, (batch,), dtype=np.float32)
    run = lambda xs: rx.unroll(core, params, xs)[1]  # noqa: E731
    pullback = jax.eval_shape(lambda xs: jax.vjp(run, xs)[1], xs)
    kept = sum(leaf.size for leaf in jax.tree.leaves(pullback))
    # A state, f, both summands of n, and v.
    assert 5 <= (kept - xs.size) / (steps * batch * 3) < 6


@dataclass(frozen=True)
class Apart(rx.GRU):
    """A GRU whose gates count as if each saw its summands one by one."""

    additive_gates = ()


@pytest.mark.parametrize("names", [("z",), ("r", "z", "n", "more")])
def test_additive_gates_are_the_first_gates(names):
    with pytest.raises(ValueError, match=r"must be the first of gate_names, \('r', 'z', 'n'\)"):
        type("Wrong", (rx.GRU,), {"additive_gates": names})(4)


@pytest.mark.parametrize("names", [("n",), ("f",), ("f", "n", "v"), ("w", "f", "n", "v")])
def test_input_gates_are_the_last_gates(names):
    with pytest.raises(
        ValueError, match=r"\('f', 'n', 'v'\), and input_gates the last; got \('f',\)"
    ):
        type("Wrong", (Scaled,), {"input_gates": names})(4)


@pytest.mark.usefixtures("x64")
def test_a_cell_without_additive_gates():
    core = Apart(4)
    args = (core, random_params(core), random_inputs(TIME, (3,)), random_state(core, (3,)))
    assert_equals_oracle(*args, lengths=np.array([5, 4, 0]), implementation="fused")
