"""Beam search against every sequence there is, and against taking the likeliest token."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.decoding import beam_search

STOP, VOCAB = 0, 4


def table_of(seed, batch):
    """Log-probabilities of the next token after each two, another table for each row."""
    logits = np.random.default_rng(seed).normal(size=(batch, VOCAB, VOCAB, VOCAB), scale=2.0)
    return np.asarray(jax.nn.log_softmax(jnp.asarray(logits, jnp.float32)))


@partial(jax.jit, static_argnames=("beam", "num_tokens", "length_penalty"))
def run(table, **options):
    """The state is the row's number and the token before the last."""

    def step(state, tokens):
        row, before = state
        return (row, tokens), table[row, before, tokens]

    rows = len(table)
    state = (jnp.arange(rows), jnp.zeros(rows, jnp.int32))
    return beam_search(step, state, jnp.ones(rows, jnp.int32), stop_token=STOP, **options)


def search(table, **options):
    return jax.tree.map(np.asarray, run(jnp.asarray(table), **options))


def score(table, tokens, penalty):
    """The score of a sequence, by looking each token up."""
    before, last, total = 0, 1, 0.0
    for token in tokens:
        total += float(table[before, last, token])
        before, last = last, token
    return total / len(tokens) ** penalty


def all_sequences(num_tokens):
    """Every sequence that ends with the stop token, or has so many tokens."""
    others = range(1, VOCAB)
    for length in range(1, num_tokens + 1):
        for head in itertools.product(others, repeat=length - 1):
            yield (*head, STOP)
            if length == num_tokens:
                yield from ((*head, last) for last in others)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.0, 0.7, 1.0]))
def test_a_beam_as_wide_as_there_are_sequences_ranks_all_of_them(seed, penalty):
    table = table_of(seed, 2)
    sequences = list(all_sequences(3))
    found = search(table, beam=VOCAB**3, num_tokens=3, length_penalty=penalty)
    for row in range(2):
        scores = {tokens: score(table[row], tokens, penalty) for tokens in sequences}
        ranked = sorted(scores.values(), reverse=True)
        count = int((found.scores[row] > -np.inf).sum())
        assert count == len(sequences)
        np.testing.assert_allclose(found.scores[row, :count], ranked, rtol=1e-5, atol=1e-5)
        for tokens, length, each in zip(*(leaf[row] for leaf in found), strict=True):
            if each > -np.inf:
                np.testing.assert_allclose(scores[tuple(tokens[:length])], each, rtol=1e-5)
                assert (tokens[length:] == STOP).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 6))
def test_a_beam_of_one_takes_the_likeliest_token(seed, num_tokens):
    table = table_of(seed, 3)
    found = search(table, beam=1, num_tokens=num_tokens, length_penalty=1.0)
    for row in range(3):
        before, last, tokens = 0, 1, []
        while len(tokens) < num_tokens and STOP not in tokens:
            before, last = last, int(table[row, before, last].argmax())
            tokens.append(last)
        assert found.tokens[row, 0, : found.lengths[row, 0]].tolist() == tokens
        np.testing.assert_allclose(found.scores[row, 0], score(table[row], tokens, 1.0), rtol=1e-5)


def test_a_batch_finds_what_each_row_finds_alone():
    table = table_of(3, 4)
    together = search(table, beam=3, num_tokens=5)
    for row in range(4):
        alone = search(table[row : row + 1], beam=3, num_tokens=5)
        np.testing.assert_array_equal(together.tokens[row], alone.tokens[0])
        np.testing.assert_allclose(together.scores[row], alone.scores[0], rtol=1e-6)


def test_a_wider_beam_finds_what_greedy_search_misses():
    # The likeliest first token leads nowhere good: .4 * .9 beats .6 * .5.
    table = np.full((1, VOCAB, VOCAB, VOCAB), 1e-9)
    table[0, 0, 1] = [1e-9, 0.6, 0.4, 1e-9]
    table[0, 1, 1] = [0.5, 1e-9, 0.25, 0.25]
    table[0, 1, 2] = [0.9, 0.1, 1e-9, 1e-9]
    table = np.log(table).astype(np.float32)
    assert search(table, beam=1, num_tokens=2).tokens[0, 0].tolist() == [1, STOP]
    wide = search(table, beam=2, num_tokens=2)
    assert wide.tokens[0, 0].tolist() == [2, STOP]
    np.testing.assert_allclose(np.exp(wide.scores[0]), [0.36, 0.3], rtol=1e-4)


def test_scores_come_best_first_and_missing_hypotheses_are_marked():
    found = search(table_of(5, 1), beam=20, num_tokens=1)
    assert (np.diff(found.scores[0, :VOCAB]) <= 0).all()
    assert (found.scores[0, VOCAB:] == -np.inf).all()
    assert (found.lengths[0, VOCAB:] == 0).all()


@pytest.mark.parametrize("name", ["beam", "num_tokens"])
def test_counts_below_one_are_refused(name):
    counts = {"beam": 2, "num_tokens": 2, name: 0}
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1, got 0"):
        search(table_of(0, 1), **counts)


def test_an_empty_batch_finds_nothing():
    found = search(table_of(0, 0), beam=2, num_tokens=3)
    assert found.tokens.shape == (0, 2, 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
def test_start_tokens_of_any_integers_search_the_same(dtype):
    table = table_of(3, 2)

    def step(state, tokens):
        return state, jnp.asarray(table)[state, 0, tokens]

    options = {"beam": 2, "num_tokens": 3, "stop_token": STOP}
    want = beam_search(step, jnp.arange(2), jnp.ones(2, jnp.int32), **options)
    got = beam_search(step, jnp.arange(2), jnp.ones(2, dtype), **options)
    jax.tree.map(np.testing.assert_array_equal, got, want)


def test_a_stop_token_is_an_id():
    with pytest.raises(ValueError, match=r"stop_token must be the id of a token.*, got '\.'"):
        beam_search(None, None, jnp.ones(2, int), beam=1, num_tokens=1, stop_token=".")


def test_floats_are_no_start_tokens():
    with pytest.raises(ValueError, match="tokens must be integers"):
        beam_search(None, jnp.arange(2), jnp.ones(2), beam=1, num_tokens=1, stop_token=STOP)


def test_where_logits_are_nan_nothing_is_found():
    def step(state, tokens):
        nan = jnp.where(jnp.arange(2)[:, None] == 0, jnp.nan, 0.0)
        return state, jnp.zeros((2, VOCAB)) + nan

    found = beam_search(
        step, jnp.arange(2), jnp.ones(2, jnp.int32), beam=1, num_tokens=2, stop_token=STOP
    )
    assert found.scores[0, 0] == -jnp.inf
    assert jnp.isfinite(found.scores[1, 0])
