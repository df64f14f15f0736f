"""The state after each step is what a run over the steps so far ends with."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from exporting import assert_exports
from oracle import (
    CELLS,
    TIME,
    assert_close,
    by_hand,
    evaluate,
    masks,
    oracle,
    random_inputs,
    random_params,
    random_state,
    spoil,
)

import rnnjax as rx

BATCH = (3,)


def prepared(core, dtype=np.float32, batch=BATCH):
    params, xs = random_params(core, dtype=dtype), random_inputs(TIME, batch, dtype=dtype)
    return params, xs, random_state(core, batch, dtype=dtype)


def stacked(states):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("name", "reverse", "options"),
    [
        pytest.param("lstm", False, {}, marks=pytest.mark.fast),
        ("lstm", True, {"recompute": True}),
        ("gru_before", True, {}),
        pytest.param("gru", True, {}, marks=pytest.mark.full),
        pytest.param("gru", False, {"implementation": "scan"}, marks=pytest.mark.full),
    ],
)
def test_values_and_gradients_are_those_of_shorter_runs(name, reverse, options):
    core, (batch, given) = CELLS[name], masks("both")
    params, xs, state = prepared(core, np.float64, batch)
    lengths, resets = given["lengths"], given["resets"]

    def run(params, xs, state):
        every = {**options, **given, "reverse": reverse, "return_states": True}
        final, ys, states = rx.unroll(core, params, xs, state, **every)
        return (final, states), ys

    def so_far(params, xs, state, t):
        """Return the state after step t."""
        if reverse:
            later = {"lengths": np.maximum(lengths - t, 0), "resets": resets[t:]}
            return oracle(core, params, xs[t:], state, **later, reverse=True)[0]
        return oracle(core, params, xs, state, np.minimum(lengths, t + 1), resets)[0]

    def runs(*args):
        final, ys = oracle(core, *args, **given, reverse=reverse)
        return (final, stacked([so_far(*args, t) for t in range(TIME)])), ys

    args = params, spoil(xs, lengths), state
    assert_close(evaluate(run, *args), by_hand(runs, *args))


@pytest.mark.parametrize("reverse", [False, True])
def test_a_core_made_of_cores_gives_the_states_of_its_parts(reverse):
    parts = rx.Bidirectional(rx.LSTM(3), rx.GRU(2)), rx.Window(2, 3), rx.Reversed(rx.Elman(2))
    core = rx.Stack((*parts, rx.Conditioned(rx.Elman(2), 2)))
    params, xs, state = prepared(core)
    options = {"lengths": np.array([5, 0, 3]), "resets": np.eye(TIME, 3, dtype=bool)}
    run = jax.jit(
        partial(rx.unroll, return_states=True, reverse=reverse, **options), static_argnums=0
    )
    final, ys, states = run(core, params, xs, state)
    without = {**options, "return_states": False}
    assert_close(
        (final, ys), rx.unroll(core, params, xs, state, reverse=reverse, **without), 1e-6, 1e-6
    )
    assert jax.tree.structure(states) == jax.tree.structure(state)
    turned = jax.jit(
        partial(rx.unroll, return_states=True, reverse=not reverse, **options), static_argnums=0
    )
    weights, start = params["layer_0"], state[0]
    _, a, ahead = run(parts[0].core, weights["forward"], xs, start.forward)
    _, b, back = turned(parts[0].backward, weights["backward"], xs, start.backward)
    _, c, pending = run(parts[1], params["layer_1"], jnp.concatenate([a, b], -1), state[1])
    _, d, h = turned(parts[2].core, params["layer_2"], c, state[2])
    _, _, last = run(core.layers[3], params["layer_3"], d, state[3])
    assert_close(states, (rx.BidirectionalState(ahead, back), pending, h, last), 1e-5, 1e-6)
    # The condition is kept, and cleared by a reset.
    flags = options["resets"] & (np.arange(TIME)[:, None] < options["lengths"])
    if not reverse:
        gone = np.maximum.accumulate(flags)[..., None]
        np.testing.assert_array_equal(last.condition, np.where(gone, 0, state[3].condition))


@pytest.mark.parametrize("implementation", ["scan", "fused"])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_step_that_does_not_count_holds_the_state_before_it(implementation, reverse):
    core = rx.LSTM(3)
    params, xs, state = prepared(core)
    mask = np.array([[0, 1, 1], [0, 0, 1], [1, 1, 0], [1, 0, 0], [0, 1, 0]], bool)
    final, _, states = rx.unroll(
        core,
        params,
        xs,
        state,
        mask=mask,
        reverse=reverse,
        implementation=implementation,
        return_states=True,
    )
    read = range(TIME)[::-1] if reverse else range(TIME)
    for t in read:
        after, _ = core.step(params, state, xs[t])
        state = jax.tree.map(lambda a, b, t=t: jnp.where(mask[t][:, None], a, b), after, state)
        assert_close(jax.tree.map(lambda a, t=t: a[t], states), state, 1e-5, 1e-6)
    assert_close(final, state, 1e-5, 1e-6)


def test_of_long_sequences_computed_in_blocks(monkeypatch):
    core = rx.LSTM(3)
    params, xs, state = prepared(core)
    want = rx.unroll(core, params, xs, state, return_states=True)
    monkeypatch.setattr("rnnjax.sequence.kernels.fused._BLOCK_ROWS", 2 * len(BATCH))
    assert_close(rx.unroll(core, params, xs, state, return_states=True), want, 1e-6, 1e-6)


@pytest.mark.parametrize("core", [rx.LSTM(3), rx.Conditioned(rx.GRU(3, reset_after=False), 2)])
def test_no_steps(core):
    params, xs, state = prepared(core)
    final, ys, states = rx.unroll(core, params, xs[:0], state, return_states=True)
    assert_close(final, state, 0, 0)
    assert ys.shape == (0, *BATCH, 3)
    jax.tree.map(lambda a, b: np.testing.assert_equal(a.shape, (0, *b.shape)), states, final)


def test_states_are_as_wide_as_the_final_state():
    core = rx.LSTM(3, dtype="bfloat16")
    params, xs, _ = prepared(core)
    _, ys, states = rx.unroll(core, params, xs, return_states=True)
    assert (ys.dtype, states.c.dtype) == (jnp.bfloat16, np.float32)


def test_a_program_for_all_lengths():
    core = rx.Stack((rx.Bidirectional(rx.LSTM(3)), rx.Conditioned(rx.GRU(2), 2)))
    params, _, _ = prepared(core)

    def run(params, xs, lengths):
        return rx.unroll(core, params, xs, lengths=lengths, return_states=True)

    def make(time, batch):
        xs = random_inputs(time, (batch,), dtype=np.float32)
        return xs, np.arange(batch, dtype=np.int32) % (time + 1)

    assert_exports(run, params, ("t, b, ...", "b"), make)


class Counted(rx.Stack):
    """A composite of a user's own that has a state beside those of its parts."""

    def over_time(self, params, xs, initial_state, options):
        final, ys = super().over_time(params, xs, initial_state, options)
        return (*final, jnp.int32(len(xs))), ys


def test_a_core_with_a_state_beside_its_parts_is_named():
    core = Counted((rx.GRU(3),))
    params, xs, state = prepared(core)
    with pytest.raises(ValueError, match=r"return_states needs a core whose .* got Counted"):
        rx.unroll(core, params, xs, state, return_states=True)
