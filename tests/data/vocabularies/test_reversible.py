import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.data import Subwords, reversible_tokenizer
from rnnjax.data.vocabularies.subwords import SPECIAL

TEXTS = ["Hello, world! (don't) a-b", "a b, c", "Hello (world)", "x [MASK] y"] * 2
UNITS = ["piece", "word", "character"]


@pytest.mark.parametrize("unit", UNITS)
def test_decoding_gives_the_text_back(unit, tmp_path):
    tokenizer = reversible_tokenizer(TEXTS, unit, 60)
    tokenizer.save(tmp_path / "a.json")
    for each in (tokenizer, Subwords.load(tmp_path / "a.json")):
        assert [each.decode(each.encode(text).ids) for text in TEXTS] == TEXTS
        assert min(each.encode(text).ids.min() for text in TEXTS) >= len(SPECIAL)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("ab,.' ", min_size=1), min_size=1).filter(lambda x: "".join(x).strip()))
def test_any_text_of_known_characters_comes_back(texts):
    texts = [" ".join(text.split()) for text in texts]
    tokenizer = reversible_tokenizer([*texts, "ab,.' ba"], "character", 20)
    assert [tokenizer.decode(tokenizer.encode(text).ids) for text in texts] == texts


def test_units_are_what_they_say():
    words = reversible_tokenizer(TEXTS, "word", 60)
    names = [words.tokenizer.id_to_token(int(i)) for i in words.encode("Hello, a world!").ids]
    assert names == ["▁Hello", ",", "▁a", "▁world", "!"]
    characters = reversible_tokenizer(TEXTS, "character", 60)
    assert len(characters.encode("a b").ids) == 3


def test_the_most_frequent_words_are_kept_and_others_unknown():
    words = reversible_tokenizer(["b b b a a c"], "word", len(SPECIAL) + 2)
    assert [words.tokenizer.id_to_token(i) for i in range(5, len(words))] == ["▁b", "▁a"]
    assert words.encode("c b").ids.tolist() == [1, 5]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(
    ("texts", "size", "message"),
    [
        (["a"], 5, "vocab_size must be at least .*, got 5"),
        ([""], 20, "texts must contain at least one word"),
    ],
)
def test_nothing_to_learn_is_refused(unit, texts, size, message):
    with pytest.raises(ValueError, match=message):
        reversible_tokenizer(texts, unit, size)


def test_an_unknown_unit_is_refused():
    with pytest.raises(
        ValueError, match="unit must be one of 'piece', 'word', 'character', got 'byte'"
    ):
        reversible_tokenizer(TEXTS, "byte", 20)
