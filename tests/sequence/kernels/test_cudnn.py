"""`implementation="cudnn"` without a GPU: what is called, and what is made of its results.

The two custom calls have a stand-in on CPU, JAX's own reference of what they compute. Everything
around it is what runs on a GPU.
"""

import re
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import rnn
from jax.interpreters import mlir
from oracle import assert_close, padding, random_inputs, random_params, random_state, spoil

import rnnjax as rx
from rnnjax.sequence.kernels import cudnn
from rnnjax.sequence.kernels.kernel import Call, grid_of
from rnnjax.sequence.kernels.table import refusal

TIME, BATCH, RESERVE = 4, (3,), 7
LENGTHS = np.array([4, 0, 2])
CELL = rx.LSTM(3)
CORES = {
    "cell": (CELL, {}),
    "without a bias": (rx.LSTM(3, use_bias=False), {"reverse": True}),
    "layers": (rx.Stack((CELL, CELL)), {"reverse": True}),
    "both ways": (rx.Stack((rx.Bidirectional(CELL), rx.Bidirectional(CELL))), {}),
    "blocks": (CELL, {"recompute": True, "reverse": True}),
    "widths": (rx.Stack((CELL, rx.LSTM(2), rx.GRU(2))), {}),
}
WHOLE = ("layers", "both ways")


def reference(
    x, h, c, w, lengths, *, input_size, hidden_size, num_layers, dropout, bidirectional, **_
):
    """What cuDNN computes: outputs, zero at padding, and the states at each sequence's end."""
    sizes = input_size, hidden_size, num_layers
    weights = rnn.unpack_lstm_weights(w, *sizes, bidirectional)
    h = jnp.where(lengths.min() > 0, h, jnp.nan)  # it fails where a sequence has no steps
    return rnn.lstm_ref(x, h, c, *weights, lengths, *sizes, dropout, bidirectional)


def forward(x, h, c, w, lengths, **sizes):
    return (*reference(x, h, c, w, lengths, **sizes), jnp.zeros(RESERVE))


def backward(dy, dh, dc, x, h, c, w, y, reserve, lengths, **sizes):
    assert reserve.shape == (RESERVE,)
    _, pullback = jax.vjp(lambda *a: reference(*a, lengths, **sizes), x, h, c, w)
    return pullback((dy, dh, dc))


class Plugin(NamedTuple):
    """What JAX asks of its CUDA plug-in while it lowers."""

    asked: list

    def build_rnn_descriptor(self, *sizes):
        self.asked.append(sizes)
        return b"opaque"


@pytest.fixture
def plugin(monkeypatch):
    """A CUDA that is not there, and what it was asked."""
    found = Plugin([])
    monkeypatch.setattr(cudnn, "has_cuda", lambda: True)
    name = "compute_rnn_workspace_reserve_space_sizes"  # JAX cannot trace the calls without it
    monkeypatch.setattr(rnn.gpu_rnn, name, lambda *sizes: (5, RESERVE), raising=False)
    passes = (
        (rnn.rnn_fwd_p, forward, "_rnn_fwd_lowering"),
        (rnn.rnn_bwd_p, backward, "_rnn_bwd_lowering"),
    )
    for primitive, stand_in, lowering in passes:
        on_cpu = mlir.lower_fun(stand_in, multiple_results=True)
        mlir.register_lowering(primitive, on_cpu, platform="cpu")
        on_cuda = partial(getattr(rnn.gpu_rnn, lowering), found, "cu")
        mlir.register_lowering(primitive, on_cuda, platform="cuda")
    return found


def slopes(core, implementation, lengths=LENGTHS, batch=BATCH, **options):
    """A function of parameters, inputs and a state, and those."""

    def loss(params, xs, state):
        options["lengths"] = lengths
        final, ys = rx.unroll(core, params, xs, state, implementation=implementation, **options)
        leaves = [ys, *jax.tree.leaves(final)]
        weights = [np.cos(np.arange(leaf.size)).reshape(leaf.shape) for leaf in leaves]
        weighted = (jnp.vdot(w, leaf) for w, leaf in zip(weights, leaves, strict=True))
        return sum(weighted), (ys, final)

    xs = random_inputs(TIME, batch, dtype=np.float32)
    if lengths is not None:
        xs = jnp.asarray(spoil(xs, lengths))
    params = random_params(core, dtype=np.float32)
    state = random_state(core, batch, dtype=np.float32)
    return jax.value_and_grad(loss, (0, 1, 2), has_aux=True), (params, xs, state)


@pytest.mark.parametrize("name", CORES)
def test_equals_the_scan(plugin, name):
    core, options = CORES[name]
    run, arguments = slopes(core, "cudnn", **options)
    got = jax.jit(run)(*arguments)
    assert_close(got, jax.jit(slopes(core, "scan", **options)[0])(*arguments), 1e-5, 1e-6)
    (_, (ys, _)), (_, d_xs, _) = got
    outside = padding(LENGTHS, TIME)
    assert not np.any(np.asarray(ys)[outside])
    assert not np.any(np.asarray(d_xs)[outside])
    calls = str(jax.make_jaxpr(run)(*arguments)).count("= rnn_fwd")
    assert calls == (2 if name == "widths" else 1)  # the GRU runs elsewhere


@pytest.mark.parametrize("batch", [(), (2, 2)])
def test_batches_of_any_rank(plugin, batch):
    run, arguments = slopes(CELL, "cudnn", lengths=None, batch=batch)
    want = slopes(CELL, "scan", lengths=None, batch=batch)[0]
    assert_close(jax.jit(run)(*arguments), jax.jit(want)(*arguments), 1e-5, 1e-6)


@pytest.mark.parametrize("name", WHOLE)
def test_weights_are_packed_as_cudnn_has_them(name):
    core, _ = CORES[name]
    params = random_params(core, dtype=np.float32)
    both, packed = name == "both ways", cudnn.pack(grid_of(core, params))
    assert packed.size == rnn.get_num_params_in_lstm(2, 3, 2, both)
    found = rnn.unpack_lstm_weights(packed, 2, 3, 2, both)
    parts = [params[f"layer_{i}"] for i in (0, 1)]
    if both:
        parts = [part[way] for part in parts for way in ("forward", "backward")]
    for index, part in enumerate(parts):
        w_x, w_h, b, none = (np.asarray(kind[index]) for kind in found)
        np.testing.assert_array_equal(w_x, part["w_x"].T)
        np.testing.assert_array_equal(w_h, part["w_h"].T)
        np.testing.assert_array_equal(b, part["b"])
        assert not none.any()


@pytest.mark.parametrize(("precision", "tf32"), [("highest", False), (None, True), ("high", True)])
def test_lowers_for_cuda_with_the_precision_of_jax(plugin, precision, tf32):
    core = CORES["both ways"][0]
    run, arguments = slopes(core, "cudnn")
    with jax.default_matmul_precision(precision):
        text = jax.jit(run).trace(*arguments).lower(lowering_platforms=("cuda",)).as_text()
    assert re.findall(r"custom_call @(cudnn\w+)", text) == ["cudnn_rnn_ffi", "cudnn_rnn_bwd_ffi"]
    weights = rnn.get_num_params_in_lstm(2, 3, 2, True)
    assert f"tensor<3x4x2xf32>, tensor<4x3x3xf32>, tensor<4x3x3xf32>, tensor<{weights}xf32>" in text
    # input, hidden, layers, batch, time, dropout, both directions, TF32, sizes of work and reserve
    assert plugin.asked == [(2, 3, 2, 3, 4, 0.0, True, tf32, 5, RESERVE)] * 2


class Mine(rx.LSTM):
    """A cell of a user's own."""


REFUSALS = {
    "resets": ({"resets": np.zeros((TIME, 3), bool)}, "has no resets"),
    "mask": ({"mask": np.ones((TIME, 3), bool)}, "has no mask"),
    "states": ({"return_states": True}, "has no return_states"),
    "dtype": ({"core": rx.LSTM(3, dtype="bfloat16")}, "float32, got bfloat16"),
    "cell": ({"core": rx.GRU(3)}, "needs an LSTM, without"),
    "variant": ({"core": rx.LSTM(4, heads=2)}, "needs an LSTM, without"),
    "subclass": ({"core": Mine(3)}, "needs an LSTM, without"),
    "noise": ({"core": rx.Zoneout(CELL, 0.1)}, "has no noise"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refuses_with_the_reason(plugin, name):
    options, reason = REFUSALS[name]
    core = options.get("core", CELL)
    options = {key: value for key, value in options.items() if key != "core"}
    params, xs = random_params(core, dtype=np.float32), random_inputs(TIME, BATCH, dtype=np.float32)
    with pytest.raises(ValueError, match=f"^implementation 'cudnn' cannot run .*{reason}"):
        rx.unroll(core, params, xs, implementation="cudnn", **options)


def test_refuses_other_precisions(plugin):
    xs = random_inputs(TIME, BATCH, dtype=np.float32)
    call = Call(CELL, random_params(CELL, dtype=np.float32), xs)
    assert refusal(call, "cudnn") is None
    with jax.default_matmul_precision("BF16_BF16_F32"):
        assert "jax.default_matmul_precision" in refusal(call, "cudnn")


def test_without_cuda_it_says_so():
    params, xs = random_params(CELL, dtype=np.float32), random_inputs(TIME, BATCH, dtype=np.float32)
    core = rx.Stack((CELL,))
    for each, given in ((CELL, params), (core, {"layer_0": params})):
        with pytest.raises(ValueError, match="needs an NVIDIA GPU, and JAX finds no CUDA"):
            jax.jit(partial(rx.unroll, each, implementation="cudnn"))(given, xs)


def test_no_vmap_and_no_second_derivative(plugin):
    run, arguments = slopes(CELL, "cudnn", lengths=None)
    many = jax.tree.map(lambda a: jnp.stack([a, a]), arguments)
    for each in (jax.vmap(run), jax.vmap(jax.jit(run)), jax.jit(jax.vmap(run))):
        with pytest.raises(ValueError, match="'cudnn' cannot be vmapped: give its axis"):
            each(*many)

    def norm(xs):
        return jnp.sum(run(arguments[0], xs, arguments[2])[1][1] ** 2)

    for twice in (jax.grad(norm), jax.jit(jax.grad(jax.jit(norm)))):
        with pytest.raises(ValueError, match="'cudnn' has no second derivative"):
            twice(arguments[1])


@pytest.mark.parametrize("shape", [(0, 3, 2), (4, 0, 2)])
def test_nothing_to_read(plugin, shape):
    for core in (CELL, CORES["both ways"][0]):
        params, xs = random_params(core, dtype=np.float32), jnp.zeros(shape)
        final, ys = rx.unroll(core, params, xs, implementation="cudnn")
        assert ys.shape[:2] == shape[:2]
        assert not any(np.any(leaf) for leaf in jax.tree.leaves(final))


def test_arguments_of_a_whole_composite_are_checked(plugin):
    core, xs = CORES["layers"][0], random_inputs(TIME, BATCH, dtype=np.float32)
    params = random_params(core, dtype=np.float32)
    with pytest.raises(ValueError, match="state of a Stack must be a tuple of 2"):
        rx.unroll(core, params, xs, (CELL.initial_state(BATCH),), implementation="cudnn")
    with pytest.raises(ValueError, match="params of a Stack must hold"):
        rx.unroll(core, {"layer_0": params["layer_0"]}, xs, implementation="cudnn")
    with pytest.raises(ValueError, match=r"do not fit w_x of shape \(2, 12\)"):
        rx.unroll(core, params, xs[..., :1], implementation="cudnn")
