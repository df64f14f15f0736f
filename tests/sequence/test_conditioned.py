"""Conditioned: a core whose inputs all have one more vector beside them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import (
    assert_close,
    assert_equals_oracle,
    random_inputs,
    random_params,
    random_state,
    spoil,
)

import rnnjax as rx

TIME, BATCH = 5, (3,)
LENGTHS = np.array([5, 0, 4])
CUTS = np.zeros((TIME, *BATCH), bool)
CUTS[[2, 3, 0, 2], [0, 0, 2, 2]] = True
CORES = {"lstm": rx.LSTM(3), "stack": rx.Stack((rx.GRU(3), rx.Elman(2)))}


def prepared(core, dtype=np.float64):
    params = random_params(core, dtype=dtype)
    return params, random_inputs(TIME, BATCH, dtype=dtype), random_state(core, BATCH, dtype=dtype)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("options", [{}, {"lengths": LENGTHS}, {"resets": CUTS}, "both"])
def test_packed_and_padded_equals_separate(options, reverse):
    if options == "both":
        options = {"lengths": LENGTHS, "resets": CUTS}
    core = rx.Conditioned(CORES["lstm"], 2)
    params, xs, state = prepared(core)
    xs = spoil(xs, LENGTHS) if "lengths" in options else xs
    assert_equals_oracle(core, params, xs, state, reverse=reverse, **options)


@pytest.mark.parametrize("name", CORES)
def test_it_is_the_core_on_wider_inputs(name):
    core = rx.Conditioned(CORES[name], 2)
    params, xs, state = prepared(core, np.float32)
    final, ys = rx.unroll(core, params, xs, state)
    beside = jnp.broadcast_to(state.condition[None], (TIME, *BATCH, 2))
    wide = jnp.concatenate([xs, beside], axis=-1)
    want = rx.unroll(CORES[name], params, wide, state.core)
    assert_close((final.core, ys), want, 1e-6, 1e-6)
    np.testing.assert_array_equal(final.condition, state.condition)
    assert core.output_size == CORES[name].output_size
    for x, y in zip(xs, ys, strict=True):
        state, streamed = core.step(params, state, x)
        np.testing.assert_allclose(streamed, y, rtol=1e-5, atol=1e-6)
    assert_close(state, final, 1e-5, 1e-6)


def test_no_steps_leave_the_state():
    core = rx.Conditioned(rx.LSTM(3), 2)
    params, xs, state = prepared(core, np.float32)
    final, ys = rx.unroll(core, params, xs[:0], state, resets=CUTS[:0])
    assert ys.shape == (0, 3, 3)
    assert_close(final, state)


def test_bad_arguments_are_named():
    core = rx.Conditioned(rx.LSTM(3), 2)
    params, xs, state = prepared(core, np.float32)
    with pytest.raises(ValueError, match="must be a ConditionedState, got LSTMState"):
        rx.unroll(core, params, xs, state.core)
    wrong = state._replace(condition=jnp.zeros((3, 4)))
    for run in (
        lambda: rx.unroll(core, params, xs, wrong),
        lambda: core.step(params, wrong, xs[0]),
    ):
        with pytest.raises(ValueError, match=r"condition must have shape \(3, 2\), got \(3, 4\)"):
            run()
    with pytest.raises(ValueError, match="size must be an integer of at least 1, got 0"):
        rx.Conditioned(rx.LSTM(3), 0)
    assert jax.tree.structure(core.initial_state((3,))) == jax.tree.structure(state)
