import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.data import (
    UNLABELLED,
    Labelled,
    Lexicon,
    Tagged,
    Vocabulary,
    WordIndexer,
    fit_indexer,
    split_words,
)
from rnnjax.data.encoding.encoded import NO_TARGET
from rnnjax.files import DIGESTS

SENTENCES = [
    Tagged(("The", "dog", "barks"), ("DET", "NOUN", "VERB")),
    Tagged((), ()),
    Tagged(("dog", "x1"), ("NOUN", UNLABELLED)),
]


@pytest.mark.fast
def test_a_batch_is_the_hand_computed_arrays():
    indexer = fit_indexer(SENTENCES, max_word_length=4)
    assert indexer.words.symbols == ("dog", "The", "barks", "x1")
    assert indexer.targets == ("DET", "NOUN", "VERB")
    batch = indexer.encode(SENTENCES).batch(np.array([2, -1, 1, 0]), 4)
    assert batch["words"].tolist() == [[2, 5, 0, 0], [0] * 4, [0] * 4, [3, 2, 4, 0]]
    assert batch["lengths"].tolist() == [2, 0, 0, 3]
    known = [[1, 0, 0, 0], [0] * 4, [0] * 4, [1, 1, 1, 0]]
    assert batch["targets_known"].tolist() == [list(map(bool, row)) for row in known]
    assert batch["targets"].tolist() == [[1, NO_TARGET, 0, 0], [0] * 4, [0] * 4, [0, 1, 2, 0]]
    assert batch["characters"].shape == (4, 4, 4)
    spelled = indexer.characters.encode("baks").tolist()  # of five characters, half and half
    assert batch["characters"][3, 2].tolist() == spelled
    assert batch["characters"][0, 1].tolist() == [*indexer.characters.encode("x1"), 0, 0]
    assert not batch["characters"][1:3].any()
    del batch["targets_known"]
    assert {array.dtype.name for array in batch.values()} == {"int32"}


TOKENS = st.lists(st.text("abcd1", min_size=1, max_size=9), max_size=6)


@settings(deadline=None)
@given(st.lists(TOKENS, min_size=1), st.data())
def test_what_is_in_a_batch_can_be_read_back(texts, data):
    sentences = [Tagged(tuple(each), tuple(token[0] for token in each)) for each in texts]
    indexer = fit_indexer(sentences, max_word_length=9)
    encoded = indexer.encode(sentences)
    rows = data.draw(st.lists(st.integers(-1, len(texts) - 1), min_size=1))
    longest = max(map(len, texts)) + data.draw(st.integers(0, 2))
    batch = encoded.batch(np.array(rows), longest)
    for row, words, characters, tags, length in zip(
        rows, *(batch[name] for name in ("words", "characters", "targets", "lengths")), strict=True
    ):
        want = texts[row] if row >= 0 else []
        assert length == len(want)
        assert [indexer.words.symbols[i - 2] for i in words[:length]] == want
        read = ["".join(indexer.characters.symbols[i - 2] for i in c if i) for c in characters]
        assert read == [*want, *[""] * (longest - length)]
        assert [indexer.targets[i] for i in tags[:length]] == [token[0] for token in want]
        assert not words[length:].any()
        assert not tags[length:].any()


def test_labels_stand_for_whole_sentences():
    sentences = [Labelled(("a", "b"), "good"), Labelled((), "bad"), Labelled(("a",), UNLABELLED)]
    indexer = fit_indexer(sentences, characters=False)
    assert indexer.targets == ("bad", "good")
    batch = indexer.encode([*sentences, Labelled(("c",), "new")]).batch(
        np.array([0, 1, 2, 3, -1]), 2
    )
    assert batch["targets"].tolist() == [1, 0, NO_TARGET, NO_TARGET, 0]
    assert batch["targets_known"].tolist() == [True, True, False, False, False]
    assert set(batch) == {"words", "lengths", "targets", "targets_known"}


@pytest.mark.parametrize("length", [0, 1, 4])
@pytest.mark.parametrize("kind", [Tagged, Labelled])
def test_sentences_without_a_single_token_are_a_batch_of_padding(kind, length):
    indexer = fit_indexer(SENTENCES)
    encoded = indexer.encode([kind((), () if kind is Tagged else "NOUN")] * 2)
    batch = encoded.batch(np.array([0, 1, -1]), length)
    assert batch["words"].tolist() == [[0] * length] * 3
    assert batch["characters"].shape == (3, length, 16)
    assert batch["targets"].tolist() == ([[0] * length] * 3 if kind is Tagged else [1, 1, 0])


def test_no_sentences_are_empty_arrays():
    encoded = fit_indexer(SENTENCES).encode([])
    assert encoded.starts.tolist() == [0]
    columns = encoded.inputs["words"], encoded.answers["targets"].values, encoded.lengths
    assert [len(column) for column in columns] == [0, 0, 0]


@pytest.mark.parametrize(
    ("longest", "kept"), [(2, "ai"), (3, "abi"), (4, "abhi"), (8, "abcdfghi"), (9, "abcdefghi")]
)
def test_long_words_keep_their_start_and_their_end(longest, kept):
    indexer = fit_indexer([Tagged(("abcdefghi",), ("X",))], max_word_length=longest)
    (spelled,) = indexer.encode([Tagged(("abcdefghi",), ("X",))]).inputs["characters"]
    assert "".join(indexer.characters.symbols[i - 2] for i in spelled) == kept


def test_characters_keep_what_words_fold():
    indexer = fit_indexer([Tagged(("A1",), ("X",))], lowercase=True, fold_digits=True)
    assert indexer.words.symbols == ("a0",)
    assert indexer.characters.symbols == ("1", "A")
    encoded = indexer.encode([Tagged(("a2",), ("X",))])
    assert encoded.inputs["words"].tolist() == [2]
    assert encoded.inputs["characters"][0, :3].tolist() == [1, 1, 0]


def test_more_words_are_known_and_not_rare():
    indexer = fit_indexer(SENTENCES, ["cat", "dog"])
    assert (indexer.words.encode(["cat", "dog"]) < indexer.words.first_rare).all()


def test_more_tags_than_tokens_are_refused():
    with pytest.raises(ValueError, match="got 1 tokens and 2 tags in sentence 2"):
        fit_indexer(SENTENCES).encode([SENTENCES[0], Tagged(("a",), ("X", "Y"))])


def test_words_of_one_character_cannot_be_halved():
    with pytest.raises(ValueError, match="max_word_length must be at least 2, got 1"):
        fit_indexer(SENTENCES, max_word_length=1)


@pytest.mark.parametrize("characters", [True, False])
def test_save_and_load(characters, tmp_path):
    strange = [Tagged(("é\u2028", "😀", "\ud800"), ("B-x", "", '"'))]
    indexer = fit_indexer(strange, ["more"], characters=characters, lowercase=True)
    indexer.save(tmp_path / "indexer.json")
    assert WordIndexer.load(tmp_path / "indexer.json") == indexer
    assert sorted(os.listdir(tmp_path)) == [DIGESTS, "indexer.json"]


WORDS = {"symbols": ["a"], "known": 0}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "3",
        "{}",
        json.dumps({"words": WORDS, "characters": None}),
        json.dumps({"words": None, "characters": None, "targets": []}),
        json.dumps({"words": {**WORDS, "known": 2}, "characters": None, "targets": []}),
        json.dumps({"words": {**WORDS, "colour": 2}, "characters": None, "targets": []}),
        json.dumps({"words": WORDS, "characters": WORDS, "targets": 3}),
        json.dumps({"words": WORDS, "characters": WORDS, "targets": [], "max_word_length": 1}),
    ],
)
def test_load_names_a_broken_file(content, tmp_path):
    path = tmp_path / "broken.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"broken\.json is not a saved indexer"):
        WordIndexer.load(path)


def test_load_names_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match=r"cannot read .*absent\.json: No such file"):
        WordIndexer.load(tmp_path / "absent.json")


def test_a_save_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "indexer.json"
    old = WordIndexer(Lexicon(("a",), 0), None, ("X",))
    old.save(path)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        fit_indexer(SENTENCES).save(path)
    assert WordIndexer.load(path) == old


def test_composed_and_decomposed_letters_are_one_text():
    one, other = ("caf\u00e9", "d\u00e9j\u00e0"), ("cafe\u0301", "de\u0301ja\u0300")
    indexer = fit_indexer([Tagged(one, ("A", "B"))], max_word_length=8)
    assert fit_indexer([Tagged(other, ("A", "B"))], max_word_length=8) == indexer
    got, want = (indexer.encode([Tagged(each, ("A", "B"))]).inputs for each in (other, one))
    for name in ("words", "characters"):
        np.testing.assert_array_equal(got[name], want[name])
    assert (want["words"] > 1).all()
    assert split_words(" ".join(other)) == one
    for vocabulary in (Vocabulary.characters(other[0]), Vocabulary.words(other[0])):
        np.testing.assert_array_equal(vocabulary.encode(one[0]), vocabulary.encode(other[0]))
