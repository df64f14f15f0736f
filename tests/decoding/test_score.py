import itertools
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax as rx
from rnnjax.decoding import log_probability
from rnnjax.models import LanguageModel


@cache
def small(vocab=4):
    model = LanguageModel(vocab, rx.LSTM(5), embed_size=3, dropout=0.5)
    variables = model.init(jax.random.key(1), jnp.zeros((1, 1), jnp.int32))
    return model, jax.tree.map(lambda x: 3 * x, variables)


@cache
def evaluate():
    model, variables = small()
    apply = jax.jit(lambda tokens: model.apply(variables, tokens)[1])

    def logits(tokens):
        """The logits after a text, in one shape for all; nothing says how long it is."""
        row = np.zeros((1, 8), np.int32)
        row[0, : len(tokens)] = tokens
        return np.asarray(apply(row)[0, len(tokens) - 1], np.float64)

    return logits


def literal(tokens):
    """The sum of log p(token | those before), each from a full evaluation."""
    total = 0.0
    for t in range(1, len(tokens)):
        logits = evaluate()(tokens[:t])
        total += logits[tokens[t]] - np.log(np.exp(logits).sum())
    return total


@pytest.mark.fast
def test_it_is_the_sum_of_conditional_log_probabilities():
    rows = [[2, 1, 3, 0, 0, 3], [0, 3, 1], [1, 2], [3], []]
    lengths = np.array([len(row) for row in rows])
    tokens = np.zeros((5, 6), np.int32)
    for padded, row in zip(tokens, rows, strict=True):
        padded[: len(row)] = row
    logs = log_probability(*small(), tokens, lengths)
    assert logs.dtype == jnp.float32
    np.testing.assert_allclose(logs, [literal(row) for row in rows], rtol=1e-5)
    assert logs[3] == logs[4] == 0
    spoilt = np.where(np.arange(6) < lengths[:, None], tokens, 99)
    np.testing.assert_array_equal(log_probability(*small(), spoilt, lengths), logs)


def test_probabilities_of_all_continuations_sum_to_one():
    tokens = np.array([[2, *rest] for rest in itertools.product(range(4), repeat=2)])
    logs = log_probability(*small(), tokens, np.full(16, 3))
    np.testing.assert_allclose(np.exp(logs).sum(), 1.0, rtol=1e-5)
    assert np.std(logs) > 0.1


@pytest.mark.parametrize("time", [0, 1])
def test_texts_without_a_second_token_are_certain(time):
    logs = log_probability(*small(), np.zeros((2, time), np.int32), np.array([time, 0]))
    np.testing.assert_array_equal(logs, [0.0, 0.0])


def test_lengths_beyond_the_text_are_named():
    with pytest.raises(ValueError, match="lengths"):
        log_probability(*small(), np.zeros((1, 3), np.int32), np.array([4]))
