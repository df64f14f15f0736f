"""The script as a person meets it: what it writes, what it says, and what it refuses."""

import gzip
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from lm_runs import SMALL, assert_fails, assert_same_end, finish, write_text

from rnnjax.data import Vocabulary
from rnnjax.train import read_metrics
from rnnjax_experiments.lm import baselines
from rnnjax_experiments.lm import commands as lm
from rnnjax_experiments.shared import recipe


def test_train_leaves_all_that_a_run_needs(trained):
    folder, out = trained
    names = {
        "SHA256SUMS",
        "config.json",
        "model.json",
        "vocabulary.json",
        "metrics.jsonl",
        "curves.png",
        "sample.txt",
    }
    assert {p.name for p in folder.iterdir()} == {*names, "best", "latest"}
    assert (folder / "curves.png").read_bytes()[:4] == b"\x89PNG"
    experiment = json.loads((folder / "config.json").read_text())
    assert experiment["hidden_size"] == 12
    assert experiment["optimizer"]["learning_rate"] == 0.02
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    valid = [r["loss"] for r in records if r["split"] == "valid"]
    assert len(valid) >= 5
    assert valid[-1] < valid[0] < np.log(17)  # it learned, and better than a uniform guess
    assert all(r["grad_norm"] > 0 for r in records if r["split"] == "train")
    sample = (folder / "sample.txt").read_text()
    assert len(sample) == 1001
    assert sample[:300] in out
    for row in ("uniform", "unigram", "6-gram", "gzip", "bz2", "xz", "this model"):
        assert row in out


def test_the_table_compares_bits_on_the_same_text(trained):
    _, out = trained
    # The cells of each row, whatever draws the lines between them.
    rows = {}
    for line in out.splitlines():
        cells = [cell.strip() for cell in line.replace("┃", "│").split("│")[1:-1]]
        if len(cells) == 4:
            rows[cells[0]] = cells[1:]
    nats, bits, perplexity = map(float, rows["this model"])
    assert bits == pytest.approx(nats / np.log(2), abs=1e-3)
    assert perplexity == pytest.approx(np.exp(nats), abs=0.01)
    assert bits < float(rows["unigram"][1]) < float(rows["uniform"][1])


def test_baselines_say_what_they_do_and_read_the_end_of_a_long_text(monkeypatch, capsys):
    text, held_out = "ab" * 50 + "cd" * 50, "cdcd"
    vocabulary = Vocabulary.characters(text)
    ids = vocabulary.encode(text), vocabulary.encode(held_out)
    whole = dict(baselines.baseline_costs(vocabulary, *ids))
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "compressing with gzip, bz2 and xz ..."
    assert len(said) == 3
    monkeypatch.setattr(baselines, "MOST_READ", 100)
    part = dict(baselines.baseline_costs(vocabulary, *ids))
    assert "counting for the unigram of the last 100 characters ..." in capsys.readouterr().out
    end = dict(baselines.baseline_costs(vocabulary, ids[0][-100:], ids[1]))
    assert [f"{name} of the last 100 characters" for name in list(end)[1:]] == list(part)[1:]
    assert list(part.values()) == list(end.values())
    assert part["unigram of the last 100 characters"] < whole["unigram"]


def test_training_again_goes_on_from_the_end(trained, text, cli, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained[0], folder)
    code, out, _ = cli("train", "--data", text, "--out", folder, *SMALL, "--no-baselines")
    assert code == 0
    assert "resuming at step" in out
    assert "unigram" not in out
    assert_same_end(folder, trained[0])


def test_another_configuration_or_text_in_the_same_folder_is_named(trained, text, cli, tmp_path):
    folder, _ = trained
    before = (folder / "config.json").read_text()
    changed = ("train", "--data", text, "--out", folder, *SMALL, "--hidden-size", "13")
    assert_fails(cli(*changed), folder, "hidden_size was 12 and is now 13", "--out")
    other = write_text(tmp_path / "other.txt", 150)
    assert_fails(cli("train", "--data", other, "--out", folder, *SMALL), folder, "data changed")
    assert (folder / "config.json").read_text() == before


def test_evaluate_prints_nats_bits_and_perplexity(trained, text, cli):
    folder, _ = trained
    code, out, _ = cli("evaluate", "--run", folder, "--data", text)
    assert code == 0
    assert f"{len(text.read_text()):,}" in out
    values = [
        float(line.replace("│", " ").split()[-1]) for line in out.splitlines() if " a " in line
    ]
    nats, bits, perplexity = values[-3:]
    assert bits == pytest.approx(nats / np.log(2), abs=1e-3)
    assert perplexity == pytest.approx(np.exp(nats), rel=1e-2)


def test_generate_repeats_by_seed_and_continues_the_prompt(trained, cli, start):
    folder, _ = trained
    draw = ("generate", "--run", folder, "--num-tokens", "60", "--prompt", "the cat ")
    first, again, other = cli(*draw), cli(*draw), cli(*draw, "--seed", "1")
    assert first[0] == 0
    assert first[1].startswith("the cat ")
    assert len(first[1].rstrip("\n")) in range(60, 70)
    assert first == again
    assert first[1] != other[1]
    # And from a process of its own, as people call it.
    assert finish(start(*draw))[1] == first[1]


def test_generate_takes_several_prompts_and_a_stop(trained, cli):
    folder, _ = trained
    draw = ("generate", "--run", folder, "--temperature", "0", "--num-tokens", "80")
    code, out, _ = cli(*draw, "--stop", ".", "--prompt", "the cat ", "a ")
    assert code == 0
    first, second = (part.strip() for part in out.split("-" * 40)[:2])
    assert first.startswith("the cat ")
    assert second.startswith("a ")
    for part in (first, second):
        assert part.count(".") == 1
        assert part.endswith(".")
    assert_fails(cli(*draw, "--stop", "ca"), "stop must be one character", "'ca'")


def test_an_unknown_character_is_named(trained, cli):
    folder, _ = trained
    assert_fails(cli("generate", "--run", folder, "--prompt", "the Zebra"), "'Z'", "vocabulary")


@pytest.mark.parametrize(
    ("option", "value", "name"),
    [("--num-tokens", "0", "num_tokens"), ("--temperature", "-1", "temperature")],
)
def test_a_bad_option_of_generate_is_named(trained, cli, option, value, name):
    assert_fails(cli("generate", "--run", trained[0], option, value), name)


def test_score_ranks_the_likelier_sentence_first(trained, cli):
    folder, _ = trained
    sentences = "dog the tree a hears.\nthe dog hears a fish.\n\na a a a a a a a a a.\n"
    code, out, err = cli("score", "--run", folder, stdin=sentences)
    assert code == 0, err
    rows = [line.split(maxsplit=2) for line in out.splitlines()[1:]]
    assert rows[0][2] == "the dog hears a fish."
    logs = [float(row[0]) for row in rows]
    assert len(logs) == 3
    assert logs == sorted(logs, reverse=True)
    for log, perplexity, sentence in rows:
        # A sentence and the line's end are what is scored.
        want = np.exp(-float(log) / (len(sentence) + 1))
        assert float(perplexity) == pytest.approx(want, rel=1e-2)


def test_a_folder_that_cannot_be_written_to_is_refused_before_training(
    text, cli, tmp_path, monkeypatch
):
    monkeypatch.setattr(recipe, "fit", None)
    (tmp_path / "link").symlink_to(tmp_path / "absent")
    call = ("train", *SMALL, "--data")
    for out in (text, "/dev/null", tmp_path / "link"):
        assert_fails(cli(*call, text, "--out", out), out, "must be a folder", "--out")
    # By default the folder has the name of the file.
    monkeypatch.chdir(tmp_path)
    path = Path(os.fsdecode(b"caf\xe9.txt.gz"))
    path.write_bytes(gzip.compress(text.read_bytes()))
    assert_fails(cli(*call, path), "must be UTF-8", "runs/caf\\xe9'", "--out")
    assert not Path("runs").exists()


def test_score_of_nothing_is_named(trained, cli, tmp_path):
    (tmp_path / "blank.txt").write_text("\n \n")
    assert_fails(
        cli("score", "--run", trained[0], "--data", tmp_path / "blank.txt"), "blank.txt", "sentence"
    )


def test_a_word_is_learnt_from_a_file_that_holds_nothing_else(cli, tmp_path):
    (tmp_path / "word.txt").write_text("machine\n")
    run = tmp_path / "run"
    code, out, err = cli("train", "elman", "--data", tmp_path / "word.txt", "--out", run)
    assert code == 0, err
    assert "8 / 8 / 0 tokens" in out
    assert read_metrics(run / "metrics.jsonl")[-1]["loss"] < 0.1
    _, written, _ = cli("generate", "--run", run, "--temperature", "0", "--num-tokens", "16")
    assert written == "machine\nmachine\n\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["cannot read", "No such file"]),
        (b"", ["must contain text"]),
        (b"caf\xe9 is not UTF-8\n" * 99, ["UTF-8", "0xe9", "offset 3"]),
        (b"too short\n" * 7, ["tokens must be at least 64", "got 63"]),
        (b"x", ["character for each", "got 1 characters"]),
    ],
)
def test_a_bad_text_is_named_and_leaves_no_claim_on_the_folder(cli, tmp_path, content, words):
    path, folder = tmp_path / "bad.txt", tmp_path / "run"
    if content is not None:
        path.write_bytes(content)
    outcome = cli("train", "--data", path, "--out", folder, *SMALL)
    assert_fails(outcome, *words, *([] if "tokens" in words[0] else ["bad.txt"]))
    # Mended, the same command must work; a configuration left behind would stand in its way.
    assert not (folder / "config.json").exists()


@pytest.mark.parametrize("command", ["evaluate", "score"])
def test_a_bad_text_to_read_is_named(trained, cli, tmp_path, command):
    (tmp_path / "bad.txt").write_bytes(b"\xff")
    call = (command, "--run", trained[0], "--data", tmp_path / "bad.txt")
    assert_fails(cli(*call), "bad.txt", "UTF-8")
    (tmp_path / "bad.txt").write_text("Ünknown\n")
    assert_fails(cli(*call), "'Ü'", "vocabulary")


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("batch-size", "batch_size"),
        ("chunk", "length"),
        ("layers", "layers"),
        ("hidden-size", "hidden_size"),
        ("evaluations", "evaluations"),
        ("epochs", "epochs"),
    ],
)
def test_a_count_of_zero_is_named(cli, text, tmp_path, option, name):
    outcome = cli("train", "--data", text, "--out", tmp_path / "run", *SMALL, f"--{option}", "0")
    assert_fails(outcome, name)


def test_no_pieces_at_all_are_refused(cli, text, tmp_path):
    options = ("pieces", "--data", text, "--out", tmp_path / "run", *SMALL, "--vocab-max", "0")
    assert_fails(cli("train", *options), "at least 257, got 0")


def test_an_unknown_preset_is_refused_and_the_known_are_shown(cli):
    code, out, _ = cli("train", "--help")
    assert code == 0
    for preset in lm.PRESETS:
        assert preset in out
    code, _, err = cli("train", "huge")
    assert code == 2
    assert "Traceback" not in err


@pytest.mark.slow  # a training of its own
def test_words_join_the_prompt_with_a_space(cli, text, tmp_path):
    folder = tmp_path / "run"
    options = ("--vocabulary", "word", "--epochs", "2", "--batch-size", "2", "--evaluations", "1")
    code, out, err = cli("train", "--data", text, "--out", folder, *SMALL, *options)
    assert code == 0, err
    assert "3-gram" in out
    assert "gzip" not in out  # bits a character are not perplexity a word
    code, out, _ = cli("generate", "--run", folder, "--prompt", "the cat", "--num-tokens", "5")
    assert code == 0
    vocabulary = json.loads((folder / "vocabulary.json").read_text())["symbols"]
    assert set(out.split()) <= set(vocabulary)
    code, out, _ = cli(
        "generate",
        "--run",
        folder,
        "--prompt",
        "a zebra",
        "--num-tokens",
        "1",
        "--temperature",
        "0",
    )
    assert code == 0  # an unknown word is <unk>
