"""A sequence with steps that do not count is the sequence without them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import SteppedGRU, assert_close, random_inputs, random_params, random_state

import rnnjax as rx

TIME = 5
# Padding in front, gaps, everything, nothing, the last step alone; and where lengths end some.
MASK = np.array(
    [[0, 0, 1, 1, 1], [1, 0, 0, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 1]], bool
).T
LENGTHS = np.array([5, 4, 5, 3, 5])
COUNTS = MASK & (np.arange(TIME)[:, None] < LENGTHS)
RESETS = np.array([[0, 1, 1, 0, 1], [1, 1, 0, 1, 0], [0, 1, 0, 0, 1], [1] * 5, [1] * 5], bool).T
ORDER = np.argsort(~COUNTS, axis=0, kind="stable")  # the steps that count first

CORES = {
    "scan": SteppedGRU(2),
    "fused": rx.LSTM(2),
    "composite": rx.Stack((rx.Bidirectional(rx.GRU(2)), rx.Window(2, width=2))),
    "conditioned": rx.Conditioned(rx.Elman(2), size=1),
}


def moved(array):
    order = ORDER.reshape(ORDER.shape + (1,) * (array.ndim - 2))
    return np.take_along_axis(np.asarray(array), order, axis=0)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("name", "reverse"),
    [
        ("fused", True),
        ("composite", False),
        *(
            pytest.param(*case, marks=pytest.mark.full)
            for case in [
                ("fused", False),
                ("scan", True),
                ("composite", True),
                ("conditioned", True),
            ]
        ),
    ],
)
def test_steps_that_the_mask_leaves_out_are_as_if_cut_out(name, reverse):
    core = CORES[name]
    params, state = random_params(core), random_state(core, (5,))
    xs = random_inputs(TIME, (5,))

    weights = random_inputs(TIME, (5,), core.output_size, seed=3)
    start = random_state(core, (5,), seed=4)

    def run(xs, weights, **options):
        def loss(params, xs, states):
            state, start = states
            options.update(reset_state=start, reverse=reverse)
            final, ys = rx.unroll(core, params, xs, state, **options)
            squares = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(final))
            return jnp.sum(weights * ys) + squares, (final, ys)

        return jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))(params, xs, (state, start))

    dirty = np.where(COUNTS[..., None], xs, np.nan)
    got = run(dirty, weights, mask=MASK, lengths=LENGTHS, resets=RESETS)
    (d_params, d_xs, d_state), (final, ys) = got
    assert not np.asarray(ys)[~COUNTS].any()
    assert not np.asarray(d_xs)[~COUNTS].any()
    # A flag counts at a step that counts, and at the end.
    counts, cuts = COUNTS.sum(0), moved(RESETS & COUNTS)
    for row, (count, length) in enumerate(zip(counts, LENGTHS, strict=True)):
        if length < TIME:
            cuts[count, row] = RESETS[length, row]
    want = run(moved(xs), moved(weights), lengths=counts, resets=cuts)
    assert_close(((d_params, moved(d_xs), d_state), (final, moved(ys))), want)


def test_a_wrong_mask_is_named():
    cell = rx.Elman(2)
    params = cell.init(jax.random.key(0), 1)
    with pytest.raises(ValueError, match="mask must be of dtype bool, got float32"):
        rx.unroll(cell, params, jnp.ones((3, 1)), mask=np.ones(3, np.float32))
    with pytest.raises(ValueError, match=r"mask must have shape \(time, \*batch\) = \(3,\)"):
        rx.unroll(cell, params, jnp.ones((3, 1)), mask=np.ones(2, bool))
