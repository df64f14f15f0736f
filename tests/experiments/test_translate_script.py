"""Translation as a person meets it."""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
from lm_runs import assert_fails
from sentence_runs import write

import rnnjax as rx
from rnnjax.data.vocabularies.subwords import MASK, PAD, START, UNKNOWN
from rnnjax.trained import load_run
from rnnjax_experiments.shared.parallel import PairFiles, SplitFiles
from rnnjax_experiments.translate import commands as translate
from rnnjax_experiments.translate.lengths import by_length

pytest.importorskip("sacrebleu")

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# Digits into words that are as long: a few steps are enough to learn it.
NAMES = ("null", "eins", "zwei", "drei")
TINY = (
    *("sentences", "--unit", "word", "--embed-size", "12", "--encoder-size", "12"),
    *("--decoder-size", "16", "--dropout", "0", "--label-smoothing", "0", "--shapes", "1"),
    *("--batch-size", "16", "--epochs", "8", "--learning-rate", "2e-2", "--beam", "2"),
    *("--cell", "gru"),
)


def sides(count, seed):
    rng = np.random.default_rng(seed)
    rows = [rng.integers(4, size=rng.integers(1, 5)) for _ in range(count)]
    texts = (" ".join(map(str, row)) for row in rows), (" ".join(NAMES[i] for i in r) for r in rows)
    return [list(side) for side in texts]


@pytest.fixture(scope="module")
def cli(cli_of):
    return cli_of(translate.COMMANDS)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Six files, by split and side."""
    folder, paths = tmp_path_factory.mktemp("parallel"), {}
    for seed, (split, count) in enumerate((("train", 160), ("dev", 30), ("test", 30))):
        for side, lines in zip(("num", "de"), sides(count, seed), strict=True):
            paths[split, side] = write(folder / f"{split}.{side}", "\n".join(lines) + "\n")
    return paths


def data_of(files, splits=("train", "dev", "test")):
    """The arguments that name the files."""
    ours, theirs = ([files[split, side] for split in splits] for side in ("num", "de"))
    return "--source", *ours, "--target", *theirs


@pytest.fixture(scope="module")
def trained(files, cli):
    """A run, and what it printed. Not to be written to."""
    out = files["train", "de"].parent / "run"
    code, printed, err = cli("train", *TINY, *data_of(files), "--out", out)
    assert code == 0, err
    return out, printed


def test_train_learns_and_leaves_its_folder(trained):
    out, printed = trained
    wanted = {
        "SHA256SUMS",
        "config.json",
        "model.json",
        "source.json",
        "target.json",
        "metrics.jsonl",
        "curves.png",
    }
    assert {p.name for p in out.iterdir()} == wanted | {"attention.png", "best", "latest"}
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    exact = [record["exact"] for record in records if record["split"] == "valid"]
    assert len(exact) == 8
    assert exact[-1] > 70  # it learned
    assert "beam 2" in printed
    assert "tok:13a" in printed


def test_evaluate_finds_what_training_reported(trained, files, cli):
    out, printed = trained
    test = ("--source", files["test", "num"], "--target", files["test", "de"])
    code, again, err = cli("evaluate", "--run", out, *test)
    assert code == 0, err
    for name in ("greedy", "beam 2"):
        (row,), (other,) = (
            [line for line in text.splitlines() if name in line] for text in (printed, again)
        )
        assert row.split("│")[2:4] == other.split("│")[2:4]


def test_translate_answers_line_by_line_whatever_it_gets(trained, cli):
    out, _ = trained
    lines = ["1 2", "", "  3   0 ", "9 §", " ".join("1231" * 10)]
    code, printed, err = cli("translate", "--run", out, stdin="\n".join(lines))
    assert code == 0, err
    answers = printed.split("\n")[:-1]
    assert len(answers) == len(lines)
    assert answers[0] == "eins zwei"
    assert answers[1] == ""
    assert answers[2] == "drei null"


def test_no_special_token_is_ever_written(trained):
    run = load_run(trained[0])
    special = (PAD, UNKNOWN, START, MASK)
    bias = run.params["bias"].at[jnp.array(special)].set(1e3)
    certain = dataclasses.replace(run, params={**run.params, "bias": bias})
    assert certain.translate(["1 2", "3"], 2, 1.0) == run.translate(["1 2", "3"], 2, 1.0)


def test_the_share_of_unknown_words_is_said(trained, cli, tmp_path):
    code, _, err = cli("translate", "--run", trained[0], stdin="1 2\n7 8 3\n\n")
    assert (code, err.strip().split(":")[0]) == (
        0,
        "2 of 5 words (40.0%) are not in the vocabulary",
    )


def test_files_are_read_as_tokenisers_give_text_back(tmp_path):
    ours, theirs = write(tmp_path / "a", "a\u0308  b\n"), write(tmp_path / "b", " c\td \n")
    (pair,) = PairFiles(source=ours, target=theirs).read()
    assert pair == ("\u00e4 b", "c d")


@pytest.fixture(scope="module")
def plain(files, cli):
    """A run without attention, of an encoder that reads the source from its end."""
    out = files["train", "de"].parent / "plain"
    options = ("--attention", "none", "--reverse-source", "--epochs", "2", "--encoder-layers", "2")
    code, printed, err = cli("train", *TINY, *data_of(files), "--out", out, *options)
    assert code == 0, err
    assert "attention" not in printed
    return out


@pytest.mark.full  # another training
def test_a_translator_without_attention_starts_from_the_final_state(plain):
    model = load_run(plain).model
    assert model.attention is None
    assert model.encoder == rx.Reversed(model.decoder)
    assert not (plain / "attention.png").exists()


@pytest.mark.full  # another training
def test_runs_translate_together(trained, plain, cli):
    lines = "1 2\n3\n"
    code, together, err = cli("translate", "--run", trained[0], plain, stdin=lines)
    assert code == 0, err
    one, other = load_run(trained[0]), load_run(plain)
    assert together.split("\n")[:-1] == one.translate(lines.split("\n")[:-1], beside=[other])


@pytest.mark.full  # another training
def test_bleu_by_length(trained, plain, files, cli, tmp_path):
    test = ("--source", files["test", "num"], "--target", files["test", "de"])
    arguments = ("--run", trained[0], plain, *test, "--out", tmp_path / "made")
    code, printed, err = cli("lengths", *arguments)
    assert code == 0, err
    figures = json.loads((tmp_path / "made" / "lengths.json").read_text())
    assert sum(figures["texts"]) == 30
    assert set(figures["bleu"]) == {str(trained[0]), str(plain)}
    assert (tmp_path / "made" / "lengths.png").read_bytes()[:4] == b"\x89PNG"
    assert "BLEU by words of the source" in printed


def test_groups_of_lengths_are_of_about_one_size_and_share_no_length():
    sizes = np.array([5, 1, 2, 2, 9, 2, 3, 7])
    groups = by_length(sizes, 3)
    assert [sorted(sizes[rows]) for rows in groups] == [[1, 2, 2, 2], [3, 5], [7, 9]]
    assert [len(rows) for rows in by_length(np.ones(4, int), 3)] == [4]


def test_the_default_folder_is_named_for_the_languages():
    files = SplitFiles(source=(Path("a/train.de.gz"),), target=(Path("a/train.en"),))
    assert files.name == "de-en"


def test_translations_with_an_empty_side_are_left_out_and_counted(tmp_path, capsys, pipe_of):
    def read(lines, **options):
        ours, theirs = map(pipe_of, lines)
        return PairFiles(source=ours, target=theirs, **options).read()

    lines = b"source\none\n\nthree\n \n", b"target\neins\nzwei\ndrei\n\n"
    pairs = read(lines, skip_empty=True)
    assert pairs == [("one", "eins"), ("three", "drei")]
    assert "2 of 4 pairs have an empty side and are left out" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"pipe2, line 3 is empty; .* --skip-empty .* 2 of 4"):
        read(lines)
    with pytest.raises(ValueError, match="must have a pair with text on both sides"):
        read((b"\na\n", b"b\n\n"), skip_empty=True)


def test_a_run_is_gone_on_with_or_refused(trained, files, cli):
    out, printed = trained
    code, again, _ = cli("train", *TINY, *data_of(files), "--out", out)
    assert code == 0
    assert "resuming at step" in again
    assert printed.splitlines()[-3:] == again.splitlines()[-3:]
    changed = cli("train", *TINY, *data_of(files), "--out", out, "--decoder-size", 8)
    assert_fails(changed, "decoder_size", "another run")


@pytest.mark.slow  # a training of its own
def test_one_vocabulary_and_mixed_tokens_train_too(files, cli, tmp_path):
    options = ("--shared", "--mix", "0.5", "--epochs", "1", "--attention", "dot")
    options += ("--input-feeding",)
    splits = data_of(files, ("train", "dev"))
    code, out, err = cli("train", *TINY, *splits, "--out", tmp_path / "run", *options)
    assert code == 0, err
    assert "dev: 30 texts" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--beam", 0), ("beam", "0")),
        (("--mix", 2), ("mix", "2")),
        (("--vocab-size", 3), ("vocab_size", "3")),
        (("--label-smoothing", 1), ("label_smoothing", "1")),
        (("--epochs", 0), ("epochs", "0")),
        (("--max-length", 1), ("max_length", "1")),
        (("--length-penalty", "nan"), ("length_penalty", "nan")),
        (("--reverse-source",), ("reverse_source must be False with attention",)),
        (("--attention", "none", "--input-feeding"), ("input_feeding must be False",)),
        (("--cell", "lstm", "--reset-before"), ("reset_before must be False",)),
    ],
)
def test_bad_settings_are_refused_before_training(files, cli, tmp_path, arguments, words):
    out = tmp_path / "run"
    assert_fails(cli("train", *TINY, *data_of(files), "--out", out, *arguments), *words)
    assert not out.exists()


def test_bad_files_are_refused_before_training(files, cli, tmp_path):
    ours, theirs = files["dev", "num"], files["dev", "de"]
    short = write(tmp_path / "short.de", "eins\n")
    empty = write(tmp_path / "empty.de", "eins\n" * 3 + " \n" + "eins\n" * 26)
    for wrong, words in (
        (("--source", ours, ours, "--target", theirs, short), ("short.de", "1", "30")),
        (("--source", ours, ours, "--target", theirs, empty), ("empty.de, line 4", "empty")),
        (("--source", ours, "--target", theirs), ("two or three files", "1")),
        (("--source", ours, ours), ("source and target", "0")),
        (("--target", ours, ours), ("source and target", "0")),
    ):
        out = tmp_path / "run"
        assert_fails(cli("train", *TINY, *wrong, "--out", out), *words)
        assert not out.exists()
    assert_fails(cli("evaluate", "--run", tmp_path, "--source", ours), "both, or neither")
    assert_fails(cli("train", *TINY, "--out", tmp_path / "run"), "given for words")
    assert_fails(cli("translate", "--run", tmp_path, stdin="1"), "holds no run")


@pytest.mark.parametrize("command", ["translate", "evaluate", "lengths"])
def test_no_run_is_one_line(cli, command):
    assert_fails(cli(command, "--run", stdin="1"), "run must be at least one run's folder")


def test_runs_of_other_tokenisers_are_named_before_a_line_is_read(cli, monkeypatch):
    runs = {
        Path(name): (None, SimpleNamespace(tokenizers=tokenizers))
        for name, tokenizers in (("a", (1, 2)), ("b", (1, 2)), ("c", (1, 3)))
    }
    monkeypatch.setattr(translate, "open_runs", lambda run: runs)
    said = "c must have the tokenisers of a to translate with it"
    assert_fails(cli("translate", "--run", "a", "b", "c", stdin=""), said)


def test_dates_are_for_what_has_learnt_them(trained, cli):
    assert_fails(cli("evaluate", "--run", trained[0]), "has not learnt dates")


def test_a_beam_of_nothing_is_refused_in_use(trained, cli):
    assert_fails(cli("translate", "--run", trained[0], "--beam", 0, stdin="1"), "beam", "0")
