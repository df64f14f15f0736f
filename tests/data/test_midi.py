"""MIDI files: byte by byte for a short one, and read by another library."""

import random

import pytest

from rnnjax.data import write_midi

PIECE = ((39, 43), (39,), (), (39, 87), (0, 39))


def test_a_chord_and_a_rest_byte_by_byte(tmp_path):
    write_midi(tmp_path / "a.mid", ((39,), (39,), ()), beats_per_minute=120, steps_per_beat=1)
    header = b"MThd" + bytes([0, 0, 0, 6, 0, 0, 0, 1, 480 >> 8, 480 & 255])
    tempo = bytes([0, 0xFF, 0x51, 3, 0x07, 0xA1, 0x20])  # 500,000 microseconds
    begins, ends = bytes([0, 0x90, 60, 80]), bytes([0x87, 0x40, 0x80, 60, 80])  # 960 ticks
    track = tempo + begins + ends + bytes([0x83, 0x60, 0xFF, 0x2F, 0])  # 480 ticks of rest
    assert (tmp_path / "a.mid").read_bytes() == header + b"MTrk\0\0\0" + bytes([len(track)]) + track


def notes_of(path, steps_per_beat):
    """The notes as (key, first step, steps), and the tempo, as mido reads them."""
    mido = pytest.importorskip("mido")
    file = mido.MidiFile(path)
    assert (file.type, len(file.tracks)) == (0, 1)
    now, sounding, notes, tempo = 0, {}, [], None
    for message in file.tracks[0]:
        now += message.time
        step = now * steps_per_beat / file.ticks_per_beat
        if message.type == "set_tempo":
            tempo = mido.tempo2bpm(message.tempo)
        elif message.type == "note_on":
            assert message.note not in sounding
            sounding[message.note] = step
        elif message.type == "note_off":
            begun = sounding.pop(message.note)
            notes.append((message.note - 21, begun, step - begun))
    assert not sounding
    return sorted(notes), tempo, step


def test_another_library_reads_held_keys_as_one_note(tmp_path):
    write_midi(tmp_path / "a.mid", PIECE, beats_per_minute=90, steps_per_beat=2)
    notes, tempo, end = notes_of(tmp_path / "a.mid", 2)
    assert notes == [(0, 4, 1), (39, 0, 2), (39, 3, 2), (43, 0, 1), (87, 3, 1)]
    assert tempo == pytest.approx(90, rel=1e-4)
    assert end == 5


@pytest.mark.parametrize("steps_per_beat", [1, 4, 7])
def test_another_library_reads_a_long_piece_as_it_is(tmp_path, steps_per_beat):
    draw = random.Random(0)
    piece = tuple(tuple(k for k in range(88) if draw.random() < 0.1) for _ in range(300))
    piece = (*piece, *[()] * 200)  # a rest of more ticks than two bytes hold
    write_midi(tmp_path / "a.mid", (*piece, (5,)), steps_per_beat=steps_per_beat)
    notes, _, _ = notes_of(tmp_path / "a.mid", steps_per_beat)
    chords = [set() for _ in range(501)]
    for key, begun, steps in notes:
        for step in range(round(begun), round(begun + steps)):
            chords[step].add(key)
    assert chords == [*map(set, piece), {5}]


def test_no_steps_are_a_file_too(tmp_path):
    write_midi(tmp_path / "a.mid", ())
    assert notes_of(tmp_path / "a.mid", 2) == ([], pytest.approx(100), 0)


def test_settings_out_of_range_are_refused(tmp_path):
    with pytest.raises(ValueError, match="steps_per_beat must be an integer of at least 1, got 0"):
        write_midi(tmp_path / "a.mid", PIECE, steps_per_beat=0)
    with pytest.raises(ValueError, match=r"beats_per_minute must be at least 4, got 3\.5"):
        write_midi(tmp_path / "a.mid", PIECE, beats_per_minute=3.5)
