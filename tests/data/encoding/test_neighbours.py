import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnjax.data import neighbour_vectors

OFFSETS = (-1, 1, -2, 2)


def by_loops(rows, size):
    """The matrix of positive pointwise mutual information, one pair of tokens at a time."""
    matrix = np.zeros((size, len(OFFSETS) * size))
    for block, offset in enumerate(OFFSETS):
        counts = Counter(
            (row[t], row[t + offset])
            for row in rows
            for t in range(len(row))
            if 0 <= t + offset < len(row)
        )
        ones = Counter()
        others = Counter()
        for (a, b), count in counts.items():
            ones[a] += count
            others[b] += count
        total = sum(count**0.75 for count in others.values())
        for (a, b), count in counts.items():
            pmi = math.log(count * total / (ones[a] * others[b] ** 0.75))
            matrix[a, block * size + b] = max(0.0, pmi)
    return matrix


def vectors_of(rows, size, width):
    starts = np.cumsum([0, *map(len, rows)])
    tokens = np.array(list(itertools.chain(*rows)), np.int32)
    return neighbour_vectors(starts, tokens, size, width)


def test_vectors_are_the_factors_of_the_matrix():
    generator = np.random.default_rng(0)
    rows = [generator.integers(0, 7, generator.integers(1, 9)).tolist() for _ in range(40)]
    left, values, _ = np.linalg.svd(by_loops(rows, 7), full_matrices=False)
    want = left[:, :4] * np.sqrt(values[:4])
    want /= np.linalg.norm(want, axis=1, keepdims=True)
    got = vectors_of(rows, 7, 4)
    assert got.dtype == np.float32
    # Signs of columns are free: compare the products of vectors.
    np.testing.assert_allclose(got @ got.T, want @ want.T, atol=1e-5)


def test_the_same_rows_give_the_same_vectors():
    rows = [[1, 2, 3, 1], [3, 2, 0], [0, 1]]
    assert (vectors_of(rows, 5, 3) == vectors_of(rows, 5, 3)).all()


def test_words_in_the_same_places_are_near():
    generator = np.random.default_rng(0)
    nouns, verbs = (0, 1, 2, 3), (4, 5, 6, 7)
    rows = [
        [generator.choice(nouns), generator.choice(verbs), generator.choice(nouns)]
        for _ in range(400)
    ]
    vectors = vectors_of([list(map(int, row)) for row in rows], 8, 3)
    near = vectors @ vectors.T
    assert near[:4, :4].min() > near[:4, 4:].max()


@given(st.lists(st.lists(st.integers(0, 3), max_size=5), max_size=4), st.integers(1, 6))
def test_any_rows_have_vectors_of_length_one_or_zero(rows, width):
    vectors = vectors_of(rows, 5, width)
    assert vectors.shape == (5, width)
    norms = np.linalg.norm(vectors, axis=1)
    assert (np.isclose(norms, 1, atol=1e-4) | (norms == 0)).all()
    assert not vectors[4].any()  # it is nowhere


@pytest.mark.parametrize(
    ("tokens", "options", "message"),
    [
        ([5], {}, "tokens"),
        ([1, 1], {}, "starts must end with"),
        ([1], {"vocab_size": 0}, "vocab_size"),
        ([1], {"width": 0}, "width"),
    ],
)
def test_bad_values_are_named(tokens, options, message):
    options = {"vocab_size": 5, "width": 3, **options}
    with pytest.raises(ValueError, match=message):
        neighbour_vectors(np.array([0, 1]), np.array(tokens), **options)
