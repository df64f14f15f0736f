"""Stack and Bidirectional: the same promises as a single cell's, and their own."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from oracle import (
    Echo,
    assert_close,
    assert_equals_oracle,
    random_inputs,
    random_like,
    random_params,
    random_state,
    some_fast,
    spoil,
)

import rnnjax as rx

TIME, BATCH = 5, (3,)
LENGTHS = np.array([5, 0, 4])
CUTS = np.zeros((TIME, *BATCH), bool)
CUTS[[2, 3, 0, 2], [0, 0, 2, 2]] = True
CORES = {
    "stack": rx.Stack((rx.LSTM(3), rx.GRU(3), rx.Elman(3))),
    "residual": rx.Stack((rx.LSTM(2), rx.GRU(2), rx.LSTM(3)), residual=True),
    "bidirectional": rx.Bidirectional(rx.LSTM(3)),
    "deep": rx.Stack((rx.Bidirectional(rx.LSTM(3)), rx.Bidirectional(rx.GRU(3)))),
    "nested": rx.Stack((rx.Stack((rx.LSTM(3), rx.GRU(3, reset_after=False))), rx.LSTM(3))),
    "reversed": rx.Stack((rx.GRU(3), rx.Reversed(rx.Stack((rx.LSTM(3), rx.Elman(2)))))),
    "two kinds": rx.Bidirectional(rx.LSTM(3), rx.Stack((rx.GRU(2), rx.Reversed(rx.Elman(4))))),
    "sum": rx.Bidirectional(rx.LSTM(3), rx.GRU(3, reset_after=False), merge="sum"),
    "mean": rx.Stack((rx.Bidirectional(rx.GRU(3), merge="mean"), rx.Elman(2))),
    "mul": rx.Bidirectional(rx.Elman(3), merge="mul"),
    "stack inside": rx.Bidirectional(rx.Stack((rx.LSTM(3), rx.LSTM(3)), residual=True)),
}


def prepared(core, dtype=np.float64):
    params = random_params(core, dtype=dtype)
    return params, random_inputs(TIME, BATCH, dtype=dtype), random_state(core, BATCH, dtype=dtype)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("name", "reverse"),
    [
        pytest.param("deep", False, marks=pytest.mark.fast),
        ("nested", False),
        ("reversed", False),
        ("two kinds", True),
        ("mul", True),
        *(
            pytest.param(name, reverse, marks=pytest.mark.full)
            for name, reverse in (
                *(("residual", False), ("residual", True), ("bidirectional", False)),
                *(("deep", True), ("stack inside", False), ("sum", False), ("mean", False)),
            )
        ),
    ],
)
def test_packed_and_padded_equals_separate(name, reverse):
    core = CORES[name]
    params, xs, state = prepared(core)
    options = {"lengths": LENGTHS, "resets": CUTS, "reverse": reverse}
    xs = spoil(xs, LENGTHS)
    assert_equals_oracle(core, params, xs, state, **options)


@pytest.mark.usefixtures("x64")
def test_residual_outputs_are_zero_at_padding():
    core = rx.Stack((rx.LSTM(2), rx.GRU(2)), residual=True)
    params, xs, state = prepared(core)
    assert_equals_oracle(core, params, spoil(xs, LENGTHS), state, lengths=LENGTHS)


@pytest.mark.parametrize("name", some_fast(["lstm", "deep"], ["deep"]))
def test_finite_differences(name):
    """Central differences along random directions, and JAX's own check, to 1e-6."""
    layer = rx.LSTM(3) if name == "lstm" else rx.Bidirectional(rx.LSTM(3))
    core = rx.Stack((layer,) * (1 if name == "lstm" else 3))
    with jax.enable_x64(True):
        params, xs, state = prepared(core)
        outputs = random_inputs(TIME, BATCH, core.output_size, seed=9)

        def loss(params, xs, state):
            final, ys = rx.unroll(core, params, xs, state, lengths=LENGTHS)
            return jnp.sum(outputs * ys) + sum(jnp.sum(a**2) for a in jax.tree.leaves(final))

        @jax.jit
        @jax.value_and_grad
        def along(by, direction):
            return loss(*jax.tree.map(lambda a, d: a + by * d, (params, xs, state), direction))

        for seed in range(5):
            direction = random_like(20 + seed, (params, xs, state))
            _, slope = along(0.0, direction)
            ends = [along(by, direction)[0] for by in (2e-4, 1e-4, -1e-4, -2e-4)]
            difference = (8 * (ends[1] - ends[2]) - (ends[0] - ends[3])) / 12e-4
            np.testing.assert_allclose(slope, difference, rtol=1e-6)
        args = params, xs, state
        check_grads(jax.jit(loss), args, order=1, modes=["rev"], rtol=1e-6, eps=1e-5)


@pytest.mark.parametrize("name", ["stack", "residual", "nested"])
def test_stack_step_equals_unroll(name):
    core = CORES[name]
    params, xs, state = prepared(core, np.float32)
    final, ys = jax.jit(partial(rx.unroll, core))(params, xs, state)
    step = jax.jit(core.step)
    for x, y in zip(np.asarray(xs), ys, strict=True):
        state, streamed = step(params, state, x)
        np.testing.assert_allclose(streamed, y, rtol=1e-5, atol=1e-6)
    assert_close(state, final, 1e-5, 1e-6)


def test_structure():
    core = CORES["deep"]
    params = core.init(jax.random.key(0), 2)
    assert set(params) == {"layer_0", "layer_1"}
    assert params["layer_1"]["backward"]["w_x"].shape == (6, 9)
    assert np.any(params["layer_0"]["forward"]["w_x"] != params["layer_0"]["backward"]["w_x"])
    twins = rx.Stack((rx.LSTM(3), rx.LSTM(3))).init(jax.random.key(0), 3)
    assert np.any(twins["layer_0"]["w_x"] != twins["layer_1"]["w_x"])
    assert core.output_size == 6
    assert core == rx.Stack([rx.Bidirectional(rx.LSTM(3)), rx.Bidirectional(rx.GRU(3))])
    assert len({core, CORES["stack"], rx.Stack(CORES["stack"].layers, residual=True)}) == 3
    assert "Bidirectional(core=LSTM(hidden_size=3" in repr(core)
    state = core.initial_state((4,))
    assert state[0].backward.c.shape == (4, 3)
    assert isinstance(core, rx.Core)


def echo(depth, rate, key, time=4, batch=(5,), **options):
    core = rx.Stack((Echo(64),) * depth, dropout=rate)
    xs = jnp.ones((time, *batch, 64))
    params = core.init(jax.random.key(0), 64)
    return jax.jit(partial(rx.unroll, core))(params, xs, dropout_key=key, **options)[1]


@pytest.mark.fast
def test_dropout_is_one_mask_a_sequence_between_layers():
    key = jax.random.key(1)
    np.testing.assert_array_equal(echo(1, 0.5, key), 1)
    np.testing.assert_array_equal(echo(2, 0.5, None), 1)
    np.testing.assert_array_equal(echo(2, 0.0, key), 1)
    ys = np.asarray(echo(2, 0.2, key))
    np.testing.assert_array_equal(ys, np.broadcast_to(ys[:1], ys.shape))
    np.testing.assert_allclose(np.unique(ys), [0, 1.25], rtol=1e-6)
    assert abs((ys[0] == 0).mean() - 0.2) < 0.1
    assert len(np.unique(ys[0], axis=0)) == 5  # each sequence its own
    np.testing.assert_array_equal(ys, echo(2, 0.2, key))
    assert np.any(ys != echo(2, 0.2, jax.random.key(2)))
    np.testing.assert_array_equal(echo(2, 0.2, key, time=2), ys[:2])
    # Two borders, two masks: what is left is where neither dropped.
    deep = np.asarray(echo(3, 0.5, key))
    assert set(np.unique(deep)) == {0, 4}
    assert abs((deep[0] == 0).mean() - 0.75) < 0.1


def test_dropout_inside_both_directions_and_nested_stacks():
    inner = rx.Stack((Echo(64), Echo(64)), dropout=0.5)
    key = jax.random.key(0)
    both = rx.Bidirectional(inner)
    xs = jnp.ones((3, 4, 64))
    ys = jax.jit(partial(rx.unroll, both))(both.init(key, 64), xs, dropout_key=key)[1]
    assert np.any(ys[..., :64] != ys[..., 64:])
    nested = rx.Stack((inner, inner), dropout=0.0)
    run = jax.jit(partial(rx.unroll, nested))
    ys = run(nested.init(key, 64), xs, dropout_key=key)[1]
    assert set(np.unique(ys)) == {0, 4}  # the two inner stacks have masks of their own
    np.testing.assert_array_equal(run(nested.init(key, 64), xs)[1], 1)


def test_dropout_passes_no_gradient_where_it_drops():
    core = rx.Stack((Echo(64), Echo(64)), dropout=0.5)
    params, key = core.init(jax.random.key(0), 64), jax.random.key(1)

    def run(xs):
        return rx.unroll(core, params, xs, lengths=[3, 2], dropout_key=key)[1]

    xs = jnp.ones((3, 2, 64))
    ys, gradient = jax.jit(lambda xs: (run(xs), jax.grad(lambda xs: run(xs).sum())(xs)))(xs)
    np.testing.assert_array_equal(gradient, ys)


def test_no_step_in_both_directions():
    core = rx.Bidirectional(rx.LSTM(3))
    with pytest.raises(ValueError, match="Bidirectional has no step: use unroll"):
        core.step(core.init(jax.random.key(0), 2), core.initial_state(), jnp.ones(2))


def test_directions_of_two_kinds():
    core = CORES["two kinds"]
    params = core.init(jax.random.key(0), 2)
    assert params["forward"]["w_x"].shape == (2, 12)
    assert set(params["backward"]) == {"layer_0", "layer_1"}
    assert core.output_size == 3 + 4
    assert core.initial_state((2,)).backward[0].h.shape == (2, 2)
    assert [CORES[name].output_size for name in ("sum", "mean", "mul")] == [3, 2, 3]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            (rx.LSTM(3), rx.GRU(4), "sum"),
            "core and backward must have the same output_size for merge 'sum', got 3 and 4",
        ),
        ((rx.LSTM(3), None, "ave"), "merge must be one of 'concat', 'sum', 'mean', 'mul', got 'a"),
        ((rx.LSTM(3), "sum"), "backward must have init, initial_state and step, got 'sum'"),
        ((3,), "core must have init, initial_state and step, got 3"),
    ],
)
def test_directions_that_do_not_fit(args, message):
    with pytest.raises(ValueError, match=message):
        rx.Bidirectional(*args)
