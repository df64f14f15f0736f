"""The RG-LRU, QRNN, SRU, S5 and GLA in use: chunks, streams, dtypes, long sequences, models."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from oracle import assert_close, random_like, some_full

import rnnjax as rx
from rnnjax.models import LanguageModel, Tagger, TokenEmbedder

KEY = jax.random.key(0)
CELLS = {
    "rglru": rx.RGLRU(4, heads=2),
    "qrnn": rx.QRNN(4),
    "sru": rx.SRU(4),
    "s5": rx.S5(4),
    "gla": rx.GLA(4),
}
# What is one cell's own is in its file; here a real and a complex one stand for all.
every_cell = pytest.mark.parametrize("name", some_full(CELLS, ["rglru", "s5"]))


@every_cell
def test_chunks_and_steps(name):
    """Of operands in bfloat16 too: states stay in float32, between chunks and in a stream."""
    cell = CELLS[name]
    params, xs = cell.init(KEY, 3), jax.random.normal(KEY, (6, 2, 3))
    assert rx.unroll(cell, params, xs[:0])[1].shape == (0, 2, 4)
    for dtype, tolerance in (("float32", 1e-5), ("bfloat16", 0.02)):
        run = replace(cell, dtype=dtype)
        unroll = jax.jit(lambda state, xs, run=run: rx.unroll(run, params, xs, state))
        final, ys = unroll(run.initial_state((2,)), xs)
        assert ys.dtype == dtype
        assert {a.dtype.name for a in final} <= {"float32", "complex64"}
        state, early = unroll(run.initial_state((2,)), xs[:5])
        state, last = run.step(params, state, xs[5])
        got = jnp.concatenate([early, last[None]])
        assert_close((state, got.astype(float)), (final, ys.astype(float)), tolerance, tolerance)
        if dtype == "float32":
            precise = ys
    np.testing.assert_allclose(ys.astype(float), precise, atol=0.1)


@every_cell
def test_a_long_sequence(name):
    """A sequence of 4,096 steps in blocks, in float32, against steps in float64."""
    cell = CELLS[name]
    params = cell.init(KEY, 3)
    xs = np.random.default_rng(0).normal(size=(4096, 1, 3))
    fast = jax.jit(lambda xs: rx.unroll(cell, params, xs, implementation="associative")[1])
    got = fast(xs.astype(np.float32))
    with jax.enable_x64(True):
        wide = {name: jnp.asarray(a, jnp.float64) for name, a in params.items()}
        steps = jax.jit(lambda xs: rx.unroll(cell, wide, xs, implementation="scan")[1])
        want = steps(xs)
    assert want.dtype == np.float64
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize("name", some_full(CELLS, ["sru"]))
def test_models(name):
    """A language model of two layers, and a tagger that reads in both directions."""
    cell = CELLS[name]
    tokens = np.random.default_rng(0).integers(7, size=(2, 6))
    core = rx.Stack((cell, cell))
    model = LanguageModel(7, core, embed_size=5)
    variables = random_like(0, jax.eval_shape(model.init, KEY, tokens), np.float32)
    batch = {"inputs": tokens, "targets": tokens, "fresh": np.array(True)}
    batch |= {"mask": tokens > 0, "resets": tokens == 3}

    def loss(variables, carry):
        result = model.apply(variables, batch, carry, method="batch_loss")
        return result[0], result[2]

    grad = jax.jit(jax.value_and_grad(loss, has_aux=True))
    (nats, carry), gradient = grad(variables, core.initial_state((2,)))
    assert np.isfinite(nats)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((gradient, carry)))

    tagger = Tagger(("O", "X"), TokenEmbedder(7, 3), rx.Bidirectional(cell))
    variables = random_like(1, jax.eval_shape(tagger.init, KEY, tokens), np.float32)
    given = {"words": tokens, "lengths": np.array([6, 2])}
    given |= {"targets": tokens % 2, "targets_known": tokens >= 0}
    nats, count, *_ = jax.jit(lambda v: tagger.apply(v, given, method="batch_loss"))(variables)
    assert np.isfinite(nats)
    assert count == 8


@pytest.mark.parametrize("name", some_full(["explicit", "inside shard_map"], ["explicit"]))
def test_on_a_mesh(name):
    """What an RG-LRU remembers depends on no value of the input, but lies beside it."""
    cell, spread = CELLS["rglru"], P(None, "data")
    params, xs = cell.init(KEY, 3), jax.random.normal(KEY, (6, 4, 3))
    resets = np.random.default_rng(1).random((6, 4)) < 0.3

    def total(params, xs, resets, kind):
        return (rx.unroll(cell, params, xs, resets=resets, implementation=kind)[1] ** 2).sum()

    want = jax.jit(jax.grad(total), static_argnums=3)(params, xs, resets, "scan")
    explicit = name == "explicit"
    axis = AxisType.Explicit if explicit else AxisType.Auto
    mesh = jax.make_mesh((2,), ("data",), axis_types=(axis,))
    for kind in ("scan", "associative"):
        if explicit:
            with jax.set_mesh(mesh):
                placed = jax.device_put(xs, NamedSharding(mesh, spread))
                got = jax.jit(jax.grad(total), static_argnums=3)(params, placed, resets, kind)
        else:

            def summed(params, xs, resets, kind=kind):
                return jax.lax.psum(total(params, xs, resets, kind), "data")

            run = jax.shard_map(summed, mesh=mesh, in_specs=(P(), spread, spread), out_specs=P())
            got = jax.jit(jax.grad(run))(params, xs, resets)
        assert_close(jax.device_get(got), jax.device_get(want), 1e-5, 1e-5)
