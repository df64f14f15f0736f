"""Window: a layer over the last few inputs, which keeps a core's promises."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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


def prepared(core, dtype=np.float64, time=TIME):
    params = random_params(core, dtype=dtype)
    return params, random_inputs(time, BATCH, dtype=dtype), random_state(core, BATCH, dtype=dtype)


@pytest.mark.fast
@settings(max_examples=6, deadline=None)
@given(st.integers(1, 3), st.integers(2, 5), st.integers(0, 6))
def test_it_is_one_layer_over_the_window(hidden, width, time):
    core = rx.Window(hidden, width)
    params, xs, _ = prepared(core, np.float32, time)
    _, ys = jax.jit(partial(rx.unroll, core))(params, xs)
    assert ys.shape == (time, *BATCH, hidden)
    w = np.asarray(params["w"], np.float64).reshape(2, width, hidden)
    # The newest input's part comes first; before the first input there are zeros.
    layer = w.transpose(1, 0, 2).reshape(width * 2, hidden)
    before = np.concatenate([np.zeros((width - 1, *BATCH, 2)), np.asarray(xs)])
    for t in range(time):
        seen = np.concatenate(before[t : t + width][::-1], axis=-1)
        np.testing.assert_allclose(
            ys[t], np.tanh(seen @ layer + np.asarray(params["b"])), atol=1e-5
        )


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("options", [{}, {"lengths": LENGTHS, "resets": CUTS}])
def test_packed_and_padded_equals_separate(options, reverse):
    core = rx.Window(3, 3)
    params, xs, state = prepared(core)
    xs = spoil(xs, LENGTHS) if options else xs
    assert_equals_oracle(core, params, xs, state, reverse=reverse, **options)


def test_step_equals_unroll_also_in_a_stack():
    core = rx.Stack((rx.Window(3, 3), rx.LSTM(2)))
    params, xs, state = prepared(core, np.float32)
    final, ys = jax.jit(partial(rx.unroll, core, recompute=True))(params, xs, state)
    step = jax.jit(core.step)
    for x, y in zip(np.asarray(xs), ys, strict=True):
        state, streamed = step(params, state, x)
        np.testing.assert_allclose(streamed, y, rtol=1e-5, atol=1e-6)
    assert_close(state, final, 1e-5, 1e-6)


def test_what_is_older_than_the_window_is_forgotten():
    core = rx.Window(3, 2)
    params, xs, state = prepared(core, np.float32)
    _, ys = rx.unroll(core, params, xs, state)
    _, others = rx.unroll(core, params, xs.at[1].add(1))
    changed = np.abs(ys - others).max(axis=(1, 2)) > 1e-4
    assert changed.tolist() == [True, True, True, False, False]


def test_new_parameters_are_those_of_one_layer():
    params = rx.Window(50, 4).init(jax.random.key(0), 20)
    assert params["w"].shape == (20, 200)
    bound = np.sqrt(6 / (4 * 20 + 50))
    assert 0.95 * bound < np.abs(params["w"]).max() < bound
    assert not params["b"].any()
    assert rx.Window(3, 2) == rx.Window(3, 2)


def test_bfloat16_keeps_wide_sums():
    core = rx.Window(3, 2, dtype=jnp.bfloat16)
    params, xs, state = prepared(core, np.float32)
    final, ys = rx.unroll(core, params, xs, state)
    assert (ys.dtype, final.pending.dtype) == (jnp.bfloat16, jnp.float32)
    _, want = rx.unroll(rx.Window(3, 2), params, xs, state)
    np.testing.assert_allclose(ys.astype(jnp.float32), want, atol=0.05)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [((0, 2), "hidden_size must be .* got 0"), ((3, 1), "width must be .* at least 2, got 1")],
)
def test_bad_sizes_are_named(sizes, message):
    with pytest.raises(ValueError, match=message):
        rx.Window(*sizes)


def test_parameters_that_do_not_fit_are_named():
    core = rx.Window(3, 2)
    params, xs, state = prepared(core, np.float32)
    with pytest.raises(ValueError, match=r"inputs of shape \(1, 6\), got .*\(2, 6\)"):
        core.step(params, state, xs[0, :, :1])
    with pytest.raises(ValueError, match="must hold b and w"):
        rx.unroll(core, {"w": params["w"]}, xs)
