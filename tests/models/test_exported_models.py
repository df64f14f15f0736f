"""One program of `jax.export` for all sizes gives what models, decoding and losses give."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from exporting import assert_exports
from oracle import some_full

import rnnjax as rx
from rnnjax import losses, models

EMBEDDER = models.TokenEmbedder(
    vocab_size=9,
    embed_size=3,
    characters="convolution",
    num_characters=5,
    character_features=4,
    dropout=0.5,
)
WORDS = ("b, t", "b, t, ...", "b")
TOKENS = ("b, t", "b")


def tokens(time, batch):
    random = np.random.default_rng(time)
    lengths = random.integers(1, time + 1, size=batch, dtype=np.int32)
    return random.integers(9, size=(batch, time), dtype=np.int32), lengths


def words(time, batch):
    ids, lengths = tokens(time, batch)
    return ids, np.random.default_rng(time).integers(5, size=(*ids.shape, 4)), lengths


def language_model():
    core = rx.Stack((rx.LSTM(4), rx.GRU(4)))
    return models.LanguageModel(9, core, embed_size=3, tie_embeddings=True, dropout=0.5)


def variables_of(model, *args):
    return jax.jit(model.init)(jax.random.key(0), *args)


def test_a_language_model():
    model = language_model()
    variables = variables_of(model, *tokens(2, 1)[:1])

    def run(variables, ids, lengths):
        plain = model.apply(variables, ids, lengths=lengths)
        rngs = {"dropout": jax.random.key(1)}
        loss = model.apply(variables, ids, ids, method="cross_entropy", rngs=rngs)
        score = rx.decoding.log_probability(model, variables, ids, lengths)
        return plain, loss, score

    assert_exports(run, variables, TOKENS, tokens)


@pytest.mark.full
def test_a_sample():
    model = language_model()
    variables = variables_of(model, *tokens(2, 1)[:1])

    def run(variables, ids, lengths):
        options = {"num_tokens": 3, "top_k": 4, "top_p": 0.9}
        return rx.decoding.sample(model, variables, ids, lengths, jax.random.key(0), **options)

    assert_exports(run, variables, TOKENS, tokens)


@pytest.mark.full
def test_a_tagger():
    embedder = models.TokenEmbedder(vocab_size=9, embed_size=3)
    model = models.Tagger(("O", "B-X", "I-X"), embedder, rx.GRU(4), crf=True, scheme="IOB2")
    variables = variables_of(model, tokens(2, 1)[0])

    def run(variables, ids, lengths):
        batch = {"words": ids, "lengths": lengths, "targets": ids % 3, "targets_known": ids < 7}
        answers = model.apply(variables, batch, method="batch_answers")
        return answers, model.apply(variables, batch, method="batch_logits")

    assert_exports(run, variables, TOKENS, tokens)


@pytest.mark.full
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_a_classifier(pooling):
    core = rx.Bidirectional(rx.GRU(4))
    model = models.Classifier(("bad", "good"), EMBEDDER, core, pooling)
    variables = variables_of(model, *words(2, 1))

    def run(variables, ids, characters, lengths):
        rngs = {"dropout": jax.random.key(1)}
        whole = model.apply(variables, ids, characters)
        return whole, model.apply(variables, ids, characters, lengths, rngs=rngs)

    assert_exports(run, variables, WORDS, words)


@pytest.mark.full
@pytest.mark.parametrize("kind", [models.EncoderDecoder, models.PointerGenerator])
def test_an_encoder_decoder(kind):
    model = kind(source_size=9, target_size=9, encoder=rx.GRU(4), decoder=rx.LSTM(4), embed_size=3)
    ids, lengths = tokens(2, 1)
    variables = variables_of(model, ids, lengths, ids)
    options = {"start_token": 2, "stop_token": 3, "num_tokens": 3, "beam": 2}

    def run(variables, ids, lengths):
        best = rx.decoding.translate(model, variables, ids, lengths, **options)
        return best, model.apply(variables, ids, lengths, ids, ids, method="cross_entropy")

    assert_exports(run, variables, TOKENS, tokens)


@pytest.mark.full
def test_a_conditional_language_model():
    reader = models.TextReader(vocab_size=9, embed_size=3, core=rx.GRU(4))
    options = {"reader": reader, "condition_size": 4, "entry": "input"}
    model = models.ConditionalLanguageModel(9, rx.LSTM(4), **options)
    ids, lengths = tokens(2, 1)
    variables = jax.jit(model.init)(jax.random.key(0), ids, condition=(ids, lengths))

    def run(variables, ids, lengths):
        return model.apply(variables, ids, condition=(ids, lengths))

    assert_exports(run, variables, TOKENS, tokens)


@pytest.mark.full
def test_a_masked_language_model_needs_the_bound_of_its_positions():
    config = models.TransformerConfig(
        vocab_size=9, hidden_size=4, layers=1, heads=2, feedforward_size=4, max_length=5
    )
    model = models.MaskedLanguageModel(config)
    variables = variables_of(model, *tokens(2, 1))

    def run(variables, ids, lengths):
        loss = model.apply(variables, ids, ids, ids > 4, lengths, method="cross_entropy")
        return model.apply(variables, ids, lengths), loss

    assert_exports(run, variables, TOKENS, tokens, constraints=["t <= 5"])


def test_a_transcriber():
    model = models.Transcriber(9, rx.Bidirectional(rx.GRU(4)), stack=2, blank=8)

    def frames(time, batch):
        ids, lengths = tokens(time, batch)
        return np.eye(9, dtype=np.float32)[ids], lengths

    def run(variables, frames, lengths):
        logits, steps = model.apply(variables, frames, lengths)
        found = rx.decoding.prefix_beam_search(logits, steps, beam=3, blank=8)
        return logits, rx.decoding.best_path(logits, steps, blank=8), found

    assert_exports(run, variables_of(model, *frames(2, 1)), ("b, t, ...", "b"), frames)


@pytest.mark.full
def test_a_regressor():
    model = models.Regressor(rx.GRU(4), models.StudentTHead(), (1, 3))

    def series(time, batch):
        ids, lengths = tokens(time, batch)
        inputs = np.eye(3, dtype=np.float32)[ids % 3]
        return np.where(inputs, np.nan, inputs), np.stack([inputs, inputs], axis=2), lengths

    def run(variables, inputs, known, lengths):
        outputs = model.apply(variables, inputs, known, lengths)
        batch = {"inputs": inputs, "known": known, "lengths": lengths, "targets": known[..., 0]}
        start = model.apply(variables, inputs, known[:, 0], lengths, method="start")
        return outputs, start, model.apply(variables, batch, method="batch_loss")

    assert_exports(run, variables_of(model, *series(2, 1)), ("b, t, ...", "b, t, ...", "b"), series)


SOFTMAX = losses.AdaptiveSoftmax(9, (2, 4), 1.0)
FEW = {"rows_at_once": 4}
LOSSES = {
    "linear": lambda head, x, t, m: losses.linear_cross_entropy(x, *head, t, m, **FEW),
    "distillation": lambda head, x, t, m: losses.linear_distillation_loss(
        (x, *head), (2 * x, *head), 2.0, m, **FEW
    ),
    "ctc": lambda head, x, t, m: losses.ctc_loss(
        x @ head[0] + head[1][None, None], t % 8, None, m.sum(axis=0) // 3, blank=8
    ),
    "sampled": lambda head, x, t, m: losses.sampled_cross_entropy(
        x, *head, t, jax.random.key(0), num_sampled=3, mask=m
    ),
    "adaptive": lambda head, x, t, m: SOFTMAX.cross_entropy(
        SOFTMAX.init(jax.random.key(0), 3), x, t, m
    ),
}


def rows(time, batch):
    random = np.random.default_rng(time)
    shape = time, batch
    features = random.normal(size=(*shape, 3)).astype(np.float32)
    return features, random.integers(9, size=shape), random.random(shape) < 0.7


@pytest.mark.parametrize("name", some_full(LOSSES, ["linear"]))
def test_a_loss(name):
    def run(*args):
        return jax.value_and_grad(LOSSES[name], (0, 1), has_aux=True)(*args)

    random = np.random.default_rng(0)
    head = jax.tree.map(jnp.float32, (random.normal(size=(3, 9)), random.normal(size=9)))
    assert_exports(run, head, ("t, b, ...", "t, b", "t, b"), rows)
