"""Forecasts at each step: missing values, padding, the stream, and samples that are fed back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax as rx
from rnnjax.decoding import sample_paths
from rnnjax.models import GaussianHead, Regressor, ValueHead
from rnnjax.trained import describe, rebuild

KEY = jax.random.key(0)
RANDOM = np.random.default_rng(0)
HORIZONS = 1, 3
LENGTHS = np.array([6, 4, 0])
INPUTS = RANDOM.normal(size=(3, 6, 2)).astype(np.float32)
KNOWN = RANDOM.normal(size=(3, 6, 2, 1)).astype(np.float32)
TARGETS = RANDOM.normal(size=(3, 6, 2)).astype(np.float32)
INPUTS[0, 2, 0] = INPUTS[1, 1] = KNOWN[0, 3, 1] = np.nan
MODEL = Regressor(rx.GRU(4), horizons=HORIZONS, hidden=5)


@pytest.fixture(scope="module")
def variables():
    made = jax.jit(MODEL.init)(KEY, INPUTS, KNOWN)
    return jax.tree.map(lambda leaf: leaf + 0.1, made)


def with_indicator(values):
    known = ~np.isnan(values)
    return np.concatenate([np.where(known, values, 0), known], axis=-1).astype(np.float32)


@pytest.mark.fast
def test_outputs_are_those_of_the_equation(variables):
    outputs = jax.jit(MODEL.apply)(variables, INPUTS, KNOWN, LENGTHS)
    params = variables["params"]
    for row, length in enumerate(LENGTHS):
        xs = with_indicator(INPUTS[row, :length])
        _, ys = rx.unroll(MODEL.core, params["rnn"]["core"], jnp.asarray(xs[:, None]))
        wide = np.asarray(ys)[:, 0] @ params["of_core"]["kernel"] + params["of_core"]["bias"][None]
        wide = wide.reshape(length, 2, 5)
        wide += with_indicator(KNOWN[row, :length]) @ params["of_known"]["kernel"]
        want = np.maximum(wide, 0) @ params["output"]["kernel"]
        want += params["output"]["bias"][None, None]
        np.testing.assert_allclose(outputs[row, :length], want, rtol=1e-4, atol=1e-5)


def loss_of(variables, batch):
    def loss(params):
        found = MODEL.apply({"params": params}, batch, method="batch_loss")
        return found.total, found.number

    value_and_grad = jax.jit(jax.value_and_grad(loss, has_aux=True))
    (total, number), gradient = value_and_grad(variables["params"])
    return total, number, gradient


def assert_same_loss(one, other):
    assert one[1] == other[1]
    np.testing.assert_allclose(one[0], other[0], rtol=1e-5)
    for a, b in zip(jax.tree.leaves(one[2]), jax.tree.leaves(other[2]), strict=True):
        assert np.isfinite(a).all()
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.fast
def test_missing_targets_cost_nothing_in_value_and_gradient(variables):
    """The loss without a target is that of the others: the sum of the losses of single targets."""
    batch = {"inputs": INPUTS, "known": KNOWN, "lengths": LENGTHS}
    few = np.full_like(TARGETS, np.nan)
    few[0, 1, 0], few[0, 5, 1], few[1, 3, 0] = TARGETS[0, 1, 0], TARGETS[0, 5, 1], TARGETS[1, 3, 0]
    singles = []
    for place in zip(*np.nonzero(~np.isnan(few)), strict=True):
        alone = np.full_like(TARGETS, np.nan)
        alone[place] = few[place]
        singles.append(loss_of(variables, {**batch, "targets": alone}))
    want = (
        sum(each[0] for each in singles),
        3,
        jax.tree.map(lambda *leaves: sum(leaves), *(each[2] for each in singles)),
    )
    assert_same_loss(loss_of(variables, {**batch, "targets": few}), want)
    nothing = loss_of(variables, {**batch, "targets": np.full_like(TARGETS, np.nan)})
    assert nothing[:2] == (0, 0)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(nothing[2]))


def test_padding_has_no_effect(variables):
    batch = {"inputs": INPUTS, "known": KNOWN, "lengths": LENGTHS, "targets": TARGETS}
    inside = np.arange(6) < LENGTHS[:, None]
    spoilt = {
        name: np.where(inside.reshape(3, 6, *(1,) * (each.ndim - 2)), each, bad)
        for name, each, bad in (("inputs", INPUTS, np.nan), ("targets", TARGETS, 1e6))
    }
    spoilt["known"] = np.where(inside[..., None, None], KNOWN, np.nan)
    total, number, _ = got = loss_of(variables, {**batch, **spoilt})
    assert_same_loss(got, loss_of(variables, batch))
    assert number == 2 * LENGTHS.sum()
    alone = {name: each[1:2, :4] for name, each in batch.items() if name != "lengths"}
    first = {name: each[:1] for name, each in batch.items()}
    parts = [loss_of(variables, each)[0] for each in (first, {**alone, "lengths": LENGTHS[1:2]})]
    np.testing.assert_allclose(total, sum(parts), rtol=1e-5)


@pytest.mark.fast
def test_steps_and_starts_are_the_whole_sequence(variables):
    outputs = jax.jit(MODEL.apply)(variables, INPUTS, KNOWN, LENGTHS)
    start = jax.jit(lambda *args: MODEL.apply(variables, *args, method="start"))
    last = KNOWN[np.arange(3), np.maximum(LENGTHS - 1, 0)]
    state, found = start(INPUTS, last, LENGTHS)
    np.testing.assert_allclose(found[:2], outputs[[0, 1], [5, 3]], rtol=1e-4, atol=1e-6)
    step = jax.jit(lambda *args: MODEL.apply(variables, *args, method="step"))
    state = MODEL.core.initial_state((3,))
    for now in range(4):
        state, found = step(state, INPUTS[:, now], KNOWN[:, now])
        np.testing.assert_allclose(found[:2], outputs[:2, now], rtol=1e-4, atol=1e-6)


def test_dropout_is_on_with_a_key(variables):
    model = Regressor(rx.GRU(4), horizons=HORIZONS, hidden=5, dropout=0.5)
    run = jax.jit(lambda key: model.apply(variables, INPUTS, KNOWN, rngs={"dropout": key}))
    one, other = run(jax.random.key(1)), run(jax.random.key(2))
    assert np.any(one != other)


def test_a_model_is_described_and_made_again():
    model = Regressor(rx.Stack((rx.LSTM(3),)), rx.models.QuantileHead((0.2, 0.8)), (2, 4), 7, 0.1)
    assert rebuild(describe(model)) == model


def test_bad_arguments_are_named(variables):
    with pytest.raises(ValueError, match=r"horizons\[1\] must be an integer of at least 1, got 0"):
        Regressor(rx.GRU(4), horizons=(1, 0)).init(KEY, INPUTS)
    with pytest.raises(ValueError, match="core must be able to step"):
        Regressor(rx.Bidirectional(rx.GRU(4))).init(KEY, INPUTS)
    with pytest.raises(ValueError, match=r"floating dtype and shape \(batch, time, inputs\), got"):
        MODEL.apply(variables, INPUTS[0])
    with pytest.raises(ValueError, match=r"known must have shape \(3, 6, 2, 'known'\), got"):
        MODEL.apply(variables, INPUTS, KNOWN[:, :5])
    with pytest.raises(ValueError, match="lengths must lie between 0 and the number of steps, 6"):
        MODEL.apply(variables, INPUTS, KNOWN, np.array([7, 1, 1]))
    with pytest.raises(ValueError, match="batch must hold 'targets'"):
        MODEL.apply(variables, {"inputs": INPUTS, "lengths": LENGTHS}, method="batch_loss")


# Samples that are fed back.
LAGS = 2, 4
STEPS = 5
HISTORY = RANDOM.normal(size=12).astype(np.float32)
CALENDAR = np.sin(np.arange(12 + STEPS)).astype(np.float32)


def rows(values, calendar):
    """The inputs of a series: itself, its lags, and what is known."""
    lagged = [np.concatenate([np.full(lag, np.nan), values[:-lag]]) for lag in LAGS]
    return np.stack([values, *lagged, calendar], axis=1).astype(np.float32)


def test_samples_that_are_fed_back_are_those_of_one_step_after_another():
    """A value is its own sample: the path is that of reading the longer series each time."""
    model = Regressor(rx.GRU(4), ValueHead())
    inputs, future = rows(HISTORY, CALENDAR[:12])[None], CALENDAR[None, 12:, None]
    variables = jax.jit(model.init)(KEY, inputs, CALENDAR[None, 1:13, None, None])
    variables = jax.tree.map(lambda leaf: leaf + 0.1, variables)
    padded = np.concatenate([inputs, np.full((1, 3, 4), 7, np.float32)], axis=1)
    drawn = sample_paths(
        model, variables, padded, future, KEY, samples=2, lengths=np.array([12]), lags=LAGS
    )
    assert drawn.shape == (1, 2, STEPS)
    values, run = np.append(HISTORY, np.full(STEPS, np.nan, np.float32)), jax.jit(model.apply)
    known = np.append(CALENDAR[1:], np.float32(0))[None, :, None, None]
    for step in range(STEPS):
        outputs = run(variables, rows(values, CALENDAR)[None], known)
        values[12 + step] = outputs[0, 11 + step, 0, 0]
        np.testing.assert_allclose(drawn[0, :, step], values[12 + step], rtol=1e-4, atol=1e-5)


def test_samples_of_a_random_walk_spread_with_the_square_root_of_time():
    """The head's mean is the last value, by hand, and its scale is the same each time."""
    model = Regressor(rx.Elman(1, activation="relu"), GaussianHead(), hidden=1)
    variables = model.init(KEY, np.zeros((1, 1, 1), np.float32))
    params = jax.tree.map(jnp.zeros_like, variables["params"])
    # relu(x + 100) = x + 100 for every x that occurs.
    params["rnn"]["core"]["w_x"] = jnp.array([[1.0], [0.0]])
    params["rnn"]["core"]["b"] = jnp.array([100.0])
    params["of_core"]["kernel"] = jnp.ones((1, 1))
    params["output"] = {"kernel": jnp.array([[1.0, 0.0]]), "bias": jnp.array([-100.0, 0.0])}
    inputs = np.full((1, 3, 1), 2.0, np.float32)
    future = np.zeros((1, 16, 0), np.float32)
    drawn = sample_paths(model, {"params": params}, inputs, future, KEY, samples=4000)[0]
    scale = np.log(2) + 1e-3
    np.testing.assert_allclose(drawn.mean(axis=0), 2, atol=0.2)
    want = scale * np.sqrt(np.arange(1, 17))
    np.testing.assert_allclose(drawn.std(axis=0), want, rtol=0.06)


def test_what_cannot_be_fed_back_is_named(variables):
    future = np.zeros((3, 2, 0), np.float32)
    with pytest.raises(ValueError, match=r"horizons must be \(1,\) to feed samples back, got"):
        sample_paths(MODEL, variables, INPUTS, future, KEY, samples=2)
    model = Regressor(rx.GRU(4))
    with pytest.raises(ValueError, match=r"the target, 0 lags and 0 that are known .* got 2"):
        sample_paths(model, variables, INPUTS, future, KEY, samples=2)
