import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rnnjax.data import Vocabulary, read_corpus
from rnnjax.data.readers.text import composed
from rnnjax.files import DIGESTS

WIKITEXT = Path(__file__).parents[4] / "shared" / "data" / "wikitext-2"


def test_characters_are_sorted_and_hold_a_newline():
    vocabulary = Vocabulary.characters("banana é")
    assert vocabulary.symbols == ("\n", " ", "a", "b", "n", "é")
    assert vocabulary.start == 0
    assert vocabulary.unit == "character"
    assert len(vocabulary) == 6


def test_words_seen_less_often_are_left_out():
    text = "b a b c a b\nd"
    assert Vocabulary.words(text, min_count=2).symbols == ("<unk>", "<eos>", "b", "a")
    assert Vocabulary.words(text, max_size=3, min_count=2).symbols == ("<unk>", "<eos>", "b")


def test_characters_are_encoded_by_hand_computed_ids():
    ids = Vocabulary.characters("abc").encode("cab\na")
    assert ids.tolist() == [3, 1, 2, 0, 1]
    assert ids.dtype == np.int32


@settings(deadline=None)
@given(st.text().map(composed))
@example("a\ud800")
def test_characters_round_trip_and_agree_with_a_search(text):
    vocabulary = Vocabulary.characters(text)
    ids = vocabulary.encode(text)
    assert ids.tolist() == [vocabulary.symbols.index(character) for character in text]
    assert vocabulary.decode(ids) == text


@pytest.mark.parametrize("unknown", ["§", "!", "\U0010ffff"])
def test_an_unknown_character_is_named_with_its_place(unknown):
    with pytest.raises(
        ValueError, match=r"4 characters, got .* at offset 4 \(line 2\): .* '\\nabc'"
    ) as error:
        Vocabulary.characters("abc").encode(f"ab\nc{unknown}a§")
    assert repr(unknown) in str(error.value)


def test_words_are_ranked_by_frequency_then_spelling():
    text = "b d c\nb <unk> <unk> <unk> <eos>\nc a b"
    assert Vocabulary.words(text).symbols == ("<unk>", "<eos>", "b", "c", "a", "d")
    assert Vocabulary.words(text, max_size=4).symbols == ("<unk>", "<eos>", "b", "c")
    assert Vocabulary.words("", max_size=4).symbols == ("<unk>", "<eos>")
    with pytest.raises(ValueError, match="max_size must be at least 3, got 2"):
        Vocabulary.words(text, max_size=2)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", []),
        ("a b", [2, 3, 1]),
        ("a b\n", [2, 3, 1]),
        (" a  \t b \n\n b z\n", [2, 3, 1, 1, 3, 0, 1]),
        ("\n", [1]),
        ("a\r\nb", [2, 1, 3, 1]),
        ("a\u2028b", [2, 3, 1]),
        ("<unk> <eos>", [0, 1, 1]),
    ],
)
def test_every_line_of_words_ends_with_eos(text, ids):
    vocabulary = Vocabulary("word", ("<unk>", "<eos>", "a", "b"))
    encoded = vocabulary.encode(text)
    assert encoded.tolist() == ids
    assert encoded.dtype == np.int32


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from(["a", "b", "x<eos>", "é"]))))
def test_words_round_trip(lines):
    text = "".join(" ".join(line) + "\n" for line in lines)
    vocabulary = Vocabulary.words(text)
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_words_have_start_and_unit():
    vocabulary = Vocabulary.words("a")
    assert vocabulary.symbols[vocabulary.start] == "<eos>"
    assert vocabulary.unit == "word"


@pytest.mark.skipif(not WIKITEXT.is_dir(), reason=f"WikiText-2 is not at {WIKITEXT}")
def test_wikitext_2_has_the_published_counts():
    corpus = read_corpus(WIKITEXT)
    vocabulary = Vocabulary.words(corpus.train)
    assert len(vocabulary) == 33_278
    encoded = [vocabulary.encode(text) for text in corpus]
    assert [len(ids) for ids in encoded] == [2_088_628, 217_646, 245_569]
    # The vocabulary of the release has the words of all splits, hence no new `<unk>`.
    unknown = [text.split().count("<unk>") for text in corpus]
    assert [int((ids == 0).sum()) for ids in encoded] == unknown


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])).map(composed))
def test_bytes_are_those_of_utf_8(text):
    vocabulary = Vocabulary.bytes()
    ids = vocabulary.encode(text)
    assert bytes(ids.tolist()) == text.encode()
    assert ids.dtype == np.int32
    assert vocabulary.decode(ids) == text


def test_pieces_are_merged_by_hand_computed_pairs():
    # Pairs of " low low lower": "lo" 3 times, as "ow"; then "low"; then " low" twice.
    vocabulary = Vocabulary.pieces("low low lower", 300)
    assert vocabulary.symbols[:256] == Vocabulary.bytes().symbols
    assert vocabulary.symbols[256:] == ("lo", "low", " low")
    assert vocabulary.merges == ((ord("l"), ord("o")), (256, ord("w")), (ord(" "), 257))
    ids = vocabulary.encode("slow lowé\n")
    pieces = [vocabulary.symbols[i] for i in ids]
    assert pieces == ["s", "low", " low", "\xc3", "\xa9", "\n"]
    assert (ids.dtype, vocabulary.start, vocabulary.unit) == (np.int32, ord("\n"), "piece")
    assert Vocabulary.pieces("low low lower", 257).symbols[256:] == ("lo",)
    with pytest.raises(ValueError, match="max_size must be at least 257, got 256"):
        Vocabulary.pieces("low low lower", 256)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])).map(composed))
@example("")
@example("\n")
@example(" a\n\n  b\r\n")
def test_pieces_cut_any_text_and_give_it_back(text):
    vocabulary = Vocabulary.pieces("ab ab \n\n ab äb äb", 260)
    ids = vocabulary.encode(text)
    assert vocabulary.decode(ids) == text
    # Only a newline's own token has a newline.
    assert (ids == vocabulary.start).sum() == text.count("\n")


@pytest.mark.parametrize("vocabulary", [Vocabulary.bytes(), Vocabulary.pieces("ab ab", 257)])
def test_half_a_character_has_no_bytes(vocabulary):
    with pytest.raises(ValueError, match="surrogates not allowed"):
        vocabulary.encode("a\ud800")


def test_pieces_and_merges_must_fit():
    symbols = Vocabulary.bytes().symbols
    with pytest.raises(ValueError, match="must be the bytes and what merges make"):
        Vocabulary("piece", (*symbols, "lo"), ((1, 2),))
    with pytest.raises(ValueError, match=r"pairs of earlier pieces, got \(256, 1\)"):
        Vocabulary("piece", (*symbols, "lo"), ((256, 1),))
    with pytest.raises(ValueError, match="merges must be \\(\\) for 'byte', got 1"):
        Vocabulary("byte", symbols, ((1, 2),))


def test_bytes_that_are_no_text_are_replaced():
    vocabulary = Vocabulary.bytes()
    assert vocabulary.decode([0x61, 0xC3, 0x62]) == "a\ufffdb"
    assert (len(vocabulary), vocabulary.start, vocabulary.unit) == (256, ord("\n"), "byte")


@pytest.mark.parametrize("ids", [[0, -1], [2]])
def test_decode_refuses_ids_outside_the_vocabulary(ids):
    with pytest.raises(ValueError, match="ids must lie in \\[0, 2\\)"):
        Vocabulary.characters("a").decode(ids)


@pytest.mark.parametrize(
    "vocabulary",
    [
        Vocabulary.characters('é"\\\u2028\ud800😀'),
        Vocabulary.words("é a a"),
        Vocabulary.bytes(),
        Vocabulary.pieces("low lower lowest", 260),
    ],
)
def test_save_and_load(vocabulary, tmp_path):
    path = tmp_path / "vocabulary.json"
    vocabulary.save(path)
    assert Vocabulary.load(path) == vocabulary
    assert sorted(os.listdir(tmp_path)) == [DIGESTS, "vocabulary.json"]
    (tmp_path / "other").touch()
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_save_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "vocabulary.json"
    Vocabulary.characters("old").save(path)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        Vocabulary.characters("new").save(path)
    assert Vocabulary.load(path) == Vocabulary.characters("old")
    assert sorted(os.listdir(tmp_path)) == [DIGESTS, "vocabulary.json"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        '{"kind": "char", "symbols": ["a"',
        "[]",
        '"text"',
        '{"kind": "char"}',
        '{"kind": "char", "symbols": 3}',
        json.dumps({"kind": "letter", "symbols": ["\n"]}),
        json.dumps({"kind": "char", "symbols": ["a", "b"]}),
        json.dumps({"kind": "char", "symbols": ["\n", "a", "a"]}),
        json.dumps({"kind": "char", "symbols": ["\n", "ab"]}),
        json.dumps({"kind": "char", "symbols": ["\n", 1]}),
        json.dumps({"kind": "word", "symbols": ["a", "<unk>", "<eos>"]}),
        json.dumps({"kind": "byte", "symbols": ["a"]}),
    ],
)
def test_load_names_a_broken_file(content, tmp_path):
    path = tmp_path / "broken.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"broken\.json is not a saved vocabulary"):
        Vocabulary.load(path)


def test_load_names_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match=r"cannot read .*absent\.json: No such file"):
        Vocabulary.load(tmp_path / "absent.json")
