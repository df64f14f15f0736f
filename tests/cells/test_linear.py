"""The form of linear cells: what they remember, their masks, dtypes and errors."""

import sys
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from oracle import assert_close, evaluate, random_inputs, random_params, random_state
from published import assert_published

import rnnjax as rx
from rnnjax.analysis import gate_saturation, step_jacobian
from rnnjax.products import product

KEY = jax.random.key(0)


class Remembered(NamedTuple):
    h: Any  # (*batch, hidden)
    before: Any  # (*batch, hidden)


@dataclass(frozen=True, eq=False)
class Pair(rx.LinearCell):
    """A cell that reads two inputs at once: f, n = x @ w_x + b + (the input before) @ w_p."""

    gate_names: ClassVar[tuple[str, ...]] = ("f", "n")
    state_type: ClassVar[Any] = Remembered

    def state_shapes(self):
        return {"h": (self.hidden_size,), "before": (2 * self.hidden_size,)}

    def own_shapes(self):
        return {"gain": (self.hidden_size,)}

    def param_shapes(self, input_size):
        return {**super().param_shapes(input_size), "w_p": (input_size, 2 * self.hidden_size)}

    def remember(self, params, x):
        return product(x, params["w_p"], self.compute_dtype(params, x))

    def coefficients(self, params, x, before):
        gain = self.own(params, x.ndim, x.dtype)["gain"]
        f, n = jnp.split(self.project(params, x) + before, 2, -1)
        return jax.nn.sigmoid(f), gain * jnp.tanh(n)

    def emit(self, params, h, x, before):
        return jnp.tanh(h) + x[..., :1] + before[..., :1]

    def init(self, key, input_size):
        shapes = self.param_shapes(input_size)
        added = {name: jnp.ones(shapes[name]) for name in ("gain", "w_p")}
        return {**super().init(key, input_size), **added}


def published(p, state, x):
    f, n = np.split(x @ p["w_x"] + p["b"] + state.before, 2)
    h = state.h / (1 + np.exp(-f)) + p["gain"] * np.tanh(n)
    return (h, x @ p["w_p"]), np.tanh(h) + x[:1] + state.before[:1]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.usefixtures("x64")
def test_a_step_may_need_the_input_before(reverse):
    assert_published(Pair(4), published, reverse=reverse)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("reverse", [False, True])
def test_gaps_resets_to_a_state_and_returned_states(reverse):
    """Gaps, with resets in them too: the last step that counts is remembered."""
    cell, time, batch = Pair(4), 9, (3,)
    args = random_params(cell), random_inputs(time, batch), random_state(cell, batch)
    rng = np.random.default_rng(5)
    options = {
        "mask": jnp.asarray(rng.random((time, *batch)) < 0.6),
        "resets": jnp.asarray(rng.random((time, *batch)) < 0.4),
        "reset_state": random_state(cell, (time, *batch), seed=6),
        "reverse": reverse,
        "return_states": True,
    }

    def run(implementation):
        def function(*args):
            final, ys, states = rx.unroll(cell, *args, implementation=implementation, **options)
            return (final, states), ys

        return jax.jit(lambda *args: evaluate(function, *args))(*args)

    assert_close(run("associative"), run("scan"))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    "options",
    [
        {"recompute": True},
        pytest.param({"unroll_factor": 3}, marks=pytest.mark.full),
        pytest.param({}, marks=pytest.mark.full),
    ],
)
def test_options(options):
    cell = rx.MinGRU(3)
    args = random_params(cell), random_inputs(7, (2,)), random_state(cell, (2,))

    def run(implementation, **given):
        given |= {"implementation": implementation, "lengths": [7, 4]}
        return evaluate(lambda *args: rx.unroll(cell, *args, **given), *args)

    assert_close(run("associative", **options), run("scan"))


def test_it_is_chosen_and_refused_by_name():
    cell, params, xs = rx.MinGRU(4), rx.MinGRU(4).init(KEY, 3), jnp.ones((5, 2, 3))
    text = str(jax.make_jaxpr(lambda xs: rx.unroll(cell, params, xs)[1])(xs))
    assert "custom_linear_solve" in text
    with pytest.raises(ValueError, match=r"'fused' cannot run MinGRU.*it needs a gated cell"):
        rx.unroll(cell, params, xs, implementation="fused")
    lstm = rx.LSTM(4)
    with pytest.raises(ValueError, match=r"'associative' cannot run LSTM.*h' = a \* h \+ b"):
        rx.unroll(lstm, lstm.init(KEY, 3), xs, implementation="associative")

    class Doubled(rx.MinGRU):
        def step(self, params, state, x):
            state, y = super().step(params, state, x)
            return state, 2 * y

    got, want = (rx.unroll(c, params, xs)[1] for c in (Doubled(4), cell))
    np.testing.assert_allclose(got, 2 * want, rtol=1e-6)


def test_it_differentiates_forwards():
    cell, xs = rx.MinGRU(4), jnp.ones((5, 2, 3))
    params = cell.init(KEY, 3)

    def run(xs):
        return rx.unroll(cell, params, xs, implementation="associative")[1].sum()

    _, slope = jax.jvp(run, (xs,), (xs,))
    np.testing.assert_allclose(slope, (jax.grad(run)(xs) * xs).sum(), rtol=1e-5)


@pytest.mark.parametrize(
    "cell", [pytest.param(rx.MinGRU(4), marks=pytest.mark.full), rx.LRU(4), Pair(4)]
)
def test_cores_chunks_and_steps(cell):
    core = rx.Stack((rx.Bidirectional(cell), cell))
    xs = jax.random.normal(KEY, (6, 2, 3))
    _, ys = rx.unroll(core, core.init(KEY, 3), xs, lengths=jnp.array([6, 3]))
    assert ys.shape == (6, 2, 4)
    params = cell.init(KEY, 3)
    final, ys = rx.unroll(cell, params, xs)
    state, early = rx.unroll(cell, params, xs[:4])
    state, late = rx.unroll(cell, params, xs[4:5], state)
    state, last = cell.step(params, state, xs[5])
    got = jnp.concatenate([early, late, last[None]])
    assert_close((state, got), (final, ys), 1e-5, 1e-6)
    assert rx.unroll(cell, params, xs[:0])[1].shape == (0, 2, 4)


def test_operands_of_bfloat16():
    cell, plain = rx.MinGRU(8, dtype="bfloat16"), rx.MinGRU(8)
    params, xs = plain.init(KEY, 3), jax.random.normal(KEY, (50, 2, 3))
    final, ys = rx.unroll(cell, params, xs)
    assert (final.h.dtype, ys.dtype) == (jnp.float32, jnp.bfloat16)
    _, stepped = rx.unroll(cell, params, xs, implementation="scan")
    np.testing.assert_allclose(ys.astype(float), stepped.astype(float), rtol=0.01, atol=0.01)
    np.testing.assert_allclose(ys.astype(float), rx.unroll(plain, params, xs)[1], atol=0.05)


def test_analysis():
    cell = rx.MinGRU(4)
    params = {name: 0 * a for name, a in cell.init(KEY, 3).items()}
    params["b"] = params["b"].at[:4].set(jnp.array([-5.0, 5.0, 5.0, 0.0]))
    shares = gate_saturation(cell, params, jnp.ones((5, 2, 3)))
    assert list(shares) == ["z"]
    np.testing.assert_array_equal(shares["z"].low, 0.25)
    np.testing.assert_array_equal(shares["z"].high, 0.5)
    jacobian = step_jacobian(cell, params, cell.initial_state(), jnp.ones(3))
    np.testing.assert_allclose(jacobian, np.diag(jax.nn.sigmoid(-params["b"][:4])), atol=1e-6)
    with pytest.raises(ValueError, match="cell must have gates"):
        gate_saturation(Pair(4), Pair(4).init(KEY, 3), jnp.ones((5, 2, 3)))


def test_what_a_linear_cell_lacks_is_named():
    with pytest.raises(ValueError, match="Mine must give gate_names, state_type, coefficients: "):
        type("Mine", (rx.LinearCell,), {})(3)
    cell = rx.MinGRU(3)
    with pytest.raises(ValueError, match=r"state\.h must be real, got complex64"):
        cell.step(cell.init(KEY, 2), rx.MinGRUState(jnp.zeros(3, complex)), jnp.ones(2))


LENGTHS = np.array([6, 3, 2, 0])
RESETS = np.random.default_rng(1).random((6, 4)) < 0.3


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        (Pair(4), "explicit"),
        (rx.LRU(4), "inside shard_map"),
        pytest.param(Pair(4), "inside shard_map", marks=pytest.mark.full),
        pytest.param(rx.LRU(4), "explicit", marks=pytest.mark.full),
    ],
)
def test_on_a_mesh(cell, name, monkeypatch):
    """Sequences are spread over two devices."""
    module = sys.modules["rnnjax.sequence.linear_recurrence"]
    monkeypatch.setattr(module, "_STEPS", 2)  # blocks, as on accelerators
    monkeypatch.setattr(module, "_NUMBERS", {"default": 2**20})
    xs = random_inputs(6, (4,), 3, dtype=np.float32)
    params = random_params(cell, 3, dtype=np.float32)
    time, batch = P(None, "data"), P("data")

    def total(params, xs, lengths, resets):
        return (rx.unroll(cell, params, xs, lengths=lengths, resets=resets)[1] ** 2).sum()

    def summed(*args):
        return jax.lax.psum(total(*args), "data")

    want = jax.jit(jax.grad(total, (0, 1)))(params, xs, LENGTHS, RESETS)
    kind = AxisType.Explicit if name == "explicit" else AxisType.Auto
    mesh = jax.make_mesh((2,), ("data",), axis_types=(kind,))
    if name == "explicit":
        with jax.set_mesh(mesh):
            spread = jax.device_put(xs, NamedSharding(mesh, time))
            got = jax.jit(jax.grad(total, (0, 1)))(params, spread, LENGTHS, RESETS)
    else:
        specs = {"in_specs": (P(), time, batch, time), "out_specs": P()}
        run = jax.shard_map(summed, mesh=mesh, **specs)
        got = jax.jit(jax.grad(run, (0, 1)))(params, xs, LENGTHS, RESETS)
    assert_close(jax.device_get(got), jax.device_get(want), 1e-5, 1e-5)
