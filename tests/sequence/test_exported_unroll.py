"""One program of `jax.export` for all lengths and batches gives what fixed sizes give."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from exporting import assert_exports, stored
from jax import export
from oracle import CELLS, random_params, random_state, some_full

import rnnjax as rx

CORES = {
    **CELLS,
    "deep": rx.Stack((rx.Bidirectional(rx.LSTM(3)), rx.GRU(6)), dropout=0.5, residual=True),
    "conditioned": rx.Conditioned(rx.LSTM(3), 2),
    "window": rx.Window(3, width=3),
}
NAMES = some_full(CORES, ["lstm", "conditioned"])
SHAPES = ("t, b, ...", "b, ...", "b", "t, b")


def inputs(core, time, batch):
    random = np.random.default_rng(time)
    xs = random.normal(size=(time, batch, 2)).astype(np.float32)
    state = random_state(core, (batch,), dtype=np.float32)
    lengths = random.integers(0, time + 1, size=batch, dtype=np.int32)
    return xs, state, lengths, random.random((time, batch)) < 0.4


@pytest.mark.parametrize("name", NAMES)
def test_a_program_for_all_lengths(name):
    core = CORES[name]

    def run(params, xs, state, lengths, resets):
        masks = {"lengths": lengths, "resets": resets, "dropout_key": jax.random.key(3)}
        masked = rx.unroll(core, params, xs, state, implementation="scan", **masks)
        backwards = rx.unroll(core, params, xs, state, reverse=True, unroll_factor=2, **masks)
        return masked, backwards

    params = random_params(core, dtype=np.float32)
    assert_exports(run, params, SHAPES, partial(inputs, core))


@pytest.mark.parametrize("name", some_full(["lstm", "deep"], ["lstm"]))
def test_the_gradient_of_a_program_for_all_lengths(name):
    core = CORES[name]

    def run(params, xs, lengths):
        return rx.unroll(core, params, xs, lengths=lengths, recompute=True)

    def total(function, params, *args):
        return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(function(params, *args)))

    params = random_params(core, dtype=np.float32)
    xs, _, lengths, _ = inputs(core, 5, 3)
    program = stored(run, (None, "t, b, ...", "b"), (params, xs, lengths), vjp_order=1)
    xs, lengths = xs[:4, :2], lengths[:2]
    got = jax.jit(jax.grad(partial(total, program.call)))(params, xs, lengths)
    want = jax.jit(jax.grad(partial(total, run)))(params, xs, lengths)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), got, want)


def test_a_step_for_all_batches():
    core = CORES["deep"].layers[1]
    core = rx.Stack((core, rx.Conditioned(rx.LSTM(3), 2), rx.Window(3, width=2)))
    params = random_params(core, dtype=np.float32)
    xs, state, _, _ = inputs(core, 4, 2)
    program = stored(core.step, (None, "b, ...", "b, ..."), (params, state, xs[0]))
    want, ys = jax.jit(partial(rx.unroll, core))(params, xs, state)
    for x, y in zip(xs, ys, strict=True):
        state, out = program.call(params, state, x)
        np.testing.assert_allclose(out, y, rtol=1e-5, atol=1e-6)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), state, want)


def test_a_sequence_that_is_cut_needs_a_bound():
    cell = rx.GRU(3)
    params = random_params(cell, dtype=np.float32)

    def rest(params, xs):
        return rx.unroll(cell, params, xs[1:])

    def make(time, batch):
        return inputs(cell, time, batch)[:1]

    assert_exports(rest, params, ("t, b, ...",), make, ((2, 1), (5, 3)), ["t >= 2"])


def test_concrete_lengths_of_an_unknown_time():
    cell = rx.GRU(3)
    params = random_params(cell, dtype=np.float32)
    (t,) = export.symbolic_shape("t")
    xs = jax.ShapeDtypeStruct((t, 2, 2), jnp.float32)
    program = export.export(jax.jit(lambda p, xs: rx.unroll(cell, p, xs, lengths=[1, 3])))
    _, ys = program(params, xs).call(params, np.ones((4, 2, 2), np.float32))
    assert np.flatnonzero(ys[:, 0, 0]).tolist() == [0]
