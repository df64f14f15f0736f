"""Gates and their saturation, against the formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import CELLS, random_inputs, random_params, random_state, spoil

import rnnjax as rx
from rnnjax.analysis import gate_saturation

ORDER = {"lstm": ("i", "f", "g", "o"), "gru": ("r", "z"), "gru_before": ("r", "z")}


def by_formula(params, state, x, gate):
    columns = slice(3 * gate, 3 * gate + 3)
    params, state, x = jax.tree.map(np.asarray, (params, state, x))
    summed = (
        x @ params["w_x"][:, columns] + params["b"][columns] + state.h @ params["w_h"][:, columns]
    )
    return 1 / (1 + np.exp(-summed))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", ORDER)
def test_saturation(name):
    cell, lengths = CELLS[name], (4, 2)
    params = jax.tree.map(lambda a: 3 * a, random_params(cell))  # so that gates are at their ends
    start, xs = random_state(cell, (2,)), random_inputs(4, (2,))
    found = jax.jit(lambda *a: gate_saturation(cell, *a, lengths=jnp.array(lengths)))(
        params, spoil(xs, lengths), start
    )
    assert set(found) == set(ORDER[name]) - {"g"}
    state, seen, step = start, 0.0, jax.jit(cell.step)
    for t in range(4):
        for gate, share in found.items():
            value = by_formula(params, state, xs[t], ORDER[name].index(gate))
            counts = np.array([t < length for length in lengths])
            np.testing.assert_allclose(share.low[t], (value < 0.1).mean(-1) * counts)
            np.testing.assert_allclose(share.high[t], (value > 0.9).mean(-1) * counts)
            seen += share.low[t].sum() * share.high[t].sum()
        state, _ = step(params, state, xs[t])
    assert seen > 0


def test_gates_by_name():
    cell = rx.LSTM(3)
    g_x, g_h = jnp.arange(12.0), jnp.ones(12)
    gates = cell.gates(g_x, g_h, cell.initial_state())
    want = jax.nn.sigmoid(g_x + 1).at[6:9].set(jnp.tanh(g_x + 1)[6:9])
    np.testing.assert_allclose(jnp.concatenate(gates), want, rtol=1e-6)
    assert gates._fields == ("i", "f", "g", "o")
    assert rx.Elman(3).gates(g_x, g_h, None) == ()


@pytest.mark.parametrize("cell", [rx.Elman(3), rx.LRU(3)])
def test_a_cell_without_gates_is_named(cell):
    with pytest.raises(ValueError, match=rf"cell must have gates.*got {type(cell).__name__}\("):
        gate_saturation(cell, cell.init(jax.random.key(0), 2), jnp.ones((2, 2)))
