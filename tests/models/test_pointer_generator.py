"""Copying words of the source, compared with sums over places written out in numpy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import random_like

import rnnjax as rx
from rnnjax.models import EncoderDecoder, PointerGenerator
from rnnjax.train import model_loss

VOCAB = 6
# From 6 on: words that the vocabulary lacks. 99 stands in the padding.
SOURCE = np.array([[2, 6, 3, 6, 7], [6, 3, 6, 99, 99], [4, 99, 99, 99, 99], [99] * 5])
LENGTHS = np.array([5, 3, 1, 0])
TOKENS = np.array([[0, 6, 7], [0, 6, 2], [0, 4, 4], [0, 1, 2]])
TARGETS = np.array([[6, 3, 5], [6, 2, 3], [4, 4, 99], [5, 99, 99]])
MASK = np.arange(3) < np.array([3, 3, 2, 1])[:, None]
BATCH = SOURCE, LENGTHS, TOKENS


def make(dtype=np.float32, compute=None, **options):
    """A small model and its variables; no bias is zero."""
    options = {"embed_size": 4, "attention_size": 3, "dtype": compute, **options}
    options = {"upper": rx.LSTM(3, dtype=compute), **options}
    cores = rx.Bidirectional(rx.GRU(3, dtype=compute)), rx.GRU(4, dtype=compute)
    model = PointerGenerator(VOCAB, VOCAB, *cores, **options)
    shapes = jax.eval_shape(partial(model.init, jax.random.key(0)), *BATCH)
    return model, random_like(1, shapes, dtype, scale=0.7)


def by_hand(model, variables):
    """Probabilities `(batch, time, VOCAB + places)`, summed up word by word and place by place.

    The logits and the attention weights are those of a plain encoder and decoder with the same
    parameters, which reads word 1 in place of all that its vocabulary lacks.
    """
    params = dict(variables["params"])
    gate = params.pop("gate")
    fields = ("upper", "embed_size", "attention_size", "shared", "tie_embeddings", "input_feeding")
    plain = EncoderDecoder(
        VOCAB,
        VOCAB,
        model.encoder,
        model.decoder,
        **{name: getattr(model, name) for name in fields},
    )
    read, fed = (np.where(ids < VOCAB, ids, 1) for ids in (SOURCE, TOKENS))
    apply = partial(plain.apply, {"params": params}, read, LENGTHS, fed)
    logits, (outs, weights) = jax.jit(lambda: (apply(), apply(method=EncoderDecoder._features)))()
    found = np.zeros((*TOKENS.shape, VOCAB + SOURCE.shape[1]))
    for b, t in np.ndindex(*TOKENS.shape):
        score = float(outs[b, t] @ gate["kernel"][:, 0] + gate["bias"][0])
        p_gen = 1 / (1 + np.exp(-score)) if LENGTHS[b] else 1.0  # nothing to copy
        odds = np.exp(np.asarray(logits[b, t], np.float64))
        found[b, t, :VOCAB] = p_gen * odds / odds.sum()
        for s in range(LENGTHS[b]):
            found[b, t, SOURCE[b, s]] += (1 - p_gen) * float(weights[b, t, s])
    return found


def nats_by_hand(model, variables):
    """The loss of the targets that count."""
    found = by_hand(model, variables)
    return -sum(np.log(found[b, t, TARGETS[b, t]]) for b, t in zip(*np.nonzero(MASK), strict=True))


@pytest.mark.parametrize(
    "options",
    [{}, {"upper": None, "shared": True, "tie_embeddings": False, "input_feeding": True}],
)
def test_words_are_generated_or_copied(options):
    model, variables = make(**options)
    logs = jax.jit(model.apply)(variables, *BATCH)
    assert logs.dtype == jnp.float32
    want = by_hand(model, variables)
    np.testing.assert_allclose(want.sum(axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.exp(logs), want, rtol=1e-4, atol=1e-7)
    assert ((logs == -np.inf) == (want == 0)).all()  # words that are nowhere
    loss = jax.jit(partial(model.apply, method="cross_entropy"))
    nats, count = loss(variables, *BATCH, TARGETS, MASK)
    np.testing.assert_allclose(nats, nats_by_hand(model, variables), rtol=1e-5)
    assert count == MASK.sum()


def test_gradients_agree_with_finite_differences(x64):
    model, variables = make(np.float64)
    direction = random_like(3, variables, np.float64, scale=1.0)

    def moved(by):
        return jax.tree.map(lambda p, d: p + by * d, variables, direction)

    @jax.jit
    @jax.grad
    def slope(by):
        return model.apply(moved(by), *BATCH, TARGETS, MASK, method="cross_entropy")[0]

    step = 1e-5
    above, below = (nats_by_hand(model, moved(by)) for by in (step, -step))
    np.testing.assert_allclose(slope(0.0), (above - below) / (2 * step), rtol=1e-6)


def test_losses_and_gradients_are_finite_where_nothing_is_copied_or_all_is():
    model, variables = make()

    @jax.jit
    @jax.value_and_grad
    def loss(variables):
        nats, _ = model.apply(variables, *BATCH, TARGETS, MASK, method="cross_entropy")
        logs = model.apply(variables, *BATCH)
        return nats + jnp.where(logs > -jnp.inf, logs, 0).sum()

    params = variables["params"]
    gates = [{**params["gate"], "bias": jnp.array([bias])} for bias in (-500.0, 500.0)]
    sharp = jax.tree.map(lambda leaf: 1e4 * leaf, params["attend"])  # weights are 0 or 1
    for change in ({"gate": gates[0]}, {"gate": gates[1]}, {"attend": sharp}):
        found = loss({"params": {**params, **change}})
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))


def test_what_stands_in_the_padding_reaches_nothing():
    model, variables = make()
    loss = jax.jit(partial(model.apply, method="cross_entropy"))
    want = loss(variables, *BATCH, TARGETS, MASK)
    inside = np.arange(5) < LENGTHS[:, None]
    other = np.where(inside, SOURCE, 3), LENGTHS, TOKENS, np.where(MASK, TARGETS, 1), MASK
    np.testing.assert_array_equal(loss(variables, *other), want)


def test_steps_say_what_the_whole_sequence_says():
    model, variables = make(upper=None, input_feeding=True)
    whole = jax.jit(model.apply)(variables, *BATCH)
    memory, state = jax.jit(partial(model.apply, method="encode"))(variables, SOURCE, LENGTHS)
    step = jax.jit(partial(model.apply, method="step"))
    for time in range(3):
        state, logs = step(variables, memory, state, TOKENS[:, time])
        np.testing.assert_allclose(logs, whole[:, time], rtol=1e-4, atol=1e-5)


def test_bfloat16_is_near_float32():
    logs, others = (jax.jit(make(compute=each)[0].apply) for each in (None, "bfloat16"))
    _, variables = make()
    want, got = logs(variables, *BATCH), others(variables, *BATCH)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(np.exp(got), np.exp(want), atol=0.02)


def test_the_share_of_generating_is_shown():
    model, variables = make()
    shares = jax.jit(partial(model.apply, method="generation"))(variables, *BATCH)
    assert shares.shape == TOKENS.shape
    # What the words from VOCAB on have, of the second source, is all copied: two of its places.
    want = by_hand(model, variables)[1, :, VOCAB:].sum(axis=-1)
    weights = jax.jit(partial(model.apply, method="weights"))(variables, *BATCH)
    np.testing.assert_allclose((1 - shares[1]) * weights[1, :, [0, 2]].sum(axis=0), want, rtol=1e-4)
    np.testing.assert_array_equal(shares[3], 1)


@pytest.mark.full  # a training
def test_it_learns_to_copy_words_that_no_training_text_had():
    """Targets are the second word of the source, whatever it is."""
    model = PointerGenerator(VOCAB, VOCAB, rx.GRU(8), rx.GRU(8), embed_size=8)
    rng = np.random.default_rng(0)

    def batch(low, high):
        source = rng.integers(low, high, size=(32, 4))
        source = np.where(source < VOCAB, source, VOCAB + np.arange(4)[None])
        tokens = np.zeros((32, 1), np.int32)
        known = np.ones((32, 1), bool)
        given = {"source": source, "source_lengths": np.full(32, 4), "tokens": tokens}
        return {**given, "targets": source[:, 1:2], "targets_known": known}

    one = batch(2, VOCAB)
    params = model.init(jax.random.key(0), *list(one.values())[:3])["params"]
    optimizer = rx.train.Optimizer(learning_rate=2e-2).make(total_steps=150, steps_per_epoch=150)
    update = rx.train.make_train_step(model_loss(model), optimizer, seed=0)
    state = rx.train.init_state(params, optimizer, None)
    for _ in range(150):
        state, _ = update(state, batch(2, VOCAB + 3))
    unseen = batch(VOCAB, VOCAB + 1)
    read = unseen["source"], unseen["source_lengths"], unseen["tokens"]
    logs = jax.jit(model.apply)({"params": state.params}, *read)
    assert (logs.argmax(axis=-1) == unseen["targets"]).mean() > 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention": None, "upper": None}, "attention must not be None"),
        ({"unknown": VOCAB}, r"unknown must lie in \[0, 6\), got 6"),
    ],
)
def test_parts_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_two_vocabularies_are_refused():
    model = PointerGenerator(VOCAB, VOCAB + 1, rx.GRU(3), rx.GRU(3))
    with pytest.raises(ValueError, match="must be equal, of one vocabulary, got 6 and 7"):
        model.init(jax.random.key(0), *BATCH)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": np.full((4, 5), VOCAB + 5)}, r"source must lie in \[0, 11\)"),
        ({"source": SOURCE[0]}, "source must be integers of shape"),
        ({"tokens": TOKENS + 5}, r"tokens must lie in \[0, 11\)"),
        ({"targets": TARGETS + 5}, r"targets must lie in \[0, 11\)"),
        ({"targets": TARGETS[:, 1:]}, r"targets must have shape \(4, 3\)"),
        ({"label_smoothing": 0.1}, "label_smoothing must be 0 to copy words, got 0.1"),
    ],
)
def test_bad_input_is_refused(change, message):
    model, variables = make()
    given = {"source": SOURCE, "source_lengths": LENGTHS, "tokens": TOKENS, "targets": TARGETS}
    with pytest.raises(ValueError, match=message):
        model.apply(variables, **{**given, "mask": MASK, **change}, method="cross_entropy")
