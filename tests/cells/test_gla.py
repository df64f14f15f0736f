"""Gated linear attention: its equation, the authors' numbers, chunks against steps, errors."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from oracle import assert_close
from published import assert_published

import rnnjax as rx
from rnnjax.analysis import gate_saturation
from rnnjax.sequence.kernels import chunked

KEY = jax.random.key(0)
CELL = rx.GLA(4, heads=2, gate_rank=3)
GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "gla.npz")


def published(p, state, x):
    q, k, v, low = np.split(x @ p["w_x"], [2, 4, 8])
    a = (1 / (1 + np.exp(-(low @ p["w_a"] + p["b"])))) ** (1 / 16)
    pairs = np.split(v, 2)
    heads = [a[n] * state.h[n] + np.outer(k[n], pairs[n]) for n in range(2)]
    return (np.stack(heads),), np.concatenate([q[n] * h[0] for n, h in enumerate(heads)])


@pytest.mark.usefixtures("x64")
def test_equation(monkeypatch):
    monkeypatch.setattr(chunked, "_STEPS", 4)  # two chunks, the second not full
    assert_published(CELL, published)


def test_numbers_of_flash_linear_attention():
    cell = rx.GLA(8, heads=2)
    params = {name: jnp.asarray(GOLDEN[name]) for name in cell.param_shapes(5)}

    def run(params, xs):
        final, ys = rx.unroll(cell, params, xs, rx.GLAState(jnp.asarray(GOLDEN["h0"])))
        return (GOLDEN["out"] * ys).sum(), (ys, final.h)

    (d_params, d_xs), results = jax.jit(jax.grad(run, (0, 1), has_aux=True))(params, GOLDEN["xs"])
    assert_close(results, (GOLDEN["ys"], GOLDEN["h"]), 1e-5, 1e-5)
    assert_close(d_xs, GOLDEN["d_xs"], 1e-4, 1e-5)
    assert_close(d_params, {name: GOLDEN[f"d_{name}"] for name in params}, 1e-4, 1e-4)


@partial(jax.jit, static_argnums=(0, 1))
def run(cell, kind, params, xs, state, given):
    """Return outputs, the final state, and gradients."""

    def total(params, xs, state):
        final, ys = rx.unroll(cell, params, xs, state, implementation=kind, reverse=True, **given)
        return (ys.astype(float) ** 2).mean() + (final.h**2).mean(), (ys.astype(float), final)

    return jax.value_and_grad(total, (0, 1, 2), has_aux=True)(params, xs, state)


def long_run(steps=300):
    """Return parameters, inputs, a state and masks; some gates are near 0, others near 1."""
    rng, cell = np.random.default_rng(0), rx.GLA(8, heads=2)
    params = {n: rng.normal(size=shape) / 2 for n, shape in cell.param_shapes(3).items()}
    params["b"] = np.array([-300.0, 0.0, 300.0, -30.0])
    xs, state = rng.normal(size=(steps, 2, 3)), rng.normal(size=(2, 2, 2, 4))
    given = {"lengths": np.array([steps, 211]), "resets": rng.random((steps, 2)) < 0.03}
    return cell, params, xs, state, given


def test_chunks_are_steps_in_float64():
    cell, params, xs, state, given = long_run()
    narrow = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), (params, xs, state))
    got = run(cell, "associative", *narrow[:2], rx.GLAState(narrow[2]), given)
    half = rx.GLA(8, heads=2, dtype="bfloat16")
    rough = run(half, "associative", *narrow[:2], rx.GLAState(narrow[2]), given)
    with jax.enable_x64(True):
        wide = jax.tree.map(jnp.asarray, (params, xs, state))
        want = run(cell, "scan", *wide[:2], rx.GLAState(wide[2]), given)
        want = jax.tree.map(np.asarray, want)
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())
    for one, other in zip(jax.tree.leaves(rough), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(one, other, atol=0.05 * np.abs(other).max())


def test_memory_has_one_state_for_each_chunk_and_nothing_from_within():
    steps, width = 2048, 64
    cell = rx.GLA(width, heads=1, key_size=width)
    params = jax.eval_shape(lambda: cell.init(KEY, 3))
    xs = jax.ShapeDtypeStruct((steps, 1, 3), jnp.float32)
    grad = jax.jit(jax.grad(lambda p, xs: rx.unroll(cell, p, xs)[1].sum()))
    used = grad.lower(params, xs).compile().memory_analysis().temp_size_in_bytes
    # For each step, 4 of `width` are of states, where all states are 64; within chunks, 10 more.
    assert used < 4 * steps * width * 20


def test_states_within_chunks_are_left_to_steps():
    params, xs = CELL.init(KEY, 3), jax.random.normal(KEY, (5, 2, 3))
    resets = jnp.zeros((5, 2), bool).at[3].set(True)
    given = {"resets": resets, "reset_state": rx.GLAState(jnp.ones((2, 2, 1, 2)))}
    results = [
        rx.unroll(CELL, params, xs, implementation=kind, return_states=True, **given)
        for kind in ("scan", "associative")
    ]
    assert_close(*results, 1e-6, 1e-6)
    assert results[0][2].h.shape == (5, 2, 2, 1, 2)
    _, ys = rx.unroll(CELL, params, xs[3:], given["reset_state"])
    assert_close(results[0][1][3:], ys, 1e-6, 1e-6)
    assert rx.unroll(CELL, params, xs[:0])[1].shape == (0, 2, 4)
    assert rx.unroll(CELL, params, xs[:, :0])[1].shape == (5, 0, 4)


class Joined(rx.GLA):
    """One whose outputs are halved."""

    def emit(self, params, h, x, before):
        return super().emit(params, h, x, before) / 2


def test_a_cell_with_other_outputs_does_not_run_in_chunks():
    params, xs = CELL.init(KEY, 3), jax.random.normal(KEY, (5, 2, 3))
    half = Joined(4, heads=2, gate_rank=3)
    assert_close(rx.unroll(half, params, xs)[1], rx.unroll(CELL, params, xs)[1] / 2, 1e-6, 1e-6)


@pytest.mark.parametrize("name", ["explicit", "inside shard_map"])
def test_on_a_mesh(name):
    params, xs = CELL.init(KEY, 3), jax.random.normal(KEY, (6, 4, 3))
    resets, spread = np.random.default_rng(1).random((6, 4)) < 0.3, P(None, "data")

    def total(params, xs, resets):
        return (rx.unroll(CELL, params, xs, resets=resets)[1] ** 2).sum()

    want = jax.jit(jax.grad(total))(params, xs, resets)
    axis = AxisType.Explicit if name == "explicit" else AxisType.Auto
    mesh = jax.make_mesh((2,), ("data",), axis_types=(axis,))
    if name == "explicit":
        with jax.set_mesh(mesh):
            placed = jax.device_put(xs, NamedSharding(mesh, spread))
            got = jax.jit(jax.grad(total))(params, placed, resets)
    else:

        def summed(*given):
            return jax.lax.psum(total(*given), "data")

        specs = (P(), spread, spread)
        got = jax.jit(jax.grad(jax.shard_map(summed, mesh=mesh, in_specs=specs, out_specs=P())))(
            params, xs, resets
        )
    assert_close(jax.device_get(got), jax.device_get(want), 1e-5, 1e-5)


def test_sizes_and_gates():
    shapes = {n: rx.GLA(n).state_shapes()["h"] for n in (1, 3, 6, 8, 200)}
    assert shapes == {1: (1, 1, 1), 3: (1, 2, 3), 6: (2, 2, 3), 8: (4, 1, 2), 200: (4, 25, 50)}
    for cell in (rx.GLA(6), rx.GLA(6, use_bias=False, param_dtype="bfloat16")):
        params = cell.init(KEY, 3)
        assert {name: a.shape for name, a in params.items()} == cell.param_shapes(3)
    params = {**CELL.init(KEY, 3), "b": jnp.array([-100.0, 0.0])}
    shares = gate_saturation(CELL, params, jnp.zeros((5, 2, 3)))["a"]
    np.testing.assert_array_equal([shares.low, shares.high], 0.5)  # 0.5^(1/16) > 0.9


def test_bad_description():
    with pytest.raises(ValueError, match="heads must divide hidden_size 4, got 3"):
        rx.GLA(4, heads=3)
    with pytest.raises(ValueError, match="heads must be an integer of at least 1, got 0"):
        rx.GLA(4, heads=0)
    with pytest.raises(ValueError, match="key_size must be a multiple of heads, 4, got 6"):
        rx.GLA(4, key_size=6)
    with pytest.raises(ValueError, match="Mine must give gate_names, state_type, parts: see Mat"):
        type("Mine", (rx.MatrixCell,), {})(3)
