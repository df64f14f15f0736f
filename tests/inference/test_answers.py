from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from means import mean_of
from oracle import Echo, random_like

import rnnjax as rx
from rnnjax.inference import answer
from rnnjax.models import Classifier, Tagger, TokenEmbedder
from rnnjax.train import init_state, make_train_step, model_loss

VOCAB, ALPHABET, WIDTH = 7, 6, 3
LENGTHS = np.array([3, 0, 1, 3, 1])
RNG = np.random.default_rng(0)
SENTENCES = [RNG.integers(1, VOCAB, size=n) for n in LENGTHS]
SPELLED = [RNG.integers(1, ALPHABET, size=(n, WIDTH)) for n in LENGTHS]
TAGS = [RNG.integers(-1, 3, size=n) for n in LENGTHS]
LABELS = np.array([0, 2, 1, -1, 1])
# Neither in order nor full, and of two lengths.
BUCKETS = (([4, 1, 2], 1), ([-1, 3, 0], 3), ([-1, -1, -1], 3))
KINDS = ("tagger", "classifier")


@cache
def make(kind):
    """A small model that reads characters too, and random parameters."""
    embedder = TokenEmbedder(VOCAB, 2, "convolution", ALPHABET, 3)
    core = rx.Elman(3)
    model = (
        Classifier(("a", "b", "c"), embedder, core)
        if kind == "classifier"
        else Tagger(("a", "b", "c"), embedder, core, crf=True)
    )
    shapes = jax.eval_shape(model.init, jax.random.key(0), *arrays([0], 3, kind)[:2])
    return model, random_like(1, shapes, np.float32)["params"]


def arrays(rows, length, kind):
    """Words, characters, lengths and targets of sentences padded to `length`; -1 is none."""
    words = np.zeros((len(rows), length), np.int32)
    characters = np.zeros((len(rows), length, WIDTH), np.int32)
    tags = np.full((len(rows), length), -1, np.int32)
    lengths = np.zeros(len(rows), np.int32)
    for i, row in enumerate(rows):
        if row >= 0:
            n = lengths[i] = LENGTHS[row]
            words[i, :n], characters[i, :n], tags[i, :n] = SENTENCES[row], SPELLED[row], TAGS[row]
    labels = np.where(np.array(rows) < 0, -1, LABELS[rows])
    return words, characters, lengths, labels if kind == "classifier" else tags


def batch(rows, length, kind):
    words, characters, lengths, targets = arrays(rows, length, kind)
    return {"words": words, "characters": characters, "lengths": lengths, **known(targets)}


def known(targets):
    """Targets, the negative ones of which are not known."""
    return {"targets": np.maximum(targets, 0), "targets_known": targets >= 0}


@cache
def one_by_one(kind):
    """The answer to each sentence, unpadded, and the sum of the losses and of the targets."""
    model, params = make(kind)

    @jax.jit
    def run(words, characters, lengths, targets):
        scores = model.apply({"params": params}, words, characters, lengths)
        if kind == "classifier":
            logs, known = jax.nn.log_softmax(scores), targets[0] >= 0
            return jnp.exp(logs), -logs[0, targets[0]] * known, known
        best = model.apply({"params": params}, scores, lengths, method="predict")
        loss = model.apply({"params": params}, scores, targets, lengths, method="loss")
        return best, *loss

    results = []
    for row, n in enumerate(LENGTHS):
        # A sentence of no tokens is one of padding: without lengths it could not be read.
        words, characters, lengths, targets = arrays([row], max(n, 1), kind)
        results.append(run(words, characters, None if n else lengths, targets))
    answers, nats, counts = zip(*results, strict=True)
    cut = [
        a[0] if kind == "classifier" else a[0, :n] for a, n in zip(answers, LENGTHS, strict=True)
    ]
    return cut, float(sum(nats)), int(sum(counts))


@pytest.mark.parametrize("kind", KINDS)
def test_answers_stand_in_the_sentences_order(kind):
    model, params = make(kind)
    batches = [(np.array(rows), batch(rows, length, kind)) for rows, length in BUCKETS]
    answers, loss = answer(model, params, batches, len(LENGTHS))
    wants, nats, count = one_by_one(kind)
    assert count == (4 if kind == "classifier" else sum((tags >= 0).sum() for tags in TAGS))
    for got, want, n in zip(answers, wants, LENGTHS, strict=True):
        assert len(got) == (3 if kind == "classifier" else n)
        np.testing.assert_allclose(got, want, atol=1e-6)
    np.testing.assert_allclose(loss, nats / count, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_the_mean_over_known_targets(kind):
    model, params = make(kind)
    _, nats, count = one_by_one(kind)
    whole = batch([*range(len(LENGTHS)), -1], 3, kind)
    loss, carry = jax.jit(mean_of(model_loss(model)))(params, None, whole, jax.random.key(0))
    np.testing.assert_allclose(loss, nats / count, rtol=1e-5)
    assert carry is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_empty_rows_costs_and_teaches_nothing(kind):
    model, params = make(kind)
    step = jax.jit(jax.value_and_grad(mean_of(model_loss(model)), has_aux=True))
    empty = batch([-1, -1], 2, kind)
    (loss, _), gradient = step(params, None, empty, jax.random.key(0))
    assert loss == 0
    assert not any(np.asarray(leaf).any() for leaf in jax.tree.leaves(gradient))


def test_without_a_known_target_the_mean_loss_is_nan():
    model, params = make("classifier")
    answers, loss = answer(
        model, params, [(np.array([0, -1, -1]), batch([3, -1, -1], 3, "classifier"))], 1
    )
    assert np.isnan(loss)
    np.testing.assert_allclose(answers[0].sum(), 1, rtol=1e-5)


def test_the_key_drops_out_in_training_and_nothing_does_in_answers():
    embedder = TokenEmbedder(VOCAB, 2, dropout=0.5)
    model = Classifier(("a", "b", "c"), embedder, Echo(2), "mean", dropout=0.5)
    plain = Classifier(("a", "b", "c"), TokenEmbedder(VOCAB, 2), Echo(2), "mean")
    whole = batch(list(range(5)), 3, "classifier")
    del whole["characters"]
    shapes = jax.eval_shape(model.init, jax.random.key(0), whole["words"])
    params = random_like(1, shapes, np.float32)["params"]
    loss = jax.jit(mean_of(model_loss(model)))
    on, again, other = (
        float(loss(params, None, whole, jax.random.key(seed))[0]) for seed in (0, 0, 1)
    )
    rows = np.arange(5)
    _, off = answer(model, params, [(rows, whole)], 5)
    assert on == again
    assert len({on, other, off}) == 3
    assert off == answer(plain, params, [(rows, whole)], 5)[1]


def train(model, words, lengths, targets, steps=150):
    """The answers to sentences after training on all of them."""
    whole = {"words": words, "lengths": lengths, **known(targets)}
    optimizer = optax.adam(0.03)
    params = jax.jit(model.init)(jax.random.key(0), words[:1])["params"]
    state = init_state(params, optimizer, None)
    step = make_train_step(model_loss(model), optimizer, seed=0)
    for _ in range(steps):
        state, _ = step(state, whole)
    return answer(model, state.params, [(np.arange(len(words)), whole)], len(words))


def test_a_tagger_learns_whether_a_token_comes_again():
    rng = np.random.default_rng(1)
    words, lengths = rng.integers(3, size=(40, 6)), rng.integers(7, size=40)
    tags = np.pad(words[:, 1:] == words[:, :-1], ((0, 0), (1, 0))).astype(np.int32)
    model = Tagger(("new", "again"), TokenEmbedder(3, 4), rx.Elman(12), crf=True)
    answers, loss = train(model, words, lengths, tags)
    for got, want, n in zip(answers, tags, lengths, strict=True):
        np.testing.assert_array_equal(got, want[:n])
    assert loss < 0.1


@pytest.mark.full  # another training
def test_a_classifier_learns_the_first_tokens_parity():
    rng = np.random.default_rng(2)
    words, lengths = rng.integers(4, size=(40, 6)), rng.integers(1, 7, size=40)
    embedder = TokenEmbedder(4, 4)
    model = Classifier(("even", "odd"), embedder, rx.Elman(12), "attention")
    answers, loss = train(model, words, lengths, words[:, 0] % 2)
    np.testing.assert_array_equal(np.argmax(answers, axis=1), words[:, 0] % 2)
    assert loss < 0.1
