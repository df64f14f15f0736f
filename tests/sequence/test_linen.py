"""Cores inside Linen modules are the same cores."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import SteppedGRU, assert_close, random_inputs, some_fast

import rnnjax as rx
from rnnjax.linen import RNN

TIME, BATCH = 4, (3,)
MASKS = {"lengths": np.array([4, 0, 2]), "resets": np.eye(TIME, 3, dtype=bool)}


class Tagger(nn.Module):
    core: rx.Core

    @nn.compact
    def __call__(self, xs, **options):
        final, ys = RNN(self.core)(nn.Dense(2)(xs), **options)
        return final, nn.Dense(5)(ys)


@pytest.mark.parametrize("reverse", some_fast([False, True], [False]))
def test_inside_a_users_module(reverse):
    core = rx.Stack((rx.Bidirectional(rx.LSTM(3)), rx.GRU(3)))
    model, xs = Tagger(core), random_inputs(TIME, BATCH, 4, dtype=np.float32)
    variables = model.init(jax.random.key(0), xs)
    inner = variables["params"]["RNN_0"]["core"]
    assert jax.tree.structure(inner) == jax.tree.structure(core.init(jax.random.key(0), 2))
    state = jax.tree.map(lambda a: a + 0.3, core.initial_state(BATCH))

    def by_hand(params):
        inputs = nn.Dense(2).apply({"params": params["Dense_0"]}, xs)
        final, ys = rx.unroll(
            core, params["RNN_0"]["core"], inputs, state, reverse=reverse, **MASKS
        )
        return final, nn.Dense(5).apply({"params": params["Dense_1"]}, ys)

    def applied(params):
        return model.apply({"params": params}, xs, initial_state=state, reverse=reverse, **MASKS)

    @partial(jax.jit, static_argnums=0)
    def results(function, params):
        return function(params), jax.grad(
            lambda p: sum(jnp.sum(a**2) for a in jax.tree.leaves(function(p)))
        )(params)

    params = variables["params"]
    assert_close(results(applied, params), results(by_hand, params), 1e-5, 1e-5)


def test_dropout_is_on_where_there_is_a_dropout_rng():
    core = rx.Stack((rx.LSTM(8), rx.LSTM(8)), dropout=0.5)
    model, xs = RNN(core), random_inputs(TIME, BATCH, dtype=np.float32)
    key = jax.random.key(0)
    variables = model.init({"params": key, "dropout": key}, xs)
    assert_close(model.init(key, xs), variables, 0, 0)
    plain = jax.jit(partial(rx.unroll, core))(variables["params"]["core"], xs)
    apply = jax.jit(model.apply)
    assert_close(apply(variables, xs), plain, 1e-6, 1e-6)
    _, first = apply(variables, xs, rngs={"dropout": key})
    _, again = apply(variables, xs, rngs={"dropout": key})
    _, other = apply(variables, xs, rngs={"dropout": jax.random.key(1)})
    np.testing.assert_array_equal(first, again)
    assert np.any(first != plain[1])
    assert np.any(first != other)


def test_step_streams():
    core = rx.Stack((rx.LSTM(3), rx.GRU(3)))
    model, xs = RNN(core), random_inputs(TIME, BATCH, dtype=np.float32)
    variables = model.init(jax.random.key(0), xs)
    final, ys = jax.jit(model.apply)(variables, xs)
    step = jax.jit(partial(model.apply, method="step"))
    state = core.initial_state(BATCH)
    for x, y in zip(np.asarray(xs), ys, strict=True):
        state, streamed = step(variables, state, x)
        np.testing.assert_allclose(streamed, y, rtol=1e-5, atol=1e-6)
    assert_close(state, final, 1e-5, 1e-6)
    born = model.init(jax.random.key(0), core.initial_state(BATCH), xs[0], method="step")
    assert_close(born, variables, 0, 0)


def test_options_reach_unroll():
    xs = random_inputs(TIME, BATCH, dtype=np.float32)
    model = RNN(SteppedGRU(3), implementation="fused")
    with pytest.raises(
        ValueError, match=r"implementation 'fused' cannot run SteppedGRU.*gated cell"
    ):
        model.init(jax.random.key(0), xs)
    programs = []
    for recompute in (False, True):
        model = RNN(rx.GRU(3), implementation="scan", recompute=recompute)
        variables = model.init(jax.random.key(0), xs)
        programs.append(str(jax.make_jaxpr(lambda v, m=model: m.apply(v, xs))(variables)))
    assert ["checkpoint" in program or "remat" in program for program in programs] == [False, True]


def test_inputs_that_do_not_fit_the_parameters():
    module, x = RNN(rx.GRU(3)), jnp.ones(2)
    variables = module.init(jax.random.key(0), x[None])
    message = r"params must be those of GRU\(.* for inputs of width 4: .*.core..*\(2, 9\)"
    with pytest.raises(ValueError, match=message):
        module.apply(variables, jnp.ones((1, 4)))
    with pytest.raises(ValueError, match=message):
        module.apply(variables, rx.GRU(3).initial_state(), jnp.ones(4), method="step")
    for batch_first in (False, True):
        with pytest.raises(ValueError, match=r"xs must be one array with features, got a list"):
            module.clone(batch_first=batch_first).apply(variables, [x, x])
