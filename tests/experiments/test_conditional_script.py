"""The script of text given its class as a person meets it."""

import json
import os
import random
import shutil
import signal

import numpy as np
import pytest
from lm_runs import assert_fails, assert_same_end
from sentence_runs import SMALL as SENTENCES
from sentence_runs import table, write

from rnnjax.data import Labelled, SentenceBatches, Splits, read_labelled
from rnnjax.trained import load_run
from rnnjax_experiments.classify import commands as classify
from rnnjax_experiments.conditional import commands as conditional
from rnnjax_experiments.conditional.training import measured

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SMALL = (
    *("--hidden-size", "16", "--embed-size", "12", "--condition-size", "4", "--dropout", "0.1"),
    *("--batch-size", "8", "--epochs", "8", "--shapes", "2", "--learning-rate", "0.05"),
)
WORDS = {"sea": ["a wave", "the tide", "salt"], "wood": ["a leaf", "the moss", "bark"]}


@pytest.fixture(scope="module")
def cli(cli_of):
    return cli_of(conditional.COMMANDS)


def scenes(texts, seed):
    draw, lines = random.Random(seed), []
    for _ in range(texts):
        name = draw.choice(list(WORDS))
        lines.append(f"There is {draw.choice(WORDS[name])} {'. ' * draw.choice([1, 4])}\t{name}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    sizes = {"train": 90, "dev": 20, "test": 24}
    return [write(folder / f"{name}.tsv", scenes(size, name)) for name, size in sizes.items()]


@pytest.fixture(scope="module")
def trained(files, cli):
    """A run: its folder and what it printed. Not to be written to."""
    folder = files[0].parent / "run"
    code, out, err = cli("train", "sentiment", "--data", *files, "--out", folder, *SMALL)
    assert code == 0, err
    return folder, out


def test_train_leaves_all_that_a_run_needs(trained):
    folder, out = trained
    names = {
        "config.json",
        "model.json",
        "vocabulary.json",
        "classes.json",
        "metrics.jsonl",
        "curves.png",
    }
    assert {p.name for p in folder.iterdir()} == {
        *names,
        "SHA256SUMS",
        "samples.txt",
        "best",
        "latest",
    }
    assert (folder / "curves.png").read_bytes()[:4] == b"\x89PNG"
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    valid = [record for record in records if record["split"] == "valid"]
    assert valid[-1]["loss"] < valid[0]["loss"]
    assert "90 / 20 / 24 texts" in out
    rows = table(out, "test, perplexity a word")
    right, wrong, either = map(float, rows["this model"])
    assert right < either < wrong
    assert float(rows["3-gram (Kneser-Ney)"][2]) > 1
    rows = table(out, "test, class, per cent")
    assert float(rows["naive Bayes"][0]) == 100
    assert float(rows["this model"][0]) > 90
    samples = (folder / "samples.txt").read_text().splitlines()
    assert [line.split("\t")[0] for line in samples] == ["sea", "sea", "wood", "wood"]


def test_texts_are_sampled_given_their_class(trained, cli):
    call = ("generate", "--run", trained[0], "--condition", *["sea", "wood"] * 4)
    code, out, err = cli(*call)
    assert code == 0, err
    own = {name: {word for words in each for word in words.split()} for name, each in WORDS.items()}
    texts = [line.split("\t") for line in out.splitlines()]
    assert [name for name, _ in texts] == ["sea", "wood"] * 4
    right = [bool(set(text.split()) & (own[name] - {"a", "the"})) for name, text in texts]
    assert sum(right) >= 6
    assert "<unk>" not in out
    assert cli(*call)[1] == out
    assert cli(*call, "--seed", "1")[1] != out
    code, out, _ = cli("generate", "--run", trained[0], "--prompt", "there is")
    assert all(line.split("\t")[1].startswith("there is ") for line in out.splitlines())
    assert len(out.splitlines()) == 2


def test_a_prompt_is_read_as_the_texts_were(trained, cli):
    call = ("generate", "--run", trained[0], "--seed", "3", "--prompt")
    code, out, err = cli(*call, "There is salt.")
    assert (code, err.strip()) == (0, "")
    assert out == cli(*call, "there is salt .", "--tokens")[1]
    assert all("\tthere is salt ." in line for line in out.splitlines())
    code, _, err = cli(*call, "There is sand.")
    assert code == 0
    assert "1 of 4 words (25.0%) are not in the vocabulary" in err


def test_texts_of_unknown_classes_are_wrong_and_cost_nothing(trained, files, tmp_path, capsys):
    model = load_run(trained[0])
    splits = [read_labelled(path) for path in files]
    unknown = [Labelled(("there", "is", "sand"), "desert")] * len(splits[2])
    alone, both = (measured(model, texts) for texts in (splits[2], splits[2] + unknown))
    assert both["accuracy"] == pytest.approx(alone["accuracy"] / 2)
    for name in conditional.COSTS:
        assert both[name] == pytest.approx(alone[name], abs=1e-6)
    shutil.copy(trained[0] / "metrics.jsonl", tmp_path)
    conditional._report(tmp_path, model, Splits(splits[0], splits[1], splits[2] + unknown))
    out, err = capsys.readouterr()
    assert "counted as wrong: desert (24)" in err
    before = table(trained[1], "test, perplexity a word")
    assert table(out, "test, perplexity a word") == before
    rows = table(out, "test, class, per cent")
    assert rows["naive Bayes"][0] == "50.00"
    assert float(rows["this model"][0]) == pytest.approx(100 * both["accuracy"], abs=0.005)


def test_evaluate_measures_what_predict_answers(trained, files, cli):
    code, out, err = cli("evaluate", "--run", trained[0], trained[0], "--data", files[1])
    assert code == 0, err
    accuracy = table(out, f"{files[1]}, class by")["mean ± standard deviation"][0].split(" ± ")
    costs = table(out, f"{files[1]}, perplexity a word")
    assert costs["mean ± standard deviation"][0].endswith("± 0.00")
    rows = [line.split("\t") for line in files[1].read_text().splitlines()]
    code, out, err = cli(
        "predict", "--run", trained[0], "--tokens", stdin="".join(f"{row[0]}\n" for row in rows)
    )
    assert code == 0, err
    answers = [line.split("\t") for line in out.splitlines()]
    right = [answer[0] == row[1] for answer, row in zip(answers, rows, strict=True)]
    assert float(accuracy[0]) == pytest.approx(100 * np.mean(right), abs=0.005)
    assert all(0.5 <= float(answer[1]) <= 1 for answer in answers)


@pytest.mark.slow  # a training of its own
def test_a_classifier_stands_beside_it(trained, files, cli, cli_of, tmp_path):
    call = ("train", "sentiment", "--data", *files[:2], "--out", tmp_path / "run", *SENTENCES)
    assert cli_of(classify.COMMANDS)(*call)[0] == 0
    code, out, err = cli(
        "evaluate", "--run", trained[0], "--data", files[2], "--classifier", tmp_path / "run"
    )
    assert code == 0, err
    rows = table(out, f"{files[2]}, class by cl").values()
    (accuracy,) = [cells[0] for cells in rows if cells[0][:1].isdigit()]
    assert float(accuracy) > 90
    outcome = cli("evaluate", "--run", trained[0], "--data", files[2], "--classifier", trained[0])
    assert_fails(outcome, "config.json", "not the configuration")


def test_an_empty_text_has_the_likelier_class_and_new_words_are_read(trained, cli):
    code, out, err = cli("predict", "--run", trained[0], stdin="\nÑandú tide\n")
    assert code == 0
    assert err.strip().startswith("1 of 2 words (50.0%) are not in the vocabulary")
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[2] for row in rows] == ["", "Ñandú tide"]
    assert rows[1][0] == "sea"


@pytest.mark.slow  # several trainings
def test_a_run_that_is_interrupted_goes_on_and_ends_the_same(
    trained, files, cli, tmp_path, monkeypatch
):
    call = ("train", "sentiment", "--data", *files, "--out", tmp_path / "run", *SMALL)
    at = SentenceBatches.at

    def stopping(batches, step):
        if step == 16:
            os.kill(os.getpid(), signal.SIGINT)
        return at(batches, step)

    with monkeypatch.context() as patch:
        patch.setattr(SentenceBatches, "at", stopping)
        code, _, err = cli(*call)
    assert code == 130
    assert err.splitlines()[-1].startswith("interrupted at step 17 of")
    code, out, _ = cli(*call)
    assert code == 0
    assert "resuming at step 17 of" in out
    assert_same_end(tmp_path / "run", trained[0])


def test_an_unknown_condition_is_named(trained, cli):
    outcome = cli("generate", "--run", trained[0], "--condition", "desert")
    assert_fails(outcome, "condition must be one of sea, wood, got 'desert'")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("fine\tgood\nfine good\n", ["bad.tsv, line 2", "a tab and a label"]),
        ("fine\t\n", ["bad.tsv, line 1", "label", "empty"]),
        ("\tgood\n", ["the train split holds no sentence with a token"]),
        ("fine\t_\n", ["nothing in the train split is labelled"]),
        ("fine\tgood\nwell\tgood\n", ["two labels or more", "got good"]),
    ],
)
def test_bad_data_is_one_line_and_leaves_no_claim_on_the_folder(
    files, cli, tmp_path, content, words
):
    path = write(tmp_path / "bad.tsv", content)
    call = ("train", "sentiment", "--out", tmp_path / "run", *SMALL, "--data")
    assert_fails(cli(*call, path, files[1]), *words)
    assert not (tmp_path / "run").exists()


def test_texts_of_unknown_classes_alone_cannot_be_measured(trained, cli, tmp_path, files):
    path = write(tmp_path / "other.tsv", "sand\tdesert\n")
    code, _, err = cli("evaluate", "--run", trained[0], "--data", path)
    assert code == 1
    assert "no text has one of the model's classes: sea, wood" in err.splitlines()[-1]
    call = ("train", "sentiment", "--out", tmp_path / "run", *SMALL, "--data", files[0], path)
    assert_fails(cli(*call), "the dev split must share labels", "'desert'")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("option", "value"), [("min-count", "0"), ("condition-size", "0"), ("dropout", "1")]
)
def test_a_bad_setting_is_named(files, cli, tmp_path, option, value):
    call = ("train", "sentiment", "--data", *files, "--out", tmp_path / "run", *SMALL)
    assert_fails(cli(*call, f"--{option}", value), option.replace("-", "_"))


def test_without_data_it_is_topics(cli, tmp_path, monkeypatch):
    splits, seen = Splits([Labelled(("a",), "x")], [Labelled(("a",), "x")], []), []

    def train_texts(experiment, splits, *_, **__):
        seen.append((experiment, splits))
        raise ValueError("that is all")

    monkeypatch.setattr(conditional, "paragraphs_by_topic", lambda: splits)
    monkeypatch.setattr(conditional, "train_texts", train_texts)
    assert_fails(cli("train", "--out", tmp_path / "run"), "that is all")
    assert seen == [(conditional.PRESETS["topics"], splits)]
