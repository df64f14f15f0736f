import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rnnjax.data import align_words, switch_words

DICTIONARY = dict(zip("abcdefghij", "ABCDEFGHIJ", strict=True))
sentences = st.lists(st.sampled_from("abc"), max_size=4)


def by_loops(pairs, iterations):
    """P(i | j) of each pair by the equations, one word at a time."""
    translation, alone = {}, {}
    for _ in range(iterations):
        counts, single, found = {}, {}, []
        for first, second in pairs:
            table = {}
            for j, word in enumerate(second):
                near = [
                    math.exp(-4 * abs((i + 0.5) / len(first) - (j + 0.5) / len(second)))
                    for i in range(len(first))
                ]
                scores = [
                    0.92 * near[i] / sum(near) * translation.get((other, word), 1.0)
                    for i, other in enumerate(first)
                ]
                none = 0.08 * alone.get(word, 1.0)
                total = sum(scores) + none
                single[word] = single.get(word, 0.0) + none / total
                for i, other in enumerate(first):
                    table[i, j] = scores[i] / total
                    counts[other, word] = counts.get((other, word), 0.0) + table[i, j]
            found.append(table)
        of = {}
        for (other, _), count in counts.items():
            of[other] = of.get(other, 0.0) + count
        translation = {cell: count / of[cell[0]] for cell, count in counts.items()}
        alone = {word: count / sum(single.values()) for word, count in single.items()}
    return found


def links_by_loops(pairs, iterations):
    ahead = by_loops(pairs, iterations)
    back = by_loops([(second, first) for first, second in pairs], iterations)
    links = []
    for there, here in zip(ahead, back, strict=True):
        likely = {(i, j): p * here[j, i] for (i, j), p in there.items()}
        found = {}
        for (i, j), p in sorted(likely.items()):
            rivals = [q for (a, b), q in likely.items() if a == i or b == j]
            # Sums in another order differ in the last bits.
            if p >= 0.1 and p >= max(rivals) - 1e-12 and i not in found:
                found |= {} if j in found.values() else {i: j}
        links.append(found)
    return links


def test_each_link_is_that_of_the_equations():
    generator = np.random.default_rng(3)
    pairs = []
    for _ in range(12):
        words = generator.choice(list(DICTIONARY), generator.integers(1, 6)).tolist()
        other = [DICTIONARY[word] for word in words if generator.random() < 0.8] or ["X"]
        pairs.append((words, other))
    for iterations in (1, 4):
        assert align_words(pairs, iterations=iterations) == links_by_loops(pairs, iterations)


def test_a_dictionary_is_found_through_another_order():
    generator = np.random.default_rng(0)
    pairs = []
    for _ in range(200):
        words = generator.permutation(list(DICTIONARY))[: generator.integers(2, 7)].tolist()
        pairs.append((words, [DICTIONARY[word] for word in generator.permutation(words)]))
    right = [
        DICTIONARY[first[i]] == second[j]
        for (first, second), links in zip(pairs, align_words(pairs), strict=True)
        for i, j in links.items()
    ]
    assert len(right) > 0.95 * sum(len(first) for first, _ in pairs)
    assert np.mean(right) > 0.97


def test_a_word_that_is_there_twice_is_linked_to_the_near_one():
    pairs = [(["the", "dog", "and", "the", "cat"], ["der", "hund", "und", "der", "kater"])] * 3
    assert align_words(pairs)[0] == {0: 0, 1: 1, 2: 2, 3: 3, 4: 4}


@given(st.lists(st.tuples(sentences, sentences), max_size=4))
@example([(["a", "a"], ["A"])])
def test_links_are_one_to_one_and_inside(pairs):
    for (first, second), links in zip(pairs, align_words(pairs), strict=True):
        assert len(set(links.values())) == len(links)
        assert all(0 <= i < len(first) and 0 <= j < len(second) for i, j in links.items())


def test_of_equal_words_the_first_is_linked():
    assert align_words([(["a", "a"], ["A"])]) == [{0: 0}]
    assert align_words([(["A"], ["a", "a"])]) == [{0: 0}]


def test_sides_may_be_exchanged():
    pairs = [(["a", "b", "c"], ["B", "A", "C"]), (["b"], ["B"])]
    back = align_words([(second, first) for first, second in pairs])
    assert align_words(pairs) == [{i: j for j, i in links.items()} for links in back]


def test_rounds_are_needed():
    with pytest.raises(ValueError, match="iterations must be at least 1, got 0"):
        align_words([], iterations=0)


def test_sentences_that_are_not_split_are_refused():
    message = r"pairs must be split .* got \('the', \['das'\]\) as pair 2"
    with pytest.raises(ValueError, match=message):
        align_words([(["a"], ["ein"]), ("the", ["das"])])


def test_switched_words_are_the_share_of_the_linked():
    first, second = list("abcd"), list("ABCD")
    links = {0: 1, 2: 2}
    generator = np.random.default_rng(0)
    drawn = [switch_words(first, second, links, 0.3, generator) for _ in range(2000)]
    assert (first, second) == (list("abcd"), list("ABCD"))
    for (side, original), position in itertools.product(enumerate((first, second)), range(4)):
        linked = position in (links.values() if side else links)
        changed = np.mean([each[side][position] != original[position] for each in drawn])
        assert changed == pytest.approx(0.3 * linked, abs=0.04)
    assert switch_words(first, second, links, 1.0, generator) == (list("BbCd"), list("AacD"))


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_is_a_probability(share):
    with pytest.raises(ValueError, match="share must lie in"):
        switch_words(["a"], ["b"], {0: 0}, share, np.random.default_rng(0))
