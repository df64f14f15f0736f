"""Linear cells in parallel over time, in blocks as on CPU."""

import jax
import numpy as np
import pytest
from oracle import assert_close, evaluate, random_inputs, random_params
from published import random_tree

import rnnjax as rx
from rnnjax.sequence.kernels import associative

LENGTHS, RESETS = np.array([13, 0, 7]), np.zeros((13, 3), bool)
RESETS[[4, 5, 2], [0, 0, 2]] = True
CELLS = {"mingru": rx.MinGRU(4), "rglru": rx.RGLRU(4), "qrnn": rx.QRNN(4)}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", CELLS)
def test_blocks_are_the_whole_sequence(name, monkeypatch):
    cell, xs = CELLS[name], random_inputs(13, (3,))
    params, state = random_params(cell), random_tree(1, cell.initial_state((3,)))
    for reverse in (False, True):

        def run(implementation, reverse=reverse):
            options = {"lengths": LENGTHS, "resets": RESETS, "reverse": reverse}
            return evaluate(
                lambda *args: rx.unroll(cell, *args, implementation=implementation, **options),
                *(params, xs, state),
            )

        want = run("scan")
        monkeypatch.setattr(associative, "_BLOCK_ROWS", 12)  # three blocks and a step before them
        assert_close(run("associative"), want, rtol=1e-9, atol=1e-11)


def test_long_sequences_need_little_memory():
    cell = rx.MinGRU(16)
    params = cell.init(jax.random.key(0), 16)

    def memory(time):
        def loss(params, xs):
            return rx.unroll(cell, params, xs)[1].sum()

        xs = jax.ShapeDtypeStruct((time, 32, 16), "float32")
        compiled = jax.jit(jax.grad(loss)).lower(params, xs).compile()
        return compiled.memory_analysis().temp_size_in_bytes / (time * 32 * 16 * 4)

    # Of each step: its products, both gates, and two arrays of outputs or their gradients.
    assert memory(1024) < 5
