"""The parts of a batch, laid below each other, are the batch."""

import dataclasses

import numpy as np
import pytest

from rnnjax.data import (
    Buckets,
    Chunks,
    EncodedSeries,
    Labelled,
    LogMel,
    MaskedBatches,
    MusicBatches,
    PackedSentences,
    ParallelBatches,
    Pieces,
    SentenceBatches,
    SpeechAugmentation,
    SpeechBatches,
    Translation,
    Windows,
    encode_music,
    fit_indexer,
    join_pieces,
    reversible_tokenizer,
)
from rnnjax.data.encoding.encoded import Encoded

RANDOM = np.random.default_rng(0)
TEXT = RANDOM.integers(1, 50, 1000)
LINES = np.concatenate([np.append(RANDOM.integers(1, 50, n), 0) for n in range(1, 40)])
SENTENCES = [Labelled(("a", "b", "c", "d")[: 1 + n % 4], "x") for n in range(19)]
ENCODED = fit_indexer(SENTENCES, characters=False).encode(SENTENCES)
PIECES = [Pieces(RANDOM.integers(5, 30, 1 + n).astype(np.int32), np.array([0])) for n in range(19)]


def buckets(encoded, share):
    return Buckets(encoded.lengths, (3, 30), 4, seed=2, share=share)


def masked(share):
    starts, columns = join_pieces([(each,) for each in PIECES])
    marks = {"word_starts": columns["word_starts"]}
    encoded = Encoded(starts, {"tokens": columns["tokens"]}, {}, marks=marks)
    return MaskedBatches(encoded, buckets(encoded, share), vocab_size=30)


def music(share):
    encoded = encode_music([((0, 4), (2,)), ((39,),), ((7, 50), (3,), (5,)), ((20,),), ((9,),)])
    return MusicBatches(encoded, buckets(encoded, share), 5, 6)


def parallel(share):
    pairs = [Translation("ab" * n, "ba" * n) for n in range(1, 12)]
    tokenizer = reversible_tokenizer(["abba"], "character", 30)
    both = tokenizer, tokenizer
    return ParallelBatches.of(pairs, both, shapes=2, batch_size=4, seed=1, share=share)


def speech(share):
    recordings = [np.ones(n, np.float32) for n in (900, 500, 700, 300, 400)]
    changes = SpeechAugmentation(speed=0.1, noise=0.5)
    symbols = [np.array([1, 2])] * 5
    features = LogMel(8000, filters=8)
    return SpeechBatches(recordings, symbols, features, changes, 2, 4, 3, share)


def windows(share):
    series = EncodedSeries(np.arange(90.0), np.arange(90.0)[:, None], np.zeros((90, 0)))
    return Windows([series], [(0, 90)], 4, (1, 2), batch_size=4, share=share)


KINDS = {
    "chunks": lambda share: Chunks(TEXT, 4, 7, 0, 3, share),
    "packed": lambda share: PackedSentences(LINES, 4, 7, 0, 3, share),
    "sentences": lambda share: SentenceBatches(ENCODED, buckets(ENCODED, share), 2, 0.5),
    "masked": masked,
    "music": music,
    "parallel": parallel,
    "speech": speech,
    "windows": windows,
}


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_the_parts_of_a_batch_are_the_batch(kind, count):
    make = KINDS[kind]
    parts = [make((part, count)) for part in range(count)]
    for step in (0, 1, 5, 40):
        whole, own = make((0, 1)).at(step), [part.at(step) for part in parts]
        for name, values in whole.items():
            if values.ndim:
                assert {len(each[name]) for each in own} == {len(values) // count}
                np.testing.assert_array_equal(np.concatenate([e[name] for e in own]), values)
            else:
                assert all(each[name] == values for each in own)


def test_a_part_reads_only_its_own_rows():
    class Watched(np.ndarray):
        read = ()

        def __getitem__(self, where):
            if isinstance(where, np.ndarray):
                Watched.read += (np.asarray(where).copy(),)
            return super().__getitem__(where)

    Chunks(np.arange(1, 1001).view(Watched), 4, 10, 0, 3, (1, 4)).at(0)
    assert [each.size for each in Watched.read] == [10, 10]


@pytest.mark.parametrize(
    ("share", "message"),
    [
        ((0, 3), "batch_size must be a multiple of the 3 parts, got 4"),
        ((2, 2), r"share must be a part from 0 to 1 and their number, got \(2, 2\)"),
        ((-1, 2), "share must be a part from 0 to 1"),
        ((0, 0), "count must be an integer of at least 1, got 0"),
    ],
)
def test_a_part_that_there_is_not_is_refused(share, message):
    for kind in ("chunks", "packed", "sentences", "windows"):
        with pytest.raises(ValueError, match=message):
            KINDS[kind](share)


def test_a_batch_of_one_long_sentence_has_no_parts():
    some = Buckets(np.array([2, 3, 90]), (3, 90), 4, max_tokens=100)
    with pytest.raises(ValueError, match="a batch of sentences of 90 tokens must be a multiple of"):
        dataclasses.replace(some, share=(1, 2))
