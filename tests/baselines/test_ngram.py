from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.baselines import NGram
from rnnjax.data import (
    Vocabulary,
)
from rnnjax_experiments.corpora.manual import reference_manual

NOTHING = np.array([], int)


class Reference:
    """The formula as it is written, with a dictionary for each count."""

    def __init__(self, tokens, order, vocab_size):
        self.vocab_size = vocab_size
        grams = {
            k: [tuple(tokens[i : i + k]) for i in range(len(tokens) - k + 1)]
            for k in range(1, order + 1)
        }
        self.counts = {order: Counter(grams[order])}
        for k in range(1, order):
            self.counts[k] = Counter(gram[1:] for gram in set(grams[k + 1]))

    def discount(self, k):
        kinds = list(self.counts[k].values())
        once, twice = kinds.count(1), kinds.count(2)
        return once / (once + 2 * twice) if once else 0.5

    def probability(self, token, history):
        if history is None:
            return 1 / self.vocab_size
        k = len(history) + 1
        following = {g: c for g, c in self.counts[k].items() if g[:-1] == history}
        lower = self.probability(token, history[1:] if history else None)
        if not following:
            return lower
        total, discount = sum(following.values()), self.discount(k)
        own = max(following.get((*history, token), 0) - discount, 0)
        return (own + discount * len(following) * lower) / total


def test_unigrams_by_hand():
    # Counts 2, 1, 0: one singleton, one pair, so D = 1/3 and 2/3 of 3 goes to the uniform 1/3.
    model = NGram.fit(np.array([0, 0, 1]), 1, 3)
    log_probabilities = model.log_probabilities(np.arange(3), NOTHING)
    np.testing.assert_allclose(np.exp(log_probabilities), [17 / 27, 8 / 27, 2 / 27])


def test_bigrams_by_hand():
    # Pairs 00 (2), 01 (2), 11 (1), 10 (1): D_2 = 2/(2 + 4) = 1/3. Each of 0 and 1 follows two
    # different tokens, so D_1 is 1/2 for want of singletons, and p_1 = (3/2 + 1/3)/4 = 11/24
    # for 0 and 1, 1/12 for 2. After 0, total 4 and D_2 N = 2/3; 2 has never been a history.
    model = NGram.fit(np.array([0, 0, 0, 1, 1, 0, 1]), 2, 3)
    p = np.exp(model.log_probabilities(np.array([0, 2, 1]), np.array([0])))
    expected = [(5 / 3 + 2 / 3 * 11 / 24) / 4, (2 / 3 * 1 / 12) / 4, 11 / 24]
    np.testing.assert_allclose(p, expected)


@settings(deadline=None, max_examples=60)
@given(
    order=st.integers(1, 5),
    train=st.lists(st.integers(0, 3), min_size=5, max_size=60),
    context=st.lists(st.integers(0, 4), max_size=6),
    tokens=st.lists(st.integers(0, 4), min_size=1, max_size=12),
)
def test_agrees_with_the_formula(order, train, context, tokens):
    model = NGram.fit(np.array(train), order, 5)
    found = model.log_probabilities(np.array(tokens), np.array(context, int))
    reference = Reference(train, order, 5)
    text = context + tokens
    expected = [
        reference.probability(text[i], tuple(text[max(0, i - order + 1) : i]))
        for i in range(len(context), len(text))
    ]
    np.testing.assert_allclose(np.exp(found), expected, rtol=1e-10)


@pytest.fixture(scope="module")
def manual():
    corpus = reference_manual()
    vocabulary = Vocabulary.characters("".join(corpus))
    return vocabulary, vocabulary.encode(corpus.train), vocabulary.encode(corpus.test)


def test_probabilities_sum_to_one(manual):
    vocabulary, train, held_out = manual
    rng = np.random.default_rng(0)
    seen = [train[i : i + 7] for i in rng.integers(len(train) - 7, size=5)]
    unseen = list(rng.integers(len(vocabulary), size=(5, 7)))
    new = [held_out[i : i + 7] for i in rng.integers(len(held_out) - 7, size=5)]
    for order in (1, 3, 6):
        model = NGram.fit(train, order, len(vocabulary))
        for context in (*seen, *unseen, *new, NOTHING):
            p = [
                np.exp(model.log_probabilities(np.array([token]), context)).item()
                for token in range(len(vocabulary))
            ]
            assert min(p) > 0
            assert sum(p) == pytest.approx(1, abs=1e-9)


def test_a_longer_history_predicts_better(manual):
    vocabulary, train, held_out = manual
    bits = [
        -NGram.fit(train, order, len(vocabulary)).log_probabilities(held_out, train[-5:]).mean()
        / np.log(2)
        for order in range(1, 7)
    ]
    assert all(longer < shorter for shorter, longer in pairwise(bits))
    assert bits[0] < np.log2(len(vocabulary))
    assert 1.5 < bits[-1] < 2


def test_ids_do_not_overflow_with_a_large_vocabulary():
    small = np.random.default_rng(0).integers(4, size=300)
    large = small + 999_990  # 1e6 ** 8 is far beyond 64 bits
    p = [
        NGram.fit(tokens[:200], 8, 1_000_000).log_probabilities(tokens[200:], tokens[190:200])
        for tokens in (small, large)
    ]
    np.testing.assert_allclose(*p)


@pytest.mark.parametrize(
    ("tokens", "order", "message"),
    [
        (np.array([0, 1, 2]), 0, "order must be at least 1 .*, got 0"),
        (np.array([0, 1, 2]), 4, "at most the number of tokens, 3"),
        (np.array([0, 3]), 1, r"tokens must lie in \[0, 3\), got values from 0 to 3"),
        (np.array([-1, 2]), 1, "got values from -1 to 2"),
        (np.array([0.0, 1.0]), 1, "got float64"),
        (np.array([[0, 1]]), 1, r"got int64 \(1, 2\)"),
    ],
)
def test_fit_names_what_is_wrong(tokens, order, message):
    with pytest.raises(ValueError, match=message):
        NGram.fit(tokens, order, 3)


def test_scoring_names_what_is_wrong():
    model = NGram.fit(np.array([0, 1, 2]), 2, 3)
    with pytest.raises(ValueError, match=r"context must lie in .* got values from 7 to 7"):
        model.log_probabilities(np.array([0]), np.array([7]))
    with pytest.raises(ValueError, match=r"tokens must lie in .* got values from 3 to 3"):
        model.log_probabilities(np.array([3]), NOTHING)


@settings(deadline=None, max_examples=60)
@given(
    order=st.integers(1, 5),
    train=st.lists(st.integers(0, 3), min_size=5, max_size=60),
    context=st.lists(st.integers(0, 4), max_size=6),
)
def test_the_next_token_has_the_probability_that_it_has_in_a_text(order, train, context):
    model, context = NGram.fit(np.array(train), order, 5), np.array(context, int)
    want = [np.exp(model.log_probabilities(np.array([i]), context)).item() for i in range(5)]
    np.testing.assert_allclose(model.probabilities(context), want, rtol=1e-10)


def test_samples_have_the_frequencies_of_their_probabilities():
    text = np.random.default_rng(0).integers(3, size=60)
    model = NGram.fit(text, 2, 4)
    drawn = model.sample(20_000, np.array([1]))
    before = np.concatenate([[1], drawn[:-1]])
    for token in range(4):
        after = drawn[before == token]
        counts = np.bincount(after, minlength=4) / max(len(after), 1)
        want = model.probabilities(np.array([token]))
        assert np.abs(counts - want).max() < 5 * np.sqrt(0.25 / len(after))
    np.testing.assert_array_equal(drawn[:50], model.sample(50, np.array([1])))
    assert drawn.dtype == np.int32
    assert (drawn[:50] != model.sample(50, np.array([1]), seed=1)).any()


def test_temperature_and_stop():
    model = NGram.fit(np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 3]), 2, 4)
    for temperature in (0, 1e-320, 1e-6):
        assert model.sample(5, np.array([0]), temperature=temperature).tolist() == [1, 2, 0, 1, 2]
    assert model.sample(9, np.array([0]), temperature=0, stop_token=2).tolist() == [1, 2]
    flat = np.bincount(model.sample(4000, NOTHING, temperature=1e6), minlength=4)
    assert flat.min() > 850


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_tokens": 0}, "num_tokens must be an integer of at least 1, got 0"),
        ({"temperature": -1.0}, "temperature must be at least 0"),
        ({"temperature": np.inf}, "temperature must be finite"),
        ({"stop_token": 4}, "stop_token must"),
        ({"context": np.array([4])}, "context must lie in"),
    ],
)
def test_sampling_names_what_is_wrong(options, message):
    model = NGram.fit(np.array([0, 1, 2, 3]), 2, 4)
    with pytest.raises(ValueError, match=message):
        model.sample(**{"num_tokens": 3, "context": NOTHING, **options})
