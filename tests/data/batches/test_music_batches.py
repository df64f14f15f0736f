import numpy as np
import pytest

from rnnjax.data import Buckets, MusicBatches, encode_music

# One in the middle, one as wide as the piano, one at its lowest key, one of rests alone, no steps.
PIECES = [((40, 44), (42,), (40,)), ((0, 87), (3,)), ((2,), (), (9, 30)), ((), ()), ()]


def batches(pieces=PIECES, down=5, up=6, seed=0):
    encoded = encode_music(pieces)
    return MusicBatches(encoded, Buckets(encoded.lengths, (), 2, seed=seed), down, up)


def chords_of(batch):
    """The chords of each row, as the reader has them."""
    rows = zip(batch["chords"], batch["lengths"], strict=True)
    return [tuple(tuple(key for key in c.tolist() if key >= 0) for c in r[:n]) for r, n in rows]


def shifted(piece, shift):
    return tuple(tuple(key + shift for key in chord) for chord in piece)


def test_pieces_are_encoded_as_they_are():
    encoded = encode_music(PIECES)
    assert encoded.inputs["chords"].dtype == np.int32
    assert chords_of(encoded.batch(np.arange(5), 4)) == PIECES
    assert encode_music([((), ())]).inputs["chords"].tolist() == [[-1], [-1]]
    assert encode_music([]).inputs["chords"].shape == (0, 1)


def test_each_piece_gets_each_shift_that_keeps_it_on_the_piano():
    made, seen = batches(), {number: set() for number in range(5)}
    for step in range(400):
        rows, _ = made.buckets.at(step)
        for row, chords in zip(rows, chords_of(made.at(step)), strict=True):
            if row >= 0:
                seen[row].add(chords)
    ranges = {0: range(-5, 7), 1: range(1), 2: range(-2, 7), 3: range(1), 4: range(1)}
    for number, shifts in ranges.items():
        assert seen[number] == {shifted(PIECES[number], shift) for shift in shifts}


def test_a_batch_is_a_function_of_seed_and_step():
    one, other = batches(), batches()
    for step in (7, 3):
        for name, values in one.at(step).items():
            np.testing.assert_array_equal(values, other.at(step)[name])
    others = batches(seed=1)
    assert any(chords_of(one.at(step)) != chords_of(others.at(step)) for step in range(4))
    plain = batches(down=0, up=0)
    rows, _ = plain.buckets.at(0)
    assert chords_of(plain.at(0)) == [PIECES[row] if row >= 0 else () for row in rows]


def test_negative_shifts_are_refused():
    with pytest.raises(ValueError, match="down must be at least 0, got -1"):
        batches(down=-1)
