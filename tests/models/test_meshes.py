"""Models, losses and decoding on a mesh of either kind of axes give what one device gives."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import rnnjax as rx
from rnnjax import losses, models

RANDOM = np.random.default_rng(0)
IDS = RANDOM.integers(9, size=(4, 5), dtype=np.int32)
CHARACTERS = RANDOM.integers(5, size=(4, 5, 3), dtype=np.int32)
LENGTHS, KNOWN = np.array([5, 3, 1, 4]), RANDOM.random((4, 5)) < 0.8
KEY = jax.random.key(0)


def embedder(characters):
    return models.TokenEmbedder(9, 3, characters, num_characters=5, character_features=4)


def tagger(characters="lstm"):
    core = rx.Bidirectional(rx.GRU(3))
    return models.Tagger(("O", "B-X", "I-X"), embedder(characters), core, True, "IOB2")


LM = models.LanguageModel(9, rx.Stack((rx.LSTM(4), rx.GRU(4)), dropout=0.5), 3, True, 0.5)
CLASSIFIER = models.Classifier(("a", "b"), embedder("convolution"), rx.GRU(4), "attention")
PAIRS = models.PairClassifier(("a", "b"), embedder("convolution"), rx.GRU(4), hidden=3)
QUESTIONS = models.QuestionAnswerer(9, 3, rx.GRU(4), rx.Bidirectional(rx.GRU(4)))
TRANSLATOR = models.EncoderDecoder(9, 9, rx.Bidirectional(rx.GRU(4)), rx.LSTM(4), embed_size=3)
COPIER = models.PointerGenerator(9, 9, rx.GRU(4), rx.LSTM(4), embed_size=3)
MASKED = models.MaskedLanguageModel(
    models.TransformerConfig(
        vocab_size=9, hidden_size=4, layers=1, heads=2, feedforward_size=4, max_length=5
    )
)
SOFTMAX = losses.AdaptiveSoftmax(9, (2, 4), 1.0)
READ, TAGGED = (IDS,), (IDS, CHARACTERS, LENGTHS)


def made(model, *args):
    return lambda: model.init(KEY, *args)


def head():
    random = np.random.default_rng(1)
    return jax.tree.map(jnp.float32, (random.normal(size=(3, 9)), random.normal(size=9)))


ROWS = (RANDOM.normal(size=(4, 3)).astype(np.float32), IDS[:, 0], KNOWN[:, 0])


def language_model(variables, ids, lengths, rngs=None):
    nats = LM.apply(variables, ids, ids, method="cross_entropy", rngs=rngs)[1]
    return nats - rx.decoding.log_probability(LM, variables, ids, lengths).sum()


def tags(variables, ids, characters, lengths):
    batch = {"words": ids, "characters": characters, "lengths": lengths}
    batch |= {"targets": ids % 3, "targets_known": ids < 7}
    return tagger().apply(variables, batch, method="batch_answers")[1].total


def answers(variables, ids, lengths):
    batch = {"words": ids, "question": ids, "lengths": lengths, "question_lengths": lengths}
    batch |= {"starts": lengths // 3, "ends": lengths - 1, "starts_known": lengths > 1}
    return QUESTIONS.apply(variables, batch, method="batch_answers")[1].total


def linear(head, features, targets, mask):
    options = {"rows_at_once": 2}
    nats, _ = losses.linear_cross_entropy(features, *head, targets, mask, **options)
    teacher = 2 * features, *head
    return nats + losses.linear_distillation_loss((features, *head), teacher, 2.0, mask)[0]


def sampled(head, features, targets, mask):
    return losses.sampled_cross_entropy(features, *head, targets, KEY, num_sampled=3, mask=mask)[0]


def transcripts(head, features, targets, lengths):
    logits = jnp.swapaxes(features @ head[0], 0, 1) + head[1][None, None]
    return losses.ctc_loss(logits, targets.T, lengths, lengths // 2, blank=8)[0]


FRAMES = RANDOM.normal(size=(4, 5, 3)).astype(np.float32), IDS[:, :2] % 8, LENGTHS

TRANSCRIBER = models.Transcriber(9, rx.Bidirectional(rx.GRU(3)), stack=2, blank=8, dropout=0.5)


def transcriber(variables, frames, targets, lengths):
    batch = {"frames": frames, "lengths": lengths, "targets": targets}
    batch |= {"target_lengths": lengths // 2}
    return TRANSCRIBER.apply(variables, batch, method="batch_loss", rngs={"dropout": KEY}).total


# The function, what makes its parameters, and its other arguments, which are divided.
CASES = {
    "language model": (language_model, made(LM, IDS), (IDS, LENGTHS)),
    "dropout": (
        lambda *args: language_model(*args, rngs={"dropout": KEY}),
        made(LM, IDS),
        (IDS, LENGTHS),
    ),
    "tagger": (tags, made(tagger(), *TAGGED), TAGGED),
    "classifier": (
        lambda p, *args: (CLASSIFIER.apply(p, *args) ** 2).sum(),
        made(CLASSIFIER, *TAGGED),
        TAGGED,
    ),
    "pairs": (
        lambda p, ids, marks, n: (PAIRS.apply(p, ids, n // 2, marks, n) ** 2).sum(),
        made(PAIRS, IDS, LENGTHS, CHARACTERS),
        TAGGED,
    ),
    "questions": (answers, made(QUESTIONS, IDS, IDS, LENGTHS, LENGTHS), (IDS, LENGTHS)),
    "translator": (
        lambda p, ids, n: TRANSLATOR.apply(p, ids, n, ids, ids, method="cross_entropy")[0],
        made(TRANSLATOR, IDS, LENGTHS, IDS),
        (IDS, LENGTHS),
    ),
    "copier": (
        lambda p, ids, n: COPIER.apply(p, ids, n, ids, ids, method="cross_entropy")[0],
        made(COPIER, IDS, LENGTHS, IDS),
        (IDS, LENGTHS),
    ),
    "masked": (
        lambda p, ids, n: MASKED.apply(p, ids, ids, ids > 3, n, method="cross_entropy")[0],
        made(MASKED, IDS, LENGTHS),
        (IDS, LENGTHS),
    ),
    "linear": (linear, head, ROWS),
    "sampled": (sampled, head, ROWS),
    "ctc": (transcripts, head, FRAMES),
    "transcriber": (transcriber, made(TRANSCRIBER, FRAMES[0]), FRAMES),
    "adaptive": (lambda *a: SOFTMAX.cross_entropy(*a)[0], lambda: SOFTMAX.init(KEY, 3), ROWS),
}
QUICK = [
    ("dropout", "explicit"),
    ("linear", "explicit"),
    ("sampled", "explicit"),
    ("ctc", "explicit"),
    ("language model", "shard_map"),
]
# Each device would draw its own dropout; JAX's convolution wants placed parameters.
APART = [("dropout", "shard_map"), ("transcriber", "shard_map")]
APART += [("classifier", "unplaced"), ("pairs", "unplaced")]
KINDS = ("explicit", "auto", "unplaced", "shard_map")
GRID = [(name, kind) for name in CASES for kind in KINDS if (name, kind) not in APART]


def on_shards(function, mesh, number):
    def one(params, *args):
        return jax.lax.psum(function(params, *args), "data")

    specs = PartitionSpec(), *(PartitionSpec("data"),) * number
    return jax.shard_map(one, mesh=mesh, in_specs=specs, out_specs=PartitionSpec())


@pytest.mark.parametrize(
    ("name", "kind"),
    [pytest.param(*one, marks=() if one in QUICK else pytest.mark.full) for one in GRID],
)
def test_value_and_gradient(name, kind):
    function, make, args = CASES[name]
    params = jax.jit(make)()
    run = jax.jit(jax.value_and_grad(function))
    want = jax.device_get(run(params, *args))
    kinds = (AxisType.Auto if kind == "auto" else AxisType.Explicit,)
    mesh = jax.make_mesh((2,), ("data",), axis_types=kinds)
    divided = jax.device_put(args, NamedSharding(mesh, PartitionSpec("data")))
    if kind != "unplaced":
        params = jax.device_put(params, NamedSharding(mesh, PartitionSpec()))
    if kind == "shard_map":
        run = jax.jit(jax.value_and_grad(on_shards(function, mesh, len(args))))
    with jax.set_mesh(mesh):
        got = jax.device_get(run(params, *divided))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), got, want)


@pytest.mark.full
def test_decoding_on_a_mesh_of_explicit_axes():
    variables = made(LM, IDS)()
    others = made(TRANSLATOR, IDS, LENGTHS, IDS)()
    copier = made(COPIER, IDS, LENGTHS, IDS)()
    options = {"start_token": 2, "stop_token": 3, "num_tokens": 3, "beam": 2}

    def run(ids, lengths):
        drawn = rx.decoding.sample(LM, variables, ids, lengths, KEY, num_tokens=3, top_k=3)
        best = rx.decoding.translate(TRANSLATOR, others, ids, lengths, **options)
        copied = rx.decoding.translate(COPIER, copier, ids, lengths, **options)
        frames = jax.nn.one_hot(ids, 9)
        spoken = rx.decoding.best_path(frames, lengths)
        found = rx.decoding.prefix_beam_search(
            frames, lengths, beam=2, language_model=LM, variables=variables
        )
        return drawn, best.tokens, copied.tokens, spoken, found

    mesh = jax.make_mesh((2,), ("data",))
    divided = jax.device_put((IDS, LENGTHS), NamedSharding(mesh, PartitionSpec("data")))
    with jax.set_mesh(mesh):
        got = jax.device_get(run(*divided))
    jax.tree.map(np.testing.assert_array_equal, got, jax.device_get(run(IDS, LENGTHS)))
