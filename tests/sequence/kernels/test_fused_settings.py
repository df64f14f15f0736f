"""`Fused`, the settings of the fast path."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import GATED, assert_close, random_inputs, random_params, random_state, some_full

import rnnjax as rx
from rnnjax.sequence import Fused

MASKS = {"lengths": np.array([5, 0, 3]), "resets": np.zeros((5, 3), bool)}
MASKS["resets"][2, 0] = True


def evaluate(core, implementation, dtype=np.float32, **options):
    """Return outputs, final state and gradients of a compiled program, and the program."""

    def loss(params, xs, state):
        options["implementation"] = implementation
        final, ys = rx.unroll(core, params, xs, state, **options)
        total = sum(jnp.sum(jnp.sin(leaf.astype(dtype))) for leaf in jax.tree.leaves((final, ys)))
        return total, (final, ys)

    params, xs = random_params(core, dtype=dtype), random_inputs(5, (3,), dtype=dtype)
    run = jax.jit(jax.value_and_grad(loss, (0, 1, 2), has_aux=True))
    arguments = params, xs, random_state(core, (3,), dtype=dtype)
    (_, results), gradients = run(*arguments)
    return results, gradients, str(jax.make_jaxpr(run)(*arguments))


def test_several_steps_a_turn_both_ways():
    core = rx.Stack((rx.LSTM(3), rx.GRU(3)))
    *want, _ = evaluate(core, "fused", **MASKS)
    *got, program = evaluate(core, Fused(unroll=2), **MASKS)
    assert_close(got, want, 1e-5, 1e-6)
    assert re.findall(r"unroll=(\d+)", program) == ["2"] * 4


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", some_full([*GATED, "noise"], ["gru", "projected"]))
def test_only_gradients_are_rounded(name):
    core = rx.Zoneout(rx.LSTM(3), 0.2) if name == "noise" else GATED[name]
    options = {**MASKS, "reverse": name == "gru", "dropout_key": jax.random.key(0)}
    results, gradients, _ = evaluate(core, "fused", np.float64, **options)
    rounded, *got, _ = evaluate(core, Fused(residual_dtype=jnp.float32), np.float64, **options)
    assert_close(rounded, results, 0, 0)
    assert_close(got, [gradients], 1e-5, 1e-6)
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(gradients), strict=True):
        assert np.any(one != other)


@pytest.mark.parametrize(("cell", "widths"), [(rx.LSTM, 2 + 4), (rx.GRU, 1 + 4)])
def test_what_waits_for_the_backward_pass(cell, widths):
    core, xs = cell(3), random_inputs(50, (4,), dtype=np.float32)
    params = random_params(core, dtype=np.float32)

    def kept(implementation):
        run = lambda p: rx.unroll(core, p, xs, implementation=implementation)[1]  # noqa: E731
        pullback = jax.eval_shape(lambda p: jax.vjp(run, p)[1], params)
        return [leaf for leaf in jax.tree.leaves(pullback) if leaf.size >= 50 * 4 * 3]

    numbers = widths * 50 * 4 * 3  # states and gates
    assert {leaf.dtype.name for leaf in kept("fused")} == {"float32"}
    narrow = kept(Fused(residual_dtype="bfloat16"))
    assert {leaf.dtype.name for leaf in narrow} == {"bfloat16"}
    assert sum(leaf.size for leaf in narrow) == sum(leaf.size for leaf in kept("fused")) == numbers


def test_outputs_in_the_residual_dtype_are_those_that_are_kept():
    core = rx.LSTM(3, dtype="bfloat16")
    want, gradients, _ = evaluate(core, "fused", **MASKS)
    got, rounded, _ = evaluate(core, Fused(residual_dtype="bfloat16"), **MASKS)
    assert_close(got, want, 0, 0)
    assert_close(rounded, gradients, 5e-2, 2e-2)
    params, xs = random_params(core, dtype=np.float32), random_inputs(5, (3,), dtype=np.float32)
    run = lambda p, **how: rx.unroll(core, p, xs, return_states=True, **how)  # noqa: E731
    exact, _ = jax.vjp(run, params)
    states, _ = jax.vjp(lambda p: run(p, implementation=Fused(residual_dtype="bfloat16")), params)
    assert_close(states, exact, 1e-6, 1e-6)  # of all digits


def test_the_error_of_bfloat16_is_that_of_its_digits():
    _, gradients, _ = evaluate(rx.LSTM(3), "fused")
    _, got, _ = evaluate(rx.LSTM(3), Fused(residual_dtype="bfloat16"))
    assert_close(got, gradients, 5e-2, 1e-2)


def test_settings_out_of_range():
    with pytest.raises(ValueError, match="unroll must be an integer of at least 1, got 0"):
        Fused(unroll=0)
    with pytest.raises(ValueError, match="residual_dtype must be a floating dtype, got 'int8'"):
        Fused(residual_dtype="int8")


def test_settings_of_a_model_are_saved_with_it():
    assert Fused(residual_dtype=jnp.bfloat16) == Fused(residual_dtype="bfloat16")
    model = rx.models.LanguageModel(5, rx.GRU(2), implementation=Fused(4, jnp.bfloat16))
    assert rx.trained.rebuild(rx.trained.describe(model)) == model
