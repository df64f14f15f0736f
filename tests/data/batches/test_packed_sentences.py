import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.data import PackedSentences, evaluation_sentences, whole_sentences

END = 0


@st.composite
def packed(draw):
    lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=20))
    # Every token is another one, so that it tells where it comes from.
    words = iter(range(1, 1000))
    tokens = [token for n in lengths for token in [*(next(words) for _ in range(n)), END]]
    rows, length = draw(st.integers(1, len(lengths))), draw(st.integers(1, 7))
    return PackedSentences(np.array(tokens), rows, length, END, draw(st.integers(0, 99)))


def sentences_of(tokens):
    ends = np.flatnonzero(tokens == END)
    return [tuple(part) for part in np.split(tokens, ends[:-1] + 1)]


def epochs(packed, count):
    """The chunks of the first epochs."""
    found, step = [], 0
    while len(found) <= count:
        chunk = packed.at(step)
        if chunk["fresh"]:
            found.append([])
        found[-1].append(chunk)
        step += 1
    return found[:count]


def check_epoch(packed, chunks):
    """Return the sentences of an epoch, row by row; each begins with a reset and reads the end."""
    found = []
    shape = packed.batch_size, packed.length
    for chunk in chunks:
        assert {chunk[n].shape for n in ("inputs", "targets", "mask", "resets")} == {shape}
        assert chunk["mask"].any()
        np.testing.assert_array_equal(chunk["resets"], chunk["inputs"] == END)
    for b in range(packed.batch_size):
        mask = np.concatenate([chunk["mask"][b] for chunk in chunks])
        assert (np.diff(mask.astype(int)) <= 0).all()  # padded only behind its end
        inputs, targets = (
            np.concatenate([chunk[name][b] for chunk in chunks])[mask]
            for name in ("inputs", "targets")
        )
        if not len(targets):
            continue
        np.testing.assert_array_equal(inputs, [END, *targets[:-1]])
        assert targets[-1] == END
        found += sentences_of(targets)
    return found


@settings(deadline=None)
@given(packed())
def test_an_epoch_reads_every_sentence_once_and_whole(packed):
    want = sentences_of(packed.tokens)
    for chunks in epochs(packed, 3):
        assert sorted(check_epoch(packed, chunks)) == sorted(want)
        assert len(chunks) >= packed.steps_per_epoch


@settings(deadline=None)
@given(packed())
def test_evaluation_reads_them_in_order(packed):
    chunks = list(evaluation_sentences(packed.tokens, packed.batch_size, packed.length, END))
    assert check_epoch(packed, chunks) == sentences_of(packed.tokens)
    assert [bool(chunk["fresh"]) for chunk in chunks] == [True] + [False] * (len(chunks) - 1)


def test_a_step_is_the_same_in_another_run_and_epochs_differ():
    tokens = np.tile([1, 2, 3, 0, 4, 0, 5, 6, 0], 20) + 10 * (np.arange(180) // 9)
    tokens[np.isin(np.arange(180) % 9, (3, 5, 8))] = END
    one, other = (PackedSentences(tokens, 3, 8, END, seed=5) for _ in range(2))
    for step in range(40):
        one.at(step)
    for key, value in one.at(33).items():
        np.testing.assert_array_equal(value, other.at(33)[key])
    orders = [tuple(check_epoch(one, chunks)) for chunks in epochs(one, 4)]
    assert len(set(orders)) == 4
    assert orders[0] != tuple(check_epoch(one, epochs(PackedSentences(tokens, 3, 8, 0, 6), 1)[0]))


def test_rows_are_nearly_even():
    tokens = np.tile([1, 2, 3, 0, 4, 0], 100)
    (chunks,) = epochs(PackedSentences(tokens, 4, 10, END, seed=0), 1)
    assert len(chunks) <= 16  # 600 tokens in 4 rows of 10 are 15
    assert all(chunk["mask"].all() for chunk in chunks[:14])


@pytest.mark.parametrize(
    ("tokens", "want"),
    [
        ([1, 0, 2], [1, 0, 2, 0]),
        ([0, 0, 1, 0, 0, 0, 2, 3, 0, 0], [1, 0, 2, 3, 0]),
        ([5], [5, 0]),
    ],
)
def test_whole_sentences(tokens, want):
    assert whole_sentences(np.array(tokens), END).tolist() == want


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 0}, "batch_size must be .* at least 1, got 0"),
        ({"length": 0}, "length must be .* at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"batch_size": 3}, "at least 3 sentences for batch_size 3, got 2; use a smaller"),
        ({"tokens": np.array([1, 2])}, "each ended by 0, the last one too"),
        ({"tokens": np.array([1, 0, 0])}, "sentences of at least one token"),
        ({"tokens": np.array([0, 1, 0])}, "sentences of at least one token"),
        ({"tokens": np.array([], int)}, "sentences of at least one token"),
        ({"tokens": np.ones(3)}, "got float64"),
    ],
)
def test_bad_arguments_are_named(change, message):
    good = {"tokens": np.array([1, 0, 2, 0]), "batch_size": 2, "length": 4, "end": END, "seed": 0}
    with pytest.raises(ValueError, match=message):
        PackedSentences(**(good | change))


def test_what_has_no_sentence_or_step_is_refused():
    with pytest.raises(ValueError, match="at least one sentence"):
        whole_sentences(np.array([0, 0]), END)
    with pytest.raises(ValueError, match="step must be at least 0, got -1"):
        PackedSentences(np.array([1, 0]), 1, 4, END, 0).at(-1)
    with pytest.raises(ValueError, match=r"batch_size must be .* at least 1, got 0"):
        evaluation_sentences(np.array([1, 0]), 0, 4, END)
