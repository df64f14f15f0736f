"""Resets to a given state equal stepping from it, value and gradient."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from exporting import assert_exports
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from oracle import (
    CELLS,
    TIME,
    assert_close,
    by_hand,
    evaluate,
    oracle,
    random_inputs,
    random_like,
    random_params,
    random_state,
    some_fast,
    spoil,
)

import rnnjax as rx

BATCH, LENGTHS = (3,), np.array([5, 3, 4])
CUTS = np.zeros((TIME + 1, *BATCH), bool)
CUTS[[2, 3, 0, 3, 1, 5, 4], [0, 0, 1, 1, 2, 0, 2]] = True
CORES = {
    **CELLS,
    "deep": rx.Stack((rx.Bidirectional(rx.LSTM(3), rx.GRU(2)), rx.Reversed(rx.Elman(3)))),
}


def kinds(core, seed=5):
    """Return states after a reset: the same for all sequences, one for each, one for each reset."""
    state = core.initial_state(BATCH)
    return {
        "shared": random_like(seed, core.initial_state()),
        "own": random_like(seed, state),
        "stored": random_like(seed, core.initial_state((TIME + 1, *BATCH))),
    }


def stored(kind, reset):
    """Return any of them as one state for each reset."""
    axes = {"shared": (TIME + 1, *BATCH), "own": (TIME + 1,), "stored": ()}[kind]
    return jax.tree.map(lambda a: jnp.broadcast_to(a, (*axes, *a.shape)), reset)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        pytest.param("lstm", "shared", {"reverse": True}, marks=pytest.mark.fast),
        ("lstm", "stored", {"recompute": True}),
        ("gru", "stored", {"reverse": True, "implementation": "scan"}),
        ("gru_before", "own", {}),
        ("deep", "own", {}),
        ("deep", "stored", {"reverse": True}),
        *(
            pytest.param(name, kind, options, marks=pytest.mark.full)
            for name, kind in [("lstm", "own"), ("gru", "shared"), ("deep", "shared")]
            for options in [{}, {"reverse": True, "recompute": True}]
        ),
    ],
)
def test_equals_stepping_by_hand(name, kind, options):
    core = CORES[name]
    params, xs = random_params(core), spoil(random_inputs(TIME, BATCH), LENGTHS)
    states = random_state(core, BATCH), kinds(core)[kind]
    masks = {"lengths": LENGTHS, "resets": CUTS}

    def run(params, xs, states):
        state, reset = states
        return rx.unroll(core, params, xs, state, reset_state=reset, **masks, **options)

    def stepped(params, xs, states):
        state, reset = states
        reverse = options.get("reverse", False)
        args = (core, params, xs, state)
        return oracle(*args, reset_state=stored(kind, reset), **masks, reverse=reverse)

    got, want = evaluate(run, params, xs, states), by_hand(stepped, params, xs, states)
    assert_close(got, want)
    assert all(np.any(leaf) for leaf in jax.tree.leaves(got[1][2][1]))  # gradients flow to it


def single(core, time=TIME, batch=BATCH):
    """Return parameters, inputs and a state, in float32."""
    options = {"dtype": np.float32}
    xs = random_inputs(time, batch, **options)
    return random_params(core, **options), xs, random_state(core, batch, **options)


@pytest.mark.parametrize("reverse", some_fast([False, True], [False]))
def test_parts_that_hold_other_states(reverse):
    """A vector beside the inputs, sums of a window, a user's own composite and a random key."""
    core = rx.Stack((rx.Conditioned(rx.GRU(2), 2), rx.Window(2, width=3), Pair(rx.Elman(2))))
    params, xs, state = single(core)
    start = random_state(core, BATCH, seed=7, dtype=np.float32)
    resets = np.zeros((TIME, *BATCH), bool)
    resets[2] = True
    run = jax.jit(partial(rx.unroll, core, reverse=reverse))
    final, ys = run(params, xs, state, resets=resets, reset_state=start)
    first, second = (state, start) if not reverse else (start, state)
    a, early = run(params, xs[:2], first)
    b, late = run(params, xs[2:], second)
    assert_close((final, ys), (a if reverse else b, jnp.concatenate([early, late])), 1e-5, 1e-6)


class Pair(rx.sequence.Composite):
    """A user's composite that knows nothing of resets."""

    def __init__(self, core):
        self.core, self.output_size = core, core.output_size

    def init(self, key, input_size):
        return [self.core.init(key, input_size)] * 2

    def initial_state(self, batch_shape=()):
        return [self.core.initial_state(batch_shape)] * 2

    def step(self, params, state, x):
        raise NotImplementedError

    def over_time(self, params, xs, initial_state, options):
        pairs = zip(params, initial_state, strict=True)
        (a, ys), (b, zs) = (options.unroll(self.core, p, xs, s) for p, s in pairs)
        return [a, b], ys + zs


@pytest.mark.parametrize("implementation", ["scan", "fused"])
def test_none_is_the_initial_state_of_the_core(implementation):
    core = rx.LSTM(3)
    params, xs, state = single(core)
    run = jax.jit(partial(rx.unroll, core, resets=CUTS, implementation=implementation))
    want = run(params, xs, state)
    assert_close(run(params, xs, state, reset_state=core.initial_state()), want, 0, 0)
    # Without resets it has no part.
    plain = rx.unroll(core, params, xs, state, implementation=implementation)
    start = random_state(core, BATCH, dtype=np.float32)
    got = rx.unroll(core, params, xs, state, reset_state=start, implementation=implementation)
    assert_close(got, plain, 0, 0)


def test_resets_may_be_a_list():
    core = rx.GRU(3)
    params, xs, _ = single(core)
    given = {"reset_state": random_state(core, BATCH, dtype=np.float32)}
    want = rx.unroll(core, params, xs, resets=CUTS, **given)
    assert_close(rx.unroll(core, params, xs, resets=np.asarray(CUTS).tolist(), **given), want, 0, 0)


def test_a_learned_state_of_another_dtype():
    core = rx.GRU(3, dtype="bfloat16")
    params, xs, _ = single(core)

    def loss(start):
        return rx.unroll(core, params, xs, resets=CUTS, reset_state=start)[1].sum()

    start = jax.tree.map(lambda a: a.astype(jnp.bfloat16), core.initial_state())
    assert jax.jit(jax.grad(loss))(start).h.dtype == jnp.bfloat16


@pytest.mark.parametrize("time", [0, 1])
def test_few_steps(time):
    core = rx.LSTM(3)
    params, xs, state = single(core, time)
    resets, start = np.zeros((time, *BATCH), bool), core.initial_state()
    for reverse in (False, True):
        final, _ = rx.unroll(
            core, params, xs, state, resets=resets, reset_state=start, reverse=reverse
        )
        if not time:
            assert_close(final, state, 0, 0)


def test_a_program_for_all_lengths():
    core = rx.Stack((rx.Bidirectional(rx.LSTM(3)), rx.Conditioned(rx.GRU(2), 2)))
    params, _, _ = single(core)

    def run(params, xs, resets, start):
        return rx.unroll(core, params, xs, resets=resets, reset_state=start)

    def make(time, batch):
        _, xs, state = single(core, time, (batch,))
        return xs, np.random.default_rng(0).random((time, batch)) < 0.4, state

    assert_exports(run, params, ("t, b, ...", "t, b", "b, ..."), make)


def test_on_a_mesh_of_explicit_axes():
    core = rx.LSTM(3)
    params, xs, _ = single(core, batch=(4,))
    start = random_state(core, (), dtype=np.float32)
    resets = np.random.default_rng(0).random((TIME, 4)) < 0.4

    @jax.jit
    @jax.grad
    def slope(start, params, xs):
        return (rx.unroll(core, params, xs, resets=resets, reset_state=start)[1] ** 2).sum()

    want = slope(start, params, xs)
    mesh = jax.make_mesh((2,), ("data",))
    with jax.set_mesh(mesh):
        xs = jax.device_put(xs, NamedSharding(mesh, P(None, "data")))
        assert_close(slope(start, params, xs), want, 1e-5, 1e-6)


def test_inside_shard_map():
    core, mesh = rx.GRU(3), jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    params, xs, _ = single(core, batch=(4,))
    start = random_state(core, (), dtype=np.float32)
    resets = np.random.default_rng(0).random((TIME, 4)) < 0.4

    def total(start, xs, resets):
        return (rx.unroll(core, params, xs, resets=resets, reset_state=start)[1] ** 2).sum()

    def sharded(start, xs, resets):
        def one(*args):
            return jax.lax.psum(total(*args), "data")

        shards = P(None, "data")
        given = {"mesh": mesh, "in_specs": (P(), shards, shards), "out_specs": P()}
        return jax.shard_map(one, **given)(start, xs, resets)

    got, want = (jax.jit(jax.grad(f))(start, xs, resets) for f in (sharded, total))
    assert_close(got, want, 1e-5, 1e-6)


STACK = rx.Stack((rx.LSTM(3), rx.GRU(3)))


@pytest.mark.parametrize(
    ("core", "start", "message"),
    [
        (rx.LSTM(3), rx.GRUState(jnp.ones(3)), "reset_state must be like the state, .*LSTMState"),
        (
            rx.GRU(3),
            rx.GRUState(jnp.ones(4)),
            r"reset_state\.h must have shape \(3,\), \(3, 3\) or \(6, 3, 3\), got \(4,\)",
        ),
        (rx.GRU(3), rx.GRUState(jnp.ones((5, 3, 3))), r"reset_state\.h .* got \(5, 3, 3\)"),
        (STACK, STACK.initial_state((2,)), r"reset_state\[0\]\.h must have shape"),
        (STACK, STACK.initial_state()[:1], "reset_state must be like the state"),
    ],
)
def test_a_state_that_does_not_fit(core, start, message):
    params, xs, _ = single(core)
    with pytest.raises(ValueError, match=message):
        rx.unroll(core, params, xs, resets=CUTS, reset_state=start)
    if start.__class__ is rx.GRUState and jnp.shape(start.h) == (5, 3, 3):
        return  # as many rows as there are steps
    with pytest.raises(ValueError, match=message.replace("6", "5")):
        rx.unroll(core, params, xs, reset_state=start)
