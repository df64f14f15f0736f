from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.data import Lexicon
from rnnjax.data.vocabularies.lexicon import PAD, UNKNOWN


@pytest.mark.fast
def test_known_symbols_come_first_by_frequency_then_spelling():
    lexicon = Lexicon.of(["b", "a", "c", "b", "d", "c", "b"], ["z", "a", "y"])
    assert lexicon.symbols == ("b", "c", "a", "y", "z", "d")
    assert lexicon.known == 5
    assert lexicon.first_rare == 7
    assert len(lexicon) == 8


def test_ids_start_after_padding_and_the_unknown():
    ids = Lexicon(("x", "y"), 0).encode(["y", "?", "x", ""])
    assert ids.tolist() == [3, UNKNOWN, 2, UNKNOWN]
    assert ids.dtype.name == "int32"
    assert PAD not in ids
    assert Lexicon(("x",), 1).encode([]).shape == (0,)


def test_what_is_missing_has_ids_of_its_own_in_each_text():
    lexicon = Lexicon.of(["a", "b", "a"], lowercase=True)
    text = ["A", "New", "b", "new", "Word"]
    more = lexicon.missing(text)
    assert more == ("new", "word")
    ids = lexicon.encode(text, more)
    assert ids.tolist() == [2, 4, 3, 4, 5]
    assert lexicon.encode(["word", "other"], more).tolist() == [5, UNKNOWN]
    assert lexicon.decode([*ids, PAD], more) == ("a", "new", "b", "new", "word")
    assert lexicon.decode([]) == ()
    for wrong in (6, UNKNOWN, -1):
        with pytest.raises(ValueError, match=rf"ids must be 0 or lie in \[2, 6\), got {wrong}"):
            lexicon.decode([wrong], more)


WORDS = st.lists(st.sampled_from(["The", "the", "THE", "1990", "1-2", "été", "İ", "٣", ""]))


@settings(deadline=None)
@given(WORDS, WORDS, st.booleans(), st.booleans())
def test_all_that_was_seen_is_known_and_what_was_seen_once_is_rare(seen, more, lower, fold):
    lexicon = Lexicon.of(seen, more, lowercase=lower, fold_digits=fold)
    counts = Counter(map(lexicon.normal, seen))
    ids = lexicon.encode([*seen, *more])
    for word, i in zip([*seen, *more], ids, strict=True):
        assert lexicon.symbols[i - 2] == lexicon.normal(word)
        elsewhere = lexicon.normal(word) in {*map(lexicon.normal, more)}
        assert (i >= lexicon.first_rare) == (counts[lexicon.normal(word)] <= 1 and not elsewhere)
    assert set(lexicon.symbols) == {*map(lexicon.normal, [*seen, *more])}


def test_case_and_digits_are_folded_where_asked():
    words = ["In", "1990", "in", "2001", "٣"]
    assert Lexicon.of(words).symbols == ("1990", "2001", "In", "in", "٣")
    folded = Lexicon.of(words, lowercase=True, fold_digits=True)
    assert folded.symbols == ("0000", "in", "0")
    assert folded.encode(["IN", "1234", "7", "12"]).tolist() == [3, 2, 4, UNKNOWN]


@pytest.mark.parametrize(
    ("symbols", "known", "message"),
    [
        (("a", "a"), 0, "distinct"),
        (("a",), 2, "known must lie in .*, got 2"),
        (("a",), -1, "known must lie in .*, got -1"),
    ],
)
def test_a_lexicon_that_contradicts_itself_is_refused(symbols, known, message):
    with pytest.raises(ValueError, match=message):
        Lexicon(symbols, known)
