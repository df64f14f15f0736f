import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import random_like

import rnnjax as rx
from rnnjax.losses import cross_entropy
from rnnjax.models import Classifier, PairClassifier, TokenEmbedder

VOCAB, ALPHABET, TIME = 7, 6, 6
LABELS = ("no", "yes", "perhaps")
FIRST = np.array([2, 1, 0, 3, 0])
LENGTHS = np.array([6, 3, 2, 3, 0])
TARGETS = np.array([2, 0, 1, 1, 0])
RNG = np.random.default_rng(0)
WORDS = RNG.integers(VOCAB, size=(5, TIME))
CHARACTERS = RNG.integers(1, ALPHABET, size=(5, TIME, 3))
INSIDE = np.arange(TIME) < LENGTHS[:, None]


def make(pooling="max", characters=None, **options):
    """A small classifier of pairs, and its variables."""
    embedder = TokenEmbedder(VOCAB, 3, characters, ALPHABET, 4)
    core = rx.Bidirectional(rx.Elman(3))
    model = PairClassifier(options.pop("labels", LABELS), embedder, core, pooling, **options)
    spelled = CHARACTERS if characters else None
    shapes = jax.eval_shape(model.init, jax.random.key(0), WORDS, FIRST, spelled, LENGTHS)
    return model, random_like(1, shapes, np.float32, scale=0.5)


def vector(model, params, name, words, spelled):
    """What a `Classifier` with these parts makes of one sentence, before its labels."""
    if not words.size:
        return jnp.zeros(6)
    width = 6
    one = Classifier(tuple(map(str, range(width))), model.embedder, model.core, model.pooling)
    head = {"output": {"kernel": jnp.eye(width), "bias": jnp.zeros(width)}}
    params = {"embedder": params["embedder"], "reader": params[name], "head": head}
    spelled = None if spelled is None else spelled[None]
    return one.apply({"params": params}, words[None], spelled)[0]


def literal(model, params, row):
    """The logits of one pair, each sentence read by itself."""
    split, end = FIRST[row], LENGTHS[row]
    spelled = CHARACTERS if model.embedder.characters else None
    first, second = (slice(0, split), slice(split, end))
    readers = ("reader", "reader" if model.shared else "second_reader")
    u, v = (
        vector(model, params, name, WORDS[row, cut], None if spelled is None else spelled[row, cut])
        for name, cut in zip(readers, (first, second), strict=True)
    )
    x = jnp.concatenate([u, v, jnp.maximum(u - v, v - u), u * v])
    head = params["head"]
    if model.hidden:
        x = jnp.tanh(x @ head["hidden_layer"]["kernel"] + head["hidden_layer"]["bias"])
    return x @ head["output"]["kernel"] + head["output"]["bias"]


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(("max", {"hidden": 4}), marks=pytest.mark.fast),
        ("attention", {"shared": False}),
        pytest.param(("last", {"characters": "lstm"}), marks=pytest.mark.full),
        pytest.param(("mean", {}), marks=pytest.mark.full),
    ],
)
def test_a_pair_is_what_its_sentences_are_alone_whatever_pads_them(case):
    pooling, options = case
    model, variables = make(pooling, **options)

    @jax.jit
    def alone(params):
        def loss(params):
            logits = jnp.stack([literal(model, params, row) for row in range(len(FIRST))])
            return cross_entropy(logits, TARGETS)[0], logits

        return jax.value_and_grad(loss, has_aux=True)(params)

    @jax.jit
    def padded(params, words, spelled):
        def loss(params):
            first, lengths = jnp.asarray(FIRST), jnp.asarray(LENGTHS)
            logits = model.apply({"params": params}, words, first, spelled, lengths)
            return cross_entropy(logits, TARGETS)[0], logits

        return jax.value_and_grad(loss, has_aux=True)(params)

    (_, want), want_gradient = alone(variables["params"])
    for junk in (0, VOCAB + ALPHABET, -9):
        words = np.where(INSIDE, WORDS, junk)
        spelled = None
        if model.embedder.characters:
            spelled = np.where(INSIDE[..., None], CHARACTERS, junk)
        (_, got), gradient = padded(variables["params"], words, spelled)
        np.testing.assert_allclose(got, want, atol=2e-6)
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), gradient, want_gradient
        )


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (np.array([7, 0, 0, 0, 0]), "first_lengths must lie between 0 and lengths, got"),
        (np.array([0, 0, -1, 0, 0]), "first_lengths must lie between 0 and lengths, got"),
        (np.array([0, 0]), r"first_lengths must be integers of shape \(5,\)"),
        (np.zeros(5), "first_lengths must be integers"),
    ],
)
def test_a_first_sentence_that_does_not_fit_is_named(first, message):
    model, variables = make()
    with pytest.raises(ValueError, match=message):
        model.apply(variables, WORDS, first, None, LENGTHS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ()}, "labels must be distinct and at least one"),
        ({"hidden": 0}, "hidden must be"),
        ({"pooling": "sum"}, "pooling must be one of"),
        ({"dropout": 1.0}, "dropout must lie in"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)
