import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.data import mask_tokens

MASK, FIRST, SIZE = 4, 5, 205
VOCABULARY = np.arange(FIRST, SIZE)


def masked(tokens, maskable, seed=0, **options):
    rng = np.random.default_rng(seed)
    return mask_tokens(tokens, maskable, rng, vocabulary=VOCABULARY, mask_id=MASK, **options)


def some_batch(rng, batch, time):
    tokens = rng.integers(FIRST, SIZE, size=(batch, time)).astype(np.int32)
    return tokens, rng.random((batch, time)) < rng.random((batch, 1))


def words_of(maskable, starts):
    """The places of each word, row by row, found one token at a time."""
    rows = []
    for may, begins in zip(maskable, starts, strict=True):
        words = []
        for t in range(len(may)):
            if may[t] and (begins[t] or t == 0 or not may[t - 1]):
                words.append([])
            if may[t]:
                words[-1].append(t)
        rows.append(words)
    return rows


@pytest.mark.fast
@settings(deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(0, 5),
    st.integers(0, 30),
    st.sampled_from([1e-9, 0.15, 0.5, 1.0]),
    st.booleans(),
)
def test_what_is_chosen_is_whole_and_as_much_as_was_asked(seed, batch, time, share, whole):
    rng = np.random.default_rng(seed)
    tokens, maskable = some_batch(rng, batch, time)
    starts = rng.random((batch, time)) < 0.5 if whole else np.ones((batch, time), bool)
    before = tokens.copy()
    inputs, chosen = masked(tokens, maskable, seed, share=share, starts=starts if whole else None)
    np.testing.assert_array_equal(tokens, before)
    assert (inputs.shape, inputs.dtype, chosen.dtype) == (tokens.shape, np.int32, bool)
    assert not (chosen & ~maskable).any()
    np.testing.assert_array_equal(inputs[~chosen], tokens[~chosen])
    assert np.isin(inputs[chosen & (inputs != MASK)], VOCABULARY).all()
    for row, words in zip(chosen, words_of(maskable, starts), strict=True):
        taken = [word for word in words if row[word].any()]
        assert all(row[word].all() for word in taken)
        assert len(taken) == min(len(words), max(1, round(share * len(words))))


def within_bounds(hits, share):
    """Whether a share of as many independent draws may well be `share`."""
    hits = np.asarray(hits)
    assert abs(hits.mean() - share) < 4.5 * np.sqrt(share * (1 - share) / hits.size)


@pytest.mark.parametrize("whole", [False, True])
def test_80_become_the_mask_10_random_10_stay(whole):
    rng = np.random.default_rng(1)
    tokens = np.full((200, 500), 77, np.int32)
    starts = rng.random(tokens.shape) < 0.6 if whole else None
    inputs, chosen = masked(tokens, np.ones(tokens.shape, bool), share=0.3, starts=starts)
    fate = inputs[chosen]
    assert len(fate) > 20_000
    within_bounds(fate == MASK, 0.8)
    # A random token may be the one that stood there.
    within_bounds(fate == 77, 0.1 + 0.1 / len(VOCABULARY))
    drawn = fate[(fate != MASK) & (fate != 77)]
    within_bounds(drawn < (FIRST + SIZE) / 2, 0.5)
    assert (drawn.min(), drawn.max()) == (FIRST, SIZE - 1)


def test_pieces_of_a_word_have_fates_of_their_own():
    tokens = np.full((1, 4000), 77, np.int32)
    starts = np.arange(4000)[None] % 2 == 0
    inputs, chosen = masked(tokens, np.ones(tokens.shape, bool), share=1.0, starts=starts)
    assert chosen.all()
    hidden = inputs.reshape(-1, 2) == MASK
    within_bounds(hidden.all(axis=1), 0.64)


def test_each_place_is_as_likely_as_another():
    tokens = np.full((20_000, 10), 77, np.int32)
    maskable = np.arange(10)[None] != np.zeros((20_000, 1))
    _, chosen = masked(tokens, maskable, share=1 / 3)
    for column in chosen.T[1:]:
        within_bounds(column, 1 / 3)


def test_each_word_is_as_likely_as_another_however_long():
    tokens = np.full((20_000, 10), 77, np.int32)
    starts = np.isin(np.arange(10), [0, 1, 3, 6])[None].repeat(20_000, axis=0)
    _, chosen = masked(tokens, np.ones(tokens.shape, bool), share=0.5, starts=starts)
    for column in chosen.T:
        within_bounds(column, 0.5)


def test_a_word_ends_before_what_may_not_be_masked():
    tokens = np.full((1000, 5), 77, np.int32)
    maskable = np.array([[1, 1, 0, 1, 1]] * 1000, bool)
    starts = np.array([[1, 0, 0, 0, 0]] * 1000, bool)
    _, chosen = masked(tokens, maskable, starts=starts)
    found = {tuple(row) for row in chosen.astype(int).tolist()}
    assert found == {(1, 1, 0, 0, 0), (0, 0, 0, 1, 1)}


def test_a_seed_says_it_all():
    tokens, maskable = some_batch(np.random.default_rng(2), 8, 40)
    one, same, other = (masked(tokens, maskable, seed) for seed in (0, 0, 1))
    for a, b in zip(one, same, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (one[1] != other[1]).any()


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_a_share_beyond_0_and_1_is_refused(share):
    with pytest.raises(ValueError, match=r"share must lie in \(0, 1\], got"):
        masked(np.full((1, 3), 9), np.ones((1, 3), bool), share=share)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"tokens": np.zeros(3, int)},
            r"tokens must be integers of shape \(batch, time\), got int64 \(3,\)",
        ),
        ({"tokens": np.zeros((1, 3))}, "tokens must be integers .* got float64"),
        (
            {"maskable": np.ones((1, 4), bool)},
            r"maskable must be bool of .* \(1, 3\), got bool \(1, 4\)",
        ),
        ({"maskable": np.ones((1, 3), int)}, "maskable must be bool .* got int64"),
        ({"starts": np.ones((2, 3), bool)}, r"starts must be bool of .*, got bool \(2, 3\)"),
        ({"vocabulary": np.array([], int)}, r"vocabulary must .* at least one id, got \(0,\)"),
    ],
)
def test_bad_arguments_are_named(change, message):
    given = {
        "tokens": np.zeros((1, 3), int),
        "maskable": np.ones((1, 3), bool),
        "rng": np.random.default_rng(0),
        "vocabulary": VOCABULARY,
        "mask_id": MASK,
    }
    with pytest.raises(ValueError, match=message):
        mask_tokens(**{**given, **change})
