import json
import os
from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.data import Labelled, Paired, PieceIndexer, Pieces, Subwords, Tagged, join_pieces
from rnnjax.data.encoding.encoded import NO_TARGET
from rnnjax.data.vocabularies.subwords import END, START, UNKNOWN
from rnnjax.files import DIGESTS

SUBWORDS = Subwords.train(["the lowest of the low", "the newest of the new", "lower"] * 3, 40)


def pieces(*words):
    """A text of words that are given as lists of ids."""
    firsts = np.cumsum([0, *map(len, words)])[:-1]
    return Pieces(np.array([*chain(*words)], np.int32), firsts.astype(np.int64))


def indexer(**options):
    options = {"targets": ("N", "V"), "max_length": 16, **options}
    return PieceIndexer(SUBWORDS, **options)


@pytest.mark.fast
def test_one_text_and_two_are_laid_out_by_hand():
    rows = [
        (pieces([7, 8], [9]),),
        (pieces([7]), pieces([8], [9, 10])),
        (pieces(), pieces([7])),
        (pieces([7]), pieces()),
        (pieces(),),
    ]
    starts, columns = join_pieces(rows, [(5,), (5, 6), (6, 5), (6, 6), (6,)])
    assert starts.tolist() == [0, 5, 12, 16, 20, 22]
    want = {
        "tokens": [[2, 7, 8, 9, 3], [2, 7, 3, 8, 9, 10, 3], [2, 3, 7, 3], [2, 7, 3, 3], [2, 3]],
        "segments": [[0] * 5, [0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0]],
        "positions": [[0, 1, 2, 3, 4], [0, 1, 2, 1, 2, 3, 4], [0, 1, 1, 2], [0, 1, 2, 1], [0, 1]],
        "word_starts": [
            *([0, 1, 0, 1, 0], [0, 1, 0, 1, 1, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0]),
        ],
        "languages": [[5] * 5, [5, 5, 5, 6, 6, 6, 6], [6, 6, 5, 5], [6] * 4, [6, 6]],
    }
    assert {name: array.tolist() for name, array in columns.items()} == {
        name: [*chain(*parts)] for name, parts in want.items()
    }
    assert {columns[name].dtype.name for name in set(want) - {"word_starts"}} == {"int32"}
    assert columns["word_starts"].dtype == bool


TEXT = st.lists(st.lists(st.integers(5, 99), min_size=1, max_size=3), max_size=4)


@settings(deadline=None)
@given(st.lists(st.lists(TEXT, min_size=1, max_size=2), max_size=4))
def test_texts_can_be_read_back_from_their_rows(texts):
    rows = [tuple(pieces(*text) for text in row) for row in texts]
    starts, columns = join_pieces(rows)
    assert "languages" not in columns
    assert {len(array) for array in columns.values()} == {starts[-1]}
    for row, (a, b) in zip(texts, pairwise(starts), strict=True):
        tokens, segments, positions, firsts = (
            columns[name][a:b].tolist()
            for name in ("tokens", "segments", "positions", "word_starts")
        )
        assert tokens.pop(0) == START
        assert (segments.pop(0), positions.pop(0), firsts.pop(0)) == (0, 0, False)
        for number, text in enumerate(row):
            ids = [*chain(*text)]
            assert [tokens.pop(0) for _ in [*ids, END]] == [*ids, END]
            assert [segments.pop(0) for _ in [*ids, END]] == [number] * (len(ids) + 1)
            # Word i of either text stands at the same place.
            assert [positions.pop(0) for _ in [*ids, END]] == [*range(1, len(ids) + 2)]
            begins = [i == 0 for word in text for i in range(len(word))]
            assert [firsts.pop(0) for _ in [*ids, END]] == [*begins, False]
        assert not tokens


def test_languages_are_as_many_as_rows():
    with pytest.raises(ValueError, match="longer"):
        join_pieces([(pieces([7]),), (pieces([8]),)], [(0,)])


def test_a_tag_stands_at_the_first_piece_of_its_word():
    # Of several pieces, of none, of characters that training did not see; and no words at all.
    words = ("newlow", "", "the", "中文")
    sentences = [Tagged(words, ("N", "V", "?", "N")), Tagged((), ()), Tagged(("of",), ("V",))]
    encoded = indexer().encode(sentences)
    assert encoded.answers["targets"].per_token
    assert set(encoded.inputs) == {"tokens"}
    tokens, firsts, targets = (
        encoded.inputs["tokens"],
        encoded.marks["firsts"],
        encoded.answers["targets"].values,
    )
    alone = [SUBWORDS.encode([word]).ids.tolist() for word in words]
    assert len(alone[0]) > 1
    assert alone[1] == [UNKNOWN]
    rows = [tokens[a:b].tolist() for a, b in pairwise(encoded.starts)]
    of = SUBWORDS.encode(["of"]).ids.tolist()
    assert rows == [[START, *chain(*alone), END], [START, END], [START, *of, END]]
    begins = [0, *([i == 0 for ids in alone for i in range(len(ids))]), 0, 0, 0, 0, 1]
    begins += [0] * (len(firsts) - len(begins))
    assert firsts.tolist() == begins
    assert targets[firsts].tolist() == [0, 1, NO_TARGET, 0, 1]
    assert (targets[~firsts] == NO_TARGET).all()
    assert (targets.dtype, firsts.dtype) == (np.int32, bool)


def test_labels_of_sentences_and_of_pairs_stand_for_the_row():
    pairs = [Paired(("low",), (), "V"), Paired((), ("the", "low"), "?")]
    encoded = indexer(paired=True, language=3).encode(pairs)
    low, the = (SUBWORDS.encode([word]).ids.tolist() for word in ("low", "the"))
    assert encoded.inputs["tokens"].tolist() == [
        *[START, *low, END, END],
        *[START, END, *the, *low, END],
    ]
    one, two = len(low), len(the + low)
    assert encoded.inputs["segments"].tolist() == [0] * (one + 2) + [1] + [0, 0] + [1] * (two + 1)
    assert encoded.inputs["positions"].tolist() == [*range(one + 2), 1, 0, 1, *range(1, two + 2)]
    assert set(encoded.inputs["languages"].tolist()) == {3}
    assert set(encoded.answers) == {"targets"}
    assert not encoded.answers["targets"].per_token
    assert encoded.answers["targets"].values.tolist() == [1, NO_TARGET]
    assert encoded.answers["targets"].known.tolist() == [True, False]
    assert not encoded.marks
    labelled = indexer().encode([Labelled(("the", "low"), "N")])
    assert labelled.inputs["tokens"].tolist() == [START, *the, *low, END]
    assert set(labelled.inputs) == {"tokens"}
    assert labelled.answers["targets"].values.tolist() == [0]


def test_no_sentences_are_empty_arrays():
    encoded = indexer(paired=True, language=0).encode([])
    assert encoded.starts.tolist() == [0]
    columns = [*encoded.inputs.values(), encoded.answers["targets"].values]
    assert {len(column) for column in columns} == {0}
    assert encoded.batch(np.array([-1]), 2)["tokens"].tolist() == [[0, 0]]


def test_a_row_may_be_as_long_as_there_are_positions():
    sentences = [Labelled((), "N"), Labelled(("low", "low"), "N"), Labelled(("low",), "N")]
    fits = 2 + 2 * len(SUBWORDS.encode(["low"]).ids)
    assert indexer(max_length=fits).encode(sentences).lengths.max() == fits
    message = f"at most max_length = {fits - 1} tokens, .*, got {fits} in sentence 2"
    with pytest.raises(ValueError, match=message):
        indexer(max_length=fits - 1).encode(sentences)
    pair = [Paired(("low",), ("low",), "N")]  # one END more
    with pytest.raises(ValueError, match=f"got {fits + 1} in sentence 1"):
        indexer(max_length=fits, paired=True).encode(pair)


def test_more_tags_than_words_are_refused():
    with pytest.raises(ValueError, match="got 1 tokens and 2 tags in sentence 1"):
        indexer().encode([Tagged(("newlow",), ("N", "V"))])


@pytest.mark.parametrize(
    "options", [{}, {"targets": ("é\u2028", "", "\ud800"), "paired": True, "language": 2}]
)
def test_save_and_load(options, tmp_path):
    one = indexer(**options)
    one.save(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [DIGESTS, "indexer.json", "tokenizer.json"]
    other = PieceIndexer.load(tmp_path)
    for name in ("targets", "max_length", "paired", "language"):
        assert getattr(other, name) == getattr(one, name)
    pair = Paired(("newest", "low"), ("中",), one.targets[0])
    sentences = [pair if one.paired else Labelled(pair.first, pair.label)]
    for a, b in zip(one.encode(sentences)[:3], other.encode(sentences)[:3], strict=True):
        np.testing.assert_equal(a, b)


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "3", "{}"),
        json.dumps({"targets": ["a"]}),
        json.dumps({"targets": 3, "max_length": 4}),
        json.dumps({"targets": ["a"], "max_length": 4, "colour": 2}),
        b"\xff",
    ],
)
def test_load_names_a_broken_file(content, tmp_path):
    indexer().save(tmp_path)
    content = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "indexer.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"indexer\.json is damaged"):
        PieceIndexer.load(tmp_path)
    (tmp_path / DIGESTS).unlink()
    with pytest.raises(ValueError, match=r"indexer\.json is not a saved indexer"):
        PieceIndexer.load(tmp_path)


@pytest.mark.parametrize("name", ["indexer", "tokenizer"])
def test_load_names_a_missing_file(name, tmp_path):
    indexer().save(tmp_path)
    (tmp_path / f"{name}.json").unlink()
    with pytest.raises(ValueError, match=rf"cannot read .*{name}\.json: No such file"):
        PieceIndexer.load(tmp_path)


def test_pieces_of_a_word_have_its_number():
    sentences = [Tagged(("the", "lownew"), ("N", "N")), Tagged((), ()), Tagged(("new",), ("V",))]
    encoded = indexer(numbered=True).encode(sentences)
    want = []
    for sentence in sentences:
        words = [SUBWORDS.encode([word]).ids for word in sentence.tokens]
        want += [0, *chain(*([i] * len(ids) for i, ids in enumerate(words, 1))), 0]
    assert max(want) == 2
    assert want.count(2) > 1  # a word of several pieces
    assert encoded.inputs["words"].tolist() == want
    assert "words" not in indexer().encode(sentences).inputs


def test_two_texts_number_their_words_together():
    pair = Paired(("low", "new"), ("low",), "N")
    words = indexer(numbered=True, paired=True).encode([pair]).inputs["words"]
    first = [len(SUBWORDS.encode([word]).ids) for word in ("low", "new", "low")]
    assert words.tolist() == [0, *[1] * first[0], *[2] * first[1], 0, *[3] * first[2], 0]
