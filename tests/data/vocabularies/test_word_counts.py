from collections import Counter

import numpy as np
import pytest

from rnnjax.data import (
    LargeText,
    Vocabulary,
    WordCounts,
    count_words,
    find_characters,
    sample_text,
)

RANDOM = np.random.default_rng(0)
WORDS = np.array([f"wörd{n}" for n in range(300)])
LINES = [" ".join(WORDS[RANDOM.zipf(1.3, 9).clip(max=300) - 1]) for _ in range(500)]
TEXT = "<unk> " + "\n".join(LINES) + "\n"


@pytest.fixture
def text(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    return LargeText.find(tmp_path / "text.txt", (1, 0, 0))


def test_vocabularies_of_blocks_are_those_of_the_text(text):
    counts = count_words(text.blocks(size=200))
    assert counts.error == 0
    for most in (None, 50):
        assert Vocabulary.of_counts(counts, most) == Vocabulary.words(TEXT, most)
    assert Vocabulary.of_counts(counts, min_count=3) == Vocabulary.words(TEXT, min_count=3)
    assert find_characters(text.blocks(size=200)) == set(TEXT)
    assert sample_text(text.blocks(size=200), text.size) == TEXT


def test_words_are_those_of_the_training_text_and_characters_of_all(tmp_path):
    (tmp_path / "train.txt").write_text("a b")
    (tmp_path / "valid.txt").write_text("c")
    text = LargeText.find(tmp_path)
    assert dict(count_words(text.blocks())) == {"a": 1, "b": 1}
    assert sample_text(text.blocks(), text.size) == "a b\n"
    assert find_characters(text.blocks()) == set("a bc\n")


def test_a_sample_is_spread_over_the_text(text):
    sample = sample_text(text.blocks(size=200), text.size, most=text.size // 4)
    assert text.size // 6 < len(sample.encode()) < text.size // 3
    places = [TEXT.index(line) for line in sample.split("\n") if line]
    assert places == sorted(places)
    assert places[-1] > 0.9 * len(TEXT)


def test_counts_that_forget_are_wrong_by_no_more_than_they_say():
    words = [f"w{n}" for n in RANDOM.zipf(1.2, 20_000)]
    exact, counts = Counter(words), WordCounts(most=200)
    for first in range(0, len(words), 100):
        counts.add(Counter(words[first : first + 100]))
        assert len(counts) <= 200
    assert counts.error > 0
    for word, number in exact.items():
        assert number - counts.error <= counts[word] <= number
    sure = [word for word, number in exact.most_common() if number > 2 * counts.error]
    assert set(sure) <= set(counts)
    assert sure[:3] == [word for word, _ in counts.most_common(3)]
