from itertools import pairwise

import numpy as np
import pytest

from rnnjax.data import Buckets, Encoded, MaskedBatches, Pieces, choose_borders, join_pieces
from rnnjax.data.vocabularies.subwords import END, MASK, SPECIAL, START, UNKNOWN

FIRST, VOCAB = len(SPECIAL), 200


def some_texts(count=120, seed=0):
    """Texts of 0 to 7 words of 1 to 3 pieces, a few of them unknown."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        sizes = rng.integers(1, 4, rng.integers(8))
        ids = rng.integers(FIRST, VOCAB, sizes.sum()).astype(np.int32)
        ids[rng.random(len(ids)) < 0.05] = UNKNOWN
        rows.append((Pieces(ids, np.cumsum([0, *sizes])[:-1].astype(np.int64)),))
    starts, columns = join_pieces(rows, [(int(i % 2),) for i in range(count)])
    inputs = {name: columns[name] for name in ("tokens", "languages")}
    return Encoded(starts, inputs, {}, marks={"word_starts": columns["word_starts"]})


ENCODED = some_texts()


def batches(seed=0, size=8, **options):
    buckets = Buckets(ENCODED.lengths, choose_borders(ENCODED.lengths, 3), size, seed=seed)
    return MaskedBatches(ENCODED, buckets, VOCAB, **options)


def words_of(starts, maskable):
    """The places of each word's tokens that may be hidden; unknown ones cut a word in two."""
    words = []
    for t in np.flatnonzero(maskable):
        if starts[t] or not maskable[t - 1]:
            words.append([])
        words[-1].append(t)
    return words


@pytest.mark.fast
@pytest.mark.parametrize("whole", [False, True])
def test_a_batch_is_the_texts_with_their_share_hidden(whole):
    hiding = batches(share=0.4, whole_words=whole)
    drawn, partial = [], 0
    for step in range(hiding.buckets.steps_per_epoch):
        rows, length = hiding.buckets.at(step)
        plain, batch = ENCODED.batch(rows, length), hiding.at(step)
        assert set(batch) == {"tokens", "languages", "targets", "chosen", "lengths"}
        np.testing.assert_array_equal(batch["targets"], plain["tokens"])
        for name in ("languages", "lengths"):
            np.testing.assert_array_equal(batch[name], plain[name])
        tokens, targets, chosen = (batch[name] for name in ("tokens", "targets", "chosen"))
        assert (tokens.dtype, targets.dtype, chosen.dtype) == (np.int32, np.int32, bool)
        np.testing.assert_array_equal(tokens[~chosen], targets[~chosen])
        changed = tokens[(tokens != targets) & (tokens != MASK)]
        drawn.extend(changed.tolist())
        # Padding, START, END and what is unknown: there is nothing to tell.
        assert not np.isin(targets[chosen], [0, START, END, UNKNOWN]).any()
        for row, starts, told in zip(targets, plain["word_starts"], chosen, strict=True):
            maskable = row >= FIRST
            words = words_of(starts, maskable)
            taken = sum(told[word].any() for word in words)
            partial += sum(told[word].any() and not told[word].all() for word in words)
            of = len(words) if whole else maskable.sum()
            got = taken if whole else told.sum()
            assert got == min(of, max(1, round(0.4 * of)))
    assert (partial == 0) == whole
    assert len(drawn) > 10
    assert FIRST <= min(drawn) < FIRST + 60 < VOCAB - 60 < max(drawn) < VOCAB


def equal(one, other):
    return all(np.array_equal(one[name], other[name]) for name in one | other)


def test_a_batch_is_a_function_of_the_step_and_the_seed():
    one, same, other = batches(), batches(), batches(seed=1)
    forwards = [one.at(step) for step in range(40)]
    assert all(equal(same.at(step), forwards[step]) for step in reversed(range(40)))
    assert not all(equal(other.at(step), forwards[step]) for step in range(3))


def test_each_step_and_each_seed_hides_others():
    # All texts are alike, so that nothing depends on which of them make up a batch.
    text = Pieces(np.arange(FIRST, FIRST + 20, dtype=np.int32), np.arange(20))
    starts, columns = join_pieces([(text,)] * 16)
    marks = {"word_starts": columns["word_starts"]}
    encoded = Encoded(starts, {"tokens": columns["tokens"]}, {}, marks=marks)

    def make(seed):
        return MaskedBatches(encoded, Buckets(encoded.lengths, (22,), 4, seed=seed), VOCAB)

    steps = [make(seed).at(step) for seed in (0, 1) for step in range(8)]  # of two epochs
    for some in (steps, list(make(0).once())):
        assert len({batch["chosen"].tobytes() for batch in some}) == len(some)


def test_once_has_each_text_once_and_hides_the_same_every_time():
    one = batches(share=0.3)
    first, again = list(one.once()), list(one.once())
    assert len(first) == one.buckets.steps_per_epoch
    assert all(equal(a, b) for a, b in zip(first, again, strict=True))
    texts = [ENCODED.inputs["tokens"][a:b].tolist() for a, b in pairwise(ENCODED.starts)]
    found = [
        row[:n].tolist()
        for batch in first
        for row, n in zip(batch["targets"], batch["lengths"], strict=True)
        if n
    ]
    assert sorted(found) == sorted(texts)


def test_texts_without_words_hide_nothing():
    starts, columns = join_pieces([(Pieces(np.zeros(0, np.int32), np.zeros(0, np.int64)),)] * 3)
    marks = {"word_starts": columns["word_starts"]}
    encoded = Encoded(starts, {"tokens": columns["tokens"]}, {}, marks=marks)
    one = MaskedBatches(encoded, Buckets(encoded.lengths, (4,), 2), VOCAB, whole_words=True)
    for batch in (one.at(0), *one.once()):
        assert not batch["chosen"].any()
        np.testing.assert_array_equal(batch["tokens"], batch["targets"])


@pytest.mark.parametrize(
    ("vocab_size", "share", "message"),
    [
        (VOCAB, 0.0, "share must lie in .* got 0"),
        (VOCAB, 1.1, "share must lie in .* got 1.1"),
        (FIRST, 0.15, "vocabulary must have"),
    ],
)
def test_bad_values_are_named(vocab_size, share, message):
    with pytest.raises(ValueError, match=message):
        MaskedBatches(ENCODED, Buckets(ENCODED.lengths, (32,), 4), vocab_size, share).at(0)
