"""`unroll` equals stepping by hand, value and gradient, for every cell, kernel and argument."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import (
    CELLS,
    KERNELS,
    TIME,
    assert_close,
    assert_equals_oracle,
    compare_cell,
    evaluate,
    expected,
    random_inputs,
    random_params,
    random_state,
    some_fast,
    spoil,
)

import rnnjax as rx


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", ["plain", "lengths", "resets"])
@pytest.mark.parametrize(
    ("name", "implementation"),
    [
        ("gru_before", "scan"),
        ("lstm", "fused"),
        pytest.param("gru", "fused", marks=pytest.mark.full),
    ],
)
def test_equals_stepping_by_hand(name, implementation, kind, reverse):
    compare_cell(name, kind, implementation=implementation, reverse=reverse)


@pytest.mark.usefixtures("x64")
def test_two_batch_axes():
    compare_cell("gru", "axes", reverse=True)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("name", "implementation"), KERNELS)
def test_lengths_and_resets_together(name, implementation):
    reverse = (name in ("tanh", "lstm")) != (implementation == "fused")
    compare_cell(name, "both", implementation=implementation, reverse=reverse)


@pytest.mark.full
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("name", "implementation"), KERNELS)
def test_lengths_and_resets_together_the_other_way(name, implementation):
    reverse = (name in ("tanh", "lstm")) == (implementation == "fused")
    compare_cell(name, "both", implementation=implementation, reverse=reverse)


ENDS = np.zeros((TIME + 1, 4), bool)
ENDS[[5, 3, 2, 0, 5], [0, 1, 1, 2, 2]] = True  # row 2 ends at step 4; row 3 has no reset


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("implementation", ["scan", "fused"])
def test_a_reset_at_the_end_that_is_read_first(implementation):
    core = rx.Bidirectional(CELLS["lstm"])
    params, xs, state = random_params(core), random_inputs(TIME, (4,)), random_state(core, (4,))
    options = {"resets": ENDS, "implementation": implementation}
    assert_equals_oracle(core, params, xs, state, lengths=np.array([5, 3, 4, 5]), **options)


def test_backwards_is_forwards_on_the_turned_sequence():
    core, single = CELLS["gru"], {"dtype": np.float32}
    params, xs = random_params(core, **single), random_inputs(TIME, (4,), **single)
    state = random_state(core, (4,), **single)
    final, ys = rx.unroll(core, params, xs, state, resets=ENDS, reverse=True)
    want, zs = rx.unroll(core, params, xs[::-1], state, resets=ENDS[::-1])
    assert_close((final, ys), (want, zs[::-1]), 1e-5, 1e-6)
    # The first row starts afresh, so nothing depends on its initial state.
    other, _ = rx.unroll(core, params, xs, resets=ENDS, reverse=True)
    np.testing.assert_allclose(final.h[0], other.h[0], rtol=1e-5)
    assert np.abs(final.h[3] - other.h[3]).max() > 1e-3


@pytest.mark.full
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
        flat = data.draw(st.lists(st.booleans(), min_size=18, max_size=18))
        resets = np.resize(flat, (time + data.draw(st.integers(0, 1)), *batch))
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
    want = expected(core, params, xs, state, lengths=lengths)
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
