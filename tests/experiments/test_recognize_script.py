"""Recognition as a person meets it: speech made of tones, and lines of digits."""

import json
import os
import re
import signal
from itertools import product

import numpy as np
import pytest
from lm_runs import assert_fails, assert_same_end
from sentence_runs import table, write

import rnnjax as rx
from rnnjax.data import Recording, SpeechBatches, read_manifest, read_wav, write_wav
from rnnjax.decoding import TranscriptStream
from rnnjax.trained import TrainedTranscriber
from rnnjax_experiments.corpora.digit_lines import digit_lines
from rnnjax_experiments.recognize import commands as recognize
from rnnjax_experiments.recognize import data as corpus
from rnnjax_experiments.recognize.report import error_rate

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

RATE = 1000
SMALL = (
    *("--rate", RATE, "--filters", "6", "--lowest", "50", "--highest", "450", "--hop", "0.02"),
    *(
        "--stack",
        "2",
        "--frame",
        "0.04",
        "--hidden-size",
        "16",
        "--window-size",
        "16",
        "--layers",
        "1",
    ),
    *("--dropout", "0", "--layer-dropout", "0", "--batch-size", "8", "--shapes", "1"),
    *("--epochs", "20", "--learning-rate", "0.02", "--gain", "0", "--speed", "0.05"),
    *("--time-masks", "0", "--frequency-masks", "0", "--noise", "0.5"),
)


@pytest.fixture(scope="module")
def cli(cli_of):
    return cli_of(recognize.COMMANDS)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Digits 1 to 3 are tones, which two speakers say at their own pitch."""
    folder = tmp_path_factory.mktemp("tones")
    rng = np.random.default_rng(0)
    for digit, (speaker, pitch), index in product(
        range(1, 4), [("ada", 1.0), ("emil", 1.1)], range(15)
    ):
        times = np.arange(rng.integers(100, 160)) / RATE
        samples = 0.5 * np.sin(2 * np.pi * 110 * digit * pitch * times)
        write_wav(folder / f"{digit}_{speaker}_{index}.wav", Recording(samples, RATE))
    write(folder / "other.wav", "no recording of a digit")
    return folder


@pytest.fixture(scope="module")
def data(recordings, cli):
    """Manifests of strings of up to three digits."""
    folder = recordings.parent / "strings"
    options = ("--train", "64", "--dev", "12", "--test", "24", "--most", "3", "--silence", "0.1")
    code, out, err = cli("join", "--recordings", recordings, "--out", folder, *options)
    assert code == 0, err
    assert out.split() == [str(folder / f"{name}.tsv") for name in ("train", "dev", "test")]
    return [folder / f"{name}.tsv" for name in ("train", "dev", "test")]


@pytest.fixture(scope="module")
def trained(data, cli):
    """A run of one direction: its folder and what it printed. Not to be written to."""
    folder = data[0].parent / "run"
    code, out, err = cli("train", "streaming", "--data", *data, "--out", folder, *SMALL)
    assert code == 0, err
    return folder, out


def joins(samples, choices):
    """Whether samples are one of each of some recordings, with silence around each."""
    if not choices or not samples.any():
        return not choices and not samples.any()
    samples = samples[max(0, np.flatnonzero(samples)[0] - 1) :]  # a tone begins with a zero
    return any(
        np.array_equal(samples[: len(each)], each) and joins(samples[len(each) :], choices[1:])
        for each in choices[0]
    )


def test_strings_are_of_one_speaker_and_of_the_recordings_of_their_split(data, recordings, cli):
    names = {}
    for manifest, numbers in zip(data, (range(10, 15), range(5, 10), range(5)), strict=True):
        for utterance in read_manifest(manifest)[:12]:
            speaker = utterance.path.stem.split("-")[1]
            choices = [
                [read_wav(recordings / f"{digit}_{speaker}_{n}.wav").samples for n in numbers]
                for digit in utterance.transcript
            ]
            assert joins(read_wav(utterance.path, RATE).samples, choices)
            names.setdefault(speaker, set()).add(manifest)
    assert {speaker: len(found) for speaker, found in names.items()} == {"ada": 3, "emil": 3}


def test_a_speaker_is_left_out(recordings, cli, tmp_path):
    options = ("--train", "4", "--dev", "2", "--test", "6", "--leave-out", "ada")
    call = ("join", "--recordings", recordings, *options, "--out")
    code, out, _ = cli(*call, tmp_path / "one")
    assert code == 0
    assert out.split()[-1] == str(tmp_path / "one" / "unheard.tsv")
    for name, speaker in [("train", "emil"), ("test", "emil"), ("unheard", "ada")]:
        found = read_manifest(tmp_path / "one" / f"{name}.tsv")
        assert {each.path.stem.split("-")[1] for each in found} == {speaker}
    cli(*call, tmp_path / "two")
    for path in (tmp_path / "one").rglob("*.*"):
        same = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == same.read_bytes()
    assert_fails(cli(*call[:-1], "--leave-out", "bo", "--out", tmp_path), "ada, emil, got bo")
    alone = ("--speakers", "ada", "--out", tmp_path / "x")
    assert_fails(cli(*call[:-1], *alone), "another speaker than leave_out, ada")
    assert_fails(cli("join", "--recordings", tmp_path, "--out", tmp_path / "x"), "must hold files")
    only = ("join", "--recordings", recordings, "--out", tmp_path / "x", "--speakers", "bo")
    assert_fails(cli(*only), "must hold files", "for speaker bo")
    assert not (tmp_path / "x").exists()


def test_strings_are_transcribed_and_counted_by_length(trained, data, cli):
    folder, out = trained
    assert {"config.json", "features.json", "vocabulary.json", "lines.png", "curves.png"} < {
        path.name for path in folder.iterdir()
    }
    rows = table(out, "test, symbol error rate")
    assert set(rows) == {"symbols", "1", "2", "3", "all"}
    assert float(rows["all"][1]) < 15
    run = rx.load_run(folder)
    assert isinstance(run, TrainedTranscriber)
    assert run.features.rate == RATE
    assert run.features.mean is not None  # needs no later frame
    utterances = read_manifest(data[2])
    frames = run.read([each.path for each in utterances])
    truth = [each.transcript for each in utterances]
    for beam, cell in [(None, rows["all"][1]), (8, rows["all"][2])]:
        assert f"{error_rate(truth, run.transcribe(frames, beam)):.2f}" == cell
    code, again, _ = cli("evaluate", "--run", folder, "--data", data[2], "--beam", "2")
    assert code == 0
    assert table(again, "test, symbol")["all"][1] == rows["all"][1]
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    valid = [record for record in records if record["split"] == "valid"]
    assert valid[-1]["loss"] < valid[0]["loss"] / 2


def test_files_are_transcribed_whole_and_while_they_come(trained, data, cli, tmp_path):
    run = rx.load_run(trained[0])
    paths = [each.path for each in read_manifest(data[2])[:4]]
    texts = run.transcribe(run.read(paths))
    call = ("predict", "--run", trained[0], "--files")
    code, out, _ = cli(*call, *paths)
    assert code == 0
    assert out.splitlines() == [f"{p}\t{text}" for p, text in zip(paths, texts, strict=True)]
    code, out, _ = cli(*call, *paths, "--stream")
    assert code == 0
    rows = [line.split("\t") for line in out.splitlines()]
    for path, text in zip(paths, texts, strict=True):
        mine = [row for row in rows if row[0] == str(path)]
        assert "".join(row[2] for row in mine) == text
        times = [float(row[1]) for row in mine if row[1] != "end"]
        assert times == sorted(times)
        assert times[-1] <= read_wav(path).seconds + 0.04
    assert run.transcribe([]) == []
    assert run.transcribe([np.zeros((0, 6), np.float32)]) == [""]
    probabilities = run.probabilities(run.read(paths[:1])[0])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    stream = TranscriptStream(run.model, run.variables)
    ids = stream.read(run.read(paths[:1])[0]) + stream.finish()
    assert run.vocabulary.decode(ids) == texts[0]


def test_recordings_that_do_not_fit_are_one_line(trained, data, cli, tmp_path):
    other = tmp_path / "other.wav"
    write_wav(other, Recording(np.ones(900), 2 * RATE))
    call = ("predict", "--run", trained[0], "--files")
    assert_fails(cli(*call, other), "other.wav must have 1000 samples a second, got 2000")
    assert_fails(cli(*call, tmp_path / "none.wav"), "none.wav: No such file")
    assert_fails(cli(*call), "at least one file")
    assert_fails(cli(*call, other, "--stream", "--beam", "2"), "beam must not be given with stream")
    write_wav(tmp_path / "short.wav", Recording(np.ones(60), RATE))
    bad = write(tmp_path / "bad.tsv", "short.wav\t1\nshort.wav\t11\n")
    start = ("train", "speech", "--out", tmp_path / "run", *SMALL, "--data")
    # 57 samples at the fastest speed are two frames, one step.
    want = ("bad.tsv, line 2", "'11' needs 3 steps", "short.wav has 1, of 2 frames each")
    assert_fails(cli(*start, bad, data[1]), *want)
    assert_fails(cli(*start, data[0], bad), *want)
    unknown = write(tmp_path / "unknown.tsv", f"{read_manifest(data[0])[0].path}\t174\n")
    seen = ("unknown.tsv, line 1", "got '4' in '174'")
    assert_fails(cli(*start, data[0], unknown), *seen)
    assert_fails(cli("evaluate", "--run", trained[0], "--data", unknown), *seen)
    fast = write(tmp_path / "fast.tsv", "other.wav\t1\n")
    assert_fails(cli(*start, fast, data[1]), "fast.tsv, line 1: ", "wav must have 1000 samples")
    nothing = write(tmp_path / "nothing.tsv", "other.wav\t\n")
    assert_fails(cli(*start, nothing, data[1]), "nothing.tsv must have a transcript")
    assert_fails(cli(*start, data[0]), "two or three files")
    assert_fails(cli(*start, *data[:2], "--beam", "0"), "beam must be")
    assert_fails(cli("train", "speech"), "two or three manifests, got none")
    assert_fails(cli("train", "digits", "--data", *data), "speech and streaming alone")
    assert_fails(cli("evaluate", "--run", trained[0]), "a manifest for a run on speech")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow  # two trainings
def test_a_run_that_is_interrupted_goes_on_and_ends_the_same(
    trained, data, cli, tmp_path, monkeypatch
):
    call = ("train", "streaming", "--data", *data, "--out", tmp_path / "run", *SMALL)
    at = SpeechBatches.at

    def stopping(batches, step):
        if step == 43:
            os.kill(os.getpid(), signal.SIGINT)
        return at(batches, step)

    with monkeypatch.context() as patch:
        patch.setattr(SpeechBatches, "at", stopping)
        code, _, err = cli(*call)
    assert code == 130
    assert re.search(r"interrupted at step 44 of", err)
    code, out, _ = cli(*call)
    assert code == 0
    assert_same_end(tmp_path / "run", trained[0])
    assert table(out, "test, symbol") == table(trained[1], "test, symbol")


LINES = (
    *("--hidden-size", "8", "--window-size", "8", "--batch-size", "4", "--lines", "8"),
    *("--epochs", "1", "--stack", "4"),
)


@pytest.mark.full
def test_lines_of_digits_are_the_default(cli, tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.setattr(corpus, "DEV", 6)
    monkeypatch.setattr(corpus, "TEST", 8)
    folder = tmp_path / "run"
    code, out, err = cli("train", *("--out", folder, "--beam", "2"), "digits", *LINES)
    assert code == 0, err
    assert "382 images alone" in out
    assert table(out, "test, symbol")["all"][0] == "8"
    code, again, _ = cli("evaluate", "--run", folder, "--beam", "2")
    assert code == 0
    assert table(again, "test, symbol") == table(out, "test, symbol")
    assert_fails(cli("predict", "--run", folder, "--files", folder / "lines.png"), "12 pixels high")
    import matplotlib.image

    line = digit_lines("test", 1).frames[0]
    matplotlib.image.imsave(tmp_path / "line.png", line.T, cmap="gray", vmin=0, vmax=1)
    code, out, _ = cli("predict", "--run", folder, "--files", tmp_path / "line.png")
    assert code == 0
    assert out.startswith(f"{tmp_path / 'line.png'}\t")
