from itertools import product

import numpy as np
import pytest

from rnnjax.metrics import Edits, edits, total_edits


def reached(text, steps):
    """All texts over ab that so many edits reach from a text."""
    found = {text}
    for _ in range(steps):
        found |= {
            new
            for each in found
            for i in range(len(each) + 1)
            for new in (
                *(each[:i] + c + each[i:] for c in "ab"),
                *((each[:i] + each[i + 1 :], each[:i] + "a" + each[i + 1 :]) if each[i:] else ()),
                *((each[:i] + "b" + each[i + 1 :],) if each[i:] else ()),
            )
        }
    return found


def test_the_distance_is_the_fewest_edits():
    texts = ["".join(each) for n in range(4) for each in product("ab", repeat=n)]
    for text in texts:
        for steps in range(4):
            near = reached(text, steps)
            for other in texts:
                assert (edits(text, other).errors <= steps) == (other in near)


def test_kinds_of_edits_add_up():
    rng = np.random.default_rng(0)
    for _ in range(200):
        ours, theirs = (rng.integers(3, size=rng.integers(8)).tolist() for _ in "12")
        found, back = edits(ours, theirs), edits(theirs, ours)
        assert found.insertions - found.deletions == len(theirs) - len(ours)
        assert found.symbols == len(ours)
        assert found.errors == back.errors
        assert found.substitutions == back.substitutions
    assert edits("abc", "abc") == Edits(0, 0, 0, 3)
    assert edits("abc", "xbcd") == Edits(1, 1, 0, 3)
    assert edits(["one", "two"], ["two"]) == Edits(0, 0, 1, 2)


def test_empty_references_count_what_is_inserted():
    assert edits("", "ab") == Edits(0, 2, 0, 0)
    assert np.isnan(edits("", "ab").rate)
    assert np.isnan(total_edits([], []).rate)
    assert total_edits(["", "abcd"], ["xy", "abc"]) == Edits(0, 2, 1, 4)
    assert total_edits(["", "abcd"], ["xy", "abc"]).rate == 0.75
    assert total_edits(["a"], ["bcd"]).rate == 3
    with pytest.raises(ValueError, match="as many, got 1 and 0"):
        total_edits(["a"], [])
