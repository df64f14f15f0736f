"""All steps at once by Newton's method: the loop's states and gradients, or the loop itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import assert_close, evaluate, random_inputs, random_params, random_state

import rnnjax as rx
from rnnjax.sequence import Newton, solve

LENGTHS, RESETS = np.array([9, 0, 5]), np.zeros((9, 3), bool)
RESETS[4, 0] = RESETS[2, 2] = True
MASKS = {"lengths": LENGTHS, "resets": RESETS}
CELLS = {
    "gru": rx.GRU(4),
    "lstm": rx.LSTM(4),
    "heads": rx.Elman(4, heads=2),
    "projected": rx.ProjectedLSTM(4, projection_size=3),
    "input_gates": rx.IndRNN(4, activation="tanh"),
    "slstm": rx.SLSTM(4),
    "layer_norm": rx.LayerNormGRU(4),
}
QUICK = [("gru", False), ("lstm", True), ("input_gates", True)]


def arguments(cell, time=9):
    xs = random_inputs(time, (3,))
    return random_params(cell), xs, random_state(cell, (3,))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("name", "reverse"),
    [
        # A dense derivative in one direction, one of two leaves and a diagonal in the other.
        pytest.param(name, reverse, marks=() if (name, reverse) in QUICK else pytest.mark.full)
        for name in CELLS
        for reverse in (False, True)
    ],
)
def test_it_equals_the_loop(name, reverse):
    cell, settings = CELLS[name], Newton(tolerance=1e-13)

    def run(implementation):
        options = {**MASKS, "reverse": reverse, "implementation": implementation}
        return evaluate(lambda *a: rx.unroll(cell, *a, **options), *arguments(cell))

    assert_close(run(settings), run("fused"), rtol=1e-8, atol=1e-10)
    found = solve(cell, *arguments(cell), settings=settings, **MASKS, reverse=reverse)
    assert found.residual <= 1e-13
    assert found.iterations <= 11


@pytest.mark.usefixtures("x64")
def test_a_linear_step_with_a_diagonal_is_solved_at_once():
    cell = rx.IndRNN(4)  # relu: linear where all is positive
    params = {"w_x": jnp.ones((2, 4)), "b": jnp.ones(4), "u": jnp.linspace(0.1, 0.9, 4)}
    xs = jnp.abs(random_inputs(50, (3,)))
    found = solve(cell, params, xs)
    assert found.iterations == 2  # the second sees that nothing changes
    assert_close(found.states.h, rx.unroll(cell, params, xs)[1], rtol=1e-10)


@pytest.mark.usefixtures("x64")
def test_iterations_that_are_not_enough_give_way_to_the_loop():
    cell = rx.GRU(4)
    run = [
        evaluate(lambda *a, i=i: rx.unroll(cell, *a, implementation=i), *arguments(cell))
        for i in (Newton(iterations=1), "fused")
    ]
    assert_close(*run, rtol=1e-10)
    short = solve(cell, *arguments(cell), settings=Newton(iterations=1))
    assert (int(short.iterations), bool(short.residual > 1e-3)) == (1, True)


def test_damping_keeps_states_finite():
    cell = rx.Elman(4)
    params = {"w_x": jnp.full((2, 4), 0.01), "w_h": 3 * jnp.eye(4), "b": jnp.zeros(4)}
    xs = random_inputs(200, (1,), dtype=np.float32)
    free, damped = (
        solve(cell, params, xs, settings=Newton(iterations=3, damping=damping))
        for damping in (0.0, 0.9)
    )
    assert not np.isfinite(free.states.h).all()  # 3 ** 200
    assert np.isfinite(damped.states.h).all()
    _, ys = rx.unroll(cell, params, xs, implementation="newton")
    assert_close(ys, rx.unroll(cell, params, xs)[1], rtol=1e-6)  # the loop


def test_vmap_over_weights_and_long_sequences():
    cell = rx.GRU(4)
    params = jax.vmap(lambda key: cell.init(key, 2))(jax.random.split(jax.random.key(0), 3))
    xs = random_inputs(300, (2,), dtype=np.float32)

    def run(implementation):
        ours = jax.vmap(lambda p: rx.unroll(cell, p, xs, implementation=implementation)[1])
        return jax.jit(ours)(params)

    assert_close(run("newton"), run("scan"), rtol=1e-4, atol=1e-5)


def test_composites_and_no_steps():
    core = rx.Stack((rx.Bidirectional(rx.LSTM(4)), rx.MinGRU(4)))
    params = random_params(core, dtype=np.float32)
    xs = random_inputs(9, (3,), dtype=np.float32)
    got = rx.unroll(core, params, xs, lengths=LENGTHS, implementation="newton")
    assert_close(got, rx.unroll(core, params, xs, lengths=LENGTHS), rtol=1e-4, atol=1e-5)
    _, ys = rx.unroll(
        rx.GRU(4), rx.GRU(4).init(jax.random.key(0), 2), xs[:0], implementation="newton"
    )
    assert ys.shape == (0, 3, 4)


def test_bad_arguments():
    cell, xs = rx.MinGRU(4), jnp.ones((5, 2, 3))
    params = cell.init(jax.random.key(0), 3)
    with pytest.raises(ValueError, match=r"'newton' cannot run MinGRU.*it needs a gated cell"):
        rx.unroll(cell, params, xs, implementation="newton")
    with pytest.raises(ValueError, match="'newton' cannot run MinGRU"):
        solve(cell, params, xs)
    with pytest.raises(ValueError, match="iterations must be an integer of at least 1, got 0"):
        Newton(iterations=0)
    with pytest.raises(ValueError, match="tolerance must be positive, got 0"):
        Newton(tolerance=0)
    with pytest.raises(ValueError, match=r"damping must .*got 1"):
        Newton(damping=1.0)
