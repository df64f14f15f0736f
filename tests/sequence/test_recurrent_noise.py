"""Recurrent dropout and zoneout: their equations with known noise, what is drawn, and errors."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec
from oracle import Echo, SteppedGRU, assert_close, score
from published import LENGTHS, RESETS, TIME, assert_slope, random_tree

import rnnjax as rx
from rnnjax.cells.noise import Noise
from rnnjax.trained import describe, rebuild

KEY = jax.random.key(5)
PROJECTED = rx.ProjectedLSTM(4, projection_size=2)


def everything(cell):
    inner = rx.RecurrentDropout(rx.WeightDrop(cell, 0.0), 0.4, of="candidate")
    return rx.Zoneout(rx.RecurrentDropout(inner, 0.3), (0.2, 0.5))


CORES = {
    "state": rx.RecurrentDropout(rx.LSTM(3), 0.4),
    "candidate": rx.RecurrentDropout(rx.GRU(3), 0.4, of="candidate"),
    "zoneout": rx.Zoneout(rx.GRU(3), 0.4),
    "all": everything(PROJECTED),
}


def noise_of(core, key, axes):
    """Return the noise that `unroll` draws for a core in wrappers, with a key or without."""
    noise = Noise()
    while hasattr(core, "core"):
        own = key
        if key is not None and not isinstance(core, rx.WeightDrop):
            key, own = jax.random.split(key)
        if not isinstance(core, rx.WeightDrop):
            noise = core._added(noise, own, jnp.zeros((*axes, 1)))
        core = core.core
    return noise


def kept(units, at):
    """Return the share of the new values, 1 where there is no noise."""
    if units is None:
        return 1.0
    return 1 - units.rate if units.kept is None else np.asarray(units.kept)[at]


def factor(units, at):
    drops = units is not None and units.kept is not None
    return kept(units, at) / (1 - units.rate) if drops else 1.0


def equation(cell, p, state, x, noise, at):
    """Return the new state of one sequence, in numpy."""
    sigmoid = lambda a: 1 / (1 + np.exp(-a))  # noqa: E731
    g_x, g_h = x @ p["w_x"] + p["b"], (state.h * factor(noise.h, at)) @ p["w_h"]
    if isinstance(cell, rx.GRU):
        (r_x, z_x, n_x), (r_h, z_h, n_h) = np.split(g_x, 3), np.split(g_h, 3)
        r, z = sigmoid(r_x + r_h), sigmoid(z_x + z_h)
        n = np.tanh(n_x + r * (n_h + p["b_hn"])) * factor(noise.candidate, at)
        new = [(1 - z) * n + z * state.h]
    else:
        i, f, g, o = np.split(g_x + g_h, 4)
        c = sigmoid(f) * state.c + sigmoid(i) * np.tanh(g) * factor(noise.candidate, at)
        h = sigmoid(o) * np.tanh(c)
        new = [h @ p["w_r"] if "w_r" in p else h, c]
    zones = noise.state or (None,) * len(new)
    shares = [kept(units, at) for units in zones]
    return type(state)(*(m * b + (1 - m) * a for m, a, b in zip(shares, state, new, strict=True)))


def by_loop(core, params, state, xs, key, reverse):
    *_, cell = core_and_inner(core)
    p, noise = jax.tree.map(np.asarray, params), noise_of(core, key, xs.shape[:-1])
    finals, ys = [], np.zeros((*xs.shape[:-1], core.output_size))
    for row, length in enumerate(LENGTHS):
        s = type(state)(*(np.asarray(leaf[row]) for leaf in state))
        cuts = np.append(RESETS[:, row], False)
        for t in reversed(range(length)) if reverse else range(length):
            if cuts[t + 1] if reverse else cuts[t]:
                s = type(s)(*map(np.zeros_like, s))
            s = equation(cell, p, s, xs[t, row], noise, (t, row))
            ys[t, row] = s.h
        finals.append(s)
    return type(state)(*map(np.stack, zip(*finals, strict=True))), ys


def core_and_inner(core):
    while core is not None:
        yield core
        core = getattr(core, "core", None)


def run(core, options, params, xs, state):
    def scored(params, xs, state):
        results = rx.unroll(core, params, xs, state, lengths=LENGTHS, resets=RESETS, **options)
        return score(*results[:2]), results[:2]

    return jax.value_and_grad(scored, (0, 1, 2), has_aux=True)(params, xs, state)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("name", "key", "reverse"),
    [
        ("state", KEY, True),
        ("candidate", KEY, False),
        ("all", KEY, True),
        pytest.param("all", None, False, marks=pytest.mark.full),
        pytest.param("zoneout", KEY, False, marks=pytest.mark.full),
        pytest.param("zoneout", None, True, marks=pytest.mark.full),
        pytest.param("all", KEY, False, marks=pytest.mark.full),
    ],
)
def test_equations(name, key, reverse):
    core = CORES[name]
    params = random_tree(0, jax.eval_shape(lambda: core.init(KEY, 3)))
    state = random_tree(1, core.initial_state((3,)))
    xs = np.random.default_rng(2).normal(size=(TIME, 3, 3))
    want = by_loop(core, params, state, xs, key, reverse)
    for row, length in enumerate(LENGTHS):
        xs[length:, row] = np.nan
    args, gradients = (params, jnp.asarray(xs), state), []
    for implementation in ("scan", "fused"):
        given = {"implementation": implementation, "reverse": reverse, "dropout_key": key}
        compiled = jax.jit(partial(run, core, given))
        (_, got), gradient = compiled(*args)
        assert_close(got, want, rtol=1e-11, atol=1e-11)
        gradients.append(gradient)
    assert_close(*gradients, rtol=1e-8, atol=1e-9)
    assert_slope(compiled, args, gradients[0])


RELU = rx.Elman(64, activation="relu")
IDENTITY = {"w_x": jnp.zeros((1, 64)), "w_h": jnp.eye(64), "b": jnp.zeros(64)}
XS = jnp.zeros((4, 5, 1))


def outputs(core, params, state, key=KEY, xs=XS, **options):
    run = jax.jit(partial(rx.unroll, core, **options))
    return np.asarray(run(params, xs, state, dropout_key=key)[1])


def test_the_state_has_one_mask_a_sequence():
    core = rx.RecurrentDropout(RELU, 0.2)  # h' = m * h / 0.8 here
    start = rx.ElmanState(jnp.ones((5, 64)))
    ys = outputs(core, IDENTITY, start)
    np.testing.assert_allclose(ys[3], ys[0] * 1.25**3, rtol=1e-6)
    np.testing.assert_allclose(np.unique(ys[0]), [0, 1.25], rtol=1e-6)
    assert abs((ys[0] == 0).mean() - 0.2) < 0.1
    assert len(np.unique(ys[0], axis=0)) == 5
    np.testing.assert_array_equal(outputs(core, IDENTITY, start), ys)
    assert np.any(outputs(core, IDENTITY, start, jax.random.key(6)) != ys)
    np.testing.assert_array_equal(outputs(core, IDENTITY, start, None), 1)
    # Neither lengths nor resets change what is drawn.
    np.testing.assert_array_equal(outputs(core, IDENTITY, start, lengths=[2] * 5)[:2], ys[:2])


def test_the_candidate_has_a_mask_a_step():
    cell = rx.GRU(64)  # z = 0 and n = 1: h' = m * n / 0.8
    biases = jnp.concatenate([jnp.zeros(64), jnp.full(64, -100.0), jnp.full(64, 100.0)])
    params = {"w_x": jnp.zeros((1, 192)), "w_h": jnp.zeros((64, 192)), "b": biases}
    params["b_hn"] = jnp.zeros(64)
    core = rx.RecurrentDropout(cell, 0.2, of="candidate")
    ys = outputs(core, params, cell.initial_state((5,)))
    np.testing.assert_allclose(np.unique(ys), [0, 1.25], rtol=1e-6)
    assert abs(ys.mean() - 1) < 0.1
    assert len(np.unique(ys.reshape(20, 64), axis=0)) == 20


def test_zoneout_keeps_units_and_without_a_key_their_share():
    core = rx.Zoneout(RELU, 0.4)
    params = {**IDENTITY, "b": jnp.ones(64)}  # h' = h + 1, or h
    start = RELU.initial_state((5,))
    ys = outputs(core, params, start)
    steps = np.diff(ys, axis=0, prepend=0)
    np.testing.assert_array_equal(np.unique(steps), [0, 1])
    assert abs(steps.mean() - 0.6) < 0.1
    assert len(np.unique(steps.reshape(20, 64), axis=0)) == 20
    ys = outputs(core, params, start, None)
    np.testing.assert_allclose(ys[:, 0, 0], [0.6, 1.2, 1.8, 2.4], rtol=1e-6)


def test_the_leaves_of_a_state_have_rates_of_their_own():
    cell = rx.LSTM(64)
    params = jax.tree.map(jnp.ones_like, cell.init(KEY, 1))
    start = cell.initial_state((5,))
    run = jax.jit(partial(rx.unroll, rx.Zoneout(cell, [0.0, 0.5]), return_states=True))
    _, h, states = run(params, XS[:1], start, dropout_key=KEY)
    assert 0.4 < (states.c == 0).mean() < 0.6
    assert not (h == 0).any()


def test_a_stream_has_the_results_of_unroll_without_a_key():
    core = CORES["all"]
    params, state = core.init(KEY, 3), core.initial_state((2,))
    xs = np.random.default_rng(0).normal(size=(4, 2, 3)).astype("f")
    _, ys = jax.jit(partial(rx.unroll, core))(params, xs)
    step = jax.jit(core.step)
    for x, y in zip(xs, ys, strict=True):
        state, streamed = step(params, state, x)
        np.testing.assert_allclose(streamed, y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "core",
    [
        rx.RecurrentDropout(rx.LSTM(3), 0.0),
        rx.RecurrentDropout(rx.LSTM(3), 0, of="candidate"),
        rx.Zoneout(rx.LSTM(3), (0.0, 0)),
        rx.WeightDrop(rx.LSTM(3), 0.0),
    ],
)
def test_a_rate_of_zero_is_the_plain_cell(core):
    params, xs = core.init(KEY, 2), np.ones((4, 2, 2), "f")
    programs = {
        jax.jit(jax.grad(lambda p, c=c: rx.unroll(c, p, xs, dropout_key=KEY)[1].sum()))
        .lower(params)
        .as_text()
        for c in (core, rx.LSTM(3))
    }
    assert len(programs) == 1


@pytest.mark.full
def test_composites_masks_and_blocks():
    layers = rx.RecurrentDropout(rx.GRU(3), 0.4, of="candidate"), CORES["all"]
    core = rx.Stack((layers[0], rx.Reversed(layers[1])), dropout=0.2)
    params = core.init(KEY, 3)
    xs = np.random.default_rng(1).normal(size=(7, 3, 3)).astype("f")
    given = {"lengths": np.array([7, 0, 4]), "resets": RESETS[[0, *range(TIME)]]}

    @partial(jax.jit, static_argnums=0)
    def loss(recompute, params, xs, key):
        def score_of(params, xs):
            got = rx.unroll(core, params, xs, dropout_key=key, recompute=recompute, **given)
            return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(got)), got

        return jax.value_and_grad(score_of, (0, 1), has_aux=True)(params, xs)

    keys = jax.random.split(KEY, 2)
    whole = [loss(False, params, xs, key) for key in keys]
    mapped = jax.vmap(partial(loss, True, params, xs))(keys)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *whole)
    assert_close(mapped, stacked, rtol=1e-4, atol=1e-5)
    ys, others = (results[1] for (_, results), _ in whole)
    assert np.all(ys[4:, 2] == 0)
    assert np.any(others != ys)


def test_flax_modules_give_the_key():
    core, xs = rx.Stack((rx.Zoneout(rx.LSTM(3), (0.0, 0.5)),)), jnp.ones((4, 2, 2))
    module = rx.linen.RNN(core)
    variables = module.init(KEY, xs)
    _, plain = module.apply(variables, xs)
    _, noisy = module.apply(variables, xs, rngs={"dropout": KEY})
    assert np.any(plain != noisy)
    for made, draws in [
        (core, True),
        (rx.Zoneout(rx.GRU(3), 0.1), True),
        (rx.WeightDrop(rx.GRU(3), 0.1), True),
        (rx.RecurrentDropout(rx.WeightDrop(rx.GRU(3), 0.1), 0.0), True),
        (rx.RecurrentDropout(rx.GRU(3), 0.0), False),
    ]:
        rnn = rx.nnx.RNN(made, 2, rngs=nnx.Rngs(0))
        assert (rnn.rngs is not None) == draws


def test_a_description_is_the_core():
    core = rx.Bidirectional(CORES["all"], rx.WeightDrop(rx.GRU(3), 0.5, ["w_h", "w_x"]))
    assert rebuild(describe(core)) == core
    assert hash(rebuild(describe(core))) == hash(core)
    assert core.output_size == 5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rx.RecurrentDropout(rx.LSTM(3), 1.0), r"rate must lie in \[0, 1\), got 1.0"),
        (lambda: rx.RecurrentDropout(rx.LSTM(3), -0.1), r"rate must lie in \[0, 1\), got -0.1"),
        (lambda: rx.Zoneout(rx.LSTM(3), (0.1, 1.0)), r"rate must lie in \[0, 1\), got 1.0"),
        (
            lambda: rx.Zoneout(rx.LSTM(3), (0.1,)),
            r"rate must have one number for each of h, c, got \(0.1,\)",
        ),
        (lambda: rx.RecurrentDropout(rx.LSTM(3), 0.1, of="h"), "of must be one of 'state', 'cand"),
        (
            lambda: rx.RecurrentDropout(rx.Elman(3), 0.1, of="candidate"),
            "core must have a candidate to be dropped, got Elman",
        ),
        (
            lambda: rx.RecurrentDropout(rx.IndRNN(3), 0.1),
            "core must have a recurrent product to drop h from, got IndRNN",
        ),
        (
            lambda: rx.Zoneout(rx.SLSTM(3), 0.1),
            "rate must have one number for each of h, c, n, m, got 0.1",
        ),
        (
            lambda: rx.Zoneout(SteppedGRU(3), 0.1),
            r"core must be a gated cell, in which one linear map waits, got SteppedGRU.*WeightDrop",
        ),
        (
            lambda: rx.RecurrentDropout(rx.WeightDrop(rx.Stack((rx.GRU(3),)), 0.1), 0.1),
            r"core must be a gated cell, in which one linear map waits, got Stack",
        ),
        (lambda: rx.Zoneout(rx.GRU(3), "0.1"), r"rate must lie in \[0, 1\), got '0\.1'"),
        (lambda: rx.Zoneout(Echo(3), 0.1), "core must be a gated cell"),
        (
            lambda: rx.Zoneout(CORES["all"], 0.1),
            "core must not have this noise already, got Zoneout",
        ),
    ],
)
def test_bad_descriptions(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.full
@pytest.mark.parametrize("name", ["state", "all"])
def test_on_a_mesh_of_explicit_axes(name):
    core = CORES[name]
    params, xs = core.init(KEY, 3), np.random.default_rng(3).normal(size=(4, 2, 3)).astype("f")

    @jax.jit
    def gradient(params, xs):
        return jax.grad(lambda *args: (rx.unroll(core, *args, dropout_key=KEY)[1] ** 2).sum())(
            params, xs
        )

    mesh = jax.make_mesh((2,), ("data",))
    with jax.set_mesh(mesh):
        placed = jax.device_put(params, NamedSharding(mesh, PartitionSpec()))
        rows = jax.device_put(xs, NamedSharding(mesh, PartitionSpec(None, "data")))
        got = gradient(placed, rows)
    assert_close(jax.device_get(got), jax.device_get(gradient(params, xs)), rtol=1e-5, atol=1e-6)


VARIANTS = {
    "layer norm lstm": rx.LayerNormLSTM(3),
    "layer norm gru": rx.LayerNormGRU(3),
    "peephole": rx.PeepholeLSTM(3),
    "coupled": rx.CoupledLSTM(3),
    "mgu": rx.MGU(3, reset_after=True),
    "ugrnn": rx.UGRNN(3),
    "slstm": rx.SLSTM(3),
}


@pytest.mark.full
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", VARIANTS)
def test_variants_of_cells_have_a_candidate(name):
    core = rx.RecurrentDropout(VARIANTS[name], 0.4, of="candidate")
    params = random_tree(0, jax.eval_shape(lambda: core.init(KEY, 3)))
    xs, state = jnp.ones((TIME, 3, 3)), random_tree(1, core.initial_state((3,)))
    got = [
        jax.jit(partial(run, core, {"implementation": name, "dropout_key": key}))(params, xs, state)
        for name, key in [("scan", KEY), ("fused", KEY), ("fused", None)]
    ]
    assert_close(got[0], got[1], rtol=1e-8, atol=1e-9)
    assert abs(got[1][0][0] - got[2][0][0]) > 1e-3
