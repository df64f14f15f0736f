"""The table of kernels: who runs a call, who refuses it and why, and what a composite passes on."""

import dataclasses
import re
from dataclasses import dataclass
from functools import partial
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from oracle import CELLS, GATED, SteppedGRU, assert_close, random_inputs, random_params

import rnnjax as rx
from rnnjax.sequence import Composite, Fused, Implementation, Newton, Options
from rnnjax.sequence.kernels import table
from rnnjax.sequence.kernels.kernel import Call, Kernel
from rnnjax.sequence.kernels.scan import scan

STEPPED = SteppedGRU(3)
XS = random_inputs(4, (2,), dtype=np.float32)


def unroll(core, xs=XS, **options):
    return rx.unroll(core, random_params(core, dtype=np.float32), xs, **options)


@pytest.fixture
def ran(monkeypatch):
    """Return a list that fills with the name of the kernel and the core of each run."""
    runs = []

    def noting(name, kernel):
        def run(core, *args, **options):
            runs.append((name, core))
            return kernel.run(core, *args, **options)

        return dataclasses.replace(kernel, run=run)

    for name, kernel in table.KERNELS.items():
        monkeypatch.setitem(table.KERNELS, name, noting(name, kernel))
    return runs


def test_every_kernel_has_a_name_for_users():
    names, *settings = get_args(Implementation)
    assert set(get_args(names)) == {"auto", *table.KERNELS}
    assert settings == [Fused, Newton]


def test_auto_takes_the_first_that_does_not_refuse(ran):
    for name, core in CELLS.items():
        for implementation in ("auto", "scan"):
            unroll(core, implementation=implementation)
            fused = name in GATED and implementation == "auto"
            assert ran.pop() == ("fused" if fused else "scan", core)


def test_a_refusal_is_a_reason():
    assert table.refusal(Call(rx.GRU(3), {}, XS), "fused") is None
    assert table.refusal(Call(STEPPED, {}, XS), "scan") is None
    reason = table.refusal(Call(STEPPED, {}, XS), "fused")
    assert reason.startswith(
        f"implementation 'fused' cannot run {STEPPED!r}: it needs a gated cell"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        unroll(STEPPED, implementation="fused")


def test_a_kernel_is_asked_with_what_it_would_run(monkeypatch):
    calls = []

    def refuses(call):
        calls.append(call)
        return "it is never content"

    monkeypatch.setitem(table.KERNELS, "fused", Kernel(scan, refuses))
    core = rx.LSTM(3)
    unroll(core)
    unroll(core, XS.astype(jnp.bfloat16))
    for call in calls:
        assert (call.core, call.xs.shape) == (core, (4, 2, 2))
        assert call.params["w_h"].shape == (3, 12)
    assert [call.xs.dtype for call in calls] == [np.float32, jnp.bfloat16]
    with pytest.raises(ValueError, match=r"'fused' cannot run LSTM.*: it is never content$"):
        unroll(core, implementation="fused")


class Counted(rx.GRU):
    traced = 0

    def pointwise(self, *args, **own):
        Counted.traced += 1
        return super().pointwise(*args, **own)


# What the parts of a composite are is known only by running it, so "fused" asks a `Stack`.
@pytest.mark.parametrize(
    ("core", "name"),
    [(Counted(3), "fused"), (Counted(3), "scan"), (rx.Stack((Counted(3),)), "scan")],
)
def test_a_name_costs_no_trace_if_its_answer_is_known(core, name):
    params, traces = random_params(core, dtype=np.float32), []
    run = partial(rx.unroll, implementation=name)
    for call in (run, Options(implementation=name).unroll):  # the second asks nothing before
        before = Counted.traced
        jax.eval_shape(partial(call, core), params, XS)
        traces.append(Counted.traced - before)
    assert traces[0] == traces[1] > 0


MIXED = rx.Stack((rx.LSTM(3), STEPPED, rx.Bidirectional(rx.GRU(3)), rx.Window(2, 2)))


def test_a_name_applies_to_the_parts_that_can_use_it(ran):
    got = unroll(MIXED, implementation="fused")
    kernels = [name for name, _ in ran]
    assert kernels == ["fused", "scan", "fused", "fused", "scan"]
    assert ran[1][1] == STEPPED
    want = unroll(MIXED, implementation="scan")
    assert [name for name, _ in ran[5:]] == ["scan"] * 5
    assert_close(got, want, 1e-5, 1e-6)


def test_a_name_that_no_part_can_use_is_refused(ran):
    core = rx.Bidirectional(rx.Stack((STEPPED, SteppedGRU(2))))
    parts = core.core.layers
    reasons = "; ".join(table.refusal(Call(part, {}, XS), "fused") for part in parts)
    with pytest.raises(ValueError, match=f"^{re.escape(reasons)}$"):  # once for two directions
        unroll(core, implementation="fused")
    with pytest.raises(ValueError, match=r"'fused' cannot run Window\(hidden_size=3, width=2"):
        unroll(rx.Window(3, 2), implementation="fused")
    assert not ran  # before anything is computed


def test_a_name_is_refused_under_jit_and_grad():
    def loss(xs):
        return unroll(rx.Stack((STEPPED,)), xs, implementation="fused")[1].sum()

    with pytest.raises(ValueError, match="'fused' cannot run SteppedGRU"):
        jax.jit(jax.grad(loss))(XS)


def test_a_name_on_a_mesh_of_explicit_axes():
    core = rx.Stack((rx.LSTM(2), rx.Window(2, 2)), residual=True)
    params, mesh = random_params(core, dtype=np.float32), jax.make_mesh((2,), ("data",))
    with jax.set_mesh(mesh):
        xs = jax.device_put(XS, NamedSharding(mesh, P(None, "data")))
        ys = jax.eval_shape(lambda xs: rx.unroll(core, params, xs, implementation="fused")[1], xs)
    assert ys.sharding.spec[1] == "data"


@pytest.mark.parametrize(("core", "implementation"), [(STEPPED, "scan"), (rx.LSTM(3), "fused")])
def test_several_steps_a_turn_of_the_loop(core, implementation):
    params = random_params(core, dtype=np.float32)

    def loss(params, factor):
        options = {"implementation": implementation, "lengths": [4, 2]}
        return (rx.unroll(core, params, XS, unroll_factor=factor, **options)[1] ** 2).sum()

    slope = jax.value_and_grad(loss)
    want = jax.jit(slope, static_argnums=1)(params, 1)
    for factor in (3, 9):  # with steps left over, and more than there are
        assert_close(jax.jit(slope, static_argnums=1)(params, factor), want, 1e-5, 1e-6)
    loops = re.findall(r"unroll=(\d+)", str(jax.make_jaxpr(partial(slope, factor=3))(params)))
    assert set(loops) == {"3"}  # forwards and backwards


def test_a_factor_that_is_no_number_of_steps():
    for factor in (0, True, 2.0):
        with pytest.raises(ValueError, match=f"unroll_factor must be .* at least 1, got {factor}"):
            unroll(rx.LSTM(3), unroll_factor=factor)


@dataclass(frozen=True)
class Twice(Composite):
    """A user's composite: it reads the sequence forwards, and what that gives backwards."""

    core: rx.Core

    @property
    def output_size(self):
        return self.core.output_size

    def init(self, key, input_size):
        return {"core": self.core.init(key, input_size)}

    def initial_state(self, batch_shape=()):
        return self.core.initial_state(batch_shape), self.core.initial_state(batch_shape)

    def step(self, params, state, x):
        raise ValueError("Twice has no step")

    def over_time(self, params, xs, initial_state, options):
        first, second = initial_state
        first, ys = options.unroll(self.core, params["core"], xs, first)
        back = dataclasses.replace(options, reverse=not options.reverse)
        second, ys = back.unroll(self.core, params["core"], ys, second)
        return (first, second), ys


def test_a_composite_of_a_users_own():
    core, xs = Twice(rx.LSTM(2)), random_inputs(4, (2,), dtype=np.float32)
    params = random_params(core, dtype=np.float32)
    options = {"lengths": jnp.array([4, 2]), "resets": jnp.zeros((4, 2), bool).at[2, 0].set(True)}
    got = rx.unroll(core, params, xs, implementation="fused", **options)
    first, ys = rx.unroll(core.core, params["core"], xs, **options)
    second, ys = rx.unroll(core.core, params["core"], ys, reverse=True, **options)
    assert_close(got, ((first, second), ys), 0, 0)


def test_options_reach_a_composite_checked(monkeypatch):
    seen = []

    def over_time(self, params, xs, initial_state, options):
        seen.append(options)
        return initial_state, xs

    monkeypatch.setattr(Twice, "over_time", over_time)
    key = jax.random.key(0)
    unroll(Twice(rx.LSTM(2)), lengths=[4, 2], reverse=True, recompute=True, dropout_key=key)
    (options,) = seen
    assert type(options) is Options
    assert isinstance(options.lengths, jax.Array)
    assert (options.reverse, options.recompute, options.resets) == (True, True, None)
    assert (options.implementation, options.dropout_key) == ("auto", key)


@pytest.mark.parametrize("implementation", ["scan", "fused"])
def test_no_steps(implementation):
    core = rx.LSTM(3)
    args = core.init(jax.random.key(0), 2), XS[:0]

    def total(params, xs):
        final, ys = rx.unroll(core, params, xs, implementation=implementation)
        return ys.sum() + final.h.sum()

    assert not any(np.any(a) for a in jax.tree.leaves(jax.grad(total, (0, 1))(*args)))
