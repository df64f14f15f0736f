from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import random_like

from rnnjax.models import (
    MaskedLanguageModel,
    TransformerClassifier,
    TransformerConfig,
    TransformerEncoder,
)

VOCAB, HIDDEN, TIME = 9, 6, 5
LABELS = ("a", "b", "c")
LENGTHS = np.array([5, 3, 1, 0])
INSIDE = np.arange(TIME) < LENGTHS[:, None]
RNG = np.random.default_rng(0)
TOKENS = RNG.integers(VOCAB, size=(4, TIME))
IDS = {
    "segments": RNG.integers(2, size=(4, TIME)),
    "languages": RNG.integers(3, size=(4, TIME)),
    "positions": RNG.integers(7, size=(4, TIME)),
}


def config(**options):
    return TransformerConfig(VOCAB, HIDDEN, 1, 2, 8, 7, num_segments=2, num_languages=3, **options)


def make(per_token=False, labels=LABELS, head_dropout=0.0, **options):
    model = TransformerClassifier(config(**options), labels, per_token, head_dropout)
    shapes = jax.eval_shape(model.init, jax.random.key(0), TOKENS, **IDS)
    return model, random_like(1, shapes, np.float32, scale=0.5)["params"]


@pytest.mark.fast
@pytest.mark.parametrize("per_token", [False, True])
def test_logits_and_their_gradient_are_those_of_a_linear_layer_on_the_features(per_token):
    model, params = make(per_token)
    encoder = TransformerEncoder(model.config)
    features = jax.jit(encoder.apply)({"params": params["encoder"]}, TOKENS, LENGTHS, **IDS)
    features = np.asarray(features, np.float64)
    weight = np.random.default_rng(1).normal(size=(4, TIME, 3)).astype(np.float32)
    if not per_token:
        features, weight = features[:, 0], weight[:, 0]

    @jax.jit
    @partial(jax.grad, has_aux=True)
    def run(params):
        logits = model.apply({"params": params}, TOKENS, LENGTHS, **IDS)
        return (logits * weight).sum(), logits

    gradient, got = run(params)
    kernel, bias = (np.asarray(params["head"][name], np.float64) for name in ("kernel", "bias"))
    want = features @ kernel
    assert (got.shape, got.dtype) == ((*features.shape[:-1], 3), jnp.float32)
    np.testing.assert_allclose(got, want + np.broadcast_to(bias, want.shape), atol=1e-5)
    rows = tuple(range(features.ndim - 1))
    np.testing.assert_allclose(
        gradient["head"]["kernel"], np.tensordot(features, weight, (rows, rows)), atol=1e-5
    )
    np.testing.assert_allclose(gradient["head"]["bias"], weight.sum(rows), atol=1e-5)
    for leaf in jax.tree.leaves(gradient["encoder"]):
        assert np.isfinite(leaf).all()
    assert np.asarray(gradient["encoder"]["token_embedding"]["embedding"]).any()


@pytest.mark.parametrize("per_token", [False, True])
def test_what_stands_in_the_padding_reaches_nothing(per_token):
    model, params = make(per_token)
    counted = INSIDE if per_token else LENGTHS > 0

    @jax.jit
    @partial(jax.value_and_grad, has_aux=True)
    def run(params, tokens, ids):
        logits = model.apply({"params": params}, tokens, LENGTHS, **ids)
        return jnp.where(counted[..., None], logits**2, 0).sum(), logits

    want, want_gradient = run(params, TOKENS, IDS)
    for junk in (-1, 99, np.iinfo(np.int32).min):
        ids = {name: np.where(INSIDE, values, junk) for name, values in IDS.items()}
        got, gradient = run(params, np.where(INSIDE, TOKENS, junk), ids)
        jax.tree.map(np.testing.assert_array_equal, (got, gradient), (want, want_gradient))
    # Of no tokens, a sentence has no features, and its logits are the bias.
    empty = want[1][3]
    np.testing.assert_array_equal(empty, np.broadcast_to(params["head"]["bias"], empty.shape))


def test_it_goes_on_from_what_a_masked_language_model_learnt():
    model, params = make(True, labels=tuple("abcdef"))
    pretrained = MaskedLanguageModel(model.config)
    variables = jax.jit(pretrained.init)(jax.random.key(1), TOKENS, **IDS)
    encoder = variables["params"]["encoder"]
    assert jax.tree.map(jnp.shape, encoder) == jax.tree.map(jnp.shape, params["encoder"])
    # With a head that changes nothing, logits are the features that the other model reads too.
    head = {"kernel": np.eye(HIDDEN, dtype=np.float32), "bias": np.zeros(HIDDEN, np.float32)}
    got = jax.jit(model.apply)({"params": {"encoder": encoder, "head": head}}, TOKENS, **IDS)
    want = jax.jit(partial(pretrained.apply, capture_intermediates=True))(variables, TOKENS, **IDS)
    (features,) = want[1]["intermediates"]["encoder"]["__call__"]
    np.testing.assert_allclose(got, features, atol=1e-6)


@pytest.mark.parametrize("where", ["features", "encoder", "nowhere"])
def test_dropout_is_on_where_there_is_an_rng(where):
    rates = {"head_dropout": 0.5 * (where == "features"), "dropout": 0.5 * (where == "encoder")}
    # As many labels as features, and a head that changes nothing.
    model, params = make(labels=tuple("abcdef"), **rates)
    head = {"kernel": np.eye(HIDDEN, dtype=np.float32), "bias": np.zeros(HIDDEN, np.float32)}
    run = jax.jit(partial(model.apply, {"params": {**params, "head": head}}, TOKENS, **IDS))
    on, off, again = run(rngs={"dropout": jax.random.key(0)}), run(), run()
    np.testing.assert_array_equal(off, again)
    if where == "nowhere":
        np.testing.assert_allclose(on, off, atol=1e-6)
    elif where == "features":
        kept = np.asarray(on) != 0
        assert 0 < kept.sum() < kept.size
        np.testing.assert_allclose(on, np.where(kept, 2 * off, 0), atol=1e-6)
    else:
        assert np.asarray(on).all()
        assert not np.isclose(on, off, atol=1e-3).any(axis=0).all()


def test_logits_are_float32_whatever_is_computed_in():
    model, params = make(dtype="bfloat16")
    exact, _ = make()
    got, want = (
        jax.jit(m.apply)({"params": params}, TOKENS, LENGTHS, **IDS) for m in (model, exact)
    )
    assert got.dtype == jnp.float32
    assert 1e-5 < np.abs(got - want).max() < 0.1


def test_it_hashes_by_its_attributes_as_a_static_argument_must():
    (model, _), (same, _), (other, _) = make(), make(), make(True)
    assert model == same
    assert hash(model) == hash(same)
    assert model != other


def test_a_batch_of_no_sentences_is_one_of_no_logits():
    model, params = make()
    none = {name: values[:0] for name, values in IDS.items()}
    assert jax.jit(model.apply)({"params": params}, TOKENS[:0], **none).shape == (0, 3)
    model, params = make(True)
    empty = {name: values[:, :0] for name, values in IDS.items()}
    assert jax.jit(model.apply)({"params": params}, TOKENS[:, :0], **empty).shape == (4, 0, 3)


@pytest.mark.parametrize(
    ("options", "tokens", "ids", "message"),
    [
        ({"labels": ()}, TOKENS, IDS, r"labels must be distinct and at least one, got \(\)"),
        ({"labels": ("a", "a")}, TOKENS, IDS, "labels must be distinct"),
        ({"dropout": 1.0}, TOKENS, IDS, r"dropout must lie in \[0, 1\), got 1.0"),
        (
            {},
            TOKENS[:, :0],
            {name: values[:, :0] for name, values in IDS.items()},
            r"tokens must have at least one step, got shape \(4, 0\)",
        ),
        ({}, TOKENS[0], IDS, r"tokens must have shape \(batch, time\)"),
        ({}, TOKENS, {**IDS, "segments": None}, "segments must be given"),
    ],
)
def test_what_does_not_fit_is_named(options, tokens, ids, message):
    model = TransformerClassifier(**{"config": config(), "labels": LABELS, **options})
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(lambda key: model.init(key, tokens, **ids), jax.random.key(0))


WORDS = np.array([[0, 1, 1, 2, 0], [0, 1, 0, 0, 0], [0] * 5, [0] * 5])


def test_features_of_a_word_are_the_mean_of_its_pieces():
    first, params = make(per_token=True)
    mean = first.clone(word_features="mean")
    encoder = TransformerEncoder(first.config)
    features = jax.jit(encoder.apply)({"params": params["encoder"]}, TOKENS, LENGTHS, **IDS)
    features = np.asarray(features, np.float64)
    got = jax.jit(mean.apply)({"params": params}, TOKENS, LENGTHS, words=WORDS, **IDS)
    kernel, bias = (np.asarray(params["head"][name], np.float64) for name in ("kernel", "bias"))
    for row, numbers in enumerate(WORDS):
        for number in set(numbers.tolist()) - {0}:
            places = np.flatnonzero(numbers == number)
            want = features[row, places].mean(axis=0) @ kernel + bias
            for place in places:
                np.testing.assert_allclose(got[row, place], want, atol=1e-5)


def test_words_are_given_where_they_are_read():
    model, params = make(per_token=True)
    call = partial(model.apply, {"params": params}, TOKENS, LENGTHS, **IDS)
    with pytest.raises(ValueError, match="words must be given if and only if"):
        call(words=WORDS)
    model = model.clone(word_features="mean")
    with pytest.raises(ValueError, match="words must be given if and only if"):
        model.apply({"params": params}, TOKENS, LENGTHS, **IDS)
    with pytest.raises(ValueError, match="words must have the shape of tokens"):
        model.apply({"params": params}, TOKENS, LENGTHS, **IDS, words=WORDS[:, :1])
    with pytest.raises(ValueError, match="word_features must be first or mean, got 'last'"):
        model.clone(word_features="last").apply({"params": params}, TOKENS, LENGTHS, **IDS)
