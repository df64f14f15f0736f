"""The numbers of PyTorch 2.13, written by tests/golden/make_torch_golden.py."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import assert_close, some_fast, some_full

import rnnjax as rx

GOLDEN = Path(__file__).parents[1] / "golden"
HIDDEN = 3
CELLS = {
    "rnn_tanh": rx.Elman(HIDDEN),
    "rnn_relu": rx.Elman(HIDDEN, activation="relu"),
    "lstm": rx.LSTM(HIDDEN),
    "gru": rx.GRU(HIDDEN),
}


def cell_grads(arrays, cell, suffix):
    """Return torch's gradients in rnnjax's layout: a bias that is a sum has that of each term."""
    d_ih, d_hh, d_b, d_b_hh = (
        arrays[f"grad.param.{name}_{suffix}"]
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    grads = {"w_x": d_ih.T, "w_h": d_hh.T, "b": d_b}
    return {**grads, "b_hn": d_b_hh[2 * HIDDEN :]} if isinstance(cell, rx.GRU) else grads


def cell_state(arrays, cell, key, index):
    """Return one layer's state; `key` has a "?" where the name of the leaf goes."""
    return cell.state_type(*(arrays[key.replace("?", n)][index] for n in cell.state_type._fields))


def arranged(arrays, cell, deep, part):
    """Return what `part(suffix, index)` gives for each cell, in the core's structure."""
    if not deep:
        return part("l0", 0)
    return [(part(f"l{i}", 2 * i), part(f"l{i}_reverse", 2 * i + 1)) for i in range(2)]


def as_params(tree, deep):
    if not deep:
        return tree
    return {f"layer_{i}": {"forward": f, "backward": b} for i, (f, b) in enumerate(tree)}


def as_state(tree, deep):
    return tuple(rx.BidirectionalState(*pair) for pair in tree) if deep else tree


def compare(name, implementation, dtype, rtol, atol):
    """Compare results and gradients with one golden file."""
    arrays = dict(np.load(GOLDEN / f"torch_{name}.npz"))
    arrays = {k: a.astype(dtype) if a.dtype == np.float64 else a for k, a in arrays.items()}
    kind, deep = name.removesuffix("_deep"), name.endswith("_deep")
    cell = CELLS[kind]
    core = rx.Stack((rx.Bidirectional(cell),) * 2) if deep else cell

    named = {n.removeprefix("param."): a for n, a in arrays.items() if n.startswith("param.")}
    _, params = rx.interop.torch.load(named, core)

    def state_of(key):
        parts = arranged(arrays, cell, deep, lambda _, i: cell_state(arrays, cell, key, i))
        return as_state(parts, deep)

    def function(params, xs, state):
        lengths = arrays.get("lengths")
        final, ys = rx.unroll(
            core, params, xs, state, lengths=lengths, implementation=implementation
        )
        pairs = zip(
            [ys, *jax.tree.leaves(final)],
            [arrays["out.ys"], *jax.tree.leaves(state_of("out.?"))],
            strict=True,
        )
        return sum(jnp.sum(weight * a + a**2) for a, weight in pairs), (final, ys)

    args = jax.tree.map(jnp.asarray, (params, arrays["xs"], state_of("?0")))
    grads, results = jax.jit(jax.grad(function, (0, 1, 2), has_aux=True))(*args)
    assert_close(results, (state_of("?"), arrays["ys"]), rtol, atol)
    parts = arranged(arrays, cell, deep, lambda suffix, _: cell_grads(arrays, cell, suffix))
    want = (as_params(parts, deep), arrays["grad.xs"], state_of("grad.?0"))
    assert_close(grads, want, rtol, atol)


NAMES = [*CELLS, "lstm_deep", "gru_deep"]  # the deep ones have layers of LSTM or GRU


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("implementation", ["scan", "fused"])
@pytest.mark.parametrize("name", some_full(NAMES, {*NAMES} - {"lstm", "gru"}))
def test_torch_in_float64(name, implementation):
    compare(name, implementation, np.float64, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", some_fast(CELLS, ["lstm"]))
def test_torch_in_float32(name):
    compare(name, "auto", np.float32, rtol=2e-5, atol=5e-6)
