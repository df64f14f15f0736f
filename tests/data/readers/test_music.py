import gzip
import json

import pytest

from rnnjax.data import Music, read_music


def written(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def test_pieces_are_chords_of_ascending_keys(tmp_path):
    found = {"valid": [[[3]]], "train": [[[87, 0, 87], []], [[5]]], "test": []}
    music = read_music(written(tmp_path / "music.json", found))
    assert music == Music([((0, 87), ()), ((5,),)], [((3,),)], [])
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(json.dumps({"train": [], "valid": []}).encode()))
    assert read_music(packed) == Music([], [], [])


def piece(*steps):
    return {"train": [[[1]], list(steps)], "valid": []}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (piece([1], [2, 88]), "train, piece 2, step 2: a key must be an .* 0 to 87, got 88"),
        (piece([-1]), "train, piece 2, step 1: .* got -1"),
        (piece([1.0]), r"step 1: a key must be an integer from 0 to 87, got 1\.0; it is MIDI's"),
        (piece([True]), "got true"),
        (piece(["C4"]), 'got "C4"'),
        (piece([None]), "got null"),
        (piece([[1]]), r"got \[1\]"),
        (piece(7), "train, piece 2, step 1: a step must be a list of keys, got 7"),
        (piece(), r"train, piece 2: a piece must be a list of at least one step, got \[\]"),
        ({"train": [5], "valid": []}, "train, piece 1: a piece must be a list .* got 5"),
        ({"train": [], "valid": [], "test": {}}, r"test: a split must be a list .* got \{\}"),
        ({"train": []}, r'must hold an object with "train", "valid" .* got \["train"\]'),
        ({"train": [], "valid": [], "dev": []}, r'got \["train", "valid", "dev"\]'),
        ({}, r"got \[\]"),
        ([[[1]]], r"got \[\[\[1\]\]\]"),
        ('{"train": [],\n"valid": [}', "line 2: must be JSON"),
        ('{"train": NaN, "valid": []}', "train: a split must be a list of pieces, got NaN"),
        ("[" * 100_000, "brackets nested too deep"),
        ("", "must contain text"),
    ],
)
def test_what_is_no_music_is_refused_by_its_place(tmp_path, value, message):
    with pytest.raises(ValueError, match=f"bad.json.*{message}") as error:
        read_music(written(tmp_path / "bad.json", value))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300
