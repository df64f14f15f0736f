import tracemalloc
from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rnnjax.data import Buckets, choose_borders

LENGTHS = st.lists(st.integers(0, 40), min_size=1, max_size=30)


def places(lengths, borders):
    """Tokens and padding of all sentences, each padded to the first border that holds it."""
    return sum(min(b for b in borders if b >= length) for length in lengths)


@settings(deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=12), st.integers(1, 5))
@example([0], 1)
@example([0, 0, 1], 3)
def test_borders_are_the_best_of_all_sets_of_borders(lengths, count):
    borders = choose_borders(np.array(lengths), count)
    assert len(borders) <= count
    assert list(borders) == sorted(set(borders))
    assert borders[0] >= 1
    longest = max(1, *lengths)
    assert borders[-1] == longest
    sets = (
        (*some, longest) for size in range(count) for some in combinations(range(1, longest), size)
    )
    assert places(lengths, borders) == min(places(lengths, each) for each in sets)


@pytest.mark.fast
def test_borders_of_hand_computed_lengths():
    assert choose_borders(np.array([1, 1, 1, 9, 10]), 1) == (10,)
    assert choose_borders(np.array([1, 1, 1, 9, 10]), 2) == (1, 10)
    assert choose_borders(np.array([1, 1, 1, 9, 10]), 9) == (1, 9, 10)
    assert choose_borders(np.array([], int), 3) == ()
    with pytest.raises(ValueError, match="count must be an integer of at least 1, got 0"):
        choose_borders(np.array([1]), 0)


def test_borders_of_any_lengths_are_those_of_the_whole_table():
    """All costs of a bucket from length i to j at once, which takes n² memory."""
    random = np.random.default_rng(1)
    for size in (2, 7, 60, 200):
        lengths = random.integers(1, 4 * size, 3 * size)
        values, numbers = np.unique(lengths, return_counts=True)
        before = np.concatenate([[0], np.cumsum(numbers)])
        cost = values[None] * (before[None, 1:] - before[:-1, None])
        cost = np.where(np.tri(len(values), k=-1, dtype=bool), np.iinfo(np.int64).max // 4, cost)
        best = cost[0]
        for count in range(1, 6):
            assert places(lengths, choose_borders(lengths, count)) == best[-1]
            best = np.min(np.concatenate([[0], best[:-1]])[:, None] + cost, axis=0)


def test_borders_need_memory_in_proportion_to_the_lengths():
    lengths = np.arange(1, 20_001)  # a table of all pairs would hold 3 GB
    tracemalloc.start()
    borders = choose_borders(lengths, 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert borders == (10_000, 20_000)
    assert peak < 5e6


def test_borders_of_many_lengths_are_quick_and_exact_at_the_ends():
    lengths = np.random.default_rng(0).integers(1, 1500, 30_000)
    assert choose_borders(lengths, 1) == (lengths.max(),)
    several = [places(lengths, choose_borders(lengths, n)) for n in (1, 2, 4, 8)]
    assert several == sorted(several, reverse=True)
    assert len(choose_borders(lengths, 8)) == 8


def epoch(buckets, number=0):
    steps = buckets.steps_per_epoch
    return [buckets.at(step) for step in range(number * steps, (number + 1) * steps)]


@settings(deadline=None)
@given(
    LENGTHS,
    st.integers(1, 4),
    st.integers(1, 7),
    st.integers(1, 90),
    st.booleans(),
)
def test_every_sentence_comes_once_an_epoch_and_fits(lengths, count, size, tokens, short):
    borders = choose_borders(np.array(lengths), count)
    # Without the last border something is longer than all of them.
    buckets = Buckets(np.array(lengths), borders[:-1] if short else borders, size, tokens)
    for batches in (epoch(buckets), epoch(buckets, 3), list(buckets.in_order())):
        rows = np.concatenate([rows for rows, _ in batches])
        assert sorted(rows[rows >= 0]) == list(range(len(lengths)))
        for rows, length in batches:
            assert (rows >= 0).any()
            assert len(rows) <= size
            assert len(rows) * length <= tokens or len(rows) == 1
            assert max(lengths[row] for row in rows if row >= 0) <= length
            assert (len(rows), length) in buckets.shapes
    assert len(batches) == buckets.steps_per_epoch


def test_a_batch_is_a_function_of_the_step():
    lengths = np.random.default_rng(1).integers(0, 30, 100)
    buckets = [Buckets(lengths, (7, 30), 8, seed=4) for _ in range(2)]
    steps = 3 * buckets[0].steps_per_epoch
    forwards = [buckets[0].at(step) for step in range(steps)]
    for step in np.random.default_rng(2).permutation(steps):
        rows, length = buckets[1].at(int(step))
        np.testing.assert_array_equal(rows, forwards[step][0])
        assert length == forwards[step][1]


def test_epochs_and_seeds_have_orders_of_their_own():
    lengths = np.random.default_rng(1).integers(0, 30, 100)
    orders = [
        tuple(np.concatenate([rows for rows, _ in epoch(Buckets(lengths, (30,), 8, seed=s), e)]))
        for s in (0, 1)
        for e in (0, 1)
    ]
    assert len(set(orders)) == 4
    # Neither are batches of always the same sentences, nor do lengths come in one order.
    sets = [
        {frozenset(rows) for rows, _ in epoch(Buckets(lengths, (5, 30), 8), number)}
        for number in (0, 1)
    ]
    assert len(sets[0] & sets[1]) < 3
    assert [n for _, n in epoch(Buckets(lengths, (5, 30), 8))] != sorted(
        n for _, n in epoch(Buckets(lengths, (5, 30), 8))
    )


def test_in_order_is_as_it_was_given_shortest_first():
    buckets = Buckets(np.array([9, 2, 8, 1, 0]), (2, 9), 2)
    batches = [(rows.tolist(), length) for rows, length in buckets.in_order()]
    assert batches == [([1, 3], 2), ([4, -1], 2), ([0, 2], 9)]


def test_a_very_long_sentence_is_a_batch_by_itself():
    buckets = Buckets(np.array([3, 5_000, 4, 16]), (4,), 4, max_tokens=4_096)
    assert buckets.shapes == [(4, 4), (4, 16), (1, 8_192)]
    batches = {length: rows.tolist() for rows, length in buckets.in_order()}
    assert batches == {4: [0, 2, -1, -1], 16: [3, -1, -1, -1], 8_192: [1]}


def test_a_batch_that_is_limited_by_its_tokens_has_a_power_of_two_of_rows():
    lengths = np.repeat([10, 20, 30, 50, 100, 200], 13)
    buckets = Buckets(lengths, (10, 20, 30, 50, 100, 200), 12, max_tokens=400)
    assert buckets.shapes == [(12, 10), (12, 20), (12, 30), (8, 50), (4, 100), (2, 200)]


def test_without_borders_lengths_are_padded_to_powers_of_two():
    lengths = [0, 1, 2, 3, 4, 5, 8, 9, 1000, 1024, 1025, 2**20, 2**20 + 1]
    buckets = Buckets(np.array(lengths), (), 1, max_tokens=1)
    padded = {lengths[rows[0]]: length for rows, length in buckets.in_order()}
    want = {n: next(2**k for k in range(30) if 2**k >= n) for n in lengths}
    assert padded == want


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lengths": np.array([], int)}, "lengths must be of at least one sentence"),
        ({"batch_size": 0}, "batch_size must be .* at least 1, got 0"),
        ({"max_tokens": 0}, "max_tokens must be .* at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"borders": (0, 4)}, r"borders must be positive and increase, got \(0, 4\)"),
        ({"borders": (4, 2)}, "borders must be positive and increase"),
        ({"borders": (4, 4)}, "borders must be positive and increase"),
    ],
)
def test_bad_input_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        Buckets(**{"lengths": np.array([1, 2]), "borders": (2,), "batch_size": 2, **options})


def test_a_step_before_the_first_is_refused():
    with pytest.raises(ValueError, match="step must be at least 0, got -1"):
        Buckets(np.array([1]), (1,), 1).at(-1)
