"""What a student of sentences learns from a teacher's logits, and where those come from."""

from functools import cache, partial
from itertools import pairwise, product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from means import mean_of
from oracle import Echo, random_like, some_full

from rnnjax.data import Answer, Encoded
from rnnjax.inference import answer, ensemble_logits, logits_of
from rnnjax.models import (
    Classifier,
    Tagger,
    TokenEmbedder,
    TransformerClassifier,
    TransformerConfig,
)
from rnnjax.train import taught_loss

VOCAB, LABELS = 7, ("a", "b", "c")
LENGTHS = np.array([3, 0, 1, 3, 2])
STARTS = np.cumsum([0, *LENGTHS])
# Neither in order nor full.
BUCKETS = ([4, 1, 2], [-1, 3, 0], [-1, -1, -1])
KINDS = ("tagger", "classifier", "encoder tagger", "encoder")
KEY = jax.random.key(0)


def is_tagged(kind):
    return "tagger" in kind


@cache
def make(kind, seed=1):
    """A small model and random parameters; nothing of it runs over time."""
    if "encoder" in kind:
        config = TransformerConfig(VOCAB, 4, 1, 2, 4, 4)
        model = TransformerClassifier(config, LABELS, is_tagged(kind))
    elif kind == "classifier":
        model = Classifier(LABELS, TokenEmbedder(VOCAB, 2), Echo(2), "mean")
    else:
        model = Tagger(LABELS, TokenEmbedder(VOCAB, 2), Echo(2), crf="crf" in kind)
    shapes = jax.eval_shape(model.init, KEY, np.zeros((1, 3), int))
    return model, random_like(seed, shapes, np.float32, scale=1.5)["params"]


@cache
def encoded(kind):
    """Sentences with a target, or what a teacher said, or both; where tagged, of their tokens."""
    rng = np.random.default_rng(0)
    name = "tokens" if "encoder" in kind else "words"
    rows = STARTS[-1] if is_tagged(kind) else len(LENGTHS)
    ids = np.array([0, -1, 2, 1, 2, -1, 1, -1, 0], np.int32)[:rows]
    logits = 2 * rng.normal(size=(rows, 3)).astype(np.float32)
    answers = {
        "targets": Answer(ids, is_tagged(kind), ids >= 0),
        "teacher": Answer(logits, is_tagged(kind), np.arange(rows) % 4 != 3),
    }
    # In some sentences each token is a word's first piece, in others not.
    firsts = np.array([True, False, True, True, True, True, False, False, True])
    inputs = {name: rng.integers(VOCAB, size=STARTS[-1])}
    marks = {"firsts": firsts} if kind == "encoder tagger" else {}
    return Encoded(STARTS, inputs, answers, marks=marks)


def batches(kind):
    return [(np.array(rows), encoded(kind).batch(np.array(rows), 3)) for rows in BUCKETS]


@partial(jax.jit, static_argnums=0)
def run(model, params, words, lengths):
    return model.apply({"params": params}, words, lengths=lengths)


@cache
def each_alone(kind, seed=1):
    """The logits of each sentence, `(tokens, labels)` or `(labels,)`, read by itself."""
    model, params = make(kind, seed)

    (words,) = encoded(kind).inputs.values()
    found = []
    for a, n in zip(STARTS, LENGTHS, strict=False):
        row = np.pad(words[a : a + n], (0, 3 - n))[None]  # all of one shape, to compile once
        logits = np.asarray(run(model, params, row, np.array([n]))[0], np.float64)
        found.append(logits[:n] if is_tagged(kind) else logits)
    return found


def softmax(logits):
    exps = np.exp(logits)
    return exps / exps.sum(-1, keepdims=True)


def literal(kind, alpha, temperature):
    """The loss of each that is taught, and its slope by the logits, from the equations."""
    answers = encoded(kind).answers
    students = each_alone(kind)
    students = np.concatenate(students) if is_tagged(kind) else np.array(students)
    losses, slopes = [], []
    for student, teacher, target in zip(
        *(
            x[answers["teacher"].known]
            for x in (students, answers["teacher"].values, answers["targets"].values)
        ),
        strict=True,
    ):
        q, q_soft, p = (
            softmax(student),
            softmax(student / temperature),
            softmax(teacher / temperature),
        )
        share = 1 if target < 0 else alpha
        hard = 0 if target < 0 else -np.log(q[target])
        losses.append((1 - share) * hard + share * temperature**2 * (p * np.log(p / q_soft)).sum())
        slope = share * temperature * (q_soft - p)
        slopes.append(slope + (1 - share) * (q - np.eye(3)[target]))
    return np.array(losses), np.array(slopes)


@pytest.mark.fast
@pytest.mark.parametrize("kind", some_full(KINDS, ["tagger", "encoder"]))
def test_the_loss_is_the_mean_of_the_equations_over_what_the_teacher_answered(kind):
    model, params = make(kind)
    whole = encoded(kind).batch(np.array([3, -1, 1, 0, 2, 4]), 4)
    loss = mean_of(taught_loss(model, alpha=0.3, temperature=2.0))

    @jax.jit
    @partial(jax.value_and_grad, argnums=(0, 1), has_aux=True)
    def step(params, teacher):
        return loss(params, (), {**whole, "teacher": teacher}, KEY)

    (got, carry), (gradient, of_teacher) = step(params, whole["teacher"])
    losses, slopes = literal(kind, 0.3, 2.0)
    np.testing.assert_allclose(got, losses.mean(), rtol=1e-4)
    assert carry == ()
    # The last bias is added to all logits.
    head = gradient["head"].get("output", gradient["head"])
    np.testing.assert_allclose(head["bias"], slopes.mean(axis=0), atol=1e-5)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    assert not np.asarray(of_teacher).any()


def test_other_divergences_are_passed_on():
    model, params = make("classifier")
    batch = encoded("classifier").batch(np.arange(5), 3)
    batch["targets_known"] = np.zeros(5, bool)
    loss = mean_of(taught_loss(model, alpha=0.3, temperature=3.0, kind="logit_mse"))
    got, _ = jax.jit(loss)(params, None, batch, KEY)
    apart = (np.array(each_alone("classifier")) - batch["teacher"])[batch["teacher_known"]]
    np.testing.assert_allclose(got, (apart**2).mean(), rtol=1e-5)


@pytest.mark.parametrize("kind", some_full(["tagger", "classifier"], ["tagger"]))
def test_what_was_not_answered_and_what_is_padding_teach_nothing(kind):
    model, params = make(kind)
    loss = mean_of(taught_loss(model, alpha=0.3, temperature=2.0))
    step = jax.jit(jax.value_and_grad(loss, has_aux=True))
    rows = np.array([-1, 0, 3, 4])
    batch = encoded(kind).batch(rows, 3)
    want = step(params, None, batch, KEY)
    unanswered = ~batch["teacher_known"]
    wild = {
        "teacher": np.where(unanswered[..., None], np.float32(np.nan), batch["teacher"]),
        "targets": np.where(unanswered, 2, batch["targets"]),
    }
    got = step(params, None, batch | wild, KEY)
    jax.tree.map(np.testing.assert_array_equal, got, want)
    # Where nothing was answered, or there is nothing to answer, the loss is 0.
    for nothing in (
        batch | {"teacher_known": np.zeros_like(batch["teacher_known"])},
        encoded(kind).batch(-1 + 0 * rows, 3),
    ):
        (loss, _), gradient = step(params, None, nothing, KEY)
        assert loss == 0
        assert not any(np.asarray(leaf).any() for leaf in jax.tree.leaves(gradient))


def test_the_key_drops_out():
    model = Classifier(LABELS, TokenEmbedder(VOCAB, 2, dropout=0.5), Echo(2), "mean")
    _, params = make("classifier")
    loss = jax.jit(
        partial(
            mean_of(taught_loss(model, alpha=0.3, temperature=2.0)),
            params,
            None,
            encoded("classifier").batch(np.arange(5), 3),
        )
    )
    on, again, other = (float(loss(jax.random.key(seed))[0]) for seed in (0, 0, 1))
    assert on == again != other


def test_a_student_with_a_random_field_is_refused():
    model, _ = make("crf tagger")
    with pytest.raises(ValueError, match="crf must be False for a student"):
        taught_loss(model, alpha=0.5, temperature=2.0)


def test_bad_values_are_named():
    model, params = make("classifier")
    batch = encoded("classifier").batch(np.arange(5), 3)
    for options, message in (
        ({"alpha": 1.5, "temperature": 1.0}, "alpha must"),
        ({"alpha": 0.5, "temperature": 0.0}, "temperature must"),
    ):
        with pytest.raises(ValueError, match=message):
            jax.eval_shape(mean_of(taught_loss(model, **options)), params, None, batch, KEY)


def cut(kind, logits):
    """Keep the first pieces, where tokens are pieces of words."""
    if kind != "encoder tagger":
        return logits
    firsts = encoded(kind).marks["firsts"]
    return [each[firsts[a : a + len(each)]] for each, a in zip(logits, STARTS, strict=False)]


@pytest.mark.parametrize("kind", some_full(KINDS, ["classifier", "encoder tagger"]))
def test_logits_stand_in_the_sentences_order(kind):
    model, params = make(kind)
    got = logits_of(model, params, batches(kind), len(LENGTHS))
    wants = cut(kind, each_alone(kind))
    if kind == "encoder tagger":
        assert [len(each) for each in got] == [2, 0, 1, 2, 1]
    for each, want in zip(got, wants, strict=True):
        assert (each.shape, each.dtype) == (want.shape, np.float32)
        np.testing.assert_allclose(each, want, atol=1e-5)


def test_an_encoder_answers_at_the_first_piece_of_each_word():
    kind = "encoder tagger"
    model, params = make(kind)
    answers, loss = answer(model, params, batches(kind), len(LENGTHS))
    for got, logits in zip(answers, cut(kind, each_alone(kind)), strict=True):
        np.testing.assert_array_equal(got, logits.argmax(axis=-1))
    targets = encoded(kind).answers["targets"].values
    picked = np.log(softmax(np.concatenate(each_alone(kind))))[np.arange(len(targets)), targets]
    np.testing.assert_allclose(loss, -picked[targets >= 0].mean(), rtol=1e-5)


@pytest.mark.parametrize("kind", some_full(["classifier", "encoder tagger"], ["encoder tagger"]))
def test_an_ensemble_gives_the_logarithm_of_the_mean_probability(kind):
    seeds = (1, 2, 3)
    together = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(make(kind, i)[1] for i in seeds))
    got = ensemble_logits(make(kind)[0], together, batches(kind), len(LENGTHS))
    alone = [cut(kind, each_alone(kind, seed)) for seed in seeds]
    for each, logits in zip(got, zip(*alone, strict=True), strict=True):
        want = np.log(np.mean([softmax(one) for one in logits], axis=0))
        assert (each.shape, each.dtype) == (want.shape, np.float32)
        np.testing.assert_allclose(each, want, atol=1e-5)


def marginals(emissions, scores):
    """Each tag's probability at each token, summed over all sequences of tags."""
    total = np.zeros_like(emissions)
    for tags in product(range(3), repeat=len(emissions)):
        score = sum(row[tag] for row, tag in zip(emissions, tags, strict=True))
        score += scores["start"][tags[0]] + scores["end"][tags[-1]]
        score += sum(scores["between"][a, b] for a, b in pairwise(tags))
        for t, tag in enumerate(tags):
            total[t, tag] += np.exp(score)
    return total / total.sum(-1, keepdims=True)


def test_logits_of_a_random_field_are_those_of_its_marginals():
    kind = "crf tagger"
    model, params = make(kind)
    found = logits_of(model, params, batches(kind), len(LENGTHS))
    scores = {name: np.asarray(params[name], np.float64) for name in ("start", "between", "end")}
    for logits, emissions in zip(found, each_alone(kind), strict=True):
        assert logits.shape == emissions.shape
        if len(emissions):
            want = marginals(emissions, scores)
            np.testing.assert_allclose(softmax(logits), want, atol=1e-5)
            np.testing.assert_allclose(logits, np.log(want), atol=1e-4)
    # Of one member, an ensemble is that member.
    one = jax.tree.map(lambda leaf: leaf[None], params)
    for got, want in zip(ensemble_logits(model, one, batches(kind), 5), found, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5)


def test_what_a_scheme_forbids_has_a_logit_that_a_loss_can_do_with():
    tags = ("B-X", "I-X", "O")
    model = Tagger(tags, TokenEmbedder(VOCAB, 2), Echo(2), crf=True, scheme="IOB2")
    _, params = make("crf tagger")
    found = logits_of(model, params, batches("crf tagger"), 5)
    for logits, n in zip(found, LENGTHS, strict=True):
        assert np.isfinite(logits).all()
        if n:
            # Nothing is inside a span before one has begun.
            assert softmax(logits)[0, 1] < 1e-30
            np.testing.assert_allclose(softmax(logits).sum(-1), 1, rtol=1e-5)
