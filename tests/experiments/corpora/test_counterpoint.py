"""The rules of counterpoint, looked at from outside, and the probabilities of its pieces."""

from itertools import pairwise, product

import numpy as np
import pytest

from rnnjax_experiments.corpora.counterpoint import PHRASE, PHRASES, SHIFTS, counterpoint, entropy
from rnnjax_experiments.corpora.counterpoint import exact_nats as nats

MUSIC = counterpoint(train=200, valid=5, test=100)
MAJOR = {0, 2, 4, 5, 7, 9, 11}


def tonics(piece):
    """The pitch classes, C being 3, of the major keys that have all notes of a piece."""
    notes = {key % 12 for chord in piece for key in chord}
    return [tonic for tonic in range(12) if {(note - tonic) % 12 for note in notes} <= MAJOR]


def test_pieces_keep_the_rules():
    assert list(map(len, MUSIC)) == [200, 5, 100]
    for piece in MUSIC.train:
        assert len(piece) in {phrases * PHRASE for phrases in PHRASES}
        assert all(len(chord) == 2 for chord in piece)
        assert {upper - lower for lower, upper in piece} <= {3, 4, 7, 8, 9, 12, 15, 16, 19}
        assert piece[-1][0] % 12 in tonics(piece)  # the end is on the tonic
        for (low, high), (next_low, next_high) in pairwise(piece):
            down, up = next_low - low, next_high - high
            assert (down, up) != (0, 0)
            assert {abs(down), abs(up)} <= {0, 1, 2, 3, 4, 5, 7}
            if down * up > 0:
                assert (next_high - next_low) % 12 not in (0, 7)
        for end in range(PHRASE - 1, len(piece), PHRASE):
            assert piece[end][1] - piece[end][0] == 12
            steps = [b - a for a, b in zip(piece[end - 1], piece[end], strict=True)]
            assert steps[0] * steps[1] < 0
            assert max(map(abs, steps)) <= 2
        for voice in zip(*piece, strict=True):
            moves = [b - a for a, b in pairwise(voice)]
            for move, after in pairwise(moves):
                if abs(move) > 4:
                    assert after * move < 0
                    assert abs(after) <= 4


def test_all_keys_and_lengths_occur_and_the_seed_decides():
    assert {len(piece) for piece in MUSIC.train} == {phrases * PHRASE for phrases in PHRASES}
    assert {piece[-1][0] % 12 for piece in MUSIC.train} == set(range(12))
    assert counterpoint(train=3, valid=1, test=1, seed=0).train == MUSIC.train[:3]
    assert counterpoint(train=3, valid=1, test=1, seed=1).train != MUSIC.train[:3]


@pytest.mark.parametrize("steps", [0, 1, 5, 7, 8, 15, 20])
def test_the_probabilities_of_the_next_chord_sum_to_one(steps):
    piece = next(piece for piece in MUSIC.test if len(piece) > 20)[:steps]
    low, high = (min(piece[-1]) - 20, max(piece[-1]) + 20) if piece else (10, 75)
    total = 0.0
    for chord in product(range(low, high), repeat=2):
        if chord[0] < chord[1]:
            try:
                total += np.exp(-nats((*piece, chord))[-1])
            except ValueError:
                continue
    np.testing.assert_allclose(total, 1)


@pytest.mark.parametrize("phrases", PHRASES)
def test_the_entropy_is_the_mean_cost_but_for_the_key(phrases):
    costs = [nats(each).sum() for each in MUSIC.train if len(each) == phrases * PHRASE]
    error = np.std(costs) / np.sqrt(len(costs))
    # Who reads a piece does not know its key, but learns it; it is worth log 12 at most.
    assert entropy(phrases) - 3 * error < np.mean(costs)
    assert np.mean(costs) < entropy(phrases) + np.log(len(SHIFTS)) + 3 * error
    assert error < 0.1 * np.mean(costs)


def test_what_the_rules_forbid_has_no_probability():
    piece = MUSIC.test[0]
    for wrong in [(piece[0],) * 2, (*piece[:3], (1, 2)), ((40,),), (piece[0], ())]:
        with pytest.raises(ValueError, match="the rules must allow the piece"):
            nats(wrong)
