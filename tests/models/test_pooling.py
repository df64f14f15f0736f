from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rnnjax as rx
from rnnjax.cells.base import reads_backwards
from rnnjax.models.pooling import check_pooling, initial_pool, pool, pool_step

TIME, BATCH, FEATURES = 5, 4, 3
WAYS = ("last", "mean", "max", "attention")
CORE = rx.LSTM(FEATURES)
LENGTHS = np.array([5, 2, 1, 0])
CORES = {
    "lstm": CORE,
    "bidirectional": rx.Bidirectional(rx.LSTM(2)),
    "stack of bidirectional": rx.Stack((rx.Elman(2), rx.Bidirectional(CORE))),
    "bidirectional of a stack": rx.Bidirectional(rx.Stack((rx.Elman(2), rx.Elman(3)))),
    "bidirectional of a bidirectional": rx.Bidirectional(rx.Bidirectional(rx.Elman(2))),
}


def problem(seed, scale=1.0):
    rng = np.random.default_rng(seed)
    ys = rng.normal(size=(TIME, BATCH, FEATURES)).astype(np.float32)
    return ys, (scale * rng.normal(size=(TIME, BATCH, 1))).astype(np.float32)


def literal(how, ys, score):
    """The pooled vector of one sentence without padding, (time, features), in float64."""
    ys, score = np.asarray(ys, np.float64), np.asarray(score, np.float64)
    if not len(ys):
        return np.zeros(ys.shape[1])
    if how == "last":
        return ys[-1]
    if how == "attention":
        shares = np.exp(score - score.max())
        return (shares * ys).sum(axis=0) / shares.sum()
    return getattr(ys, how)(axis=0)


def whole(how, ys, scores, lengths):
    return pool(how, CORE, ys, lengths, scores)


def stepped(how, ys, scores, lengths):
    """Each row read by `pool_step` up to its own length."""
    state = initial_pool((BATCH,), FEATURES)
    for t, (y, score) in enumerate(zip(ys, scores, strict=True)):
        new = pool_step(how, state, y, score)
        state = jax.tree.map(partial(jnp.where, (t < lengths)[:, None]), new, state)
    return state.value


@pytest.mark.parametrize("how", WAYS)
def test_a_batch_without_steps_is_zero(how):
    ys, scores = jnp.zeros((0, BATCH, FEATURES)), jnp.zeros((0, BATCH, 1))
    np.testing.assert_array_equal(whole(how, ys, scores, jnp.zeros(BATCH, int)), np.zeros((4, 3)))


def _with_gradients(function, how, ys, scores, lengths, weight):
    def loss(ys, scores):
        value = function(how, ys, scores, lengths)
        return (value * weight).sum(), value

    gradients, value = jax.grad(loss, (0, 1), has_aux=True)(ys, scores)
    return value, gradients


with_gradients = jax.jit(_with_gradients, static_argnums=(0, 1))


@pytest.mark.parametrize("how", WAYS)
@settings(max_examples=20, deadline=None)
@given(
    lengths=st.lists(st.integers(0, TIME), min_size=BATCH, max_size=BATCH),
    seed=st.integers(0, 99),
    scale=st.sampled_from([1.0, 300.0]),
)
def test_steps_and_the_whole_are_the_definition(how, lengths, seed, scale):
    (ys, scores), lengths = problem(seed, scale), np.array(lengths)
    weight = np.random.default_rng(seed).normal(size=(BATCH, FEATURES)).astype(np.float32)
    results = [with_gradients(f, how, ys, scores, lengths, weight) for f in (whole, stepped)]
    for b, n in enumerate(lengths):
        want = literal(how, ys[:n, b], scores[:n, b])
        for value, _ in results:
            np.testing.assert_allclose(value[b], want, rtol=1e-5, atol=1e-5)
    for a, b in zip(*(gradients for _, gradients in results), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5 * scale)


@pytest.mark.fast
@pytest.mark.parametrize("how", WAYS)
def test_padding_reaches_neither_values_nor_gradients(how):
    ys, scores = problem(0)
    weight = np.ones((BATCH, FEATURES), np.float32)
    value, gradients = with_gradients(whole, how, ys, scores, LENGTHS, weight)
    padding = (np.arange(TIME)[:, None] >= LENGTHS)[..., None]
    spoilt = (np.where(padding, bad, a) for a, bad in ((ys, np.nan), (scores, np.inf)))
    other, others = with_gradients(whole, how, *spoilt, LENGTHS, weight)
    np.testing.assert_array_equal(value, other)
    assert not np.asarray(value[3]).any()  # of a sentence of no tokens
    for a, b in zip(gradients, others, strict=True):
        assert np.isfinite(a).all()
        np.testing.assert_array_equal(a, b)
        assert not np.where(padding, a, 0).any()


@pytest.mark.parametrize("how", WAYS)
def test_gradients_are_those_of_the_definition(how):
    ys, scores = problem(3)
    weight = np.random.default_rng(4).normal(size=(BATCH, FEATURES)).astype(np.float32)
    direction = problem(5)
    _, gradients = with_gradients(whole, how, ys, scores, LENGTHS, weight)

    def along(step):
        y, s = (
            a + step * d.astype(np.float64) for a, d in zip((ys, scores), direction, strict=True)
        )
        return sum(literal(how, y[:n, b], s[:n, b]) @ weight[b] for b, n in enumerate(LENGTHS))

    got = sum((np.asarray(g) * d).sum() for g, d in zip(gradients, direction, strict=True))
    np.testing.assert_allclose(got, (along(1e-6) - along(-1e-6)) / 2e-6, rtol=1e-4)


@pytest.mark.parametrize("score", [-200.0, 200.0])
def test_a_first_score_of_any_size_is_taken_in(score):
    y = jnp.ones((2, FEATURES))
    state = pool_step("attention", initial_pool((2,), FEATURES), y, jnp.full((2, 1), score))
    np.testing.assert_array_equal(state.value, y)
    np.testing.assert_array_equal(state.weight, np.ones((2, 1)))


def ends(core, state):
    """The final states' h, side by side as the outputs are."""
    if isinstance(core, rx.Stack):
        return ends(core.layers[-1], state[-1])
    if isinstance(core, rx.Bidirectional):
        return jnp.concatenate([ends(core.core, part) for part in state], axis=-1)
    return state.h


@pytest.mark.fast
@pytest.mark.parametrize("kind", CORES)
def test_last_is_where_the_core_ends(kind):
    core, xs = CORES[kind], problem(1)[0]
    params = core.init(jax.random.key(0), FEATURES)
    lengths = jnp.asarray(LENGTHS)

    @jax.jit
    def run(params):
        final, ys = rx.unroll(core, params, xs, lengths=lengths)
        return pool("last", core, ys, lengths), ends(core, final)

    got, want = run(params)
    np.testing.assert_allclose(got, want, atol=1e-6)
    assert not np.asarray(got[3]).any()
    assert np.asarray(got[:3]).all()
    assert reads_backwards(core).shape == (core.output_size,)


@pytest.mark.parametrize("how", WAYS)
def test_any_batch_axes(how):
    ys, scores = problem(2)

    @jax.jit
    def run(lengths):
        deep = (a.reshape(TIME, 2, 2, -1) for a in (ys, scores))
        one = whole(how, ys[:, 1], scores[:, 1], lengths[1])
        return whole(how, *deep, lengths.reshape(2, 2)), one, whole(how, ys, scores, lengths)

    deep, one, want = run(LENGTHS)
    np.testing.assert_allclose(deep.reshape(want.shape), want, atol=1e-6)
    np.testing.assert_allclose(one, want[1], atol=1e-6)


def test_a_state_keeps_its_dtype_in_a_scan(x64):
    ys, scores = problem(0)
    for how in WAYS:
        before = initial_pool((BATCH,), FEATURES)
        after = jax.eval_shape(partial(pool_step, how), before, ys[0], scores[0])
        assert jax.tree.map(lambda a: a.dtype, after) == jax.tree.map(lambda a: a.dtype, before)


def test_an_unknown_way_is_named():
    with pytest.raises(ValueError, match="one of 'last', 'mean', 'max', 'attention', got 'sum'"):
        check_pooling("sum")


@pytest.mark.parametrize(
    ("core", "backwards"),
    [
        (rx.Elman(2), [0, 0]),
        (rx.Bidirectional(rx.Elman(1)), [0, 1]),
        (rx.Conditioned(rx.Bidirectional(rx.Elman(1)), 3), [0, 1]),
        (rx.Stack((rx.Conditioned(rx.Bidirectional(rx.GRU(1)), 1),), residual=True), [0, 1]),
        (rx.Bidirectional(rx.Bidirectional(rx.Elman(1))), [0, 1, 1, 0]),
        (rx.Bidirectional(rx.Elman(1), rx.Reversed(rx.Elman(2))), [0, 0, 0]),
        (rx.Bidirectional(rx.Elman(2), rx.Bidirectional(rx.GRU(1))), [0, 0, 1, 0]),
    ],
)
def test_a_core_says_which_outputs_end_at_the_first_step(core, backwards):
    assert reads_backwards(core).tolist() == list(map(bool, backwards))


def test_a_sum_of_both_directions_has_no_last_step():
    core = rx.Stack((rx.Elman(3), rx.Bidirectional(rx.Elman(2), merge="sum")))
    with pytest.raises(ValueError, match="merge 'sum', has no last step: use another pooling"):
        pool("last", core, jnp.ones((3, 2, 2)), jnp.array([3, 2]))
