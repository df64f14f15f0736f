import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.data.readers.conllu import read_conllu
from rnnjax.data.readers.words import split_words

SHARED = Path(__file__).parents[4] / "shared" / "data"
EWT_DEV = SHARED / "ud-english-ewt" / "en_ewt-ud-dev.conllu"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ""),
        (" Hello,\tworld!\n", "Hello , world !"),
        ("I don't know; it's theirs.", "I do n't know ; it 's theirs ."),
        ("They\u2019re I'm we'd you'll I've", "They \u2019re I 'm we 'd you 'll I 've"),
        ("DON'T can't cannot Canada", "DO N'T ca n't can not Canada"),
        ("the U.S. and Mr. Smith left.", "the U.S. and Mr. Smith left ."),
        ("e.g. $3.50, 1,000 or 5%", "e.g. $ 3.50 , 1,000 or 5 %"),
        ("at 10:30pm on 9/11, the 21st", "at 10:30 pm on 9/11 , the 21st"),
        ("(see http://a.org/b?c=d.)", "( see http://a.org/b?c=d . )"),
        ("mail me.too@a-b.co.uk.", "mail me.too@a-b.co.uk ."),
        ("well-known... what?! -- :-) «so»", "well - known ... what ?! -- :-) « so »"),
        ('"Größe" l\'été', '" Größe " l \' été'),
    ],
)
def test_words_are_split_by_hand(text, words):
    assert split_words(text) == tuple(words.split())


@settings(deadline=None)
@given(st.text() | st.text("aAnt'\u2019.:/@-w1, \n"))
def test_splitting_leaves_nothing_out(text):
    words = split_words(text)
    assert "".join(words) == "".join(unicodedata.normalize("NFC", text).split())
    assert all(words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("q\u0308uix x\u0331\u0301y isn't", "q\u0308uix x\u0331\u0301y is n't"),
        ("हिन्दी में नमस्ते", "हिन्दी में नमस्ते"),
        ("\u0645\u06cc\u200c\u062e\u0648 :", "\u0645\u06cc\u200c\u062e\u0648 :"),
        ("👨\u200d👩\u200d👧👍🏽👍🏽, ❤\ufe0f!", "👨\u200d👩\u200d👧 👍🏽 👍🏽 , ❤\ufe0f !"),
        ("🇩🇪🇪🇸 1\ufe0f\u20e3", "🇩🇪 🇪🇸 1\ufe0f\u20e3"),
        ("1\u200d🇩🇪", "1\u200d 🇩🇪"),  # a joiner joins no flag
        ("!\u0301! \u0301a", "!\u0301 ! \u0301 a"),
    ],
)
def test_what_readers_see_as_one_character_is_not_cut(text, words):
    assert split_words(text) == tuple(words.split(" "))


CLUSTERS = st.text("ae'\u0301\u0308\u03311.!👍🏽👩\u200d❤\ufe0f🇩🇪한\u1100\u1161 ", max_size=12)


@settings(deadline=None)
@given(CLUSTERS)
def test_words_end_where_grapheme_clusters_do(text):
    regex = pytest.importorskip("regex")  # comes with sacrebleu
    text = unicodedata.normalize("NFC", text)
    # After a space, a mark is a word of its own; the standard has the space as its letter.
    text = regex.sub(r"(?:^|(?<=\s))[\p{M}\u200d🏽]+", "", text)
    borders = {0, *(match.end() for match in regex.finditer(r"\X", text))}
    place = 0
    for word in split_words(text):
        place = text.index(word, place)
        assert {place, place + len(word)} <= borders
        place += len(word)


@pytest.mark.skipif(not EWT_DEV.is_file(), reason=f"UD English EWT is not at {EWT_DEV}")
def test_most_sentences_are_split_as_in_the_treebank():
    lines = EWT_DEV.read_text(encoding="utf-8").split("\n")
    texts = [line.removeprefix("# text = ") for line in lines if line.startswith("# text = ")]
    pairs = zip(texts, read_conllu(EWT_DEV), strict=True)
    same = [split_words(text) == sentence.tokens for text, sentence in pairs]
    assert sum(same) / len(same) >= 0.9
