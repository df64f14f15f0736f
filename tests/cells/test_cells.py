"""Each cell's equation, its initial values, its dtypes and its errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import some_fast

import rnnjax as rx

HIDDEN, FEATURES = 4, 3
CELLS = {
    "tanh": rx.Elman(HIDDEN),
    "relu": rx.Elman(HIDDEN, activation="relu"),
    "sigmoid": rx.Elman(HIDDEN, activation="sigmoid"),
    "lstm": rx.LSTM(HIDDEN),
    "gru": rx.GRU(HIDDEN),
    "gru_before": rx.GRU(HIDDEN, reset_after=False),
}
KEY = jax.random.key(0)


def filled(cell, seed=0):
    """Return parameters of `cell` in float64 numpy, biases not zero."""
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(lambda: cell.init(KEY, FEATURES))
    return {name: rng.normal(size=a.shape) for name, a in shapes.items()}


def arguments(cell, batch=(), seed=1):
    """Return a state and an input in float64 numpy."""
    rng = np.random.default_rng(seed)
    leaves = [rng.normal(size=(*batch, HIDDEN)) for _ in cell.state_type._fields]
    return cell.state_type(*leaves), rng.normal(size=(*batch, FEATURES))


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def columns(array, gate):
    return array[..., gate * HIDDEN : (gate + 1) * HIDDEN]


def by_formula(name, p, state, x):
    """Return the leaves of the next state, from the formulas, gate by gate."""

    def gate(k, h):
        return x @ columns(p["w_x"], k) + columns(p["b"], k) + h @ columns(p["w_h"], k)

    h = state.h
    if name == "tanh":
        return (np.tanh(gate(0, h)),)
    if name == "relu":
        return (np.maximum(gate(0, h), 0),)
    if name == "sigmoid":
        return (sigmoid(gate(0, h)),)
    if name == "lstm":
        i, f, g, o = (
            sigmoid(gate(0, h)),
            sigmoid(gate(1, h)),
            np.tanh(gate(2, h)),
            sigmoid(gate(3, h)),
        )
        c = f * state.c + i * g
        return o * np.tanh(c), c
    r, z = sigmoid(gate(0, h)), sigmoid(gate(1, h))
    if name == "gru":
        x_n = x @ columns(p["w_x"], 2) + columns(p["b"], 2)
        n = np.tanh(x_n + r * (h @ columns(p["w_h"], 2) + p["b_hn"]))
    else:
        n = np.tanh(gate(2, r * h))
    return ((1 - z) * n + z * h,)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("batch", [(), (3, 2)])
@pytest.mark.parametrize("name", CELLS)
def test_equation(name, batch):
    cell = CELLS[name]
    params, (state, x) = filled(cell), arguments(cell, batch)
    want = by_formula(name, params, state, x)
    new, y = cell.step(*jax.tree.map(jnp.asarray, (params, state, x)))
    assert isinstance(new, cell.state_type)
    assert y.dtype == np.float64
    np.testing.assert_array_equal(y, new.h)
    for leaf, value in zip(new, want, strict=True):
        np.testing.assert_allclose(leaf, value, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", some_fast(["lstm", "gru_before"], ["lstm"]))
def test_float32_and_bfloat16(name):
    cell = CELLS[name]
    low = type(cell)(**{**vars(cell), "dtype": jnp.bfloat16})
    params, (state, x) = filled(cell), arguments(cell, (5,))
    want = by_formula(name, params, state, x)
    single = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), (params, state, x))
    for core, dtype, error in ((cell, jnp.float32, 1e-6), (low, jnp.bfloat16, 0.05)):
        new, y = core.step(*single)
        assert y.dtype == dtype
        assert {leaf.dtype for leaf in new} == {np.dtype(np.float32)}
        for leaf, value in zip(new, want, strict=True):
            np.testing.assert_allclose(leaf, value, rtol=0, atol=error)
        np.testing.assert_allclose(y.astype(np.float32), want[0], rtol=0, atol=error)
    assert {a.dtype for a in low.init(KEY, FEATURES).values()} == {np.dtype(np.float32)}
    assert {leaf.dtype for leaf in low.initial_state()} == {np.dtype(np.float32)}


def test_sums_are_taken_in_float32():
    """256 + 1 is 256 in bfloat16: what is accumulated must not be."""
    cell = rx.Elman(1, activation="relu", dtype=jnp.bfloat16)
    params = {"w_x": jnp.ones((2, 1)), "w_h": jnp.ones((1, 1)), "b": jnp.ones(1)}
    state, y = cell.step(params, rx.ElmanState(jnp.ones(1)), jnp.array([256.0, 1.0]))
    assert state.h[0] == 259
    assert y.dtype == jnp.bfloat16


def test_half_precision_parameters():
    cell = rx.LSTM(HIDDEN, param_dtype=jnp.bfloat16)
    params = cell.init(KEY, FEATURES)
    assert {a.dtype for a in params.values()} == {np.dtype(jnp.bfloat16)}
    state, y = cell.step(params, cell.initial_state(), jnp.ones(FEATURES, jnp.bfloat16))
    assert (y.dtype, state.c.dtype) == (jnp.bfloat16, np.float32)


@pytest.mark.parametrize("name", CELLS)
def test_shapes(name):
    cell = CELLS[name]
    width = cell.num_gates * HIDDEN
    want = {"w_x": (FEATURES, width), "w_h": (HIDDEN, width), "b": (width,)}
    if name == "gru":
        want["b_hn"] = (HIDDEN,)
    assert {k: a.shape for k, a in cell.init(KEY, FEATURES).items()} == want
    assert cell.output_size == HIDDEN
    assert [leaf.shape for leaf in cell.initial_state((2, 5))] == [(2, 5, HIDDEN)] * len(
        cell.state_type._fields
    )
    assert not any(np.any(leaf) for leaf in cell.initial_state((2,)))


@pytest.mark.parametrize("name", CELLS)
def test_initial_values(name):
    cell = type(CELLS[name])(**{**vars(CELLS[name]), "hidden_size": 8})
    params = cell.init(KEY, 5)
    gates = [params["w_h"][:, 8 * k : 8 * (k + 1)] for k in range(cell.num_gates)]
    for k, gate in enumerate(gates):
        np.testing.assert_allclose(gate.T @ gate, np.eye(8), atol=1e-5)
        assert all(np.abs(gate - other).max() > 0.1 for other in gates[:k])
    bound = np.sqrt(6 / (5 + 8))  # Glorot's, for one gate and not for all of them
    largest = [np.abs(params["w_x"][:, 8 * k : 8 * (k + 1)]).max() for k in range(cell.num_gates)]
    assert 0.8 * bound < min(largest) <= max(largest) <= bound
    biases = np.zeros(8 * cell.num_gates)
    if name == "lstm":
        biases[8:16] = 1
    np.testing.assert_array_equal(params["b"], biases)
    if name == "gru":
        np.testing.assert_array_equal(params["b_hn"], np.zeros(8))
    other = cell.init(jax.random.key(1), 5)
    assert np.any(other["w_x"] != params["w_x"])
    assert np.any(other["w_h"] != params["w_h"])


def test_forget_bias_is_in_b_and_nowhere_else():
    zero, two = (rx.LSTM(HIDDEN, forget_bias=value) for value in (0.0, 2.0))
    params, shifted = zero.init(KEY, FEATURES), two.init(KEY, FEATURES)
    want = np.zeros(4 * HIDDEN)
    want[HIDDEN : 2 * HIDDEN] = 2
    np.testing.assert_array_equal(params["b"], 0)
    np.testing.assert_array_equal(shifted["b"], want)
    np.testing.assert_array_equal(params["w_x"], shifted["w_x"])
    state, x = jax.tree.map(jnp.float32, arguments(zero))
    for a, b in zip(zero.step(params, state, x)[0], two.step(params, state, x)[0], strict=True):
        np.testing.assert_array_equal(a, b)
    drawn = rx.LSTM(HIDDEN, bias_init=rx.initializers.uniform(0.1)).init(KEY, FEATURES)["b"]
    assert 0.9 <= drawn[HIDDEN : 2 * HIDDEN].min() < drawn[HIDDEN : 2 * HIDDEN].max() <= 1.1


def test_initialisers():
    eye = rx.LSTM(HIDDEN, recurrent_init=rx.initializers.identity(0.5)).init(KEY, FEATURES)["w_h"]
    np.testing.assert_array_equal(eye, np.tile(0.5 * np.eye(HIDDEN), (1, 4)))
    with pytest.raises(ValueError, match=r"square.*\(3, 4\)"):
        rx.initializers.identity()(KEY, (3, 4))
    b = rx.LSTM(64, forget_bias=0, bias_init=rx.initializers.chrono(100)).init(KEY, FEATURES)["b"]
    i, f, g, o = np.split(b, 4)
    np.testing.assert_array_equal(i, -f)
    assert 0 <= f.min() < np.log(30) < np.log(70) < f.max() <= np.log(99)
    assert not np.any([g, o])
    with pytest.raises(ValueError, match="max_steps must be at least 3, got 2"):
        rx.initializers.chrono(2)
    cell = rx.GRU(64, kernel_init=rx.initializers.uniform(0.05))
    w_x = np.asarray(cell.init(KEY, FEATURES)["w_x"])
    assert -0.05 <= w_x.min() < -0.048
    assert 0.048 < w_x.max() <= 0.05
    cell = rx.GRU(64, bias_init=rx.initializers.uniform(0.05))
    params = cell.init(KEY, FEATURES)
    assert len(np.unique(np.concatenate([params["b"], params["b_hn"]]))) == 4 * 64


@pytest.mark.parametrize("size", [50, 200])
def test_three_over_n(size):
    """variance_scaling(3, "fan_in", "normal") is N(0, 3/n), n the width that is summed over."""
    init = jax.nn.initializers.variance_scaling(3.0, "fan_in", "normal")
    params = rx.Elman(size, kernel_init=init, recurrent_init=init).init(KEY, 400)
    for name, fan_in in (("w_x", 400), ("w_h", size)):
        values = np.asarray(params[name]).ravel() / np.sqrt(3 / fan_in)
        assert abs(values.std() - 1) < 5 / np.sqrt(2 * values.size)
        assert abs(values.mean()) < 5 / np.sqrt(values.size)
        assert np.abs(values).max() > 3  # not truncated


@pytest.mark.fast
@pytest.mark.parametrize("name", CELLS)
def test_description(name):
    cell = CELLS[name]
    twin = type(cell)(**vars(cell))
    assert cell == twin
    assert hash(cell) == hash(twin)
    assert cell != type(cell)(**{**vars(cell), "hidden_size": 5})
    assert f"{type(cell).__name__}(hidden_size=4" in repr(cell)
    assert "function" not in repr(cell)
    assert isinstance(cell, rx.Core)
    assert isinstance(cell, rx.GatedCell)
    assert cell.is_gated
    with pytest.raises(AttributeError):
        cell.hidden_size = 5


def test_description_says_what_differs():
    assert rx.Elman(4) != rx.Elman(4, activation="relu")
    assert rx.GRU(4) != rx.GRU(4, reset_after=False)
    assert rx.LSTM(4) != rx.LSTM(4, dtype=jnp.bfloat16)
    assert "activation='relu'" in repr(CELLS["relu"])
    assert "reset_after=False" in repr(CELLS["gru_before"])


@pytest.mark.parametrize("name", CELLS)
def test_an_input_of_any_rank(name):
    """A step over a batch is the step of each row; the initial state broadcasts with it."""
    cell = CELLS[name]
    params = jax.tree.map(jnp.float32, filled(cell))
    x = jnp.float32(arguments(cell, (2, 3))[1])
    _, ys = cell.step(params, cell.initial_state((2, 3)), x)
    _, y = cell.step(params, cell.initial_state(), x[1, 2])
    np.testing.assert_allclose(ys[1, 2], y, rtol=1e-5, atol=1e-6)


BAD_CELLS = {
    "zero": (lambda: rx.LSTM(0), r"hidden_size must be an integer of at least 1, got 0"),
    "half": (lambda: rx.LSTM(1.5), r"hidden_size.*got 1.5"),
    "true": (lambda: rx.LSTM(True), r"hidden_size.*got True"),
    "dtype": (lambda: rx.LSTM(3, dtype=jnp.int32), r"^dtype must be a floating dtype.*int32"),
    "param_dtype": (lambda: rx.GRU(3, param_dtype=jnp.int8), r"param_dtype.*floating.*int8"),
    "activation": (lambda: rx.Elman(3, activation="gelu"), r"activation.*'tanh', 'relu'.*'gelu'"),
    "input_size": (lambda: rx.LSTM(3).init(KEY, 0), r"input_size.*at least 1, got 0"),
}


@pytest.mark.parametrize("case", BAD_CELLS)
def test_bad_description(case):
    make, message = BAD_CELLS[case]
    with pytest.raises(ValueError, match=message):
        make()


def broken_step(change):
    cell = rx.LSTM(HIDDEN)
    params, (state, x) = filled(cell), arguments(cell, (2,))
    args = {"params": params, "state": state, "x": x}
    args = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), args)
    return lambda: cell.step(**{**args, **change(**args)})


def without(params, name):
    return {key: value for key, value in params.items() if key != name}


BAD_STEPS = {
    "missing": (
        lambda params, **_: {"params": without(params, "b")},
        r"params of LSTM.* must hold \['b', 'w_h', 'w_x'\], got \['w_h', 'w_x'\]",
    ),
    "extra": (lambda params, **_: {"params": {**params, "b_hn": 1}}, r"params.*got.*'b_hn'"),
    "integers": (lambda x, **_: {"x": x.astype(jnp.int32)}, r"floating dtype, got int32"),
    "features": (
        lambda x, **_: {"x": x[:, :2]},
        r"\(2, 2\) do not fit w_x of shape \(3, 16\): want w_x of shape \(2, 16\)",
    ),
    "no axis": (lambda x, **_: {"x": x[0, 0]}, r"inputs of shape \(\)"),
    "w_x": (lambda params, **_: {"params": {**params, "w_x": params["w_x"][:, 1:]}}, r"\(3, 15\)"),
    "w_h": (
        lambda params, **_: {"params": {**params, "w_h": params["w_h"][1:]}},
        r"w_h must have shape \(4, 16\), got \(3, 16\)",
    ),
    "bare tuple": (lambda state, **_: {"state": tuple(state)}, r"state.*LSTMState, got tuple"),
    "batch": (
        lambda state, **_: {"state": state._replace(c=state.c[:1])},
        r"state\.c must have shape \(2, 4\), got \(1, 4\)",
    ),
}


@pytest.mark.parametrize("case", BAD_STEPS)
def test_bad_step(case):
    change, message = BAD_STEPS[case]
    with pytest.raises(ValueError, match=message):
        broken_step(change)()
