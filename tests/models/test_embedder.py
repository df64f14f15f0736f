from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import random_like

from rnnjax.models import TokenEmbedder
from rnnjax.models.characters import CharacterConvolution, CharacterLSTM

VOCAB, ALPHABET, FEATURES = 7, 6, 4
RNG = np.random.default_rng(0)
SPELLED = np.array([[5, 2, 3, 1, 1], [2, 4, 2, 0, 0], [3, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
WEIGHT = RNG.normal(size=(4, FEATURES)).astype(np.float32)
WORDS = np.array([[3, 6], [0, 3]])
CHARACTERS = SPELLED.reshape(2, 2, 5)
ENCODERS = {
    "lstm": CharacterLSTM(ALPHABET, FEATURES, embed_size=3),
    "convolution": CharacterConvolution(ALPHABET, FEATURES, embed_size=3),
    "even width": CharacterConvolution(ALPHABET, FEATURES, embed_size=3, width=2),
    "wider than words": CharacterConvolution(ALPHABET, FEATURES, embed_size=3, width=8),
}


def init(module, *args):
    """Random numbers in the shapes of the parameters: no bias is zero, nothing is compiled."""
    shapes = jax.eval_shape(module.init, jax.random.key(0), *args)
    return random_like(1, shapes, np.float32, scale=0.5)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def literal_lstm(params, word):
    """The two final states, a character at a time."""
    xs = params["Embed_0"]["embedding"][word]
    ends = []
    for name, order in (("forward", xs), ("backward", xs[::-1])):
        p = params["RNN_0"]["core"][name]
        h = c = np.zeros(FEATURES // 2)
        for x in order:
            i, f, g, o = np.split(x @ p["w_x"] + h @ p["w_h"] + p["b"], 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        ends.append(h)
    return np.concatenate(ends)


def literal_convolution(params, word):
    """The largest value of each filter, laid over the word at every place with zeros around."""
    xs = params["Embed_0"]["embedding"][word]
    kernel, bias = params["Conv_0"]["kernel"], params["Conv_0"]["bias"]
    values = []
    for place in range(len(word)):
        value = bias.copy()
        for k, matrix in enumerate(kernel):
            at = place + k - (len(kernel) - 1) // 2
            if 0 <= at < len(word):
                value = value + xs[at] @ matrix
        values.append(value)
    return np.max(values, axis=0) if values else np.zeros(FEATURES)


def literal(params, words):
    params = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    encode = literal_lstm if "RNN_0" in params else literal_convolution
    return np.stack([encode(params, word[word > 0]) for word in words])


@partial(jax.jit, static_argnums=0)
def features_and_gradient(encoder, params, words, weight):
    def loss(params):
        features = encoder.apply({"params": params}, words)
        return (features * weight).sum(), features

    gradient, features = jax.grad(loss, has_aux=True)(params)
    return features, gradient


@pytest.mark.fast
@pytest.mark.parametrize("kind", ENCODERS)
def test_an_encoder_and_its_gradient_are_those_of_the_equations(kind):
    encoder = ENCODERS[kind]
    params = init(encoder, SPELLED)["params"]
    got, gradient = features_and_gradient(encoder, params, SPELLED, WEIGHT)
    np.testing.assert_allclose(got, literal(params, SPELLED), atol=2e-6)
    assert not np.asarray(got[3]).any()  # of a word without characters
    assert not np.asarray(gradient["Embed_0"]["embedding"][0]).any()  # that of the padding
    direction = random_like(2, params, np.float32)

    def along(step):
        moved = jax.tree.map(
            lambda p, d: np.asarray(p, np.float64) + step * np.asarray(d), params, direction
        )
        return (literal(moved, SPELLED) * WEIGHT).sum()

    want = (along(1e-6) - along(-1e-6)) / 2e-6
    slope = sum(jax.tree.leaves(jax.tree.map(lambda g, d: (g * d).sum(), gradient, direction)))
    np.testing.assert_allclose(slope, want, rtol=1e-4)


@pytest.mark.parametrize("kind", ["lstm", "even width"])
def test_a_words_features_depend_neither_on_neighbours_nor_on_padding(kind):
    encoder = ENCODERS[kind]
    params = init(encoder, SPELLED)["params"]
    features, gradient = features_and_gradient(encoder, params, SPELLED, WEIGHT)
    order = np.array([2, 0, 3, 1])
    padded = np.pad(SPELLED, ((0, 0), (0, 4)))[order]
    others, same = features_and_gradient(encoder, params, padded, WEIGHT[order])
    np.testing.assert_allclose(others, features[order], atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), same, gradient)
    neighbours = np.where(np.arange(4)[:, None] == 1, SPELLED, SPELLED[:1])
    changed, _ = features_and_gradient(encoder, params, neighbours, WEIGHT)
    np.testing.assert_allclose(changed[1], features[1], atol=1e-6)


@pytest.mark.fast
@pytest.mark.parametrize("kind", ["lstm", "convolution"])
def test_a_token_is_its_words_row_beside_its_characters(kind):
    embedder = TokenEmbedder(VOCAB, 3, kind, ALPHABET, FEATURES)
    variables = init(embedder, WORDS, CHARACTERS)
    got = jax.jit(embedder.apply)(variables, WORDS, CHARACTERS)
    assert got.shape == (2, 2, 3 + FEATURES)
    params = variables["params"]
    np.testing.assert_array_equal(got[..., :3], params["words"]["embedding"][WORDS])
    want = literal(params["character_encoder"], SPELLED).reshape(2, 2, FEATURES)
    np.testing.assert_allclose(got[..., 3:], want, atol=2e-6)


def test_words_alone_are_rows():
    embedder = TokenEmbedder(VOCAB, 3)
    variables = init(embedder, WORDS)
    assert jax.tree.map(jnp.shape, variables) == {"params": {"words": {"embedding": (VOCAB, 3)}}}
    got = embedder.apply(variables, WORDS)
    np.testing.assert_array_equal(got, variables["params"]["words"]["embedding"][WORDS])


def test_dropout_drops_each_feature_of_each_token_by_itself():
    embedder = TokenEmbedder(VOCAB, 400, dropout=0.25)
    variables = {"params": {"words": {"embedding": jnp.ones((VOCAB, 400))}}}
    np.testing.assert_array_equal(embedder.apply(variables, WORDS), np.ones((2, 2, 400)))
    on, again, other = (
        np.asarray(embedder.apply(variables, WORDS, rngs={"dropout": jax.random.key(seed)}))
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(on, again)
    values, counts = np.unique(on.round(4), return_counts=True)
    np.testing.assert_allclose(values, [0, 1 / 0.75], rtol=1e-4)
    assert abs(counts[1] / on.size - 0.75) < 0.05  # four standard deviations are 0.043
    tokens = [*on.reshape(4, 400), other[0, 0]]
    for i in range(5):
        for j in range(i):
            assert (tokens[i] != tokens[j]).any()


def test_dropout_reaches_the_characters_too():
    embedder = TokenEmbedder(VOCAB, 3, "convolution", ALPHABET, 40, dropout=0.5)
    variables = init(embedder, WORDS, CHARACTERS)
    rngs = {"dropout": jax.random.key(0)}
    on = np.asarray(jax.jit(embedder.apply)(variables, WORDS, CHARACTERS, rngs=rngs))
    assert 0.2 < (on[0, 0, 3:] == 0).mean() < 0.8


@pytest.mark.parametrize("kind", ["lstm", "convolution"])
def test_bfloat16_computes_in_half(kind):
    embedder = TokenEmbedder(VOCAB, 3, kind, ALPHABET, FEATURES, dtype=jnp.bfloat16)
    variables = init(embedder, WORDS, CHARACTERS)

    @jax.jit
    def run(variables):
        def loss(variables):
            got = embedder.apply(variables, WORDS, CHARACTERS)
            return got.astype(jnp.float32).sum(), got

        gradient, got = jax.grad(loss, has_aux=True)(variables)
        return gradient, got

    gradient, got = run(variables)
    assert got.dtype == jnp.bfloat16
    for tree in (variables, gradient):
        assert {x.dtype for x in jax.tree.leaves(tree)} == {jnp.dtype("float32")}
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(gradient))
    want = literal(variables["params"]["character_encoder"], SPELLED).reshape(2, 2, FEATURES)
    error = np.abs(np.asarray(got, np.float32)[..., 3:] - want)
    assert 1e-4 < error.max() < 0.05


@pytest.mark.parametrize(
    ("options", "characters", "message"),
    [
        ({"characters": "rnn"}, CHARACTERS, "characters must be one of lstm, .* got 'rnn'"),
        ({"characters": "lstm", "character_features": 5}, CHARACTERS, "must be even, .* got 5"),
        ({"characters": "lstm"}, None, "must be the words' characters: the embedder has 'lstm'"),
        ({}, CHARACTERS, "characters must be none: the embedder has None"),
        ({"characters": "lstm"}, CHARACTERS[:1], r"shape \(2, 2\) and one .* got \(1, 2, 5\)"),
        ({"characters": "lstm"}, WORDS, r"shape \(2, 2\) and one axis more, got \(2, 2\)"),
        ({"dropout": 1.0}, None, r"dropout must lie in \[0, 1\), got 1.0"),
    ],
)
def test_bad_input_is_named(options, characters, message):
    embedder = TokenEmbedder(VOCAB, 3, **{"num_characters": ALPHABET, **options})
    with pytest.raises(ValueError, match=message):
        embedder.init(jax.random.key(0), WORDS, characters)


def test_ids_that_are_out_of_range_are_named_but_not_in_the_padding():
    embedder = TokenEmbedder(5, 3, "convolution", 4, 2)
    words, characters = np.array([[1, 4]]), np.array([[[1, 2, 3], [3, 0, 0]]])
    variables = embedder.init(jax.random.key(0), words, characters)
    for given, message in (
        ((words + 1, characters), r"words must lie in \[0, 5\)"),
        ((words - 2, characters), r"words must lie in \[0, 5\)"),
        ((words, characters + 1), r"characters must lie in \[0, 4\)"),
    ):
        with pytest.raises(ValueError, match=message):
            embedder.apply(variables, *given)
        embedder.apply(variables, *given, np.zeros((1, 2), bool))
