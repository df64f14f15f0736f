"""Polyphonic music as a person meets it."""

import json
import os
import random
import re
import signal
from itertools import pairwise

import numpy as np
import pytest
from lm_runs import assert_fails, assert_same_end
from sentence_runs import table, write

import rnnjax as rx
from rnnjax.data import Music, MusicBatches, read_music
from rnnjax.trained import TrainedPolyphonicModel
from rnnjax_experiments.music import baselines
from rnnjax_experiments.music import commands as music
from rnnjax_experiments.music.notes import chord_of, name_of

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SMALL = (
    *("--hidden-size", "12", "--head-size", "8", "--dropout", "0", "--batch-size", "4"),
    *("--epochs", "12", "--shapes", "1", "--learning-rate", "0.03", "--down", "1", "--up", "1"),
)
CHORDS = ([39, 43, 46], [44, 48, 51], [46, 50, 53], [])  # C, F and G, and a rest


@pytest.fixture(scope="module")
def cli(cli_of):
    return cli_of(music.COMMANDS)


def pieces_of(count, seed):
    """Each chord follows one other, but that a piece may begin anywhere."""
    draw = random.Random(seed)
    starts = [draw.randrange(4) for _ in range(count)]
    return [[CHORDS[(s + i) % 4] for i in range(draw.randrange(4, 9))] for s in starts]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    sizes = {"train": 60, "valid": 8, "test": 10}
    splits = {name: pieces_of(size, name) for name, size in sizes.items()}
    return write(tmp_path_factory.mktemp("music") / "chords.json", json.dumps(splits))


@pytest.fixture(scope="module")
def trained(data, cli):
    """A run: its folder and what it printed. Not to be written to."""
    folder = data.parent / "run"
    code, out, err = cli("train", "tunes", "--data", data, "--out", folder, *SMALL)
    assert code == 0, err
    return folder, out


def test_music_is_learnt_and_its_cost_is_that_of_the_loaded_run(trained, data, cli):
    folder, out = trained
    names = {"config.json", "model.json", "pieces.png", "generated-3.mid", "curves.png"}
    assert names < {path.name for path in folder.iterdir()}
    rows = table(out, "test, nats a step")
    run, pieces = rx.load_run(folder), read_music(data).test
    assert isinstance(run, TrainedPolyphonicModel)
    nats = run.nats(pieces)
    assert list(map(len, nats)) == list(map(len, pieces))
    later = np.concatenate([each[1:] for each in nats])
    want = np.concatenate(nats).mean(), later.mean(), np.mean([each.mean() for each in nats])
    assert rows["this model"] == [f"{each:.3f}" for each in want]
    frequency = float(rows["each key's frequency"][0])
    assert float(rows["this model"][1]) < float(rows["this model"][0]) < frequency / 2
    code, again, _ = cli("evaluate", "--run", folder, folder, "--data", data)
    assert code == 0
    found = table(again, f"{data}, test")
    assert rows["this model"] in found.values()
    spread = [cells for cells in found.values() if "±" in cells[0]]
    assert spread == [[f"{each:.3f} ± 0.000" for each in want]]
    assert rows["each key's frequency"] in found.values()
    character = table(out, "what they are like")
    assert character["test"][2:] == ["0.0", "100.0", "C4 to D5"]
    assert set(character) >= {"test", "generated"}


def test_pieces_are_written_from_nothing_a_chord_or_a_beginning(trained, data, cli, tmp_path):
    call = ("generate", "--run", trained[0], "--num-steps", "9", "--pieces", "2")
    code, out, err = cli(*call, "--chord", "G4 C4 E4", "--out", tmp_path / "a", "--seed", "3")
    assert code == 0, err
    assert re.fullmatch(r"\S+1.mid, \S+1.png: 10 steps, \d.\d\d notes a step", out.splitlines()[0])
    files = ("1.mid", "1.png", "2.mid", "2.png")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [*files]
    code, _, _ = cli(*call, "--chord", "C4 E4 G4", "--out", tmp_path / "b", "--seed", "3")
    assert code == 0
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert cli(*call, "--out", tmp_path / "a")[0] == 0  # from nothing, over what is there
    assert (tmp_path / "a/1.mid").read_bytes() != (tmp_path / "b/1.mid").read_bytes()
    code, out, _ = cli(*call, "--data", data, "--first", "3")
    assert code == 0
    assert out.count("12 steps") == 2
    assert (trained[0] / "generated/2.mid").exists()
    run, prompts = rx.load_run(trained[0]), [piece[:3] for piece in read_music(data).test[:2]]
    made = run.samples([*prompts, ()], 0, num_steps=9)
    assert [piece[:3] for piece in made[:2]] == prompts
    assert list(map(len, made)) == [12, 12, 9]
    known = {pair for piece in read_music(data).train for pair in pairwise(piece)}
    likeliest = run.samples(prompts, 0, num_steps=9, temperature=0.0)
    pairs = [pair for piece in likeliest for pair in pairwise(piece)]
    assert sum(pair in known for pair in pairs) > 0.8 * len(pairs)


def test_bad_input_is_one_line(trained, data, cli, tmp_path):
    bad = write(tmp_path / "bad.json", '{"train": [[[1], [3, 88]]], "valid": [[[1]]]}')
    out = ("--out", tmp_path / "run", *SMALL)
    place = "train, piece 1, step 2"
    assert_fails(cli("train", "tunes", "--data", bad, *out), bad, place, "0 to 87", "got 88")
    none = write(tmp_path / "none.json", '{"train": [], "valid": [[[1]]]}')
    assert_fails(cli("train", "tunes", "--data", none, *out), "train split", "at least one piece")
    assert_fails(cli("train", "tunes", "--data", data, *out, "--up", "-1"), "up must be at least 0")
    assert_fails(cli("train", "tunes", "--data", tmp_path / "no", *out), "cannot read", "no")
    assert not (tmp_path / "run").exists()
    assert_fails(cli("evaluate", "--run"), "at least one run")
    assert_fails(cli("evaluate", "--run", tmp_path), tmp_path, "holds no run")
    nothing = write(tmp_path / "nothing.json", '{"train": [[[1]]], "valid": []}')
    assert_fails(cli("evaluate", "--run", trained[0], "--data", nothing), "the valid split")
    call = ("generate", "--run", trained[0])
    assert_fails(cli(*call, "--chord", "C4 H4"), "chord must be notes", "'H4'")
    assert_fails(cli(*call, "--chord", "C4", "--data", data), "chord", "data")
    assert_fails(cli(*call, "--data", data, "--pieces", "99"), "at most the 10", "got 99")
    assert_fails(cli(*call, "--num-steps", "0"), "num_steps must be")
    assert_fails(cli(*call, "--temperature", "-1"), "temperature must be at least 0")
    assert_fails(cli(*call, "--beats-per-minute", "1"), "beats_per_minute must be at least 4")
    assert_fails(cli(*call, "--seed", "-1"), "seed must be at least 0")


@pytest.mark.slow  # two trainings
def test_a_run_that_is_interrupted_goes_on_and_ends_the_same(
    trained, data, cli, tmp_path, monkeypatch
):
    call = ("train", "tunes", "--data", data, "--out", tmp_path / "run", *SMALL)
    at = MusicBatches.at

    def stopping(batches, step):
        if step == 19:
            os.kill(os.getpid(), signal.SIGINT)
        return at(batches, step)

    with monkeypatch.context() as patch:
        patch.setattr(MusicBatches, "at", stopping)
        code, _, err = cli(*call)
    assert code == 130
    assert re.search(r"interrupted at step 20 of", err)
    code, out, _ = cli(*call)
    assert code == 0
    assert_same_end(tmp_path / "run", trained[0])
    assert table(out, "test, nats") == table(trained[1], "test, nats")


def test_without_data_it_is_counterpoint_beside_its_rules(cli, tmp_path, monkeypatch):
    splits, seen = Music([((1,),)], [], []), []

    def train(experiment, music, *_):
        seen.append((experiment, music))
        raise ValueError("that is all")

    monkeypatch.setattr(music, "counterpoint", lambda: splits)
    monkeypatch.setattr(music, "_train", train)
    assert_fails(cli("train", "--out", tmp_path / "run"), "that is all")
    assert seen == [(music.PRESETS["counterpoint"], splits)]


def test_models_that_count_are_those_of_their_counts():
    train = [((1,), (1,), (1, 2)), ((2,), (1,))]
    new = [((1,), (1, 2)), ((), (1,))]
    shares = {0: 0.5 / 6, 1: 4.5 / 6, 2: 2.5 / 6}
    rest = 85 * np.log(1 - 0.5 / 6)

    def frequency(chord):
        return -rest - sum(np.log(s if k in chord else 1 - s) for k, s in shares.items())

    found = baselines.key_frequencies(train)(new)
    want = [[frequency(chord) for chord in piece] for piece in new]
    np.testing.assert_allclose(np.array(found), want)

    # Chords alone: (1,) 3 times, (1, 2) and (2,) once; 3 kinds of 5. After (1,): (1,) and (1, 2).
    def alone(chord, count):
        return (count + 3 * np.exp(-frequency(chord))) / 8

    found = baselines.chord_bigram(train)(new)
    np.testing.assert_allclose(np.exp(-found[0][1]), (1 + 2 * alone((1, 2), 1)) / 4)
    np.testing.assert_allclose(np.exp(-found[0][0]), (1 + 2 * alone((1,), 3)) / 4)  # the first step
    np.testing.assert_allclose(np.exp(-found[1][1]), alone((1,), 3))  # never after a rest

    # Of 3 times that a key was on, it stayed on 2 times; of 437 that one was off, 4 came on.
    on, off = 2.5 / 4, 4.5 / 438
    key1, key2 = {1: (2 + on) / 3, 0: (2 + off) / 4}, {1: on / 2, 0: (2 + off) / 5}
    others = 86 * np.log(1 - off / 6)
    first, second = baselines.held_keys(train)(new)[0]
    np.testing.assert_allclose(-first, np.log(key1[0]) + np.log(1 - key2[0]) + others)
    np.testing.assert_allclose(-second, np.log(key1[1]) + np.log(key2[0]) + others)


@pytest.mark.parametrize(("steps", "sizes"), [(1, [1]), (8, [8]), (9, [5, 4]), (25, [7, 7, 7, 4])])
def test_long_pieces_are_cut_into_parts_of_nearly_one_length(steps, sizes):
    piece = tuple((key,) for key in range(steps))
    parts = music._parts(piece, 8)
    assert [len(part) for part in parts] == sizes
    assert sum(parts, ()) == piece


def test_notes_have_their_names():
    assert chord_of("C4 E4 G4") == (39, 43, 46)
    assert chord_of(" Bb0  A0 ") == (0, 1)
    assert chord_of("C8 F#4 Gb4") == (45, 87)
    assert chord_of("") == ()
    assert [chord_of(name_of(key)) for key in range(88)] == [(key,) for key in range(88)]
    for wrong in ("H4", "C", "C9", "G0", "c4", "C4,E4", "C##4", "60"):
        with pytest.raises(ValueError, match=re.escape(f"got {wrong!r}")):
            chord_of(wrong)
