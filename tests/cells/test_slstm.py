"""The LSTM with exponential gates: its equation, its stabiliser and initial values."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from published import assert_published, directions, random_tree

import rnnjax as rx
from rnnjax.cells.noise import Units

KEY = jax.random.key(0)
GOLDEN = Path(__file__).parents[1] / "golden" / "xlstm_slstm.npz"


def published(forget_gate):
    def step(p, state, x):
        h, c, n, m = state
        blocks = p["w_h"]
        parts = [part @ w for part, w in zip(h.reshape(len(blocks), -1), blocks, strict=True)]
        g_h = np.concatenate([part.reshape(4, -1) for part in parts], -1)
        i, f, z, o = (x @ p["w_x"] + p["b"]).reshape(4, -1) + g_h
        log_f = f if forget_gate == "exp" else -np.log1p(np.exp(-f))
        # In the units of the sums themselves: what the stabiliser is for.
        new_m = np.maximum(log_f + m, i)
        c, n = np.exp(log_f + m) * c, np.exp(log_f + m) * n
        c, n = c + np.exp(i) * np.tanh(z), n + np.exp(i)
        h = c / n / (1 + np.exp(-o))
        return (h, c * np.exp(-new_m), n * np.exp(-new_m), new_m), h

    return step


@directions
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("forget_gate", ["sigmoid", pytest.param("exp", marks=pytest.mark.full)])
def test_equation(forget_gate, reverse):
    cell = rx.SLSTM(4, forget_gate=forget_gate, heads=2)
    state = random_tree(1, cell.initial_state((3,)))
    state = state._replace(n=1 + jnp.abs(state.n))  # a sum of exponentials
    assert_published(cell, published(forget_gate), state=state, reverse=reverse)


def test_authors_code():
    """`xlstm` 2.0.6 of NX-AI; see make_xlstm_golden.py."""
    golden = np.load(GOLDEN)
    cell = rx.SLSTM(8, heads=2)
    params = {name: jnp.asarray(golden[name]) for name in ("w_x", "w_h", "b")}
    xs = jnp.asarray(golden["xs"])

    def loss(params, xs):
        final, ys = rx.unroll(cell, params, xs)
        return (ys * golden["out"]).sum(), (final, ys)

    gradients, (final, ys) = jax.jit(jax.grad(loss, (0, 1), has_aux=True))(params, xs)
    np.testing.assert_allclose(ys, golden["ys"], rtol=1e-5, atol=1e-5)
    for name in ("h", "c", "n", "m"):
        np.testing.assert_allclose(getattr(final, name), golden[name], rtol=1e-5, atol=1e-5)
    for name, value in (*gradients[0].items(), ("xs", gradients[1])):
        np.testing.assert_allclose(value, golden[f"d_{name}"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("level", [-200.0, 200.0])
@pytest.mark.parametrize("forget_gate", ["sigmoid", "exp"])
def test_neither_large_nor_small_gates_overflow(level, forget_gate):
    """From the state of nothing, and with gates whose exponentials are 0 or infinite."""
    cell = rx.SLSTM(3, forget_gate=forget_gate)
    params = cell.init(KEY, 2)
    params["b"] = params["b"].at[:3].set(level)
    xs = jax.random.normal(KEY, (4, 2, 2))

    def last(params, xs):
        resets = jnp.zeros((4, 2), bool).at[2].set(True)
        final, ys = rx.unroll(cell, params, xs, lengths=[4, 0], resets=resets)
        return ys.sum() + final.c.sum() + final.n.sum(), ys

    (_, ys), gradients = jax.jit(jax.value_and_grad(last, (0, 1), has_aux=True))(params, xs)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves((ys, gradients)))
    # After nothing, h' is o * z whatever the input gate is.
    *_, z, o = jnp.split(cell.project(params, xs[0, 0]), 4)
    np.testing.assert_allclose(ys[0, 0], jax.nn.sigmoid(o) * jnp.tanh(z), rtol=1e-5)


def test_initial_values():
    cell = rx.SLSTM(8, heads=2)
    params = cell.init(KEY, 5)
    assert {name: a.shape for name, a in params.items()} == cell.param_shapes(5)
    np.testing.assert_array_equal(params["b"], [0] * 8 + [1] * 8 + [0] * 16)
    state = cell.initial_state((2,))
    assert [float(leaf.max()) for leaf in state] == pytest.approx([0, 0, 0, -1e30])
    plain = rx.SLSTM(8, heads=2, use_bias=False)
    assert set(plain.init(KEY, 5)) == {"w_x", "w_h"}


def test_half_precision_and_saturation():
    cell = rx.SLSTM(4, dtype="bfloat16")
    params, xs = cell.init(KEY, 3), jax.random.normal(KEY, (6, 2, 3))
    final, ys = rx.unroll(cell, params, xs)
    want = rx.unroll(rx.SLSTM(4), params, xs)[1]
    assert ({leaf.dtype.name for leaf in final}, ys.dtype.name) == ({"float32"}, "bfloat16")
    np.testing.assert_allclose(ys.astype("float32"), want, atol=0.05)
    shares = rx.analysis.gate_saturation(cell, params, xs)
    assert set(shares) == {"i", "f", "o"}
    np.testing.assert_array_equal(shares["f"].low[0], 1)  # nothing is kept of nothing


def test_dropout_of_the_candidate():
    cell = rx.SLSTM(4)
    state = random_tree(1, cell.initial_state((2,)))
    gates = random_tree(2, (jnp.zeros((2, 16)), jnp.zeros((2, 16))))
    nothing = Units(jnp.zeros((2, 4), bool), rate=0.5)
    got, want = cell.pointwise(*gates, state, dropout=nothing), cell.pointwise(*gates, state)
    np.testing.assert_allclose(got.c, cell.gates(*gates, state).f * state.c, rtol=1e-6)
    np.testing.assert_array_equal(got.n, want.n)


def test_bad_description():
    with pytest.raises(ValueError, match=r"forget_gate must be .*got 'tanh'"):
        rx.SLSTM(4, forget_gate="tanh")
    with pytest.raises(ValueError, match="heads must divide 4, a width of SLSTM, got 3"):
        rx.SLSTM(4, heads=3)
