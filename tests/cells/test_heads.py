"""Cells whose recurrent matrix is block-diagonal: equations, initial values and errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import assert_close, random_params, random_state

import rnnjax as rx

CELLS = {
    "elman": (rx.Elman, {}),
    "lstm": (rx.LSTM, {}),
    "gru": (rx.GRU, {}),
    "gru_before": (rx.GRU, {"reset_after": False}),
    "projected": (rx.ProjectedLSTM, {"projection_size": 4}),
}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", CELLS)
def test_step(name):
    """It is that of the cell with one matrix, which has zeros outside the blocks."""
    kind, options = CELLS[name]
    cell, plain = kind(6, **options, heads=2), kind(6, **options)
    params, state = random_params(cell, 3), random_state(cell, (5,))
    x = np.random.default_rng(3).normal(size=(5, 3))
    gates = np.split(params["w_h"], cell.num_gates, -1)
    w_h = np.concatenate([jax.scipy.linalg.block_diag(*blocks) for blocks in gates], -1)
    assert w_h.shape == plain.param_shapes(3)["w_h"]
    assert_close(cell.step(params, state, x), plain.step({**params, "w_h": w_h}, state, x))


def test_initial_values():
    cell, plain = rx.GRU(12, heads=3), rx.GRU(12)
    params, want = (each.init(jax.random.key(0), 5) for each in (cell, plain))
    assert {name: a.shape for name, a in params.items()} == cell.param_shapes(5)
    assert params["w_h"].shape == (3, 4, 12)
    blocks = [gate for head in params["w_h"] for gate in np.split(head, 3, -1)]
    for k, block in enumerate(blocks):
        np.testing.assert_allclose(block @ block.T, np.eye(4), atol=1e-5)
        assert all(np.abs(block - other).max() > 0.1 for other in blocks[:k])
    for name in ("w_x", "b", "b_hn"):
        np.testing.assert_array_equal(params[name], want[name])
    low = rx.LSTM(4, heads=2, dtype="bfloat16", param_dtype="bfloat16")
    state, y = low.step(low.init(jax.random.key(0), 3), low.initial_state((2,)), jnp.ones((2, 3)))
    assert (state.h.dtype, y.dtype) == (jnp.float32, jnp.bfloat16)


class Doubled(rx.Elman):
    def recur(self, params, h):
        return 2 * super().recur(params, h)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rx.LSTM(4, heads=0), "heads must be an integer of at least 1, got 0"),
        (lambda: rx.GRU(4, heads=3), "heads must divide 4, a width of GRU, got 3"),
        (
            lambda: rx.ProjectedLSTM(4, projection_size=3, heads=2),
            "heads must divide 3, a width of ProjectedLSTM, got 2",
        ),
        (lambda: Doubled(4, heads=2), "heads must be 1 for Doubled, whose .* not h @ w_h, got 2"),
    ],
)
def test_bad_heads(make, message):
    with pytest.raises(ValueError, match=message):
        make()
