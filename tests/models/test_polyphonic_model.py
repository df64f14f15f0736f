"""Polyphonic music: what a step's chord depends on, and what it costs."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import rnnjax as rx
from rnnjax.models import PolyphonicModel

KEYS = 4
LENGTHS = np.array([5, 2, 0])
SOUNDING = np.random.default_rng(0).random((3, 5, KEYS)) < 0.4
HEADS = ("nade", "independent")
CORE = rx.GRU(3)


def polyphonic(head, core=CORE, **options):
    return PolyphonicModel(core, head, head_size=3, keys=KEYS, **options)


def run(model, variables, *args, method=None):
    """What a method of the model says, compiled as one program."""
    return jax.jit(lambda *given: model.apply(*given, method=method))(variables, *args)


@pytest.fixture(scope="module")
def variables():
    """Of each head, so large that everything matters."""
    made = {head: jax.jit(polyphonic(head).init)(jax.random.key(0), SOUNDING) for head in HEADS}
    return jax.tree.map(lambda leaf: 0.1 + jnp.where(leaf == -3, 0, 3 * leaf), made)


def batch_of(keys, lengths):
    """A batch of chords, as lists of keys, with something wild in the padding."""
    chords = np.full((*keys.shape[:2], KEYS), -1)
    for place in np.ndindex(keys.shape[:2]):
        found = np.flatnonzero(keys[place])
        chords[place][: len(found)] = found
    chords[np.arange(keys.shape[1]) >= np.asarray(lengths)[:, None]] = 77
    return {"chords": chords, "lengths": np.asarray(lengths)}


@pytest.mark.fast
@pytest.mark.parametrize("head", HEADS)
def test_the_chords_of_a_step_are_a_distribution(head, variables):
    model = polyphonic(head)
    every = np.array(list(itertools.product([False, True], repeat=KEYS)))
    begun = np.repeat(SOUNDING[:1, :2], len(every), axis=0)
    for before in (begun[:, :0], begun):  # the first step of a piece, and one after others
        pieces = np.concatenate([before, every[:, None]], axis=1)
        batch = batch_of(pieces, np.full(len(every), pieces.shape[1]))
        nats = run(model, variables[head], batch, method="batch_nats")[:, -1]
        np.testing.assert_allclose(np.exp(-nats).sum(), 1, rtol=1e-5)
        assert np.ptp(nats) > 0.5


@pytest.mark.fast
@pytest.mark.parametrize("head", HEADS)
def test_a_key_sees_the_steps_before_and_the_lower_keys_of_its_own(head, variables):
    logits = jax.jit(lambda keys: polyphonic(head).apply(variables[head], keys))
    before = logits(SOUNDING)
    for step, key in itertools.product(range(5), range(KEYS)):
        changed = SOUNDING.copy()
        changed[:, step, key] ^= True
        differs = np.abs(logits(changed) - before) > 1e-6
        assert not differs[:, :step].any()
        assert not differs[:, step, : key + 1].any()
        assert differs[:, step, key + 1 :].all() == (head == "nade" or key == KEYS - 1)
        assert differs[:, step, key + 1 :].any() == (head == "nade" and key < KEYS - 1)
        assert differs[:, step + 1 :].all()


@pytest.mark.parametrize("head", HEADS)
def test_the_loss_is_the_sum_over_steps_and_padding_has_no_effect(head, variables):
    model = polyphonic(head)
    batch = batch_of(SOUNDING, LENGTHS)
    found = run(model, variables[head], batch, method="batch_loss")
    nats = np.asarray(run(model, variables[head], batch, method="batch_nats"))
    assert int(found.number) == LENGTHS.sum()
    np.testing.assert_allclose(found.total, nats.sum(), rtol=1e-6)
    assert not nats[np.arange(5) >= LENGTHS[:, None]].any()
    for row, length in enumerate(LENGTHS[:2]):
        logits = run(model, variables[head], SOUNDING[row : row + 1, :length])
        shares = 1 / (1 + np.exp(-np.asarray(logits[0], np.float64)))
        want = -np.log(np.where(SOUNDING[row, :length], shares, 1 - shares)).sum(axis=1)
        np.testing.assert_allclose(nats[row, :length], want, rtol=1e-5)


def test_step_by_step_is_all_at_once(variables):
    model = polyphonic("nade", rx.Stack((rx.LSTM(3), rx.GRU(3))))
    made = jax.jit(model.init)(jax.random.key(1), SOUNDING)
    _, whole = run(model, made, SOUNDING, method="features")
    assert whole.shape == (3, 6, 3 + KEYS + 1)
    state, first = run(model, made, SOUNDING[:, :0], method="features")
    np.testing.assert_allclose(first[:, 0], whole[:, 0], rtol=1e-5, atol=1e-6)
    read = jax.jit(lambda *given: model.apply(made, *given, method="step"))
    for step in range(5):
        state, features = read(state, SOUNDING[:, step])
        np.testing.assert_allclose(features, whole[:, step + 1], rtol=1e-5, atol=1e-6)
    state, some = run(model, made, SOUNDING, LENGTHS, method="features")
    np.testing.assert_allclose(some[1, 2], whole[1, 2], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state[1].h[1], whole[1, 2, :3], rtol=1e-5, atol=1e-6)


@pytest.mark.fast
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_chords_drawn_key_by_key_have_the_probabilities_of_all_at_once(
    head, temperature, variables
):
    model, random = polyphonic(head), np.random.default_rng(0)
    uniform = random.random((200, KEYS)).astype(np.float32)
    _, features = run(model, variables[head], SOUNDING[:1, :2], method="features")
    features = np.repeat(features[0, -1:], 200, axis=0)
    drawn = run(model, variables[head], features, uniform, temperature, method="draw")
    assert len({tuple(row) for row in np.asarray(drawn).tolist()}) > 5
    pieces = np.concatenate([np.repeat(SOUNDING[:1, :2], 200, axis=0), drawn[:, None]], axis=1)
    logits = run(model, variables[head], pieces)[:, -1]
    np.testing.assert_array_equal(drawn, uniform < jax.nn.sigmoid(logits / temperature))


@pytest.mark.parametrize("head", HEADS)
def test_gradients_are_those_of_finite_differences(head, x64):
    model, batch = polyphonic(head), batch_of(SOUNDING, LENGTHS)
    params = jax.jit(model.init)(jax.random.key(0), SOUNDING)
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), params)
    loss = jax.jit(lambda params: model.apply(params, batch, method="batch_loss").total)
    check_grads(loss, (params,), order=1, modes=["rev"], rtol=1e-5, eps=1e-4)


def test_dropout_needs_its_key_and_half_precision_stays_near(variables):
    model, narrow = polyphonic("nade", dropout=0.5), polyphonic("nade", dtype="bfloat16")
    logits = run(model, variables["nade"], SOUNDING)
    rngs = {"dropout": jax.random.key(0)}
    dropped = jax.jit(lambda given: model.apply(given, SOUNDING, rngs=rngs))(variables["nade"])
    assert np.abs(dropped - logits).max() > 0.1
    near = run(narrow, variables["nade"], SOUNDING)
    assert near.dtype == jnp.float32
    np.testing.assert_allclose(near, logits, atol=0.2)


@pytest.mark.parametrize("head", HEADS)
def test_pieces_without_a_step_cost_nothing(head, variables):
    model = polyphonic(head)
    assert run(model, variables[head], SOUNDING[:, :0]).shape == (3, 0, KEYS)
    batch = {"chords": np.zeros((2, 0, 1), int), "lengths": np.zeros(2, int)}
    found = run(model, variables[head], batch, method="batch_loss")
    assert (float(found.total), int(found.number)) == (0, 0)


def test_what_does_not_fit_is_refused(variables):
    model = polyphonic("nade")
    with pytest.raises(ValueError, match=r"keys must be bool of shape \(batch, time, 4\)"):
        model.apply(variables["nade"], SOUNDING.astype(np.int32))
    with pytest.raises(ValueError, match=r"keys must be bool of shape \(batch, time, 4\)"):
        model.apply(variables["nade"], SOUNDING[..., :3])
    with pytest.raises(ValueError, match=r"lengths must lie in \[0, 6\)"):
        model.apply(variables["nade"], SOUNDING, np.array([1, 2, 9]), method="features")
    with pytest.raises(ValueError, match="batch must hold 'lengths'"):
        model.apply(variables["nade"], {"chords": np.zeros((1, 1, 1), int)}, method="batch_loss")
    with pytest.raises(ValueError, match="head must be one of 'nade', 'independent'"):
        polyphonic("both").init(jax.random.key(0), SOUNDING)
    with pytest.raises(ValueError, match="core must be able to step"):
        polyphonic("nade", rx.Bidirectional(rx.GRU(2))).init(jax.random.key(0), SOUNDING)
