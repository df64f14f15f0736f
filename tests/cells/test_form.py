"""Cells that override a part of the gated form: every kernel takes them as they are."""

import re
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from oracle import (
    assert_close,
    assert_equals_oracle,
    evaluate,
    random_inputs,
    random_params,
    random_state,
    some_full,
    spoil,
)

import rnnjax as rx
from rnnjax.analysis import gate_saturation
from rnnjax.products import product
from rnnjax.sequence.kernels import fused

TIME, BATCH, FEATURES = 5, (3,), 2
LENGTHS = np.array([5, 0, 4])
CUTS = np.zeros((TIME, *BATCH), bool)
CUTS[[2, 3, 0, 2], [0, 0, 2, 2]] = True


@dataclass(frozen=True)
class Projected(rx.LSTM):
    """An LSTM whose h is a narrow projection, and whose output reads both h and c."""

    width: int = 2

    def state_shapes(self):
        return {"h": (self.width,), "c": (self.hidden_size,)}

    def own_shapes(self):
        return {"w_r": (self.hidden_size, self.width), "peep": (self.hidden_size,)}

    def param_shapes(self, input_size):
        return {**super().param_shapes(input_size), "w_y": (self.width, self.output_size)}

    @property
    def output_size(self):
        return self.hidden_size

    def pointwise(self, g_x, g_h, state, *, w_r, peep):
        i, f, g, o = self.gates(g_x, g_h, state)
        c = f * state.c + i * g
        m = o * jnp.tanh(c + peep * state.c)
        return rx.LSTMState(product(m, w_r, w_r.dtype), c)

    def emit(self, params, state):
        return product(state.h, params["w_y"], params["w_y"].dtype) + jnp.tanh(state.c)

    def init(self, key, input_size):
        shapes = self.param_shapes(input_size)
        added = {name: jnp.ones(shapes[name]) for name in ("w_r", "peep", "w_y")}
        return {**super().init(key, input_size), **added}


class FieldState(NamedTuple):
    h: Any  # (*batch, places, channels)


@dataclass(frozen=True)
class Convolution(rx.GatedCell):
    """A gated convolution over places: states have two axes beside the batch's."""

    places: int = 4

    gate_names: ClassVar[tuple[str, ...]] = ("z", "n")
    additive_gates: ClassVar[tuple[str, ...]] = ("z",)
    state_type: ClassVar[Any] = FieldState

    def state_shapes(self):
        return {"h": (self.places, self.hidden_size)}

    def own_shapes(self):
        return {"gain": (self.hidden_size,), "where": (self.places, self.hidden_size)}

    def param_shapes(self, input_size):
        channels = input_size // self.places
        return {
            "w_x": (channels, 2 * self.hidden_size),
            "w_h": (3, self.hidden_size, 2 * self.hidden_size),
            **self.own_shapes(),
        }

    def init(self, key, input_size):
        shapes = self.param_shapes(input_size)
        return {name: jnp.ones(shape) for name, shape in shapes.items()}

    def project(self, params, x):
        x = x.reshape(*x.shape[:-1], self.places, -1)
        return product(x, params["w_x"], self.compute_dtype(params, x))

    def recur(self, params, h):
        padded = jnp.pad(h, [(0, 0)] * (h.ndim - 2) + [(1, 1), (0, 0)])
        shifted = [padded[..., k : k + self.places, :] for k in range(3)]
        return sum(product(a, w, h.dtype) for a, w in zip(shifted, params["w_h"], strict=True))

    def pointwise(self, g_x, g_h, state, *, gain, where):
        (z_x, n_x), (z_h, n_h) = jnp.split(g_x, 2, -1), jnp.split(g_h, 2, -1)
        z = jax.nn.sigmoid(z_x + z_h)
        where = where.reshape((1,) * (z.ndim - 2) + where.shape)
        return FieldState((1 - z) * jnp.tanh(n_x + gain * n_h + where) + z * state.h)


CELLS = {"blocks": rx.LSTM(4, heads=2), "projected": Projected(4), "convolution": Convolution(3)}
BOTH = {"lengths": LENGTHS, "resets": CUTS}


def prepared(cell, dtype=np.float64):
    features = 8 if isinstance(cell, Convolution) else FEATURES
    params = random_params(cell, features, dtype=dtype)
    xs = random_inputs(TIME, BATCH, features, dtype=dtype)
    return params, xs, random_state(cell, BATCH, dtype=dtype)


def run(cell, args, implementation, **options):
    """Return results and gradients."""

    def function(*args):
        return rx.unroll(cell, *args, implementation=implementation, **options)

    return jax.jit(lambda *args: evaluate(function, *args))(*args)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("masks", "reverse"),
    [
        pytest.param({}, False, marks=pytest.mark.full),
        pytest.param(BOTH, False, marks=pytest.mark.full),
        (BOTH, True),
    ],
)
@pytest.mark.parametrize("name", CELLS)
def test_fused_is_the_scan(name, masks, reverse):
    cell, options = CELLS[name], {**masks, "reverse": reverse}
    params, xs, state = prepared(cell)
    args = params, spoil(xs, LENGTHS) if "lengths" in options else xs, state
    assert_close(run(cell, args, "fused", **options), run(cell, args, "scan", **options))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("implementation", ["scan", "fused"])
@pytest.mark.parametrize("name", ["blocks", "projected"])
def test_both_are_the_step_by_hand(name, implementation):
    cell = CELLS[name]
    params, xs, state = prepared(cell)
    options = {**BOTH, "reverse": True, "implementation": implementation}
    assert_equals_oracle(cell, params, spoil(xs, LENGTHS), state, **options)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("implementation", some_full(["scan", "fused"], ["fused"]))
def test_blocks_are_a_matrix_with_zeros_outside_them(implementation):
    cell = CELLS["blocks"]
    params, xs, state = prepared(cell)

    def dense(w_h):
        gates = jnp.split(w_h, 4, -1)
        return jnp.concatenate([jax.scipy.linalg.block_diag(*gate) for gate in gates], -1)

    def wide(params, xs, state):
        w_h = dense(params["w_h"])
        return rx.unroll(rx.LSTM(4), {**params, "w_h": w_h}, xs, state, implementation="scan")

    want = jax.jit(lambda *args: evaluate(wide, *args))(params, xs, state)
    assert_close(run(cell, (params, xs, state), implementation), want)


@pytest.mark.usefixtures("x64")
def test_a_projected_step_is_its_equation():
    cell = CELLS["projected"]
    params, xs, state = prepared(cell)
    p, x, (h, c) = jax.tree.map(np.asarray, (params, xs[0], state))
    i, f, g, o = np.split(x @ p["w_x"] + p["b"] + h @ p["w_h"], 4, -1)
    i, f, o = (1 / (1 + np.exp(-a)) for a in (i, f, o))
    new_c = f * c + i * np.tanh(g)
    new_h = (o * np.tanh(new_c + p["peep"] * c)) @ p["w_r"]
    got, y = cell.step(params, state, xs[0])
    assert_close(got, rx.LSTMState(new_h, new_c))
    assert_close(y, new_h @ p["w_y"] + np.tanh(new_c))
    assert got.h.shape == (3, 2)
    assert y.shape == (3, 4)


@pytest.mark.parametrize("name", some_full(CELLS, ["convolution"]))
def test_weights_may_be_mapped_over(name):
    cell = CELLS[name]
    params, xs, state = prepared(cell, np.float32)
    members = [jax.tree.map(lambda a, k=k: k * a, params) for k in (1.0, 0.5)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    got = jax.vmap(lambda params: run(cell, (params, xs, state), "fused"))(stacked)
    want = [run(cell, (params, xs, state), "fused") for params in members]
    assert_close(got, jax.tree.map(lambda *leaves: jnp.stack(leaves), *want), 1e-5, 1e-5)


@pytest.mark.parametrize("name", some_full(CELLS, ["projected"]))
def test_bfloat16(name):
    """Operands are rounded, and sums are not."""
    cell = CELLS[name]
    low = type(cell)(**{**vars(cell), "dtype": jnp.bfloat16})
    args = prepared(cell, np.float32)
    want, wanted = run(cell, args, "scan")
    got, grads = run(low, args, "fused")
    assert got[1].dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in got[0]} == {np.dtype(np.float32)}
    as_single = jax.tree.map(lambda a: a.astype(np.float32), (got, grads))
    assert_close(as_single, (want, wanted), rtol=0.1, atol=0.15)


@pytest.mark.parametrize("name", some_full(CELLS, ["projected"]))
def test_a_mesh_of_explicit_axes(name):
    cell, batch = CELLS[name], (4,)
    params, xs, _ = prepared(cell, np.float32)
    xs, state = jnp.tile(xs[:, :2], (1, 2, 1)), random_state(cell, batch, dtype=np.float32)
    want = run(cell, (params, xs, state), "fused", lengths=jnp.array([5, 0, 4, 3]))
    mesh = jax.make_mesh((2,), ("data",))
    rows = NamedSharding(mesh, P("data"))
    places = NamedSharding(mesh, P()), NamedSharding(mesh, P(None, "data")), rows
    with jax.set_mesh(mesh):
        args = tuple(map(jax.device_put, (params, xs, state), places))
        lengths = jax.device_put(jnp.array([5, 0, 4, 3]), rows)
        got = run(cell, args, "fused", lengths=lengths)
    assert_close(jax.device_get(got), jax.device_get(want), 1e-5, 2e-6)


@pytest.mark.parametrize("name", some_full(CELLS, ["projected"]))
def test_blocks_of_time_emit_the_same(name, monkeypatch):
    cell = CELLS[name]
    params, xs, state = prepared(cell, np.float32)
    want = rx.unroll(cell, params, xs, state, **BOTH)
    monkeypatch.setattr(fused, "_BLOCK_ROWS", 6)
    assert_close(rx.unroll(cell, params, xs, state, **BOTH), want, 1e-5, 1e-6)


def test_gates_are_those_of_the_recurrence():
    """Without inputs and biases, what is in the gates comes from `recur` alone."""
    cell = CELLS["blocks"]
    params, xs, state = prepared(cell, np.float32)
    params = {**params, "b": jnp.zeros(16), "w_h": jnp.full((2, 2, 8), 50.0)}
    state = rx.LSTMState(jnp.ones((3, 4)).at[:, 2:].set(-1), state.c)
    found = gate_saturation(cell, params, 0 * xs[:1], state)
    for gate in ("i", "f", "o"):  # open in the first block, closed in the second
        np.testing.assert_array_equal(found[gate].low, 0.5)
        np.testing.assert_array_equal(found[gate].high, 0.5)


@pytest.mark.parametrize("name", CELLS)
def test_shapes_are_checked_by_name(name):
    cell = CELLS[name]
    params, xs, state = prepared(cell, np.float32)
    for wrong in set(params) - {"w_x"}:
        bad = {**params, wrong: params[wrong][..., :-1]}
        message = f"{wrong} must have shape {params[wrong].shape}, got {bad[wrong].shape}"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            cell.step(bad, state, xs[0])
    shapes = {name: (*BATCH, *shape) for name, shape in cell.state_shapes().items()}
    assert {name: leaf.shape for name, leaf in state._asdict().items()} == shapes
    with pytest.raises(ValueError, match=r"state\.h must have shape \(3, "):
        cell.step(params, state._replace(h=state.h[..., :1]), xs[0])


def test_new_parameters_have_the_shapes_that_are_checked():
    for name in ("blocks", "projected"):
        shapes = {n: a.shape for n, a in CELLS[name].init(jax.random.key(0), 7).items()}
        assert shapes == CELLS[name].param_shapes(7)


def test_gates_by_name():
    cell = rx.LSTM(3)
    assert (cell.gate_names, cell.num_gates) == (("i", "f", "g", "o"), 4)
    assert [cell.columns(gate).start for gate in cell.gate_names] == [0, 3, 6, 9]
    assert rx.GRU(3).gate_names == ("r", "z", "n")
    with pytest.raises(ValueError, match=r"sigmoid_gates must be among gate_names.*'q'"):
        type("Wrong", (rx.LSTM,), {"sigmoid_gates": ("q",)})(3)


@pytest.mark.parametrize(
    ("given", "lacking"),
    [
        ({}, "gate_names, state_type, pointwise"),
        ({"gate_names": ("g",), "state_type": rx.ElmanState}, "pointwise"),
        ({"pointwise": rx.Elman.pointwise, "gate_names": ("g",)}, "state_type"),
    ],
)
def test_what_a_gated_cell_lacks_is_named(given, lacking):
    with pytest.raises(ValueError, match=f"Mine must give {lacking}: see GatedCell"):
        type("Mine", (rx.GatedCell,), given)(3)


@pytest.mark.parametrize("base", [rx.Elman, rx.LSTM, rx.GRU])
def test_cells_with_other_attributes_are_not_equal(base):
    class Scaled(base):
        def __init__(self, hidden_size, scale):
            super().__init__(hidden_size)
            object.__setattr__(self, "scale", scale)

        def emit(self, params, state):
            return self.scale * state.h

    cell, same, other = Scaled(2, 1.0), Scaled(2, 1.0), Scaled(2, 3.0)
    assert cell == same
    assert hash(cell) == hash(same)
    assert cell != other
    assert cell != base(2)
    assert base(2) == base(2) != base(3)
    # Programs are compiled once for equal cells.
    step = jax.jit(base.step, static_argnums=0)
    args = cell.init(jax.random.key(0), 1), cell.initial_state(), jnp.ones(1)
    np.testing.assert_allclose(step(other, *args)[1], 3 * step(cell, *args)[1], rtol=1e-6)


@dataclass(frozen=True)
class MinimalGated(rx.GatedCell):
    """f = sigmoid(x W_f + h U_f);  n = tanh(x W_n + f h U_n): one gate's summands stay apart."""

    gate_names: ClassVar[tuple[str, ...]] = ("f", "n")
    state_type: ClassVar[Any] = rx.GRUState

    def pointwise(self, g_x, g_h, state):
        (f_x, n_x), (f_h, n_h) = jnp.split(g_x, 2, -1), jnp.split(g_h, 2, -1)
        f = jax.nn.sigmoid(f_x + f_h)
        return rx.GRUState((1 - f) * state.h + f * jnp.tanh(n_x + f * n_h))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("additive", [(), ("f",)])
def test_a_cell_that_says_nothing_of_its_gates_is_right_on_the_fast_path(additive):
    cell = type("Gated", (MinimalGated,), {"additive_gates": additive})(4)
    args = prepared(cell)
    for got, want in zip(
        jax.tree.leaves(run(cell, args, "fused")),
        jax.tree.leaves(run(cell, args, "scan")),
        strict=True,
    ):
        np.testing.assert_allclose(got, want, atol=1e-10)


@pytest.mark.parametrize("base", [rx.Elman, rx.GRU])
def test_a_cell_with_a_step_of_its_own_runs_on_the_scan(base):
    class Doubled(base):
        def step(self, params, state, x):
            state, y = super().step(params, state, x)
            return state, 2 * y

    cell, plain = Doubled(4), base(4)
    args = prepared(plain, np.float32)
    (_, got), (_, want) = rx.unroll(cell, *args), rx.unroll(plain, *args)
    np.testing.assert_allclose(got, 2 * want, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="it needs a gated cell"):
        rx.unroll(cell, *args, implementation="fused")
