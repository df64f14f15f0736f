import json

import numpy as np
import pytest

from rnnjax.baselines import NGram, Spelling
from rnnjax.baselines import spelling as spelling_file
from rnnjax.data import Vocabulary

WORDS = ("sleeping", "singing", "sleeves", "Zürich")


def test_a_word_has_the_probability_of_its_bytes_and_its_end():
    # Of a model of the same symbols, asked one word at a time and one symbol at a time.
    starts, model = [257] * 4, Spelling(WORDS)
    text = [[*starts, *word.encode(), 256] for word in WORDS]
    ngram = NGram.fit(np.concatenate(text), 5, 258)
    asked = ["singing", "xq", "", "é", "sleep"]
    for word, found in zip(asked, model.log_probabilities(asked), strict=True):
        history, want = list(starts), 0.0
        for symbol in [*word.encode(), 256]:
            want += ngram.log_probabilities(np.array([symbol]), np.array(history)).item()
            history.append(symbol)
        assert found == pytest.approx(want)
    assert model.log_probabilities([]).shape == (0,)


def test_what_begins_so_ends_there_or_goes_on():
    model = Spelling(WORDS)
    for begun in ("", "s", "slee", "q"):
        (all_of_them,) = model.log_probabilities([begun], whole=False)
        (whole,) = model.log_probabilities([begun])
        # Every byte of ASCII; the others, and what the empty start keeps, have little.
        longer = model.log_probabilities([begun + chr(i) for i in range(128)], whole=False)
        share = (np.exp(whole) + np.exp(longer).sum()) / np.exp(all_of_them)
        assert 0.6 < share <= 1 + 1e-9


def test_the_probabilities_of_all_symbols_sum_to_one():
    ngram = Spelling(WORDS)._ngram
    for begun in ("", "slee", "q"):
        history = spelling_file._symbols(begun, whole=False)
        each = [ngram.log_probabilities(np.array([i]), history).item() for i in range(258)]
        assert np.exp(each).sum() == pytest.approx(1)


def test_rare_words_are_those_unknown_and_those_as_rare_as_the_rarest():
    text = "the the the cat cat dog dog sings <unk> <unk>\nthe cat\n"
    assert Spelling.fit(text, Vocabulary.words(text)).words == ("sings",)
    assert Spelling.fit(text, Vocabulary.words(text, max_size=4)).words == ("dog", "sings")
    without = text.replace("sings", "")
    assert Spelling.fit(without, Vocabulary.words(without)).words == ("dog",)
    assert Spelling.fit("<unk>\n", Vocabulary.words("<unk>\n")).words == ()
    assert Spelling(()).log_probabilities(["dog"]) < -10  # nothing is known of any word


def test_it_is_saved_and_damage_is_named(tmp_path):
    path = tmp_path / "spelling.json"
    Spelling(WORDS).save(path)
    assert Spelling.load(path) == Spelling(WORDS)
    path.write_text(path.read_text().replace("s", "z", 1))
    with pytest.raises(ValueError, match=r"spelling\.json is damaged"):
        Spelling.load(path)
    for broken in ("{", "[]", json.dumps({"words": 3})):
        (tmp_path / "other").mkdir(exist_ok=True)
        (tmp_path / "other" / "spelling.json").write_text(broken)
        with pytest.raises(ValueError, match=r"spelling\.json is not a saved spelling model"):
            Spelling.load(tmp_path / "other" / "spelling.json")
