import itertools
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax as rx
from rnnjax.decoding import Stream, completions
from rnnjax.models import LanguageModel

VOCAB, START = 5, 4
INSIDE = np.array([True, True, False, True, False])


@cache
def small():
    model = LanguageModel(VOCAB, rx.GRU(6), embed_size=4)
    variables = model.init(jax.random.key(1), jnp.zeros((1, 1), jnp.int32))
    return model, jax.tree.map(lambda x: 3 * x, variables)


@cache
def evaluate():
    model, variables = small()
    apply = jax.jit(lambda row: jax.nn.log_softmax(model.apply(variables, row)[1]))

    def logs(tokens):
        """Log-probabilities after START and tokens, from one evaluation of all, in one shape."""
        row = np.zeros((1, 8), np.int32)
        row[0, : len(tokens) + 1] = [START, *tokens]
        return np.asarray(apply(row)[0, len(tokens)], np.float64)

    return logs


def test_a_text_that_changes_at_its_end_is_read_from_where_it_does():
    stream = Stream(*small(), START)
    steps = []
    for text in ([], [1], [1, 2, 3], [1, 2], [1, 0, 3], [], [1, 0, 3]):
        steps.append(stream.read(text))
        np.testing.assert_allclose(stream.log_probabilities, evaluate()(text), atol=1e-5)
    assert steps == [0, 1, 2, 0, 2, 0, 3]


def test_a_stream_goes_on_after_an_interruption(monkeypatch):
    stream = Stream(*small(), START)
    stream.read([1, 2, 3, 0])
    step, left = stream._step, iter([True])

    def interrupted(state, token):
        if next(left, False):
            return step(state, token)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stream, "_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            stream.read([1, 0, 3, 3])
    assert stream.read([1, 2, 3, 0]) == 3
    np.testing.assert_allclose(stream.log_probabilities, evaluate()([1, 2, 3, 0]), atol=1e-5)
    assert stream.read([1, 2]) == 0


def test_a_stream_starts_from_the_state_it_is_given():
    model, variables = small()
    before, _ = model.apply(variables, jnp.array([[START, 1]]))
    stream = Stream(model, variables, 2, initial_state=before)
    np.testing.assert_allclose(stream.log_probabilities, evaluate()([1, 2]), atol=1e-5)


def test_tokens_outside_the_vocabulary_are_named():
    stream = Stream(*small(), START)
    with pytest.raises(ValueError, match=r"tokens must lie in \[0, 5\), got values from 0 to 7"):
        stream.read([7])


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("text", [(), (1, 3)])
def test_completions_are_the_best_of_all_words(text, begun):
    """Against every word of up to four tokens, each evaluated by itself."""
    stream = Stream(*small(), START)
    stream.read(text)
    words = [
        word
        for length in range(0 if begun else 1, 4)
        for word in itertools.product(np.flatnonzero(INSIDE).tolist(), repeat=length)
    ]
    first = np.logaddexp.reduce(evaluate()(text)[INSIDE])
    want = {}
    for word in words:
        logs = [evaluate()([*text, *word[:i]]) for i in range(len(word) + 1)]
        total = sum(log[token] for log, token in zip(logs, word, strict=False))
        want[word] = total + np.logaddexp.reduce(logs[-1][~INSIDE]) - (0 if begun else first)
    # As many rows as there are words of a length: nothing is cut off.
    got = completions(stream, INSIDE, count=6, begun=begun, beam=27, longest=4)
    best = sorted(want, key=lambda word: -want[word])[:6]
    assert [one.tokens for one in got] == best
    np.testing.assert_allclose(
        [one.log_probability for one in got], [want[w] for w in best], atol=1e-4
    )


def test_what_ends_no_word_completes_none():
    stream = Stream(*small(), START)
    assert completions(stream, np.ones(VOCAB, bool), count=3, begun=True, longest=2) == []
    assert completions(stream, np.zeros(VOCAB, bool), count=3, begun=True)[0].tokens == ()
    with pytest.raises(ValueError, match="count must be an integer of at least 1, got 0"):
        completions(stream, INSIDE, count=0, begun=True)
