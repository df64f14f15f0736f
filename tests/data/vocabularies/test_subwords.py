import json
import os
import pickle
import random
import subprocess
import sys
import unicodedata
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rnnjax.data import Subwords
from rnnjax.data.vocabularies.subwords import END, MASK, PAD, SPECIAL, START, UNKNOWN
from rnnjax.files import DIGESTS

TEXTS = [
    "the lowest of the low, and the newest of the new: lower and lower",
    "the widest river; a wider river. the new lower bridge is the widest",
    "naïve cafés: the newest cafés are the widest, the lowest are naïve",
] * 3
SUBWORDS = Subwords.train(TEXTS, 120)
CHARACTERS = sorted({*"".join(TEXTS)} - {" "})


def symbols(subwords, ids):
    return [subwords.tokenizer.id_to_token(int(i)) for i in ids]


def test_special_tokens_come_first():
    assert symbols(SUBWORDS, range(5)) == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert (PAD, UNKNOWN, START, END, MASK) == (0, 1, 2, 3, 4)
    np.testing.assert_array_equal(SUBWORDS.ordinary, np.arange(5, len(SUBWORDS)))
    assert SUBWORDS.ordinary.dtype == np.int32


def test_frequent_words_are_one_piece_and_others_several():
    assert symbols(SUBWORDS, SUBWORDS.encode("the lower").ids) == ["▁the", "▁lower"]
    assert symbols(SUBWORDS, SUBWORDS.encode("thelower").ids)[0] == "▁the"


def test_merges_are_those_of_byte_pair_encoding():
    # "ab" occurs most often, then "abab"; "▁" alone begins the words.
    subwords = Subwords.train(["ababab", "ababab cab"], 100)
    merges = json.loads(subwords.tokenizer.to_str())["model"]["merges"]
    counts = {"▁ababab": 2, "▁cab": 1}
    words = {word: list(word) for word in counts}
    for left, right in merges:
        pairs = {}
        for word, parts in words.items():
            for pair in pairwise(parts):
                pairs[pair] = pairs.get(pair, 0) + counts[word]
        assert pairs[left, right] == max(pairs.values()) >= 2
        for parts in words.values():
            t = 0
            while t < len(parts) - 1:
                if (parts[t], parts[t + 1]) == (left, right):
                    parts[t : t + 2] = [left + right]
                t += 1
    assert words["▁ababab"] == ["▁ababab"]


WORDS = st.lists(st.text([*CHARACTERS, *"Z[é\u0301中▁"], min_size=1), max_size=6)


@settings(deadline=None)
@given(WORDS)
@example([])
def test_firsts_point_at_each_words_first_piece(words):
    pieces = SUBWORDS.encode(words)
    assert pieces.firsts.shape == (len(words),)
    assert (pieces.ids.dtype, pieces.starts.dtype) == (np.int32, bool)
    np.testing.assert_array_equal(np.flatnonzero(pieces.starts), pieces.firsts)
    ends = [*pieces.firsts, len(pieces.ids)][1:]
    for word, first, end in zip(words, pieces.firsts, ends, strict=True):
        np.testing.assert_array_equal(pieces.ids[first:end], SUBWORDS.encode([word]).ids)
        assert end > first
    assert not np.isin(pieces.ids, [PAD, START, END, MASK]).any()


@settings(deadline=None)
@given(st.lists(st.text(CHARACTERS, min_size=1), max_size=6))
def test_decoding_gives_the_words_back(words):
    joined = " ".join(words)
    text = " ".join("".join(c if c.isalnum() else f" {c} " for c in joined).split())
    assert SUBWORDS.decode(SUBWORDS.encode(joined).ids) == text
    np.testing.assert_array_equal(SUBWORDS.encode(text).ids, SUBWORDS.encode(joined).ids)


@pytest.mark.fast
def test_a_word_has_the_same_pieces_in_a_text_and_given():
    text, words = "the low, newest: river.", ["the", "low", ",", "newest", ":", "river", "."]
    one, other = SUBWORDS.encode(text), SUBWORDS.encode(words)
    np.testing.assert_array_equal(one.ids, other.ids)
    np.testing.assert_array_equal(one.firsts, other.firsts)
    assert len(one.firsts) == 7


def test_a_given_word_is_one_whatever_is_in_it():
    pieces = SUBWORDS.encode(["low", "", "new, low", " ", "\u00a0", "low"])
    assert len(pieces.firsts) == 6
    assert pieces.ids[pieces.firsts[[1, 3, 4]]].tolist() == [UNKNOWN] * 3
    assert pieces.ids[pieces.firsts[0]] == pieces.ids[pieces.firsts[5]]
    assert len(set(pieces.firsts)) == 6
    assert len(SUBWORDS.encode(["", ""]).ids) == 2


def test_characters_that_training_did_not_see_are_unknown():
    pieces = SUBWORDS.encode("low中文")
    assert pieces.ids[-1] == UNKNOWN
    assert (pieces.ids == UNKNOWN).sum() == 1
    assert SUBWORDS.decode(pieces.ids) == "low[UNK]"


@pytest.mark.parametrize("name", SPECIAL)
def test_what_looks_special_in_a_text_is_text(name, tmp_path):
    SUBWORDS.save(tmp_path / "tokenizer.json")
    for subwords in (SUBWORDS, Subwords.load(tmp_path / "tokenizer.json")):
        for text in (f"the {name} low", ["the", name, "low"]):
            ids = subwords.encode(text).ids
            assert not np.isin(ids, [PAD, START, END, MASK]).any()


def test_decoding_shows_masks_and_not_what_frames():
    the, low = SUBWORDS.encode("the low").ids
    assert SUBWORDS.decode([START, the, MASK, low, END, PAD, PAD]) == "the[MASK] low"
    assert SUBWORDS.decode([]) == ""
    for wrong in (-1, len(SUBWORDS)):
        with pytest.raises(ValueError, match=rf"ids must lie in \[0, {len(SUBWORDS)}\)"):
            SUBWORDS.decode([the, wrong])


def test_composed_and_decomposed_letters_are_the_same():
    apart = unicodedata.normalize("NFD", "cafés")
    assert len(apart) == 6
    np.testing.assert_array_equal(SUBWORDS.encode(apart).ids, SUBWORDS.encode("cafés").ids)


def rare_characters():
    """A corpus with many more characters that occur equally often than there is room for."""
    rng = random.Random(0)
    letters = [chr(0x4E00 + i) for i in range(300)]
    return [" ".join("".join(rng.sample(letters, 3)) + "aabb" for _ in range(20))] * 2


def test_the_size_is_a_bound_and_half_of_it_is_for_merges():
    for size in (7, 20, 60, 500):
        assert len(Subwords.train(TEXTS, size)) <= size
    subwords = Subwords.train(rare_characters(), 65)
    assert len(subwords) == 65
    assert sum(len(s) == 1 for s in symbols(subwords, subwords.ordinary)) == 30
    assert len(subwords.encode("aabb").ids) < 5


def test_training_is_the_same_in_every_process():
    program = (
        "import hashlib\n"
        "from rnnjax.data import Subwords\n"
        f"subwords = Subwords.train({rare_characters()!r}, 65)\n"
        "print(hashlib.sha256(subwords.tokenizer.to_str().encode()).hexdigest())\n"
    )
    done = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
        for _ in range(3)
    ]
    assert not any(each.returncode for each in done), done[0].stderr
    assert len({each.stdout for each in done}) == 1


def test_saving_and_loading_gives_the_same(tmp_path):
    path = tmp_path / "tokenizer.json"
    SUBWORDS.save(path)
    assert sorted(os.listdir(tmp_path)) == [DIGESTS, "tokenizer.json"]
    loaded = Subwords.load(path)
    assert len(loaded) == len(SUBWORDS)
    for text in TEXTS[:3]:
        np.testing.assert_array_equal(loaded.encode(text).ids, SUBWORDS.encode(text).ids)
        assert loaded.decode(loaded.encode(text).ids) == SUBWORDS.decode(SUBWORDS.encode(text).ids)
    assert json.loads(path.read_text(encoding="utf-8"))["model"]["type"] == "BPE"


FOREIGN = json.loads(SUBWORDS.tokenizer.to_str())
FOREIGN["added_tokens"] = []
FOREIGN["model"]["vocab"] = {"▁": 0, "[UNK]": 1, "a": 2}
FOREIGN["model"]["merges"] = []


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", b"\xff", json.dumps(FOREIGN)])
def test_load_names_a_broken_or_foreign_file(content, tmp_path):
    path = tmp_path / "broken.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=r"broken\.json is not a saved subword tokeniser"):
        Subwords.load(path)


def test_a_foreign_file_is_read_as_far_as_its_special_tokens(tmp_path):
    (tmp_path / "foreign.json").write_text(json.dumps(FOREIGN))
    with pytest.raises(
        ValueError, match=r"tokenizer must give .*\[PAD\].* the ids 0, 1, .*, got \[None, 1"
    ):
        Subwords.load(tmp_path / "foreign.json")


def test_load_names_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match=r"cannot read .*absent\.json: No such file"):
        Subwords.load(tmp_path / "absent.json")


def test_a_save_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "tokenizer.json"
    path.write_text("old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        SUBWORDS.save(path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["tokenizer.json"]


@pytest.mark.parametrize("size", [-1, 0, 6])
def test_a_vocabulary_without_room_is_refused(size):
    with pytest.raises(ValueError, match=f"vocab_size must be at least 7, got {size}"):
        Subwords.train(TEXTS, size)


@pytest.mark.parametrize("texts", [[], [""], [" \n"]])
def test_texts_without_words_are_refused(texts):
    with pytest.raises(ValueError, match="texts must contain at least one word"):
        Subwords.train(texts, 100)


@pytest.mark.fast
def test_data_needs_the_library_only_where_it_is_used():
    program = (
        "import sys\n"
        "sys.modules['tokenizers'] = None\n"
        "from rnnjax.data import Subwords\n"
        "try: Subwords.train(['a b'], 10)\n"
        "except ImportError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert 'pip install "rnnjax[subwords]"' in done.stdout


def test_lower_case_reads_capitals_as_small_letters(tmp_path):
    subwords = Subwords.train(["The LOW", "the low", "İstanbul Élan"], 60, lowercase=True)
    for text, lower in (("THE Low", "the low"), ("ÉLAN", "élan"), ("E\u0301lan", "élan")):
        assert subwords.encode(text).ids.tolist() == subwords.encode(lower).ids.tolist()
    assert subwords.decode(subwords.encode("LOW").ids) == "low"
    subwords.save(tmp_path / "tokenizer.json")
    loaded = Subwords.load(tmp_path / "tokenizer.json")
    assert loaded.encode("The Low").ids.tolist() == subwords.encode("the low").ids.tolist()


def test_a_copy_for_another_process_reads_special_tokens_as_text():
    subwords = Subwords.train(["[MASK] and [SEP]"], 40)
    copy = pickle.loads(pickle.dumps(subwords))
    assert copy == subwords
    assert copy.encode("[MASK]").ids.tolist() == subwords.encode("[MASK]").ids.tolist()
    assert MASK not in copy.encode("[MASK]").ids
