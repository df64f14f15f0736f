"""LSTM and GRU over images: the equations, other libraries' numbers, options and errors."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from oracle import assert_close, evaluate, random_like, random_params, random_state, some_full
from published import assert_published, directions

import rnnjax as rx
from rnnjax.sequence.kernels import fused
from rnnjax.sequence.kernels.kernel import Call
from rnnjax.sequence.kernels.table import choose
from rnnjax.trained.description import describe, rebuild

GOLDEN = dict(np.load(Path(__file__).parents[1] / "golden" / "convolution.npz"))
LAYERS = sorted({name.split("/")[0] for name in GOLDEN})
KEY = jax.random.key(0)
SHAPES = {"image_shape": (4, 3), "kernel_shape": (3, 2)}
CELL = rx.ConvLSTM(3, **SHAPES)
TIME, BATCH, CHANNELS = 5, 3, 2
LENGTHS = np.array([5, 0, 3])
RESETS = np.zeros((TIME, BATCH), bool)
RESETS[[2, 1], [0, 2]] = True
BOTH = {"lengths": LENGTHS, "resets": RESETS}


def convolved(image, kernel):
    """Return a convolution with zeros outside of the image, place by place."""
    window, image_shape = kernel.shape[:-2], image.shape[:-1]
    out = np.zeros((*image_shape, kernel.shape[-1]))
    for at in np.ndindex(image_shape):
        for tap in np.ndindex(window):
            source = tuple(a + t - (w - 1) // 2 for a, t, w in zip(at, tap, window, strict=True))
            if all(0 <= s < size for s, size in zip(source, image_shape, strict=True)):
                out[at] += image[source] @ kernel[tap]
    return out


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def published_lstm(p, state, x):
    gates = convolved(x, p["w_x"]) + p["b"] + convolved(state.h, p["w_h"])
    i, f, g, o = np.split(gates, 4, -1)
    c = sigmoid(f) * state.c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return (h, c), h


def published_gru(p, state, x, *, reset_after):
    x_r, x_z, x_n = np.split(convolved(x, p["w_x"]) + p["b"], 3, -1)
    h_r, h_z, h_n = np.split(convolved(state.h, p["w_h"]), 3, -1)
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    if reset_after:
        n = np.tanh(x_n + r * (h_n + p["b_hn"]))
    else:
        n = np.tanh(x_n + convolved(r * state.h, np.split(p["w_h"], 3, -1)[2]))
    h = (1 - z) * n + z * state.h
    return (h,), h


@directions
@pytest.mark.usefixtures("x64")
def test_equation_of_the_lstm(reverse):
    assert_published(CELL, published_lstm, features=(4, 3, CHANNELS), reverse=reverse)


@directions
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("reset_after", "image", "kernel"),
    [
        (True, (4,), (3,)),
        pytest.param(False, (3, 3), (3, 3), marks=pytest.mark.full),
        pytest.param(True, (2, 3, 2), (3, 1, 2), marks=pytest.mark.full),
    ],
)
def test_equation_of_the_gru(reset_after, image, kernel, reverse):
    cell = rx.ConvGRU(2, reset_after, image_shape=image, kernel_shape=kernel)

    def step(p, state, x):
        return published_gru(p, state, x, reset_after=reset_after)

    assert_published(cell, step, features=(*image, CHANNELS), reverse=reverse)


@pytest.mark.parametrize("layer", LAYERS)
def test_numbers_of_other_libraries(layer):
    """Those of Haiku, Flax and Keras; see tests/golden/make_convolution_golden.py."""
    xs, ys, *weights = (GOLDEN[f"{layer}/{name}"] for name in ("xs", "ys", "w_x", "w_h", "b"))
    params = dict(zip(("w_x", "w_h", "b"), weights, strict=True))
    cell = rx.ConvLSTM(3, image_shape=xs.shape[2:-1], kernel_shape=params["w_x"].shape[:-2])
    _, got = rx.unroll(cell, params, xs)
    np.testing.assert_allclose(got, ys, rtol=1e-5, atol=1e-5)


def prepared(core, dtype=np.float32):
    """Return parameters, inputs and a state for images of (4, 3)."""
    xs = np.random.default_rng(5).normal(size=(TIME, BATCH, 4, 3, CHANNELS)).astype(dtype)
    return random_params(core, CHANNELS, dtype=dtype), xs, random_state(core, (BATCH,), dtype=dtype)


def run(core, args, **options):
    """Return results and gradients, as one program."""
    return evaluate(lambda *args: rx.unroll(core, *args, **options), *args)


def values(core, args, **options):
    """Return results alone."""
    return jax.jit(lambda *args: rx.unroll(core, *args, **options))(*args)


@pytest.mark.parametrize("name", some_full(["blocks", "recompute", "unroll_factor"], ["blocks"]))
def test_options_compute_the_same(name, monkeypatch):
    args = prepared(CELL)
    if name == "blocks":  # those of an output without gradients
        want = values(CELL, args, **BOTH)
        monkeypatch.setattr(fused, "_BLOCK_ROWS", 2 * BATCH * 4 * 3)
        assert_close(values(CELL, args, **BOTH), want, 1e-5, 1e-6)
        return
    options = {"recompute": True} if name == "recompute" else {"unroll_factor": 2}
    want = run(CELL, args, **BOTH)
    assert_close(run(CELL, args, **BOTH, **options), want, 1e-4, 1e-5)


@pytest.mark.parametrize("kind", some_full(["ConvLSTM", "ConvGRU"], ["ConvLSTM"]))
def test_bfloat16(kind):
    """Operands are rounded, and sums and states are not."""
    cell = getattr(rx, kind)(3, **SHAPES)
    low = type(cell)(**{**vars(cell), "dtype": "bfloat16"})
    args = prepared(cell)
    want, wanted = run(cell, args, implementation="scan")
    got, grads = run(low, args, implementation="fused")
    assert got[1].dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves((got[0], grads))} == {np.dtype(np.float32)}
    as_single = jax.tree.map(lambda a: a.astype(np.float32), (got, grads))
    assert_close(as_single, (want, wanted), rtol=0.1, atol=0.3)
    g = low.recur(
        {"w_h": jnp.full((3, 2, 3, 3 * low.num_gates), 1 / 256, jnp.bfloat16)},
        jnp.ones((4, 3, 3), jnp.bfloat16),
    )
    assert g.dtype == jnp.float32


@pytest.mark.full
def test_weights_and_rows_may_be_mapped_over():
    args = prepared(CELL)
    params, xs, state = args
    members = [jax.tree.map(lambda a, k=k: k * a, params) for k in (1.0, 0.5)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)

    def loss(params, xs, state):
        return (rx.unroll(CELL, params, xs, state)[1] ** 2).sum()

    grad = jax.jit(jax.grad(loss))
    got = jax.jit(jax.vmap(jax.grad(loss), (0, None, None)))(stacked, xs, state)
    want = [grad(member, xs, state) for member in members]
    assert_close(got, jax.tree.map(lambda *leaves: jnp.stack(leaves), *want), 1e-4, 1e-5)
    rows = jax.jit(jax.vmap(jax.grad(loss), (None, 1, 0)))(params, xs, state)
    assert_close(jax.tree.map(lambda a: a.sum(0), rows), want[0], 1e-4, 1e-5)


@pytest.mark.full
def test_a_mesh_of_explicit_axes():
    params, xs, _ = prepared(CELL)
    xs, state = np.concatenate([xs, xs[:, :1]], 1), random_state(CELL, (4,), dtype=np.float32)
    lengths = np.array([5, 0, 3, 4])

    def gradients(params, xs, state, lengths):
        def loss(*args):
            results = rx.unroll(CELL, *args, lengths=lengths)
            return sum((a**2).sum() for a in jax.tree.leaves(results))

        return jax.grad(loss, (0, 1, 2))(params, xs, state)

    want = jax.jit(gradients)(params, xs, state, lengths)
    mesh = jax.make_mesh((2,), ("data",))
    rows = NamedSharding(mesh, P("data"))
    places = NamedSharding(mesh, P()), NamedSharding(mesh, P(None, "data")), rows, rows
    with jax.set_mesh(mesh):
        got = jax.jit(gradients)(*map(jax.device_put, (params, xs, state, lengths), places))
    assert_close(jax.device_get(got), jax.device_get(want), 1e-4, 1e-5)


@pytest.mark.full
def test_a_program_for_any_number_of_steps_and_rows():
    params, xs, _ = prepared(CELL)
    time, batch = jax.export.symbolic_shape("time, batch")

    def function(params, xs, lengths):
        return rx.unroll(CELL, params, xs, lengths=lengths)[1]

    kinds = (
        jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), params),
        jax.ShapeDtypeStruct((time, batch, *xs.shape[2:]), xs.dtype),
        jax.ShapeDtypeStruct((batch,), LENGTHS.dtype),
    )
    program = jax.export.export(jax.jit(function))(*kinds)
    for rows in (2, 3):
        got = program.call(params, xs[:4, :rows], np.minimum(LENGTHS[:rows], 4))
        want = jax.jit(function)(params, xs[:4, :rows], np.minimum(LENGTHS[:rows], 4))
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_in_composites():
    """Channels are the width: layers, both directions, a condition and a residual join there."""
    both = rx.Bidirectional(rx.ConvGRU(2, **SHAPES))
    core = rx.Stack((both, rx.Conditioned(CELL, 1), rx.Reversed(CELL)), 0.5, residual=True)
    params, xs, _ = prepared(core)
    assert params["layer_1"]["w_x"].shape == (3, 2, 5, 12)

    def run(core, params, xs, **options):
        return jax.jit(lambda params, xs: rx.unroll(core, params, xs, **options))(params, xs)

    final, ys, states = run(core, params, xs, **BOTH, return_states=True, dropout_key=KEY)
    assert (core.output_size, ys.shape) == (3, (TIME, BATCH, 4, 3, 3))
    assert states[1].core.c.shape == (TIME, BATCH, 4, 3, 3)
    assert not np.asarray(ys)[3:, 2].any()
    assert not jax.tree.reduce(lambda a, b: a + np.abs(b[1]).sum(), final, 0.0)
    streamed = rx.Stack((CELL, CELL), residual=True)
    params = random_params(streamed, CHANNELS, dtype=np.float32)
    _, ys = run(streamed, params, xs)
    state, step = streamed.initial_state((BATCH,)), jax.jit(streamed.step)
    for x, y in zip(xs, ys, strict=True):
        state, got = step(params, state, x)
        np.testing.assert_allclose(got, y, rtol=1e-4, atol=1e-5)


def test_noise_of_the_recurrence():
    core = rx.Zoneout(rx.RecurrentDropout(CELL, 0.5), rate=0.3)
    args = prepared(core)
    got, want = (
        values(core, args, **BOTH, dropout_key=KEY, implementation=kernel)
        for kernel in ("fused", "scan")
    )
    assert_close(got, want, 1e-4, 1e-5)


def test_it_takes_the_fast_path():
    for cell in (CELL, rx.ConvGRU(3, False, **SHAPES)):
        params = cell.init(KEY, CHANNELS)
        assert choose(Call(cell, params, jnp.ones((TIME, BATCH, 4, 3, CHANNELS)))) == "fused"


def test_initial_values_and_descriptions():
    params = CELL.init(KEY, 8)
    assert {name: a.shape for name, a in params.items()} == CELL.param_shapes(8)
    bound = np.sqrt(6 / (6 * (8 + 3)))  # of 6 places
    assert 0.8 * bound < np.abs(params["w_x"]).max() <= bound
    for gate in np.split(params["w_h"], 4, -1):  # columns of an orthogonal matrix
        columns = gate.reshape(-1, 3)
        np.testing.assert_allclose(columns.T @ columns, np.eye(3), atol=1e-5)
    np.testing.assert_array_equal(params["b"].reshape(4, 3), [[0] * 3, [1] * 3, [0] * 3, [0] * 3])
    assert set(rx.ConvGRU(3, **SHAPES, use_bias=False).init(KEY, 2)) == {"w_x", "w_h"}
    assert rebuild(describe(CELL)) == CELL
    assert rx.ConvLSTM(3, image_shape=[4, 3], kernel_shape=[3, 2]) == CELL != rx.LSTM(3)
    assert hash(CELL) != hash(rx.ConvLSTM(3, image_shape=(4, 4), kernel_shape=(3, 2)))


def test_gates_are_shown():
    params, xs, _ = prepared(CELL)
    shares = rx.analysis.gate_saturation(CELL, params, 9 * xs, lengths=LENGTHS)
    assert shares["f"].low.shape == (TIME, BATCH)
    assert 0 < shares["f"].low[0, 0] < 1
    assert not shares["f"].low[:, 1].any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_shape": 4}, r"image_shape must have a size for each axis, got 4"),
        ({"image_shape": ()}, r"image_shape must have a size for each axis, got \(\)"),
        ({"kernel_shape": (3, 0)}, r"kernel_shape\[1\] must be an integer of at least 1, got 0"),
        ({"kernel_shape": (3,)}, r"kernel_shape must have as many axes as image_shape, \(4, 3\)"),
        ({"heads": 3}, r"heads must be 1 for ConvLSTM"),
    ],
)
def test_bad_descriptions(options, message):
    with pytest.raises(ValueError, match=message):
        rx.ConvLSTM(3, **{**SHAPES, **options})


def test_bad_arguments():
    params, xs, state = prepared(CELL)
    with pytest.raises(ValueError, match=r"inputs must have shape \(\.\.\., 4, 3, channels\), got"):
        rx.unroll(CELL, params, xs.swapaxes(2, 3))
    with pytest.raises(ValueError, match=r"xs must have .*3 axes of features\), got \(3, 2\)"):
        rx.unroll(CELL, params, xs[0, 0, 0])
    with pytest.raises(ValueError, match=r"w_x of .*2, 2, 12\): want w_x of shape \(3, 2, 1, 12\)"):
        rx.unroll(CELL, params, xs[..., :1])
    with pytest.raises(ValueError, match=r"w_h must have shape \(3, 2, 3, 12\), got \(2, 2, 3, 12"):
        rx.unroll(CELL, {**params, "w_h": params["w_h"][1:]}, xs)
    with pytest.raises(ValueError, match=r"state.c must have shape \(3, 4, 3, 3\), got"):
        rx.unroll(CELL, params, xs, state._replace(c=state.c[..., 0]))
    with pytest.raises(ValueError, match=r"lengths must have the batch's shape \(3,\)"):
        rx.unroll(CELL, params, xs, lengths=np.ones((3, 4, 3), int))
    with pytest.raises(ValueError, match=r"core must be a core whose features have one axis.*Conv"):
        rx.models.LanguageModel(vocab_size=9, core=rx.Stack((CELL,)), embed_size=3)


@pytest.mark.full
def test_no_rows_and_no_steps():
    params, xs, _ = prepared(CELL)
    assert rx.unroll(CELL, params, xs[:0])[1].shape == (0, BATCH, 4, 3, 3)
    grads = jax.jit(jax.grad(lambda p: rx.unroll(CELL, p, xs[:, :0])[1].sum()))(params)
    assert_close(grads, random_like(0, params, np.float32, scale=0.0))
