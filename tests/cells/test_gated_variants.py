"""Variants of the LSTM and the GRU: their equations, other libraries' numbers, initial values."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import some_full
from published import assert_published, directions, random_tree

import rnnjax as rx
from rnnjax.analysis import gate_saturation
from rnnjax.cells.noise import Units

KEY = jax.random.key(0)
GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "gated.npz")


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def norm(z):
    return (z - z.mean()) / np.sqrt(z.var() + 1e-5)


def packed(p, state, x):
    return x @ p["w_x"] + p["b"] + state.h @ p["w_h"]


def peephole(p, state, x):
    i, f, g, o = np.split(packed(p, state, x), 4)
    i, f = sigmoid(i + p["p_i"] * state.c), sigmoid(f + p["p_f"] * state.c)
    c = f * state.c + i * np.tanh(g)
    h = sigmoid(o + p["p_o"] * c) * np.tanh(c)
    return (h, c), h


def coupled(p, state, x):
    i, g, o = np.split(packed(p, state, x), 3)
    c = (1 - sigmoid(i)) * state.c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return (h, c), h


def layer_norm_lstm(p, state, x):
    a = p["gain_x"] * norm(x @ p["w_x"]) + p["gain_h"] * norm(state.h @ p["w_h"]) + p["b"]
    i, f, g, o = np.split(a, 4)
    c = sigmoid(f) * state.c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(p["gain_c"] * norm(c) + p["b_c"])
    return (h, c), h


def layer_norm_gru(p, state, x):
    (x_rz, x_n), (h_rz, h_n) = (
        np.split(a, [2 * len(state.h)]) for a in (x @ p["w_x"], state.h @ p["w_h"])
    )
    x_r, x_z, x_n = np.split(p["gain_x"] * np.append(norm(x_rz), norm(x_n)) + p["b"], 3)
    h_r, h_z, h_n = np.split(p["gain_h"] * np.append(norm(h_rz), norm(h_n)), 3)
    n = np.tanh(x_n + sigmoid(x_r + h_r) * (h_n + p["b_hn"]))
    h = (1 - sigmoid(x_z + h_z)) * n + sigmoid(x_z + h_z) * state.h
    return (h,), h


def minimal(p, state, x):
    x_f, x_n = np.split(x @ p["w_x"] + p["b"], 2)
    w_f, w_n = np.split(p["w_h"], 2, -1)
    f = sigmoid(x_f + state.h @ w_f)
    h = (1 - f) * state.h + f * np.tanh(x_n + (f * state.h) @ w_n)
    return (h,), h


def minimal_after(p, state, x):
    x_f, x_n = np.split(x @ p["w_x"] + p["b"], 2)
    h_f, h_n = np.split(state.h @ p["w_h"], 2)
    f = sigmoid(x_f + h_f)
    h = (1 - f) * state.h + f * np.tanh(x_n + f * (h_n + p["b_hn"]))
    return (h,), h


def update_gate(p, state, x):
    g, c = np.split(packed(p, state, x), 2)
    h = sigmoid(g) * state.h + (1 - sigmoid(g)) * np.tanh(c)
    return (h,), h


PUBLISHED = {
    rx.PeepholeLSTM: peephole,
    rx.CoupledLSTM: coupled,
    rx.LayerNormLSTM: layer_norm_lstm,
    rx.LayerNormGRU: layer_norm_gru,
    rx.MGU: minimal,
    rx.UGRNN: update_gate,
}
CELLS = pytest.mark.parametrize("cell", PUBLISHED, ids=lambda cell: cell.__name__)


@directions
@CELLS
@pytest.mark.usefixtures("x64")
def test_equation(cell, reverse):
    assert_published(cell(4), PUBLISHED[cell], reverse=reverse)


@directions
@pytest.mark.usefixtures("x64")
def test_an_mgu_may_reset_after_the_product(reverse):
    assert_published(rx.MGU(4, reset_after=True), minimal_after, reverse=reverse)


@pytest.mark.parametrize("name", sorted({key.partition("/")[0] for key in GOLDEN} - {"xs"}))
def test_another_librarys_outputs(name):
    cell = getattr(rx, name)(GOLDEN[f"{name}/h"].shape[-1])
    shapes = cell.param_shapes(GOLDEN["xs"].shape[-1])
    params = {key: jnp.asarray(GOLDEN[f"{name}/{key}"]) for key in shapes}
    state = cell.state_type(*(jnp.asarray(GOLDEN[f"{name}/{key}"]) for key in cell.state_shapes()))
    _, ys = rx.unroll(cell, params, jnp.asarray(GOLDEN["xs"]), state)
    np.testing.assert_allclose(ys, GOLDEN[f"{name}/ys"], rtol=0, atol=1e-5)


@CELLS
def test_without_bias_and_in_bfloat16(cell):
    narrow = cell(4, use_bias=False, dtype="bfloat16", param_dtype="bfloat16")
    params = jax.eval_shape(lambda: narrow.init(KEY, 3))
    assert {name: a.shape for name, a in params.items()} == narrow.param_shapes(3)
    assert not [name for name in params if name.startswith("b")]
    assert {a.dtype for a in params.values()} == {jnp.dtype("bfloat16")}
    for implementation in ("scan", "auto"):
        final, ys = jax.eval_shape(
            lambda params, how=implementation: rx.unroll(
                narrow, params, jnp.ones((5, 2, 3)), implementation=how
            ),
            params,
        )
        assert (final.h.dtype, ys.dtype) == (jnp.float32, jnp.bfloat16)


@pytest.mark.parametrize("cell", some_full([rx.LayerNormLSTM, rx.LayerNormGRU], [rx.LayerNormGRU]))
def test_a_norm_without_bias_has_biases_of_zero(cell):
    shapes = cell(4, use_bias=False).param_shapes(3)
    params = random_tree(0, {name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
    zeros = {name: jnp.zeros(shape) for name, shape in cell(4).param_shapes(3).items()}
    xs = random_tree(1, np.zeros((5, 2, 3)))
    _, got = rx.unroll(cell(4, use_bias=False), params, xs)
    _, want = rx.unroll(cell(4), {**zeros, **params}, xs)
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_initial_values():
    new = {cell: cell(4).init(KEY, 3) for cell in PUBLISHED}
    for cell in (rx.PeepholeLSTM, rx.LayerNormLSTM):  # what an LSTM has, and more
        for name, value in rx.LSTM(4).init(KEY, 3).items():
            np.testing.assert_array_equal(new[cell][name], value)
    for name, value in rx.GRU(4).init(KEY, 3).items():
        np.testing.assert_array_equal(new[rx.LayerNormGRU][name], value)
    for name in ("p_i", "p_f", "p_o"):
        np.testing.assert_array_equal(new[rx.PeepholeLSTM][name], np.zeros(4))
    for cell in (rx.LayerNormLSTM, rx.LayerNormGRU):
        for name, value in new[cell].items():
            if name.startswith("gain"):
                np.testing.assert_array_equal(value, np.ones(cell(4).param_shapes(3)[name]))
    np.testing.assert_array_equal(new[rx.CoupledLSTM]["b"], np.repeat([-1, 0, 0], 4))
    np.testing.assert_array_equal(new[rx.UGRNN]["b"], np.repeat([1, 0], 4))
    np.testing.assert_array_equal(rx.UGRNN(4, forget_bias=3.0).init(KEY, 3)["b"][:4], [3] * 4)
    np.testing.assert_array_equal(new[rx.MGU]["b"], np.zeros(8))


@pytest.mark.parametrize("cell", [rx.PeepholeLSTM, rx.LayerNormLSTM])
def test_the_gates_that_are_shown_are_those_of_the_step(cell):
    one = cell(4)
    params = random_tree(0, jax.eval_shape(lambda: one.init(KEY, 3)))
    state, x = random_tree(1, one.initial_state((2,))), random_tree(2, np.zeros((2, 3)))

    @jax.jit
    def both(params, state, x):
        g_x, g_h, own = one.summands(params, state, x)
        return one.gates(g_x, g_h, state, **own), one.step(params, state, x)[0]

    (i, f, g, o), after = both(params, state, x)
    np.testing.assert_allclose(after.c, f * state.c + i * g, atol=1e-6)
    if cell is rx.PeepholeLSTM:
        np.testing.assert_allclose(after.h, o * np.tanh(after.c), atol=1e-6)


@CELLS
def test_saturation_has_all_sigmoid_gates(cell):
    one = cell(4)
    params = jax.eval_shape(lambda: one.init(KEY, 3))
    shares = jax.eval_shape(lambda p: gate_saturation(one, p, jnp.ones((5, 2, 3))), params)
    assert {name: share.low.shape for name, share in shares.items()} == dict.fromkeys(
        one.sigmoid_gates, (5, 2)
    )
    assert one.sigmoid_gates


@CELLS
def test_nothing_is_added_where_the_candidate_is_dropped(cell):
    keep = {rx.LayerNormGRU: "z", rx.UGRNN: "g"}
    one = cell(4, **({"reset_after": True} if cell is rx.MGU else {}))
    params = random_tree(0, jax.eval_shape(lambda: one.init(KEY, 3)))
    state, x = random_tree(1, one.initial_state((2,))), random_tree(2, np.zeros((2, 3)))

    @jax.jit
    def both(params, state, x):
        g_x, g_h, own = one.summands(params, state, x)
        none = Units(jnp.zeros((2, 4), bool), 0.5)
        return one.gates(g_x, g_h, state, **own), one.pointwise(g_x, g_h, state, none, **own)

    gates, after = both(params, state, x)
    kept = 1 - gates.f if cell is rx.MGU else getattr(gates, keep.get(cell, "f"))
    np.testing.assert_allclose(
        getattr(after, "c", after.h), kept * getattr(state, "c", state.h), atol=1e-6
    )


def test_bad_descriptions():
    with pytest.raises(ValueError, match="reset_after must be True for a LayerNormGRU, got False"):
        rx.LayerNormGRU(4, reset_after=False)
    for cell in (rx.PeepholeLSTM, rx.CoupledLSTM, rx.LayerNormLSTM, rx.LayerNormGRU):
        with pytest.raises(ValueError, match=cell.__name__):
            rx.interop.torch.dump(cell(4), cell(4).init(KEY, 3))
