"""Cells without biases: they compute what cells with zero biases do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import assert_close, evaluate, random_inputs, random_params, random_state

import rnnjax as rx
from rnnjax.analysis import gate_saturation

BATCH = (2,)
LENGTHS = np.array([4, 2])
KEY = jax.random.key(0)


class Leaky(rx.GatedCell):
    """A cell of one's own, which gets the argument with the form."""

    gate_names, state_type = ("g",), rx.ElmanState

    def pointwise(self, g_x, g_h, state):
        return rx.ElmanState(state.h + 0.1 * (jnp.tanh(g_x + g_h) - state.h))


MAKERS = {
    "elman": rx.Elman,
    "lstm": rx.LSTM,
    "gru": rx.GRU,
    "gru_before": lambda size, **kwargs: rx.GRU(size, reset_after=False, **kwargs),
    "own": Leaky,
    "stack": lambda size, **kwargs: rx.Stack(
        (rx.Bidirectional(rx.GRU(size, **kwargs)), rx.Conditioned(rx.LSTM(size, **kwargs), 2))
    ),
}
CELLS = [name for name in MAKERS if name != "stack"]


def leaves_named(tree, biases):
    """Return the leaves of parameters that are biases, or those that are not, by their path."""
    named = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree.leaves_with_path(tree)}
    return {path: a for path, a in named.items() if path.endswith(("b']", "b_hn']")) is biases}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("name", "implementation"),
    [
        pytest.param("gru", "auto", marks=pytest.mark.fast),
        ("gru_before", "scan"),
        ("stack", "auto"),
        *(pytest.param(name, "auto", marks=pytest.mark.full) for name in ("elman", "lstm", "own")),
        *(
            pytest.param(name, "scan", marks=pytest.mark.full)
            for name in MAKERS
            if name != "gru_before"
        ),
    ],
)
def test_values_and_gradients_are_those_of_zero_biases(name, implementation):
    bare, full = MAKERS[name](3, use_bias=False), MAKERS[name](3)
    params = random_params(full)
    without = random_params(bare)
    assert not leaves_named(without, biases=True)
    flat = leaves_named(without, biases=False)
    zeroed = jax.tree_util.tree_map_with_path(
        lambda path, a: flat.get(jax.tree_util.keystr(path), jnp.zeros_like(a)), params
    )
    xs, state = random_inputs(4, BATCH), random_state(full, BATCH)

    def results(core, params):
        def run(params, xs, state):
            return rx.unroll(
                core, params, xs, state, lengths=LENGTHS, implementation=implementation
            )

        return evaluate(run, params, xs, state)

    values, (d_params, *d_others) = results(bare, without)
    want_values, (want_params, *want_others) = results(full, zeroed)
    assert_close((values, d_others), (want_values, want_others))
    assert_close(
        d_params,
        jax.tree.unflatten(
            jax.tree.structure(d_params), list(leaves_named(want_params, biases=False).values())
        ),
    )


@pytest.mark.parametrize("name", CELLS)
def test_the_other_parameters_are_drawn_as_with_biases(name):
    bare, full = MAKERS[name](3, use_bias=False).init(KEY, 2), MAKERS[name](3).init(KEY, 2)
    assert set(bare) == {"w_x", "w_h"}
    for weight in bare:
        np.testing.assert_array_equal(bare[weight], full[weight])


@pytest.mark.parametrize("name", ["lstm", "gru", "gru_before"])
def test_a_bias_that_a_cell_does_not_have_is_refused(name):
    bare, full = MAKERS[name](3, use_bias=False), MAKERS[name](3)
    x = jnp.ones((2, 2))
    with pytest.raises(ValueError, match=r"params of .*use_bias=False.* hold \['w_h', 'w_x'\]"):
        bare.step(full.init(KEY, 2), bare.initial_state((2,)), x)
    with pytest.raises(ValueError, match=r"params of .* hold \['b'"):
        full.step(bare.init(KEY, 2), full.initial_state((2,)), x)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_gates_of_a_cell_without_biases_can_be_watched(name):
    bare, full, xs = MAKERS[name](3, use_bias=False), MAKERS[name](3), jnp.ones((4, 2, 2))
    params = bare.init(KEY, 2)
    zeros = {weight: jnp.zeros(shape) for weight, shape in full.param_shapes(2).items()}
    got = gate_saturation(bare, params, xs)
    assert_close(got, gate_saturation(full, {**zeros, **params}, xs), rtol=1e-6)


def test_precision_of_a_cell_without_biases():
    cell = rx.GRU(3, use_bias=False, dtype="bfloat16")
    final, ys = rx.unroll(cell, cell.init(KEY, 2), jnp.ones((4, 2, 2)))
    assert (ys.dtype, final.h.dtype) == (jnp.bfloat16, np.float32)
