"""Random spans, against what a span is."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnjax.data import random_spans


@given(st.lists(st.lists(st.sampled_from("abcde"), max_size=6)), st.integers(0, 3))
def test_spans_are_parts_of_their_sentences_in_order(sentences, count):
    spans = random_spans(sentences, count, seed=0)
    assert len(spans) == count * len(sentences)
    for place, span in enumerate(spans):
        whole = sentences[place // count]
        assert len(span) >= min(2, len(whole))
        assert any(whole[i : i + len(span)] == list(span) for i in range(len(whole) + 1))


def test_every_length_and_every_place_of_it_is_as_likely():
    seen = Counter(random_spans([("a", "b", "c")], 30_000, seed=0))
    expected = {("a", "b"): 7_500, ("b", "c"): 7_500, ("a", "b", "c"): 15_000}
    assert set(seen) == set(expected)
    assert all(abs(seen[span] - n) < 500 for span, n in expected.items())  # six deviations


def test_a_seed_repeats_and_another_does_not():
    sentences = [tuple("abcdefgh")] * 10
    assert random_spans(sentences, 2, seed=1) == random_spans(sentences, 2, seed=1)
    assert random_spans(sentences, 2, seed=1) != random_spans(sentences, 2, seed=2)


def test_a_negative_count_is_refused():
    with pytest.raises(ValueError, match="count must be at least 0, got -1"):
        random_spans([("a",)], -1, seed=0)
