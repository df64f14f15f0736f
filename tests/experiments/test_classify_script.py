"""The classification script as a person meets it."""

import gzip
import json
import os
import random
import re
import signal

import numpy as np
import pytest
from lm_runs import assert_fails, assert_same_end
from sentence_runs import SMALL, table, write

from rnnjax.data import Labelled, SentenceBatches, Splits
from rnnjax_experiments.classify import commands as classify
from rnnjax_experiments.label import commands as label
from rnnjax_experiments.sentences.data import check_labels
from rnnjax_experiments.shared.command_line import print_table

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

UNKNOWN = "{} of {} words ({}) are not in the vocabulary: the model reads them as unknown"
WORDS = {"good": ["fine", "lovely", "a gem"], "bad": ["poor", "dull", "a bore"]}


@pytest.fixture(scope="module")
def cli(cli_of):
    return cli_of(classify.COMMANDS)


def opinions(sentences, seed):
    """Opinions, a tab, what they are; one in ten is not what it says, and one is empty."""
    draw, lines = random.Random(seed), ["\tbad"]
    for _ in range(sentences):
        name = draw.choice(["good", "bad"])
        text = f"it is {'so ' * draw.choice([0, 0, 4])}{draw.choice(WORDS[name])} ."
        lines.append(f"{text}\t{name if draw.random() < 0.9 else 'mixed'}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Three files of opinions."""
    folder = tmp_path_factory.mktemp("films")
    sizes = {"train": 100, "dev": 20, "test": 16}
    return [write(folder / f"{name}.tsv", opinions(size, name)) for name, size in sizes.items()]


@pytest.fixture(scope="module")
def trained(films, cli):
    """A run: its folder and what it printed. Not to be written to."""
    folder = films[0].parent / "run"
    code, out, err = cli("train", "sentiment", "--data", *films, "--out", folder, *SMALL)
    assert code == 0, err
    return folder, out


def test_train_leaves_all_that_a_run_needs(trained):
    folder, out = trained
    files = {
        "config.json",
        "model.json",
        "indexer.json",
        "metrics.jsonl",
        "curves.png",
        "confusion.png",
    }
    assert {p.name for p in folder.iterdir()} == {
        *files,
        "SHA256SUMS",
        "errors.txt",
        "best",
        "latest",
    }
    for picture in ("curves.png", "confusion.png"):
        assert (folder / picture).read_bytes()[:4] == b"\x89PNG"
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    valid = [record for record in records if record["split"] == "valid"]
    assert valid[-1]["loss"] < valid[0]["loss"] < np.log(3)  # it learned
    assert valid[-1]["error"] == pytest.approx(1 - valid[-1]["accuracy"])
    assert "101 / 21 / 17 sentences" in out
    rows = table(out, "test, by label")
    assert set(rows) == {"", "bad", "good", "mixed"}
    numbers = [int(row[0]) for name, row in rows.items() if name]
    assert sum(numbers) == 17
    # Each wrong sentence is written down, with what it is and is not.
    wrong = (folder / "errors.txt").read_text().splitlines()
    accuracy = float(table(out, "test, per cent")["this model"][0])
    assert len(wrong) == round(17 * (1 - accuracy / 100)) > 0
    assert all(re.fullmatch(r"\w+, not \w+ \(\d\.\d\d\): .*", line) for line in wrong)


def test_evaluate_measures_what_predict_answers(trained, films, cli, tmp_path):
    folder, _ = trained
    code, out, err = cli("evaluate", "--run", folder, "--data", films[1])
    assert (code, err.strip()) == (0, "")
    (accuracy,) = re.findall(r"│ +([\d.]+) │ +[\d.]+ │$", out, re.MULTILINE)
    rows = [line.split("\t") for line in films[1].read_text().splitlines()]
    text = "".join(f"{row[0]}\n" for row in rows)
    file = write(tmp_path / "dev.txt", text)
    code, out, _ = cli("predict", "--run", folder, "--data", file, "--tokens")
    assert code == 0
    answers = [line.split("\t") for line in out.splitlines()]
    assert [answer[2].split() for answer in answers] == [row[0].split() for row in rows]
    right = [answer[0] == row[1] for answer, row in zip(answers, rows, strict=True)]
    assert float(accuracy) == pytest.approx(100 * np.mean(right), abs=0.005)
    assert float(accuracy) > 60
    assert all(1 / 3 <= float(answer[1]) <= 1 for answer in answers)
    # Of standard input the same, though each sentence is answered by itself.
    code, again, _ = cli("predict", "--run", folder, "--tokens", stdin=text)
    assert code == 0
    for one, other in zip(answers, again.splitlines(), strict=True):
        label, share, sentence = other.split("\t")
        assert (label, sentence) == (one[0], one[2])
        assert float(share) == pytest.approx(float(one[1]), abs=2e-4)


def test_evaluate_of_two_runs_reads_a_pipe_once(trained, films, cli, pipe_of):
    data = films[1].read_bytes()
    call = ("evaluate", "--run", trained[0], trained[0], "--data")
    rows = table(cli(*call, films[1])[1], str(films[1]))
    path = pipe_of(gzip.compress(b"sentence\tlabel\n" + data))
    code, out, err = cli(*call, path)
    assert code == 0, err
    assert table(out, str(path)) == rows
    said = f"{path}, line 1: 'sentence\\tlabel' names the columns; header \"no\" reads it as data"
    assert err.strip() == said
    code, _, err = cli(*call, pipe_of(b"sentence\tlabel\n" + data), "--header", "no")
    assert code == 0
    assert "counted as wrong: label (1)" in err


@pytest.mark.slow  # a training of its own
def test_evaluate_of_several_runs_has_mean_and_deviation(trained, films, cli):
    folder, other = trained[0], trained[0].parent / "other"
    options = ("--seed", "1", "--epochs", "1", "--learning-rate", "1e-4", "--pooling", "attention")
    code, out, err = cli(
        "train", "sentiment", "--data", *films[:2], "--out", other, *SMALL, *options
    )
    assert code == 0, err
    assert "dev, by label" in out  # there is no test split
    code, out, _ = cli("evaluate", "--run", folder, other, "--data", films[1])
    assert code == 0
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in out.splitlines()
        if line.startswith("│") and "." in line  # not the rest of a long name
    ]
    values = np.array([[float(cell) for cell in row[1:]] for row in rows[:2]])
    assert values[0, 0] != values[1, 0]
    for i, cell in enumerate(rows[2][1:]):
        mean, deviation = map(float, cell.split("±"))
        assert mean == pytest.approx(values[:, i].mean(), abs=0.011)
        assert deviation == pytest.approx(values[:, i].std(ddof=1), abs=0.011)


def test_predict_reads_plain_text_blank_lines_and_what_it_never_saw(trained, cli, tmp_path):
    text = "It's LOVELY!\n\nÑandú 犬\n"
    code, out, err = cli("predict", "--run", trained[0], stdin=text)
    # Only "it" and "lovely" were in training.
    assert (code, err.strip()) == (0, UNKNOWN.format(4, 6, "66.7%"))
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[2] for row in rows] == ["It's LOVELY!", "", "Ñandú 犬"]
    assert {row[0] for row in rows} <= {"good", "bad", "mixed"}
    code, out, _ = cli("predict", "--run", trained[0], "--data", write(tmp_path / "t.txt", text))
    assert [line.split("\t")[0] for line in out.splitlines()] == [row[0] for row in rows]
    for blank in ("\n", "\n\n"):
        for options in ((), ("--data", write(tmp_path / "blank.txt", blank))):
            code, out, err = cli("predict", "--run", trained[0], *options, stdin=blank)
            assert (code, len(out.splitlines())) == (0, len(blank)), err
    assert_fails(
        cli("predict", "--run", trained[0], "--data", write(tmp_path / "empty.txt", "")),
        "an empty file",
    )


@pytest.mark.slow  # a training of its own
def test_plain_text_is_cut_the_same_in_training_and_answering(cli, tmp_path):
    lines = ["It's great.\tgood\n", "Don't bother.\tbad\n"] * 12
    data = write(tmp_path / "raw.tsv", "".join(lines))
    call = ("train", "sentiment", "--data", data, data, *SMALL, "--epochs", "4")
    folder = tmp_path / "run"
    code, out, err = cli(*call, "--plain", "--out", folder)
    assert code == 0, err
    words = json.loads((folder / "indexer.json").read_text())["words"]["symbols"]
    assert set(words) == {"it", "'s", "great", ".", "do", "n't", "bother"}
    assert float(table(out, "dev, per cent")["this model"][0]) == 100
    code, out, _ = cli("predict", "--run", folder, stdin="It's great.\nDon't bother.\n")
    assert [line.split("\t")[0] for line in out.splitlines()] == ["good", "bad"]
    code, out, _ = cli("evaluate", "--run", folder, "--data", data)
    assert "100.00" in out


def test_a_sentence_of_5000_tokens_is_classified(trained, cli, tmp_path):
    code, out, err = cli("predict", "--run", trained[0], stdin="it is lovely . " * 1_250 + "\n")
    assert code == 0, err
    assert len(out.split("\t")[2].split()) == 5_000


def test_an_unseen_label_is_said_and_counted_as_wrong(trained, cli, tmp_path):
    data = write(tmp_path / "new.tsv", "fine .\tgood\nwell .\todd\nhm .\todd\n? .\t_\n")
    code, out, err = cli("evaluate", "--run", trained[0], "--data", data)
    assert code == 0
    assert "counted as wrong: odd (2)" in err
    (accuracy,) = re.findall(r"│ +([\d.]+) │ +[\d.]+ │$", out, re.MULTILINE)
    assert float(accuracy) in (0, 33.33)  # of the three that are labelled


@pytest.mark.slow  # several trainings
def test_a_run_that_is_interrupted_goes_on_and_ends_the_same(
    trained, films, cli, tmp_path, monkeypatch
):
    call = ("train", "sentiment", "--data", *films, "--out", tmp_path / "run", *SMALL)
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
    assert table(out, "test, per cent") == table(trained[1], "test, per cent")


def test_another_configuration_data_or_task_in_the_same_folder_is_refused(
    trained, films, cli, cli_of
):
    folder, _ = trained
    before = (folder / "config.json").read_text()
    call = ("train", "sentiment", "--out", folder, *SMALL, "--data")
    assert_fails(cli(*call, *films, "--pooling", "mean"), "pooling was 'max' and is now 'mean'")
    assert_fails(cli(*call, *films[:2]), folder, "the data changed", "--out")
    assert (folder / "config.json").read_text() == before
    other = cli_of(label.COMMANDS)
    assert_fails(other("predict", "--run", folder), "config.json", "not the configuration")


@pytest.mark.slow  # a training of its own
def test_vectors_are_read_and_their_coverage_is_said(films, cli, tmp_path):
    words = ["it", "is", "fine", "lovely"]
    vectors = write(
        tmp_path / "v.txt", "4 2\n" + "".join(f"{w} 0.{i} 1\n" for i, w in enumerate(words))
    )
    call = ("train", "sentiment", "--data", *films, "--out", tmp_path / "run", *SMALL)
    short = ("--epochs", "1", "--shapes", "1", "--bidirectional")
    code, out, err = cli(*call, *short, "--vectors", vectors)
    assert code == 0, err
    assert "vectors for 36.4% of 11 words" in out
    assert json.loads((tmp_path / "run" / "config.json").read_text())["embed_size"] == 2
    ragged = write(tmp_path / "ragged.txt", "it 1 2\nis 1\n")
    assert_fails(cli(*call, "--vectors", ragged), "ragged.txt, line 2", "2 numbers")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("fine\tgood\nfine good\n", ["bad.tsv, line 2", "a tab and a label"]),
        ("fine\t\n", ["bad.tsv, line 1", "label", "empty"]),
        ("", ["bad.tsv must contain text"]),
        ("\n\n", ["the train split holds no sentence"]),
        ("\tgood\n", ["the train split holds no sentence with a token"]),
        ("fine\t_\n", ["nothing in the train split is labelled"]),
        (None, ["cannot read", "bad.tsv"]),
    ],
)
def test_bad_data_is_one_line_and_leaves_no_claim_on_the_folder(
    films, cli, tmp_path, content, words
):
    path = tmp_path / "bad.tsv"
    if content is not None:
        write(path, content)
    call = ("train", "sentiment", "--out", tmp_path / "run", *SMALL, "--data")
    assert_fails(cli(*call, path, films[1]), *words)
    assert_fails(cli(*call, films[0], path), *[word.replace("train", "dev") for word in words])
    assert not (tmp_path / "run").exists()


def test_bad_data_at_evaluation_is_one_line(trained, cli, tmp_path):
    call = ("evaluate", "--run", trained[0], "--data")
    assert_fails(cli(*call, write(tmp_path / "a.tsv", "fine\n")), "a.tsv, line 1")
    assert_fails(cli(*call, write(tmp_path / "a.tsv", "fine\t_\n")), "no sentence is labelled")
    assert_fails(cli(*call, write(tmp_path / "a.tsv", "\n")), "no sentence is labelled")


def test_one_file_alone_is_refused(films, cli, tmp_path):
    call = ("train", "sentiment", "--out", tmp_path / "run", *SMALL, "--data")
    assert_fails(cli(*call, films[0]), "two or three files", "got 1")


def test_labels_are_printed_as_they_are(capsys):
    print_table("a [b]", ("", "[i]"), [("[/red]", ":x:"), ("[bold]x", 3)])
    out = capsys.readouterr().out
    assert "a [b]" in out
    assert table(out, "a [b]") == {"": ["[i]"], "[/red]": [":x:"], "[bold]x": ["3"]}


def test_without_data_it_is_docstrings(cli, tmp_path, monkeypatch):
    splits, seen = Splits([Labelled(("a",), "x")], [Labelled(("a",), "x")], []), []

    def train_recurrent(experiment, splits, *_, **__):
        seen.append((experiment, splits))
        raise ValueError("that is all")

    monkeypatch.setattr(classify, "docstrings_by_package", lambda: splits)
    monkeypatch.setattr(classify, "train_recurrent", train_recurrent)
    assert_fails(cli("train", "--out", tmp_path / "run"), "that is all")
    assert seen == [(classify.PRESETS["docstrings"], splits)]


def test_no_runs_to_evaluate_are_refused(cli, films):
    code, _, err = cli("evaluate", "--data", films[1], "--run")
    assert_fails((code, "", err), "at least one run")


def test_labels_that_training_lacks_are_named_before_it(capsys):
    train, dev = ([Labelled(("x",), label) for label in labels] for labels in ("ab", "acd"))
    check_labels(Splits(train, dev, []))
    assert (
        "the dev split has labels that the train split lacks: 'c', 'd'" in capsys.readouterr().err
    )
    swapped = [Labelled(("a",), f"sentence {i}") for i in range(9)]
    message = r"share labels with the train split, got none of 'a', 'b' but .* and 4 more: are"
    with pytest.raises(ValueError, match=message):
        check_labels(Splits(train, swapped, []))
