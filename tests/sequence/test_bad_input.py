"""Each error names the argument, what it got and what it wants, before anything is compiled."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import SteppedGRU, random_params

import rnnjax as rx

CELL = rx.LSTM(3)
STEPPED = SteppedGRU(3)
STACK = rx.Stack((CELL, rx.GRU(3)))
XS = jnp.ones((4, 2, 2))
OK = jnp.array([4, 0])
ZERO = CELL.initial_state((2,))


def unroll(core=CELL, params=None, xs=XS, *args, **options):
    params = random_params(core, dtype=np.float32) if params is None else params
    return lambda: rx.unroll(core, params, xs, *args, **options)


CALLS = {
    "xs rank": (unroll(xs=XS[0, 0]), r"xs must have shape \(time, \*batch, features\), got \(2,\)"),
    "xs dtype": (unroll(xs=XS.astype(int)), r"xs must be of a floating dtype, got int32"),
    "features": (unroll(xs=jnp.ones((4, 2, 5))), r"inputs of shape \(2, 5\).*w_x.*\(2, 12\)"),
    "features above": (unroll(STACK, xs=jnp.ones((4, 2, 5))), r"inputs of shape \(2, 5\)"),
    "params": (unroll(params={"w": 1}), r"params of LSTM.*\['b', 'w_h', 'w_x'\], got \['w'\]"),
    "core": (unroll("lstm", {}), r"core must have init, initial_state and step, got 'lstm'"),
    "state rank": (
        unroll(initial_state=CELL.initial_state()),
        r"state\.h must have shape \(2, 3\), got \(3,\)",
    ),
    "state width": (
        unroll(initial_state=rx.LSTM(5).initial_state((2,))),
        r"state\.h must have shape \(2, 3\), got \(2, 5\)",
    ),
    "state of another cell": (
        unroll(initial_state=rx.GRUState(ZERO.h)),
        r"state must be a LSTMState, got GRUState",
    ),
    "number in the state": (
        unroll(initial_state=rx.LSTMState(ZERO.h, 0.0)),
        r"initial_state\.c must be an array, got 0\.0",
    ),
    "dropout_key": (unroll(dropout_key=3), r"dropout_key must be one random key.*got 3"),
    "two dropout keys": (
        unroll(dropout_key=jax.random.split(jax.random.key(0))),
        "dropout_key must be one random key",
    ),
    "state of a stack": (unroll(STACK, initial_state=(ZERO,)), r"state of a Stack.*tuple of 2"),
    "lengths shape": (unroll(lengths=[4]), r"lengths must have.*\(2,\), got \(1,\)"),
    "lengths dtype": (unroll(lengths=[1.0, 2.0]), r"lengths must be integers, got float64"),
    "lengths bool": (unroll(lengths=[True, False]), r"lengths must be integers, got bool"),
    "lengths too long": (unroll(lengths=[4, 5]), r"lengths.*between 0 and.*4; got 5"),
    "lengths negative": (unroll(lengths=[-1, 4]), r"lengths.*between 0 and.*4; got -1"),
    "lengths numpy": (unroll(lengths=np.array([4, 5])), r"lengths.*got 5"),
    "lengths in a stack": (unroll(STACK, lengths=[4, 5]), r"lengths.*got 5"),
    "resets dtype": (unroll(resets=jnp.zeros((4, 2))), r"resets must be.*bool, got float32"),
    "resets shape": (
        unroll(resets=jnp.zeros((2, 4), bool)),
        r"resets must have shape \(time, \*batch\) = \(4, 2\), or one more row, got \(2, 4\)",
    ),
    "implementation": (
        unroll(implementation="cuda"),
        r"implementation must be one of auto, fused, associative, scan, newton, cudnn, got 'cuda'",
    ),
    "implementation of a stack": (unroll(STACK, implementation="Fused"), r"one of.*got 'Fused'"),
    "fused": (unroll(STEPPED, implementation="fused"), r"implementation 'fused'.*GRU\(hidden_size"),
    "fused inside": (
        unroll(rx.Bidirectional(STEPPED), implementation="fused"),
        r"implementation 'fused'.*GRU\(hidden_size",
    ),
    "stack params": (unroll(STACK, {"layer_0": {}}), r"params of a Stack.*'layer_1'\], got"),
    "empty stack": (lambda: rx.Stack(()), r"layers must hold at least one core, got none"),
    "layer": (
        lambda: rx.Stack((CELL, "gru")),
        r"layers must have init, initial_state and step.*got 'gru'",
    ),
    "rate of 1": (lambda: rx.Stack((CELL,), dropout=1.0), r"dropout must lie in \[0, 1\), got 1.0"),
    "rate below 0": (lambda: rx.Stack((CELL,), dropout=-0.1), r"dropout.*got -0.1"),
    "stack step": (
        lambda: STACK.step(STACK.init(jax.random.key(0), 2), (ZERO,), XS[0]),
        r"state of a Stack must be a tuple of 2 layers' states, got tuple",
    ),
}


@pytest.mark.fast
@pytest.mark.parametrize("case", CALLS)
def test_value_error(case):
    call, message = CALLS[case]
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("case", ["features", "state rank", "resets shape", "lengths shape"])
def test_value_error_under_jit(case):
    call, message = CALLS[case]
    with pytest.raises(ValueError, match=message):
        jax.jit(call)()


def test_lengths_are_not_looked_at_where_they_are_traced():
    params = random_params(CELL, dtype=np.float32)
    run = jax.jit(lambda lengths: rx.unroll(CELL, params, XS, lengths=lengths))
    assert np.all(run(OK)[1][:, 1] == 0)
    run(jnp.array([9, 9]))


class Forgetful:
    """A core whose step returns another state than it takes."""

    output_size = 2

    def init(self, key, input_size):
        return {}

    def initial_state(self, batch_shape=()):
        return {"h": jnp.zeros((*batch_shape, 2))}

    def step(self, params, state, x):
        return {"h": state["h"], "more": x}, x


def test_state_of_another_structure():
    with pytest.raises(ValueError, match=r"initial_state must.*'more'.*got"):
        rx.unroll(Forgetful(), {}, XS)


class Narrowing(rx.GatedCell):
    """A gated cell whose state loses a unit in a step."""

    gate_names, state_type = ("g",), rx.ElmanState

    def pointwise(self, g_x, g_h, state):
        return rx.ElmanState(jnp.tanh(g_x + g_h)[..., 1:])


@pytest.mark.parametrize("implementation", ["scan", "fused"])
def test_state_of_another_shape(implementation):
    core = Narrowing(3)
    with pytest.raises(ValueError, match=r"step of Narrowing.*\(2, 3\).*got.*\(2, 2\)"):
        rx.unroll(core, core.init(jax.random.key(0), 2), XS, implementation=implementation)


@pytest.mark.parametrize(
    "wrap",
    [lambda core: rx.WeightDrop(core, 0.1), lambda core: rx.Conditioned(core, 2), rx.Reversed],
)
@pytest.mark.parametrize("core", [3, rx.LSTM])
def test_a_wrapper_of_no_core(wrap, core):
    with pytest.raises(ValueError, match="core must have init, initial_state and step, got"):
        wrap(core)


BOTH = rx.Bidirectional(CELL)


@pytest.mark.parametrize("wrong", ["params", "state"])
def test_bidirectional_checks_params_and_state(wrong):
    params = BOTH.init(jax.random.key(0), 2)
    args = (without_backward(params),) if wrong == "params" else (params, ZERO)
    with pytest.raises(ValueError, match=wrong):
        rx.unroll(BOTH, args[0], XS, *args[1:])


def without_backward(params):
    return {"forward": params["forward"]}


def test_a_bias_of_another_width():
    params = {**CELL.init(jax.random.key(0), 2), "b": jnp.ones(1)}
    with pytest.raises(ValueError, match=r"b must have shape \(12,\), got \(1,\)"):
        rx.unroll(CELL, params, XS)


def test_params_of_any_mapping():
    """FrozenDict and OrderedDict are mappings, too."""
    import collections

    params = collections.OrderedDict(random_params(CELL, dtype=np.float32))
    grads = jax.grad(lambda p: rx.unroll(CELL, p, XS)[1].sum())(params)
    assert jax.tree.structure(grads) == jax.tree.structure(params)


@pytest.mark.parametrize("kind", [list, tuple])
def test_several_arrays_are_not_stacked(kind):
    cell = rx.Elman(2)
    xs = jnp.ones((3, 1, 2))
    with pytest.raises(ValueError, match=f"xs must be one array, got a {kind.__name__} of 2"):
        rx.unroll(cell, cell.init(jax.random.key(0), 2), kind([xs, xs]))
