from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import random_like, some_fast

import rnnjax as rx
from rnnjax.losses import cross_entropy
from rnnjax.models import ConditionalLanguageModel, LanguageModel, TextReader

VOCAB, WIDTH = 7, 4
TOKENS = np.random.default_rng(0).integers(VOCAB, size=(3, 6)).astype(np.int32)
TEXTS = np.random.default_rng(1).integers(5, size=(3, 4)).astype(np.int32)
CLASSES = np.array([2, 0, 1])
VECTORS = np.random.default_rng(5).normal(size=(3, 5)).astype(np.float32)
READERS = {
    "class": (nn.Embed(3, WIDTH), CLASSES),
    "vector": (nn.Dense(WIDTH), VECTORS),
    "text": (TextReader(5, 3, rx.GRU(WIDTH)), (TEXTS, jnp.array([4, 0, 2]))),
}
ENTRIES = ("state", "input")
PAIRS = [("class", "state"), ("vector", "input"), ("text", "state"), ("text", "input")]


def make(entry="state", reader=READERS["class"], core=None, **options):
    """A model, its variables (no bias is zero) and its condition."""
    reader, condition = reader
    options = {"embed_size": 5, **options}
    core = core or rx.Stack((rx.LSTM(3), rx.Elman(2)))
    model = ConditionalLanguageModel(
        VOCAB, core, reader=reader, condition_size=WIDTH, entry=entry, **options
    )
    shapes = jax.eval_shape(model.init, jax.random.key(1), TOKENS, condition=condition)
    return model, random_like(2, shapes, np.float32, scale=0.5), condition


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def literal(params, entry, tokens, vector):
    """One row of an LSTM of width 3, from the equations, in numpy and float64."""
    params = jax.tree.map(lambda x: np.asarray(x, np.float64), params)
    h, c = np.zeros(3), np.zeros(3)
    if entry == "state":
        entrance = params["entrance"]
        h, c = np.split(np.tanh(vector @ entrance["kernel"] + entrance["bias"]), 2)
    p, logits = params["rnn"]["core"], []
    for token in tokens:
        x = params["embedding"]["embedding"][token]
        x = np.concatenate([x, vector]) if entry == "input" else x
        i, f, g, o = np.split(x @ p["w_x"] + h @ p["w_h"] + p["b"], 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        logits.append(h @ params["kernel"] + params["bias"])
    return np.array(logits)


@pytest.mark.parametrize("entry", some_fast(ENTRIES, ["input"]))
def test_it_is_its_equations(entry):
    model, variables, classes = make(entry, core=rx.LSTM(3))
    state = jax.jit(partial(model.apply, method="start"))(variables, classes)
    _, logits = jax.jit(model.apply)(variables, TOKENS, state)
    vectors = variables["params"]["reader"]["embedding"]
    for row, each in enumerate(classes):
        want = literal(variables["params"], entry, TOKENS[row], np.asarray(vectors[each]))
        np.testing.assert_allclose(logits[row], want, atol=2e-6)
    _, at_once = jax.jit(model.apply)(variables, TOKENS, condition=classes)
    np.testing.assert_allclose(at_once, logits, atol=2e-6)


@pytest.mark.parametrize(("kind", "entry"), PAIRS)
def test_step_by_step_is_one_call(kind, entry):
    model, variables, condition = make(entry, READERS[kind])
    state = jax.jit(lambda *args: model.apply(*args, method="start"))(variables, condition)
    final, logits = jax.jit(model.apply)(variables, TOKENS, state)
    step = jax.jit(lambda *args: model.apply(*args, method="step"))
    for t in range(TOKENS.shape[1]):
        state, each = step(variables, state, TOKENS[:, t])
        np.testing.assert_allclose(each, logits[:, t], atol=2e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), state, final)


@pytest.mark.parametrize(("kind", "entry"), PAIRS)
def test_gradients_reach_the_reader_and_padding_reaches_nothing(kind, entry):
    model, variables, condition = make(entry, READERS[kind])
    lengths = jnp.array([6, 2, 0])
    counts = np.arange(6) < np.asarray(lengths)[:, None]

    @jax.jit
    @jax.value_and_grad
    def loss(params, tokens, condition):
        _, logits = model.apply({"params": params}, tokens, condition=condition, lengths=lengths)
        return cross_entropy(logits, jnp.asarray(TOKENS), jnp.asarray(counts))[0]

    want = loss(variables["params"], TOKENS, condition)
    assert all(np.abs(leaf).max() > 1e-4 for leaf in jax.tree.leaves(want[1]["reader"]))
    spoilt = condition
    if kind == "text":
        inside = np.arange(4) < np.asarray(condition[1])[:, None]
        spoilt = (jnp.where(inside, TEXTS, 99), condition[1])
    got = loss(variables["params"], jnp.where(counts, TOKENS, VOCAB + 5), spoilt)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), got, want)


@pytest.mark.parametrize("entry", ENTRIES)
def test_rows_depend_on_their_own_condition_alone_and_vmap_is_a_batch(entry):
    model, variables, classes = make(entry)
    run = jax.jit(lambda tokens, classes: model.apply(variables, tokens, condition=classes)[1])
    logits = run(TOKENS, classes)
    other = run(TOKENS, np.array([2, 2, 1]))
    assert np.abs(logits[1] - other[1]).max() > 1e-3
    np.testing.assert_array_equal(logits[0], other[0])
    each = jax.vmap(run)(TOKENS[:, None], classes[:, None])
    np.testing.assert_allclose(each[:, 0], logits, atol=2e-6)


def test_cross_entropy_is_that_of_the_logits():
    model, variables, classes = make("input")
    mask = TOKENS != 3
    targets = np.roll(TOKENS, -1, axis=1)

    @jax.jit
    def both(variables):
        state = model.apply(variables, classes, method="start")
        _, *got = model.apply(variables, TOKENS, targets, state, mask=mask, method="cross_entropy")
        _, logits = model.apply(variables, TOKENS, state)
        return got, cross_entropy(logits, targets, mask)

    (nats, count), (want, number) = both(variables)
    np.testing.assert_allclose(nats, want, rtol=1e-5)
    assert count == number


def test_without_a_condition_it_starts_from_zeros():
    model, variables, _ = make("input")
    _, logits = jax.jit(model.apply)(variables, TOKENS)
    _, zeros = jax.jit(model.apply)(variables, TOKENS, model.initial_state((3,)))
    np.testing.assert_array_equal(logits, zeros)
    model, variables, _ = make("state")
    plain = LanguageModel(VOCAB, model.core, embed_size=5)
    params = {n: p for n, p in variables["params"].items() if n not in ("reader", "entrance")}
    got, want = (
        jax.jit(model.apply)(variables, TOKENS),
        jax.jit(plain.apply)({"params": params}, TOKENS),
    )
    np.testing.assert_array_equal(got[1], want[1])


def test_a_padded_text_reads_as_it_does_alone():
    reader, lengths = TextReader(5, 3, rx.Bidirectional(rx.GRU(2))), jnp.array([4, 0, 2])
    variables = jax.jit(reader.init)(jax.random.key(0), (TEXTS, lengths))
    vectors = jax.jit(reader.apply)(variables, (TEXTS, lengths))
    for row, length in ((0, 4), (2, 2)):
        text = (TEXTS[row : row + 1, :length], jnp.array([length]))
        alone = jax.jit(reader.apply)(variables, text)
        np.testing.assert_allclose(vectors[row], alone[0], atol=1e-6)
    np.testing.assert_array_equal(vectors[1], np.zeros(4))


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="entry must be one of 'state', 'input', got 'both'"):
        make("both")
    with pytest.raises(ValueError, match=r"reader must make vectors \(batch, 4\).*got \(3, 5\)"):
        make(reader=(nn.Embed(3, 5), CLASSES))
    model, _, _ = make()
    with pytest.raises(ValueError, match="condition must be given to init"):
        model.init(jax.random.key(0), TOKENS)
    reader = TextReader(5, 3, rx.GRU(2))
    with pytest.raises(ValueError, match=r"lengths must be integers of shape \(3,\)"):
        reader.init(jax.random.key(0), (TEXTS, jnp.array([1])))
    with pytest.raises(ValueError, match=r"tokens must lie in \[0, 5\), got values from"):
        reader.init(jax.random.key(0), (TEXTS + 4, jnp.array([4, 4, 4])))
    model, variables, _ = make()
    for ids, low, high in (([0, 3], 0, 3), ([-1, 2], -1, 2)):
        message = rf"condition must lie in \[0, 3\), got values from {low} to {high}"
        with pytest.raises(ValueError, match=message):
            model.apply(variables, jnp.array(ids), method="start")
