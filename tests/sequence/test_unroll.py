"""`unroll` equals stepping by hand, value and gradient, for every cell, kernel and argument."""

import re
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import (
    CELLS,
    GATED,
    KERNELS,
    assert_close,
    assert_equals_oracle,
    evaluate,
    oracle,
    random_inputs,
    random_params,
    random_state,
    some_fast,
    spoil,
)

import rnnjax as rx

TIME = 5


def masks(kind):
    """Return batch, lengths and resets: none, one or both of the two, with 0, 1 and 2 axes."""
    cuts = np.zeros((TIME, 2, 3), bool)
    for t, row, column in [(2, 0, 0), (3, 0, 0), (0, 0, 1), (4, 0, 2), (1, 1, 0), (4, 1, 1)]:
        cuts[t, row, column] = True
    lengths = np.array([[5, 4, 0], [3, 5, 1]])
    return {
        "plain": ((), {}),
        "lengths": ((3,), {"lengths": lengths[0]}),
        "resets": ((3,), {"resets": cuts[:, 0]}),
        "both": ((3,), {"lengths": lengths[0], "resets": cuts[:, 0]}),
        "axes": ((2, 3), {"lengths": lengths, "resets": cuts}),
    }[kind]


def compare(name, kind, **options):
    """Compare one cell with the oracle, with NaN and infinities in the padding."""
    batch, masked = masks(kind)
    core = CELLS[name]
    xs = random_inputs(TIME, batch)
    dirty = spoil(xs, masked["lengths"]) if "lengths" in masked else xs
    args = (core, random_params(core), dirty, random_state(core, batch))
    assert_equals_oracle(*args, **masked, **options)


FEW = [(name, kernel) for name, kernel in KERNELS if name not in ("tanh", "relu")]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", ["plain", "lengths", "resets"])
@pytest.mark.parametrize(
    ("name", "implementation"), [("gru_before", "scan"), ("lstm", "fused"), ("gru", "fused")]
)
def test_equals_stepping_by_hand(name, implementation, kind, reverse):
    compare(name, kind, implementation=implementation, reverse=reverse)


@pytest.mark.usefixtures("x64")
def test_two_batch_axes():
    compare("gru", "axes", reverse=True)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("name", "implementation"), KERNELS)
def test_lengths_and_resets_together(name, implementation, reverse):
    compare(name, "both", implementation=implementation, reverse=reverse)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("name", "implementation"), FEW)
def test_computing_the_gates_again_changes_nothing(name, implementation):
    reverse = name == "lstm"
    compare(name, "both", implementation=implementation, reverse=reverse, recompute=True)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(data=st.data())
def test_equals_stepping_by_hand_on_any_shape(data):
    name, implementation = data.draw(st.sampled_from(KERNELS))
    time = data.draw(st.sampled_from([1, TIME]))
    batch = data.draw(st.sampled_from([(), (3,)]))
    lengths = resets = None
    if data.draw(st.booleans()):
        flat = data.draw(st.lists(st.integers(0, time), min_size=3, max_size=3))
        lengths = np.resize(flat, batch)
    if data.draw(st.booleans()):
        flat = data.draw(st.lists(st.booleans(), min_size=15, max_size=15))
        resets = np.resize(flat, (time, *batch))
    with jax.enable_x64(True):
        core = CELLS[name]
        xs = random_inputs(time, batch)
        assert_equals_oracle(
            core,
            random_params(core),
            xs if lengths is None else spoil(xs, lengths),
            random_state(core, batch),
            lengths=lengths,
            resets=resets,
            reverse=data.draw(st.booleans()),
            implementation=implementation,
        )


@pytest.mark.parametrize("name", some_fast(["lstm", "gru_before"], ["lstm"]))
def test_float32(name):
    core = CELLS[name]
    lengths = np.array([5, 0, 3])
    params, xs, state = (
        random_params(core, dtype=np.float32),
        random_inputs(TIME, (3,), dtype=np.float32),
        random_state(core, (3,), dtype=np.float32),
    )
    want = evaluate(lambda p, x, s: oracle(core, p, x, s, lengths=lengths), params, xs, state)
    got = evaluate(lambda p, x, s: rx.unroll(core, p, x, s, lengths=lengths), params, xs, state)
    assert jax.tree.all(jax.tree.map(lambda a: a.dtype == np.float32, got))
    assert_close(got, want, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(("name", "implementation"), [("lstm", "fused"), ("gru", "fused")])
def test_bfloat16(name, implementation):
    """Outputs in bfloat16; states, and gradients of float32 parameters, in float32."""
    exact = CELLS[name]
    core = type(exact)(**{**vars(exact), "dtype": jnp.bfloat16})
    params = random_params(core, dtype=np.float32)
    xs = random_inputs(TIME, (3,), dtype=np.float32)
    lengths = np.array([5, 0, 3])

    def run(core, xs, implementation):
        def function(params, xs, state):
            final, ys = rx.unroll(
                core, params, xs, state, lengths=lengths, implementation=implementation
            )
            dtypes.append(ys.dtype)
            return final, ys.astype(jnp.float32)

        dtypes = []
        results, grads = evaluate(function, params, xs, core.initial_state((3,)))
        assert jax.tree.all(jax.tree.map(lambda a: a.dtype == np.float32, (results, grads[0])))
        return results, grads, dtypes[0]

    *got, dtype = run(core, xs, implementation)
    assert dtype == jnp.bfloat16
    *want, _ = run(exact, xs, "scan")
    close = jax.tree.map(lambda a, b: np.abs(a - b).max() / (1 + np.abs(b).max()), got, want)
    assert max(jax.tree.leaves(close)) < 0.03
    *also, _ = run(core, xs, "scan")
    close = jax.tree.map(lambda a, b: np.abs(a - b).max() / (1 + np.abs(b).max()), got, also)
    assert max(jax.tree.leaves(close)) < 0.02


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_bfloat16_inputs_and_params(name):
    core = CELLS[name]
    params = random_params(core, dtype=jnp.bfloat16)
    xs = random_inputs(TIME, (3,), dtype=jnp.bfloat16)
    state = random_state(core, (3,), dtype=jnp.bfloat16)
    (final, ys), grads = evaluate(lambda p, x, s: rx.unroll(core, p, x, s), params, xs, state)
    assert ys.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in final} == {np.dtype(np.float32)}
    assert {leaf.dtype for leaf in jax.tree.leaves(grads)} == {np.dtype(jnp.bfloat16)}


@pytest.mark.parametrize(("time", "batch"), [(0, ()), (4, (2, 0))])
def test_nothing_to_read(time, batch):
    for core in (rx.LSTM(3), rx.Stack((rx.Bidirectional(rx.LSTM(3)), rx.GRU(3)))):
        params = random_params(core, dtype=np.float32)
        state = random_state(core, batch, dtype=np.float32)
        xs = jnp.zeros((time, *batch, 2))
        options = {"lengths": np.zeros(batch, int), "resets": np.zeros((time, *batch), bool)}
        for masked in ({}, options):
            function = lambda p, x, s, core=core, masked=masked: rx.unroll(core, p, x, s, **masked)  # noqa: E731
            (final, ys), grads = evaluate(function, params, xs, state)
            assert ys.shape == (time, *batch, core.output_size)
            assert_close(final, state, 0, 0)
            assert not any(np.any(leaf) for leaf in jax.tree.leaves(grads[0]))


@pytest.mark.parametrize("implementation", ["scan", "fused"])
def test_no_initial_state_is_the_zero_state(implementation):
    core = rx.LSTM(3)
    params, xs = random_params(core, dtype=np.float32), random_inputs(4, (2,), dtype=np.float32)
    got = rx.unroll(core, params, xs, implementation=implementation)
    want = rx.unroll(core, params, xs, core.initial_state((2,)), implementation=implementation)
    assert_close(got, want, 0, 0)


@dataclass(frozen=True)
class Slow:
    """A user's own cell: a state that is a dict, a clock among it that counts the steps read."""

    output_size: int = 2

    def init(self, key, input_size):
        return {"w": jax.random.normal(key, (input_size, 2))}

    def initial_state(self, batch_shape=()):
        return {
            "mean": jnp.zeros((*batch_shape, 2)),
            "clock": jnp.full((*batch_shape, 1), 7, jnp.int32),
        }

    def step(self, params, state, x):
        clock = state["clock"] + 1
        mean = 0.9 * state["mean"] + jnp.tanh(x @ params["w"]) / clock
        return {"mean": mean, "clock": clock}, mean * mean


def by_hand(core, params, xs, state):
    ys = []
    for x in xs:
        state, y = core.step(params, state, x)
        ys.append(y)
    return state, jnp.stack(ys)


@pytest.mark.parametrize("recompute", some_fast([False, True], [False]))
def test_users_own_cell(recompute):
    core = Slow()
    params = core.init(jax.random.key(0), 2)
    xs = random_inputs(TIME, (3,), dtype=np.float32)
    lengths = np.array([5, 0, 3])
    resets = np.zeros((TIME, 3), bool)
    resets[2, 0] = True

    def function(params, xs):
        final, ys = rx.unroll(core, params, xs, lengths=lengths, resets=resets, recompute=recompute)
        return jnp.sum(ys**2) + jnp.sum(final["mean"] ** 2), (final, ys)

    def want(params, xs):
        zero = core.initial_state(())
        _, head = by_hand(core, params, xs[:2, 0], zero)
        final_0, tail = by_hand(core, params, xs[2:, 0], zero)
        final_2, short = by_hand(core, params, xs[:3, 2], zero)
        final = jax.tree.map(lambda *leaves: jnp.stack(leaves), final_0, zero, final_2)
        rows = [
            jnp.concatenate([head, tail]),
            jnp.zeros((5, 2)),
            jnp.zeros((5, 2)).at[:3].set(short),
        ]
        ys = jnp.stack(rows, axis=1)
        return jnp.sum(ys**2) + jnp.sum(final["mean"] ** 2), (final, ys)

    got_grads, got = jax.grad(function, (0, 1), has_aux=True)(params, spoil(xs, lengths))
    want_grads, want = jax.grad(want, (0, 1), has_aux=True)(params, xs)
    assert got[0]["clock"].dtype == np.int32
    np.testing.assert_array_equal(got[0]["clock"][:, 0], [10, 7, 10])
    assert_close((got, got_grads), (want, want_grads), 1e-5, 1e-6)


def test_users_own_cell_stacked_and_in_both_directions():
    core = rx.Stack((rx.Bidirectional(Slow()), rx.LSTM(3)))
    params = core.init(jax.random.key(0), 2)
    xs = random_inputs(TIME, (2,), dtype=np.float32)
    final, ys = rx.unroll(core, params, xs, lengths=[5, 2])
    np.testing.assert_array_equal(final[0].backward["clock"][:, 0], [12, 9])
    alone, zs = rx.unroll(core, params, xs[:2, 1])
    assert_close(ys[:2, 1], zs, 1e-5, 1e-6)
    assert_close(final[1].h[1], alone[1].h, 1e-5, 1e-6)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("name", "recompute"), [("lstm", False), ("gru", True)])
def test_gradient_of_a_gradient(name, recompute):
    """Through the fused path's own derivative, as through the scan."""
    core = GATED[name]
    args = random_params(core), random_inputs(4, (2,)), random_state(core, (2,))
    masked = {"lengths": np.array([4, 2]), "resets": np.zeros((4, 2), bool)}
    masked["resets"][2, 0] = True

    def twice(implementation):
        def run(params, xs, state):
            options = {"implementation": implementation, "recompute": recompute}
            return rx.unroll(core, params, xs, state, **masked, **options)

        def slope(*args):
            _, grads = evaluate(run, *args)
            return sum(jnp.sum(g**2) for g in jax.tree.leaves(grads))

        return jax.jit(jax.grad(slope, (0, 1, 2)))(*args)

    assert_close(twice("fused"), twice("scan"))


def test_forward_mode_through_the_scan():
    core = rx.GRU(3)
    params, xs = random_params(core, dtype=np.float32), random_inputs(4, (2,), dtype=np.float32)

    def total(xs, implementation):
        return rx.unroll(core, params, xs, implementation=implementation)[1].sum()

    want = jax.grad(total)(xs, "fused")
    _, got = jax.jvp(lambda xs: total(xs, "scan"), (xs,), (jnp.ones_like(xs),))
    np.testing.assert_allclose(got, want.sum(), rtol=1e-4)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("name", "block"), [("lstm", 2), ("gru", 1)])
def test_long_sequences_are_projected_in_blocks(name, block, reverse, monkeypatch):
    monkeypatch.setattr("rnnjax.sequence.kernels.fused._BLOCK_ROWS", 3 * block)
    compare(name, "both", implementation="fused", reverse=reverse)
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


@pytest.mark.parametrize("implementation", ["scan", "fused"])
def test_computing_again_keeps_the_states_between_blocks_only(implementation):
    core, steps = rx.LSTM(3), 36
    params = random_params(core, dtype=np.float32)
    xs = random_inputs(steps, (4,), dtype=np.float32)

    def kept(recompute):
        options = {"implementation": implementation, "recompute": recompute}
        _, pullback = jax.vjp(lambda p: rx.unroll(core, p, xs, **options)[1], params)
        return sum(leaf.size for leaf in jax.tree.leaves(pullback))

    state, blocks = 2 * 4 * 3, 6
    assert kept(True) <= blocks * state + xs.size + 250  # and the parameters
    assert kept(False) >= steps * 3 * state  # the states, and twice as much in gates


def test_of_gates_that_add_up_one_summand_is_kept():
    core, steps, batch = rx.GRU(3), 36, 4
    params = random_params(core, dtype=np.float32)
    xs = random_inputs(steps, (batch,), dtype=np.float32)
    _, pullback = jax.vjp(lambda xs: rx.unroll(core, params, xs)[1], xs)
    kept = sum(leaf.size for leaf in jax.tree.leaves(pullback))
    # A state, r, z, and both summands of n; with both of all three it would be seven.
    assert 5 <= (kept - xs.size) / (steps * batch * 3) < 6


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

    want, got = (jax.grad(loss)(params, recompute)["w"] for recompute in (False, True))
    np.testing.assert_allclose(got, want, rtol=1e-5)


@pytest.mark.parametrize("steps", [0, 1, 3, 4])
def test_computing_again_over_an_empty_batch(steps):
    core = rx.LSTM(3)
    params = random_params(core, dtype=np.float32)
    xs = random_inputs(steps, (0,), dtype=np.float32)
    assert rx.unroll(core, params, xs, recompute=True)[1].shape == (steps, 0, 3)


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


@dataclass(frozen=True)
class Primed(rx.LSTM):
    """An LSTM that starts from a state of its own."""

    def initial_state(self, batch_shape=()):
        ones = jnp.ones((*batch_shape, self.hidden_size))
        return rx.LSTMState(0.5 * ones, -0.25 * ones)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("implementation", ["scan", "fused"])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_reset_starts_from_the_initial_state_of_the_core(implementation, reverse):
    core, cut = Primed(3), 2
    params, xs = random_params(core), random_inputs(TIME, (1,))
    resets = jnp.arange(TIME)[:, None] == cut

    def packed(params, xs):
        _, ys = rx.unroll(
            core, params, xs, resets=resets, reverse=reverse, implementation=implementation
        )
        return ys

    def separate(params, xs):
        parts = [
            rx.unroll(core, params, part, reverse=reverse, implementation="scan")[1]
            for part in (xs[:cut], xs[cut:])
        ]
        return jnp.concatenate(parts)

    assert_close(*(evaluate_packed(run, params, xs) for run in (packed, separate)))


def evaluate_packed(run, params, xs):
    """Return what `run` gives, and the gradients of the sum of its squares."""

    def loss(params, xs):
        ys = run(params, xs)
        return (ys**2).sum(), ys

    grads, ys = jax.jit(jax.grad(loss, (0, 1), has_aux=True))(params, xs)
    return ys, grads
