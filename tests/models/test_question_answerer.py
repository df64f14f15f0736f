from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import random_like

import rnnjax as rx
from rnnjax.models import QuestionAnswerer

VOCAB, TIME, ASKED = 7, 5, 3
LENGTHS = np.array([5, 3, 1])
ASKED_LENGTHS = np.array([3, 1, 2])
STARTS, ENDS = np.array([1, 0, 0]), np.array([3, 2, 0])
RNG = np.random.default_rng(0)
STORY, QUESTION = RNG.integers(VOCAB, size=(3, TIME)), RNG.integers(VOCAB, size=(3, ASKED))


def padded(words, lengths, junk):
    return np.where(np.arange(words.shape[1]) < lengths[:, None], words, junk)


def make(**options):
    core = rx.Bidirectional(rx.Elman(2))
    model = QuestionAnswerer(
        options.pop("vocab_size", VOCAB), 3, question_core=rx.Elman(4), story_core=core, **options
    )
    shapes = jax.eval_shape(model.init, jax.random.key(0), STORY, QUESTION, LENGTHS, ASKED_LENGTHS)
    return model, random_like(1, shapes, np.float32)


def softmax(x):
    shares = np.exp(x - x.max())
    return shares / shares.sum()


def literal(model, params, story, question):
    """p(start, end) of all spans of one story `(words, words)`, step by step in float64."""
    p = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    table = p["embedding"]["embedding"]
    xs, asked = table[story], table[question]

    def rnn(core, xs):
        h, hs = np.zeros(core["w_h"].shape[0]), []
        for x in xs:
            h = np.tanh(x @ core["w_x"] + h @ core["w_h"] + core["b"])
            hs.append(h)
        return np.stack(hs)

    reader = p["question_reader"]
    hs = rnn(reader["rnn"]["core"], asked)
    scores = np.tanh(hs @ reader["attention"]["kernel"] + reader["attention"]["bias"])
    q = softmax((scores @ reader["query"]["kernel"])[:, 0]) @ hs
    keys = asked @ p["align"]["key"]["kernel"]
    queries = xs @ p["align"]["query"]["kernel"] + p["align"]["query"]["bias"]
    aligned = np.stack([softmax(keys @ each / np.sqrt(3)) @ asked for each in queries])
    read = np.concatenate([xs, aligned], axis=-1)
    core = p["story_reader"]["core"]
    ys = np.concatenate(
        [rnn(core["forward"], read), rnn(core["backward"], read[::-1])[::-1]], axis=-1
    )
    starts = softmax(ys @ (q @ p["start"]["kernel"]))
    found = np.zeros((len(story), len(story)))
    for s in range(len(story)):
        wanted = q @ p["end"]["kernel"] + ys[s] @ p["end_from_start"]["kernel"]
        found[s, s:] = starts[s] * softmax(ys[s:] @ wanted)
    return found


def test_spans_have_the_probabilities_of_the_equations_whatever_pads_them():
    model, variables = make()

    @jax.jit
    def run(variables, story, question):
        lengths = jnp.asarray(LENGTHS), jnp.asarray(ASKED_LENGTHS)
        batch = {
            "words": story,
            "question": question,
            "lengths": lengths[0],
            "question_lengths": lengths[1],
            "starts": STARTS,
            "ends": ENDS,
            "starts_known": np.array([True, True, False]),
        }
        logs = model.apply(variables, story, question, *lengths)
        answers, loss = model.apply(variables, batch, method="batch_answers")
        same = model.apply(variables, batch, method="batch_loss")

        def total(variables):
            return model.apply(variables, batch, method="batch_loss").total

        return logs, answers, loss, same, jax.grad(total)(variables)

    want = [
        literal(model, variables["params"], STORY[b, :n], QUESTION[b, :m])
        for b, (n, m) in enumerate(zip(LENGTHS, ASKED_LENGTHS, strict=True))
    ]
    nats = -sum(np.log(want[b][STARTS[b], ENDS[b]]) for b in range(2))
    gradients = []
    for junk in (0, VOCAB, -9):
        words = padded(STORY, LENGTHS, junk), padded(QUESTION, ASKED_LENGTHS, junk)
        logs, answers, loss, same, gradient = run(variables, *words)
        gradients.append(gradient)
        for b, n in enumerate(LENGTHS):
            np.testing.assert_allclose(np.exp(logs[b, :n, :n]), want[b], atol=1e-5)
            # What is no span of the story has no share.
            np.testing.assert_allclose(np.exp(logs[b]).sum(), 1, atol=1e-5)
            best = max(product(range(n), range(n)), key=lambda span, b=b: want[b][span])
            assert tuple(answers[b].tolist()) == best
        for each in (loss, same):
            assert int(each.number) == 2
            np.testing.assert_allclose(each.total, nats, rtol=1e-4)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
        jax.tree.map(np.testing.assert_array_equal, gradient, gradients[0])


def test_stories_and_questions_may_be_empty():
    model, variables = make()
    none = np.zeros(3, np.int32)
    batch = {"words": STORY, "question": QUESTION, "lengths": none, "question_lengths": none}
    batch |= {"starts": none, "ends": none, "starts_known": none > 0}

    @jax.jit
    @jax.grad
    def gradient(variables):
        return model.apply(variables, batch, method="batch_loss").total

    assert not any(np.asarray(leaf).any() for leaf in jax.tree.leaves(gradient(variables)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocab_size": 0}, "vocab_size must be"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, STORY[0], r"story must be integers of shape \(batch, time\)"),
        (1, QUESTION + VOCAB, "question must"),
        (2, LENGTHS[:1], r"story_lengths must be integers of shape \(3,\)"),
        (3, ASKED_LENGTHS.astype(float), "question_lengths must be integers"),
    ],
)
def test_bad_input_is_named(place, value, message):
    model, variables = make()
    arguments = [STORY, QUESTION, LENGTHS, ASKED_LENGTHS]
    arguments[place] = value
    with pytest.raises(ValueError, match=message):
        model.apply(variables, *arguments)
