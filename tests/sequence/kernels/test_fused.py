"""What only the fused kernel does: projecting in blocks, and storing few gates."""

import re
from dataclasses import dataclass

import jax
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
class Apart(rx.GRU):
    """A GRU whose gates count as if each saw its summands one by one."""

    additive_gates = ()


@pytest.mark.parametrize("names", [("z",), ("r", "z", "n", "more")])
def test_additive_gates_are_the_first_gates(names):
    with pytest.raises(ValueError, match=r"must be the first of gate_names, \('r', 'z', 'n'\)"):
        type("Wrong", (rx.GRU,), {"additive_gates": names})(4)


@pytest.mark.usefixtures("x64")
def test_a_cell_without_additive_gates():
    core = Apart(4)
    args = (core, random_params(core), random_inputs(TIME, (3,)), random_state(core, (3,)))
    assert_equals_oracle(*args, lengths=np.array([5, 4, 0]), implementation="fused")
