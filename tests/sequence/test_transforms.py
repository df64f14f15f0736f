"""jit, vmap, meshes, and training through time in chunks."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from oracle import (
    CELLS,
    GATED,
    assert_close,
    evaluate,
    random_inputs,
    random_params,
    random_state,
    some_fast,
)

import rnnjax as rx

TIME, BATCH = 4, (4,)
LENGTHS = np.array([4, 0, 3, 2])
CUTS = np.zeros((TIME, *BATCH), bool)
CUTS[[2, 1], [0, 3]] = True
MASKS = {"lengths": LENGTHS, "resets": CUTS}


def prepared(core, seed=0):
    params = random_params(core, seed=seed, dtype=np.float32)
    xs = random_inputs(TIME, BATCH, seed=seed + 1, dtype=np.float32)
    return params, xs, random_state(core, BATCH, seed=seed + 2, dtype=np.float32)


def run(core, params, xs, state, lengths=LENGTHS, resets=CUTS, implementation="auto"):
    """Return results and gradients."""
    options = {"lengths": lengths, "resets": resets, "implementation": implementation}
    return evaluate(lambda p, x, s: rx.unroll(core, p, x, s, **options), params, xs, state)


def stacked(trees):
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


@pytest.mark.parametrize("name", ["lstm", pytest.param("gru", marks=pytest.mark.full)])
def test_jit(name):
    core = CELLS[name]
    args = (*prepared(core), LENGTHS, CUTS)
    got = jax.jit(lambda *args: run(core, *args))(*args)
    with jax.disable_jit():
        want = run(core, *args)
    assert_close(got, want, 1e-5, 2e-6)


@pytest.mark.parametrize(
    ("name", "implementation"),
    [
        ("lstm", "scan"),
        pytest.param("gru", "fused", marks=pytest.mark.fast),
        pytest.param("lstm", "fused", marks=pytest.mark.full),
        pytest.param("gru", "scan", marks=pytest.mark.full),
    ],
)
def test_vmap_over_weights(name, implementation):
    """An ensemble on the same inputs."""
    core = GATED[name]
    members = [prepared(core, seed)[0] for seed in (0, 10)]
    _, xs, state = prepared(core)
    one = jax.jit(lambda p: run(core, p, xs, state, implementation=implementation))
    want = stacked([one(params) for params in members])
    assert_close(jax.jit(jax.vmap(one))(stacked(members)), want, 1e-5, 2e-6)


def test_vmap_over_everything():
    core = GATED["gru"]
    cases = [
        (*prepared(core, 0), LENGTHS, CUTS),
        (*prepared(core, 5), LENGTHS[::-1], CUTS[:, ::-1]),
    ]
    one = jax.jit(lambda *args: run(core, *args))
    want = stacked([one(*case) for case in cases])
    assert_close(jax.jit(jax.vmap(one))(*stacked(cases)), want, 1e-5, 2e-6)


def test_vmap_of_single_sequences_is_a_batch():
    core = rx.GRU(3)
    params, xs, state = prepared(core)

    def one(xs, state, length, cuts):
        return rx.unroll(core, params, xs, state, lengths=length, resets=cuts)

    many = jax.jit(jax.vmap(one, in_axes=(1, 0, 0, 1), out_axes=(0, 1)))
    want = jax.jit(partial(rx.unroll, core))(params, xs, state, **MASKS)
    assert_close(many(xs, state, LENGTHS, CUTS), want, 1e-5, 1e-6)


SHARDED = {
    "lstm": rx.LSTM(3),
    "gru": rx.GRU(3),
    "deep": rx.Stack((rx.Bidirectional(rx.LSTM(3)), rx.GRU(3)), dropout=0.3),
}


def sharded(core, mesh, masked, state_given, implementation):
    """Compare one device with a batch divided over the devices of `mesh`."""
    params, xs, state = prepared(core)
    args = (params, xs, state, LENGTHS, CUTS)

    def step(params, xs, state, lengths, resets):
        masks = {"lengths": lengths, "resets": resets} if masked else {}

        def loss(params, xs, state):
            results = rx.unroll(
                core,
                params,
                xs,
                state if state_given else None,
                implementation=implementation,
                dropout_key=jax.random.key(0) if isinstance(core, rx.Stack) else None,
                **masks,
            )
            return sum(jnp.sum(a**2) for a in jax.tree.leaves(results)), results

        return jax.grad(loss, (0, 1, 2), has_aux=True)(params, xs, state)

    want = jax.jit(step)(*args)
    rows, columns = NamedSharding(mesh, P("data")), NamedSharding(mesh, P(None, "data"))
    places = (NamedSharding(mesh, P()), columns, rows, rows, columns)
    with jax.set_mesh(mesh):
        got = jax.jit(step)(*map(jax.device_put, args, places))
    (_, ys) = got[1]
    assert ys.sharding.spec[1] == "data"
    assert_close(jax.device_get(got), jax.device_get(want), 1e-5, 2e-6)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.fast if name == "lstm" else pytest.mark.full)
        for name in SHARDED
    ],
)
def test_mesh_of_auto_axes(name):
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))
    sharded(SHARDED[name], mesh, masked=True, state_given=False, implementation="auto")


EXPLICIT = [("lstm", False, "scan"), ("lstm", True, "fused"), ("gru", False, "auto")]


@pytest.mark.parametrize(
    ("name", "state_given", "implementation"), [*EXPLICIT, ("deep", False, "auto")]
)
def test_mesh_of_explicit_axes(name, state_given, implementation):
    """What `jax.make_mesh` gives by default."""
    mesh = jax.make_mesh((2,), ("data",))
    masked = implementation != "scan"
    sharded(SHARDED[name], mesh, masked, state_given, implementation)


def test_shard_map():
    core = rx.LSTM(3)
    params, xs, state = prepared(core)
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))
    rows, columns = P("data"), P(None, "data")

    @jax.jit
    @jax.shard_map(
        mesh=mesh, in_specs=(P(), columns, rows, rows, columns), out_specs=(rows, columns)
    )
    def run(params, xs, state, lengths, resets):
        return rx.unroll(core, params, xs, state, lengths=lengths, resets=resets)

    got = run(params, xs, state, LENGTHS, CUTS)
    want = jax.jit(partial(rx.unroll, core))(params, xs, state, **MASKS)
    assert_close(jax.device_get(got), jax.device_get(want), 1e-5, 1e-6)


@pytest.mark.parametrize("name", some_fast(["lstm", "stack"], ["lstm"]))
def test_chunks_with_carried_state(name):
    """Two chunks are one long run; cut at the border, the gradient of the second stays in it."""
    core = rx.Stack((rx.LSTM(3), rx.GRU(3))) if name == "stack" else CELLS[name]
    params, xs, state = prepared(core)

    @jax.jit
    def whole(params, xs, state):
        return evaluate(lambda p, x, s: rx.unroll(core, p, x, s), params, xs, state)

    def chunked(border):
        def function(params, xs, state):
            middle, head = rx.unroll(core, params, xs[:2], state)
            final, tail = rx.unroll(core, params, xs[2:], border(middle))
            return final, jnp.concatenate([head, tail])

        return jax.jit(lambda *args: evaluate(function, *args))(params, xs, state)

    want, want_grads = whole(params, xs, state)
    got, grads = chunked(lambda state: state)
    assert_close((got, grads), (want, want_grads), 1e-5, 2e-6)
    got, cut = chunked(jax.lax.stop_gradient)
    assert_close(got, want, 1e-5, 2e-6)
    # The last steps' gradients know nothing of the border, the first steps' all of it.
    np.testing.assert_allclose(cut[1][2:], grads[1][2:], rtol=1e-5, atol=2e-6)
    assert np.abs(cut[1][:2] - grads[1][:2]).max() > 1e-3

    @jax.jit
    def second(params, xs, state):
        results = rx.unroll(core, params, xs, state)
        middle = jax.lax.stop_gradient(results[0])
        return sum(jnp.sum(a) for a in jax.tree.leaves(rx.unroll(core, params, xs, middle)))

    for leaf in jax.tree.leaves(jax.grad(second, 2)(params, xs, state)):
        np.testing.assert_array_equal(leaf, 0)


STEPPED = {**CELLS, "stack": rx.Stack((rx.Conditioned(rx.LSTM(3), 2), rx.Window(3, width=2)))}


@pytest.mark.parametrize("name", some_fast(STEPPED, ["lstm"]))
def test_a_carry_of_half_precision(name):
    """`step` keeps the dtypes of the state it is given; `unroll` reads it in float32."""
    core = STEPPED[name]
    params, xs, state = prepared(core)
    half = jax.tree.map(lambda a: a.astype(jnp.bfloat16), state)

    @jax.jit
    def both(params, xs, half):
        stepped = jax.lax.scan(partial(core.step, params), half, xs)
        wide = jax.tree.map(lambda a: a.astype(jnp.float32), half)
        return stepped, rx.unroll(core, params, xs, half), rx.unroll(core, params, xs, wide)

    (final, ys), unrolled, want = both(params, xs, half)
    assert all(leaf.dtype == jnp.bfloat16 for leaf in jax.tree.leaves(final))
    assert ys.dtype == jnp.float32
    np.testing.assert_allclose(ys, want[1], rtol=0, atol=0.1)
    np.testing.assert_array_equal(unrolled[1], want[1])


def test_a_state_of_nan_is_forgotten_at_a_reset():
    core = rx.LSTM(3)
    params, xs, _ = prepared(core)
    state = jax.tree.map(lambda a: jnp.full_like(a, np.nan), core.initial_state(BATCH))
    cuts = np.zeros((TIME, *BATCH), bool)
    cuts[0] = True
    for implementation in ("scan", "fused"):
        got = run(core, params, xs, state, None, cuts, implementation)
        want = run(core, params, xs, core.initial_state(BATCH), None, None, implementation)
        assert_close(got[0], want[0], 0, 1e-6)
        assert_close(got[1][:2], want[1][:2], 1e-5, 2e-6)
        assert not any(np.any(leaf) for leaf in got[1][2])


class Noisy:
    """A core whose state holds a random key."""

    output_size = 2

    def init(self, key, input_size):
        return {"w": jnp.ones((input_size, 2))}

    def initial_state(self, batch_shape=()):
        return {"h": jnp.zeros((*batch_shape, 2)), "key": jax.random.split(KEY, batch_shape)}

    def step(self, params, state, x):
        keys = jax.vmap(jax.random.split)(state["key"])
        noise = jax.vmap(lambda key: jax.random.normal(key, (2,)))(keys[:, 0])
        h = 0.9 * state["h"] + x @ params["w"] + 0.1 * noise
        return {"h": h, "key": keys[:, 1]}, h


KEY = jax.random.key(3)


def test_a_state_may_hold_typed_random_keys():
    core, xs = Noisy(), jnp.ones((4, 2, 3))
    params = core.init(KEY, 3)
    state = core.initial_state((2,))
    _, want = jax.lax.scan(lambda s, x: core.step(params, s, x), state, xs)
    final, ys = jax.jit(partial(rx.unroll, core))(params, xs, lengths=jnp.array([4, 2]))
    np.testing.assert_allclose(ys[:, 0], want[:, 0], rtol=1e-6)
    np.testing.assert_allclose(ys[:2, 1], want[:2, 1], rtol=1e-6)
    assert final["key"].dtype == KEY.dtype
