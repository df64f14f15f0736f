import os

import numpy as np
import pytest

from rnnjax.data import (
    Buckets,
    Encoded,
    Labelled,
    MaskedBatches,
    Paired,
    SentenceBatches,
    Subwords,
    Tagged,
    fit_indexer,
    join_pieces,
    open_encoded,
    write_encoded,
)

RANDOM = np.random.default_rng(0)
WORDS = [tuple(RANDOM.choice(list("abcdefg"), n % 7 + 1)) for n in range(40)]
LABELLED = [Labelled(words, "xy"[len(words) % 2]) for words in WORDS]
TAGGED = [Tagged(words, tuple("_" if w == "a" else w.upper() for w in words)) for words in WORDS]
PAIRED = [Paired(words, words[:1], "x") for words in WORDS]


@pytest.mark.parametrize("sentences", [LABELLED, TAGGED, PAIRED], ids=["label", "tags", "pairs"])
def test_sentences_in_files_are_read_like_those_in_memory(tmp_path, sentences):
    indexer = fit_indexer(sentences)
    whole = indexer.encode(sentences)
    parts = (indexer.encode(sentences[first : first + 7]) for first in range(0, 40, 7))
    write_encoded(tmp_path / "encoded", parts)
    found = open_encoded(tmp_path / "encoded")
    np.testing.assert_array_equal(found.starts, whole.starts)
    assert not found.inputs["words"].flags.writeable
    buckets = Buckets(found.lengths, (3, 20), 4, seed=1)
    for step in range(12):
        one = SentenceBatches(found, buckets).at(step)
        other = SentenceBatches(whole, buckets).at(step)
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])
            assert one[name].dtype == other[name].dtype


def test_masked_texts_in_files_are_those_in_memory(tmp_path):
    subwords = Subwords.train([" ".join(words) for words in WORDS], 20)

    def encode(some):
        starts, columns = join_pieces([(subwords.encode(words),) for words in some])
        marks = {"word_starts": columns["word_starts"]}
        return Encoded(starts, {"tokens": columns["tokens"]}, {}, marks=marks)

    write_encoded(tmp_path / "encoded", (encode(WORDS[n : n + 9]) for n in range(0, 40, 9)))
    both = [
        MaskedBatches(each, Buckets(each.lengths, (5, 20), 4), len(subwords)).at(3)
        for each in (open_encoded(tmp_path / "encoded"), encode(WORDS))
    ]
    for name in both[0]:
        np.testing.assert_array_equal(both[0][name], both[1][name])


def test_what_is_wrong_is_named(tmp_path):
    with pytest.raises(ValueError, match="parts must be at least one, got none"):
        write_encoded(tmp_path / "encoded", [])
    some = fit_indexer(LABELLED).encode(LABELLED)
    others = [some, some._replace(answers={})]
    with pytest.raises(ValueError, match="parts must have the same arrays, got "):
        write_encoded(tmp_path / "encoded", others)
    assert not list(tmp_path.iterdir())
    write_encoded(tmp_path / "encoded", [some])
    with pytest.raises(ValueError, match="must be a new folder"):
        write_encoded(tmp_path / "encoded", [some])
    os.truncate(tmp_path / "encoded" / "inputs-words.bin", 3)
    with pytest.raises(ValueError, match=r"inputs-words.bin must have .* bytes, got 3: it was"):
        open_encoded(tmp_path / "encoded")
    (tmp_path / "encoded" / "index.json").write_text("{}")
    with pytest.raises(ValueError, match=r"index.json is damaged"):
        open_encoded(tmp_path / "encoded")
